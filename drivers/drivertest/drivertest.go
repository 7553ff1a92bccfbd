// Package drivertest is what every driver must pass. One call checks it all:
//
//	func TestDriver(t *testing.T) { drivertest.Run(t, Driver, drivertest.Options{}) }
//	func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }
//	func BenchmarkDecoder(b *testing.B) { drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/ward.hex")) }
//
// Run reads captures from testdata, cuts, soils and flips them, and plays the
// driver's simulator against its run loop in a synctest bubble, where an hour
// passes in no time. docs/DRIVERS.md explains each demand.
//
// The package also has the parts of it for a driver's own tests: a Patient
// that can be set, a Wire with a serial line's buffers and faults, Decode, Hex.
package drivertest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Options say what is special about a driver. The zero value demands all.
type Options struct {
	// Unchecked are the captures (patterns of path.Match on the name without
	// its extension, "*" for all) whose format has no checksum: bits flipped in
	// them may give wrong values.
	Unchecked []string
	// Joined are the captures (patterns likewise) whose frames count only in an
	// unbroken run, or whose lines cannot be told from junk before them: junk
	// is put around the capture, not between its frames.
	Joined []string
	// JunkEnd is appended to junk, for protocols of lines: "\r\n".
	JunkEnd string

	// MaxBuffer is how much memory a decoder may keep of a stream; 0 is 64 KiB.
	MaxBuffer int
	// UnknownCodes are codes of the driver that have no Term.
	UnknownCodes []protocol.Code
	// AnyCode tells that the device itself says what it measures: codes beyond
	// Driver.Codes are in order.
	AnyCode bool

	// Expect are the codes that the simulator must deliver within Span; nil
	// expects every numeric of Driver.Codes.
	Expect []protocol.Code
	// Span is how long the simulator is played, in bubble time; 0 is 1 min.
	Span time.Duration
	// Settle is how long after a change at the patient old values may still
	// come, as in a device that averages; 0 is 5 s.
	Settle time.Duration
	// Tolerance is by how much a value may differ from the patient's; a code
	// that is not in it may differ by one unit of its last place.
	Tolerance map[protocol.Code]float64
	// SilentWhenOff tells that the device says nothing at all while its sensor
	// is off, instead of marking the value.
	SilentWhenOff bool
	// Reconnects tells that Run ends with an error when the device has been
	// silent for Driver.Silence, so that the box calls it anew: protocols of a
	// socket whose far end may be gone without a sign.
	Reconnects bool
}

func (o Options) withDefaults(d drivers.Driver) Options {
	if o.MaxBuffer == 0 {
		o.MaxBuffer = 64 << 10
	}
	if o.Span == 0 {
		o.Span = time.Minute
	}
	if o.Settle == 0 {
		o.Settle = 5 * time.Second
	}
	if o.Expect == nil {
		for _, c := range d.Codes {
			if t, ok := protocol.Lookup(c); ok && t.Kind == protocol.KindNumeric {
				o.Expect = append(o.Expect, c)
			}
		}
	}
	return o
}

// Run checks d. The test's directory must be that of the driver's package.
func Run(t *testing.T, d drivers.Driver, opts Options) {
	t.Helper()
	opts = opts.withDefaults(d)
	t.Run("metadata is complete", func(t *testing.T) { metadata(t, d, opts) })
	if d.NewDecoder == nil || d.Run == nil || d.Simulate == nil {
		t.Fatal("NewDecoder, Run and Simulate must be set")
	}
	s := stream{d: d, opts: opts}
	captures := captures(t)
	t.Run("captures give their golden observations", func(t *testing.T) { golden(t, d, captures) })
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) { s.check(t, c) })
	}
	t.Run("garbage does not grow the decoder", s.bounded)
	s.play(t)
}

// Play checks only what Run checks of the run loop and the simulator, for
// another simulator of a driver that has passed Run.
func Play(t *testing.T, d drivers.Driver, opts Options) {
	t.Helper()
	stream{d: d, opts: opts.withDefaults(d)}.play(t)
}

func metadata(t *testing.T, d drivers.Driver, opts Options) {
	if d.Name == "" || strings.Trim(d.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		t.Errorf("Name %q: want a-z 0-9 -", d.Name)
	}
	if d.Title == "" || len(d.Models) == 0 {
		t.Errorf("Title %q, Models %q: want both", d.Title, d.Models)
	}
	if d.Silence <= 0 {
		t.Errorf("Silence %v: want how long a working device may send no valid frame", d.Silence)
	}
	if d.Sheet == "" {
		t.Error("Sheet: want the page in docs that describes the device")
	} else if _, err := os.Stat(filepath.Join(root(t), d.Sheet)); err != nil {
		t.Errorf("Sheet: %v", err)
	}
	for _, l := range append([]drivers.Line{d.Line}, d.Alternates...) {
		if !sane(l) {
			t.Errorf("line %+v: no serial port can be set so", l)
		}
	}
	if len(d.Codes) == 0 {
		t.Error("Codes: want what the driver can emit")
	}
	for i, c := range d.Codes {
		if _, ok := protocol.Lookup(c); !ok && !slices.Contains(opts.UnknownCodes, c) {
			t.Errorf("code %d has no term in protocol: add one, or name it in Options.UnknownCodes", c)
		}
		if slices.Contains(d.Codes[:i], c) {
			t.Errorf("code %d is listed twice", c)
		}
	}
}

func sane(l drivers.Line) bool {
	bauds := []int{300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 76800, 115200, 230400, 250000, 460800, 921600}
	return slices.Contains(bauds, l.Baud) &&
		(l.DataBits == 0 || l.DataBits >= 5 && l.DataBits <= 8) &&
		l.StopBits >= 0 && l.StopBits <= 2 && l.Parity <= drivers.ParitySpace
}

// root is the directory of go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, e := os.Stat(filepath.Join(dir, "go.mod")); e == nil {
			return dir
		}
		if up := filepath.Dir(dir); up != dir {
			dir = up
			continue
		}
		break
	}
	t.Fatal("no go.mod above the test's directory")
	return ""
}
