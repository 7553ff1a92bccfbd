package hl7

import (
	"bytes"
	"strings"

	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// The attributes of an alarm, each with the number that older senders use.
const (
	attrPhase, attrPhaseOld       = 68481, 68165
	attrState, attrStateOld       = 68482, 68166
	attrInactive, attrInactiveOld = 68483, 68167
	attrPriority, attrPriorityOld = 68484, 68168
	attrType                      = 68485
)

// An alarm is one of an ORU^R40, held until all that belongs to it has been
// read.
type alarm struct {
	held    bool
	code    protocol.Code
	channel string
	event   protocol.Event
	at      stamp
	place   []byte // OBX-4 without its last part
	active  bool   // the state says so
	ended   bool   // likewise
	demo    bool
	rated   bool // its priority was said
	mute    bool // its words were not
}

// A ringing is a standardised alarm that has begun, by its place in the device.
type ringing struct {
	code, source protocol.Code
	place        string
}

func (a *alarm) prioritise(v hl7v2.Value) {
	if p, ok := priorities[string(v.Raw())]; ok {
		a.event.Priority, a.rated = p, true
	}
}

// read takes an OBX of an alarm: what it is, or something more of it.
func (a *alarm) read(d *decoder, s hl7v2.Segment, n int) {
	v := s.Field(5)
	name := v.Component(1)
	switch n {
	case attrPhase, attrPhaseOld:
		a.event.Phase = phases[strings.ToLower(name.Text())]
		return
	case attrState, attrStateOld:
		a.active = name.Is("active") || name.Is("latched")
		a.ended = name.Is("inactive")
		return
	case attrInactive, attrInactiveOld:
		return
	case attrPriority, attrPriorityOld:
		a.prioritise(name)
		return
	case attrType:
		a.event.Type = alarmTypes[string(name.Raw())]
		return
	}
	place := stem(s.Field(4))
	switch part := n >> 16; {
	case part == 1 || part == 8: // what the device is made of
		return
	case part == 3, begins(s.Field(3).Component(2), "MDC_EVT_"), part != 2 && !a.held:
		a.flush(d)
		a.begin(d, s, n, place)
		return
	case !a.held:
		return
	}
	if !bytes.Equal(place, a.place) && len(place) > 0 && len(a.place) > 0 {
		return
	}
	if id := d.identified(s.Field(3)); id.known && id.code.Partition() == 2 && a.event.Source == 0 {
		a.event.Source = id.code
		if a.code != protocol.EventAlarm {
			a.channel = d.channel(id, path(place, protocol.Code(n)))
		}
	}
}

// begin reads what the alarm is. A vendor's alarm is the general one, told from
// others of its kind by its code in the channel.
func (a *alarm) begin(d *decoder, s hl7v2.Segment, n int, place []byte) {
	*a = alarm{held: true, code: protocol.EventAlarm, place: place}
	id, v := s.Field(3), s.Field(5)
	if n>>16 == 3 && id.Component(3).Is("MDC") {
		a.code = protocol.Code(n)
	} else if t, ok := protocol.LookupRefID(id.Component(2).Text()); ok && t.Kind == protocol.KindEvent {
		a.code = t.Code
	}
	text := v
	if kind := s.Field(2); kind.Is("CE") || kind.Is("CWE") || kind.Is("CNE") {
		c, _ := v.Component(1).Digits()
		switch text = v.Component(2); {
		case a.code != protocol.EventAlarm:
		case c>>16 == 3 && v.Component(3).Is("MDC"):
			a.code = protocol.Code(c)
		default:
			a.channel = kindOf(d, v.Component(1))
		}
	} else if a.code == protocol.EventAlarm {
		if c := s.Field(3).Component(1); !c.Is("196616") {
			a.channel = kindOf(d, c)
		}
	}
	term, _ := protocol.Lookup(a.code)
	a.event.Text = clip(text.Text())
	a.mute = a.event.Text == "" || text.Null()
	if a.mute || d.personal(a.event.Text) {
		a.event.Text = term.Name
	}
	for f := range s.Field(8).Repetitions() {
		a.prioritise(f)
		if t, ok := alarmTypes[string(f.Raw())]; ok {
			a.event.Type = t
		}
	}
	q, _ := d.quality(s)
	a.demo = q == protocol.QualityDemo
	if a.at = d.stamp(s.Field(14)); a.at.IsZero() {
		a.at = d.from
	}
}

// kindOf gives a vendor's code of an alarm as a channel.
func kindOf(d *decoder, v hl7v2.Value) string {
	s := v.Text()
	if len(s) > 40 || !plainName(s) || d.personal(s) {
		return ""
	}
	return s
}

// stem is OBX-4 without its last part.
func stem(v hl7v2.Value) []byte {
	b := v.Component(1).Raw()
	return b[:max(bytes.LastIndexByte(b, '.'), 0)]
}

// flush emits the alarm that is held.
func (a *alarm) flush(d *decoder) {
	if !a.held {
		return
	}
	a.held = false
	e := a.event
	if e.Phase == protocol.PhaseUnknown {
		switch {
		case a.ended:
			e.Phase = protocol.PhaseEnd
		case a.active:
			e.Phase = protocol.PhaseContinue
		default:
			e.Phase = protocol.PhaseOnce
		}
	}
	switch {
	case e.Phase == protocol.PhaseEnd && a.mute:
		e.Text = "" // whatever its words were
	case a.rated && e.Priority == protocol.PriorityNone:
		e.Type = protocol.AlarmAdvisory
	}
	if !a.rated && e.Type != protocol.AlarmAdvisory { // it does not go unheard
		if e.Priority = protocol.PriorityLow; e.Type == protocol.AlarmPhysiological {
			e.Priority = protocol.PriorityMedium
		}
	}
	q := protocol.QualityGood
	if a.demo {
		q, e.Priority = protocol.QualityDemo, protocol.PriorityNone
	}
	a.settle(d, &e)
	delay := d.age(a.at)
	if e.Phase == protocol.PhaseContinue || e.Phase == protocol.PhaseEnd { // it holds as of the message: the time may be that of the beginning
		delay = d.late
	}
	d.emit(protocol.Observation{Channel: a.channel, Code: a.code, Kind: protocol.KindEvent, Quality: q, Delay: delay, DeviceTime: a.at.Time, Event: &e})
}

// settle has an alarm go on and end in the channel in which it began: there may
// be several values of its source by now, and were not then.
func (a *alarm) settle(d *decoder, e *protocol.Event) {
	if a.code == protocol.EventAlarm || e.Phase == protocol.PhaseOnce {
		return
	}
	key := ringing{a.code, e.Source, string(a.place)}
	began, known := d.memory.ringing[key]
	if known {
		a.channel = began
	}
	switch {
	case e.Phase == protocol.PhaseEnd:
		delete(d.memory.ringing, key)
	case !known && len(d.memory.ringing) < maxSeries && len(a.place) <= 64:
		d.memory.ringing[key] = a.channel
	}
}

// The words of the attributes. A limit that is changed, or a priority, leaves
// the alarm on.
var (
	phases = map[string]protocol.Phase{"start": protocol.PhaseStart, "present": protocol.PhaseStart, "continue": protocol.PhaseContinue,
		"update": protocol.PhaseContinue, "escalate": protocol.PhaseContinue, "de-escalate": protocol.PhaseContinue, "reset": protocol.PhaseContinue,
		"end": protocol.PhaseEnd, "stop": protocol.PhaseEnd, "tpoint": protocol.PhaseOnce}
	priorities = map[string]protocol.Priority{"PH": protocol.PriorityHigh, "PM": protocol.PriorityMedium, "PL": protocol.PriorityLow,
		"PI": protocol.PriorityNone} // PN says nothing of one
	alarmTypes = map[string]protocol.AlarmType{"SP": protocol.AlarmPhysiological, "ST": protocol.AlarmTechnical, "SA": protocol.AlarmAdvisory}
)
