package intellivue

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

const (
	maxObjects = 1024 // of all contexts; no monitor has a tenth of it
	maxValues  = 64   // of one object
	maxText    = 200  // characters
	minClaim   = 30 * ticksPerSecond
)

// A monitor is what is known of the monitor at the far end from what it has
// said. It makes observations of PDUs, and is pure.
type monitor struct {
	emit drivers.Emit

	objects map[handle]*object
	claims  map[target]*value // who is kept under a code and channel

	anchored  bool // the next two are the same instant
	anchorAbs time.Time
	anchorRel uint32

	mode      uint16 // operating mode; 0 is not known
	told      map[protocol.Code]string
	systemID  string
	exportOff bool // an event has said that the monitor does not export
	alarms    []alarm
	unalarmed map[target]bool // whose alarm is off at the monitor
	blind     int             // objects whose values had to be dropped because nothing is known of them
}

// Bits of the operating mode.
const (
	modeUnspecified = 0x8000
	modeMonitoring  = 0x4000
	modeDemo        = 0x2000
)

// An object is a numeric or a wave of the monitor. What does not change is
// sent with the first results and again now and then.
type object struct {
	labelled, specified bool
	label               uint32
	category, access    uint16
	values              []*value
	wave                waveSpec
}

// described reports whether it is known what kind of value o has. Settings
// have the physiological ids of what they set.
func (o *object) described() bool { return o.labelled || o.specified }

// Categories of a metric.
const (
	categoryAutoSetting   = 3
	categoryManualSetting = 4
	categoryAlarmLimit    = 130
)

func (o *object) setting() bool {
	switch o.category {
	case categoryAutoSetting, categoryManualSetting, categoryAlarmLimit:
		return true
	}
	return o.label>>16 == 0x0401 || o.label>>16 == 0x0402
}

// A value is one physiological id of an object.
type value struct {
	object *object
	physio uint16
	target target
	term   protocol.Term
	known  bool // term is one
	seen   uint32
	spot   spot
	wave   waveState
}

func newMonitor() monitor {
	return monitor{objects: map[handle]*object{}, claims: map[target]*value{}, told: map[protocol.Code]string{}, unalarmed: map[target]bool{}}
}

// take takes a PDU in.
func (m *monitor) take(pdu []byte) {
	if len(pdu) == 0 {
		return
	}
	switch pdu[0] {
	case pduAssociated:
		m.forget()
	case pduRefused:
		m.export(false, "the monitor refuses data export: is another computer connected to it?")
	case pduAbort:
		m.export(false, "the monitor has ended data export")
	case pduData:
		if msg, ok := parseMessage(pdu); ok {
			m.message(msg)
		}
	}
}

// forget drops what is void with the association.
func (m *monitor) forget() {
	clear(m.objects)
	clear(m.claims)
	m.anchored, m.mode, m.blind = false, 0, 0
	for i := range m.alarms {
		m.alarms[i].orphan = true
	}
}

func (m *monitor) message(msg message) {
	if r, ok := msg.pollOf(); ok {
		if r.objects(nil) {
			m.export(true, "")
			r.objects(func(h handle, attributes cursor) { m.object(r, h, attributes) })
		}
		return
	}
	if msg.op == opInvoke && (msg.command == commandConfirmedEvent || msg.command == commandEvent) {
		c := cursor{b: msg.body}
		c.bytes(6)
		now, event := c.u32(), c.u16()
		data := cursor{b: c.bytes(int(c.u16()))}
		data.bytes(6)
		if check := data; event == eventMDSCreated && !c.short && !data.short && check.attributes(nil) {
			m.system(now, data, false)
		}
	}
}

