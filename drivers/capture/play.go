package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"monitorme/drivers"
)

// patience is how long a player waits for bytes of the host that were sent in
// the capture; then it goes on, as a device would.
const patience = 2 * time.Second

// Play plays the device's side of r on wire, with the timing of the capture,
// until its end (nil), until ctx ends or the wire fails. Where the host had
// sent bytes it waits until this host has sent as many, up to two seconds, so
// that a driver that asks gets answers and not early ones; all that follows is
// later by as much. It does not look at what the host sends.
func Play(ctx context.Context, wire drivers.Port, r *Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	heard, failed := make(chan int), make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed <- listen(ctx, wire, heard)
	}()
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(ended)
		past := time.Unix(1, 0)
		wire.SetReadDeadline(past)
		if w, ok := wire.(interface{ SetWriteDeadline(time.Time) error }); ok {
			w.SetWriteDeadline(past)
		}
	})
	err := (&player{wire: wire, heard: heard, failed: failed, start: time.Now()}).play(ctx, r)
	cancel()
	<-done
	<-ended
	return err
}

// listen tells how many bytes the host sent.
func listen(ctx context.Context, wire drivers.Port, heard chan<- int) error {
	buf := make([]byte, 512)
	for {
		n, err := wire.Read(buf)
		if n > 0 {
			select {
			case heard <- n:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
	}
}

type player struct {
	wire   drivers.Port
	heard  <-chan int
	failed <-chan error
	start  time.Time // moves on by what was waited for the host
	owed   int       // bytes that the host had sent by now in the capture, less what it has sent
}

func (p *player) play(ctx context.Context, r *Reader) error {
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch e.Kind {
		case FromDevice:
			if err := p.until(ctx, e.At); err != nil {
				return err
			}
			if _, err := p.wire.Write(e.Bytes); err != nil {
				return fmt.Errorf("play capture: %w", err)
			}
		case ToDevice:
			if err := p.host(ctx, e); err != nil {
				return err
			}
		}
	}
}

// until waits for an instant of the capture.
func (p *player) until(ctx context.Context, at time.Duration) error {
	timer := time.NewTimer(at - time.Since(p.start))
	defer timer.Stop()
	for {
		select {
		case n := <-p.heard:
			p.owed -= n
		case err := <-p.failed:
			return p.gone(ctx, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
}

// host waits for the bytes that the host had sent.
func (p *player) host(ctx context.Context, e Entry) error {
	if err := p.until(ctx, e.At); err != nil {
		return err
	}
	p.owed += len(e.Bytes)
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for p.owed > 0 {
		select {
		case n := <-p.heard:
			p.owed -= n
		case err := <-p.failed:
			return p.gone(ctx, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			p.owed = 0 // it will not come
		}
	}
	if behind := time.Since(p.start) - e.At; behind > 0 {
		p.start = p.start.Add(behind)
	}
	return nil
}

func (p *player) gone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("play capture: %w", err)
}
