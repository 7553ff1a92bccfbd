package alert

import (
	"time"

	"monitorme/protocol/alarm"
)

// takeAll takes b.changes. The box's lock is held, so that subscribers and log
// see the changes of an alarm in their order.
func (e *Engine) takeAll(b *box, received time.Time) {
	for i := range b.changes {
		e.take(b, b.changes[i], received)
	}
}

func (e *Engine) take(b *box, a alarm.Alarm, received time.Time) {
	was := b.find(a.ID)
	r := &Record{Alarm: a, Rules: b.eval.Rules().Version(), Received: received.UTC()}
	if was != nil {
		if was.Revision >= a.Revision {
			return // told before
		}
		r.CareUnit, r.Bed, r.BedLabel, r.Received = was.CareUnit, was.Bed, was.BedLabel, was.Received
	} else if p, ok := e.locate(b.id); ok {
		r.CareUnit, r.Bed, r.BedLabel = p.Unit, p.Bed, p.Label
	}
	b.dirty = true
	e.keep(b, was, r)
	e.m.count(was, r)
	e.journal.add(entry{record: r, what: change(was, r), at: e.now()})
	e.subs.publish(*r)
}

// find is what b knows of an alarm, nil if nothing.
func (b *box) find(id string) *Record {
	if r := b.records[id]; r != nil {
		return r
	}
	for _, r := range b.recent {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// keep notes r in place of was.
func (e *Engine) keep(b *box, was, r *Record) {
	if r.Standing() {
		b.records[r.ID] = r
		if was == nil || !was.Standing() {
			e.index(b, r.ID, "")
		}
		return
	}
	delete(b.records, r.ID)
	for i := range b.recent {
		if b.recent[i].ID == r.ID {
			b.recent[i] = r
			return
		}
	}
	b.recent = append(b.recent, r)
	gone := ""
	if len(b.recent) > maxRecent {
		gone = b.recent[0].ID
		b.recent = append(b.recent[:0], b.recent[1:]...)
	}
	if gone != "" && b.records[gone] != nil {
		gone = "" // it stands again
	}
	e.index(b, r.ID, gone)
}

// index notes where an alarm is known, and forgets another.
func (e *Engine) index(b *box, id, gone string) {
	e.mu.Lock()
	e.where[id] = b
	if gone != "" {
		delete(e.where, gone)
	}
	e.mu.Unlock()
}

// change is a word for what happened from was to r.
func change(was, r *Record) string {
	switch {
	case was == nil && r.Missed && r.Standing():
		return "told"
	case was == nil && r.Missed:
		return "missed"
	case was == nil || was.Missed && !r.Missed:
		return "raised"
	case r.State == alarm.Ended && was.State != alarm.Ended:
		return "ended"
	case r.State == alarm.Latched && was.State == alarm.Active:
		return "latched"
	case r.AcknowledgedBy != "" && was.AcknowledgedBy == "":
		return "acknowledged"
	case r.Priority > was.Priority:
		return "escalated"
	case r.Priority < was.Priority:
		return "de-escalated"
	case r.Hidden && !was.Hidden:
		return "hidden"
	case was.Hidden && !r.Hidden:
		return "shown"
	}
	return "changed"
}
