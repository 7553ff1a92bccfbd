package pulsesensor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var options = drivertest.Options{
	Unchecked: []string{"*"}, // text without a check
	Joined:    []string{"*"}, // lines count in a run
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "A simulated sensor.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 2510 * time.Millisecond, What: "72/min"},
		drivertest.Act{For: time.Second, What: "finger off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 2500 * time.Millisecond, What: "finger on, 90/min", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.PulseRate, 90) }})
	drivertest.Run(t, Driver, options)
}

func TestARateThatIsRepeatedWithoutAFingerIsNotBelieved(t *testing.T) {
	d := Driver
	d.Simulate = Device{Repeats: true}.Simulate
	drivertest.Play(t, d, options)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// told is what lines say, in short.
func told(lines string) (all []string) {
	for _, o := range drivertest.Decode(makeDecoder(), []byte(lines)) {
		if o.Code != protocol.IdentityModel {
			all = append(all, fmt.Sprint(o.Quality, " ", o.Value))
		}
	}
	return all
}

func TestLines(t *testing.T) {
	const start = "S512\r\nS512\r\nS512\r\n"
	for lines, want := range map[string][]string{
		start + "B72\r\nQ834\r\n":                     {"good 72"}, // the description's
		start + "Q834\r\nB72\r\n":                     {"good 72"},
		start + "B72\nQ834\nS1\nS2\nB73\nQ820\n":      {"good 72", "good 73"},
		start + "B72\rQ834\r":                         {"good 72"},
		start + "B72\r\nS1\r\nB72\r\nB72\r\n":         nil, // without a beat
		start + "B72\nS1\nQ834\nS1\nB73\nS2\n":        nil, // not together
		start + "Q834\r\nB72\r\nB72\r\nB72\r\n":       {"good 72"},
		start + "B12\r\nQ834\r\nB250\r\nQ250\r\n":     {"invalid 12", "invalid 250"},
		start + "B72\r\nQ0\r\nQ99999\r\n":             nil,
		start + "B0\r\nQ834\r\n":                      nil,
		"S1\nB72\nQ834\n":                             nil, // three lines are no run
		start + "B72\nx\nQ834\nS1\nS2\nS3\nS4\nS5\n":  nil, // a beat that lost its rate
		start + "B7x2\nQ834\nS1\nS2\nS3\nS4\nS5\n":    nil,
		start + "B-72\nQ834\nS1\nS2\nS3\nS4\nS5\n":    nil,
		start + "B\nQ834\nS1\nS2\nS3\nS4\nS5\n":       nil,
		start + "B000072\nQ834\nS1\nS2\nS3\nS4\n":     nil,
		start + "\n\n\n\nB72\nQ834\nS1\nS2\nS3\nS4\n": {"good 72"},
		"SPO2=97\nSPO2=97\nB72\nB72\nB72\nQ834\nB7\n": {"good 72"},
	} {
		if got := told(lines); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", lines, got, want)
		}
	}
}
