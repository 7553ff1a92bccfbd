package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/capture"
)

// lastBytes is how long the line stays after the end: unplugging takes with it
// what the host has not read yet.
const lastBytes = 2 * time.Second

// check reads the whole recording once, so that a damaged one is refused before
// anything is played.
func (o options) check() (capture.Header, error) {
	f, r, err := o.open()
	if err != nil {
		return capture.Header{}, err
	}
	defer f.Close()
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) || errors.Is(err, capture.ErrCut) {
			return r.Header(), nil
		} else if err != nil {
			return r.Header(), fmt.Errorf("-play %s: %w", o.replay, err)
		}
	}
}

func (o options) open() (*os.File, *capture.Reader, error) {
	f, err := os.Open(o.replay)
	if err != nil {
		return nil, nil, fmt.Errorf("-play: %w", err)
	}
	r, err := capture.NewReader(f)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("-play %s: %w", o.replay, err)
	}
	return f, r, nil
}

// playBack plays the recording once, or for ever. One that was cut is played as
// far as it goes.
func (o options) playBack(ctx context.Context, wire drivers.Port) error {
	for {
		f, r, err := o.open()
		if err != nil {
			return err
		}
		wire.SetReadDeadline(time.Time{}) // the player before has ended its read so
		if w, ok := wire.(interface{ SetWriteDeadline(time.Time) error }); ok {
			w.SetWriteDeadline(time.Time{})
		}
		err = capture.Play(ctx, wire, r)
		f.Close()
		if err != nil && !errors.Is(err, capture.ErrCut) {
			return err
		}
		pause := 100 * time.Millisecond // an empty recording must not keep a core busy
		if !o.again {
			pause = lastBytes
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		if !o.again {
			return nil
		}
	}
}
