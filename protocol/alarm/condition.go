package alarm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"monitorme/protocol"
)

type phase uint8

const (
	idle phase = iota
	pending
	active
)

// A condition is where one rule stands for one series, event or box. Times are
// µs since 1970, of the box's clock unless said otherwise.
type condition struct {
	rule  *compiled
	phase phase
	held  bool  // the last reading was beyond, so that the delay runs on until the next
	night bool  // the night limit was in force then
	steps uint8 // of Escalate, taken
	since int64 // when the condition began
	due   int64 // when its delay has passed
	firm  int64 // the last reading beyond
	back  int64 // the first reading back inside, 0 while there is none
	// anchor is since by the cloud's clock, for Escalate.
	anchor int64
	quiet  bool             // of the late track: of another patient, not to be told
	value  protocol.Decimal // of the reading at firm
	alarm  *Alarm           // Active, Latched, or on the late track Missed; else nil
}

// A subject is what conditions are about.
type subject struct {
	Device  protocol.DeviceID
	Channel string
	Code    protocol.Code
	Source  protocol.Code
	Said    string // of an event: the device's words
	unit    protocol.Unit
	// hold is how long a value stands without a next one, gap how far apart two
	// readings beyond may be and still be one condition.
	hold, gap int64
	late      bool
	quiet     bool  // on the late track: the newest reading is of another patient
	old       int64 // how old the newest reading was when it came late, or unknownAge
}

// A reading is what step takes.
type reading struct {
	at, received int64
	verdict      verdict
	night        bool
	fresh        bool // a new measurement, not the old one repeated
	value        protocol.Decimal
	event        *protocol.Event
}

// step takes a condition through one reading.
func (e *Evaluator) step(s *subject, c *condition, r *reading) {
	if c.phase == pending && c.waitedOut(s, r.at) {
		e.raise(s, c, c.due, c.anchor, r.event)
	}
	switch c.phase {
	case idle:
		if r.verdict >= beyond {
			c.begin(r)
			e.press(s, c, r)
		}
	case pending:
		switch {
		case r.verdict >= beyond && r.at-c.firm > s.gap:
			c.begin(r)
			e.press(s, c, r)
		case r.verdict >= beyond:
			e.press(s, c, r)
		case r.verdict == neutral:
			c.held = false
		default:
			c.phase = idle
		}
	case active:
		e.stepActive(s, c, r)
	}
}

// waitedOut reports whether the last value stood through the delay before at.
func (c *condition) waitedOut(s *subject, at int64) bool {
	return c.held && c.due <= at && c.due-c.firm <= s.hold
}

// begin starts a pending condition at r.
func (c *condition) begin(r *reading) {
	c.phase, c.since, c.back, c.anchor = pending, r.at, 0, r.received
}

// press notes a reading beyond and raises the alarm when the delay has passed.
func (e *Evaluator) press(s *subject, c *condition, r *reading) {
	c.firm, c.held, c.value, c.night = r.at, true, r.value, r.night
	c.due = c.since + c.rule.delayIn(r.night)
	if r.verdict == far || c.due <= r.at {
		e.raise(s, c, r.at, c.anchor, r.event)
	}
}

func (e *Evaluator) stepActive(s *subject, c *condition, r *reading) {
	switch r.verdict {
	case neutral: // neither renews nor ends
	case inside:
		if c.back == 0 {
			c.back = r.at
		}
		if r.at-c.back >= c.rule.clearFor {
			e.finish(c, r.at)
		}
	case band:
		c.back = 0
	default:
		c.back, c.firm, c.value = 0, r.at, r.value
		if c.rule.Episodic && r.fresh {
			e.supersede(c, r.at)
			c.begin(r)
			e.press(s, c, r)
			return
		}
		c.alarm.Value = r.value // told with the next change
	}
}

// raise declares the alarm of a condition.
func (e *Evaluator) raise(s *subject, c *condition, declared, anchor int64, ev *protocol.Event) {
	if c.alarm != nil { // latched, and now it happens again
		e.supersede(c, declared)
	}
	r := c.rule
	a := &Alarm{
		Box: e.box, Device: s.Device, Channel: s.Channel, Code: s.Code, Source: s.Source, Rule: r.ID,
		Priority: r.Priority, Type: protocol.AlarmTechnical, Value: c.value, Limit: r.Limit, Unit: s.unit,
		State: Active, Started: instant(c.since), Declared: instant(declared),
	}
	if r.Kind == High || r.Kind == Low {
		a.Type, a.Night = protocol.AlarmPhysiological, c.night
		if c.night {
			a.Limit = r.Night.Limit
		}
	}
	if ev != nil {
		a.Said = s.Said
		a.Type, a.Priority = eventType(ev), eventPriority(r, ev)
	}
	a.Text = r.words(s, ev) + aged(s.old)
	if s.late {
		a.Missed, a.State, a.Ended = true, Ended, a.Declared
	}
	a.ID = e.id(a)
	c.phase, c.alarm, c.anchor, c.back, c.steps, c.quiet = active, a, anchor, 0, 0, s.quiet
	e.tell(a)
	if s.late && ev == nil { // an event may hold still, and be promoted
		e.tellMissed(c)
	}
}

