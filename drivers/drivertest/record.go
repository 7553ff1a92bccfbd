package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Record writes a capture of a simulator under -update, and else does nothing:
// what Run hears of Simulate in the acts, in turn, each of which may first
// change the patient. It notes in the file that no device was heard. A capture
// of a real device is worth more: use this for formats of which there is none.
func Record(t *testing.T, file, note string, d drivers.Driver, p *Patient, acts ...Act) {
	t.Helper()
	if !*update {
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n# Source: the driver's own simulator, not a device.\n", note)
	for _, a := range acts {
		fmt.Fprintf(&b, "#   %v %s\n", a.For, a.What)
	}
	wire := Heard(t, d, p, acts...)
	for ; len(wire) > 0; wire = wire[min(32, len(wire)):] {
		fmt.Fprintf(&b, "% X\n", wire[:min(32, len(wire))])
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// An Act is a stretch of a play.
type Act struct {
	For  time.Duration // not a multiple of the device's period, so that what is due at its end is not left to chance
	What string
	Do   func(p *Patient) // before it; may be nil
}

// Heard gives the bytes that Run hears of Simulate in a play, which begins at
// the start of the year 2000.
func Heard(t *testing.T, d drivers.Driver, p *Patient, acts ...Act) []byte {
	t.Helper()
	var heard bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		host, device := NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- d.Simulate(ctx, device, p) }()
		go func() { done <- d.Run(ctx, ear{host, &heard}, func(protocol.Observation) {}) }()
		for _, a := range acts {
			if a.Do != nil {
				a.Do(p)
			}
			time.Sleep(a.For)
		}
		synctest.Wait()
		stop()
		for range 2 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("the play ended with %v", err)
			}
		}
		device.Close()
	})
	return heard.Bytes()
}

// An ear keeps what is read.
type ear struct {
	*End
	heard *bytes.Buffer
}

func (e ear) Read(p []byte) (int, error) {
	n, err := e.End.Read(p)
	e.heard.Write(p[:n])
	return n, err
}
