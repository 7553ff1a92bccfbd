package drivers

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/protocol"
)

// echo asks every 2 s while nothing comes, and at once after an answer.
type echo struct {
	asked []time.Duration
	heard int
	due   time.Duration
}

func (e *echo) Decode(p []byte, emit Emit) {
	if len(p) > 0 {
		e.heard, e.due = e.heard+len(p), 0
		emit(protocol.Observation{})
	}
}

func (e *echo) Stats() Stats { return Stats{Bytes: uint64(e.heard)} }

func (e *echo) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if now < e.due {
		return b, e.due - now
	}
	e.asked, e.due = append(e.asked, now), now+2*time.Second
	return append(b, '?'), 2 * time.Second
}

func TestConverseAsksWhenTheAskerSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := net.Pipe()
		e := &echo{}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		var emitted int
		go func() {
			done <- Converse(func() Asker { return e })(ctx, host, func(protocol.Observation) { emitted++ })
		}()
		buf := make([]byte, 8)
		for i := range 4 {
			device.Read(buf)
			if i == 2 {
				time.Sleep(time.Second)
				device.Write([]byte("!"))
			}
		}
		synctest.Wait()
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Converse after ctx ended: %v", err)
		}
		want := []time.Duration{0, 2 * time.Second, 4 * time.Second, 5 * time.Second}
		if len(e.asked) != len(want) || e.asked[3] != want[3] || e.asked[1] != want[1] || emitted != 1 {
			t.Errorf("asked at %v, want %v; %d emitted, want 1", e.asked, want, emitted)
		}
	})
}

func TestConverseEndsWhenThePortFails(t *testing.T) {
	host, device := net.Pipe()
	device.Close()
	if err := Converse(func() Asker { return &echo{} })(t.Context(), host, func(protocol.Observation) {}); err == nil {
		t.Error("a closed port gave no error")
	}
}
