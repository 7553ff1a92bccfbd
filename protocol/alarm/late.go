package alarm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"

	"monitorme/protocol"
)

// Bounds and times of what comes late.
const (
	// settling is how long a late reading or event waits at most for the ones
	// that would be newer still. A box sends its backlog oldest first.
	settling   = 10_000_000
	maxHeld    = 64
	maxNotices = 64
)

// unknownAge is the age of a reading whose box did not know the time.
const unknownAge = math.MinInt64

// An arrival is how a reading came.
type arrival struct {
	epoch, seq uint64
	behind     bool  // a backfill, or newer ones of its stream came before it
	received   int64 // by the cloud's clock
	age        int64 // when it was sent, by the box's clock, or unknownAge
}

// A heldReading is the newest of its series as far as is known, and still
// says something of the patient. It waits for the rest of the backlog.
type heldReading struct {
	reading protocol.Observation // a number
	arrival
	first int64 // since when one of the series waits
}

func (h *heldReading) same(o *protocol.Observation) bool {
	return h.reading.Device == o.Device && h.reading.Channel == o.Channel && h.reading.Code == o.Code
}

// Since says that what was measured before at is of another patient or bed: if
// it comes late it is recorded, but never rings and is not told.
func (e *Evaluator) Since(at time.Time) {
	e.since = max(e.since, at.UnixMicro())
}

// arrive decides on which track an observation belongs.
//
// On the live track is what came in time, and the late number that is the
// newest of its series and not older than it counts: a cuff pressure of an
// outage, a glucose meter that was docked just now. Where the box did not know
// the time the age counts for nothing: better an alarm too many.
func (e *Evaluator) arrive(o *protocol.Observation, a *arrival) {
	if a.behind && o.Clock == protocol.ClockUncertain {
		a.age = unknownAge
	}
	young := a.age <= e.rules.set.LateAfter.Microseconds()
	switch {
	case !a.behind && young:
		e.overtake(o)
		e.observe(&e.live, o, a)
	case o.Kind == protocol.KindEvent && o.Event != nil && young && momentary(o.Event) && !e.past(o, a):
		e.observe(&e.live, o, a) // it needs no order
	case !e.counts(o, a):
		e.observe(&e.late, o, a)
	case a.behind:
		e.hold(o, a)
	default:
		e.overtake(o)
		e.observe(&e.live, o, a)
	}
}

// past reports whether a reading is of the patient before.
func (e *Evaluator) past(o *protocol.Observation, a *arrival) bool {
	return a.received < e.since || a.age != unknownAge && o.At.UnixMicro() < e.since
}

// counts reports whether a late number still says how the patient is.
func (e *Evaluator) counts(o *protocol.Observation, a *arrival) bool {
	q := o.Quality
	if o.Kind != protocol.KindNumeric || !q.HasNumber() && q != protocol.QualityOverflow && q != protocol.QualityUnderflow || e.past(o, a) {
		return false
	}
	valid := e.rules.validFor(o.Code)
	late := e.rules.set.LateAfter.Microseconds()
	if valid <= late || a.age != unknownAge && (a.age > valid || a.age < -late) {
		return false
	}
	at := o.At.UnixMicro()
	for _, s := range e.live.order {
		if s.Code != o.Code {
			continue
		}
		switch {
		case s.Device != o.Device || s.Channel != o.Channel: // another device has measured since
			if s.good && s.at > at && a.age != unknownAge {
				return false
			}
		case s.epoch == a.epoch:
			if s.seq > a.seq {
				return false
			}
		case s.at > at:
			return false
		}
	}
	return true
}

// hold lets a late reading wait. The one of its series that waited is over.
func (e *Evaluator) hold(o *protocol.Observation, a *arrival) {
	n := heldReading{*o, *a, a.received}
	for i := range e.held {
		h := &e.held[i]
		if !h.same(o) {
			continue
		}
		if h.epoch == n.epoch && h.seq > n.seq || h.epoch != n.epoch && h.reading.At.After(o.At) {
			e.observe(&e.late, o, a)
			return
		}
		n.first = h.first
		e.bury(h)
		*h = n
		return
	}
	if len(e.held) == maxHeld {
		e.take(&e.held[0])
		e.held = append(e.held[:0], e.held[1:]...)
	}
	e.held = append(e.held, n)
}

// take gives a held reading to the live track, bury to the late one.
func (e *Evaluator) take(h *heldReading) { e.observe(&e.live, &h.reading, &h.arrival) }
func (e *Evaluator) bury(h *heldReading) { e.observe(&e.late, &h.reading, &h.arrival) }

