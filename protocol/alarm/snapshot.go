package alarm

import (
	"encoding/json"
	"fmt"
	"slices"

	"monitorme/protocol"
)

// snapshotVersion changes when an older snapshot cannot be read any more.
const snapshotVersion = 1

type savedCondition struct {
	Rule   string           `json:"r"`
	Phase  phase            `json:"p,omitempty"`
	Held   bool             `json:"h,omitempty"`
	Night  bool             `json:"n,omitempty"`
	Steps  uint8            `json:"e,omitempty"`
	Since  int64            `json:"s,omitempty"`
	Due    int64            `json:"d,omitempty"`
	Firm   int64            `json:"f,omitempty"`
	Back   int64            `json:"b,omitempty"`
	Anchor int64            `json:"a,omitempty"`
	Value  protocol.Decimal `json:"v"`
	Alarm  *Alarm           `json:"alarm,omitempty"`
	Quiet  bool             `json:"q,omitempty"`
}

type savedSeries struct {
	Device   protocol.DeviceID `json:"device"`
	Channel  string            `json:"channel,omitempty"`
	Code     protocol.Code     `json:"code"`
	Unit     protocol.Unit     `json:"unit"`
	At       int64             `json:"at"`
	Received int64             `json:"received"`
	Epoch    uint64            `json:"epoch,omitempty"`
	Seq      uint64            `json:"seq,omitempty"`
	Old      int64             `json:"old,omitempty"`
	Seen     bool              `json:"seen"`
	Good     bool              `json:"good"`
	Value    protocol.Decimal  `json:"value"`
	Conds    []savedCondition  `json:"conditions,omitempty"`
	Stale    *savedCondition   `json:"stale,omitempty"`
}

type savedEvent struct {
	Device   protocol.DeviceID `json:"device"`
	Channel  string            `json:"channel,omitempty"`
	Code     protocol.Code     `json:"code"`
	Source   protocol.Code     `json:"source,omitempty"`
	At       int64             `json:"at"`
	Received int64             `json:"received"`
	Last     protocol.Event    `json:"last"`
	Cond     savedCondition    `json:"condition"`
}

type savedTrack struct {
	Series  []savedSeries `json:"series,omitempty"`
	Events  []savedEvent  `json:"events,omitempty"`
	Asleep  bool          `json:"asleep,omitempty"`
	SleepAt int64         `json:"sleep_at,omitempty"`
}

type savedHeld struct {
	Device   protocol.DeviceID     `json:"device"`
	Channel  string                `json:"channel,omitempty"`
	Code     protocol.Code         `json:"code"`
	Unit     protocol.Unit         `json:"unit"`
	Quality  protocol.Quality      `json:"quality"`
	Clock    protocol.ClockQuality `json:"clock"`
	At       int64                 `json:"at"`
	Value    protocol.Decimal      `json:"value"`
	Epoch    uint64                `json:"epoch"`
	Seq      uint64                `json:"seq"`
	Age      int64                 `json:"age"`
	Received int64                 `json:"received"`
	First    int64                 `json:"first"`
}

type saved struct {
	Version  int             `json:"version"`
	Box      protocol.BoxID  `json:"box"`
	Streams  [4]stream       `json:"streams"`
	Live     savedTrack      `json:"live"`
	Late     savedTrack      `json:"late"`
	Silent   *savedCondition `json:"silent,omitempty"`
	Clock    *savedCondition `json:"clock,omitempty"`
	Expected int64           `json:"expected,omitempty"`
	Released bool            `json:"released,omitempty"`
	Contact  int64           `json:"contact,omitempty"`
	Returned int64           `json:"returned,omitempty"`
	Resumed  int64           `json:"resumed,omitempty"`

	Young *savedCondition `json:"young,omitempty"`
	Age   *int            `json:"age,omitempty"`

	Since   int64            `json:"since,omitempty"`
	Held    []savedHeld      `json:"held,omitempty"`
	Notices []savedCondition `json:"notices,omitempty"`
}

// Snapshot is the whole state as JSON, for Restore.
func (e *Evaluator) Snapshot() ([]byte, error) {
	s := saved{Version: snapshotVersion, Box: e.box, Streams: e.streams, Live: e.live.save(), Late: e.late.save(),
		Silent: e.silent.save(), Clock: e.clock.save(), Expected: e.expected, Released: e.released,
		Contact: e.contact, Returned: e.returned, Resumed: e.resumed,
		Young: e.young.save(), Age: &e.age, Since: e.since}
	for i := range e.held {
		h, o := &e.held[i], &e.held[i].reading
		s.Held = append(s.Held, savedHeld{o.Device, o.Channel, o.Code, o.Unit, o.Quality, o.Clock, o.At.UnixMicro(), o.Value,
			h.epoch, h.seq, h.age, h.received, h.first})
	}
	for _, n := range e.notices {
		if c := n.save(); c != nil {
			s.Notices = append(s.Notices, *c)
		}
	}
	return json.Marshal(&s)
}

