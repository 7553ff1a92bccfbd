package alarm

import (
	"time"

	"monitorme/protocol"
)

// Contact notes that a box is in touch or, online false, that its connection
// was lost, by the cloud's clock. A batch is a contact by itself.
func (e *Evaluator) Contact(at time.Time, online bool, dst []Alarm) []Alarm {
	e.begin(dst)
	if online {
		e.heard(at.UnixMicro())
	}
	return e.end()
}

// Expect says that a box stands at a bed since at: from then on its silence is
// an alarm, even if it was never heard of.
func (e *Evaluator) Expect(at time.Time) {
	e.released = false
	if e.expected == 0 {
		e.expected = at.UnixMicro()
	}
}

// Release says that a box stands nowhere: its silence is no alarm any more, and
// nobody's age is known.
func (e *Evaluator) Release(at time.Time, dst []Alarm) []Alarm {
	e.begin(dst)
	e.released, e.expected = true, 0
	if e.silent.phase == active {
		e.finish(&e.silent, at.UnixMicro())
	}
	for _, s := range e.live.order {
		if s.stale.phase == active {
			e.finish(&s.stale, at.UnixMicro())
		}
	}
	e.age = UnknownAge
	e.suit(at.UnixMicro())
	return e.end()
}

// UnknownAge is the age of a patient whose birth is not known.
const UnknownAge = -1

// Patient says how old the patient is in years, or UnknownAge. Limits for
// adults at a child are an alarm by themselves, until somebody knows of it; see
// Advance.
func (e *Evaluator) Patient(age int) { e.age = age }

func (e *Evaluator) tooYoung() bool {
	r := e.young.rule
	return r != nil && e.age != UnknownAge && float64(e.age) < r.limit
}

// suit tells whether the rules are for a patient so old.
func (e *Evaluator) suit(n int64) {
	c := &e.young
	switch young := e.tooYoung(); {
	case young && c.phase != active:
		c.since, c.value = n, protocol.Decimal{}
		e.raise(&subject{}, c, n, n, nil)
	case !young && c.phase == active:
		e.finish(c, n)
	}
}

// Resume says that the cloud itself listens again since at, after a restart or
// a stall: silence before that says nothing about the box.
func (e *Evaluator) Resume(at time.Time) { e.resumed = at.UnixMicro() }

// Advance lets time pass, by the cloud's clock: delays run out, silence becomes
// an alarm, alarms that nobody acknowledged climb. now may repeat.
func (e *Evaluator) Advance(now time.Time, dst []Alarm) []Alarm {
	e.begin(dst)
	n := now.UnixMicro()
	e.contact = min(e.contact, n+grace) // if our own clock was set back
	for _, s := range e.live.order {
		for i := range s.conds {
			if c := &s.conds[i]; c.phase == pending && c.waitedOut(&s.subject, s.at+n-s.received-grace) {
				e.raise(&s.subject, c, c.due, c.anchor, nil)
			}
		}
		if s.stale.rule != nil && s.stale.phase == idle {
			e.staleness(s, n)
		}
	}
	for _, ev := range e.live.happens {
		if c := &ev.cond; c.phase == pending && c.waitedOut(&ev.subject, ev.at+n-ev.received-grace) {
			e.raise(&ev.subject, c, c.due, c.anchor, &ev.last)
		}
	}
	e.release(n)
	e.promote(n, false)
	e.silence(n)
	e.suit(n)
	e.each(func(c *condition) { e.climb(c, n) })
	return e.end()
}

// heard notes a sign of life.
func (e *Evaluator) heard(now int64) {
	gap := now - e.contact
	if gap < 0 && -gap < grace { // workers overtaking one another
		return
	}
	if gap > inTouch {
		e.returned = now
	}
	e.contact = now
	c := &e.silent
	if c.phase != active {
		return
	}
	if c.back == 0 || gap > e.silentAfter() {
		c.back = now
	}
	if now-c.back >= c.rule.clearFor {
		e.finish(c, now)
	}
}

func (e *Evaluator) silentAfter() int64 {
	if e.silent.rule == nil {
		return silentGuard
	}
	return e.silent.rule.delay
}

// silence raises the alarm about a box that says nothing.
func (e *Evaluator) silence(n int64) {
	c := &e.silent
	base := max(e.contact, e.expected)
	if c.rule == nil || base == 0 || e.released || c.phase == active {
		return
	}
	if base = max(base, e.resumed); n-base < c.rule.delay {
		return
	}
	c.since, c.value = base, protocol.Decimal{}
	e.raise(&subject{}, c, base+c.rule.delay, base, nil)
}

// staleness raises the alarm about a series without readings at a box that is
// in touch and a device that is not known to be lost.
func (e *Evaluator) staleness(s *series, n int64) {
	base := max(s.received, e.returned, e.resumed)
	r := s.stale.rule
	if n-base < s.hold+r.delay || n-e.contact > inTouch || e.released || e.lost(s.Device) {
		return
	}
	s.stale.since, s.stale.value = s.at, protocol.Decimal{}
	e.raise(&s.subject, &s.stale, s.at+s.hold+r.delay, base, nil)
}

// lost reports whether the box said that it lost a device.
func (e *Evaluator) lost(d protocol.DeviceID) bool {
	for _, ev := range e.live.happens {
		if ev.Device == d && ev.Code == protocol.EventDisconnected && ev.cond.phase != idle {
			return true
		}
	}
	return false
}

// climb takes the next step of Escalate.
func (e *Evaluator) climb(c *condition, n int64) {
	a := c.alarm
	if a == nil || a.State != Active || a.AcknowledgedBy != "" {
		return
	}
	if c == &e.silent && n-e.contact < e.silentAfter() && e.contact != 0 {
		return // it has come back, and is being watched for a moment
	}
	for int(c.steps) < len(c.rule.Escalate) {
		step := c.rule.Escalate[c.steps]
		if n-c.anchor < step.After.Microseconds() {
			return
		}
		if a.Hidden && e.seen(c) {
			return // somebody takes care of what is the same
		}
		c.steps++
		if step.Priority > a.Priority {
			e.setPriority(a, step.Priority)
		}
	}
}

// seen reports whether an alarm that hides c is acknowledged.
func (e *Evaluator) seen(c *condition) (seen bool) {
	e.each(func(o *condition) {
		seen = seen || o.alarm != nil && o.alarm.State == Active && o.alarm.AcknowledgedBy != "" && o.hides(c)
	})
	return seen
}

// clockOffset judges the box's clock by a batch that it has just sent.
func (e *Evaluator) clockOffset(sent, now int64) {
	c := &e.clock
	if c.rule == nil {
		return
	}
	off := now - sent
	r := reading{at: now, received: now, value: protocol.DecimalOf(float64(off)/1e6, 1)}
	r.verdict = c.rule.number(max(float64(off), -float64(off))/1e6, false)
	if c.phase != idle || r.verdict >= beyond {
		e.step(&subject{unit: "s", gap: forever}, c, &r)
	}
}
