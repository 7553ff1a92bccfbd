package puritanbennett

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var options = drivertest.Options{
	Unchecked: []string{"*"}, // nothing checks a digit
	Expect: []protocol.Code{rate, tidalOut, tidalIn, minuteVolume, peak, oxygen, code("MDC_VENT_PRESS_AWAY_MEAN"),
		code("MDC_VENT_PRESS_AWAY_END_EXP_POS"), code("MDC_VENT_RESP_RATE_SETTING"), code("MDC_VENT_VOL_TIDAL_SETTING")},
}

var acts = []drivertest.Act{
	{For: 3 * time.Second, What: "ventilated"},
	{For: 2 * time.Second, What: "disconnected", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
	{For: 2 * time.Second, What: "ventilated", Do: func(p *drivertest.Patient) { p.AllOff(false) }},
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/840.hex", "Records of 169 fields.", Driver, drivertest.NewPatient(), acts...)
	old := Driver
	old.Simulate = Device{Old: true}.Simulate
	drivertest.Record(t, "testdata/old.hex", "Records of 97 fields.", old, drivertest.NewPatient(),
		append([]drivertest.Act{{For: 11 * time.Second, What: "asked for what it does not know"}}, acts...)...)
	drivertest.Run(t, Driver, options)
}

func TestOlderVentilator(t *testing.T) {
	d, opts := Driver, options
	d.Simulate = Device{Old: true}.Simulate
	opts.Expect = slices.DeleteFunc(slices.Clone(opts.Expect), func(c protocol.Code) bool {
		return !slices.ContainsFunc(numbersA, func(n number) bool { return n.code == c })
	})
	opts.Settle = 15 * time.Second
	drivertest.Play(t, d, opts)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/840.hex"))
}

// answer is a record of 169 fields, blank but for those given.
func answer(fields map[int]string) []byte {
	var data []byte
	for f := firstField; f < firstField+fieldsF; f++ {
		data = fmt.Appendf(data, "%-6s,", fields[f])
	}
	return fmt.Appendf(nil, "MISCF,%d,169 ,\x02%s\x03\r", len(data), data)
}

func words(all []protocol.Observation) []string {
	var s []string
	for _, o := range all {
		t, _ := protocol.Lookup(o.Code)
		switch {
		case o.Kind == protocol.KindEvent:
			s = append(s, fmt.Sprintf("%v %v %v %s", o.Event.Phase, o.Event.Priority, o.Event.Type, o.Event.Text))
		case o.Quality == protocol.QualityMissing:
		case o.Kind == protocol.KindEnumeration:
			s = append(s, t.Label+" "+o.Text)
		default:
			s = append(s, fmt.Sprintf("%s %v %s %v", t.Label, o.Value, o.Unit, o.Quality))
		}
	}
	return s
}

func says(t *testing.T, d drivers.Decoder, wire []byte, want ...string) {
	t.Helper()
	if got := words(drivertest.Decode(d, wire)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTheFramingRuleOfTheSheet(t *testing.T) {
	wire := drivertest.Hex(t, "4D 49 53 43 41 2C 32 31 2C 33 2C 02 31 30 3A 33 30 20 2C 41 2F 43 20 20 20 2C 31 34 2E 30 20 20 2C 03 0D")
	h, fields, n := split(wire, nil)
	if n != len(wire) || h.full || h.data != 21 || fmt.Sprintf("%q", fields) != `["10:30" "A/C" "14.0"]` {
		t.Errorf("%+v %q %d", h, fields, n)
	}
	for i := 1; i < len(wire); i++ {
		if _, _, n := split(wire[:i], nil); n != framer.More {
			t.Errorf("cut after %d: %d, want more", i, n)
		}
	}
	for at, c := range map[int]byte{4: 'B', 6: '3', 7: '2', 9: '4', 11: ' ', 14: 0x07, 18: ';', 33: ' ', 34: '\n'} {
		bad := bytes.Clone(wire)
		bad[at] = c
		if _, _, n := split(append(bad, wire...), nil); n != framer.Skip {
			t.Errorf("byte %d is %02X: %d, want skip", at, c, n)
		}
	}
}

func TestValuesUnitsAndText(t *testing.T) {
	at := map[int]string{5: "10:30", 6: "980 35B1300123", 7: "NOV 20 2026", 9: "BILEVL", 10: "PC", 11: "NONE",
		13: "14.0", 14: "0.500", 34: "OFF", 70: "16", 71: "0.365", 72: "5.84", 73: "24", 76: "1:5.00", 77: "", 87: "-0.3", 74: "x9"}
	got := drivertest.Decode(newDecoder(), answer(at))
	want := []string{"Model Puritan Bennett 980", "Serial 35B1300123", "Mode BILEVL PC", "RR set 14.0 /min good", "VT set 500 mL good",
		"RR total 16 /min good", "VTe 365 mL good", "MVe vent 5.84 L/min good", "Ppeak 24 cm[H2O] good", "Pmean  cm[H2O] invalid",
		"PEEP -0.3 cm[H2O] good", "I:E 0.200 1 good"}
	if w := words(got); !slices.Equal(w, want) {
		t.Errorf("got  %q\nwant %q", w, want)
	}
	missing := 0
	for _, o := range got {
		if o.Quality == protocol.QualityMissing {
			missing++ // end-inspiratory pressure and oxygen
		}
		if o.Code == peak && !o.DeviceTime.Equal(time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC)) {
			t.Errorf("device time %v", o.DeviceTime)
		}
	}
	if missing != 2 {
		t.Errorf("%d values are missing, want 2", missing)
	}
}

func TestAManeuverIsOneReading(t *testing.T) {
	d := newDecoder()
	plateau := func(v string) []byte { return answer(map[int]string{94: v}) }
	says(t, d, plateau("19"), "Pplat 19 cm[H2O] unknown") // nobody says from when
	says(t, d, plateau("19"))
	says(t, d, plateau("21"), "Pplat 21 cm[H2O] good")
	says(t, d, plateau("21"))
	says(t, d, plateau(""))
	says(t, d, plateau("21"), "Pplat 21 cm[H2O] good")
}

func TestAlarmsBeginAndEnd(t *testing.T) {
	d := newDecoder()
	says(t, d, answer(map[int]string{110: "NORMAL"}))
	says(t, d, answer(map[int]string{110: "LOW", 124: "HIGH"}), "start low physiological high peak pressure", "start high technical circuit disconnect")
	says(t, d, answer(map[int]string{110: "MEDIUM", 124: "HIGH"}), "continue medium physiological high peak pressure")
	says(t, d, answer(map[int]string{110: "NORM@L", 124: "RESET"}), "end high technical circuit disconnect") // a soiled word ends nothing
	says(t, d, answer(map[int]string{110: ""}), "end medium physiological high peak pressure")
}

func TestTheTablesFitTheRecords(t *testing.T) {
	for _, l := range []struct {
		layout
		last int
	}{{layoutF, firstField + fieldsF}, {layoutA, firstField + fieldsA}} {
		seen := map[int]bool{}
		for _, n := range l.numbers {
			term, _ := protocol.Lookup(n.code)
			if _, ok := protocol.Convert(protocol.Int(1), n.unit, term.Unit); !ok || n.field >= l.last || seen[n.field] || term.Kind != protocol.KindNumeric {
				t.Errorf("field %d, %s in %s", n.field, term.RefID, n.unit)
			}
			seen[n.field] = true
		}
		texts := map[string]bool{}
		for _, a := range l.alarms {
			if a.field >= l.last || seen[a.field] || texts[a.text] {
				t.Errorf("alarm of field %d, %q", a.field, a.text)
			}
			seen[a.field], texts[a.text] = true, true
		}
	}
	v := &ventilator{Device: Device{ID: "840 3510012345"}, patient: drivertest.NewPatient()}
	for _, full := range []bool{true, false} {
		if _, _, n := split(v.record(nil, time.Unix(0, 0), full), nil); n <= 0 {
			t.Errorf("the simulator's own record, full %v: %d", full, n)
		}
	}
}

// A spy notes what is written.
type spy struct {
	*drivertest.End
	mu      sync.Mutex
	written []string
}

func (s *spy) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.written = append(s.written, string(p))
	s.mu.Unlock()
	return s.End.Write(p)
}

func TestOnlyThreeCommandsAreEverWritten(t *testing.T) {
	for name, device := range map[string]Device{"new": {}, "old": {Old: true}} {
		synctest.Test(t, func(t *testing.T) {
			host, far := drivertest.NewWire()
			s := &spy{End: host}
			done := make(chan error, 2)
			go func() { done <- Driver.Run(t.Context(), s, func(protocol.Observation) {}) }()
			time.Sleep(time.Minute) // nobody answers
			go func() { done <- device.Simulate(t.Context(), far, drivertest.NewPatient()) }()
			time.Sleep(10 * time.Minute)
			far.Close()
			<-done
			<-done
			counts := map[string]int{}
			for _, w := range s.written {
				counts[w]++
			}
			if len(s.written) < 200 || counts[askF]+counts[askA]+counts[reset] != len(s.written) {
				t.Errorf("%s: wrote %v", name, counts)
			}
			if name == "new" && counts[askF] < 290 || name == "old" && counts[askA] < 200 {
				t.Errorf("%s: wrote %v in 10 min", name, counts)
			}
		})
	}
}

func TestASlowLineIsWaitedFor(t *testing.T) {
	d := newDecoder()
	if b, _ := d.Ask(nil, 0); string(b) != askF {
		t.Fatalf("asked %q first", b)
	}
	wire := answer(nil)
	for i, at := 0, time.Duration(0); i < len(wire); i++ { // 1200 baud
		at += 8333 * time.Microsecond
		d.Decode(wire[i:i+1], func(protocol.Observation) {})
		if b, _ := d.Ask(nil, at); len(b) > 0 && i < len(wire)-1 {
			t.Fatalf("asked %q while the answer comes", b)
		}
	}
	if !strings.HasPrefix(askF, "SNDF") || d.Stats().Frames != 1 {
		t.Errorf("%+v", d.Stats())
	}
}