func (c *condition) save() *savedCondition {
	if c.rule == nil || c.phase == idle && c.alarm == nil {
		return nil
	}
	return &savedCondition{c.rule.ID, c.phase, c.held, c.night, c.steps, c.since, c.due, c.firm, c.back, c.anchor, c.value, c.alarm, c.quiet}
}

func (t *track) save() savedTrack {
	out := savedTrack{Asleep: t.asleep, SleepAt: t.sleepAt}
	for _, s := range t.order {
		v := savedSeries{Device: s.Device, Channel: s.Channel, Code: s.Code, Unit: s.unit, At: s.at,
			Received: s.received, Epoch: s.epoch, Seq: s.seq, Old: s.old, Seen: s.seen, Good: s.good, Value: s.value, Stale: s.stale.save()}
		for i := range s.conds {
			if c := s.conds[i].save(); c != nil {
				v.Conds = append(v.Conds, *c)
			}
		}
		out.Series = append(out.Series, v)
	}
	for _, ev := range t.happens {
		if c := ev.cond.save(); c != nil {
			out.Events = append(out.Events, savedEvent{ev.Device, ev.Channel, ev.Code, ev.Source, ev.at, ev.received, ev.last, *c})
		}
	}
	return out
}

// Restore makes the evaluator that a snapshot was taken of. The rules may be
// others than then: an alarm whose rule is gone is ended, which the second
// result tells.
func Restore(rules *Rules, snapshot []byte) (*Evaluator, []Alarm, error) {
	var s saved
	if err := json.Unmarshal(snapshot, &s); err != nil {
		return nil, nil, fmt.Errorf("alarm snapshot: %w", err)
	}
	if s.Version != snapshotVersion {
		return nil, nil, fmt.Errorf("alarm snapshot: version %d, want %d", s.Version, snapshotVersion)
	}
	e := NewEvaluator(s.Box, rules)
	e.begin(nil)
	e.streams = s.Streams
	e.restore(&e.live, &s.Live)
	e.restore(&e.late, &s.Late)
	if s.Silent != nil && !e.silent.take(s.Silent) {
		e.drop(s.Silent.Alarm)
	}
	if s.Clock != nil && !e.clock.take(s.Clock) {
		e.drop(s.Clock.Alarm)
	}
	e.expected, e.released, e.contact, e.returned, e.resumed = s.Expected, s.Released, s.Contact, s.Returned, s.Resumed
	if s.Young != nil && !e.young.take(s.Young) {
		e.drop(s.Young.Alarm)
	}
	if s.Age != nil {
		e.age = *s.Age
	}
	e.since = s.Since
	for _, v := range s.Held {
		e.held = append(e.held, heldReading{protocol.Observation{Device: v.Device, Channel: v.Channel, Code: v.Code, Unit: v.Unit,
			Kind: protocol.KindNumeric, Quality: v.Quality, Clock: v.Clock, At: instant(v.At), Value: v.Value},
			arrival{v.Epoch, v.Seq, true, v.Received, v.Age}, v.First})
	}
	for i := range s.Notices {
		v := &s.Notices[i]
		n := &condition{rule: rules.byID[v.Rule]}
		if v.Alarm == nil || n.rule == nil || !n.take(v) {
			e.drop(v.Alarm)
			continue
		}
		e.notices = append(e.notices, n)
	}
	e.unsettled = true
	return e, e.end(), nil
}

// take fills c from v if they are of the same rule.
func (c *condition) take(v *savedCondition) bool {
	if c.rule == nil || c.rule.ID != v.Rule {
		return false
	}
	c.phase, c.held, c.night, c.steps = v.Phase, v.Held, v.Night, v.Steps
	c.since, c.due, c.firm, c.back, c.anchor = v.Since, v.Due, v.Firm, v.Back, v.Anchor
	c.value, c.alarm, c.quiet = v.Value, v.Alarm, v.Quiet
	if c.phase == active && c.alarm == nil { // not a snapshot of ours
		c.phase = idle
	}
	return true
}

// drop ends an alarm that no rule is about any more.
func (e *Evaluator) drop(a *Alarm) {
	if a == nil || a.State == Ended {
		return
	}
	if a.State == Active {
		a.Ended = instant(max(e.contact, a.Declared.UnixMicro()))
	}
	a.State, a.Hidden = Ended, false
	e.tell(a)
}

