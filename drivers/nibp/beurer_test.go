package nibp

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestBeurer(t *testing.T) {
	t.Chdir("testdata/beurer")
	drivertest.Record(t, "testdata/played.hex", Beurer.Title+".", Beurer, drivertest.NewPatient(), drivertest.Act{For: 6 * time.Minute, What: "121/78, a measurement every 2 min"})
	drivertest.Run(t, Beurer, drivertest.Options{
		Joined:        []string{"*"},     // a record counts when it was read twice
		Expect:        []protocol.Code{}, // none of its values may be shown as of now
		SilentWhenOff: true,
		Span:          15 * time.Minute, // read out, and measured
		Settle:        11 * time.Minute,
	})
}

func FuzzBeurer(f *testing.F) { drivertest.Fuzz(f, Beurer, "testdata/beurer") }

// recalled is what is told out of the memory, in short.
func recalled(obs []protocol.Observation) (all []string) {
	for _, o := range obs {
		all = append(all, fmt.Sprint(o.Quality, " ", o.Value, " ", o.Delay, " ", o.DeviceTime.Format("06-01-02 15:04")))
	}
	return all
}

var beurerWorked = []string{
	"unknown 105 0s 26-03-14 07:15", "unknown 69 0s 26-03-14 07:15", "unknown 64 0s 26-03-14 07:15",
	"unknown 128 0s 26-03-14 08:30", "unknown 79 0s 26-03-14 08:30", "unknown 71 0s 26-03-14 08:30"}

func TestABeurersMemoryIsOfUnknownAge(t *testing.T) {
	wire := drivertest.Load(t, "testdata/beurer/testdata/worked.hex")
	if got := recalled(drivertest.Decode(makeBeurer(), wire)); !slices.Equal(got, beurerWorked) {
		t.Errorf("got %q", got)
	}
	d := makeBeurer()
	obs := drivertest.Decode(d, slices.Concat(wire, wire))
	if got := recalled(obs); !slices.Equal(got, beurerWorked) {
		t.Errorf("read twice: %q", got)
	}
}

// A record has no checksum.
func TestABeurersRecordIsReadUntilItWasTheSameTwice(t *testing.T) {
	d, now := makeBeurer(), time.Duration(0)
	var obs []protocol.Observation
	answer := func(hex string) string {
		d.Decode(drivertest.Hex(t, hex), func(o protocol.Observation) { obs = append(obs, o) })
		b, wait := d.Ask(nil, now)
		now += min(wait, 10*time.Millisecond)
		return fmt.Sprintf("% X", b)
	}
	const good, bad = "AC 67 36 47 03 0E 08 1E 1A", "AC 67 37 47 03 0E 08 1E 1A"
	for _, c := range []struct{ say, want string }{
		{"", "AA"}, {"55", "A3 01"}, {bad, "A3 01"}, {good, "A3 01"}, {good, "A3 02"},
		{good, "A3 02"}, {bad, "A3 02"}, {good, "A3 02"}, {bad, "A3 02"}, {good, "A3 02"}, {bad, "A3 03"}, // given up
		{good[:8], ""}, {good[8:], "A3 03"}, {"A9", ""}, {"", ""},
	} {
		if got := answer(c.say); got != c.want {
			t.Fatalf("%s answered with %q, want %q", c.say, got, c.want)
		}
	}
	if got := recalled(obs); !slices.Equal(got, beurerWorked[3:]) {
		t.Errorf("got %q", got)
	}
}

func TestABeurerThatIsUnpluggedLosesNothing(t *testing.T) {
	d, now := makeBeurer(), time.Duration(0)
	var obs []protocol.Observation
	for _, say := range []string{"", "55", "AC 67 36 47 03 0E 08 1E 1A", "AC 67 36 47 03 0E 08 1E 1A", "", "", "", "", ""} {
		d.Decode(drivertest.Hex(t, say), func(o protocol.Observation) { obs = append(obs, o) })
		_, wait := d.Ask(nil, now)
		now += wait
	}
	if got := recalled(obs); !slices.Equal(got, beurerWorked[3:]) {
		t.Errorf("got %q", got)
	}
}

// Nothing but these two requests is ever written, whatever is heard.
func TestABeurerIsOnlyRead(t *testing.T) {
	wire := drivertest.Load(t, "testdata/beurer/testdata/worked.hex")
	d, now := makeBeurer(), time.Duration(0)
	for i := range 20000 {
		b, wait := d.Ask(nil, now)
		if len(b) > 0 && string(b) != "\xAA" && (len(b) != 2 || b[0] != 0xA3 || b[1] == 0 || b[1] > beurerLast) {
			t.Fatalf("wrote % X", b)
		}
		if wait <= 0 || wait > beurerEvery {
			t.Fatalf("wait %v", wait)
		}
		now += wait
		from := i * 7 % len(wire)
		d.Decode(wire[from:min(len(wire), from+i%40)], func(protocol.Observation) {})
	}
}

type namedPort struct{ drivers.Port }

func (namedPort) Name() string { return "/dev/ttyUSB7" }

func TestABeurerThatComesBackIsNotToldAgain(t *testing.T) {
	told := map[string]int{}
	for range 2 { // the clock of the play begins anew: it has the same memory
		synctest.Test(t, func(t *testing.T) {
			host, device := drivertest.NewWire()
			ctx, stop := context.WithTimeout(t.Context(), 12*time.Minute)
			defer stop()
			done := make(chan error, 2)
			go func() { done <- Beurer.Simulate(ctx, device, drivertest.NewPatient()) }()
			go func() {
				done <- Beurer.Run(ctx, namedPort{host}, func(o protocol.Observation) { told[fmt.Sprint(o.Code, o.DeviceTime)]++ })
			}()
			<-done
			<-done
			device.Close()
		})
	}
	if len(told) < 9 {
		t.Errorf("%d values", len(told))
	}
	for v, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times", v, n)
		}
	}
}
