package alarm

import (
	"slices"

	"monitorme/protocol"
)

// An event is the state of one event of one device. What a device says with
// different words is different: many have one code for all their alarms.
type event struct {
	subject
	at       int64 // of the newest
	received int64
	cond     condition
	last     protocol.Event // the newest that was not an end
}

// eventPriority is the higher one of the rule's and the device's; a rule that
// climbs decides alone.
func eventPriority(r *compiled, ev *protocol.Event) protocol.Priority {
	if len(r.Escalate) > 0 {
		return r.Priority
	}
	return max(r.Priority, min(ev.Priority, protocol.PriorityHigh))
}

func eventType(ev *protocol.Event) protocol.AlarmType {
	if ev.Type == protocol.AlarmPhysiological {
		return ev.Type
	}
	return protocol.AlarmTechnical
}

// momentary reports whether an event has no duration.
func momentary(ev *protocol.Event) bool {
	switch ev.Phase {
	case protocol.PhaseStart, protocol.PhaseContinue, protocol.PhaseEnd:
		return false
	}
	return true
}

// said is what tells an event from others of its code: the device's words. The
// box's own events are told apart by their codes.
func said(code protocol.Code, text string) string {
	if code == protocol.EventDisconnected || code >= protocol.EventDropped && code <= protocol.EventBoxStarted {
		return ""
	}
	return text
}

// event takes an alarm or event that a device or the box tells of.
func (e *Evaluator) event(tr *track, o *protocol.Observation, a *arrival) {
	rule := e.rules.events[o.Code]
	if rule == nil {
		rule = e.rules.anyEvt
	}
	ends := o.Event.Phase == protocol.PhaseEnd
	if o.Code == protocol.EventBoxStarted && !tr.late {
		e.orphan("", o.At.UnixMicro())
	}
	if rule == nil || !ends && (eventPriority(rule, o.Event) == protocol.PriorityNone || o.Quality == protocol.QualityDemo) {
		return
	}
	if tr.late && ends {
		// That it ended is known for certain, however late the word comes.
		for _, on := range e.live.meant(o) {
			if o.At.UnixMicro() >= on.at {
				e.happen(on, o, a.received)
			}
		}
	}
	meant := tr.meant(o)
	if len(meant) == 0 && !(tr.late && ends) { // an end may come before its beginning
		if ev := e.newEvent(tr, &subject{Device: o.Device, Channel: o.Channel, Code: o.Code, Source: o.Event.Source, Said: said(o.Code, o.Event.Text)}, rule); ev != nil {
			meant = append(meant, ev)
		}
	}
	for _, ev := range meant {
		ev.quiet = tr.late && e.past(o, a)
		e.happen(ev, o, a.received)
	}
}

// meant are the events that an observation speaks of: the one of its words; or,
// where the device has changed its words meanwhile, the only one of its code
// that goes on; or, by an end without words, all of them.
func (t *track) meant(o *protocol.Observation) []*event {
	words := said(o.Code, o.Event.Text)
	begins := momentary(o.Event) || o.Event.Phase == protocol.PhaseStart
	var known *event
	var on []*event
	for _, ev := range t.happens {
		if ev.Device != o.Device || ev.Channel != o.Channel || ev.Code != o.Code || ev.Source != o.Event.Source {
			continue
		}
		if ev.cond.phase != idle {
			on = append(on, ev)
		}
		if ev.Said == words && (known == nil || known.cond.phase == idle) {
			known = ev
		}
	}
	switch {
	case known != nil && (begins || known.cond.phase != idle):
		return []*event{known}
	case begins:
		return nil
	case len(on) == 1, o.Event.Phase == protocol.PhaseEnd && words == "":
		return on
	case known != nil:
		return []*event{known}
	}
	return nil
}

// newEvent makes room for an event, if need be in place of one that is over.
func (e *Evaluator) newEvent(tr *track, s *subject, rule *compiled) *event {
	if len(tr.happens) >= maxEvents {
		tr.happens = slices.DeleteFunc(tr.happens, func(ev *event) bool { return ev.cond.phase == idle && ev.cond.alarm == nil })
	}
	if len(tr.happens) >= maxEvents {
		e.refused++
		return nil
	}
	ev := &event{cond: condition{rule: rule}, subject: *s}
	ev.hold, ev.gap, ev.late = forever, forever, tr.late
	tr.happens = append(tr.happens, ev)
	return ev
}

