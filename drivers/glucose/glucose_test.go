package glucose

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// kit plays a meter; its captures lie in testdata/dir.
func kit(t *testing.T, d drivers.Driver, dir string, opts drivertest.Options) {
	t.Chdir("testdata/" + dir)
	opts.SilentWhenOff = true // nothing is measured then
	opts.Span, opts.Settle = 12*time.Minute, every+measureEvery+time.Minute
	drivertest.Record(t, "testdata/played.hex", d.Title+".", d, drivertest.NewPatient(), drivertest.Act{For: 6 * time.Minute, What: "104 mg/dL, a measurement every 2 min"})
	drivertest.Run(t, d, opts)
}

// told is what the bytes say, in short.
func told(d drivers.Decoder, wire ...[]byte) (all []string) {
	for _, o := range drivertest.Decode(d, slices.Concat(wire...)) {
		if o.Kind == protocol.KindNumeric {
			all = append(all, fmt.Sprint(o.Quality, " ", o.Value, " ", o.Delay, " ", o.DeviceTime.Format("01-02 15:04:05")))
		}
	}
	return all
}

func check(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestReadingsAreEmittedOnceTheOldestFirst(t *testing.T) {
	var got []string
	s := store{code: protocol.Glucose, clock: 100_000, emit: func(o protocol.Observation) { got = append(got, fmt.Sprint(o.Quality, " ", o.Value, " ", o.Delay)) }}
	r := func(at, v int64) reading { return reading{at, protocol.Int(v), protocol.QualityGood} }
	for _, x := range []reading{r(99_990, 120), r(99_000, 110), r(1_000, 90), r(100_300, 130), r(0, 80)} {
		s.add(x)
	}
	s.flush()
	check(t, got, []string{"unknown 80 0s", "good 110 16m40s", "good 120 10s", "unknown 130 0s"})
	got = nil
	s.clock = 100_100
	for _, x := range []reading{r(100_090, 140), r(99_990, 120), r(99_000, 110)} {
		s.add(x)
	}
	s.flush()
	s.flush()
	check(t, got, []string{"good 140 10s"})
}

func TestAMemoryLargerThanTheBoundLosesNothing(t *testing.T) {
	n := 0
	s := store{clock: 100_000, emit: func(protocol.Observation) { n++ }}
	for i := range int64(2500) {
		s.add(reading{90_000 + i, protocol.Int(100), protocol.QualityGood})
	}
	s.flush()
	if n != 2500 {
		t.Errorf("%d of 2500 emitted", n)
	}
}

func TestASTM(t *testing.T) {
	kit(t, ASTM, "astm", drivertest.Options{Joined: []string{"*"}}) // a transmission hangs together
}

func FuzzASTM(f *testing.F) { f.Chdir("testdata/astm"); drivertest.Fuzz(f, ASTM) }

func TestWorkedASTM(t *testing.T) {
	check(t, told(makeASTM(), drivertest.Load(t, "testdata/astm/testdata/worked.hex")), []string{
		"good 115 1h15m0s 03-14 07:45:00", "questionable 115 1h0m0s 03-14 08:00:00", "overflow 602 45m0s 03-14 08:15:00", "good 142 30m0s 03-14 08:30:00"})
}

func TestASTMFramesAreAnswered(t *testing.T) {
	d := makeASTM()
	decode := func(s string) string {
		d.Decode(drivertest.Hex(t, s), func(protocol.Observation) {})
		b, _ := d.Ask(nil, time.Minute)
		return string(b)
	}
	d.Ask(nil, 0)
	for _, c := range []struct{ in, want string }{
		{"05", "\x06"}, {`02 "2P|1\r" 17 "47\r\n"`, "\x15"}, {`02 "2P|1\r" 17 "53\r\n"`, "\x06"}, {`02 "2P|1\r" 17 "53\r\n"`, "\x06"}, {"04", ""},
	} {
		if got := decode(c.in); got != c.want {
			t.Errorf("%s answered with %q, want %q", c.in, got, c.want)
		}
	}
}
