package lc101

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Auto-run.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 3510 * time.Millisecond, What: "measures"},
		drivertest.Act{For: 3 * time.Second, What: "airway off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 2 * time.Second, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	drivertest.Run(t, Driver, drivertest.Options{})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// said is what packets say, in short.
func said(packets ...string) (all []string) {
	var wire []byte
	for _, p := range packets {
		wire = appendPacket(wire, p)
	}
	for _, o := range drivertest.Decode(newDecoder(), wire) {
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, o.Event.Text)
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

func TestWorkedPackets(t *testing.T) {
	for _, text := range []string{"Z241000C4", "z241000FC", "W23404C", "M239B", "C2776", "S630609"} {
		if got, want := string(appendPacket(nil, text[:len(text)-2])), "\x02"+text+"\x03"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got, want := said("Z241000"), []string{"etCO2 good 36", "FiCO2 good 0", "RR CO2 good 16"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := said("z241000", "W2340", "B0032"); got != nil {
		t.Errorf("an answer, a sample, a flow: %q", got)
	}
}

func TestNumbersAreTakenBack(t *testing.T) {
	off := func(q string) []string { return []string{"etCO2 " + q + " ", "FiCO2 " + q + " ", "RR CO2 " + q + " "} }
	for _, c := range []struct {
		packets, want []string
	}{
		{[]string{"S6430", "S6430"}, append(append([]string{"CO2 module reports fault 30"}, off("sensor-off")...), off("sensor-off")...)},
		{[]string{"S6100"}, off("missing")},
		{[]string{"S6406"}, nil},
		{[]string{"Z000000"}, off("missing")},
		{[]string{"N12AB", "N12AB"}, []string{"Serial good 12AB"}},
	} {
		if got := said(c.packets...); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q", c.packets, got)
		}
	}
}

func TestTheOrderToReportIsAllThatIsSent(t *testing.T) {
	d := newDecoder()
	order := string(appendPacket(nil, autoRun))
	sent := 0
	now := time.Duration(0)
	for i := range 1000 {
		b, wait := d.Ask(nil, now)
		if len(b) > 0 {
			if sent++; string(b) != order {
				t.Fatalf("sends %q", b)
			}
		}
		now += wait
		if i%10 < 5 {
			d.Decode(appendPacket(nil, fmt.Sprintf("%c%04X", 'A'+i%26, i)), func(protocol.Observation) {})
		}
	}
	if sent == 0 || sent > 300 {
		t.Errorf("sent %d times in 1000 s, half of them silent", sent)
	}
}
