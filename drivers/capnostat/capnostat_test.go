package capnostat

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
	drivertest.Record(t, "testdata/played.hex", "Continuous wave.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 3503 * time.Millisecond, What: "measures"},
		drivertest.Act{For: 2 * time.Second, What: "adapter off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 2 * time.Second, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	drivertest.Run(t, Driver, drivertest.Options{})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

var unitMMHg = appendPacket(nil, cmdItem, itemUnit, 0)

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
		case o.Samples != nil:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Samples.Scale, " ", o.Samples.Offset, " ", len(o.Samples.Raw), " ", o.Samples.Raw[0], " ", o.Delay))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

func status(s1, priority byte) []byte {
	return appendPacket(nil, cmdWave, 1, 7, 0x68, blockStatus, s1, 0, 0, 0, priority)
}

func block(code byte, data ...byte) []byte {
	return appendPacket(nil, cmdWave, append([]byte{2, 7, 0x68, code}, data...)...)
}

func TestWorkedPackets(t *testing.T) {
	for want, got := range map[string][]byte{
		"80 02 00 7E":                         appendPacket(nil, cmdWave, 0),
		"84 03 07 00 72":                      unitMMHg,
		"80 04 05 25 59 79":                   appendPacket(nil, cmdWave, 5, 0x25, 0x59),
		"80 0A 08 07 68 01 40 00 00 00 00 3E": appendPacket(nil, cmdWave, 8, 7, 0x68, blockStatus, 0x40, 0, 0, 0, 0),
	} {
		if !bytes.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
	var got []string
	for _, s := range said(unitMMHg, status(0, 0), drivertest.Hex(t, "80 07 06 25 59 02 03 02 6E 80 07 07 07 68 03 00 10 70")) {
		if s[:4] != "CO2 " {
			got = append(got, s)
		}
	}
	if want := []string{"etCO2 good 38.6", "RR CO2 good 16"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// 0x25*128+0x59 = 4825, of hundredths from -10: 38.25.
	var wave []byte
	for i := range byte(25) {
		wave = append(wave, appendPacket(nil, cmdWave, i, 0x25, 0x59)...)
	}
	if got, want := said(unitMMHg, status(0, 0), wave)[1:], []string{"CO2 good 0.01 -10 25 4825 240ms"}; !slices.Equal(got, want) {
		t.Errorf("wave %q", got)
	}
}

func TestWhatValuesAreWorth(t *testing.T) {
	bad := func(q string) []string { return []string{"etCO2 " + q + " ", "FiCO2 " + q + " ", "RR CO2 " + q + " "} }
	rate := block(blockRate, 0, 16)
	for _, c := range []struct {
		name string
		wire [][]byte
		want []string
	}{
		{"before the status", [][]byte{unitMMHg, rate}, nil},
		{"none yet", [][]byte{unitMMHg, status(0, 0), block(blockRate, 0, 0)}, []string{"RR CO2 missing "}},
		{"no message is no fault", [][]byte{unitMMHg, status(0, 3), rate}, []string{"RR CO2 good 16"}},
		{"warming up", [][]byte{unitMMHg, status(0, 6), rate}, bad("calibrating")},
		{"adapter", [][]byte{unitMMHg, status(0, 9), rate, status(0, 0)}, append(append([]string{"start check the CO2 airway adapter"}, bad("sensor-off")...), "end check the CO2 airway adapter")},
		{"no breath", [][]byte{unitMMHg, status(noBreath, 0), rate, status(0, 0), rate}, append(append([]string{"start no breath"}, bad("missing")...), "end no breath", "RR CO2 good 16")},
		{"a flag that stays though there is a breath", [][]byte{unitMMHg, status(noBreath, 0), block(blockBreath), status(noBreath, 0), rate, status(0, 0), status(noBreath, 0)},
			append(append(append([]string{"start no breath"}, bad("missing")...), "end no breath", "RR CO2 good 16", "start no breath"), bad("missing")...)},
		{"kPa", [][]byte{appendPacket(nil, cmdItem, itemUnit, 1), status(0, 0), block(blockET, 0, 49)}, []string{"etCO2 good 36.8"}},
		{"percent", [][]byte{appendPacket(nil, cmdItem, itemUnit, 2), status(0, 0), block(blockET, 0, 49)}, []string{"etCO2 invalid 4.9"}},
		{"unit not known", [][]byte{status(0, 0), block(blockET, 0, 49), rate}, []string{"etCO2 unknown ", "RR CO2 good 16"}},
	} {
		var got []string
		for _, s := range said(c.wire...) {
			if s[:4] != "CO2 " {
				got = append(got, s)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestALostPacketEndsABlock(t *testing.T) {
	packet := func(sync byte) []byte { return appendPacket(nil, cmdWave, sync, 7, 0x68) }
	got := said(unitMMHg, status(0, 0), packet(2), packet(3), packet(5), packet(24), packet(126), packet(127), packet(0), packet(24))
	want := []string{"CO2 good 0.01 -10 2 1000 20ms", "CO2 good 0.01 -10 1 1000 10ms", "CO2 good 0.01 -10 1 1000 0s", "CO2 good 0.01 -10 2 1000 10ms", "CO2 good 0.01 -10 1 1000 10ms", "CO2 good 0.01 -10 1 1000 0s"}
	if !slices.Equal(got[1:], want) {
		t.Errorf("got %q", got)
	}
}

// Whatever the module says, only these packets can be sent to it.
func TestOnlyReadingRequestsAreEverSent(t *testing.T) {
	d := newDecoder()
	allowed := [][]byte{drivertest.Hex(t, "80 02 00 7E"), appendPacket(nil, cmdItem, itemUnit), appendPacket(nil, cmdItem, itemSerial)}
	seen := map[int]bool{}
	now := time.Duration(0)
	for i := range 2000 {
		b, wait := d.Ask(nil, now)
	next:
		for len(b) > 0 {
			for k, a := range allowed {
				if bytes.HasPrefix(b, a) {
					b, seen[k] = b[len(a):], true
					continue next
				}
			}
			t.Fatalf("sends % X", b)
		}
		now += wait
		if i%10 < 7 {
			d.Decode(appendPacket(nil, 0x80|byte(i), byte(i&0x7F), byte(i>>3&0x7F)), func(protocol.Observation) {})
		}
	}
	if len(seen) != len(allowed) {
		t.Errorf("%d of %d requests were seen", len(seen), len(allowed))
	}
}
