package groupcommit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnIdleCommitterWritesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(func([][]int) []error { return nil })
		for range 3 {
			time.Sleep(time.Second)
			start := time.Now()
			if err := c.Do(t.Context(), []int{1}); err != nil || time.Since(start) != 0 {
				t.Errorf("%v after %v, want nil at once", err, time.Since(start))
			}
		}
	})
}

func TestASteadyStreamIsWrittenInFewGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes, items := 0, 0
		c := New(func(parts [][]int) []error {
			time.Sleep(2 * time.Millisecond) // the disk
			writes++
			for _, p := range parts {
				items += len(p)
			}
			return nil
		})
		var wg sync.WaitGroup
		for range 2000 { // as 500 boxes send in a second
			time.Sleep(500 * time.Microsecond)
			wg.Go(func() {
				if err := c.Do(t.Context(), []int{1}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if writes > 21 || items != 2000 {
			t.Errorf("%d items in %d writes, want 2000 in at most 21", items, writes)
		}
	})
}

func TestACallerByItselfIsNotHeldUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(func([][]int) []error { return nil })
		start := time.Now()
		for range 100 {
			c.Do(t.Context(), []int{1})
		}
		if d := time.Since(start); d > 100*2*lull {
			t.Errorf("100 calls took %v", d)
		}
	})
}

func TestEachCallerIsToldOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		odd := errors.New("odd")
		c := New(func(parts [][]int) []error {
			errs := make([]error, len(parts))
			for i, p := range parts {
				if p[0]%2 == 1 {
					errs[i] = odd
				}
			}
			return errs
		})
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := c.Do(t.Context(), []int{i}); (i%2 == 1) != (err == odd) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
	})
}

// holding gives a Committer whose first write is held up until the returned
// function is called, and that write under way.
func holding(t *testing.T, wg *sync.WaitGroup, write func([][]int) []error) (*Committer[int], func()) {
	gate := make(chan struct{})
	first := true
	c := New(func(parts [][]int) []error {
		if first {
			first = false
			<-gate
			return nil
		}
		return write(parts)
	})
	wg.Go(func() { c.Do(t.Context(), []int{0}) })
	for len(c.turn) == 0 || pending(c) != 0 { // until the first is being written
		time.Sleep(time.Millisecond)
	}
	return c, func() { close(gate) }
}

func pending(c *Committer[int]) int {
	c.joining.Lock()
	defer c.joining.Unlock()
	if c.pending == nil {
		return 0
	}
	return c.pending.n
}

// joined waits until n items are pending.
func joined(c *Committer[int], n int) {
	for pending(c) < n {
		time.Sleep(time.Millisecond)
	}
}

func TestALeaderThatLeavesStillWrites(t *testing.T) {
	var wg sync.WaitGroup
	var written []int
	c, release := holding(t, &wg, func(parts [][]int) []error { written = append(written, slices.Concat(parts...)...); return nil })
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		if err := c.Do(ctx, []int{1}); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	joined(c, 1)
	wg.Go(func() {
		if err := c.Do(t.Context(), []int{2}); err != nil {
			t.Error(err)
		}
	})
	joined(c, 2)
	cancel()
	release()
	wg.Wait()
	if !slices.Equal(written, []int{1, 2}) {
		t.Errorf("written %v, want 1 and 2", written)
	}
}

func TestAFullGroupMakesOthersWait(t *testing.T) {
	var wg sync.WaitGroup
	most, total := 0, 0
	c, release := holding(t, &wg, func(parts [][]int) []error {
		n := len(slices.Concat(parts...))
		most, total = max(most, n), total+n
		return nil
	})
	const calls = 5 * full / 1000
	for range calls {
		wg.Go(func() { c.Do(t.Context(), make([]int, 1000)) })
	}
	joined(c, full)
	release()
	wg.Wait()
	if most > full+1000 || total != calls*1000 {
		t.Errorf("a group of %d, %d in all; want at most %d and a call, and %d", most, total, full, calls*1000)
	}
}
