package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
)

// Simulate is the type of Driver.Simulate.
type Simulate func(ctx context.Context, wire drivers.Port, patient drivers.Patient) error

// Record writes a capture of a simulator under -update, and else does nothing.
// It plays sim for each act in turn, which may first change the patient, and
// notes in the file that no device was heard. A capture of a real device is
// worth more: use this only for formats of which there is none.
func Record(t *testing.T, file, note string, sim Simulate, p *Patient, acts ...Act) {
	t.Helper()
	if !*update {
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n# Source: the driver's own simulator, not a device.\n", note)
	for _, a := range acts {
		fmt.Fprintf(&b, "#   %v %s\n", a.For, a.What)
	}
	wire := played(t, sim, p, acts)
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

// An Act is a stretch of a recorded play.
type Act struct {
	For  time.Duration
	What string
	Do   func(p *Patient) // before it; may be nil
}

// Played gives what a simulator sends in a play.
func Played(t *testing.T, sim Simulate, p *Patient, acts ...Act) []byte {
	t.Helper()
	return played(t, sim, p, acts)
}

func played(t *testing.T, sim Simulate, p *Patient, acts []Act) []byte {
	var wire bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		host, device := NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- sim(ctx, device, p) }()
		go func() {
			_, err := wire.ReadFrom(host)
			done <- err
		}()
		for _, a := range acts {
			if a.Do != nil {
				a.Do(p)
			}
			time.Sleep(a.For)
		}
		synctest.Wait()
		stop()
		<-done
		host.Close()
		if err := <-done; err != nil && !strings.Contains(err.Error(), "deadline") {
			t.Log(err)
		}
	})
	return wire.Bytes()
}
