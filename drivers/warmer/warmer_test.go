package warmer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var options = drivertest.Options{
	Unchecked: []string{"*"}, // no checksum, or none that is sure
	Joined:    []string{"*"}, // a line without its end and the end of the one before make a line
	Tolerance: map[protocol.Code]float64{heater: 0.21, skin: 0.06, setting: 0.06, air: 0.06},
}

func TestDrivers(t *testing.T) {
	for _, c := range []struct {
		d      drivers.Driver
		expect []protocol.Code
	}{
		{Giraffe, []protocol.Code{skin, setting, heater, protocol.SpO2, protocol.PulseRate}},
		{GiraffeOld, []protocol.Code{skin, setting, heater, protocol.SpO2, protocol.PulseRate}},
		{OmniBed, []protocol.Code{skin, air, setting, heater}},
		{Isolette, []protocol.Code{skin, air, setting, heater, humidity, oxygen}},
	} {
		t.Run(c.d.Name, func(t *testing.T) {
			opts := options
			opts.Expect = c.expect
			opts.Settle = 16 * time.Second
			drivertest.Record(t, "testdata/"+c.d.Name+".hex", c.d.Title+".", c.d, drivertest.NewPatient(),
				drivertest.Act{For: 33 * time.Second, What: "a patient"},
				drivertest.Act{For: 31 * time.Second, What: "probe off", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
			if c.d.Name == Giraffe.Name { // the decoder is the same for all
				drivertest.Run(t, c.d, opts)
				return
			}
			drivertest.Play(t, c.d, opts)
		})
	}
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Giraffe) }

func BenchmarkDecoder(b *testing.B) {
	for _, d := range []drivers.Driver{Giraffe, OmniBed, Isolette} {
		b.Run(d.Name, func(b *testing.B) { drivertest.Bench(b, d, drivertest.Load(b, "testdata/"+d.Name+".hex")) })
	}
}

func told(d drivers.Decoder, lines ...string) (all []string) {
	for _, o := range drivertest.Decode(d, []byte(strings.Join(lines, "\r\n")+"\r\n")) {
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		case o.Kind == protocol.KindNumeric:
			all = append(all, strings.TrimSpace(fmt.Sprint(term.Label, " ", o.Channel, " ", o.Quality, " ", o.Value)))
		}
	}
	return all
}

func TestWorkedLines(t *testing.T) {
	for text, want := range map[string][]string{
		"GWRM_2.0.0,36.9,36.5,25,P,2310,97,142,00,96": {"T skin  good 36.9", "T set skin good 36.5", "Heater  good 25", "Weight  good 2.310", "SpO2  good 97", "PR  good 142"},
		"PWRM_2.0.0,35.4,36.5,80,P,0,0,0,16,00,f0":    {"start alarm 16 of the warmer", "T skin  good 35.4", "T set skin good 36.5", "Heater  good 80"},
		"PWRM_2.0.0,OPEN,36.5,80,M,0,0,0,00,c2":       {"start skin probe off", "T skin  sensor-off", "T set skin missing", "Heater  good 80"},
		"HYB_1.3,36.7,OPEN,34.2,34.0,36.5,42,P,N,C,00": {"T skin  good 36.7", "T air  good 34.2", "T set air good 34.0",
			"T set skin good 36.5", "Heater  good 42"},
		"[X ISOLETTE 000000000000 365B 368 371 352 241 120 61 60 28 30                ]B3": {"T skin  good 36.8", "T skin 2 good 37.1", "T air  good 35.2", "T set skin good 36.5",
			"Heater  good 48.0", "Humidity  good 61", "O2 inc  good 28"},
	} {
		d := newDecoder()
		if got := told(d, text); !slices.Equal(got, want) {
			t.Errorf("%q\n got %q\nwant %q", text, got, want)
		}
		if s := d.Stats(); s.BadSums != 0 {
			t.Errorf("%q: the sum does not fit", text)
		}
	}
}

func TestAnUnverifiedChecksumIsTrustedOnlyOnceItHeld(t *testing.T) {
	const good, bad = "GWRM_2.0.0,36.9,36.5,25,P,0,0,0,00,%s", "GWRM_2.0.0,36.8,36.5,25,P,0,0,0,00,00"
	sum := byte(0)
	for _, c := range []byte(good[:len(good)-2]) {
		sum += c
	}
	right := fmt.Sprintf(good, fmt.Sprintf("%02x", sum))
	count := func(lines ...string) int {
		n := 0
		for _, s := range told(newDecoder(), lines...) {
			if strings.HasPrefix(s, "T skin") {
				n++
			}
		}
		return n
	}
	if n := count(bad, bad, bad); n != 3 {
		t.Errorf("a device with another rule: %d of 3 lines", n)
	}
	if n := count(right, right, right, bad, right); n != 4 {
		t.Errorf("a device that keeps the rule, and a spoiled line: %d, want 4", n)
	}
	if n := count(right, right, right, bad, bad, bad, bad); n != 5 {
		t.Errorf("a device that held the rule by chance: %d, want 5", n)
	}
	d := newDecoder()
	told(d, bad, bad)
	if s := d.Stats(); s.BadSums != 2 || s.Frames != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestAlarmsBeginAndEnd(t *testing.T) {
	line := func(alarms string) string { return "PWRM_2.0.0,35.4,36.5,80,P,0,0,0," + alarms + "00,00" }
	var got []string
	for _, s := range told(newDecoder(), line("16,"), line("16,22,"), line("22,"), line("")) {
		if strings.Contains(s, "alarm") {
			got = append(got, s)
		}
	}
	if want := []string{"start alarm 16 of the warmer", "start alarm 22 of the warmer", "end alarm 16 of the warmer", "end alarm 22 of the warmer"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDamagedLinesAreRefused(t *testing.T) {
	for _, text := range []string{
		"GWRM_2.0.0,369,36.5,25,P,2310,97,142,00,96", "GWRM_2.0.0,36.9,36.5,250,P,2310,97,142,00,96", "GWRM_2.0.0,36.9,36.5,25,X,2310,97,142,00,96",
		"GWRM_2.0.0,36.9,36.5,25,P,2310,97,142,96", "GWRM_2.0.0,36.9,36.5,25,P,2310,97,1420,00,96", "WRM_2.0.0,36.9,36.5,25,P,2310,97,142,00,96",
		"HYB_1.3,36.7,OPEN,34.2,34.0,36.5,42,P,N,C,0", "[X ISOLETTE 000000000000 365C 368 371 352 241 120 61 60 28 30                ]B3",
		"[X ISOLETTE 000000000000 365B 368 371 352 241 120 61 60 28 30               ]B3",
	} {
		if got := told(newDecoder(), text); got != nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}
