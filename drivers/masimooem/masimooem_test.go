package masimooem

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var acts = []drivertest.Act{
	{For: 2530 * time.Millisecond, What: "measures"},
	{For: 2 * time.Second, What: "sensor off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
	{For: 2 * time.Second, What: "on again, 88 %", Do: func(p *drivertest.Patient) { p.AllOff(false); p.Set(protocol.SpO2, 88) }},
}

// The perfusion index is recorded but never shown as a number.
var options = drivertest.Options{Expect: []protocol.Code{protocol.SpO2, protocol.PulseRate}}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/board.hex", "A SET OEM board.", Driver, drivertest.NewPatient(), acts...)
	drivertest.Run(t, Driver, options)
}

func TestIAP(t *testing.T) {
	t.Chdir("iap")
	drivertest.Record(t, "testdata/port.hex", "The data port of a Radical-7.", IAP, drivertest.NewPatient(), acts...)
	drivertest.Run(t, IAP, drivertest.Options{})
}

func FuzzBoard(f *testing.F) { drivertest.Fuzz(f, Driver) }

func FuzzIAP(f *testing.F) { drivertest.Fuzz(f, IAP, "iap") }

// FuzzGroup is behind the sum.
func FuzzGroup(f *testing.F) {
	for _, g := range groups {
		f.Add(appendGroup(nil, binary.BigEndian, g, 970, 10, 0)[2:])
		f.Add(appendGroup(nil, binary.LittleEndian, g, 970, 10, 1)[2:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 || len(payload) > maxLen {
			return
		}
		for _, o := range drivertest.Decode(newPort(), appendFrame(nil, payload...)) {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
			if !slices.Contains(IAP.Codes, o.Code) {
				t.Errorf("code %d is not in the list", o.Code)
			}
		}
	})
}

func BenchmarkBoard(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/board.hex"))
}

func BenchmarkIAP(b *testing.B) {
	drivertest.Bench(b, IAP, drivertest.Load(b, "iap/testdata/port.hex"))
}

// said is what a decoder says of wire, in short.
func said(d drivers.Decoder, wire []byte) (all []string) {
	for _, o := range drivertest.Decode(d, wire) {
		if err := drivertest.Check(o); err != nil {
			all = append(all, err.Error())
		}
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Priority, " ", o.Event.Text))
		default:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

// round is the first frames of a round of the board.
func round(spo2, rate, exceptions uint16) (b []byte) {
	for seq := range byte(seqExceptions + 1) {
		b = appendBoard(b, seq, map[byte]uint16{seqSpO2: spo2, seqRate: rate, seqExceptions: exceptions}[seq], 0)
	}
	return b
}

func TestWorkedFrames(t *testing.T) {
	if got, want := said(newBoard(), drivertest.Load(t, "testdata/worked.hex")), []string{"SpO2 good 97.0", "PR good 72", "PI unknown 1.500"}; !slices.Equal(got, want) {
		t.Errorf("board %q", got)
	}
	want := []string{"Firmware good IAP revision 0104", "Model good Masimo oximeter, IAP", "SpO2 good 97.0", "once low the oximeter is switched off", "SpO2 missing "}
	if got := said(newPort(), drivertest.Load(t, "iap/testdata/worked.hex")); !slices.Equal(got, want) {
		t.Errorf("IAP %q", got)
	}
	for want, got := range map[string][]byte{
		"C3 01 11 11 C6": keepAlive, "C3 01 10 10 C6": askRevision, "C3 03 21 0A 01 2C C6": appendFrame(nil, codePeriodic, groups[0].id, 1),
	} {
		if !bytes.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
}

func TestNumbersOfTheBoardAreWorthWhatItsExceptionsSay(t *testing.T) {
	const off = "start low no sensor on the patient"
	for _, c := range []struct {
		name string
		wire []byte
		want []string
	}{
		{"none", round(0, 0, excActive), []string{"SpO2 missing ", "PR missing ", "PI missing "}},
		{"off, though numbers stand there", round(970, 72, excOffPatient|excActive), []string{off, "SpO2 sensor-off ", "PR sensor-off ", "PI sensor-off "}},
		{"no cable", round(970, 72, excNoCable), []string{off, "SpO2 sensor-off ", "PR sensor-off ", "PI sensor-off "}},
		{"defective", round(970, 72, excDefective|excActive), []string{"start low sensor defective or not recognised", "SpO2 sensor-off ", "PR sensor-off ", "PI sensor-off "}},
		{"low perfusion", round(970, 72, excLowPerfusion|excActive), []string{"SpO2 questionable 97.0", "PR questionable 72", "PI missing "}},
		{"not processing", round(970, 72, 0), []string{"SpO2 unknown ", "PR unknown ", "PI missing "}},
		{"demonstration", round(970, 72, excDemo|excActive), []string{"SpO2 demo 97.0", "PR demo 72", "PI missing "}},
		{"whole percents are not taken for tenths", round(97, 72, excActive), []string{"SpO2 unknown ", "PR good 72", "PI missing "}},
		{"no such number", round(1001, 351, excActive), []string{"SpO2 unknown ", "PR unknown ", "PI missing "}},
		{"off and on", append(round(970, 72, excNoSensor), round(960, 73, excActive)...), []string{off, "SpO2 sensor-off ", "PR sensor-off ", "PI sensor-off ",
			"end low no sensor on the patient", "SpO2 good 96.0", "PR good 73", "PI missing "}},
		{"a frame between is lost", append(round(970, 72, excActive)[:4*boardLen], round(980, 73, excActive)[5*boardLen:]...), []string{"SpO2 unknown ", "PR unknown ", "PI unknown "}},
		{"rounds are lost", append(round(970, 72, excActive)[:2*boardLen], round(980, 73, excActive)...),
			[]string{"SpO2 unknown ", "PR unknown ", "SpO2 good 98.0", "PR good 73", "PI missing "}},
		{"the first round is not whole", round(980, 73, excActive)[boardLen:], []string{"PR good 73", "PI missing "}},
	} {
		if got := said(newBoard(), c.wire); !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestAFailureOfTheBoardTakesItsNumbersBack(t *testing.T) {
	wire := round(970, 72, excActive)
	for range 3 {
		wire = appendBoard(wire, seqFailure, 0x17, 0)
	}
	wire = append(wire, round(970, 72, excActive)...)
	want := []string{"SpO2 good 97.0", "PR good 72", "PI missing ", "start high the board reports a failure", "SpO2 missing ", "PR missing ", "PI missing ",
		"end high the board reports a failure", "SpO2 good 97.0", "PR good 72", "PI missing "}
	if got := said(newBoard(), wire); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestNumbersOfTheDataPort(t *testing.T) {
	spo2, hb := groups[0], groups[1]
	other := spo2
	other.dimension = 2112
	cut := appendGroup(nil, binary.BigEndian, spo2, 970, 10, 0)
	cut = appendFrame(nil, cut[2:len(cut)-3]...)
	for _, c := range []struct {
		name string
		wire []byte
		want []string
	}{
		{"the other byte order", appendGroup(nil, binary.LittleEndian, spo2, 970, 10, 0), []string{"SpO2 good 97.0"}},
		{"haemoglobin", appendGroup(nil, binary.BigEndian, hb, 132, 10, 0), []string{"SpHb good 13.2"}},
		{"low signal", appendGroup(nil, binary.BigEndian, spo2, 970, 10, lowSignal), []string{"SpO2 questionable 97.0"}},
		{"invalid", appendGroup(nil, binary.BigEndian, spo2, 970, 10, noValue|lowSignal), []string{"SpO2 missing "}},
		{"starting", appendGroup(nil, binary.BigEndian, spo2, 970, 10, startingUp), []string{"SpO2 calibrating "}},
		{"an exception that is not known", appendGroup(nil, binary.BigEndian, spo2, 970, 10, 8), []string{"SpO2 unknown "}},
		{"no divisor", appendGroup(nil, binary.BigEndian, spo2, 97, 0, 0), []string{"SpO2 unknown "}},
		{"a divisor that is no power of ten", appendGroup(nil, binary.BigEndian, spo2, 970, 12, 0), []string{"SpO2 unknown "}},
		{"below zero", appendGroup(nil, binary.BigEndian, spo2, -970, 10, 0), []string{"SpO2 unknown "}},
		{"whole", appendGroup(nil, binary.BigEndian, spo2, 97, 1, 0), []string{"SpO2 good 97"}},
		{"another unit", appendGroup(nil, binary.BigEndian, other, 970, 10, 0), []string{"SpO2 unknown "}},
		{"a shorter group", cut, nil},
	} {
		got := slices.DeleteFunc(said(newPort(), c.wire), func(s string) bool { return s[:5] == "Model" })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// Whatever the oximeter says, only these frames can be sent to it.
func TestOnlyTheseRequestsAreEverSent(t *testing.T) {
	allowed := map[string]bool{"\xC3\x01\x11\x11\xC6": true, "\xC3\x01\x10\x10\xC6": true, "\xC3\x03\x21\x0A\x01\x2C\xC6": true, "\xC3\x03\x21\x10\x01\x32\xC6": true}
	seen := map[string]int{}
	d := newPort()
	now := time.Duration(0)
	for i := range 5000 {
		b, wait := d.Ask(nil, now)
		for len(b) > 0 {
			n := int(b[1]) + overhead
			if !allowed[string(b[:n])] {
				t.Fatalf("sends % X", b)
			}
			seen[string(b[:n])]++
			b = b[n:]
		}
		if wait <= 0 || wait > aliveEvery {
			t.Fatalf("asks again after %v", wait)
		}
		now += wait
		if i > 4000 { // the port says this and that
			d.Decode(appendFrame(nil, byte(i), byte(i>>1), byte(i>>2)), func(protocol.Observation) {})
		}
	}
	if len(seen) != len(allowed) || seen["\xC3\x01\x11\x11\xC6"] != 5000 {
		t.Errorf("sent %d kinds of requests: %v", len(seen), seen)
	}
}

func TestAGroupThatComesIsNotAskedForAgain(t *testing.T) {
	d := newPort()
	asked := 0
	for now := time.Duration(0); now < time.Minute; now += time.Second {
		b, _ := d.Ask(nil, now)
		asked += bytes.Count(b, appendFrame(nil, codePeriodic, groups[0].id, 1))
		if now < 30*time.Second {
			d.Decode(appendGroup(nil, binary.BigEndian, groups[0], 970, 10, 0), func(protocol.Observation) {})
		}
	}
	if asked != 1+5 { // at the start; from 35 s on
		t.Errorf("asked %d times", asked)
	}
}
