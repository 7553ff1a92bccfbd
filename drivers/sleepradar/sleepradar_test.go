package sleepradar

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var options = drivertest.Options{
	Expect: []protocol.Code{protocol.RespirationRate, protocol.SleepStatus},
	Settle: 10 * time.Second,
}

var acts = []drivertest.Act{
	{For: 10500 * time.Millisecond, What: "in bed, awake"},
	{For: 3 * time.Second, What: "out of bed", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
	{For: 5 * time.Second, What: "in bed, deep sleep", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Say(protocol.SleepStatus, "deep") }},
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/60ghz.hex", "60 GHz.", Driver, drivertest.NewPatient(), acts...)
	drivertest.Run(t, Driver, options)
}

// The captures of the 24 GHz module lie in another directory because they mean
// nothing to the other decoder.
func Test24GHz(t *testing.T) {
	t.Chdir("testdata/24ghz")
	drivertest.Record(t, "testdata/played.hex", "24 GHz.", Radar24, drivertest.NewPatient(), acts...)
	drivertest.Run(t, Radar24, options)
}

func Fuzz60(f *testing.F) { drivertest.Fuzz(f, Driver) }

func Fuzz24(f *testing.F) {
	drivertest.Fuzz(f, Radar24, "testdata/24ghz")
}

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/60ghz.hex"))
}

// said is what a module says, in short.
func said(d drivers.Driver, wire ...[]byte) (all []string) {
	for _, o := range drivertest.Decode(d.NewDecoder(), slices.Concat(wire...)) {
		if err := drivertest.Check(o); err != nil {
			all = append(all, err.Error())
		}
		term, _ := protocol.Lookup(o.Code)
		name := term.Label
		if o.Channel != "" {
			name += "/" + o.Channel
		}
		switch {
		case o.Samples != nil:
			all = append(all, fmt.Sprint(name, " ", o.Quality, " ", o.Samples.Raw))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(name, " ", o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

func TestWorkedFrames(t *testing.T) {
	for want, got := range map[string][]byte{
		"53 59 81 82 00 01 0F BF 54 43": append60(nil, 0x81, 0x82, 0x0F),
		"53 59 84 00 00 01 01 32 54 43": append60(nil, 0x84, 0, 1),
		"53 59 81 02 00 01 10 40 54 43": append60(nil, 0x81, 2, 16),
		"55 08 00 05 01 01 11 8F DD":    append24(nil, 5, 1, 1, 17),
		"55 08 00 05 03 08 02 69 80":    append24(nil, 5, 3, 8, 2),
	} {
		if !bytes.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
	for wire, want := range map[string]string{
		"53 59 81 02 00 01 10 40 54 43": "RR good 16", "53 59 85 02 00 01 40 74 54 43": "Pulse good 64",
		"53 59 84 02 00 01 02 35 54 43": "Sleep good awake", "53 59 84 02 00 01 00 33 54 43": "Sleep good deep", "53 59 84 01 00 01 01 33 54 43": "In bed good present",
	} {
		if got := said(Driver, drivertest.Hex(t, wire)); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", wire, got)
		}
	}
	for wire, want := range map[string]string{"55 08 00 05 01 01 11 8F DD": "RR good 17", "55 08 00 05 03 08 02 69 80": "Sleep good deep"} {
		if got := said(Radar24, drivertest.Hex(t, wire)); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", wire, got)
		}
	}
}

func TestWithoutAPersonNothingIsKept(t *testing.T) {
	back := []string{"RR missing ", "Pulse missing ", "Sleep missing "}
	for name, gone := range map[string][]byte{
		"nobody":     append60(nil, 0x80, 1, 0),
		"out of bed": append60(nil, 0x84, 1, 0),
		"no bed":     append60(nil, 0x84, 1, 2),
		"no breath":  append60(nil, 0x81, 1, 4),
	} {
		got := said(Driver, gone, append60(nil, 0x81, 2, 16), append60(nil, 0x85, 2, 64), append60(nil, 0x84, 2, 0), append60(nil, 0x81, 5, 1, 2, 3, 4, 5))
		got = slices.DeleteFunc(got, func(s string) bool { return s[:2] == "In" })
		n := protocol.NoSample
		if want := append(slices.Concat(back, back), fmt.Sprint("Breathing missing ", []int32{n, n, n, n, n})); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := said(Driver, append60(nil, 0x80, 1, 0), append60(nil, 0x80, 1, 1), append60(nil, 0x81, 2, 16)); got[len(got)-1] != "RR good 16" {
		t.Errorf("back again: %q", got)
	}
}

func TestRatesOutOfRangeAreNone(t *testing.T) {
	got := said(Driver, append60(nil, 0x81, 2, 0), append60(nil, 0x81, 2, 36), append60(nil, 0x85, 2, 59), append60(nil, 0x85, 2, 121), append60(nil, 0x84, 2, 3))
	if want := []string{"RR missing ", "RR missing ", "Pulse missing ", "Pulse missing ", "Sleep missing "}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestStatesOfThe24GHzModule(t *testing.T) {
	rate := append24(nil, 5, 1, 1, 17)
	for _, c := range []struct {
		name string
		wire [][]byte
		want []string
	}{
		{"movement", [][]byte{append24(nil, 5, 1, 4, 4), rate}, []string{"RR questionable 17"}},
		{"holds its breath", [][]byte{append24(nil, 5, 1, 4, 1), rate}, []string{"RR missing ", "Sleep missing ", "RR missing "}},
		{"nobody", [][]byte{append24(nil, 4, 3, 5, 0, 0xFF, 0xFF), rate}, []string{"RR missing ", "Sleep missing ", "In bed/room good absent", "RR missing "}},
		{"out of bed", [][]byte{append24(nil, 5, 3, 7, 0), append24(nil, 5, 3, 8, 1)}, []string{"RR missing ", "Sleep missing ", "In bed good absent", "Sleep missing "}},
		{"awake is 0 here", [][]byte{append24(nil, 5, 3, 8, 0)}, []string{"Sleep good awake"}},
		{"strength of movement", [][]byte{append24(nil, 3, 3, 6, 0, 0, 0x20, 0x40)}, []string{"Movement good 2.50"}},
		{"no number", [][]byte{append24(nil, 3, 3, 6, 0, 0, 0xC0, 0x7F)}, nil},
	} {
		if got := said(Radar24, c.wire...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestOnlySwitchingOnAndQuestionsAreSent(t *testing.T) {
	d := new60()
	allowed := map[string]bool{}
	for _, c := range switchOn {
		allowed[string(append60(nil, c, 0, 1))] = true
	}
	for _, q := range questions {
		allowed[string(append60(nil, q[0], q[1]|0x80, 0x0F))] = true
	}
	now := time.Duration(0)
	for i := range 1000 {
		b, wait := d.Ask(nil, now)
		if len(b) > 0 && !allowed[string(b)] {
			t.Fatalf("sends % X", b)
		}
		now += wait
		if i%100 < 50 {
			d.Decode(append60(nil, byte(i), byte(i>>2), byte(i>>4)), func(protocol.Observation) {})
		}
	}
}
