package alarm

import (
	"time"

	"monitorme/protocol"
)

// Bounds of what one box may make the evaluator remember. Readings of further
// series or events are not evaluated, and counted by Refused.
const (
	maxSeries = 512
	maxEvents = 256
)

// Times of the evaluator, in µs.
const (
	grace       = 2_000_000      // the clock lets readings on their way win for so long
	remeasured  = 60_000_000     // an equal episodic value is a new measurement after so long
	minGap      = 2 * remeasured // readings beyond so far apart are one condition at least
	lateGap     = 300_000_000    // after so long without late readings a missed alarm is closed
	inTouch     = 5_000_000      // a box heard of so recently is in touch
	silentGuard = 10_000_000     // when no rule says how long a box may be silent
)

// An Evaluator is the alarm state of one box. It is a pure state machine: it
// has no clock and does no I/O, and its alarms depend only on the rules and on
// the calls made, in their order. Each method appends the changes of alarms to
// dst, in the order in which they happened, and returns it.
//
// Order is the order of sequence numbers. A reading that is a backfill, is
// older than the rules' LateAfter when the box sends it, or comes after newer
// ones of its stream, is late: it never touches the live state and yields only
// Missed alarms, of which people are told once, in silence. A late number that
// is the newest of its series and still valid is taken as if it had come in
// time. Of a stream the box may send the newest first.
//
// Not safe for concurrent use.
type Evaluator struct {
	box     protocol.BoxID
	rules   *Rules
	streams [4]stream
	live    track
	late    track

	held    []heldReading
	notices []*condition // of missed alarms that people are told of
	since   int64        // what was measured before is of another patient

	silent, clock, young condition

	age      int   // of the patient in years, or UnknownAge
	expected int64 // placed since, cloud's clock; 0: not said
	released bool  // said to stand nowhere
	contact  int64 // last heard of, cloud's clock; 0: never
	returned int64 // heard of again after a silence
	resumed  int64 // we listen since
	high     int   // active physiological alarms of high priority

	refused   uint64
	out       []Alarm
	unsettled bool
}

// A track is the state of the live or of the late readings.
type track struct {
	late    bool
	series  map[subjectKey]*series
	order   []*series // as first seen, so that walking it is deterministic
	happens []*event
	asleep  bool
	sleepAt int64
}

type subjectKey struct {
	device  protocol.DeviceID
	channel string
	code    protocol.Code
}

// A series is the state of one numeric code of one device.
type series struct {
	subject
	at       int64 // of the newest reading
	received int64 // when it came; if it was late, when it would have come in time
	epoch    uint64
	seq      uint64
	want     protocol.Unit // of the limits, "" if there are none
	seen     bool          // ever had a number
	good     bool          // the newest reading is a good number
	value    protocol.Decimal
	conds    []condition
	stale    condition // rule nil: never stale
}

// NewEvaluator starts a box without any history.
func NewEvaluator(box protocol.BoxID, rules *Rules) *Evaluator {
	e := &Evaluator{box: box, rules: rules, live: newTrack(false), late: newTrack(true)}
	e.silent.rule, e.clock.rule, e.young.rule = rules.silent, rules.clock, rules.young
	e.age = UnknownAge
	return e
}

func newTrack(late bool) track {
	return track{late: late, series: map[subjectKey]*series{}}
}

// Box is whose alarms these are.
func (e *Evaluator) Box() protocol.BoxID { return e.box }

// Rules are the rules in force.
func (e *Evaluator) Rules() *Rules { return e.rules }

// Refused counts readings that were not evaluated because the box has more
// series or kinds of events than are watched.
func (e *Evaluator) Refused() uint64 { return e.refused }

// begin and end frame every public method.
func (e *Evaluator) begin(dst []Alarm) { e.out = dst }

func (e *Evaluator) end() []Alarm {
	if e.unsettled {
		e.settle()
	}
	out := e.out
	e.out = nil
	return out
}

// Observe takes one batch, which it neither keeps nor changes. received is by
// the cloud's clock. A batch seen before changes nothing.
func (e *Evaluator) Observe(b *protocol.Batch, backfill bool, received time.Time, dst []Alarm) []Alarm {
	e.begin(dst)
	now := received.UnixMicro()
	e.heard(now)
	if b.Stream >= protocol.Stream(len(e.streams)) || len(b.Observations) == 0 {
		return e.end()
	}
	sent := now
	if !b.Sent.IsZero() {
		sent = b.Sent.UnixMicro() // the clock by which At was stamped
	}
	q := &e.streams[b.Stream]
	if !backfill && sent != now && q.place(b.Epoch, b.FirstSeq) == inOrder {
		e.clockOffset(sent, now)
	}
	if backfill && q.High != 0 && b.Epoch != q.Epoch {
		q = &stream{} // the rest of an earlier queue
	}
	for i := range b.Observations {
		o := &b.Observations[i]
		n := b.FirstSeq + uint64(i)
		where := q.place(b.Epoch, n)
		if where == duplicate {
			continue
		}
		e.arrive(o, &arrival{epoch: b.Epoch, seq: n, behind: backfill || where == straggler, received: now, age: sent - o.At.UnixMicro()})
		if e.unsettled {
			e.settle()
		}
	}
	q.note(b.Epoch, protocol.Range{First: b.FirstSeq, Last: b.LastSeq()})
	if !backfill {
		q.Live = max(q.Live, b.LastSeq())
	}
	e.release(now)
	e.promote(now, b.Stream == protocol.StreamEvent && len(q.Gaps) == 0)
	return e.end()
}