func (e *Evaluator) happen(ev *event, o *protocol.Observation, now int64) {
	r := reading{at: o.At.UnixMicro(), received: now, event: o.Event}
	ev.at, ev.received = r.at, now
	if o.Code == protocol.EventDisconnected && o.Event.Phase == protocol.PhaseEnd && !ev.late {
		e.orphan(o.Device, r.at) // it says again what still holds
	}
	switch o.Event.Phase {
	case protocol.PhaseStart, protocol.PhaseContinue:
		r.verdict = beyond
		ev.last, ev.Said = *o.Event, said(o.Code, o.Event.Text)
		was := ev.cond.phase
		e.step(&ev.subject, &ev.cond, &r)
		if was == active {
			e.reword(ev)
			e.setPriority(ev.cond.alarm, eventPriority(ev.cond.rule, o.Event))
		}
	case protocol.PhaseEnd:
		r.verdict, r.event = inside, &ev.last
		if ev.cond.back == 0 {
			ev.cond.back = r.at - ev.cond.rule.clearFor // said, not measured: at once
		}
		e.step(&ev.subject, &ev.cond, &r)
	default:
		ev.Said = said(o.Code, o.Event.Text)
		e.once(ev, &r)
	}
}

// reword gives an alarm the words in which its device speaks of it now.
func (e *Evaluator) reword(ev *event) {
	a := ev.cond.alarm
	if a.Said == ev.Said {
		return
	}
	a.Text, a.Said = ev.cond.rule.words(&ev.subject, &ev.last), ev.Said
	e.tell(a)
}

// once takes an event without duration: it stands latched until somebody
// acknowledges it. Until then a repetition is the same alarm.
func (e *Evaluator) once(ev *event, r *reading) {
	c := &ev.cond
	if c.alarm != nil && c.phase == idle {
		c.alarm.Ended = instant(r.at)
		if p := eventPriority(c.rule, r.event); p > c.alarm.Priority {
			e.setPriority(c.alarm, p)
		} else {
			e.tell(c.alarm)
		}
		return
	}
	if c.phase == active { // also said with start and end: that one stands
		return
	}
	c.begin(r)
	e.raise(&ev.subject, c, r.at, r.received, r.event)
	c.phase = idle
	if c.alarm.Missed {
		e.tellMissed(c)
		c.alarm = nil
		return
	}
	// Told once as it stands.
	c.alarm.State, c.alarm.Ended = Latched, instant(r.at)
	e.out[len(e.out)-1] = *c.alarm
}

// orphan latches the event alarms of a device, or of all if it is "", whose end
// would go unsaid because the one who says it has started anew. If they still
// hold they are said again.
func (e *Evaluator) orphan(d protocol.DeviceID, at int64) {
	for _, ev := range e.live.happens {
		c := &ev.cond
		if d != "" && (ev.Device != d || ev.Code == protocol.EventDisconnected) || c.phase == idle {
			continue
		}
		c.phase = idle
		a := c.alarm
		if a == nil || a.State != Active {
			continue
		}
		a.State, a.Ended, a.Hidden = Latched, instant(at), false
		if a.AcknowledgedBy != "" {
			a.State, c.alarm = Ended, nil
		}
		e.tell(a)
	}
}

// promote makes alarms of events that began in late data and have not ended:
// when every event of the box is known, or when their end has been waited for
// in vain, they hold now.
func (e *Evaluator) promote(now int64, complete bool) {
	for _, l := range e.late.happens {
		c := &l.cond
		if c.phase == idle || !complete && now-l.received < settling {
			continue
		}
		ev := e.live.twin(&l.subject)
		if ev == nil {
			ev = e.newEvent(&e.live, &l.subject, c.rule)
		}
		if ev != nil && ev.at <= l.at && ev.cond.phase == idle {
			ev.at, ev.received, ev.last = l.at, now, l.last
			ev.cond.begin(&reading{at: c.since, received: now})
			ev.cond.firm, ev.cond.held = c.since, true
			ev.cond.due = c.since + c.rule.delay
			e.raise(&ev.subject, &ev.cond, ev.cond.due, now, &l.last)
			if c.alarm != nil { // the same one, no longer missed
				ev.cond.alarm.ID, ev.cond.alarm.Revision = c.alarm.ID, c.alarm.Revision+1
				e.out[len(e.out)-1] = *ev.cond.alarm
			}
		} else if c.alarm != nil { // it is over, or has begun again
			e.tellMissed(c)
		}
		c.phase, c.alarm = idle, nil
	}
}

// twin finds the event of a subject, nil if there is none.
func (t *track) twin(s *subject) *event {
	for _, ev := range t.happens {
		if ev.Device == s.Device && ev.Channel == s.Channel && ev.Code == s.Code && ev.Source == s.Source && ev.Said == s.Said {
			return ev
		}
	}
	return nil
}
