package mindray

import (
	"hash/maphash"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// An alarm is one of the monitor's: its words are what tells it from others.
type alarm struct {
	text     string
	priority protocol.Priority
}

const (
	// maxAlarms is how many of a kind are told apart. A message with more ends none.
	maxAlarms = 64
	maxText   = 120
)

// snapshot takes all alarms of a kind that the monitor has now: what is not in
// it has ended. Of one that is there twice the higher priority counts.
func (d *decoder) snapshot(id int) {
	kind, known := protocol.AlarmPhysiological, &d.alarms[0]
	if id == idTechnical {
		kind, known = protocol.AlarmTechnical, &d.alarms[1]
	}
	var now [maxAlarms]protocol.Priority
	full := false
	for s := range d.message.Segments() {
		p, at, ok := d.readAlarm(s, kind)
		if !ok {
			continue
		}
		i := slices.IndexFunc(*known, func(k alarm) bool { return k.text == string(d.text) })
		if i < 0 {
			if i = len(*known); i == maxAlarms {
				full = true
				continue
			}
			*known = append(*known, alarm{string(d.text), p})
			d.alarm((*known)[i], protocol.PhaseStart, kind, at)
		}
		now[i] = max(now[i], p)
	}
	left := (*known)[:0]
	for i, a := range *known {
		switch {
		case now[i] == a.priority:
		case now[i] != protocol.PriorityNone: // the same one, more or less urgent
			a.priority = now[i]
			d.alarm(a, protocol.PhaseContinue, kind, time.Time{})
		case !full:
			d.alarm(a, protocol.PhaseEnd, kind, time.Time{})
			continue
		}
		left = append(left, a)
	}
	*known = left
}

func (d *decoder) alarm(a alarm, phase protocol.Phase, kind protocol.AlarmType, at time.Time) {
	d.event(protocol.Event{Phase: phase, Priority: a.priority, Type: kind, Text: a.text}, at)
}

// readAlarm reads an alarm; its text is in d.text.
func (d *decoder) readAlarm(s hl7v2.Segment, kind protocol.AlarmType) (p protocol.Priority, at time.Time, ok bool) {
	if !s.Is("OBX") || !s.Field(2).Is("CE") || !s.Field(11).Is("F") {
		return p, at, false
	}
	level, isLevel := s.Field(3).Component(1).Digits()
	id, ok := s.Field(5).Component(1).Digits()
	if !ok || !isLevel || level > 9 { // flags have ids of four digits there
		return p, at, false
	}
	b := s.Field(5).Component(2).AppendText(d.text[:0])
	stars := 0
	for stars < len(b) && b[stars] == '*' {
		stars++
	}
	b = b[:copy(b, b[stars:])]
	if len(b) > maxText {
		for b = b[:maxText]; len(b) > 0; b = b[:len(b)-1] {
			if r, n := utf8.DecodeLastRune(b); r != utf8.RuneError || n > 1 {
				break
			}
		}
	}
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		b = strconv.AppendInt(append(b, "alarm "...), int64(id), 10)
	}
	d.text = b
	at, _, _ = s.Field(14).Time(time.UTC)
	return priority(stars, level, kind), at, true
}

// priority is the higher one of those that stars and level say; what says none
// of a patient is not low.
func priority(stars, level int, kind protocol.AlarmType) protocol.Priority {
	p := protocol.Priority(min(stars, int(protocol.PriorityHigh)))
	if level >= 1 && level <= 3 {
		p = max(p, protocol.Priority(4-level))
	}
	switch {
	case p != protocol.PriorityNone:
		return p
	case kind == protocol.AlarmPhysiological:
		return protocol.PriorityMedium
	}
	return protocol.PriorityLow
}

// event emits an alarm; at is the monitor's time of it, zero if none.
func (d *decoder) event(e protocol.Event, at time.Time) {
	d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood, DeviceTime: at, Event: &e})
}

// advise emits what somebody at the monitor or the box must know or do.
func (d *decoder) advise(of protocol.AlarmType, p protocol.Priority, text string) {
	d.event(protocol.Event{Phase: protocol.PhaseOnce, Priority: p, Type: of, Text: text}, time.Time{})
}

// admission notices that the patient is another one. Of what the message says
// of a patient only a hash is kept, which nothing but the next one is compared
// with.
func (d *decoder) admission() {
	patient, here := uint64(0), false
	for s := range d.message.Segments() {
		if !s.Is("PID") {
			continue
		}
		here = true
		if id := s.Field(3); !id.Empty() {
			patient = maphash.Bytes(d.seed, id.Raw())
		} else if name := s.Field(5); !name.Empty() {
			patient = maphash.Bytes(d.seed, name.Raw())
		}
	}
	if !here {
		return
	}
	was := d.patient
	d.patient = patient
	if !d.admits || was == patient {
		d.admits = true
		return
	}
	d.advise(protocol.AlarmAdvisory, protocol.PriorityLow, "the patient was changed at the monitor")
	d.takeBack()
}

// takeBack ends what is shown, and what waits, of a patient who may be another.
func (d *decoder) takeBack() {
	for i := range d.shown {
		if d.waiting[i] = false; d.shown[i] {
			d.say(reading{place: i}, protocol.QualityMissing)
		}
	}
}

// foreign tells whether a message may be of another bed: a monitor tells with
// its values neither patient nor bed, and always the same address.
func (d *decoder) foreign(id int) bool {
	for s := range d.message.Segments() {
		isPatient, isVisit := s.Is("PID"), s.Is("PV1")
		switch {
		case !isPatient && !isVisit:
		case id == idNumbers || id == idValidity || id == idResults || id == idPhysiological || id == idTechnical:
			d.crowd()
		case isVisit && id == idPatient:
			address := s.Field(3).Component(3).Sub(3)
			if address.Empty() {
				continue
			}
			h := maphash.Bytes(d.seed, address.Raw())
			if d.address != 0 && h != d.address {
				d.crowd()
			}
			d.address = h
		}
	}
	return d.several && id != idEcho
}

// crowd gives up the connection's values, for good: they cannot be told apart.
func (d *decoder) crowd() {
	if d.several {
		return
	}
	d.several = true
	d.advise(protocol.AlarmTechnical, protocol.PriorityMedium, "this connection carries more than one bed, and its values are not read: connect to the monitor itself")
	d.takeBack()
	for i, kind := range [...]protocol.AlarmType{protocol.AlarmPhysiological, protocol.AlarmTechnical} {
		for _, a := range d.alarms[i] { // nobody would say that they ended
			d.alarm(a, protocol.PhaseEnd, kind, time.Time{})
		}
		d.alarms[i] = nil
	}
}
