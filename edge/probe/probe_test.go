package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/drivers/nonin"
	"monitorme/drivers/stayhealthy"
	"monitorme/protocol"
)

// digits is a device without a checksum: "72\n" is a pulse rate.
var digits = drivers.Driver{Name: "digits", Title: "Digits", Line: drivers.Line{Baud: 9600}, Silence: time.Second,
	NewDecoder: func() drivers.Decoder { return &digitDecoder{} }}

// summed is a device that speaks only when asked, "?" for its name, and whose
// frames have a sum.
var summed = drivers.Driver{Name: "summed", Title: "Summed", Line: drivers.Line{Baud: 19200, DataBits: 7, Parity: drivers.ParityEven}, Asks: true, Checked: true,
	Questions:  []drivers.Question{{Send: []byte("?")}},
	NewDecoder: func() drivers.Decoder { return &digitDecoder{sum: true} }}

type digitDecoder struct {
	sum   bool
	line  []byte
	stats drivers.Stats
}

func (d *digitDecoder) Stats() drivers.Stats { return d.stats }

func (d *digitDecoder) Decode(p []byte, emit drivers.Emit) {
	for _, c := range p {
		d.stats.Bytes++
		if d.line = append(d.line, c); c != '\n' && len(d.line) < 8 {
			continue
		}
		if n, ok := d.number(); ok {
			d.stats.Frames++
			emit(protocol.Observation{Code: protocol.PulseRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(n))})
		} else {
			d.stats.Skipped += uint64(len(d.line))
		}
		d.line = d.line[:0]
	}
}

// number reads "72\n", or "72 9\n" where 9 is the last digit of the sum.
func (d *digitDecoder) number() (n int, ok bool) {
	s := strings.TrimSuffix(string(d.line), "\n")
	sum, rest, has := 0, "", false
	if s, rest, has = strings.Cut(s, " "); has != d.sum || s == "" || len(s) == len(d.line) {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		sum += int(c - '0')
		n = 10*n + int(c-'0')
	}
	if d.sum && rest != string(rune('0'+sum%10)) {
		d.stats.BadSums++
		return 0, false
	}
	return n, true
}

var known = []drivers.Driver{digits, nonin.Driver, nonin.SpotCheck, stayhealthy.Driver, summed}

// spoiling is the device's end of a wire whose bytes arrive spoiled unless the
// host has set the device's line.
type spoiling struct {
	*drivertest.End
	host *drivertest.End
	line drivers.Line
}

func (s spoiling) Write(p []byte) (int, error) {
	out := bytes.Clone(p)
	if s.host.Line() != s.line {
		r := rand.New(rand.NewPCG(uint64(len(p)), uint64(p[0])))
		for i := range out {
			out[i] ^= byte(1 + r.IntN(255))
		}
	}
	return s.End.Write(out)
}

// at probes a port at whose far end play plays, on a line of that setting.
func at(t *testing.T, cfg Config, line drivers.Line, play func(ctx context.Context, wire drivers.Port)) Report {
	t.Helper()
	host, device := drivertest.NewWire()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { play(ctx, spoiling{device, host, line}) })
	if cfg.Drivers == nil {
		cfg.Drivers = known
	}
	report, err := Run(ctx, host, cfg)
	if err != nil {
		t.Error(err)
	}
	cancel()
	host.Close()
	wg.Wait()
	return report
}

func simulated(t *testing.T, d drivers.Driver) func(context.Context, drivers.Port) {
	return func(ctx context.Context, wire drivers.Port) {
		err := d.Simulate(ctx, wire, drivertest.NewPatient())
		if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
			t.Log(err)
		}
	}
}

// says repeats text every so often and swallows what comes.
func says(text string, every time.Duration) func(context.Context, drivers.Port) {
	return func(ctx context.Context, wire drivers.Port) {
		for ctx.Err() == nil && text != "" {
			if _, err := wire.Write([]byte(text)); err != nil {
				return
			}
			select {
			case <-time.After(every):
			case <-ctx.Done():
			}
		}
	}
}

// both plays two at once.
func both(a, b func(context.Context, drivers.Port)) func(context.Context, drivers.Port) {
	return func(ctx context.Context, wire drivers.Port) {
		var wg sync.WaitGroup
		wg.Go(func() { a(ctx, wire) })
		wg.Go(func() { b(ctx, wire) })
		wg.Wait()
	}
}

func TestEachDeviceIsRecognisedAtItsOwnLine(t *testing.T) {
	format8 := nonin.Driver
	format8.Simulate = nonin.Device{Format: 8}.Simulate
	text := drivers.Line{Baud: 9600}
	for name, c := range map[string]struct {
		driver drivers.Driver
		line   drivers.Line
	}{
		"nonin":                       {nonin.Driver, text},
		"nonin once a second":         {format8, text},
		"stayhealthy":                 {stayhealthy.Driver, stayhealthy.Driver.Line},
		"stayhealthy at another line": {stayhealthy.Driver, text},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r := at(t, Config{Linger: 3 * time.Second}, c.line, simulated(t, c.driver))
				if r.Match == nil || r.Match.Driver.Name != c.driver.Name || r.Match.Line != c.line {
					t.Fatalf("match %+v; %s; heard %+v", r.Match, r.Advice(), r.Heard)
				}
				t.Logf("after %s: %s; model %q, values %d, also %v", time.Since(start), r.Match.Why, r.Match.Model, len(r.Match.Values), r.Match.Also)
				if r.Match.Model == "" && c.driver.Name == "nonin" || len(r.Match.Values) < 2 || r.Match.Stats.Frames == 0 || time.Since(start) > 40*time.Second {
					t.Errorf("%+v after %s", r.Match, time.Since(start))
				}
			})
		})
	}
}

