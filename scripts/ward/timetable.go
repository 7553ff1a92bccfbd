package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// A teller writes lines for whoever looks on, each with the time of day. Safe
// for concurrent use.
type teller struct {
	mu  sync.Mutex
	out io.Writer
}

func (t *teller) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// plain writes text as it is.
func (t *teller) plain(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	io.WriteString(t.out, text)
}

// An entry of the timetable begins after the start and ends after it has
// lasted, every time anew.
type entry struct {
	after, lasts, every time.Duration
	begin, end          func() // end may be nil
}

// keep runs the entry until ctx ends. The times are counted from start, so that
// the timetable does not drift.
func (e entry) keep(ctx context.Context, start time.Time) {
	for at := start.Add(e.after); ; at = at.Add(e.every) {
		if !sleepUntil(ctx, at) {
			return
		}
		e.begin()
		if !sleepUntil(ctx, at.Add(e.lasts)) {
			return
		}
		if e.end != nil {
			e.end()
		}
		if e.every <= 0 {
			return
		}
	}
}

// sleepUntil reports false if ctx ended first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
