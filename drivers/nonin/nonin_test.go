package nonin

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var options = drivertest.Options{
	Unchecked: []string{"format1", "format8", "text"},
	Joined:    []string{"format1", "format2", "format7", "format8", "text"},
}

func TestDriver(t *testing.T) {
	acts := []drivertest.Act{
		{For: 6510 * time.Millisecond, What: "97 %, 72/min"},
		{For: 12 * time.Second, What: "finger out", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		{For: 3 * time.Second, What: "finger in, 91 %, 158/min", Do: func(p *drivertest.Patient) {
			p.AllOff(false)
			p.Set(protocol.SpO2, 91)
			p.Set(protocol.PulseRate, 158)
		}},
	}
	for _, format := range []int{1, 2, 7, 8, 13} {
		d := Driver
		d.Simulate = Device{Format: format, Every: 5 * time.Second}.Simulate
		drivertest.Record(t, fmt.Sprintf("testdata/format%d.hex", format), fmt.Sprintf("Data format %d.", format), d, drivertest.NewPatient(), acts...)
	}
	opts := options
	opts.Expect = []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.Pleth}
	drivertest.Run(t, Driver, opts)
}

func TestSpotCheckDriver(t *testing.T) {
	opts := options
	opts.AnyCode = true // the captures are of all formats
	opts.Settle = 30 * time.Second
	opts.Span = 2 * time.Minute
	drivertest.Run(t, SpotCheck, opts)
}

