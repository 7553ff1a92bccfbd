package contec

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
	Unchecked: []string{"*"}, // no checksum
	Joined:    []string{"*"}, // packets count in a run
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "Second generation.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 2510 * time.Millisecond, What: "97 %, 72/min"},
		drivertest.Act{For: 1500 * time.Millisecond, What: "finger out", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 1500 * time.Millisecond, What: "finger in, 88 %, 158/min", Do: func(p *drivertest.Patient) {
			p.AllOff(false)
			p.Set(protocol.SpO2, 88)
			p.Set(protocol.PulseRate, 158)
		}})
	drivertest.Run(t, Driver, options)
}

func TestAShyOneAndOneWithoutPerfusionIndexAreReadToo(t *testing.T) {
	d := Driver
	d.Simulate = Device{NoPI: true, Shy: true}.Simulate
	opts := options
	opts.Expect = []protocol.Code{protocol.SpO2, protocol.PulseRate}
	drivertest.Play(t, d, opts)
}

func TestFirstGeneration(t *testing.T) { testFive(t, First) }
func TestBerry(t *testing.T)           { testFive(t, Berry) }

// testFive runs the kit with the captures of packets of five bytes, which lie
// in another directory because they mean something else to each decoder.
func testFive(t *testing.T, d drivers.Driver) {
	t.Chdir("testdata/" + d.Name)
	drivertest.Run(t, d, options)
}

func TestWorkedPacketsOfFiveBytes(t *testing.T) {
	for _, c := range []struct {
		d      drivers.Driver
		packet string
		want   []string
	}{
		{First, "C5 3D 47 06 61", []string{"SpO2 good 97", "PR good 134"}},
		{First, "80 00 10 7F 7F", []string{"Sensor off start", "SpO2 sensor-off ", "PR sensor-off "}},
		{First, "A5 3D 07 48 59", []string{"Low start", "SpO2 good 89", "PR good 72"}},
		{First, "95 3D 07 48 61", []string{"SpO2 questionable 97", "PR questionable 72"}},
		{Berry, "86 2C 45 0D 62", []string{"SpO2 good 98", "PR good 141"}},
		{Berry, "80 00 50 7F 7F", []string{"Sensor off start", "SpO2 sensor-off ", "PR sensor-off "}},
		{Berry, "A6 2C 05 48 62", []string{"Sensor off start", "SpO2 sensor-off ", "PR sensor-off "}},
		{Berry, "96 2C 05 48 62", []string{"SpO2 questionable 98", "PR questionable 72"}},
		{Berry, "86 2C 45 7F 7F", []string{"SpO2 missing ", "PR missing "}},
	} {
		if got := told(c.d, bytes.Repeat(drivertest.Hex(t, c.packet), lockRun)); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %q, want %q", c.d.Name, c.packet, got, c.want)
		}
	}
}

// told is what the bytes say, in short.
func told(d drivers.Driver, wire []byte) (all []string) {
	for _, o := range drivertest.Decode(d.NewDecoder(), wire) {
		term, _ := protocol.Lookup(o.Code)
		if o.Event != nil {
			all = append(all, fmt.Sprint(term.Label, " ", o.Event.Phase))
			continue
		}
		all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value))
	}
	return all
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func FuzzFive(f *testing.F) { drivertest.Fuzz(f, Berry, "testdata/berry") }

func BenchmarkDecoder(b *testing.B) {
	b.Run("second", func(b *testing.B) { drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex")) })
	b.Run("berry", func(b *testing.B) {
		drivertest.Bench(b, Berry, drivertest.Load(b, "testdata/berry/testdata/played.hex"))
	})
}

func TestWorkedPackets(t *testing.T) {
	for packet, want := range map[string][]string{
		"01 A8 C4 CD 89 84 E0 FA 80": {"SpO2 good 96", "PR good 132", "PI good 2.50"},
		"01 E9 80 C0 80 FF FF FF FF": {"Sensor off start", "SpO2 sensor-off ", "PR sensor-off "},
		"01 E0 C4 CD 89 C8 E0 FF FF": {"SpO2 good 96", "PR good 72"},
		"01 E2 C4 CD 89 C8 E0 FF FF": {"SpO2 questionable 96", "PR questionable 72"},
		"01 E8 C4 CD 89 FF FF FF FF": {"SpO2 missing ", "PR missing "},
	} {
		got := told(Driver, bytes.Repeat(drivertest.Hex(t, packet), lockRun))
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", packet, got, want)
		}
	}
}

func TestFourPacketsAreNotBelieved(t *testing.T) {
	four := bytes.Repeat(drivertest.Hex(t, "01 A8 C4 CD 89 84 E0 FA 80"), lockRun-1)
	if obs := drivertest.Decode(newDecoder(), slices.Concat(four, []byte{0}, four)); len(obs) != 0 {
		t.Errorf("%+v", obs)
	}
}

func TestNumbersComeOnceASecondAndTheWaveInHalves(t *testing.T) {
	var numbers, samples int
	for _, o := range drivertest.Decode(newDecoder(), bytes.Repeat(drivertest.Hex(t, "01 A8 C4 CD 89 84 E0 FA 80"), lockRun-1+10*60)) {
		switch o.Code {
		case protocol.SpO2:
			numbers++
		case protocol.Pleth:
			samples += len(o.Samples.Raw)
			if o.Delay != 29*time.Second/60 || o.Samples.Raw[0] != 77 {
				t.Fatalf("pleth %+v %+v", o, o.Samples)
			}
		}
	}
	if numbers != 10 || samples != 600 {
		t.Errorf("%d numbers and %d samples in 10 s", numbers, samples)
	}
}

// A command of another kind could set a clock or erase what was recorded.
func TestOnlyTheseCommandsAreSent(t *testing.T) {
	d := makeDecoder()
	allowed := []byte{cmdHello, cmdStart, cmdStop, cmdStopStore, cmdIdentify, cmdAlive}
	var sent []byte
	for now := time.Duration(0); now < time.Hour; {
		b, wait := d.Ask(nil, now)
		for ; len(b) > 0; b = b[9:] {
			if !slices.Contains(allowed, b[2]) || !bytes.Equal(b[:9], appendCommand(nil, b[2])) {
				t.Fatalf("sent % X", b[:9])
			}
			sent = append(sent, b[2])
		}
		if wait <= 0 || wait > aliveEvery {
			t.Fatalf("wait %v", wait)
		}
		if now += wait; now > 10*time.Second && now < 10*time.Minute {
			d.streamed = true
		}
	}
	if want := []byte{cmdIdentify, cmdStart, cmdStopStore, cmdStop, cmdHello, cmdIdentify, cmdStart}; !bytes.Equal(sent[:len(want)], want) {
		t.Errorf("sent % X, want % X first", sent[:len(want)], want)
	}
	if !slices.Contains(sent, cmdAlive) {
		t.Error("no keep-alive")
	}
}