// overtake buries the reading held of a series of which a newer one has come.
func (e *Evaluator) overtake(o *protocol.Observation) {
	for i := range e.held {
		if e.held[i].same(o) {
			h := e.held[i]
			e.held = append(e.held[:i], e.held[i+1:]...)
			e.bury(&h)
			return
		}
	}
}

// release takes what was held long enough: nothing newer of its stream is
// under way, or it has waited for that in vain.
func (e *Evaluator) release(now int64) {
	q := &e.streams[protocol.StreamNumeric]
	kept := e.held[:0]
	for i := range e.held {
		h := &e.held[i]
		switch {
		case e.past(&h.reading, &h.arrival):
			e.bury(h)
		case h.epoch == q.Epoch && q.complete(h.seq), now-h.first >= settling:
			e.take(h)
		default:
			kept = append(kept, *h)
		}
	}
	e.held = kept
}

// worthTelling reports whether somebody must be told that a condition held
// while the box was out of touch: those about the patient, and what a device
// called urgent. The rest is in the log.
func worthTelling(a *Alarm, r *compiled) bool {
	return a.Type == protocol.AlarmPhysiological || r.Kind == DeviceEvent && a.Priority >= protocol.PriorityMedium
}

// tellMissed tells people of a missed alarm: one entry of low priority for all
// of one rule or family, silent, that stands until somebody acknowledges it.
func (e *Evaluator) tellMissed(c *condition) {
	a := c.alarm
	if c.quiet || !worthTelling(a, c.rule) {
		return
	}
	n := e.noticeOf(c.rule, a)
	if n == nil {
		e.refused++
		return
	}
	ended := newer(a.Ended, a.Declared)
	if n.alarm == nil {
		t := *a
		sum := sha256.Sum256([]byte("told/" + a.ID))
		t.ID, t.Revision, t.Text, t.Ended = hex.EncodeToString(sum[:12]), 0, happened(a.Text, a.Started, ended), ended
		t.State, t.Priority = Latched, protocol.PriorityLow
		n.rule, n.alarm = c.rule, &t
		e.tell(&t)
		return
	}
	t := n.alarm
	was := *t
	_, text, _ := strings.Cut(t.Text, ": ")
	if graver(c.rule, n.rule) {
		n.rule = c.rule
		t.Rule, t.Device, t.Channel, t.Code, t.Source = a.Rule, a.Device, a.Channel, a.Code, a.Source
		t.Value, t.Limit, t.Unit, t.Night = a.Value, a.Limit, a.Unit, a.Night
		text = a.Text
	}
	if a.Started.Before(t.Started) {
		t.Started = a.Started
	}
	t.Ended = newer(t.Ended, ended)
	t.Text = happened(text, t.Started, t.Ended)
	if *t != was {
		e.tell(t)
	}
}

// happened is what people are told of missed alarms: what it was, and within
// what time from the first beginning to the last end.
func happened(text string, from, to time.Time) string {
	within := ""
	if d := to.Sub(from); d >= time.Minute {
		within = ", within " + span(d+time.Minute-1)
	}
	return "Happened while out of touch" + within + ": " + text
}

// noticeOf finds what stands for missed alarms like a, or room for it; nil if
// there is none.
func (e *Evaluator) noticeOf(r *compiled, a *Alarm) *condition {
	var free *condition
	for _, n := range e.notices {
		switch t := n.alarm; {
		case t == nil:
			free = n
		case r.Family != "" && n.rule.Family == r.Family, r.Kind != DeviceEvent && n.rule == r:
			return n
		case n.rule == r && t.Device == a.Device && t.Channel == a.Channel && t.Code == a.Code && t.Source == a.Source && t.Said == a.Said:
			return n
		}
	}
	if free == nil && len(e.notices) < maxNotices {
		free = &condition{rule: r}
		e.notices = append(e.notices, free)
	}
	return free
}

// graver reports whether rule r stands for its family rather than s.
func graver(r, s *compiled) bool {
	if r.Priority != s.Priority {
		return r.Priority > s.Priority
	}
	return r.rank < s.rank
}

func newer(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// aged is what is said of a reading that was old when it came.
func aged(old int64) string {
	d := time.Duration(old) * time.Microsecond
	switch {
	case old == unknownAge:
		return ", measured at an unknown time"
	case d < time.Minute:
		return ""
	}
	return ", " + span(d) + " old when it came"
}

// span is a time of a minute or more in words.
func span(d time.Duration) string {
	if d < 2*time.Hour {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
