package glucose

import (
	"context"
	"sync"

	"monitorme/drivers"
)

const (
	// maxTold bounds what is remembered of a port: more than any meter holds.
	maxTold = 4096
	// maxPorts bounds the ports of which something is remembered.
	maxPorts = 64
)

// A ledger remembers which readings were emitted, so that a meter that comes back
// is not told again. Of two readings that are the same in everything it knows
// that they are two. Safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	times map[entry]int // how often
	order []entry       // the oldest at next, once it is full
	next  int
}

// An entry is a reading of a certain meter.
type entry struct {
	meter string // model and serial number, as far as it tells them
	reading
}

// has tells whether a reading was emitted for the n-th time already.
func (t *ledger) has(r entry, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.times[r] >= n
}

// keep notes that a reading was emitted for the n-th time; what was told longest
// ago is forgotten.
func (t *ledger) keep(r entry, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.times == nil {
		t.times = map[entry]int{}
	}
	_, known := t.times[r]
	t.times[r] = n
	switch {
	case known:
	case len(t.order) < maxTold:
		t.order = append(t.order, r)
	default:
		delete(t.times, t.order[t.next])
		t.order[t.next] = r
		t.next = (t.next + 1) % maxTold
	}
}

// The box opens a port anew after each failure and then calls Run again, with a
// new decoder; a meter is unplugged all the time. So what was told is kept for
// each port for as long as the process lives.
var ports struct {
	mu    sync.Mutex
	told  map[string]*ledger
	order []string
}

// toldAt is what was told at a port before. A port without a name, as in a test,
// has no past.
func toldAt(port drivers.Port) *ledger {
	named, ok := port.(interface{ Name() string })
	if !ok {
		return &ledger{}
	}
	name := named.Name()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if t := ports.told[name]; t != nil {
		return t
	}
	if ports.told == nil {
		ports.told = map[string]*ledger{}
	}
	if len(ports.order) == maxPorts {
		delete(ports.told, ports.order[0])
		ports.order = ports.order[1:]
	}
	t := &ledger{}
	ports.told[name] = t
	ports.order = append(ports.order, name)
	return t
}

// A reader is a decoder of a meter that must be asked.
type reader interface {
	drivers.Asker
	remember(*ledger)
}

// converse is drivers.Converse for a meter: what was told at the port before is
// not told again.
func converse[R reader](newReader func() R) func(context.Context, drivers.Port, drivers.Emit) error {
	return func(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
		return drivers.Converse(func() drivers.Asker {
			r := newReader()
			r.remember(toldAt(port))
			return r
		})(ctx, port, emit)
	}
}
