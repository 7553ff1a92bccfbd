package tosca

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
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "A simulated device.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 5 * time.Second, What: "measures"},
		drivertest.Act{For: 4 * time.Second, What: "sensor off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 4 * time.Second, What: "on again, 88 %", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.SpO2, 88) }})
	drivertest.Run(t, Driver, options)
}

func TestKilopascalsArePlayedToo(t *testing.T) {
	d := Driver
	d.Simulate = Device{KPa: true}.Simulate
	drivertest.Play(t, d, options)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// told is what text says, in short.
func told(text string) (all []string) {
	for _, o := range drivertest.Decode(makeDecoder(), []byte(text)) {
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, o.Event.Text)
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value))
		}
	}
	return all
}

func TestLines(t *testing.T) {
	for text, want := range map[string][]string{
		"[SPO2=078PERCNT]\r\n[PR=088BPM]\r\n": {"SpO2 good 78", "PR good 88"}, // the description's
		"[PCO2=40MMHG]":                       {"tcpCO2 good 40"},
		"[TCPCO2=5.3KPA]":                     {"tcpCO2 good 39.8"},
		"[CO2 (skin)=040.5 MMHG]":             {"tcpCO2 good 40.5"},
		"[SPO2_AVG=97percnt]":                 {"SpO2 good 97"},
		"[PR=---BPM][SPO2=]":                  {"PR missing ", "SpO2 missing "},
		"[PR=000BPM]":                         {"PR missing "},
		"[PCO2=40][PCO2=41VOLTS]":             {"the device sends a unit that is not known"},
		"[SPO2=97BPM]":                        {"the device sends a unit that is not known"},
		"[TEMP=42.0C][PR=88BPM]":              {"PR good 88"},
		"[PR=8x8BPM]":                         nil,
		"[PR=8.8.8BPM]":                       nil,
		"[PR 88BPM]":                          nil,
		"[=88BPM]":                            nil,
		"[2PR=88BPM]":                         nil,
		"[PR=88\x00BPM]":                      nil,
		"[PR=88BPM":                           nil,
		"[PR=8[PR=88BPM]":                     {"PR good 88"},
		"PR=88BPM]":                           nil,
	} {
		if got := told(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestOnlyTheOneQuestionIsAsked(t *testing.T) {
	d := makeDecoder()
	asked := 0
	for now := time.Duration(0); now < time.Hour; {
		b, wait := d.Ask(nil, now)
		if len(b) > 0 {
			asked++
			if string(b) != "\r\n02$" {
				t.Fatalf("asked %q", b)
			}
			d.Decode([]byte("[PR=88BPM]\r\n02$?[RESET=1]\r\n"), func(protocol.Observation) {})
		}
		now += wait
	}
	if asked != 1800 {
		t.Errorf("%d questions in an hour", asked)
	}
}