func (e *Evaluator) observe(tr *track, o *protocol.Observation, a *arrival) {
	switch {
	case o.Kind == protocol.KindNumeric:
		e.numeric(tr, o, a)
	case o.Kind == protocol.KindEvent && o.Event != nil:
		e.event(tr, o, a)
	case o.Kind == protocol.KindEnumeration && o.Code == protocol.SleepStatus:
		e.sleep(tr, o, a.received)
	}
}

// numeric takes one number through all rules of its code.
func (e *Evaluator) numeric(tr *track, o *protocol.Observation, a *arrival) {
	s := tr.series[subjectKey{o.Device, o.Channel, o.Code}]
	if s == nil {
		if s = e.newSeries(tr, o); s == nil {
			return
		}
	}
	if s.unit != o.Unit && o.Unit != "" {
		s.unit = o.Unit
	}
	r := reading{at: o.At.UnixMicro(), received: a.received, value: o.Value}
	s.old = 0
	switch late := e.rules.set.LateAfter.Microseconds(); {
	case a.age == unknownAge:
		s.old = unknownAge
	case !tr.late && (a.behind || a.age > late):
		s.old = max(a.age, 0)
		r.received -= s.old
	}
	s.quiet = tr.late && e.past(o, a)
	e.align(s, r.at)
	r.fresh = r.at-s.at >= remeasured || s.value.Compare(o.Value) != 0
	if s.stale.phase == active {
		e.finish(&s.stale, r.at)
	}
	asleep := e.asleep(tr, r.at)
	x := o.Value.Float64()
	alien := o.Value.Valid && o.Unit != s.want && s.want != ""
	for i := range s.conds {
		c := &s.conds[i]
		r.night = asleep && c.rule.Night != nil
		r.verdict = c.rule.judge(o, x, s.seen, alien, r.night)
		if c.phase != idle || r.verdict >= beyond {
			e.step(&s.subject, c, &r)
		}
	}
	s.at, s.received, s.epoch, s.seq = r.at, r.received, a.epoch, a.seq
	s.good = o.Quality == protocol.QualityGood && o.Value.Valid && !alien
	s.seen = s.seen || o.Quality.HasNumber()
	s.value = o.Value
}

func (e *Evaluator) newSeries(tr *track, o *protocol.Observation) *series {
	if len(tr.series) >= maxSeries {
		e.refused++
		return nil
	}
	rules := e.rules.readings(o.Code)
	stale := e.rules.staleAfter(o.Code)
	s := &series{conds: make([]condition, len(rules)), want: e.rules.units[o.Code], subject: subject{
		Device: o.Device, Channel: o.Channel, Code: o.Code, unit: o.Unit, late: tr.late,
		hold: stale, gap: max(minGap, stale)}}
	for i, rule := range rules {
		s.conds[i].rule = rule
	}
	if !tr.late {
		s.stale.rule = e.rules.stale[o.Code]
	}
	tr.series[subjectKey{o.Device, o.Channel, o.Code}] = s
	tr.order = append(tr.order, s)
	return s
}

// align brings the state of a series into line with a reading that lies before
// the newest one, or on the late track far after it.
func (e *Evaluator) align(s *series, at int64) {
	if s.at == 0 || at >= s.at && !s.late {
		return
	}
	switch back := s.at - at; {
	case s.late && (back > 0 || -back > max(lateGap, 2*s.hold)):
		// Another stretch of the past.
		for i := range s.conds {
			c := &s.conds[i]
			if c.phase == active {
				e.finish(c, s.at)
			}
			c.phase = idle
		}
	case back > 0:
		// The sequence number says it is newer: the box's clock was set back.
		// What has lasted so far goes on lasting.
		for i := range s.conds {
			c := &s.conds[i]
			c.since, c.due, c.firm = c.since-back, c.due-back, c.firm-back
			if c.back != 0 {
				c.back -= back
			}
		}
	}
}

// asleep reports whether night limits are in force at an instant: the sleep
// status says so, is recent, no alarm of high priority is on, and the patient is no
// child.
func (e *Evaluator) asleep(tr *track, at int64) bool {
	if !tr.asleep || e.high > 0 && !tr.late || e.tooYoung() {
		return false
	}
	age := at - tr.sleepAt
	return max(age, -age) <= e.rules.set.SleepFor.Microseconds()
}

