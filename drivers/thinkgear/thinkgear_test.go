package thinkgear

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/checksum"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestDriver(t *testing.T) {
	for file, d := range map[string]Device{"testdata/ecg.hex": {}, "testdata/eeg.hex": {EEG: true}} {
		played := Driver
		played.Simulate = d.Simulate
		drivertest.Record(t, file, fmt.Sprintf("A simulated chip, %+v.", d), played, drivertest.NewPatient(),
			drivertest.Act{For: 1400 * time.Millisecond, What: "measures"},
			drivertest.Act{For: time.Second, What: "electrodes off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
			drivertest.Act{For: time.Second, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	}
	drivertest.Run(t, Driver, drivertest.Options{
		// Samples have no number: one that is lost moves those after it in
		// their blocks. TestAFlippedBitMakesNoSample has what is left of it.
		Unchecked: []string{"ecg", "eeg"},
		Joined:    []string{"ecg", "eeg"},
		Expect:    []protocol.Code{protocol.HeartRate, ecgWave},
	})
}

func TestAFlippedBitMakesNoSample(t *testing.T) {
	wire := drivertest.Load(t, "testdata/ecg.hex")[:1300]
	type said struct {
		code  protocol.Code
		value int64
	}
	all := func(wire []byte) map[said]int {
		m := map[said]int{}
		for _, o := range drivertest.Decode(newDecoder(), append(slices.Clone(wire), make([]byte, 200)...)) { // junk ends the last block
			if o.Value.Valid {
				m[said{o.Code, o.Value.Mantissa}]++
			}
			if o.Samples != nil {
				for _, v := range o.Samples.Raw {
					m[said{o.Code, int64(v)}]++
				}
			}
		}
		return m
	}
	want := all(wire)
	for bit := range len(wire) * 8 {
		soiled := slices.Clone(wire)
		soiled[bit/8] ^= 1 << (bit % 8)
		for s, n := range all(soiled) {
			if n > want[s] {
				t.Fatalf("bit %d of byte %d flipped: %d times %v, want at most %d", bit%8, bit/8, n, s, want[s])
			}
		}
	}
}

func TestAHeadsetIsPlayedToo(t *testing.T) {
	d := Driver
	d.Simulate = Device{EEG: true}.Simulate
	drivertest.Play(t, d, drivertest.Options{Expect: []protocol.Code{attention, meditation, eegWave}})
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzPayload looks behind the checksum.
func FuzzPayload(f *testing.F) {
	f.Add([]byte{2, 0, 4, 0x35, 5, 0x3D}, 1)
	f.Add([]byte{2, 200, 3, 72, 0x55, 0x80, 1, 9, 0x80, 2, 0xFE, 0xD4}, 5)
	f.Fuzz(func(t *testing.T, payload []byte, step int) {
		payload = payload[:min(len(payload), maxPayload)]
		wire := appendPacket(appendPacket(nil, payload...), payload...)
		want := drivertest.Decode(newDecoder(), wire)
		for _, o := range want {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
		}
		got := 0
		dec := newDecoder()
		step = max(1, min(step, 64))
		for rest := wire; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			dec.Decode(rest[:min(step, len(rest))], func(protocol.Observation) { got++ })
		}
		if got != len(want) {
			t.Errorf("%d observations in pieces of %d, %d whole", got, step, len(want))
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/ecg.hex"))
}

// told is what packets with these payloads say, in short.
func told(payloads ...[]byte) (all []string) {
	var wire []byte
	for _, p := range payloads {
		wire = appendPacket(wire, p...)
	}
	return say(append(wire, 0)) // junk ends a block
}

func say(wire []byte) (all []string) {
	for _, o := range drivertest.Decode(newDecoder(), wire) {
		term, _ := protocol.Lookup(o.Code)
		switch {
		case o.Event != nil:
			all = append(all, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
		case o.Samples != nil:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Samples.Scale, " ", o.Samples.Raw, " ", o.Delay))
		default:
			all = append(all, fmt.Sprint(term.Label, " ", o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

func TestWorkedPackets(t *testing.T) {
	wire := drivertest.Load(t, "testdata/worked.hex")
	want := []string{"Model good NeuroSky ThinkGear, EEG", "Attention good 53", "Meditation good 61", "EEG good 0.2197265625 [-300] 0s"}
	if got := say(wire); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRows(t *testing.T) {
	raw := []byte{codeRaw, 2, 0xFE, 0xD4}
	const isECG, isEEG = "Model good NeuroSky ThinkGear, ECG", "Model good NeuroSky ThinkGear, EEG"
	for name, c := range map[string]struct {
		payloads [][]byte
		want     []string
	}{
		"a wave of nobody knows what":       {[][]byte{raw, raw}, nil},
		"an ECG":                            {[][]byte{{2, 200, 3, 72}, raw, raw}, []string{isECG, "HR good 72", "ECG raw good 1 [-300 -300] 1.953125ms"}},
		"its electrodes come off and on":    {[][]byte{{2, 200, 3, 72}, raw, {2, 0, 3, 72}, raw, {2, 200, 3, 71}}, []string{isECG, "HR good 72", "ECG raw good 1 [-300] 0s", "start electrodes off", "HR sensor-off ", "ECG raw sensor-off 1 [-2147483648] 0s", "end electrodes off", "HR good 71"}},
		"a doubtful contact":                {[][]byte{{2, 100, 3, 72}, {3, 73}}, []string{isECG, "HR questionable 72", "HR questionable 73"}},
		"no contact was told yet":           {[][]byte{{3, 72}}, []string{isECG, "HR questionable 72"}},
		"no heart rate yet":                 {[][]byte{{2, 200, 3, 0}}, []string{isECG, "HR missing "}},
		"a headset":                         {[][]byte{{2, 0, 4, 53, 5, 0}, {2, 0}, {4, 101}}, []string{isEEG, "Attention good 53", "Meditation missing ", "Attention invalid 101"}},
		"a headset with noise":              {[][]byte{{2, 26, 4, 53}}, []string{isEEG, "Attention questionable 53"}},
		"a headset off the head":            {[][]byte{{2, 200, 4, 53}, {2, 0, 4, 53}}, []string{isEEG, "start electrodes off", "Attention sensor-off ", "end electrodes off", "Attention good 53"}},
		"bands say that it is a headset":    {[][]byte{append([]byte{2, 0, codeBands, 24}, make([]byte, 24)...), raw}, []string{isEEG, "EEG good 0.2197265625 [-300] 0s"}},
		"rows that nobody knows":            {[][]byte{{8, 1, 0x16, 5, 0x90, 3, 1, 2, 3, 2, 200, 3, 72}}, []string{isECG, "HR good 72"}},
		"rows of an extended level":         {[][]byte{{0x55, 3, 99, 0x55, 0x55, 0x80, 1, 7, 2, 200, 3, 72}}, []string{isECG, "HR good 72"}},
		"a row that is longer than it is":   {[][]byte{{3, 72, 0x90, 9, 1}}, nil},
		"a row without value":               {[][]byte{{3, 72, 3}}, nil},
		"nothing but an extended level":     {[][]byte{{0x55, 0x55}}, nil},
		"a sample of three bytes":           {[][]byte{{3, 72, codeRaw, 3, 1, 2, 3}}, nil},
		"bands of another length":           {[][]byte{{3, 72, codeBands, 1, 1}}, nil},
		"another chip on the same line":     {[][]byte{{2, 200, 3, 72}, raw, {2, 0, 4, 53}}, []string{isECG, "HR good 72", "ECG raw good 1 [-300] 0s", isEEG, "Attention good 53"}},
		"it is a headset if it is not sure": {[][]byte{{2, 0, 3, 72, 4, 53}}, []string{isEEG, "Attention good 53"}},
	} {
		if got := told(c.payloads...); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestPacketsThatAreNone(t *testing.T) {
	long := append([]byte{sync, sync, 170}, make([]byte, 170)...)
	for name, wire := range map[string][]byte{
		"empty":       {sync, sync, 0, 0xFF},
		"too long":    append(long, checksum.Not8(long[3:])),
		"a wrong sum": {sync, sync, 2, 3, 72, 0},
		"one sync":    {sync, 2, 3, 72, ^byte(75)},
	} {
		d := newDecoder()
		if obs := drivertest.Decode(d, wire); len(obs) != 0 || d.Stats().Frames != 0 {
			t.Errorf("%s: %+v %+v", name, obs, d.Stats())
		}
	}
	// More sync bytes than two.
	d := newDecoder()
	drivertest.Decode(d, append([]byte{sync, sync}, appendPacket(nil, 2, 200, 3, 72)...))
	if s := d.Stats(); s.Frames != 1 || s.Skipped != 2 {
		t.Errorf("%+v", s)
	}
}

func TestBlocksAreOfAQuarterOfASecond(t *testing.T) {
	wire := appendPacket(nil, 2, 200, 3, 72)
	for i := range 300 {
		wire = appendPacket(wire, codeRaw, 2, byte(i>>8), byte(i))
	}
	var blocks int
	for _, o := range drivertest.Decode(newDecoder(), wire) {
		if o.Samples == nil {
			continue
		}
		blocks++
		if len(o.Samples.Raw) != blockLen || o.Delay != 127*time.Second/512 || o.Samples.RateHz() != 512 {
			t.Errorf("%d samples, delay %v", len(o.Samples.Raw), o.Delay)
		}
	}
	if blocks != 2 {
		t.Errorf("%d blocks", blocks)
	}
}
