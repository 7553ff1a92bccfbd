package all

import (
	"path/filepath"
	"testing"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// FuzzEveryDecoder gives the same bytes to the decoders of all devices, as the
// probe of an unknown port does: none may fail, emit what no driver may emit,
// find something else when they are cut, or count more than it was given. It is
// the target for long runs: one hour of it is an hour of fuzz for every driver.
func FuzzEveryDecoder(f *testing.F) {
	seeds := 0
	for _, pattern := range []string{"../*/testdata/*.hex", "../*/*/testdata/*.hex"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			wire := drivertest.Load(f, file)
			f.Add(wire[:min(len(wire), 700)], 5)
			seeds++
		}
	}
	if seeds < len(Drivers)/2 {
		f.Fatalf("%d captures for %d drivers", seeds, len(Drivers))
	}
	f.Fuzz(func(t *testing.T, wire []byte, step int) {
		step = max(1, min(step, 64))
		for _, d := range Drivers {
			every(t, d, wire, step)
		}
	})
}

func every(t *testing.T, d drivers.Driver, wire []byte, step int) {
	whole, pieces := d.NewDecoder(), d.NewDecoder()
	found, again := 0, 0
	whole.Decode(wire, func(o protocol.Observation) {
		found++
		if err := drivertest.Check(o); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	})
	for p := wire; len(p) > 0; p = p[min(step, len(p)):] {
		pieces.Decode(p[:min(step, len(p))], func(protocol.Observation) { again++ })
	}
	s := whole.Stats()
	if s.Bytes != uint64(len(wire)) || s.Skipped > s.Bytes || s != pieces.Stats() || found != again {
		t.Errorf("%s: %d observations and %+v of %d bytes; in pieces of %d %d and %+v", d.Name, found, s, len(wire), step, again, pieces.Stats())
	}
}
