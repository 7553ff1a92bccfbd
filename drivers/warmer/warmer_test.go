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
		d         drivers.Driver
		dir, file string
		expect    []protocol.Code
	}{
		{Giraffe, "giraffe", "played", []protocol.Code{skin, setting, heater, protocol.SpO2, protocol.PulseRate}},
		{GiraffeOld, "giraffe", "played-old", []protocol.Code{skin, setting, heater, protocol.SpO2, protocol.PulseRate}},
		{OmniBed, "omnibed", "played", []protocol.Code{skin, air, setting, heater}},
		{Isolette, "isolette", "played", []protocol.Code{skin, air, setting, heater, humidity, oxygen}},
		{Ohio, "ohio", "played", []protocol.Code{skin, setting, heater}},
	} {
		t.Run(c.d.Name, func(t *testing.T) {
			t.Chdir("testdata/" + c.dir)
			opts := options
			opts.Expect = c.expect
			opts.Settle = 16 * time.Second
			drivertest.Record(t, "testdata/"+c.file+".hex", c.d.Title+".", c.d, drivertest.NewPatient(),
				drivertest.Act{For: 33 * time.Second, What: "a patient"},
				drivertest.Act{For: 31 * time.Second, What: "probe off", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
			drivertest.Run(t, c.d, opts)
		})
	}
}

func FuzzDecoder(f *testing.F)  { drivertest.Fuzz(f, Giraffe, "testdata/giraffe") }
func FuzzOmniBed(f *testing.F)  { drivertest.Fuzz(f, OmniBed, "testdata/omnibed") }
func FuzzIsolette(f *testing.F) { drivertest.Fuzz(f, Isolette, "testdata/isolette") }
func FuzzOhio(f *testing.F)     { drivertest.Fuzz(f, Ohio, "testdata/ohio") }

func BenchmarkDecoder(b *testing.B) {
	for dir, d := range map[string]drivers.Driver{"giraffe": Giraffe, "omnibed": OmniBed, "isolette": Isolette, "ohio": Ohio} {
		b.Run(dir, func(b *testing.B) { drivertest.Bench(b, d, drivertest.Load(b, "testdata/"+dir+"/testdata/played.hex")) })
	}
}

// decoderFor is the decoder of the device that sends such a line.
func decoderFor(line string) drivers.Decoder {
	for _, starts := range []string{incubators, isolettes, ohios} {
		if strings.Contains(starts, line[:1]) {
			return decoderOf(starts)()
		}
	}
	return decoderOf(warmers)()
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
		"\x02IW0500 36.8 36.5  45 P 00000000 00 00 00 0000": {"T skin  good 36.8", "T set skin good 36.5", "Heater  good 45"},
		"\x02IW0500 36.7   __  60 A 00000000 00 00 00 0000": {"T skin  good 36.7", "T set skin missing", "Heater  good 60"},
		"\x02IW0500 51.0 36.5  60 P 00000000 00 00 00 0000": {"start skin probe off", "T skin  sensor-off", "T set skin good 36.5", "Heater  good 60"},
	} {
		d := decoderFor(text)
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
		for _, s := range told(decoderOf(warmers)(), lines...) {
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
	d := decoderOf(warmers)()
	told(d, bad, bad)
	if s := d.Stats(); s.BadSums != 2 || s.Frames != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestAlarmsBeginAndEnd(t *testing.T) {
	line := func(alarms string) string { return "PWRM_2.0.0,35.4,36.5,80,P,0,0,0," + alarms + "00,00" }
	var got []string
	for _, s := range told(decoderOf(warmers)(), line("16,"), line("16,22,"), line("22,"), line("")) {
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
		"\x02IW050 36.8 36.5  45 P 00", "\x02IW0500 368 36.5  45 P 00", "\x02IW0500 36.8 36.5 145 P 00", "\x02IW0500 36.8 36.5  45 X 00", "\x02IW0500 36.8 36.5  45",
		"IW0500 36.8 36.5  45 P 00",
	} {
		if got := told(decoderFor(text), text); got != nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}
