package alarm

import "monitorme/protocol"

// An event is the state of one kind of event of one device.
type event struct {
	subject
	at       int64 // of the newest
	received int64
	cond     condition
	last     protocol.Event // the newest that was not an end
}

func eventPriority(r *compiled, ev *protocol.Event) protocol.Priority {
	if r.Priority != protocol.PriorityNone {
		return r.Priority
	}
	return min(ev.Priority, protocol.PriorityHigh)
}

func eventType(ev *protocol.Event) protocol.AlarmType {
	if ev.Type == protocol.AlarmPhysiological {
		return ev.Type
	}
	return protocol.AlarmTechnical
}

// event takes an alarm or event that a device or the box tells of.
func (e *Evaluator) event(tr *track, o *protocol.Observation, now int64) {
	rule := e.rules.events[o.Code]
	if rule == nil {
		rule = e.rules.anyEvt
	}
	ends := o.Event.Phase == protocol.PhaseEnd
	if o.Code == protocol.EventBoxStarted && !tr.late {
		e.orphan("", o.At.UnixMicro())
	}
	if rule == nil || eventPriority(rule, o.Event) == protocol.PriorityNone && !ends {
		return
	}
	key := subjectKey{o.Device, o.Channel, o.Code, o.Event.Source}
	if tr.late && ends {
		// That it ended is known for certain, however late the word comes.
		if on := e.live.events[key]; on != nil && o.At.UnixMicro() >= on.at {
			e.happen(on, o, now)
		}
	}
	ev := tr.events[key]
	if ev == nil {
		if ends {
			return
		}
		if ev = e.newEvent(tr, key, rule); ev == nil {
			return
		}
	}
	e.happen(ev, o, now)
}

func (e *Evaluator) newEvent(tr *track, k subjectKey, rule *compiled) *event {
	if len(tr.events) >= maxEvents {
		e.refused++
		return nil
	}
	ev := &event{cond: condition{rule: rule}, subject: subject{
		Device: k.device, Channel: k.channel, Code: k.code, Source: k.source,
		hold: forever, gap: forever, late: tr.late}}
	tr.events[k] = ev
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
		ev.last = *o.Event
		was := ev.cond.phase
		e.step(&ev.subject, &ev.cond, &r)
		if was == active {
			e.setPriority(ev.cond.alarm, eventPriority(ev.cond.rule, o.Event))
		}
	case protocol.PhaseEnd:
		r.verdict, r.event = inside, &ev.last
		if ev.cond.back == 0 {
			ev.cond.back = r.at - ev.cond.rule.clearFor // said, not measured: at once
		}
		e.step(&ev.subject, &ev.cond, &r)
	default:
		e.once(ev, &r)
	}
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

// promote makes alarms of events that began in late data and have not ended,
// once every event of the box is known: then they hold now.
func (e *Evaluator) promote(now int64) {
	for _, l := range e.late.happens {
		c := &l.cond
		if c.phase == idle {
			continue
		}
		key := subjectKey{l.Device, l.Channel, l.Code, l.Source}
		ev := e.live.events[key]
		if ev == nil {
			ev = e.newEvent(&e.live, key, c.rule)
		}
		if ev != nil && ev.at <= l.at && ev.cond.phase == idle {
			ev.at, ev.received, ev.last = l.at, now, l.last
			ev.cond.begin(&reading{at: c.since, received: now})
			ev.cond.firm, ev.cond.held = c.since, true
			ev.cond.due = c.since + c.rule.delay
			e.raise(&ev.subject, &ev.cond, ev.cond.due, now, &l.last)
			if c.alarm != nil { // the same one, no longer missed
				ev.cond.alarm.Revision = c.alarm.Revision + 1
				e.out[len(e.out)-1] = *ev.cond.alarm
			}
		}
		c.phase, c.alarm = idle, nil
	}
}
