package drivers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// An Asker is the decoder of a device that must be asked, and knows what to
// ask: a pure state machine. Like a Decoder it does no I/O and reads no clock.
type Asker interface {
	Decoder
	// Ask is called first of all, after each piece that was decoded, and when
	// the wait of the last call has passed; now is the time since the
	// conversation began. It appends to b what is to be sent at once, and says
	// after how long to call it again if the device says nothing. Requests are
	// small, and none is sent again before the device had time to answer.
	Ask(b []byte, now time.Duration) (request []byte, wait time.Duration)
}

// Converse is the Run loop of a device that must be asked: it sends what the
// asker says, reads and decodes until ctx ends or the port fails.
func Converse(newAsker func() Asker) func(context.Context, Port, Emit) error {
	return func(ctx context.Context, port Port, emit Emit) error {
		a := newAsker()
		sink, _ := port.(StatsSink)
		buf := make([]byte, 4096)
		var request []byte
		start := time.Now()
		stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		for {
			var wait time.Duration
			if request, wait = a.Ask(request[:0], time.Since(start)); len(request) > 0 {
				if _, err := port.Write(request); err != nil && ctx.Err() == nil {
					return fmt.Errorf("ask the device: %w", err)
				}
			}
			port.SetReadDeadline(time.Now().Add(wait))
			if ctx.Err() != nil { // perhaps the deadline that was to tell is overwritten
				return ctx.Err()
			}
			n, err := port.Read(buf)
			a.Decode(buf[:n], emit)
			if sink != nil {
				sink.ReportStats(a.Stats())
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
		}
	}
}
