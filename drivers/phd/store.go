package phd

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// maxSegments bounds what is known of the device's memory.
	maxSegments = 256
	// history is how old a reading may be. What is older was there before the
	// device came to this bed, and may be another patient's.
	history = 24 * time.Hour
)

// headers are the times with which an entry may begin, in order.
var headers = []struct {
	bit, id uint16
	size    int
}{{0x8000, attrStampAbsolute, 8}, {0x4000, attrStampRelative, 4}, {0x2000, attrStampHighResolve, 8}}

// A segmentKey names a part of the device's memory.
type segmentKey struct{ handle, number uint16 }

// A segment is a part of the device's memory: entries that all look alike.
type segment struct {
	info   []byte // all that the device tells of it
	header uint16
	elems  []elem
	person *uint16
	start  stamp
	period uint32 // RelativeTime between two entries, 0 if there is none
	size   int    // bytes of an entry; 0 if it cannot be read
}

// An elem is one object's part of an entry.
type elem struct {
	object  *object
	entries []entry
}

// segmentInfo reads a list of segments; false if it is not well formed. Of each
// it calls found.
func segmentInfo(info []byte, found func(number uint16, attributes []byte)) bool {
	c := cursor{b: info}
	count, items := c.list()
	for range count {
		number := items.u16()
		list := items.b
		if !items.attributes(nil) {
			return false
		}
		if found != nil {
			found(number, list[:len(list)-len(items.b)])
		}
	}
	return items.done() && c.done()
}

// learn takes in what the device tells of its memory.
func (a *agent) learn(m *message) {
	listed := map[segmentKey]bool{}
	segmentInfo(m.info, func(number uint16, _ []byte) { listed[segmentKey{m.handle, number}] = true })
	maps.DeleteFunc(a.segments, func(k segmentKey, _ *segment) bool { return k.handle == m.handle && !listed[k] })
	segmentInfo(m.info, func(number uint16, attributes []byte) {
		key := segmentKey{m.handle, number}
		old := a.segments[key]
		if old == nil && len(a.segments) >= maxSegments || old != nil && bytes.Equal(old.info, attributes) {
			return
		}
		s := &segment{info: bytes.Clone(attributes)}
		var static []byte
		ok := true
		c := cursor{b: s.info}
		c.attributes(func(id uint16, v []byte) {
			c := cursor{b: v}
			switch id {
			case attrSegmentMap:
				ok = a.entryMap(s, c) && ok
			case attrSegmentPerson:
				person := c.u16()
				s.person, ok = &person, ok && c.done()
			case attrSegmentStart:
				s.start = stampOf(attrStampAbsolute, v)
			case attrSamplePeriod:
				s.period = c.u32()
			case attrSegmentStatic:
				static = v
			}
		})
		if ok {
			s.static(static)
			s.measure()
		}
		a.segments[key] = s
		a.blind = a.blind || s.size == 0
	})
	a.tellBlind()
}

// memory are the segments that are known, in order.
func (a *agent) memory() []segmentKey {
	return slices.SortedFunc(maps.Keys(a.segments), func(x, y segmentKey) int {
		return cmp.Or(cmp.Compare(x.handle, y.handle), cmp.Compare(x.number, y.number))
	})
}

// entryMap reads what an entry looks like.
func (a *agent) entryMap(s *segment, c cursor) bool {
	s.header = c.u16()
	count, items := c.list()
	if count > maxMap {
		return false
	}
	for range count {
		o := &object{class: items.u16(), partition: items.u16(), code: items.u16(), handle: items.u16()}
		if known := a.config[o.handle]; known != nil {
			n := *known
			n.values, n.settled = nil, false
			if n.typ() != o.typ() && len(n.physios) == 0 {
				n.partition, n.code, n.physio, n.physioPart = o.partition, o.code, 0, 0
			}
			o = &n
		}
		s.elems = append(s.elems, elem{o, items.entries()})
	}
	return items.done() && c.done()
}

// static takes in what is told of the objects once for all entries.
func (s *segment) static(v []byte) {
	c := cursor{b: v}
	count, items := c.list()
	for range count {
		class, partition, code := items.u16(), items.u16(), items.u16()
		for _, e := range s.elems {
			if o := e.object; o.class == class && o.partition == partition && o.code == code {
				again := items
				again.attributes(o.describe)
			}
		}
		if !items.attributes(nil) {
			return
		}
	}
}

// measure computes the size of an entry.
func (s *segment) measure() {
	n, unknown := 0, s.header
	for _, h := range headers {
		if s.header&h.bit != 0 {
			n += h.size
		}
		unknown &^= h.bit
	}
	if unknown != 0 || len(s.elems) == 0 {
		return
	}
	for _, e := range s.elems {
		n += group{entries: e.entries}.length()
	}
	s.size = n
}

// A segmentEvent is a piece of a segment.
type segmentEvent struct {
	number       uint16
	index, count uint32
	status       uint16
	entries      []byte
}

// Bits of the status of a piece.
const (
	pieceLast       = 0x4000
	pieceAborted    = 0x0800 // by the device
	pieceConfirmed  = 0x0080 // by the manager
	pieceNotWanted  = 0x0008 // the manager aborts
	descriptionSize = 12
)

func parseSegmentEvent(info []byte) (e segmentEvent, ok bool) {
	c := cursor{b: info}
	e.number, e.index, e.count, e.status, e.entries = c.u16(), c.u32(), c.u32(), c.u16(), c.octets()
	return e, c.done()
}

// recall emits a piece of a segment, and says whether it was understood.
func (a *agent) recall(m *message) bool {
	e, _ := parseSegmentEvent(m.info)
	s := a.segments[segmentKey{m.handle, e.number}]
	if e.status&pieceAborted != 0 {
		return false
	}
	if s == nil || s.size == 0 || uint64(len(e.entries)) != uint64(e.count)*uint64(s.size) {
		a.blind = true
		a.tellBlind()
		return false
	}
	foreign := a.foreign
	c := cursor{b: e.entries}
	for i := range e.count {
		one := cursor{b: c.bytes(s.size)}
		if s.person != nil && a.admits(true, *s.person) || s.person == nil && a.admits(false, 0) {
			a.entry(s, &one, uint64(e.index)+uint64(i))
		}
	}
	a.tellForeign(foreign)
	a.tellBlind()
	return true
}

// entry emits one entry of a segment, the n-th of it.
func (a *agent) entry(s *segment, c *cursor, n uint64) {
	var at stamp
	for _, h := range headers {
		if s.header&h.bit == 0 {
			continue
		}
		if t := stampOf(h.id, c.bytes(h.size)); at.kind == noClock {
			at = t
		}
	}
	if at.kind == noClock && s.period != 0 && s.start.kind != noClock && n < 1<<32 {
		at = stamp{s.start.kind, s.start.us + int64(n)*int64(s.period)*tick}
	}
	for _, e := range s.elems {
		a.reading = reading{stamped: at.kind != noClock, stamp: at}
		data := cursor{b: c.bytes(group{entries: e.entries}.length())}
		for _, f := range e.entries {
			a.reading.take(f.id, data.bytes(f.length))
		}
		a.values(e.object, &a.reading, timing{stored: true})
	}
}
