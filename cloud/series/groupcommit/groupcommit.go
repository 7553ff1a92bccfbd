// Package groupcommit writes what concurrent callers bring in groups, one
// write for all of a group. An idle Committer writes at once; a busy one first
// waits a moment for company, so that a steady stream of small calls costs
// some twenty writes a second. It starts no goroutine: of each group the first
// caller writes.
package groupcommit

import (
	"context"
	"sync"
	"time"
)

const (
	// Busy is how soon after a write the next one waits for company. With a
	// steady stream of small calls it is the time between two writes.
	Busy = 50 * time.Millisecond
	// lull is how long nobody may join for a waiting group to be written early.
	lull = 3 * time.Millisecond
	// enough items in a group are written without waiting.
	enough = 4096
	// full is how many items a group takes; who comes later waits.
	full = 1 << 16
)

// A Committer collects items and gives them to its write function. Its
// methods are safe for concurrent use.
type Committer[T any] struct {
	write func(parts [][]T) []error

	turn chan struct{} // full while a group is written: guards last
	last time.Time

	joining sync.Mutex // guards pending and the group in it
	pending *group[T]
}

type group[T any] struct {
	parts [][]T
	n     int
	errs  []error
	done  chan struct{} // closed when errs is final
}

// New makes a Committer. Write is called for one group at a time, by one of
// the callers, and says of each part what became of it; nil if all is well. It
// must end by itself: no caller's context bounds it.
func New[T any](write func(parts [][]T) []error) *Committer[T] {
	return &Committer[T]{write: write, turn: make(chan struct{}, 1)}
}

// Do returns what write said of items, or the error of ctx; then they may be
// written all the same.
func (c *Committer[T]) Do(ctx context.Context, items []T) error {
	if err := ctx.Err(); err != nil || len(items) == 0 {
		return err
	}
	g, i, err := c.join(ctx, items)
	if err != nil {
		return err
	}
	if i == 0 {
		c.lead(g)
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if g.errs == nil {
		return nil
	}
	return g.errs[i]
}

// Hold keeps groups from being written until the returned function is called.
func (c *Committer[T]) Hold() (release func()) {
	c.turn <- struct{}{}
	return func() { <-c.turn }
}

// join puts items into the pending group as its part i.
func (c *Committer[T]) join(ctx context.Context, items []T) (g *group[T], i int, err error) {
	for {
		c.joining.Lock()
		if c.pending == nil {
			c.pending = &group[T]{done: make(chan struct{})}
		}
		g = c.pending
		if g.n < full {
			g.parts = append(g.parts, items)
			g.n += len(items)
			i = len(g.parts) - 1
			c.joining.Unlock()
			return g, i, nil
		}
		c.joining.Unlock()
		select {
		case <-g.done:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// lead writes the group once its turn has come and nobody more is waited for.
func (c *Committer[T]) lead(g *group[T]) {
	defer c.Hold()()
	c.gather(g)
	c.joining.Lock()
	c.pending = nil
	c.joining.Unlock()
	c.last = time.Now()
	g.errs = c.write(g.parts)
	close(g.done)
}

func (c *Committer[T]) gather(g *group[T]) {
	deadline := c.last.Add(Busy)
	for before := -1; time.Now().Before(deadline); time.Sleep(lull) {
		c.joining.Lock()
		parts, n := len(g.parts), g.n
		c.joining.Unlock()
		if parts == before || n >= enough {
			return
		}
		before = parts
	}
}
