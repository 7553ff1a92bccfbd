// Package play is what simulators of devices share: it sends on an absolute
// schedule, so that a device that is played for a day does not drift, takes
// what the host sends, and ends when its context does even if the far end has
// stopped reading. It knows no protocol.
package play

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"monitorme/drivers"
)

// A Part is something that a device sends again and again.
type Part struct {
	Every time.Duration // > 0
	First time.Duration // when the first one is sent, after the start
	// Append appends to b what the device sends at the instant at, which is on
	// the schedule (start + First + n*Every) and not the moment of the call.
	Append func(b []byte, at time.Time) []byte
}

// A Device is played by Run. Its functions are called from Run's goroutine,
// one at a time.
type Device struct {
	Parts []Part // sent in this order when due at the same instant
	// Answer is given each piece of what the host has sent, cut anywhere, and
	// appends the answer to b. Nil ignores what the host sends.
	Answer func(b, p []byte, at time.Time) []byte
}

// late is how far behind its schedule a part may fall before the turns that
// were missed are left out, as they would be by a real device on a blocked line.
const late = 2 * time.Second

// Run plays d on wire until ctx ends, and returns ctx.Err(), or until the wire
// fails. It sets the deadlines of wire; it does not close it.
func Run(ctx context.Context, wire drivers.Port, d Device) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { expire(wire) })
	heard := make(chan []byte)
	failed := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed <- listen(ctx, wire, heard)
	}()
	err := d.send(ctx, wire, heard, failed)
	cancel()
	<-done
	stop()
	return err
}

// expire unblocks reads and writes of wire for good.
func expire(wire drivers.Port) {
	past := time.Unix(1, 0)
	wire.SetReadDeadline(past)
	switch w := wire.(type) {
	case interface{ SetWriteDeadline(time.Time) error }:
		w.SetWriteDeadline(past)
	case io.Closer: // a port that cannot give up a write in another way
		w.Close()
	}
}

func listen(ctx context.Context, wire drivers.Port, heard chan<- []byte) error {
	buf := make([]byte, 512)
	for {
		n, err := wire.Read(buf)
		if n > 0 {
			select {
			case heard <- append([]byte(nil), buf[:n]...):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
	}
}

func (d Device) send(ctx context.Context, wire drivers.Port, heard <-chan []byte, failed <-chan error) error {
	due := make([]time.Time, len(d.Parts))
	start := time.Now()
	for i, p := range d.Parts {
		if p.Every <= 0 {
			return fmt.Errorf("part %d of the played device: period %v, want more than 0", i, p.Every)
		}
		due[i] = start.Add(p.First)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var buf []byte
	for {
		buf = d.collect(buf[:0], due)
		if err := write(ctx, wire, buf); err != nil {
			return err
		}
		timer.Reset(wait(due))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("read from the host: %w", err)
		case p := <-heard:
			if d.Answer != nil {
				if err := write(ctx, wire, d.Answer(buf[:0], p, time.Now())); err != nil {
					return err
				}
			}
		case <-timer.C:
		}
	}
}

// collect appends all that is due, oldest first.
func (d Device) collect(b []byte, due []time.Time) []byte {
	now := time.Now()
	for {
		next := -1
		for i := range due {
			if !due[i].After(now) && (next < 0 || due[i].Before(due[next])) {
				next = i
			}
		}
		if next < 0 {
			return b
		}
		p := d.Parts[next]
		if behind := now.Sub(due[next]); behind > late {
			due[next] = due[next].Add(behind / p.Every * p.Every)
		}
		b = p.Append(b, due[next])
		due[next] = due[next].Add(p.Every)
	}
}

// wait is how long until the next part is due.
func wait(due []time.Time) time.Duration {
	next := time.Duration(1<<63 - 1)
	for _, t := range due {
		next = min(next, time.Until(t))
	}
	return max(next, 0)
}

func write(ctx context.Context, wire drivers.Port, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := wire.Write(b)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrClosedPipe):
		return io.ErrClosedPipe
	}
	return fmt.Errorf("write to the host: %w", err)
}