// supersede ends an alarm in whose place a new one comes.
func (e *Evaluator) supersede(c *condition, at int64) {
	if c.alarm.State == Active || c.alarm.Missed {
		c.alarm.Ended = instant(at)
	}
	c.alarm.State = Ended
	e.tell(c.alarm)
	if c.alarm.Missed {
		e.tellMissed(c)
	}
	c.alarm = nil
}

// finish ends a condition: its alarm is ended, or latched.
func (e *Evaluator) finish(c *condition, at int64) {
	a := c.alarm
	c.phase, c.back = idle, 0
	a.Ended, a.Hidden = instant(at), false
	if c.rule.Latching && a.AcknowledgedBy == "" && !a.Missed {
		a.State = Latched
	} else {
		a.State = Ended
	}
	e.tell(a)
	if a.Missed {
		e.tellMissed(c)
	}
	if a.State == Ended {
		c.alarm = nil
	}
}

// escalate raises or lowers the priority of an alarm. An acknowledgement does
// not survive an increase.
func (e *Evaluator) setPriority(a *Alarm, p protocol.Priority) {
	if p == a.Priority {
		return
	}
	if p > a.Priority {
		a.AcknowledgedBy, a.AcknowledgedAt = "", time.Time{}
	}
	a.Priority = p
	e.tell(a)
}

// tell gives a change to the caller.
func (e *Evaluator) tell(a *Alarm) {
	a.Revision++
	e.out = append(e.out, *a)
	e.unsettled = true
}

// id is the name of an alarm: the same occurrence has the same one everywhere.
func (e *Evaluator) id(a *Alarm) string {
	b := make([]byte, 0, 128)
	for _, s := range [...]string{string(e.box), a.Rule, string(a.Device), a.Channel} {
		b = append(append(b, s...), 0)
	}
	b = append(strconv.AppendUint(b, uint64(a.Code), 10), '/')
	b = append(strconv.AppendUint(b, uint64(a.Source), 10), '/')
	if a.Said != "" {
		b = append(append(b, a.Said...), 0)
	}
	sum := sha256.Sum256(strconv.AppendInt(b, a.Started.UnixMicro(), 10))
	return hex.EncodeToString(sum[:12])
}

// words are what the alarm says to people: what it is, and where there may be
// several of that.
func (r *compiled) words(s *subject, ev *protocol.Event) string {
	text := r.what(s, ev)
	switch {
	case ev != nil && s.Device != "" && s.Channel != "":
		return fmt.Sprintf("%s (%s, channel %s)", text, s.Device, s.Channel)
	case ev != nil && s.Device != "":
		return fmt.Sprintf("%s (%s)", text, s.Device)
	case s.Channel != "":
		return fmt.Sprintf("%s (%s)", text, s.Channel)
	}
	return text
}

func (r *compiled) what(s *subject, ev *protocol.Event) string {
	text := r.Text
	if ev != nil {
		if text != "" && ev.Text != "" {
			return text + ": " + ev.Text
		}
		text += ev.Text
	}
	if text != "" {
		return text
	}
	term, _ := protocol.Lookup(s.Code)
	switch r.Kind {
	case High, Low:
		return term.Label + " " + string(r.Kind)
	case SensorOff:
		return term.Label + " sensor off"
	case Implausible:
		return term.Label + " implausible"
	case Doubtful:
		return term.Label + " doubtful, not watched"
	case Stale:
		return term.Label + ": no readings"
	case BoxSilent:
		return "No data from the bed"
	case ClockOffset:
		return "Clock of the box is wrong"
	case TooYoung:
		return "Alarm limits are not for a patient so young"
	}
	if s.Source != 0 {
		source, _ := protocol.Lookup(s.Source)
		return source.Label + ": " + term.Name
	}
	return term.Name
}

func instant(us int64) time.Time { return time.UnixMicro(us).UTC() }
