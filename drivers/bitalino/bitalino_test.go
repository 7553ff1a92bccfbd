package bitalino

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var ecg = sensors["ecg"].code

// The frames have a check of four bits only, so five in a row are wanted.
var options = drivertest.Options{Joined: []string{"*"}, Expect: []protocol.Code{ecg}}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/played.hex", "One input, 1000 samples/s.", Driver, drivertest.NewPatient(),
		drivertest.Act{For: 2505 * time.Millisecond, What: "starts, measures"},
		drivertest.Act{For: 800 * time.Millisecond, What: "electrodes off", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
		drivertest.Act{For: 800 * time.Millisecond, What: "on again", Do: func(p *drivertest.Patient) { p.AllOff(false) }})
	drivertest.Run(t, Driver, options)
}

func with(t *testing.T, settings string) drivers.Driver {
	t.Helper()
	d, err := Driver.Configure([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFourInputsArePlayedToo(t *testing.T) {
	opts := options
	opts.Expect = []protocol.Code{ecg, sensors["respiration"].code, sensors["eda"].code}
	drivertest.Play(t, with(t, "inputs: {A2: ecg, A1: respiration, A6: eda, A3: ECG}\nrate: 100"), opts)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

func BenchmarkDecoder(b *testing.B) {
	drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/played.hex"))
}

func TestWorkedFrames(t *testing.T) {
	for want, got := range map[string][]byte{
		"00 A8 5D":             appendFrame(nil, 5, 0b1010, 512),
		"2C 01 08 6E":          appendFrame(nil, 6, 0, 512, 300),
		"10 00 80 00 FC 0F FA": appendFrame(nil, 15, 0, 1023, 0, 512, 1),
	} {
		wire := drivertest.Hex(t, want)
		if !bytes.Equal(got, wire) {
			t.Errorf("% X, want %s", got, want)
		}
	}
	f := drivertest.Hex(t, "10 00 80 00 FC 0F FA")
	for i, want := range []int32{1023, 0, 512, 1} {
		if got := value(f, i); got != want {
			t.Errorf("value %d: %d", i+1, got)
		}
	}
	p, err := compile(Settings{Inputs: map[string]string{"A1": "ecg", "A2": "ecg"}})
	if err != nil || p.start != 0x0D || p.setRate != 0xC3 || p.frameSize != 4 {
		t.Errorf("%+v, %v", p, err)
	}
}

// samples are the samples of an input as values.
func samples(d drivers.Driver, wire []byte, input string) (all []float64) {
	for _, o := range drivertest.Decode(d.NewDecoder(), wire) {
		if o.Samples == nil || o.Channel != input {
			continue
		}
		for _, v := range o.Samples.Raw {
			f := math.NaN()
			if v != protocol.NoSample {
				f = o.Samples.Offset.Float64() + o.Samples.Scale.Float64()*float64(v)
			}
			all = append(all, f)
		}
	}
	return all
}

func TestValuesAreThoseOfTheSensors(t *testing.T) {
	var wire []byte
	for i := range 100 {
		wire = appendFrame(wire, byte(i), 0, 512, 256, 768)
	}
	d := with(t, "inputs: {A1: ecg, A3: respiration, A4: eda}\nrate: 100")
	for input, want := range map[string]float64{"A1": 0, "A3": -25, "A4": 18.75} {
		if got := samples(d, wire, input); len(got) != 100 || math.Abs(got[50]-want) > 1e-9 {
			t.Errorf("%s: %d values, %v, want %v", input, len(got), got[50], want)
		}
	}
}

// What came before a break is emitted, and what comes after it keeps its place.
func TestLostFramesLeaveHoles(t *testing.T) {
	var wire []byte
	for i := range 1000 {
		if i < 300 || i >= 307 {
			wire = appendFrame(wire, byte(i), 0, 300)
		}
	}
	var got []string
	for _, o := range drivertest.Decode(Driver.NewDecoder(), wire) {
		if o.Samples != nil {
			holes := 0
			for _, v := range o.Samples.Raw {
				if v == protocol.NoSample {
					holes++
				}
			}
			got = append(got, fmt.Sprint(len(o.Samples.Raw), " ", holes, " ", o.Quality))
		}
	}
	// The third block begins with the 50 places of the second, and 7 that were lost.
	if want := []string{"250 0 good", "50 0 good", "250 57 good", "250 0 good", "250 0 good"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestANumberMustGoUp(t *testing.T) {
	if obs := drivertest.Decode(Driver.NewDecoder(), bytes.Repeat(appendFrame(nil, 5, 0, 512), 1000)); len(obs) != 0 {
		t.Errorf("got %d observations", len(obs))
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for settings, want := range map[string]string{
		"rate: 50":          "rate 50",
		"inputs: {A7: ecg}": "A1 to A6",
		"inputs: {A1: emg}": `"emg"`,
		"inputs: {A1: ecg, A2: ecg, A3: ecg, A4: ecg, A5: ecg}": "at most 4",
		"channels: 1": "channels",
	} {
		if _, err := Driver.Configure([]byte(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

// Stop, version, 100 samples/s and start of input 1.
func TestOnlyFourBytesAreSent(t *testing.T) {
	requests := drivertest.Writes(t, with(t, "rate: 100"), drivertest.Only([]byte{0x00}, []byte{0x07}, []byte{0x83}, []byte{0x05}), func(r *rand.Rand) []byte {
		said := []string{"BITalino_v5.2\r\n", "BITalino_v3\n", "\x00\x07", "BITalino_v" + strings.Repeat("9", 80) + "\n"}
		return append([]byte(said[r.IntN(len(said))]), appendFrame(nil, byte(r.Uint32()), 0, 512)...)
	})
	if drivertest.Times(requests, []byte{0x05}) != 1 {
		t.Errorf("an hour without a fault: % X", requests)
	}
}

// Nothing but stop, version, rate and start is sent; start only after a board
// has said that it is one, stop only while something comes.
func TestWhatIsSent(t *testing.T) {
	p, _ := compile(Settings{})
	d := p.newDecoder()
	var silent, talks []byte
	now := time.Duration(0)
	step := func(heard string) []byte {
		d.Decode([]byte(heard), func(protocol.Observation) {})
		b, wait := d.Ask(nil, now)
		now += wait
		return b
	}
	for range 20 {
		silent = append(silent, step("")...)
	}
	if len(silent) == 0 || len(bytes.Trim(silent, "\x07")) != 0 {
		t.Errorf("to a silent board: % X", silent)
	}
	for range 20 {
		talks = append(talks, step("xyz")...)
	}
	if slices.ContainsFunc(talks[1:], func(c byte) bool { return c != cmdStop && c != cmdVersion }) {
		t.Errorf("to one that talks otherwise: % X", talks)
	}
	if got := append(step("BITalino_v5.2\r\n"), step("")...); !bytes.Equal(got, []byte{0xC3, 0x05}) {
		t.Errorf("to a board that answers: % X", got)
	}
}
