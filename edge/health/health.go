// Package health says what is wrong now: a status page for whoever stands at
// the box, the same as JSON, metrics, and the word to systemd.
//
// Healthy means that every loop of the box goes round: each has a Check and
// must check in. A device that is unplugged or a network that is away is a
// problem shown on the page, never bad health: a restart would cure neither,
// and would stop the neighbours.
//
// The page listens on loopback addresses only, carries no patient data, and
// never shows an old number as a live one.
package health

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Checks are the loops that must go round. The zero value is ready. Safe for
// concurrent use.
type Checks struct {
	mu    sync.Mutex
	loops []*Check
}

// A Check is one loop.
type Check struct {
	of    *Checks
	name  string
	limit time.Duration
	last  time.Time // zero: has not gone round yet
}

// Loop registers a loop that must check in at least once in every limit.
func (c *Checks) Loop(name string, limit time.Duration) *Check {
	k := &Check{of: c, name: name, limit: limit}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loops = append(c.loops, k)
	return k
}

// In says that the loop went round.
func (k *Check) In() {
	k.of.mu.Lock()
	defer k.of.mu.Unlock()
	k.last = time.Now()
}

// Late names the loops that did not check in within their limit, and those
// that never did, in order; none means healthy.
func (c *Checks) Late() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	late := []string{}
	for _, k := range c.loops {
		if k.last.IsZero() || time.Since(k.last) > k.limit {
			late = append(late, k.name)
		}
	}
	slices.SortFunc(late, cmp.Compare[string])
	return late
}
