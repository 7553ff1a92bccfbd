package phd

import (
	"bytes"
	"slices"

	"monitorme/protocol"
)

const (
	// maxObjects bounds a configuration; devices have less than 50.
	maxObjects = 128
	// maxParts bounds the numbers of one object.
	maxParts = 16
	// maxAlike bounds the numbers of one kind.
	maxAlike = 64
	// maxMap bounds what a report tells of one object.
	maxMap = 64
)

// An entry is one attribute of a fixed report.
type entry struct {
	id     uint16
	length int
}

// A group is one object of a grouped report of a scanner.
type group struct {
	handle  uint16
	entries []entry
}

// An object is what a configuration describes.
type object struct {
	class, handle uint16
	partition     uint16
	code          uint16 // of the type
	physio        uint16 // instead of the type's code, if not 0
	physioPart    uint16 // instead of the type's partition, if not 0
	physios       []uint16
	supplemental  []protocol.Code
	unitCode      uint16
	entries       []entry
	short         bool // a report may end after any entry
	groups        []group
	disabled      bool // a scanner that is switched off
	live          bool // it says that it never tells what it has kept
	wave          waveSpec

	settled bool
	values  []value
	unit    protocol.Unit
}

// specStored is the bit of a metric's specification that says that readings may
// have been kept before they are told.
const specStored = 0x4000

// describe takes in what is told of an object besides its values.
func (o *object) describe(id uint16, v []byte) {
	c := cursor{b: v}
	n := *o
	switch id {
	case attrType:
		n.partition, n.code = c.u16(), c.u16()
	case attrPhysio:
		n.physio = c.u16()
	case attrPhysioPartition:
		n.physioPart = c.u16()
	case attrPhysioList:
		count, items := c.list()
		n.physios = nil
		for range min(count, maxParts) {
			n.physios = append(n.physios, items.u16())
		}
		c.short = c.short || items.short
	case attrSupplemental:
		count, items := c.list()
		n.supplemental = nil
		for range min(count, maxParts) {
			n.supplemental = append(n.supplemental, protocol.Code(items.u16())<<16|protocol.Code(items.u16()))
		}
		c.short = c.short || items.short
	case attrUnit:
		if n.unitCode = c.u16(); n.unitCode == o.unitCode {
			return
		}
	case attrValueMap:
		n.entries = c.entries()
		n.short = false
	case attrHandleMap:
		count, items := c.list()
		n.groups = nil
		for range min(count, maxObjects) {
			n.groups = append(n.groups, group{items.u16(), items.entries()})
			if items.short {
				break
			}
		}
		c.short = c.short || !items.done()
	case attrMetricSpec:
		n.live = c.u16()&specStored == 0
		n.live = n.live && !c.short
	case attrOperational:
		n.disabled = c.u16() != 1
	default:
		if !n.wave.describe(id, v) {
			return
		}
	}
	if !c.short {
		*o = n
		o.settled = false
	}
}

// entries reads an AttrValMap.
func (c *cursor) entries() (all []entry) {
	count, items := c.list()
	if count > maxMap {
		c.short = true
		return nil
	}
	for range count {
		all = append(all, entry{items.u16(), int(items.u16())})
	}
	c.short = c.short || !items.done()
	return all
}

// typ is the context-free code of what the object measures.
func (o *object) typ() protocol.Code {
	partition, code := o.partition, o.code
	if o.physio != 0 {
		code = o.physio
	}
	return protocol.Code(o.physioPartition(partition))<<16 | protocol.Code(code)
}

func (o *object) physioPartition(of uint16) uint16 {
	if o.physioPart != 0 {
		return o.physioPart
	}
	return of
}

// A configuration is the objects of a device, by handle.
type configuration map[uint16]*object

// parse reads the objects of a configuration event; false if they are not well
// formed, or too many.
func (c configuration) parse(list *cursor) bool {
	count, items := list.list()
	if count > maxObjects {
		return false
	}
	for range count {
		o := &object{class: items.u16(), handle: items.u16()}
		if !items.attributes(o.describe) || c[o.handle] != nil {
			return false
		}
		c[o.handle] = o
	}
	return items.done() && list.done()
}

