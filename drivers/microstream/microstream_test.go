package microstream

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

var acts = []drivertest.Act{
	{For: 3530 * time.Millisecond, What: "measures"},
	{For: 2 * time.Second, What: "all sensors off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
	{For: 2 * time.Second, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }},
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/monitor.hex", "Capnostream 20.", Driver, drivertest.NewPatient(), acts...)
	drivertest.Run(t, Driver, drivertest.Options{})
}

func TestModule(t *testing.T) {
	drivertest.Play(t, Module, drivertest.Options{})
}

func FuzzMonitor(f *testing.F) { drivertest.Fuzz(f, Driver) }

func FuzzModule(f *testing.F) { drivertest.Fuzz(f, Module) }

func BenchmarkMonitor(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/monitor.hex"))
}

// said is what a device says, in short.
func said(d drivers.Driver, wire []byte) (all []string) {
	for _, o := range drivertest.Decode(d.NewDecoder(), wire) {
		if err := drivertest.Check(o); err != nil {
			all = append(all, err.Error())
		}
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		case o.Samples != nil:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Samples.RateMilliHz, " ", o.Samples.Raw, " ", o.Delay))
		case o.Code != protocol.IdentityModel:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

func wave(from, n int, status byte) (b []byte) {
	for i := range n {
		b = appendFrame(b, sayWave, byte(from+i), 38, 128, status)
	}
	return b
}

