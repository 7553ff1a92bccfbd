package suretemp

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var options = drivertest.Options{
	Expect:    []protocol.Code{oral},
	Tolerance: map[protocol.Code]float64{oral: 0.011, battery: 0.02},
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Monitor mode.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 5500 * time.Millisecond, What: "an oral probe"},
		drivertest.Act{For: 3 * time.Second, What: "probe in its holder", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
	drivertest.Run(t, Driver, options)
}

func TestPredictionsArePlayedToo(t *testing.T) {
	d := Driver
	d.Simulate = Device{Predict: true}.Simulate
	opts := options
	opts.Settle = 31 * time.Second
	opts.SilentWhenOff = true // nothing is measured then
	drivertest.Play(t, d, opts)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// record is a record in short form.
func record(final, probe string, algorithm, state, errno, kind byte) []byte {
	b := make([]byte, shortRecord)
	for i, hex := range []string{final, probe} {
		fmt.Sscanf(hex, "%02X%02X%02X%02X", &b[4*i], &b[4*i+1], &b[4*i+2], &b[4*i+3])
	}
	b[13], b[14], b[15], b[18] = algorithm, state, errno, kind
	return appendMessage(nil, codeRecord, kindGood, b)
}

const (
	none = "00000000"
	t372 = "CD2C9B43" // 37.2 °C
	t333 = "33339943" // 33.25 °C
	t100 = "00C09443" // 24.35 °C
)

func told(records ...[]byte) (all []string) {
	for _, o := range drivertest.Decode(makeDecoder(), slices.Concat(records...)) {
		term, _ := protocol.Lookup(o.Code)
		if o.Event != nil {
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
			continue
		}
		all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value, o.Text))
	}
	return all
}

func TestStates(t *testing.T) {
	idle := record(none, none, 0, 0, 0, 0)
	for name, c := range map[string]struct{ got, want []string }{
		"a prediction is told once":   {told(idle, record(none, t333, 0, 3, 0, 0), record(none, t333, 0, 4, 0, 0), record(t372, t333, 0, 6, 0, 0), record(t372, t372, 0, 7, 0, 0), idle), []string{"T oral ongoing ", "T oral good 37.20"}},
		"a second one is a second":    {told(idle, record(t372, t333, 1, 6, 0, 2), idle, record(t372, t333, 1, 6, 0, 2)), []string{"T rect good 37.20", "T rect good 37.20"}},
		"one that stood there":        {told(record(t372, t333, 4, 6, 0, 0)), []string{"T axil unknown 37.20"}},
		"above the range":             {told(idle, record(t372, t333, 0, 8, 0, 0)), []string{"T oral overflow 37.20"}},
		"below the range":             {told(idle, record(t372, t333, 0, 11, 0, 0)), []string{"T oral underflow 37.20"}},
		"no result yet":               {told(idle, record(none, t333, 0, 6, 0, 0)), []string{"T oral missing "}},
		"monitor mode":                {told(record(none, t333, 2, 12, 0, 0), record(none, t372, 2, 12, 0, 0), idle), []string{"T axil good 33.25", "T axil good 37.20", "T axil sensor-off "}},
		"a calibration key":           {told(record(none, t372, 3, 12, 0, 1)), []string{"Temp demo 37.20"}},
		"an error begins and ends":    {told(record(none, none, 0, 20, 5, 0), record(none, none, 0, 20, 5, 0), idle), []string{"start error 5 of the thermometer", "end error 5 of the thermometer"}},
		"ambient air is no patient":   {told(record(none, "00009043", 0, 12, 0, 0)), []string{"T oral invalid 14.85"}},
		"not a number is not emitted": {told(record(none, "0000C07F", 0, 12, 0, 0)), []string{"T oral missing "}},
		"who it is":                   {told(appendMessage(nil, codeSerial, kindGood, []byte("20260314017"))), []string{"Model good Welch Allyn SureTemp Plus module", "Serial good 20260314017"}},
		"room air":                    {told(record(none, t100, 0, 12, 0, 0)), []string{"T oral good 24.35"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
}

func TestOnlyTheTwoQuestionsAreAsked(t *testing.T) {
	d := makeDecoder()
	wantRecord, wantSerial := drivertest.Hex(t, "03 02 10 94 1C 01 00 00 3A"), drivertest.Hex(t, "03 02 10 29 00 01 00 00 C1")
	records := 0
	for now := time.Duration(0); now < time.Hour; {
		b, wait := d.Ask(nil, now)
		switch {
		case bytes.Equal(b, wantRecord):
			records++
		case len(b) > 0 && !bytes.Equal(b, wantSerial):
			t.Fatalf("asked % X", b)
		}
		now += wait
	}
	if records != 3597 {
		t.Errorf("%d records asked in an hour", records)
	}
}
