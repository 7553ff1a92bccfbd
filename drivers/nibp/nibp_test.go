package nibp

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var options = drivertest.Options{
	Expect:    []protocol.Code{protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, rate},
	Span:      3 * time.Minute,
	Settle:    100 * time.Second,                    // the next measurement and the next look at it
	Tolerance: map[protocol.Code]float64{cuff: 400}, // the pressure while inflating is nobody's sign
}

func TestSunTech(t *testing.T) {
	t.Chdir("testdata/suntech")
	d := SunTech
	d.Simulate = SunTechDevice{Every: 40 * time.Second}.Simulate
	drivertest.Record(t, "testdata/played.hex", d.Title+".", d, drivertest.NewPatient(), drivertest.Act{For: 70 * time.Second, What: "121/78, a measurement each 40 s"})
	drivertest.Run(t, d, options)
}

func TestNIBScan(t *testing.T) {
	t.Chdir("testdata/nibscan")
	d := NIBScan
	d.Simulate = NIBScanDevice{Every: 40 * time.Second}.Simulate
	opts := options
	opts.Joined = []string{"*"} // three digits in a row mean that a measurement goes on
	drivertest.Run(t, d, opts)
}

func TestAccutorr(t *testing.T) {
	t.Chdir("testdata/accutorr")
	opts := options
	opts.Expect = nil
	opts.Settle = 130 * time.Second
	opts.Unchecked, opts.Joined = []string{"*"}, []string{"*"} // text without a checksum
	drivertest.Run(t, Accutorr, opts)
}

func FuzzSunTech(f *testing.F)  { drivertest.Fuzz(f, SunTech, "testdata/suntech") }
func FuzzNIBScan(f *testing.F)  { drivertest.Fuzz(f, NIBScan, "testdata/nibscan") }
func FuzzAccutorr(f *testing.F) { drivertest.Fuzz(f, Accutorr, "testdata/accutorr") }

func BenchmarkDecoder(b *testing.B) {
	for name, d := range map[string]drivers.Driver{"suntech": SunTech, "nibscan": NIBScan, "accutorr": Accutorr, "beurer": Beurer} {
		b.Run(name, func(b *testing.B) {
			drivertest.Bench(b, d, drivertest.Load(b, "testdata/"+name+"/testdata/worked.hex"))
		})
	}
}

// told is what the bytes say of pressures, in short.
func told(d drivers.Decoder, wire []byte) (all []string) {
	for _, o := range drivertest.Decode(d, wire) {
		term, _ := protocol.Lookup(o.Code)
		if o.Event != nil {
			all = append(all, o.Event.Text)
			continue
		}
		all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value))
	}
	return all
}

// A start inflates a cuff on a patient. Whatever is heard, nothing but these
// questions is ever written.
func TestNoCommandButAReadingOneCanBeWritten(t *testing.T) {
	noise := []byte("\x3E\x05\x8F\x00\x2E\x3E\x05\x00\x00\xBD999123\x02M06;;\x03P: 96, 74,128, 95, 79,000,000,000,  0\r\n>")
	for name, c := range map[string]struct {
		d       drivers.Asker
		allowed []string
	}{
		"suntech":  {makeSunTech(), []string{"\x3A\x79\x05\x00\x48", "\x3A\x79\x03\x00\x4A"}},
		"nibscan":  {makeNIBScan(), []string{"\x0218;;DF\x03"}},
		"accutorr": {makeAccutorr(), []string{"P"}},
	} {
		sent := map[string]int{}
		now := time.Duration(0)
		for i := range 20000 {
			b, wait := c.d.Ask(nil, now)
			if len(b) > 0 {
				sent[string(b)]++
			}
			if wait <= 0 || wait > time.Minute {
				t.Fatalf("%s: wait %v", name, wait)
			}
			if now += wait; i%3 > 0 {
				c.d.Decode(noise[i%len(noise):], func(protocol.Observation) {})
				now -= wait / 2
			}
		}
		for b := range sent {
			if !slices.Contains(c.allowed, b) {
				t.Errorf("%s: wrote % X", name, b)
			}
		}
		if len(sent) != len(c.allowed) {
			t.Errorf("%s: wrote %v, want all of %q", name, sent, c.allowed)
		}
	}
}

func TestAResultIsToldOnceAndTheFirstOneIsOfUnknownAge(t *testing.T) {
	old := drivertest.Hex(t, "3E 18 7A 00 4D 00 16 00 00 00 00 00 00 00 00 00 46 00 5C 00 00 00 00 2B")
	again := drivertest.Hex(t, "3E 18 80 00 4F 00 16 00 00 00 00 00 00 00 00 00 47 00 5F 00 00 00 00 1F")
	wire := slices.Concat(old, old, again, again)
	want := []string{"NIBP sys unknown 122", "NIBP dia unknown 77", "NIBP mean unknown 92", "PR cuff unknown 70",
		"NIBP sys good 128", "NIBP dia good 79", "NIBP mean good 95", "PR cuff good 71"}
	if got := told(makeSunTech(), wire); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestInternalBytesMakeNoNewResult(t *testing.T) {
	one := drivertest.Hex(t, "3E 18 80 00 4F 00 16 00 00 00 00 00 00 00 00 00 47 00 5F 00 00 00 00 1F")
	two := slices.Clone(one)
	two[10], two[23] = two[10]+7, two[23]-7
	if got := told(makeSunTech(), slices.Concat(one, two)); len(got) != 4 {
		t.Errorf("got %q", got)
	}
}

func TestASecondMeasurementWithTheSameResultIsASecondOne(t *testing.T) {
	result := "3E 18 80 00 4F 00 16 00 00 00 00 00 00 00 00 00 47 00 5F 00 00 00 00 1F "
	const inflate = "3E 05 8F 00 2E 3E 05 03 00 BA "
	got := told(makeSunTech(), drivertest.Hex(t, inflate+result+inflate+result))
	n := 0
	for _, s := range got {
		if s == "NIBP sys good 128" {
			n++
		}
	}
	if n != 2 || got[0] != "NIBP sys ongoing " || got[4] != "NIBP good 143" {
		t.Errorf("%d results in %q", n, got)
	}
}

func TestAFailedMeasurementHasNoNumbers(t *testing.T) {
	const failure = "3E 18 80 00 4F 00 16 00 00 00 00 00 00 00 00 00 47 00 5F 00 03 00 00 1C"
	if got := told(makeSunTech(), drivertest.Hex(t, failure)); got != nil {
		t.Errorf("one of some time ago: %q", got)
	}
	got := told(makeSunTech(), drivertest.Hex(t, "3E 05 8F 00 2E 3E 05 03 00 BA"+failure))[6:]
	if want := []string{"NIBP sys missing ", "NIBP dia missing ", "NIBP mean missing ", "PR cuff missing ", "measurement failed, error 3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheAgeOfAnAccutorrsPressuresIsTold(t *testing.T) {
	obs := drivertest.Decode(makeAccutorr(), []byte("P: 96, 74,128, 95, 79,000,000,000, 12\r\nP: 96, 74,128, 95, 79,000,000,000, 13\r\nP: 96, 74,128, 95, 79,000,000,000,  0\r\n"))
	var delays []time.Duration
	for _, o := range obs {
		if o.Code == protocol.NIBPMean {
			if o.Value != protocol.Int(95) {
				t.Errorf("mean %v", o.Value)
			}
			delays = append(delays, o.Delay)
		}
	}
	if !slices.Equal(delays, []time.Duration{12 * time.Minute, 0}) {
		t.Errorf("delays %v", delays)
	}
}