func TestWorkedFrames(t *testing.T) {
	for want, got := range map[string][]byte{
		"85 01 01 00":                appendFrame(nil, askEnable),
		"85 01 04 05":                appendFrame(nil, askStart),
		"85 01 06 07":                appendFrame(nil, askAlive),
		"85 05 00 07 26 80 00 00 A4": appendFrame(nil, sayWave, 7, 38, 128, 0),
	} {
		if !bytes.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
	numbers := drivertest.Hex(t, "85 1C 01 69 B5 1C 97 25 00 0E 61 52 00 00 00 00 00 00 00 3C 0F 28 08 08 64 55 8C 32 01 00 C7")
	want := []string{"etCO2 good 37", "FiCO2 good 0", "RR CO2 good 14", "SpO2 good 97", "PR good 82"}
	if got := said(Driver, numbers); !slices.Equal(got, want) {
		t.Errorf("numbers %q", got)
	}
	obs := drivertest.Decode(newMonitor(), numbers)
	if at := time.Date(2026, 3, 14, 8, 30, 15, 0, time.UTC); !obs[1].DeviceTime.Equal(at) {
		t.Errorf("device time %v", obs[1].DeviceTime)
	}
	if got, want := said(Module, drivertest.Hex(t, "85 04 01 24 01 12 32")), []string{"etCO2 good 36", "FiCO2 good 1", "RR CO2 good 18"}; !slices.Equal(got, want) {
		t.Errorf("breath %q", got)
	}
	if got, want := said(Driver, wave(0, 10, 0)), []string{"CO2 good 20000 [9856 9856 9856 9856 9856 9856 9856 9856 9856 9856] 450ms"}; !slices.Equal(got, want) {
		t.Errorf("wave %q", got) // 9856/256 = 38.5
	}
}

func TestAGapInTheWaveEndsItsBlock(t *testing.T) {
	want := []string{"CO2 good 20000 [9856 9856] 50ms", "CO2 good 20000 [9856 9856] 50ms", "CO2 good 20000 [9856 9856 9856 9856 9856 9856 9856 9856 9856 9856] 450ms"}
	if got := said(Driver, append(wave(248, 2, 0), append(wave(254, 2, 0), wave(0, 10, 0)...)...)); !slices.Equal(got, want) { // wraps
		t.Errorf("got %q", got)
	}
}

func numbersFrame(change func(data []byte)) []byte {
	data := make([]byte, numbersLen)
	copy(data[4:], []byte{37, 0, 14, 97, 82})
	data[25] = 1
	change(data)
	return appendFrame(nil, sayNumbers, data...)
}

func TestStatesOfTheMonitor(t *testing.T) {
	for _, c := range []struct {
		name string
		wire []byte
		want []string
	}{
		{"line off, though numbers stand in the frame", slices.Concat(wave(1, 1, fastLineOff), numbersFrame(func([]byte) {})),
			[]string{"start FilterLine off", "etCO2 sensor-off ", "FiCO2 sensor-off ", "RR CO2 sensor-off ", "SpO2 good 97", "PR good 82"}},
		{"warming up", slices.Concat(wave(1, 1, fastInitialising), numbersFrame(func(d []byte) { d[4], d[5], d[6] = 255, 255, 255 })),
			[]string{"etCO2 calibrating ", "FiCO2 calibrating ", "RR CO2 calibrating ", "SpO2 good 97", "PR good 82"}},
		{"none", numbersFrame(func(d []byte) { d[6], d[7] = 255, 255 }),
			[]string{"etCO2 good 37", "FiCO2 good 0", "RR CO2 missing ", "SpO2 missing ", "PR good 82"}},
		{"finger out", numbersFrame(func(d []byte) { d[14] = 0x20 }),
			[]string{"start SpO2 sensor off the patient", "etCO2 good 37", "FiCO2 good 0", "RR CO2 good 14", "SpO2 sensor-off ", "PR sensor-off "}},
		{"kPa", numbersFrame(func(d []byte) { d[4], d[25] = 49, 2 }),
			[]string{"etCO2 good 36.8", "FiCO2 good 0.0", "RR CO2 good 14", "SpO2 good 97", "PR good 82"}},
		{"vol% is not shown as a number", numbersFrame(func(d []byte) { d[4], d[25] = 49, 3 }),
			[]string{"etCO2 invalid 4.9", "FiCO2 invalid 0.0", "RR CO2 good 14", "SpO2 good 97", "PR good 82"}},
	} {
		if got := said(Driver, c.wire); !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestAlarmsBeginAndEnd(t *testing.T) {
	wire := slices.Concat(numbersFrame(func(d []byte) { d[13], d[14] = 0x05, 0x04 }), numbersFrame(func(d []byte) { d[13] = 0x04 }), numbersFrame(func([]byte) {}))
	var got []string
	for _, s := range said(Driver, wire) {
		if s[:2] == "st" || s[:2] == "en" {
			got = append(got, s)
		}
	}
	if want := []string{"start no breath", "start etCO2 below the monitor's limit", "start SpO2 below the monitor's limit", "end no breath",
		"end SpO2 below the monitor's limit", "end etCO2 below the monitor's limit"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// The monitor's known fault: SpO2 is now and then the respiration rate.
func TestTheRespirationRateIsNotShownAsSpO2(t *testing.T) {
	good, bad := numbersFrame(func([]byte) {}), numbersFrame(func(d []byte) { d[7], d[8] = 14, 97 })
	var got []string
	for _, s := range said(Driver, slices.Concat(good, bad, good)) {
		if s[:2] == "Sp" || s[:2] == "PR" {
			got = append(got, s)
		}
	}
	if want := []string{"SpO2 good 97", "PR good 82", "SpO2 invalid 14", "PR invalid 97", "SpO2 good 97", "PR good 82"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// A newborn that breathes 60 times a minute and desaturates to 60 % is no fault.
	before, after := numbersFrame(func(d []byte) { d[6], d[7] = 60, 61 }), numbersFrame(func(d []byte) { d[6], d[7] = 60, 60 })
	if got := said(Driver, slices.Concat(before, after)); got[len(got)-2] != "SpO2 good 60" {
		t.Errorf("a desaturation: %q", got)
	}
	if got := said(Driver, slices.Concat(good, bytes.Repeat(bad, 6))); got[len(got)-2] != "SpO2 good 14" {
		t.Errorf("after six such seconds: %q", got[len(got)-5:])
	}
}

func TestStatesOfAModule(t *testing.T) {
	status := func(s byte) []byte { return appendFrame(nil, podWave, 1, 0, 0, s) }
	breath := func(et, fi, rate byte) []byte { return appendFrame(nil, podBreath, et, fi, rate) }
	for _, c := range []struct {
		name string
		wire []byte
		want []string
	}{
		{"numbers are taken back at once when the line comes off", slices.Concat(breath(36, 1, 18), status(podLineOff), breath(36, 1, 18)),
			[]string{"etCO2 good 36", "FiCO2 good 1", "RR CO2 good 18", "start FilterLine off", "etCO2 sensor-off ", "FiCO2 sensor-off ", "RR CO2 sensor-off ",
				"etCO2 sensor-off ", "FiCO2 sensor-off ", "RR CO2 sensor-off "}},
		{"151 and 255 are no value", slices.Concat(breath(151, 1, 18), breath(36, 1, 255)),
			[]string{"etCO2 missing ", "FiCO2 good 1", "RR CO2 good 18", "etCO2 missing ", "FiCO2 missing ", "RR CO2 missing "}},
		{"calibration is due", slices.Concat(status(podDue), breath(36, 1, 18)),
			[]string{"start CO2 calibration is due", "etCO2 questionable 36", "FiCO2 questionable 1", "RR CO2 questionable 18"}},
		{"the wave waits for its rate", slices.Concat(status(0), appendFrame(nil, podConfig, outputWave, 0, 1), wave(10, 10, 0)),
			[]string{"CO2 good 40000 [9856 9856 9856 9856 9856 9856 9856 9856 9856 9856] 225ms"}},
		{"the last breath when asked is nothing new", appendFrame(nil, 0x11, 36, 1, 18), nil},
		{"pump", appendFrame(nil, podExtended, 0x04, 0x01), []string{"start FilterLine occluded", "start CO2 pump off"}},
	} {
		if got := said(Module, c.wire); !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// Whatever the devices say, only these frames can be sent to them.
func TestOnlyReadingRequestsAreEverSent(t *testing.T) {
	frames := func(all ...[]byte) map[string]bool {
		m := map[string]bool{}
		for _, f := range all {
			m[string(f)] = true
		}
		return m
	}
	for name, c := range map[string]struct {
		asker   drivers.Asker
		allowed map[string]bool
	}{
		"monitor": {newMonitor(), frames(appendFrame(nil, askEnable), appendFrame(nil, askStart), appendFrame(nil, askAlive))},
		"module": {newModule(), frames(appendFrame(nil, askMode), appendFrame(nil, askVersion), appendFrame(nil, askOutput, outputWave),
			appendFrame(nil, setOutput, outputBreath, 0, 1), appendFrame(nil, setMode, modeMeasure), appendFrame(nil, askExtended))},
	} {
		seen := map[string]bool{}
		now := time.Duration(0)
		for i := range 5000 {
			b, wait := c.asker.Ask(nil, now)
			for len(b) > 0 {
				var plain [maxLen + 2]byte
				_, n := unframe(b, &plain)
				if n <= 0 || !c.allowed[string(b[:n])] {
					t.Fatalf("%s: sends % X", name, b)
				}
				seen[string(b[:n])] = true
				b = b[n:]
			}
			now += wait
			if i%100 == 50 {
				c.asker.Decode(appendFrame(nil, podMode, modeStandby), func(protocol.Observation) {})
			}
			if i%10 < 7 { // the device says this and that, and sometimes nothing
				c.asker.Decode(appendFrame(nil, byte(i*7), byte(i), byte(i>>3), byte(i%5), byte(i>>2)), func(protocol.Observation) {})
			}
		}
		if len(seen) != len(c.allowed) {
			t.Errorf("%s: %d of %d requests were seen", name, len(seen), len(c.allowed))
		}
	}
}
