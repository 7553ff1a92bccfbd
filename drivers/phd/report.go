package phd

import (
	"slices"
	"time"

	"monitorme/protocol"
)

// A report is a scan report of the device or of a scanner.
type report struct {
	form     form
	multi    bool // of several persons
	buffered bool // collected over some time
	info     []byte
}

type form uint8

const (
	fixed form = iota
	variable
	grouped
)

// reportOf gives what kind of report m is; false if it is none.
func reportOf(m *message) (r report, ok bool) {
	r.info = m.info
	switch {
	case m.kind >= eventFixed && m.kind < eventSegment:
		k := m.kind - eventFixed
		r.form, r.multi = form(k&1), k >= 2
	case m.kind >= eventUnbuffered && m.kind <= eventBufferedLast:
		k := (m.kind - eventUnbuffered) % 6
		r.form = [...]form{variable, fixed, grouped}[k%3]
		r.multi, r.buffered = k >= 3, m.kind >= eventBuffered
	default:
		return r, false
	}
	return r, true
}

// each calls visit for every observation, or of a grouped report for every
// group of them, and says whether the report is well formed. What a
// variable report brings of an object is an attribute list.
func (r report) each(visit func(person, handle uint16, data []byte)) bool {
	c := cursor{b: r.info}
	c.u16() // data request
	c.u16() // number of the report
	ok := true
	if !r.multi {
		ok = r.observations(&c, 0, visit)
		return ok && c.done()
	}
	count, persons := c.list()
	for range count {
		person := persons.u16()
		if r.form == grouped {
			ok = r.observation(&persons, person, visit)
		} else {
			ok = r.observations(&persons, person, visit)
		}
		if !ok {
			return false
		}
	}
	return persons.done() && c.done()
}

func (r report) observations(c *cursor, person uint16, visit func(person, handle uint16, data []byte)) bool {
	count, items := c.list()
	for range count {
		if !r.observation(&items, person, visit) {
			return false
		}
	}
	return items.done()
}

func (r report) observation(c *cursor, person uint16, visit func(person, handle uint16, data []byte)) bool {
	var handle uint16
	if r.form != grouped {
		handle = c.u16()
	}
	data := c.b
	if r.form == variable {
		if !c.attributes(nil) {
			return false
		}
		data = data[:len(data)-len(c.b)]
	} else {
		data = c.octets()
	}
	if visit != nil && !c.short {
		visit(person, handle, data)
	}
	return !c.short
}

// admits reports whether the values of a person may be this bed's.
func (a *agent) admits(multi bool, person uint16) bool {
	want := a.settings.Person
	if want == nil && !multi || want != nil && multi && *want == person {
		return true
	}
	a.foreign++
	return false
}

// scan emits what a report brings: first what tells of the objects and the
// sensors, then the values.
func (a *agent) scan(m *message, r report, held time.Duration) {
	foreign := a.foreign
	a.walk(m, r, nil)
	a.foreign = foreign // counted once
	confirmed := m.service == serviceConfirmedEvent
	if confirmed {
		a.last = a.last[:0]
	}
	a.walk(m, r, &timing{event: m.time, buffered: r.buffered, held: held, confirmed: confirmed})
	a.tellForeign(foreign)
	a.tellBlind()
}

// A reading is what was told at once of one object.
type reading struct {
	values [4]struct {
		id uint16
		v  []byte
	}
	n       int
	status  uint16
	stamped bool // a time was told
	stamp   stamp
}

func (r *reading) take(id uint16, v []byte) {
	switch id {
	case attrBasic, attrSimple, attrCompoundBasic, attrCompoundSimple, attrNumeric, attrCompound, attrSamples, attrOID, attrBits16, attrBits32:
		if r.n < len(r.values) {
			r.values[r.n].id, r.values[r.n].v = id, v
			r.n++
		}
	case attrStatus:
		if len(v) == 2 {
			c := cursor{b: v}
			r.status = c.u16()
		}
	case attrStampAbsolute, attrStampRelative, attrStampHighResolve, attrStampBaseOffset, attrTimeAbsolute:
		if s := stampOf(id, v); !r.stamped || s.kind != noClock {
			r.stamped, r.stamp = true, s
		}
	}
}

