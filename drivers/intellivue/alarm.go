package intellivue

import (
	"fmt"

	"monitorme/protocol"
)

const maxAlarms = 64 // in one list; more are not looked at

// An alarm is an entry of the monitor's lists, which are complete each time:
// one that is gone has ended.
type alarm struct {
	id       alarmID
	from     handle // the list's
	priority protocol.Priority
	text     string
	code     protocol.Code
	channel  string
	source   protocol.Code

	orphan bool // of an association that has ended: its object has another handle now
	listed bool // in the list that is being looked at
}

// An alarmID tells one alarm from another.
type alarmID struct {
	technical    bool
	source, code uint16
	object       [6]byte
	instance     uint16
}

// matches reports whether a is the alarm of that id.
func (a *alarm) matches(id alarmID) bool {
	if a.orphan {
		return a.id.technical == id.technical && a.id.source == id.source && a.id.code == id.code
	}
	return a.id == id
}

// An alarmEntry is an entry as it was sent.
type alarmEntry struct {
	alarmID
	kind, state uint16
	text        string
}

// Kinds of alarms, and bits of their state.
const (
	kindTechnicalMask = 0x000F
	kindPatientShift  = 8
	alarmTest         = 0x0400
	alarmDemo         = 0x0100
	infoGeneral       = 0x0201
	infoWithText      = 0x0204
)

// alarmLists handles the alarm monitor.
func (m *monitor) alarmLists(r pollResult, from handle, attributes cursor) {
	attributes.attributes(func(id uint16, v []byte) {
		if id == attrPatientAlarms || id == attrTechnicalAlarms {
			m.alarmList(r.time, from, id == attrTechnicalAlarms, cursor{b: v})
		}
	})
}

// alarmList compares a list with what was in alarm. A list that cannot be read
// ends nothing.
func (m *monitor) alarmList(now uint32, from handle, technical bool, c cursor) {
	count, items := c.list()
	if c.short || len(c.b) != 0 {
		return
	}
	for check, n := items, 0; n < count; n++ {
		if readAlarm(&check, technical); check.short {
			return
		}
	}
	for i := range m.alarms {
		m.alarms[i].listed = false
	}
	for range min(count, maxAlarms) {
		m.alarm(now, from, readAlarm(&items, technical))
	}
	kept := m.alarms[:0]
	for _, a := range m.alarms {
		if a.id.technical == technical && !a.listed && (a.from == from || a.orphan) {
			m.tell(now, &a, protocol.PhaseEnd, 0)
			continue
		}
		kept = append(kept, a)
	}
	clear(m.alarms[len(kept):])
	m.alarms = kept
}

// readAlarm reads one entry.
func readAlarm(c *cursor, technical bool) alarmEntry {
	e := alarmEntry{alarmID: alarmID{technical: technical}}
	e.source, e.code = c.u16(), c.u16()
	e.kind, e.state = c.u16(), c.u16()
	copy(e.object[:], c.bytes(6))
	form := c.u16()
	info := cursor{b: c.bytes(int(c.u16()))}
	if form == infoGeneral || form == infoWithText {
		e.instance = info.u16()
	}
	if form == infoWithText {
		info.bytes(8) // the text's number, priority, flags
		e.text = text16(info.bytes(int(info.u16())))
	}
	return e
}

// alarm takes in an entry of a list: it begins, changes or goes on.
func (m *monitor) alarm(now uint32, from handle, e alarmEntry) {
	priority := e.priority()
	for i := range m.alarms {
		a := &m.alarms[i]
		if a.listed || !a.orphan && a.from != from || !a.matches(e.alarmID) {
			continue
		}
		again := a.orphan // said once more, for the receiver may take it for ended with the association
		a.id, a.from, a.orphan, a.listed = e.alarmID, from, false, true
		if text := e.words(a.code); again || text != a.text || priority != a.priority {
			a.text, a.priority = text, priority
			m.tell(now, a, protocol.PhaseContinue, e.state)
		}
		return
	}
	a := alarm{id: e.alarmID, from: from, priority: priority, listed: true, source: sourceOf(e.source, e.code)}
	a.code, a.channel = eventOf(e.code)
	a.text = e.words(a.code)
	a.channel = m.alarmChannel(a)
	m.alarms = append(m.alarms, a)
	m.tell(now, &a, protocol.PhaseStart, e.state)
}