// sleep takes a sleep status; when it changes, the limits in force change at
// once for the values that stand.
func (e *Evaluator) sleep(tr *track, o *protocol.Observation, now int64) {
	asleep := false
	if o.Quality == protocol.QualityGood {
		switch o.Text {
		case "asleep", "light", "deep", "rem":
			asleep = true
		}
	}
	changed := asleep != tr.asleep
	tr.asleep, tr.sleepAt = asleep, o.At.UnixMicro()
	if !changed {
		return
	}
	for _, s := range tr.order {
		at := max(tr.sleepAt, s.at)
		if !s.good || at-s.at > s.hold {
			continue
		}
		for i := range s.conds {
			c := &s.conds[i]
			if c.rule.Night == nil {
				continue
			}
			night := e.asleep(tr, at)
			r := reading{at: at, received: now, night: night, value: s.value, verdict: c.rule.number(s.value.Float64(), night)}
			if c.phase == pending || c.phase == idle && r.verdict >= beyond {
				e.step(&s.subject, c, &r)
			}
		}
	}
}

// settle brings what depends on several alarms into line after a change: which
// are hidden by a higher one of their family, and whether any is high.
func (e *Evaluator) settle() {
	var on []*condition
	e.high = 0
	e.each(func(c *condition) {
		if c.alarm == nil || c.alarm.State != Active {
			return
		}
		if c.alarm.Priority == protocol.PriorityHigh && c.alarm.Type == protocol.AlarmPhysiological {
			e.high++
		}
		if c.rule.Family != "" {
			on = append(on, c)
		}
	})
	for _, c := range on {
		hidden := false
		for _, o := range on {
			hidden = hidden || o.hides(c)
		}
		if hidden == c.alarm.Hidden {
			continue
		}
		// The family's priority has risen, or what is left is news again:
		// either way nobody has acknowledged that.
		c.alarm.Hidden = hidden
		c.alarm.AcknowledgedBy, c.alarm.AcknowledgedAt = "", time.Time{}
		e.tell(c.alarm)
	}
	e.unsettled = false
}

// hides reports whether alarm c keeps alarm d off the screens: both are of one
// family, device and sign, and not of two sites.
func (c *condition) hides(d *condition) bool {
	a, b := c.alarm, d.alarm
	if c.rule.Family != d.rule.Family || c.rule == d.rule || a.Device != b.Device || a.sign() != b.sign() ||
		a.Channel != b.Channel && a.Channel != "" && b.Channel != "" {
		return false
	}
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return c.rule.rank < d.rule.rank
}

// sign is the vital sign that an alarm is about, "" if none is known: of an
// event that of its source. The heart rate comes from the leads of the ECG.
func (a *Alarm) sign() protocol.Sign {
	code := a.Code
	if a.Source != 0 {
		code = a.Source
	}
	term, _ := protocol.Lookup(code)
	if term.Sign == protocol.SignECG || a.Source == 0 && code == protocol.EventLeadsOff {
		return protocol.SignHeartRate
	}
	return term.Sign
}

// each visits every live condition, in a fixed order.
func (e *Evaluator) each(visit func(*condition)) {
	visit(&e.silent)
	visit(&e.clock)
	visit(&e.young)
	for _, s := range e.live.order {
		for i := range s.conds {
			visit(&s.conds[i])
		}
		visit(&s.stale)
	}
	for _, ev := range e.live.happens {
		visit(&ev.cond)
	}
	for _, n := range e.notices {
		visit(n)
	}
}

// Alarms appends copies of the alarms that are active or latched.
func (e *Evaluator) Alarms(dst []Alarm) []Alarm {
	e.each(func(c *condition) {
		if c.alarm != nil {
			dst = append(dst, *c.alarm)
		}
	})
	return dst
}

// Acknowledge notes that a user took note of an alarm; a latched one ends by
// it. Repeating it changes nothing: the first user stays. The result is false
// if no alarm of that id is active or latched.
func (e *Evaluator) Acknowledge(id, user string, at time.Time) (a Alarm, changed, found bool) {
	e.each(func(c *condition) {
		if c.alarm == nil || c.alarm.ID != id {
			return
		}
		found = true
		if c.alarm.AcknowledgedBy == "" {
			c.alarm.AcknowledgedBy, c.alarm.AcknowledgedAt = user, at.UTC()
			changed = true
			c.alarm.Revision++
		}
		a = *c.alarm
		if a.State == Latched {
			c.alarm.State, c.alarm = Ended, nil
			a.State = Ended
		}
	})
	return a, changed, found
}

// Stop ends every alarm and forgets every series, because a named user ended
// monitoring: the patient left the bed. Sequence numbers are kept.
func (e *Evaluator) Stop(user string, at time.Time, dst []Alarm) []Alarm {
	e.begin(dst)
	e.each(func(c *condition) {
		if c.alarm == nil {
			return
		}
		if c.alarm.AcknowledgedBy == "" {
			c.alarm.AcknowledgedBy, c.alarm.AcknowledgedAt = user, at.UTC()
		}
		if c.alarm.State == Active {
			c.alarm.Ended = at.UTC()
		}
		c.alarm.State, c.alarm.Hidden = Ended, false
		e.tell(c.alarm)
		c.alarm, c.phase = nil, idle
	})
	e.live, e.late, e.notices = newTrack(false), newTrack(true), nil
	e.age = UnknownAge
	e.Since(at)
	return e.end()
}
