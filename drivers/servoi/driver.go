// Package servoi is the driver of Maquet (Getinge) SERVO-i and SERVO-s
// ventilators at their computer interface in extended mode: breath values,
// settings, mode, alarms and curves. docs/devices/maquet-servo-i.md describes
// it.
//
// It asks for a stream; none of its commands changes a setting of the
// ventilator, nor the interface's own that are kept.
package servoi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"monitorme/drivers"
)

// Driver is the driver.
var Driver = drivers.Driver{
	Name:       "servoi",
	Title:      "Maquet SERVO-i and SERVO-s ventilators",
	Models:     []string{"SERVO-i", "SERVO-s"},
	Sheet:      "docs/devices/maquet-servo-i.md",
	Line:       drivers.Line{Baud: 9600, Parity: drivers.ParityEven},
	Asks:       true,
	Checked:    true,
	Silence:    15 * time.Second, // a block ends with the breath
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        run,
	Simulate:   Device{}.Simulate,
}

func run(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	d := makeDecoder()
	s := &session{decoder: d}
	s.restart(time.Now())
	d.heard = func(e event, text []byte) { s.heard(e, text, time.Now()) }
	stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := loop(ctx, port, s, emit)
	if ctx.Err() != nil {
		port.Write([]byte{escape}) // nothing else ends the stream
	}
	return err
}

func loop(ctx context.Context, port drivers.Port, s *session, emit drivers.Emit) error {
	sink, _ := port.(drivers.StatsSink)
	buf := make([]byte, 1024)
	for {
		s.tick(time.Now())
		if len(s.out) > 0 {
			if _, err := port.Write(s.out); err != nil {
				return fmt.Errorf("ask the ventilator: %w", err)
			}
			s.out = s.out[:0]
		}
		port.SetReadDeadline(s.next)
		if ctx.Err() != nil { // its deadline may have been set before ours
			return ctx.Err()
		}
		n, err := port.Read(buf)
		s.decoder.Decode(buf[:n], emit)
		if sink != nil {
			sink.ReportStats(s.decoder.Stats())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}
