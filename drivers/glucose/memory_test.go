package glucose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// ageless plays a meter without a clock: no value may be shown as of now, so the
// kit is to expect none.
var ageless = drivertest.Options{Joined: []string{"*"}, Expect: []protocol.Code{}}

func TestCodeFree(t *testing.T) { kit(t, CodeFree, "codefree", ageless) }
func TestTaiDoc(t *testing.T)   { kit(t, TaiDoc, "taidoc", drivertest.Options{Joined: []string{"*"}}) }
func TestGlucoMen(t *testing.T) { kit(t, GlucoMen, "glucomen", ageless) }

func FuzzCodeFree(f *testing.F) { drivertest.Fuzz(f, CodeFree, "testdata/codefree") }
func FuzzTaiDoc(f *testing.F)   { drivertest.Fuzz(f, TaiDoc, "testdata/taidoc") }
func FuzzGlucoMen(f *testing.F) { drivertest.Fuzz(f, GlucoMen, "testdata/glucomen") }

func worked(t *testing.T, dir string) []byte {
	return drivertest.Load(t, "testdata/"+dir+"/testdata/worked.hex")
}

func TestWorkedMetersWithoutAClock(t *testing.T) {
	check(t, says(makeCodeFree(), worked(t, "codefree")), []string{
		"unknown 97 0s 03-13 20:05:00", "unknown 601 0s 03-14 07:15:00", "unknown 142 0s 03-14 08:30:00"})
	d := makeAreo()
	check(t, says(d, worked(t, "glucomen")), []string{
		"unknown 115 0s 03-14 08:30:00", "unknown 97 0s 03-14 06:00:00", "unknown  0s 03-14 07:00:00"})
	if s := d.Stats(); s.BadSums != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestWorkedTaiDoc(t *testing.T) {
	check(t, says(makeTaiDoc(), worked(t, "taidoc")), []string{"overflow 601 2h0m0s 03-14 07:00:00", "good 142 30m0s 03-14 08:30:00"})
	if got, want := appendTaiDoc(nil, taiValue, [4]byte{}, taiFromHost), drivertest.Hex(t, "51 26 00 00 00 00 A3 1A"); !slices.Equal(got, want) {
		t.Errorf("% X, want % X", got, want)
	}
}

func TestATaiDocOfAnotherKindIsNotReadAsGlucose(t *testing.T) {
	wire := worked(t, "taidoc")
	model := appendTaiDoc(nil, taiModel, [4]byte{0x28, 0x31}, taiFromMeter) // TD-3128: blood pressure
	copy(wire[taiPacket:], model)
	d := makeTaiDoc()
	check(t, says(d, wire), nil)
	d = makeTaiDoc()
	now := time.Duration(0)
	for range 200 {
		b, wait := d.Ask(nil, now)
		now += wait
		if len(b) == 0 {
			continue
		}
		answer := appendTaiDoc(nil, b[1], [4]byte{9}, taiFromMeter)
		if b[1] == taiModel {
			answer = model
		}
		if b[1] == taiTime || b[1] == taiValue {
			t.Fatalf("asked for a record: % X", b)
		}
		d.Decode(answer, func(protocol.Observation) {})
	}
	if d.model != "TaiDoc TD-3128" {
		t.Errorf("model %q", d.model)
	}
}

// What is older than a day by the meter's own order of time is not of this bed,
// though nobody knows how old the newest is.
func TestWithoutAClockTheNewestReadingTellsWhatIsTooOld(t *testing.T) {
	session := func(days ...byte) []byte {
		wire := drivertest.Hex(t, "53 20 04 10 30 20 AA")
		count := []byte{0x53, 0x20, 5, 0x30, 0, byte(len(days)), 0x30 ^ byte(len(days)), 0xAA}
		wire = append(wire, count...)
		for _, day := range days {
			m := []byte{0x53, 0x20, 19, 0x13, 0, 26, 3, day, 8, 30, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xAA}
			m = m[:3+17+2]
			x := byte(0)
			for _, c := range m[3:20] {
				x ^= c
			}
			m[20], m[21] = x, 0xAA
			wire = append(wire, m...)
		}
		return wire
	}
	check(t, says(makeCodeFree(), session(14, 13, 12, 2)), []string{"unknown 100 0s 03-13 08:30:00", "unknown 100 0s 03-14 08:30:00"})
	// Its clock was set back: what came before is of nobody knows when, and kept.
	check(t, says(makeCodeFree(), session(2, 14, 13)), []string{"unknown 100 0s 03-02 08:30:00", "unknown 100 0s 03-13 08:30:00", "unknown 100 0s 03-14 08:30:00"})
	// Its clock was never set.
	check(t, says(makeCodeFree(), session(0, 14)), []string{"unknown 100 0s 01-01 00:00:00", "unknown 100 0s 03-14 08:30:00"})
}

// Any other byte freezes the meter: what is written is fixed, and each only
// once, as the answer to a packet.
func TestACodeFreeIsOnlyAnsweredAndNothingTwice(t *testing.T) {
	var sent []string
	d, now := makeCodeFree(), time.Duration(0)
	ask := func() {
		for range 100 { // what follows if it says nothing
			b, wait := d.Ask(nil, now)
			if len(b) > 0 {
				sent = append(sent, string(b))
			}
			if now += wait; wait <= 0 {
				t.Fatalf("wait %v", wait)
			}
			d.Decode(nil, func(protocol.Observation) {})
		}
	}
	ask()
	if len(sent) > 0 {
		t.Errorf("a meter that has not called was sent %q", sent)
	}
	wire := worked(t, "codefree")
	for _, c := range wire {
		d.Decode([]byte{c}, func(protocol.Observation) {})
		if b, wait := d.Ask(nil, now); len(b) > 0 {
			sent, now = append(sent, string(b)), now+min(wait, time.Millisecond)
		}
	}
	want := []string{codeFreeReady, codeFreeFetch, codeFreeFetch, codeFreeFetch, codeFreeFetch, codeFreeFetch}
	check(t, sent, want) // the spoiled packet got no answer
	sent = nil
	ask()
	noise := []byte("\x53\x20\x04\x10\x30\x20\xAA\x53\x20\x05\x30\x00\x09\x39\xAA\x53\x20\x04\x10\x70\x60\xAA\x53\x10\x04\x10\x60\x70\xAA")
	for i := range 2000 {
		d.Decode(noise[i%len(noise):], func(protocol.Observation) {})
		ask()
	}
	for _, s := range sent {
		if s != codeFreeReady && s != codeFreeFetch {
			t.Fatalf("wrote % X", s)
		}
	}
}

func TestACodeFreeThatFallsSilentLosesNoReading(t *testing.T) {
	wire := worked(t, "codefree")
	d := makeCodeFree()
	var got []string
	emit := func(o protocol.Observation) {
		if o.Kind == protocol.KindNumeric {
			got = append(got, o.Value.String())
		}
	}
	d.Decode(wire[:1+7+27+2*22], emit) // on, count, two records
	now := time.Duration(0)
	for range 5 {
		_, wait := d.Ask(nil, now)
		now += wait
		d.Decode(nil, emit)
	}
	check(t, got, []string{"601", "142"})
}

// Nothing but these questions is ever written: others would set the clock or
// clear the memory.
func TestMetersAreOnlyRead(t *testing.T) {
	for name, c := range map[string]struct {
		d       drivers.Asker
		answers string
		allowed func(b []byte) bool
	}{
		"taidoc": {makeTaiDoc(), "taidoc", func(b []byte) bool {
			return len(b) == taiPacket && b[6] == taiFromHost && strings.IndexByte("\x22\x23\x24\x25\x26\x2B", b[1]) >= 0
		}},
		"glucomen": {makeAreo(), "glucomen", func(b []byte) bool { return string(b) == "\xA2" || string(b) == "\x80" }},
	} {
		wire := worked(t, c.answers)
		now := time.Duration(0)
		for i := range 20000 {
			b, wait := c.d.Ask(nil, now)
			if len(b) > 0 && !c.allowed(b) {
				t.Fatalf("%s: wrote % X", name, b)
			}
			if wait <= 0 {
				t.Fatalf("%s: wait %v", name, wait)
			}
			if now += wait; i%3 > 0 {
				from := i * 7 % len(wire)
				c.d.Decode(wire[from:min(len(wire), from+i%40)], func(protocol.Observation) {})
			}
		}
	}
}

// A named port, as the box's are.
type namedPort struct {
	drivers.Port
	name string
}

func (p namedPort) Name() string { return p.name }

func TestAMeterThatComesBackIsNotToldAgain(t *testing.T) {
	for _, d := range []drivers.Driver{CodeFree, TaiDoc, GlucoMen, FreeStyle, ASTM} {
		readings := map[string]int{}
		play := func(name string) {
			synctest.Test(t, func(t *testing.T) {
				host, device := drivertest.NewWire()
				ctx, stop := context.WithTimeout(t.Context(), 12*time.Minute)
				defer stop()
				done := make(chan error, 2)
				go func() { done <- d.Simulate(ctx, device, drivertest.NewPatient()) }()
				go func() {
					done <- d.Run(ctx, namedPort{host, name}, func(o protocol.Observation) {
						if o.Kind == protocol.KindNumeric {
							readings[fmt.Sprint(name, o.DeviceTime, o.Value)]++
						}
					})
				}()
				for range 2 {
					if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s: %v", d.Name, err)
					}
				}
				device.Close()
			})
		}
		play(d.Name + " 1")
		n := len(readings)
		play(d.Name + " 1") // the clock of the play begins anew: it has the same memory
		if len(readings) != n {
			t.Errorf("%s: %d readings, then %d", d.Name, n, len(readings))
		}
		play(d.Name + " 2") // another bed's port knows nothing of it
		if n < 3 || len(readings) != 2*n {
			t.Errorf("%s: %d readings, at two ports %d", d.Name, n, len(readings))
		}
		for r, times := range readings {
			if times != 1 {
				t.Errorf("%s: %s was told %d times", d.Name, r, times)
			}
		}
	}
}

func TestTwoReadingsThatAreTheSameAreTwo(t *testing.T) {
	n := 0
	s := store{clock: 100_000, emit: func(protocol.Observation) { n++ }}
	for range 3 {
		for _, v := range []int64{110, 120, 110} {
			s.add(reading{99_960, protocol.Int(v), protocol.QualityGood})
		}
		s.flush()
	}
	if n != 3 {
		t.Errorf("%d readings, want 3, each once", n)
	}
}

func TestHighOfAnUnknownTimeIsNotHighNow(t *testing.T) {
	s := store{emit: func(o protocol.Observation) {
		if o.Quality != protocol.QualityUnknown {
			t.Errorf("%v", o.Quality)
		}
	}}
	for _, q := range []protocol.Quality{protocol.QualityGood, protocol.QualityOverflow, protocol.QualityUnderflow, protocol.QualitySensorOff} {
		s.add(reading{at: 5, quality: q})
	}
	s.flush()
}