// settle decides under which codes and channels what an object measures is
// kept. Two objects must not share a series; what would be one too many of its
// kind gets none.
func (c configuration) settle(o *object) {
	o.settled, o.unit = true, unitOf(o.unitCode)
	taken := map[series]bool{}
	for _, other := range c {
		if other.settled && other.handle != o.handle {
			for _, v := range other.values {
				taken[series{v.code, v.channel}] = true
			}
		}
	}
	channel := ""
	for _, s := range o.supplemental {
		if m, ok := modalities[s]; ok {
			channel = m
		}
	}
	o.values = o.values[:0]
	codes := []protocol.Code{o.typ()}
	if ids := o.compound(); len(ids) > 0 {
		codes = append(codes[:0], ids...)
	}
	for _, code := range codes {
		if code == 0 { // an object without a type
			continue
		}
		v := valueOf(code, channel)
		if channel == "spot" {
			v.channel = "" // unless another value of the kind is there
		}
		for n := 2; taken[series{v.code, v.channel}]; n++ {
			if n > maxAlike {
				return
			}
			if v.channel == "" && channel != "" {
				v.channel = channel
			} else {
				v.channel = numbered(channel, n)
			}
		}
		taken[series{v.code, v.channel}] = true
		o.values = append(o.values, v)
	}
}

// compound are the codes of the parts of a compound value, in order.
func (o *object) compound() (codes []protocol.Code) {
	if len(o.physios) > 0 {
		for _, p := range o.physios {
			codes = append(codes, protocol.Code(o.physioPartition(o.partition))<<16|protocol.Code(p))
		}
		return codes
	}
	if len(o.supplemental) > 1 && o.typ() == nibp { // as some lists of their parts are written
		return o.supplemental
	}
	return nil
}

// taken reports whether a value of another object has the series of v.
func (c configuration) taken(o *object, v *value) bool {
	for _, other := range c {
		if other.handle != o.handle && other.settled && slices.ContainsFunc(other.values, func(w value) bool { return w.code == v.code && w.channel == v.channel }) {
			return true
		}
	}
	return false
}

// settleAll settles all objects, those without a modality first, by handle.
func (c configuration) settleAll() {
	all := make([]*object, 0, len(c))
	for _, o := range c {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *object) int {
		if (len(a.supplemental) == 0) != (len(b.supplemental) == 0) {
			return len(a.supplemental) - len(b.supplemental)
		}
		return int(a.handle) - int(b.handle)
	})
	for _, o := range all {
		c.settle(o)
	}
}

// handles are those of a class, in order.
func (c configuration) handles(from, to uint16) (all []uint16) {
	for h, o := range c {
		if o.class >= from && o.class <= to {
			all = append(all, h)
		}
	}
	slices.Sort(all)
	return all
}

// standard gives a standard configuration, nil if id is none that is known. It
// is used for a device that does not send its own.
func standard(id uint16) configuration {
	stamped := func(first entry) []entry { return []entry{first, {attrStampAbsolute, 8}} }
	basic, simple := entry{attrBasic, 2}, entry{attrSimple, 4}
	numeric := func(handle, code, unit uint16, e entry) *object {
		return &object{class: classNumeric, handle: handle, partition: 2, code: code, unitCode: unit, entries: stamped(e), short: true}
	}
	var all []*object
	switch id {
	case 0x0190, 0x0191: // pulse oximeter, without and with spot checks
		all = []*object{numeric(1, 0x4BB8, 0x0220, basic), numeric(10, 0x481A, 0x0AA0, basic)}
	case 0x02BC: // blood pressure
		pressure := numeric(1, 0x4A04, 0x0F20, entry{attrCompoundBasic, 10})
		pressure.physios = []uint16{0x4A05, 0x4A06, 0x4A07}
		all = []*object{pressure, numeric(2, 0x482A, 0x0AA0, basic)}
	case 0x0320: // thermometer
		all = []*object{numeric(1, 0x4B5C, 0x17A0, basic)}
	case 0x05DC: // scale
		all = []*object{numeric(1, 0xE140, 0x06C3, simple)}
	case 0x06A4: // glucose meter
		all = []*object{numeric(1, 0x71B8, 0x0852, basic)}
	default:
		return nil
	}
	c := configuration{}
	for _, o := range all {
		c[o.handle] = o
	}
	c.settleAll()
	return c
}

// text8 is text that a device says of itself.
func text8(b []byte) string {
	b = bytes.ToValidUTF8(b[:min(len(b), maxText)], nil)
	return string(bytes.TrimSpace(bytes.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return -1
		}
		return r
	}, b)))
}

const maxText = 64