// alarmChannel gives two alarms of one code and source different channels.
func (m *monitor) alarmChannel(a alarm) string {
	channel := a.channel
	for n, taken := 2, true; taken; n++ {
		taken = false
		for _, b := range m.alarms {
			taken = taken || b.code == a.code && b.source == a.source && b.channel == channel
		}
		if taken {
			channel = numbered(a.channel, n)
		}
	}
	return channel
}

func (m *monitor) tell(now uint32, a *alarm, phase protocol.Phase, state uint16) {
	e := protocol.Event{Phase: phase, Priority: a.priority, Type: protocol.AlarmPhysiological, Source: a.source, Text: a.text}
	switch {
	case a.priority == protocol.PriorityNone:
		e.Type = protocol.AlarmAdvisory
	case a.id.technical:
		e.Type = protocol.AlarmTechnical
	}
	quality := protocol.QualityGood
	if state&(alarmTest|alarmDemo) != 0 {
		quality = protocol.QualityDemo
	}
	m.emit(protocol.Observation{Code: a.code, Channel: a.channel, Kind: protocol.KindEvent, Quality: m.real(quality), DeviceTime: m.clock(now), Event: &e})
}

// priority is that of the alarm's kind: low, medium and high are one bit each,
// of technical alarms below, of the patient's above.
func (e *alarmEntry) priority() protocol.Priority {
	bits := e.kind & kindTechnicalMask
	if !e.technical {
		bits = e.kind >> kindPatientShift
	}
	switch {
	case bits&4 != 0:
		return protocol.PriorityHigh
	case bits&2 != 0:
		return protocol.PriorityMedium
	case bits&1 != 0:
		return protocol.PriorityLow
	}
	return protocol.PriorityNone
}

// words are what the monitor shows, or else what the code means.
func (e *alarmEntry) words(code protocol.Code) string {
	if e.text != "" {
		return e.text
	}
	if t, ok := protocol.Lookup(code); ok && code != protocol.EventAlarm {
		return t.Name
	}
	return fmt.Sprintf("alarm %04X of %04X", e.code, e.source)
}

// privateEvents are the maker's own codes that mean what others mean.
var privateEvents = map[uint16]protocol.Code{
	0xF004: protocol.MustCode("MONITORME_EVT_V_FIB_TACHY"),
	0xF146: protocol.EventLow,
	0xF148: protocol.EventHigh,
	0xF186: protocol.EventHigh,
	0xF188: protocol.EventLow,
	0xF189: protocol.MustCode("MDC_EVT_LEAD_DISCONN"),
	0xF18A: protocol.MustCode("MDC_EVT_LEAD_DISCONN"),
	0xF194: protocol.EventLeadsOff,
}

// eventOf gives the code of an alarm. What would be taken for an event of the
// box, or has no code, is an alarm whose channel is its number.
func eventOf(code uint16) (protocol.Code, string) {
	for _, c := range []uint16{code, code &^ 1} {
		if e, ok := privateEvents[c]; ok {
			return e, ""
		}
	}
	standard := 3<<16 | protocol.Code(code&^1)
	if code < firstPrivate && standard != protocol.EventDisconnected && code > 1 {
		if t, ok := protocol.Lookup(standard); !ok || t.Kind == protocol.KindEvent {
			return standard, ""
		}
	}
	return protocol.EventAlarm, fmt.Sprintf("%04X", code)
}

// sourceOf is what an alarm is about: a measurement, or with the lowest bit of
// the code a part of the monitor.
func sourceOf(source, code uint16) protocol.Code {
	switch {
	case source == 0:
		return 0
	case code&1 != 0:
		return 1<<16 | protocol.Code(source)
	}
	t := targetOf(source, protocol.KindNumeric, false)
	if t.code>>16 == partitionPrivate>>16 {
		t = targetOf(source, protocol.KindSamples, false)
	}
	return t.code
}