// object handles an object of a poll's result: what describes it first, then
// its values.
func (m *monitor) object(r pollResult, h handle, attributes cursor) {
	switch r.class {
	case classMDS:
		m.system(r.time, attributes, r.group == groupProduct)
		return
	case classAlarms:
		m.alarmLists(r, h, attributes)
		return
	case classNumeric, classWave:
	default:
		return
	}
	o := m.objects[h]
	if o == nil {
		if len(m.objects) >= maxObjects {
			clear(m.objects)
			clear(m.claims)
		}
		o = &object{}
		m.objects[h] = o
	}
	var stamp stamp
	values := attributes
	attributes.attributes(func(id uint16, v []byte) {
		o.describe(id, v)
		stamp.read(id, v)
	})
	if r.group == groupAll && !o.described() {
		m.blind++ // its values come once the description has been sent
		return
	}
	values.attributes(func(id uint16, v []byte) { m.values(r, o, stamp, id, v) })
}

// values handles the values in an attribute.
func (m *monitor) values(r pollResult, o *object, at stamp, id uint16, v []byte) {
	c := cursor{b: v}
	switch id {
	case attrNumeric:
		m.numeric(r, o, v, at)
	case attrCompound:
		count, items := c.list()
		for range count {
			if one := items.bytes(10); one != nil {
				m.numeric(r, o, one, at)
			}
		}
	case attrSamples:
		m.samples(r, o, &c)
	case attrSampleCompound:
		count, items := c.list()
		for range count {
			m.samples(r, o, &items)
			if items.short {
				return
			}
		}
	}
}

// describe takes in what is known of an object besides its values.
func (o *object) describe(id uint16, v []byte) {
	c := cursor{b: v}
	switch id {
	case attrLabel:
		if label := c.u32(); !c.short && (!o.labelled || label != o.label) {
			o.label, o.labelled = label, true
			o.values = nil
		}
	case attrMetricSpec:
		c.u32()
		if category, access := c.u16(), c.u16(); !c.short && (!o.specified || category != o.category || access != o.access) {
			o.category, o.access, o.specified = category, access, true
			o.values = nil
		}
	default:
		if o.wave.describe(id, c) {
			o.values = nil
		}
	}
}

// valueOf finds what is kept of one id of o, and settles under which code and
// channel: two objects with the same id must not share a series.
func (m *monitor) valueOf(o *object, physio uint16, kind protocol.Kind, now uint32) *value {
	var v *value
	for _, w := range o.values {
		if w.physio == physio {
			v = w
		}
	}
	if v == nil {
		v = &value{object: o, physio: physio, target: targetOf(physio, kind, o.setting())}
		if source, ok := sources[o.label]; ok && v.target.channel == "" {
			v.target.channel = source
		}
		if kind == protocol.KindSamples {
			v.target = o.wave.targetOf(v.target)
		}
		v.seen = now
		if len(o.values) >= maxValues {
			o.values = nil
		}
		m.claim(v, now)
		v.term, v.known = protocol.Lookup(v.target.code)
		o.values = append(o.values, v)
	}
	v.seen = now
	return v
}

func (m *monitor) claim(v *value, now uint32) {
	wanted := v.target
	for n := 2; ; n++ {
		c := m.claims[v.target]
		if c == nil || c.object == v.object && c.physio == v.physio || int32(now-c.seen) > minClaim {
			m.claims[v.target] = v
			return
		}
		v.target.channel = numbered(wanted.channel, n)
	}
}

func numbered(channel string, n int) string {
	return strings.TrimSpace(fmt.Sprintf("%s %d", channel, n))
}

// system takes in what the monitor says of itself.
func (m *monitor) system(now uint32, attributes cursor, product bool) {
	var abs time.Time
	rel := now
	attributes.attributes(func(id uint16, v []byte) {
		c := cursor{b: v}
		switch id {
		case attrTimeAbsolute:
			abs, _ = absoluteTime(v)
		case attrTimeRelative:
			if t := c.u32(); !c.short {
				rel = t
			}
		case attrMode:
			if mode := c.u16(); !c.short {
				m.mode = mode
			}
		case attrModel:
			maker := text8(c.bytes(int(c.u16())))
			model := text8(c.bytes(int(c.u16())))
			if !c.short {
				m.identity(protocol.IdentityModel, strings.TrimSpace(maker+" "+model))
			}
		case attrSystemID:
			if len(v) > 2 && c.u16() == uint16(len(v)-2) {
				v = v[2:]
			}
			m.systemID = fmt.Sprintf("%X", v)
		case attrProduct:
			m.product(c)
		}
	})
	if !abs.IsZero() {
		m.anchored, m.anchorAbs, m.anchorRel = true, abs, rel
	}
	if product && m.told[protocol.IdentitySerial] == "" && m.systemID != "" {
		m.identity(protocol.IdentitySerial, m.systemID)
	}
}

