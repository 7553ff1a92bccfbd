package medlab

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Protocol 1.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 4510 * time.Millisecond, What: "measures"},
		drivertest.Act{For: 2 * time.Second, What: "lead off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 5 * time.Second, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	drivertest.Run(t, Driver, drivertest.Options{
		Unchecked: []string{"*"}, // nothing in the stream is checked
		Joined:    []string{"*"}, // and values count in unbroken runs
		Settle:    10 * time.Second,
	})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

// said is what a module says, in short.
func said(wire ...[]byte) (all []string) {
	for _, o := range drivertest.Decode(newDecoder(), slices.Concat(wire...)) {
		if err := drivertest.Check(o); err != nil {
			all = append(all, err.Error())
		}
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value))
		}
	}
	return all
}

// values is a second: a heart rate and a respiration rate among samples.
func values(heart, resp byte) []byte {
	return []byte{markWave, 0x80, 0x82, 0x85, markHeart, heart, markWave, 0x84, 0x81, markResp, resp}
}

// The sheet's bytes, after a run that makes them believed.
func TestWorkedBytes(t *testing.T) {
	worked := drivertest.Hex(t, "F8 80 82 85 FA 48 F8 84 81 F9 10 F8 80")
	if got, want := said(bytes.Repeat(values(72, 16), 3), worked, drivertest.Hex(t, "FB 11")), []string{"RR imp good 16", "HR good 72", "RR imp good 16",
		"start lead off", "HR sensor-off ", "RR imp sensor-off "}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestARunIsWanted(t *testing.T) {
	good := values(72, 16)
	for name, wire := range map[string][]byte{
		"five values":           bytes.Repeat(good, 3)[:28],
		"heart rates that jump": slices.Concat(good, values(120, 16), good, values(120, 16), good, values(120, 16)),
		"a byte that cannot be": slices.Concat(good, good, []byte{0xFF}, good, good),
		"marker after marker":   slices.Concat(good, good, []byte{markHeart, markHeart}, good, good),
		"no wave after values":  bytes.Repeat([]byte{markHeart, 72, markResp, 16}, 20),
		"only samples":          bytes.Repeat([]byte{128, 130}, 1000),
	} {
		if got := said(wire); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestASampleTakenForARateIsNotShown(t *testing.T) {
	got := said(bytes.Repeat(values(72, 16), 3), values(129, 16), values(130, 16))
	if want := []string{"RR imp good 16", "HR invalid 129", "RR imp good 16", "HR good 130", "RR imp good 16"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestALeadIsOnAfterThreeHeartRates(t *testing.T) {
	got := said(bytes.Repeat(values(72, 16), 3), []byte{markWave, 128, markInfo, leadOff}, values(72, 16), values(72, 16), values(72, 0))
	if want := []string{"RR imp good 16", "start lead off", "HR sensor-off ", "RR imp sensor-off ", "HR sensor-off ", "RR imp sensor-off ", "HR sensor-off ", "RR imp sensor-off ",
		"end lead off", "HR good 72", "RR imp missing "}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestProtocol2IsReadToo(t *testing.T) {
	second := slices.Concat(values(72, 16), []byte{markWave, 128, markStatus, 3}, []byte{markWave, 128, markText}, []byte("EG01010H0S61\x00"))
	if got, want := said(bytes.Repeat(second, 4)), []string{"RR imp good 16", "HR good 72", "RR imp good 16"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