// walk goes through the observations of a report: without a timing to see what
// they tell of their objects, with one to emit values.
func (a *agent) walk(m *message, r report, t *timing) {
	r.each(func(person, handle uint16, data []byte) {
		switch o := a.config[handle]; {
		case !a.admits(r.multi, person):
		case r.form == grouped:
			a.group(a.config[m.handle], data, t)
		case r.form == variable && handle == 0:
			if c := (cursor{b: data}); t == nil {
				c.attributes(a.system)
			}
		case o == nil || r.form == fixed && !o.fits(len(data)):
			a.blind = true
		case r.form == fixed:
			a.fixed(o, o.entries, data, t)
		default:
			a.variable(o, data, t)
		}
	})
}

// fits reports whether n bytes can be what the entries of o describe.
func (o *object) fits(n int) bool {
	for _, e := range o.entries {
		if n == 0 {
			return o.short
		}
		if n -= e.length; n < 0 {
			return false
		}
	}
	return n == 0 && len(o.entries) > 0
}

func (a *agent) variable(o *object, data []byte, t *timing) {
	a.reading = reading{}
	c := cursor{b: data}
	c.attributes(func(id uint16, v []byte) { a.attribute(o, id, v, t) })
	a.observed(o, t)
}

func (a *agent) fixed(o *object, entries []entry, data []byte, t *timing) {
	a.reading = reading{}
	c := cursor{b: data}
	for _, e := range entries {
		v := c.bytes(e.length)
		if c.short {
			break // a report that may be short
		}
		a.attribute(o, e.id, v, t)
	}
	a.observed(o, t)
}

func (a *agent) attribute(o *object, id uint16, v []byte, t *timing) {
	if a.reading.take(id, v); t == nil {
		o.describe(id, v)
	}
}

func (a *agent) observed(o *object, t *timing) {
	if t == nil {
		a.state(o, &a.reading)
	} else {
		a.values(o, &a.reading, *t)
	}
}

// group takes a group of a scanner's report apart.
func (a *agent) group(scanner *object, data []byte, t *timing) {
	if scanner == nil || len(data) == 0 || scanner.groupLength(a.config) != len(data) {
		a.blind = true
		return
	}
	c := cursor{b: data}
	for _, g := range scanner.groups {
		a.fixed(a.config[g.handle], g.entries, c.bytes(g.length()), t)
	}
}

func (g group) length() (n int) {
	for _, e := range g.entries {
		n += e.length
	}
	return n
}

// groupLength is how long a group of the scanner is, -1 if not all is known.
func (o *object) groupLength(c configuration) (n int) {
	for _, g := range o.groups {
		if c[g.handle] == nil {
			return -1
		}
		n += g.length()
	}
	return n
}

// state notes what a reading says of the state of the device.
func (a *agent) state(o *object, of *reading) {
	if o.class != classEnumeration {
		return
	}
	bits, ok := statuses[o.typ()]
	for _, w := range of.values[:of.n] {
		if ok && (w.id == attrBits16 && len(w.v) == 2 || w.id == attrBits32 && len(w.v) == 4) {
			a.status(o.typ(), bits, w.v)
		}
	}
}

// status begins and ends the events of a status. Bits that mean the same
// event share it.
func (a *agent) status(typ protocol.Code, bits []statusBit, v []byte) {
	set := func(bit int) bool { return bit/8 < len(v) && v[bit/8]&(0x80>>(bit%8)) != 0 }
	sensor := noEffect
	for i, b := range bits {
		if set(b.bit) {
			sensor = max(sensor, b.effect)
		}
		if slices.ContainsFunc(bits[:i], func(e statusBit) bool { return e.code == b.code }) {
			continue
		}
		text := ""
		for _, e := range bits[i:] {
			if text == "" && e.code == b.code && set(e.bit) {
				text = e.text
			}
		}
		a.phase(statusKey{typ, b.code}, text)
	}
	if typ == oximeterStatus {
		a.sensor = sensor
	}
}

type statusKey struct{ typ, code protocol.Code }

// phase begins, continues or ends an event; no text ends it.
func (a *agent) phase(key statusKey, text string) {
	was := a.active[key]
	if was == text && !(a.retell[key] && text != "") {
		return
	}
	delete(a.retell, key)
	e := protocol.Event{Phase: protocol.PhaseContinue, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Text: text}
	switch {
	case text == "":
		e.Phase, e.Text = protocol.PhaseEnd, was
	case was == "":
		e.Phase = protocol.PhaseStart
	}
	if a.active[key] = text; text == "" {
		delete(a.active, key)
	}
	channel := ""
	if key.typ == genericStatus { // beside a sensor's status, of which it may have the codes
		channel = "device"
	}
	a.event(key.code, channel, e)
}
