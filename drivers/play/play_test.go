package play

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestADayOfSendingDoesNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := net.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		start := time.Now()
		var n int
		done := make(chan error, 1)
		go func() {
			done <- Run(ctx, device, Device{Parts: []Part{{Every: 1500 * time.Millisecond, First: time.Second,
				Append: func(b []byte, at time.Time) []byte {
					if want := start.Add(time.Second + time.Duration(n)*1500*time.Millisecond); !at.Equal(want) {
						t.Errorf("turn %d at %v, want %v", n, at, want)
					}
					n++
					return append(b, 'x')
				}}}})
		}()
		buf := make([]byte, 16)
		for time.Since(start) < 24*time.Hour {
			if _, err := host.Read(buf); err != nil {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond) // a slow reader
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if n < 57599 {
			t.Errorf("%d turns in a day, want 57600", n)
		}
	})
}

func TestTurnsMissedOnABlockedLineAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := net.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- Run(ctx, device, Device{Parts: []Part{{Every: time.Second, Append: func(b []byte, _ time.Time) []byte { return append(b, 'x') }}}})
		}()
		time.Sleep(time.Hour + 500*time.Millisecond)
		buf := make([]byte, 5000)
		var got int
		for range 3 {
			n, err := host.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		if got > 4 {
			t.Errorf("%d bytes at once after an hour of a blocked line", got)
		}
		stop()
		<-done
	})
}

func TestWhatTheHostSendsIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- Run(t.Context(), device, Device{Answer: func(b, p []byte, _ time.Time) []byte { return append(append(b, '<'), p...) }})
		}()
		host.Write([]byte("hello"))
		buf := make([]byte, 16)
		n, _ := host.Read(buf)
		if string(buf[:n]) != "<hello" {
			t.Errorf("answer %q", buf[:n])
		}
		host.Close()
		if err := <-done; err == nil {
			t.Error("Run after the far end closed: no error")
		}
	})
}