func (e *Evaluator) restore(t *track, from *savedTrack) {
	t.asleep, t.sleepAt = from.Asleep, from.SleepAt
	for i := range from.Series {
		v := &from.Series[i]
		s := e.newSeries(t, &protocol.Observation{Device: v.Device, Channel: v.Channel, Code: v.Code, Unit: v.Unit})
		if s == nil {
			continue
		}
		s.epoch, s.seq, s.old = v.Epoch, v.Seq, v.Old
		s.at, s.received, s.seen, s.good, s.value = v.At, v.Received, v.Seen, v.Good, v.Value
		if v.Stale != nil && !s.stale.take(v.Stale) {
			e.drop(v.Stale.Alarm)
		}
		for j := range v.Conds {
			k := slices.IndexFunc(s.conds, func(c condition) bool { return c.rule.ID == v.Conds[j].Rule })
			if k < 0 || !s.conds[k].take(&v.Conds[j]) {
				e.drop(v.Conds[j].Alarm)
			}
		}
	}
	for i := range from.Events {
		v := &from.Events[i]
		rule := e.rules.byID[v.Cond.Rule]
		if rule == nil || rule.Kind != DeviceEvent || rule.Off {
			e.drop(v.Cond.Alarm)
			continue
		}
		ev := e.newEvent(t, &subject{Device: v.Device, Channel: v.Channel, Code: v.Code, Source: v.Source, Said: said(v.Code, v.Last.Text)}, rule)
		if ev == nil {
			continue
		}
		ev.at, ev.received, ev.last = v.At, v.Received, v.Last
		ev.cond.take(&v.Cond)
	}
}

// Adopt sets the state of one alarm to what a log knows of it, after a restart:
// an active or latched one goes on with its id and beginning, an ended one is
// dropped. An alarm that is known with the same or a higher revision stays as
// it is. It reports false if no rule is about the alarm any more.
func (e *Evaluator) Adopt(a Alarm) bool {
	if a.Missed && a.State == Ended {
		return true
	}
	c := e.find(&a)
	switch {
	case c == nil:
		return false
	case c.alarm != nil && c.alarm.ID == a.ID && c.alarm.Revision >= a.Revision:
		return true
	case a.State == Ended:
		if c.alarm != nil && c.alarm.ID == a.ID {
			c.alarm, c.phase = nil, idle
		}
		return true
	}
	c.alarm, c.phase, c.back = &a, idle, 0
	c.since, c.firm, c.due = a.Started.UnixMicro(), a.Declared.UnixMicro(), a.Declared.UnixMicro()
	c.value, c.night, c.anchor = a.Value, a.Night, c.since
	c.steps = 0
	if a.State == Active {
		c.phase = active
	}
	if c == &e.young && e.age == UnknownAge {
		e.age = 0 // until it is said again
	}
	for int(c.steps) < len(c.rule.Escalate) && c.rule.Escalate[c.steps].Priority <= a.Priority {
		c.steps++
	}
	e.unsettled = true // told by the next call
	return true
}

// find is the condition that an alarm is of, made if need be.
func (e *Evaluator) find(a *Alarm) *condition {
	rule := e.rules.byID[a.Rule]
	switch {
	case rule == nil || rule.Off:
		return nil
	case rule.Kind == BoxSilent:
		return &e.silent
	case rule.Kind == ClockOffset:
		return &e.clock
	case rule.Kind == TooYoung:
		return &e.young
	}
	if a.Missed {
		return e.noticeOf(rule, a)
	}
	if rule.Kind == DeviceEvent {
		sub := subject{Device: a.Device, Channel: a.Channel, Code: a.Code, Source: a.Source, Said: a.Said}
		ev := e.live.twin(&sub)
		if ev == nil {
			if ev = e.newEvent(&e.live, &sub, rule); ev == nil {
				return nil
			}
		}
		ev.at = max(ev.at, a.Started.UnixMicro())
		return &ev.cond
	}
	s := e.live.series[subjectKey{a.Device, a.Channel, a.Code}]
	if s == nil {
		s = e.newSeries(&e.live, &protocol.Observation{Device: a.Device, Channel: a.Channel, Code: a.Code, Unit: a.Unit})
		if s == nil {
			return nil
		}
		s.seen = true
	}
	if s.stale.rule == rule {
		return &s.stale
	}
	for i := range s.conds {
		if s.conds[i].rule == rule {
			return &s.conds[i]
		}
	}
	return nil
}