// Kinds of a production specification.
const (
	specSerial   = 1
	specSoftware = 4
	specFirmware = 5
)

// product reads serial number and revisions; the first of each is the monitor's.
func (m *monitor) product(c cursor) {
	count, items := c.list()
	found := map[uint16]string{}
	for range count {
		kind := items.u16()
		items.u16() // which component
		text := text8(items.bytes(int(items.u16())))
		if items.short {
			break
		}
		if found[kind] == "" {
			found[kind] = text
		}
	}
	m.identity(protocol.IdentitySerial, found[specSerial])
	if found[specSoftware] == "" {
		found[specSoftware] = found[specFirmware]
	}
	m.identity(protocol.IdentityFirmware, found[specSoftware])
}

// identity emits a word about the monitor when it is new.
func (m *monitor) identity(code protocol.Code, text string) {
	if text = strings.TrimSpace(text); text == "" || m.told[code] == text {
		return
	}
	m.told[code] = text
	m.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

// export tells when the monitor stops and begins to export: while it refuses,
// it is there and no reading comes.
func (m *monitor) export(on bool, why string) {
	if on != m.exportOff {
		return
	}
	m.exportOff = !on
	e := protocol.Event{Phase: protocol.PhaseStart, Priority: protocol.PriorityMedium, Type: protocol.AlarmTechnical, Text: why}
	if on {
		e.Phase, e.Text = protocol.PhaseEnd, "the monitor exports again"
	}
	m.emit(protocol.Observation{Code: protocol.EventAlarm, Channel: "data export", Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// clock is the monitor's own time at a RelativeTime, zero if it has not said.
// Its clock has no zone; it is given as UTC.
func (m *monitor) clock(rel uint32) time.Time {
	if !m.anchored {
		return time.Time{}
	}
	return m.anchorAbs.Add(ticks(int32(rel - m.anchorRel)))
}

// ticks is a RelativeTime as a duration.
func ticks(n int32) time.Duration { return time.Duration(n) * time.Second / ticksPerSecond }

// absoluteTime reads an AbsoluteTime; false if it is not filled in or no time.
func absoluteTime(v []byte) (time.Time, bool) {
	if len(v) < 8 {
		return time.Time{}, false
	}
	var d [8]int
	for i, b := range v[:8] {
		if b>>4 > 9 || b&15 > 9 {
			return time.Time{}, false
		}
		d[i] = int(b>>4)*10 + int(b&15)
	}
	year, month, day := d[0]*100+d[1], time.Month(d[2]), d[3]
	t := time.Date(year, month, day, d[4], d[5], d[6], d[7]*10_000_000, time.UTC)
	ok := year >= 1990 && year < 2200 && t.Month() == month && t.Day() == day && d[4] < 24 && d[5] < 60 && d[6] < 60
	return t, ok
}

// text8 is the text of a VariableLabel.
func text8(b []byte) string {
	var s strings.Builder
	for _, c := range b[:min(len(b), maxText)] {
		if c >= ' ' && c != 0x7F && (c < 0x80 || c >= 0xA0) {
			s.WriteRune(rune(c)) // ISO 8859-1
		}
	}
	return strings.TrimSpace(s.String())
}

// text16 is the text of a String after its length: UTF-16, ended by zero.
func text16(b []byte) string {
	var s strings.Builder
	for b = b[:min(len(b), 2*maxText)]; len(b) >= 2; b = b[2:] {
		c := rune(binary.BigEndian.Uint16(b))
		switch {
		case c == 0:
			return strings.TrimSpace(s.String())
		case c >= 0xD800 && c <= 0xF8FF: // halves of pairs, and glyphs of the maker's own
			c = '?'
		case c < ' ':
			c = ' '
		}
		s.WriteRune(c)
	}
	return strings.TrimSpace(s.String())
}