func TestFormats7And8And1ArePlayedToo(t *testing.T) {
	for _, format := range []int{1, 7, 8} {
		t.Run(fmt.Sprint(format), func(t *testing.T) {
			d := Driver
			d.Simulate = Device{Format: format}.Simulate
			opts := options
			opts.Settle = 12 * time.Second // the display values
			drivertest.Play(t, d, opts)
		})
	}
	if err := (Device{Format: 3}).Simulate(t.Context(), nil, nil); err == nil {
		t.Error("format 3 is played")
	}
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	for _, name := range []string{"format2", "format7", "format8", "format13"} {
		b.Run(name, func(b *testing.B) { drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/"+name+".hex")) })
	}
}

func decode(wire []byte) []protocol.Observation { return drivertest.Decode(newDecoder(), wire) }

// only keeps what a code says, in short.
func only(obs []protocol.Observation, code protocol.Code) (all []string) {
	for _, o := range obs {
		if o.Code == code {
			all = append(all, fmt.Sprint(o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

// frame2 is a frame of format 2.
func frame2(status, pleth, float byte) []byte {
	f := []byte{0x01, status, pleth, float}
	return append(f, checksum.Sum8(f))
}

// packet2 is a packet of format 2 with these bytes of numbers, by frame.
func packet2(status byte, floats map[int]byte) (b []byte) {
	for k := 1; k <= 25; k++ {
		st := 0x80 | status
		if k == 1 {
			st |= statusSync
		}
		b = append(b, frame2(st, byte(79+k), floats[k])...)
	}
	return b
}

// The first four frames are the sheet's; -D fields say another pair of values,
// and those are taken.
func TestWorkedPacketOfFormat2(t *testing.T) {
	floats := map[int]byte{1: 1, 2: 0x0E, 3: 0x5D, 4: 0x13, 9: 0x5E, 20: 1, 21: 0x0F}
	one := packet2(0, floats)
	if want := drivertest.Hex(t, "01 81 50 01 D3 01 80 51 0E E0 01 80 52 5D 30 01 80 53 13 E7"); !bytes.Equal(one[:20], want) {
		t.Fatalf("frames % X, want % X", one[:20], want)
	}
	obs := decode(slices.Concat(one, one[:5]))
	if got := only(obs, protocol.SpO2); !slices.Equal(got, []string{"good 94"}) {
		t.Errorf("SpO2 %q", got)
	}
	if got := only(obs, protocol.PulseRate); !slices.Equal(got, []string{"good 143"}) {
		t.Errorf("pulse %q", got)
	}
	if got := only(obs, protocol.IdentityFirmware); !slices.Equal(got, []string{"good revision 19"}) {
		t.Errorf("firmware %q", got)
	}
	for _, o := range obs {
		if o.Code == protocol.Pleth && (len(o.Samples.Raw) != 25 || o.Samples.Raw[0] != 80 || o.Samples.Raw[24] != 104 || o.Delay != 320*time.Millisecond) {
			t.Errorf("pleth %+v %+v", o, o.Samples)
		}
	}
}

func TestWorkedFramesOfTheOtherFormats(t *testing.T) {
	// Format 2, sensor off: `01 C8 00 7F 48`.
	off := packet2(0x48, map[int]byte{})
	copy(off[5:], drivertest.Hex(t, "01 C8 00 7F 48"))
	off = slices.Concat(off, off[:5])
	if got := only(decode(off), protocol.SpO2); !slices.Equal(got, []string{"sensor-off "}) {
		t.Errorf("sensor off: %q", got)
	}
	// Format 7: two frames of the sheet, then three more.
	seven := drivertest.Hex(t, "81 6A 2C 00 17  80 6A 90 48 C2")
	for range 3 {
		seven = append(seven, seven[5:10]...)
	}
	seven = append(seven, 0)
	obs := decode(seven)
	if got := obs[len(obs)-1].Samples; got == nil || !slices.Equal(got.Raw, []int32{27180, 27280, 27280, 27280, 27280}) {
		t.Errorf("format 7: %+v", obs)
	}
	// Format 8: 158/min and 91 %, then missing and disconnected.
	eight := bytes.Repeat(drivertest.Hex(t, "81 1E 5B 00"), 5)
	obs = decode(append(eight, drivertest.Hex(t, "C3 7F 7F 08")...))
	if got := only(obs, protocol.PulseRate); !slices.Equal(got, []string{"good 158", "good 158", "good 158", "good 158", "good 158", "sensor-off "}) {
		t.Errorf("format 8: pulse %q", got)
	}
	if got := only(obs, protocol.SpO2); len(got) != 6 || got[0] != "good 91" {
		t.Errorf("format 8: SpO2 %q", got)
	}
	// The five messages that it took to be sure are as old as they are.
	var delays []time.Duration
	for _, o := range obs {
		if o.Code == protocol.SpO2 {
			delays = append(delays, o.Delay/time.Second)
		}
	}
	if !slices.Equal(delays, []time.Duration{4, 3, 2, 1, 0, 0}) {
		t.Errorf("format 8: delays %v", delays)
	}
}

func TestTheRateHasNineBits(t *testing.T) {
	for _, rate := range []int{18, 127, 128, 255, 256, 321} {
		wire := packet2(0, map[int]byte{9: 97, 20: byte(rate >> 7), 21: byte(rate & 0x7F)})
		if got := only(decode(append(wire, wire[:5]...)), protocol.PulseRate); !slices.Equal(got, []string{fmt.Sprint("good ", rate)}) {
			t.Errorf("rate %d: %q", rate, got)
		}
		eight := bytes.Repeat([]byte{0x80 | byte(rate>>7), byte(rate & 0x7F), 97, 0}, 5)
		if got := only(decode(eight), protocol.PulseRate); len(got) != 5 || got[4] != fmt.Sprint("good ", rate) {
			t.Errorf("format 8, rate %d: %q", rate, got)
		}
	}
}

func TestAFrozenDisplayValueIsNeverShown(t *testing.T) {
	on := packet2(0, map[int]byte{9: 97, 21: 72})
	off := packet2(statusAlarm, map[int]byte{9: 97, 21: 72})
	obs := decode(slices.Concat(on, off, off, off, off, on, on[:5]))
	if got, want := only(obs, protocol.SpO2), []string{"good 97", "sensor-off ", "sensor-off ", "good 97"}; !slices.Equal(got, want) {
		t.Errorf("SpO2 %q, want %q", got, want)
	}
	var phases []protocol.Phase
	for _, o := range obs {
		if o.Code == protocol.EventSensorOff {
			phases = append(phases, o.Event.Phase)
		}
	}
	if !slices.Equal(phases, []protocol.Phase{protocol.PhaseStart, protocol.PhaseEnd}) {
		t.Errorf("sensor-off events %v", phases)
	}
}

func TestDoubtIsMarked(t *testing.T) {
	for name, status := range map[string]byte{"artefact": statusArtefact, "out of track": statusOutOfTrack, "low perfusion": perfusionLow} {
		wire := packet2(status, map[int]byte{9: 97, 21: 72})
		if got := only(decode(append(wire, wire[:5]...)), protocol.SpO2); !slices.Equal(got, []string{"questionable 97"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	wire := packet2(statusPerfusion, map[int]byte{9: 97, 21: 72}) // marginal
	if got := only(decode(append(wire, wire[:5]...)), protocol.SpO2); !slices.Equal(got, []string{"good 97"}) {
		t.Errorf("marginal perfusion: %q", got)
	}
}

func TestANumberNeedsAWholePacket(t *testing.T) {
	good := packet2(0, map[int]byte{9: 97, 21: 72})
	soiled := slices.Clone(good)
	soiled[60] ^= 4
	if got := only(decode(slices.Concat(soiled, good[:5])), protocol.SpO2); got != nil {
		t.Errorf("a packet with a bad frame: %q", got)
	}
	short := good[:len(good)-5] // a frame is missing
	if got := only(decode(slices.Concat(short, good[:5])), protocol.SpO2); got != nil {
		t.Errorf("24 frames from SYNC to SYNC: %q", got)
	}
	if got := only(decode(slices.Concat(good, good[5:10], good[5:])), protocol.SpO2); got != nil {
		t.Errorf("26 frames from SYNC to SYNC: %q", got)
	}
	// The wave of good frames is kept.
	var samples int
	for _, o := range decode(slices.Concat(soiled, good, good[:5])) {
		if o.Samples != nil {
			samples += len(o.Samples.Raw)
		}
	}
	if samples != 49 {
		t.Errorf("%d samples of 50 frames with a bad one, want 49", samples)
	}
}

func TestSmartPointAndBatteryAreEvents(t *testing.T) {
	plain, both := packet2(0, map[int]byte{9: 97, 21: 72}), packet2(0, map[int]byte{8: 0x21, 9: 97, 21: 72})
	var got []string
	for _, o := range decode(slices.Concat(plain, both, both, plain, plain[:5])) {
		if o.Kind == protocol.KindEvent {
			got = append(got, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		}
	}
	if want := []string{"once SmartPoint: high-quality measurement reached", "start battery low", "end battery low"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestFormat8NeedsARunOfPlausibleMessages(t *testing.T) {
	good := drivertest.Hex(t, "80 48 61 00")
	if obs := decode(bytes.Repeat(good, 4)); len(obs) != 0 {
		t.Errorf("four messages: %+v", obs)
	}
	if obs := decode(slices.Concat(bytes.Repeat(good, 4), drivertest.Hex(t, "80 05 61 00"), bytes.Repeat(good, 4))); len(obs) != 0 {
		t.Errorf("a rate of 5/min among them: %+v", obs)
	}
	soiled := slices.Concat(bytes.Repeat(good, 5), []byte{0x00}, bytes.Repeat(good, 2))
	if got := only(decode(soiled), protocol.SpO2); len(got) != 7 {
		t.Errorf("two messages after a soiled byte: %q", got)
	}
}

func TestAnotherFormatOnTheSameLineIsFound(t *testing.T) {
	load := func(name string) []byte { return drivertest.Load(t, "testdata/"+name+".hex") }
	obs := decode(slices.Concat(load("format8"), load("format2"), load("text"), load("format7"), load("format13_worked"), load("format1")))
	want := []string{"good " + models[format8], "good " + models[format2], "good " + modelText, "good " + models[format7], "good " + modelSpot, "good " + models[format1]}
	if got := only(obs, protocol.IdentityModel); !slices.Equal(got, want) {
		t.Errorf("models %q, want %q", got, want)
	}
}

func TestSpotChecksAreAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- run(ctx, drivers.Port(host), func(protocol.Observation) {}) }()
		device.Write(drivertest.Load(t, "testdata/format13_worked.hex"))
		synctest.Wait()
		device.SetReadDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 16)
		if n, _ := device.Read(buf); !bytes.Equal(buf[:n], bytes.Repeat([]byte{ack}, 5)) {
			t.Errorf("answered % X, want 5 times 06", buf[:n])
		}
		stop()
		<-done
	})
}

func TestNothingIsWrittenToAnOximeterThatTalks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, device := drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- run(ctx, host, func(protocol.Observation) {}) }()
		device.Write(drivertest.Load(t, "testdata/format8.hex"))
		time.Sleep(time.Minute)
		device.SetReadDeadline(time.Now().Add(time.Second))
		if n, _ := device.Read(make([]byte, 16)); n != 0 {
			t.Errorf("%d bytes were written", n)
		}
		stop()
		<-done
	})
}
