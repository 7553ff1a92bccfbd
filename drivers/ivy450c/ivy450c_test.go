package ivy450c

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// The messages have no check.
var options = drivertest.Options{
	Unchecked: []string{"*"},
	Span:      6 * time.Minute, // the cuff
	Expect: []protocol.Code{protocol.HeartRate, protocol.RespirationRate, carbon, protocol.SpO2, protocol.PulseRate, protocol.NIBPSystolic, protocol.NIBPDiastolic,
		protocol.NIBPMean, cuffPulse, anyTemp, protocol.ECGLeadII, protocol.Pleth},
}

func TestDriver(t *testing.T) {
	d := Driver
	d.Simulate = Device{}.Simulate
	drivertest.Record(t, "testdata/monitor.hex", "A simulated monitor.", d, drivertest.NewPatient(),
		drivertest.Act{For: 2100 * time.Millisecond, What: "at rest"},
		drivertest.Act{For: 2 * time.Second, What: "sensors off", Do: func(p *drivertest.Patient) { p.AllOff(true) }})
	drivertest.Run(t, Driver, options)
}

func TestFahrenheit(t *testing.T) {
	d := Driver
	d.Simulate = Device{Fahrenheit: true}.Simulate
	opts := options
	opts.Tolerance = map[protocol.Code]float64{anyTemp: 0.06}
	drivertest.Play(t, d, opts)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/monitor.hex"))
}

// message is one with these lines, ended by |.
func message(lines string) []byte {
	return fmt.Appendf(nil, "%s%s%s\xFE", start, strings.Repeat("\x96", 400), strings.ReplaceAll(lines, "|", "\r"))
}

func said(obs []protocol.Observation) (all []string) {
	for _, o := range obs {
		term, _ := protocol.Lookup(o.Code)
		s := strings.TrimSpace(fmt.Sprint(term.Label, " ", o.Channel, " ", o.Quality, " ", o.Value))
		if o.Event != nil {
			s = fmt.Sprint(o.Event.Phase, " ", o.Event.Text)
		}
		if o.Samples != nil {
			s = fmt.Sprintf("%s %d %.2f", term.Label, len(o.Samples.Raw), o.Samples.Offset.Float64()+o.Samples.Scale.Float64()*float64(o.Samples.Raw[0]))
		}
		all = append(all, s)
	}
	return all
}

const worked = "HR=1;72;ECG-I-MON;|RR=1;16;;|ETCO2=1;;;|SPO2=1;97;PR=71 ;|NIBP=4;118;76;90;72;;|P1=3;;;;NO TRANSDUCER|P2=3;;;;NO TRANSDUCER|T1=1;36.8;;|T2=1;;;|"

func TestTheWorkedMessage(t *testing.T) {
	d := newDecoder()
	got := said(drivertest.Decode(d, message(worked)))
	want := []string{"I 200 1.00", "Breathing 50 150.00", "Pleth 50 0.26", "HR  good 72", "RR  good 16", "SpO2  good 97", "PR  good 71",
		"NIBP sys  unknown 118", "NIBP dia  unknown 76", "NIBP mean  unknown 90", "PR cuff  unknown 72", "Temp 1 good 36.8"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	got = said(drivertest.Decode(d, message(strings.ReplaceAll(strings.ReplaceAll(worked, "97;PR=71 ;", ";;PROBE OFF"), "118;76", "121;76"))))
	want = []string{"I 200 1.00", "Breathing 50 150.00", "Pleth 50 0.26", "HR  good 72", "RR  good 16", "start PROBE OFF", "SpO2  missing", "PR  missing",
		"NIBP sys  good 121", "NIBP dia  good 76", "NIBP mean  good 90", "PR cuff  good 72", "Temp 1 good 36.8"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if got = said(drivertest.Decode(d, message(worked))); !slices.Contains(got, "end PROBE OFF") {
		t.Errorf("%q", got)
	}
}

func TestALineWithoutItsFormSpoilsTheMessage(t *testing.T) {
	for _, lines := range []string{"", "HR=1;72|", "HR=2;72;;|", "HR=1;7x;;|", "HR=1;72;;;;|", "HR=1;72;;|HR=1;73;;|", "HR|", "HR=1;72;;|\x01|", "NEW=1;5;;|"} {
		if got := said(drivertest.Decode(newDecoder(), message(lines))); len(got) != 0 {
			t.Errorf("%q gives %q", lines, got)
		}
	}
	if got := said(drivertest.Decode(newDecoder(), message("NEW=1;5;;|HR=1;72;;|"))); !slices.Contains(got, "HR  good 72") {
		t.Errorf("a new parameter spoils the message: %q", got)
	}
}
