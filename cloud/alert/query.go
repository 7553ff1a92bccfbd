package alert

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"monitorme/cloud/registry"
	"monitorme/protocol"
	"monitorme/protocol/alarm"
)

// A Filter picks alarms; an empty field picks all.
type Filter struct {
	Unit   protocol.UnitID
	Bed    registry.BedID
	Box    protocol.BoxID
	Hidden bool // also those hidden by a higher one of their family
}

func (f *Filter) match(r *Record) bool {
	return (f.Unit == "" || r.CareUnit == f.Unit) && (f.Bed == "" || r.Bed == f.Bed) && (f.Box == "" || r.Box == f.Box) &&
		(f.Hidden || !r.Hidden)
}

// Active lists the alarms that are active or latched: the highest priority
// first, of one priority the newest first.
func (e *Engine) Active(_ context.Context, f Filter) ([]Record, error) {
	return e.active(f), nil
}

func (e *Engine) active(f Filter) []Record {
	out := []Record{}
	for _, b := range e.all() {
		if f.Box != "" && b.id != f.Box {
			continue
		}
		b.mu.Lock()
		for _, r := range b.records {
			if f.match(r) {
				out = append(out, *r)
			}
		}
		b.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b Record) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), b.Started.Compare(a.Started), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// maxHistory bounds one answer of History.
const maxHistory = 10_000

// History lists the alarms that began in [from, to), newest first, at most
// 10,000: of one that has changed since, the state known now. Hidden of the
// filter has no effect.
func (e *Engine) History(ctx context.Context, f Filter, from, to time.Time) ([]Record, error) {
	where, args := []string{"started_us >= ?", "started_us < ?"}, []any{from.UnixMicro(), to.UnixMicro()}
	for _, c := range []struct{ column, value string }{{"unit", string(f.Unit)}, {"bed", string(f.Bed)}, {"box", string(f.Box)}} {
		if c.value != "" {
			where, args = append(where, c.column+" = ?"), append(args, c.value)
		}
	}
	rs, err := e.journal.query(ctx, fmt.Sprintf("SELECT record FROM alarms WHERE %s ORDER BY started_us DESC, id LIMIT %d",
		strings.Join(where, " AND "), maxHistory), args...)
	if err != nil {
		return nil, err
	}
	out := make([]Record, len(rs))
	for i, r := range rs {
		out[i] = *r
		if b := e.at(r.ID); b != nil { // memory is ahead of the log
			b.mu.Lock()
			if now := b.find(r.ID); now != nil {
				out[i] = *now
			}
			b.mu.Unlock()
		}
	}
	return out, nil
}

// at is the box that knows of an alarm without the log, nil if none does.
func (e *Engine) at(id string) *box {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.where[id]
}

// Get finds one alarm, in memory or in the log; ErrNotFound if there is none.
func (e *Engine) Get(ctx context.Context, id string) (Record, error) {
	if b := e.at(id); b != nil {
		b.mu.Lock()
		r := b.find(id)
		b.mu.Unlock()
		if r != nil {
			return *r, nil
		}
	}
	r, err := e.journal.get(ctx, id)
	if err != nil {
		return Record{}, err
	}
	return *r, nil
}

// Acknowledge notes that a user took note of an alarm at an instant: a latched
// one ends by it, one that is over or was missed is marked. Doing it again
// keeps the first user. The error is ErrNotFound if there is no such alarm.
func (e *Engine) Acknowledge(ctx context.Context, id, user string, at time.Time) (Record, error) {
	if user == "" {
		return Record{}, fmt.Errorf("%w: acknowledge: no user named", ErrInvalid)
	}
	at = at.UTC().Truncate(time.Microsecond)
	b := e.at(id)
	if b == nil {
		r, err := e.journal.get(ctx, id)
		if err != nil {
			return Record{}, err
		}
		b = e.box(r.Box, r.CareUnit)
		b.mu.Lock()
		if b.find(id) == nil {
			e.keep(b, nil, r)
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a, changed, found := b.eval.Acknowledge(id, user, at)
	if found {
		if changed {
			e.take(b, a, at)
		}
		if r := b.find(id); r != nil {
			return *r, nil
		}
	}
	r := b.find(id)
	if r == nil {
		return Record{}, fmt.Errorf("alarm %q: %w", id, ErrNotFound)
	}
	if r.AcknowledgedBy == "" && r.State == alarm.Ended {
		a := r.Alarm
		a.AcknowledgedBy, a.AcknowledgedAt = user, at
		a.Revision++
		e.take(b, a, at)
		r = b.find(id)
	}
	return *r, nil
}

// A Subscription gives every change of every alarm, in order for each alarm.
type Subscription struct {
	// C is closed when the subscriber was too slow, called Close, or the
	// engine stopped. After that it must read Active anew.
	C    <-chan Record
	c    chan Record
	from *subscribers
}

// Close ends the subscription. It may be called twice.
func (s *Subscription) Close() { s.from.remove(s) }

// Subscribe gives what changes from now on. One that leaves buffer changes
// unread is cut off, never waited for.
func (e *Engine) Subscribe(buffer int) *Subscription { return e.subs.subscribe(buffer) }

type subscribers struct {
	mu    sync.Mutex
	all   map[*Subscription]bool
	ended bool
	cut   atomic.Uint64
}

func (s *subscribers) subscribe(buffer int) *Subscription {
	c := make(chan Record, max(1, buffer))
	sub := &Subscription{C: c, c: c, from: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		close(c)
		return sub
	}
	if s.all == nil {
		s.all = map[*Subscription]bool{}
	}
	s.all[sub] = true
	return sub
}

func (s *subscribers) publish(r Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.all {
		select {
		case sub.c <- r:
		default:
			delete(s.all, sub)
			close(sub.c)
			s.cut.Add(1)
		}
	}
}

func (s *subscribers) remove(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[sub] {
		delete(s.all, sub)
		close(sub.c)
	}
}

// closeAll cuts off everybody for good, cutAll those of now.
func (s *subscribers) closeAll() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.cutAll()
}

func (s *subscribers) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.all {
		delete(s.all, sub)
		close(sub.c)
	}
}
