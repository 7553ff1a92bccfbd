package intellivue

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

// often is the simulator with a cuff that inflates often enough for the kit.
func often(d drivers.Driver, device Device) drivers.Driver {
	device.CuffEvery = 20 * time.Second
	d.Simulate = device.Simulate
	return d
}

var options = drivertest.Options{
	AnyCode: true, // the monitor says what it measures
	Expect: []protocol.Code{protocol.HeartRate, protocol.SpO2, protocol.PulseRate, protocol.PerfusionIndex,
		protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean,
		protocol.ABPSystolic, protocol.ABPDiastolic, protocol.ABPMean,
		protocol.RespirationRate, protocol.MustCode("MDC_TEMP_CORE")},
}

func TestDriver(t *testing.T) {
	d := often(Driver, Device{})
	drivertest.Record(t, "testdata/session.hex", "An association: numerics, waves, alarms.", d, drivertest.NewPatient(),
		drivertest.Act{For: 2310 * time.Millisecond, What: "all sensors on"},
		drivertest.Act{For: 1310 * time.Millisecond, What: "no sensor on", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 1310 * time.Millisecond, What: "desaturated", Do: func(p *drivertest.Patient) {
			p.AllOff(false)
			p.Set(protocol.SpO2, 84)
		}})
	drivertest.Run(t, d, options)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/worked.hex"))
}

// words gives observations as short lines.
func words(all []protocol.Observation) []string {
	var s []string
	for _, o := range all {
		t, _ := protocol.Lookup(o.Code)
		w := t.Label
		if o.Channel != "" {
			w += "@" + o.Channel
		}
		switch o.Kind {
		case protocol.KindNumeric:
			w += fmt.Sprintf(" %v %s %v", o.Value, o.Unit, o.Quality)
		case protocol.KindEnumeration:
			w += " " + o.Text
		case protocol.KindEvent:
			w += fmt.Sprintf(" %v %v %v %q", o.Event.Phase, o.Event.Priority, o.Event.Type, o.Event.Text)
		case protocol.KindSamples:
			w += fmt.Sprintf(" %v/s %v+%v %v %v", o.Samples.RateHz(), o.Samples.Offset, o.Samples.Scale, o.Quality, o.Samples.Raw)
		}
		s = append(s, w)
	}
	return s
}

func same(t *testing.T, got []protocol.Observation, want ...string) {
	t.Helper()
	if g := words(got); !slices.Equal(g, want) {
		t.Errorf("got\n%s\nwant\n%s", join(g), join(want))
	}
}

func join(lines []string) string {
	var b bytes.Buffer
	for _, l := range lines {
		fmt.Fprintf(&b, "  %s\n", l)
	}
	return b.String()
}

func TestTheWorkedFrameOfNumericsGivesWhatTheSheetSays(t *testing.T) {
	got := drivertest.Decode(newDecoder(), drivertest.Load(t, "testdata/worked.hex"))
	same(t, got,
		"HR 72 /min good", "SpO2 97.5 % good",
		// Nobody has said when the cuff was inflated.
		"NIBP sys 118 mm[Hg] unknown", "NIBP dia 64 mm[Hg] unknown", "NIBP mean 82 mm[Hg] unknown",
		"T core 37.0 Cel questionable")
}

func TestRequestsAreTheWorkedFramesOfTheSheet(t *testing.T) {
	wanted := profile{system: systemClient, period: 8000, mtu: 1000, options: 0x8E000000}
	request := associatePDU(pduAssociate, associatePresentation, wanted)
	line := appendFrame(nil, request)
	if !bytes.HasPrefix(line, drivertest.Hex(t, "C0 11 01 00 EE 0D EC 05 08 13 01 00 16 01 02 80 00 14 02 00 02 7D E1 DC 31 80")) ||
		!bytes.HasSuffix(line, append(drivertest.Hex(t, "8E 00 00 00"), append(make([]byte, 20), 0x20, 0xF9, 0xC1)...)) {
		t.Errorf("association request % X", line)
	}
	if p, ok := parseAssociation(request); !ok || p != wanted {
		t.Errorf("read back: %+v %v, want %+v", p, ok, wanted)
	}
	for _, c := range []struct {
		what      string
		pdu       []byte
		want      string
		unwrapped bool
	}{
		{"release", releaseRequest, "C0 11 01 00 1A 09 18 7D E1 16 61 80 30 80 02 01 01 A0 80 62 80 80 01 00 00 00 00 00 00 00 00 00 41 08 C1", false},
		{"confirmation of the MDS create event", created(1), "C0 11 01 00 1C E1 00 00 02 00 02 00 14 00 01 00 01 00 0E 00 21 00 00 00 00 00 00 00 00 0D 06 00 00 C3 09 C1", false},
		{"extended poll of numerics", action(0x11, 0x0101, classNumeric, groupAll, 0x2932E000), `C0 11 01 00 30 E1 00 00 02 00 01 00 28 00 11 00 07 00 22
			00 21 00 00 00 00 00 00 00 00 F1 3B 00 14 01 01 00 01 00 06 00 00 00 01 00 08 F1 3E 00 04 29 32 E0 00 9E 9F C1`, false},
		{"keep-alive", action(0x14, 0x0801, classAlarms, groupStatic, 0), "C0 11 01 00 24 E1 00 00 02 00 01 00 1C 00 14 00 07 00 16 00 21 00 00 00 00 00 00 00 00 0C 16 00 08 08 01 00 01 00 36 08 11", true},
		{"set of the wave list", setWaves(0x15, []uint32{0x00020102, 0x00024BB4, 0x00025000}), `E1 00 00 02 00 01 00 2A 00 15 00 05 00 24 00 21 00 00 00 00
			00 00 00 00 00 01 00 16 00 00 F2 3A 00 10 00 03 00 0C 00 02 01 02 00 02 4B B4 00 02 50 00`, true},
		{"get of the wave list", getWaves(0x16), "E1 00 00 02 00 01 00 16 00 16 00 03 00 10 00 21 00 00 00 00 00 00 00 00 00 01 00 02 F2 3A", true},
	} {
		got, want := appendFrame(nil, c.pdu), drivertest.Hex(t, c.want)
		if c.unwrapped {
			got = c.pdu
			if want[0] == frameStart {
				want = want[5:]
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s\n got % X\nwant % X", c.what, got, want)
		}
	}
	if n := len(abort); n != 48 {
		t.Errorf("abort of %d bytes, want 48", n)
	}
}
