// Package ledger is for devices that are read-out memories: it remembers which
// readings were told, so that a meter that is plugged in again, or whose port
// failed, brings none twice.
//
// The box opens a port anew after each failure and then calls a driver's Run
// again, with a new decoder. What was told is kept for each port for as long as
// the process lives; nothing is written anywhere.
package ledger

import (
	"sync"

	"monitorme/drivers"
)

const (
	// Max bounds what is remembered of a port: more than any meter holds. What
	// was told longest ago is forgotten.
	Max = 4096
	// maxPorts bounds the ports of which something is remembered.
	maxPorts = 64
)

// A Ledger remembers readings. K is all that is known of one, with what is known
// of the device. Of readings that are the same in all of it, it knows how many
// there were. The zero value is empty. Safe for concurrent use.
type Ledger[K comparable] struct {
	mu    sync.Mutex
	times map[K]int // how often
	order []K       // the oldest at next, once it is full
	next  int
}

// Has tells whether a reading was told for the n-th time already; n is 1 unless
// there are several that are the same.
func (l *Ledger[K]) Has(k K, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.times[k] >= n
}

// Keep notes that a reading was told for the n-th time.
func (l *Ledger[K]) Keep(k K, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.times == nil {
		l.times = map[K]int{}
	}
	_, known := l.times[k]
	l.times[k] = n
	switch {
	case known:
	case len(l.order) < Max:
		l.order = append(l.order, k)
	default:
		delete(l.times, l.order[l.next])
		l.order[l.next] = k
		l.next = (l.next + 1) % Max
	}
}

// Ports are the ledgers of ports. The zero value is empty. Safe for concurrent
// use.
type Ports[K comparable] struct {
	mu    sync.Mutex
	all   map[string]*Ledger[K]
	order []string
}

// At is what was told at a port before. A port without a name, as in a test, has
// no past.
func (p *Ports[K]) At(port drivers.Port) *Ledger[K] {
	named, ok := port.(interface{ Name() string })
	if !ok {
		return &Ledger[K]{}
	}
	name := named.Name()
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.all[name]; l != nil {
		return l
	}
	if p.all == nil {
		p.all = map[string]*Ledger[K]{}
	}
	if len(p.order) == maxPorts {
		delete(p.all, p.order[0])
		p.order = p.order[1:]
	}
	l := &Ledger[K]{}
	p.all[name] = l
	p.order = append(p.order, name)
	return l
}
