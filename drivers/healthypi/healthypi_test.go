package healthypi

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
	drivertest.Record(t, "testdata/played.hex", "Stream mode.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 1204 * time.Millisecond, What: "measures"},
		drivertest.Act{For: 496 * time.Millisecond, What: "all off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 800 * time.Millisecond, What: "on again, for whole blocks", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	drivertest.Run(t, Driver, drivertest.Options{
		Unchecked: []string{"*"}, // packets have no checksum
		Joined:    []string{"*"}, // and count in unbroken runs
	})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

const worked = "0A FA 14 00 02 00 FE 78 00 90 D0 03 00 78 D4 03 00 5B 0E 10 61 48 50 78 00 00 0B"

// said is what packets say, in short.
func said(wire []byte) (all []string) {
	for _, o := range drivertest.Decode(newDecoder(), wire) {
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		case o.Samples != nil:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", len(o.Samples.Raw), " ", o.Samples.Raw[0]))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value))
		}
	}
	return all
}

func TestWorkedPacket(t *testing.T) {
	one := drivertest.Hex(t, worked)
	if got := appendPacket(nil, -512, 120, 3675, 16, 97, 72, 0); !bytes.Equal(got, one) {
		t.Errorf("% X", got)
	}
	if got, want := said(bytes.Repeat(one, 25)), []string{"HR good 72", "RR imp good 16", "SpO2 good 97", "T skin good 36.75", "ECG raw good 25 -512", "Breathing good 25 120"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := said(bytes.Repeat(one, 4)); got != nil {
		t.Errorf("four packets: %q", got)
	}
}

// The board's 80 and 120 are labelled blood pressure, and are constants.
func TestNoBloodPressureIsEverEmitted(t *testing.T) {
	for _, o := range drivertest.Decode(newDecoder(), drivertest.Load(t, "testdata/played.hex")) {
		if term, _ := protocol.Lookup(o.Code); term.Sign == protocol.SignBloodPressure {
			t.Fatalf("got %+v", o)
		}
	}
}

func TestLeadsOffAndNoValues(t *testing.T) {
	off := bytes.Repeat(appendPacket(nil, 0, 0, 3675, 0, 97, 0, 5), 25)
	want := []string{"start ECG leads off", "HR sensor-off ", "RR imp sensor-off ", "SpO2 good 97", "T skin good 36.75", "ECG raw sensor-off 25 -2147483648", "Breathing sensor-off 25 -2147483648"}
	if got := said(off); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	none := bytes.Repeat(appendPacket(nil, 1, 1, 327, 0, 0, 0, 0), 5)
	if got := said(none); !slices.Equal(got, []string{"HR missing ", "RR imp missing ", "SpO2 missing ", "T skin invalid 3.27"}) {
		t.Errorf("got %q", got)
	}
}