func TestALineThatIsWrongEverywhereIsSaidToBeSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := at(t, Config{}, drivers.Line{Baud: 31250}, simulated(t, stayhealthy.Driver))
		if a := r.Advice(); r.Match != nil || !strings.Contains(a, "bytes that no driver understands") && !strings.Contains(a, "damaged") {
			t.Errorf("%+v, %s", r.Match, a)
		}
		for _, h := range r.Heard {
			if h.Bytes == 0 || len(h.Sample) == 0 || len(h.Sample) > sampleBytes || h.Time <= 0 {
				t.Errorf("%+v", h)
			}
		}
	})
}

func TestSilenceIsToldWithWhatToDoAndNothingIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := false
		r := at(t, Config{}, FirstLine, func(ctx context.Context, wire drivers.Port) {
			n, _ := wire.Read(make([]byte, 1))
			asked = n > 0
		})
		if a := r.Advice(); r.Match != nil || !strings.Contains(a, "silence at") || !strings.Contains(a, "harmless questions") || asked {
			t.Errorf("%+v, asked %v, %s", r.Match, asked, a)
		}
		var lines []string
		for _, h := range r.Heard {
			lines = append(lines, h.Where())
		}
		if !slices.Equal(lines, []string{"9600 8N1", "115200 8N1", "19200 7E1"}) {
			t.Errorf("listened at %q", lines)
		}
	})
}

func TestADeviceThatMustBeAskedIsAskedOnlyIfPermitted(t *testing.T) {
	answers := func(answer string) func(context.Context, drivers.Port) {
		return func(ctx context.Context, wire drivers.Port) {
			buf := make([]byte, 8)
			for {
				n, err := wire.Read(buf)
				if err != nil {
					return
				}
				if string(buf[:n]) == "?" {
					wire.Write([]byte(answer))
				}
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		if r := at(t, Config{}, summed.Line, answers("72 9\n")); r.Match != nil {
			t.Errorf("asked without permission: %+v", r.Match)
		}
		r := at(t, Config{Ask: true}, summed.Line, answers("72 9\n"))
		if r.Match == nil || r.Match.Driver.Name != "summed" || r.Match.Line != summed.Line || !strings.Contains(r.Match.Why, "answered") {
			t.Errorf("%+v, %s", r.Match, r.Advice())
		}
		r = at(t, Config{Ask: true}, summed.Line, answers("what?\n"))
		if r.Match != nil {
			t.Errorf("a wrong answer is an answer: %+v", r.Match)
		}
		r = at(t, Config{Ask: true}, summed.Line, answers(""))
		if a := r.Advice(); r.Match != nil || !strings.Contains(a, "no answer to the questions of summed") {
			t.Errorf("%+v, %s", r.Match, a)
		}
		// Whoever speaks is not asked, whether understood or not.
		asked := false
		r = at(t, Config{Ask: true}, FirstLine, both(says("noise ", 500*time.Millisecond), func(_ context.Context, wire drivers.Port) {
			n, _ := wire.Read(make([]byte, 1))
			asked = n > 0
		}))
		if r.Match != nil || asked {
			t.Errorf("%+v, asked %v", r.Match, asked)
		}
	})
}

func TestGarbageClaimsNothing(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			r := at(t, Config{}, FirstLine, func(ctx context.Context, wire drivers.Port) {
				random := rand.New(rand.NewPCG(seed, 1))
				p := make([]byte, 96)
				for ctx.Err() == nil {
					for i := range p {
						p[i] = byte(random.Uint32())
					}
					if _, err := wire.Write(p); err != nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
			if r.Match != nil {
				t.Errorf("seed %d: %s, %s", seed, r.Match.Driver.Name, r.Match.Why)
			}
		})
	}
}

func TestAChecksumWinsOverAFormatWithout(t *testing.T) {
	loose := digits // takes lines of summed for its own
	loose.Name, loose.NewDecoder = "loose", func() drivers.Decoder { return &looseDecoder{} }
	synctest.Test(t, func(t *testing.T) {
		for _, order := range [][]drivers.Driver{{loose, summed}, {summed, loose}} {
			r := at(t, Config{Drivers: order}, FirstLine, says("72 9\n", time.Second))
			if r.Match == nil || r.Match.Driver.Name != "summed" || r.Match.Line != FirstLine {
				t.Fatalf("%+v, %s", r.Match, r.Advice())
			}
		}
		r := at(t, Config{Drivers: []drivers.Driver{loose, summed}}, FirstLine, says("72 1\n", time.Second))
		if r.Match == nil || r.Match.Driver.Name != "loose" {
			t.Errorf("with wrong sums: %+v, %s", r.Match, r.Advice())
		}
	})
}

type looseDecoder struct{ digitDecoder }

func (d *looseDecoder) Decode(p []byte, emit drivers.Emit) {
	d.digitDecoder.Decode(p, func(protocol.Observation) {})
	if bytes.IndexByte(p, '\n') >= 0 {
		d.stats.Frames++
		d.stats.Skipped = 0
		emit(protocol.Observation{Code: protocol.PulseRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(72)})
	}
}

func TestValuesThatNoPatientHasClaimNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := at(t, Config{Drivers: []drivers.Driver{digits}}, FirstLine, says("9999\n", 300*time.Millisecond))
		if r.Match != nil || !strings.Contains(r.Advice(), "something like digits") {
			t.Errorf("%+v, %s", r.Match, r.Advice())
		}
	})
}

func TestTwoDevicesOnOneWireAreNoDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := at(t, Config{}, FirstLine, both(says("\x01\x80\x40", 130*time.Millisecond), says("72\x02\n\xaa\x55", 170*time.Millisecond)))
		if r.Match != nil {
			t.Errorf("%s: %s", r.Match.Driver.Name, r.Match.Why)
		}
	})
}

func TestADriverThatWritesNeedsMoreThanPlausibleBytes(t *testing.T) {
	writes := digits
	writes.Name, writes.Asks = "writes", true
	synctest.Test(t, func(t *testing.T) {
		if r := at(t, Config{Drivers: []drivers.Driver{writes}}, FirstLine, says("72\n", 300*time.Millisecond)); r.Match != nil {
			t.Errorf("alone: %+v", r.Match)
		}
		talks := digits
		talks.Line = drivers.Line{Baud: 19200}
		r := at(t, Config{Drivers: []drivers.Driver{writes, talks}, Likely: Known{Driver: "writes"}}, FirstLine, says("72\n", 300*time.Millisecond))
		if r.Match == nil || r.Match.Driver.Name != "digits" || len(r.Match.Also) != 0 {
			t.Errorf("%+v", r.Match)
		}
		checked := summed // heard, and as good as one that only listens
		checked.Questions = nil
		if r := at(t, Config{Drivers: []drivers.Driver{checked}}, FirstLine, says("72 9\n", 300*time.Millisecond)); r.Match == nil {
			t.Errorf("with a checksum: %s", r.Advice())
		}
	})
}

func TestADecoderThatFailsInsideIsOutAndTold(t *testing.T) {
	bad := drivers.Driver{Name: "bad", Line: FirstLine, Checked: true, NewDecoder: func() drivers.Decoder { return badDecoder{} }}
	synctest.Test(t, func(t *testing.T) {
		r := at(t, Config{Drivers: []drivers.Driver{bad, digits}}, FirstLine, says("72\n", 300*time.Millisecond))
		if r.Match == nil || r.Match.Driver.Name != "digits" || !slices.Equal(r.Broken, []string{"bad"}) {
			t.Errorf("%+v, %v", r.Match, r.Broken)
		}
	})
}

type badDecoder struct{}

func (badDecoder) Decode([]byte, drivers.Emit) { panic("a bug") }
func (badDecoder) Stats() drivers.Stats        { return drivers.Stats{Frames: 9} }

func TestPortThatFailsAndContextThatEndsAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := drivertest.NewWire()
		time.AfterFunc(time.Second, func() { device.Close() })
		if r, err := Run(t.Context(), host, Config{Drivers: known}); err == nil || r.Match != nil || errors.Is(err, context.Canceled) {
			t.Errorf("%+v, %v", r.Match, err)
		}
		host, _ = drivertest.NewWire()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if _, err := Run(ctx, host, Config{Drivers: known}); !errors.Is(err, context.Canceled) || time.Since(start) > 1100*time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestHintsDecideTheOrder(t *testing.T) {
	own := drivers.Driver{Name: "own", Line: drivers.Line{Baud: 2400}, USB: []string{"0A1B"}}
	cfg := Config{Drivers: append(slices.Clone(known), own), USB: "0a1b:0001"}
	cfg.Likely = Known{Driver: "stayhealthy", Line: drivers.Line{Baud: 57600}}
	var lines []string
	for _, l := range plan(cfg) {
		lines = append(lines, l.String())
	}
	if !slices.Equal(lines, []string{"9600 8N1", "57600 8N1", "2400 8N1", "115200 8N1", "19200 7E1"}) {
		t.Errorf("%q", lines)
	}
	if order := byHint(cfg); order[0].Name != "stayhealthy" || order[1].Name != "own" {
		t.Errorf("%s, %s", order[0].Name, order[1].Name)
	}
	for id, want := range map[string]bool{"0A1B:0001": true, "": false, "0A1C:0001": false} {
		if hinted(own, id) != want {
			t.Errorf("hint of %q: %v", id, !want)
		}
	}
}
