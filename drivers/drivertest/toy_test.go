package drivertest

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// The toy driver is that of docs/DRIVERS.md: an imaginary oximeter that sends
// AA, status (bit 0: sensor off), pulse, SpO2 (7F: none) and Sum8 every second.
// The variable fault makes it a bad one, which the kit must refuse.
var fault = os.Getenv("DRIVERTEST_FAULT")

const faultSilence = 3 * time.Second

type toyDecoder struct {
	framer framer.Framer
	emit   drivers.Emit
	hoard  []byte
	before []byte
}

func newToy() drivers.Decoder {
	d := &toyDecoder{}
	d.framer = framer.Framer{Max: 5, Frame: d.frame}
	return d
}

func (d *toyDecoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	switch fault {
	case "keeps what it is given":
		d.framer.Feed(d.before)
		d.before = p
		return
	case "hoards":
		d.hoard = append(d.hoard, p...)
	case "flushes at the end of a piece":
		defer d.number(protocol.SpO2, "%", 50, false)
	}
	d.framer.Feed(p)
}

func (d *toyDecoder) Stats() drivers.Stats { return d.framer.Stats() }

func (d *toyDecoder) frame(b []byte) int {
	switch {
	case b[0] != 0xAA && fault == "drops a whole piece":
		return len(b)
	case b[0] != 0xAA:
		return framer.Skip
	case len(b) < 5:
		return framer.More
	case checksum.Sum8(b[:4]) != b[4] && fault != "checks nothing":
		return framer.BadSum
	}
	off := b[1]&1 != 0
	d.number(protocol.PulseRate, "/min", int64(b[2]), off)
	d.number(protocol.SpO2, "%", int64(b[3]), off)
	return 5
}

func (d *toyDecoder) number(code protocol.Code, unit protocol.Unit, v int64, off bool) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(v)}
	switch {
	case fault == "stamps":
		o.At = time.Unix(1, 0)
	case fault == "wrong unit":
		o.Unit = "mm[Hg]"
	case fault == "swaps two signs" && code == protocol.SpO2:
		o.Value = protocol.Int(72)
	case fault == "missing is zero" && off:
		o.Value = protocol.Int(0)
		d.emit(o)
		return
	case fault == "ignores sensor off":
		d.emit(o)
		return
	}
	if off {
		o.Quality, o.Value = protocol.QualitySensorOff, protocol.Decimal{}
	}
	d.emit(o)
}

func toyRun(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	switch fault {
	case "ends without an error":
		drivers.Listen(newToy)(ctx, port, emit)
		return nil
	case "does not hear ctx":
		return drivers.Listen(newToy)(context.WithoutCancel(ctx), port, emit)
	case "answers what it does not know":
		port = talkative{port}
	case "gives up on silence":
		ctx, cancel := context.WithTimeoutCause(ctx, faultSilence, errors.New("silent"))
		defer cancel()
		return drivers.Listen(newToy)(ctx, port, emit)
	case "leaves a goroutine":
		go time.Sleep(1000 * time.Hour)
		go func() { select {} }()
	case "emits from elsewhere":
		late := emit
		defer time.AfterFunc(time.Millisecond, func() {
			late(protocol.Observation{Code: protocol.SpO2, Unit: "%", Kind: protocol.KindNumeric, Quality: protocol.QualityMissing})
		})
	}
	return drivers.Listen(newToy)(ctx, port, emit)
}

// talkative sends back bytes that begin no frame.
type talkative struct{ drivers.Port }

func (p talkative) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	if n > 0 && b[0] != 0xAA {
		p.Port.Write(b[:1])
	}
	return n, err
}

func toySimulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	rate, spo2 := 0.0, 127.0 // frozen while the sensor is off
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
		status := byte(1)
		if v, ok := patient.Numeric(protocol.SpO2, at); ok {
			status, spo2 = 0, v
			rate, _ = patient.Numeric(protocol.PulseRate, at)
		}
		n := len(b)
		b = append(b, 0xAA, status, byte(math.Round(rate)), byte(math.Round(spo2)))
		return append(b, checksum.Sum8(b[n:]))
	}}}})
}

var toy = drivers.Driver{
	Name: "toy", Title: "Toy oximeter", Models: []string{"Toy"}, Sheet: "docs/DRIVERS.md",
	Line: drivers.Line{Baud: 9600}, Silence: faultSilence,
	Codes:      []protocol.Code{protocol.SpO2, protocol.PulseRate},
	NewDecoder: newToy, Run: toyRun, Simulate: toySimulate,
}

func TestAGoodDriverPasses(t *testing.T) { Run(t, toy, Options{}) }

func TestAListenerWritesNothing(t *testing.T) { Writes(t, toy, Only()) }

func FuzzToy(f *testing.F) { Fuzz(f, toy) }

func TestFaultyDriversAreRefused(t *testing.T) {
	if fault != "" {
		t.Skip("this is the faulty one")
	}
	for _, name := range []string{
		"keeps what it is given", "hoards", "flushes at the end of a piece", "drops a whole piece", "checks nothing", "stamps",
		"wrong unit", "swaps two signs", "missing is zero", "ignores sensor off", "ends without an error", "does not hear ctx",
		"gives up on silence", "leaves a goroutine", "emits from elsewhere", "answers what it does not know",
	} {
		t.Run(name, func(t *testing.T) {
			run := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^(TestAGoodDriverPasses|TestAListenerWritesNothing)$", "-test.timeout=60s")
			run.Env = append(os.Environ(), "DRIVERTEST_FAULT="+name)
			if out, err := run.CombinedOutput(); err == nil {
				t.Errorf("the kit passes a driver that %s:\n%s", name, out)
			}
		})
	}
}
