package zephyr

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

var options = drivertest.Options{
	AnyCode: true, // the captures are of both belts
	Expect:  []protocol.Code{protocol.HeartRate, protocol.RespirationRate, skin, posture, activity, interval, anyECG, chest},
	// It cannot be below 0.
	Tolerance: map[protocol.Code]float64{activity: 2},
}

var acts = []drivertest.Act{
	{For: 3010 * time.Millisecond, What: "at rest"},
	{For: 2 * time.Second, What: "off the body", Do: func(p *drivertest.Patient) { p.AllOff(true) }},
}

func TestDriver(t *testing.T) {
	drivertest.Record(t, "testdata/harness.hex", "A simulated BioHarness.", Driver, drivertest.NewPatient(), acts...)
	drivertest.Record(t, "testdata/hxm.hex", "A simulated HxM.", HxM, drivertest.NewPatient(), acts...)
	drivertest.Run(t, Driver, options)
}

func TestHxM(t *testing.T) {
	opts := options
	opts.Expect = []protocol.Code{protocol.HeartRate, interval}
	drivertest.Play(t, HxM, opts)
}

func FuzzDecoder(f *testing.F) { drivertest.Fuzz(f, Driver) }

// FuzzPayload is behind the check.
func FuzzPayload(f *testing.F) {
	for id, n := range sizes {
		f.Add(id, bytes.Repeat([]byte{0x55}, n))
	}
	f.Fuzz(func(t *testing.T, id byte, data []byte) {
		n := sizes[id]
		if len(data) < n {
			return
		}
		one := send(nil, id, data[:n])
		for _, o := range drivertest.Decode(newDecoder(), slices.Concat(one, send(nil, id, data[len(data)-n:]), one)) {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
			if !slices.Contains(codes, o.Code) {
				t.Errorf("code %d is not in the list", o.Code)
			}
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	for _, name := range []string{"harness", "hxm"} {
		b.Run(name, func(b *testing.B) { drivertest.Bench(b, Driver, drivertest.Load(b, "testdata/"+name+".hex")) })
	}
}

func said(obs []protocol.Observation, code protocol.Code) (all []string) {
	for _, o := range obs {
		if o.Code == code {
			all = append(all, fmt.Sprint(o.Quality, " ", o.Value, o.Text))
		}
	}
	return all
}

func expect(t *testing.T, obs []protocol.Observation, code protocol.Code, want ...string) {
	t.Helper()
	if got := said(obs, code); !slices.Equal(got, want) {
		term, _ := protocol.Lookup(code)
		t.Errorf("%s: %q, want %q", term.RefID, got, want)
	}
}

func TestTheWorkedCommands(t *testing.T) {
	for want, got := range map[string][]byte{
		"02 14 01 01 5E 03": command(setGeneral, 1), "02 15 01 01 5E 03": command(setBreathing, 1), "02 16 01 01 5E 03": command(setECG, 1),
		"02 BD 02 01 00 C4 03": command(setSummary, 1, 0), "02 23 00 00 03": alive,
	} {
		if !bytes.Equal(got, drivertest.Hex(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
}

func TestTheWorkedGeneralMessage(t *testing.T) {
	data := make([]byte, sizes[general])
	copy(data, drivertest.Hex(t, "09 EA 07 03 0E D8 25 D3 01 48 00 9E 00 55 01"))
	obs := drivertest.Decode(newDecoder(), send(nil, general, data))
	expect(t, obs, protocol.HeartRate, "good 72")
	expect(t, obs, protocol.RespirationRate, "good 15.8")
	expect(t, obs, skin, "good 34.1")
	for _, o := range obs {
		if o.Code == protocol.HeartRate && !o.DeviceTime.Equal(time.Date(2026, 3, 14, 8, 30, 15, 0, time.UTC)) {
			t.Errorf("device time %v", o.DeviceTime)
		}
	}
}

func TestTheWorkedSamples(t *testing.T) {
	p := drivertest.Hex(t, "00 06 F8 1F 00")
	for i, want := range []int32{0, 1, -1, -512} {
		if got := sample(p, i); got != want {
			t.Errorf("sample %d: %d, want %d", i, got, want)
		}
	}
}

func TestARateOfLowConfidenceIsNotShown(t *testing.T) {
	data := make([]byte, sizes[summary])
	data[10], data[12], data[29], data[34] = 72, 150, 255, 10
	obs := drivertest.Decode(newDecoder(), send(nil, summary, data))
	expect(t, obs, protocol.HeartRate, "invalid 72")
	expect(t, obs, protocol.RespirationRate, "good 15.0") // 255 is no confidence
}

func TestEachBeatOfAnHxMGivesOneInterval(t *testing.T) {
	data := make([]byte, sizes[hxm])
	message := func(beat byte, stamps ...uint16) []byte {
		data[9], data[10] = 75, beat
		for i, s := range stamps {
			data[11+2*i], data[12+2*i] = byte(s), byte(s>>8)
		}
		return send(nil, hxm, slices.Clone(data))
	}
	obs := drivertest.Decode(newDecoder(), slices.Concat(message(254, 65000, 64200), message(254, 65000, 64200), message(0, 1000, 274, 65000, 64200)))
	expect(t, obs, interval, "good 810", "good 726")
}

func TestRunWritesOnlySwitchesAndLifeSigns(t *testing.T) {
	switchOn := drivertest.Hex(t, "02 BD 02 01 00 C4 03")
	lives := drivertest.Hex(t, "02 23 00 00 03")
	allowed := drivertest.Only(switchOn, lives, drivertest.Hex(t, "02 15 01 01 5E 03"), drivertest.Hex(t, "02 16 01 01 5E 03"), drivertest.Hex(t, "02 19 01 01 5E 03"))
	requests := drivertest.Writes(t, Driver, allowed, func(r *rand.Rand) []byte { // the check is right
		data := make([]byte, r.IntN(maxData))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		return send(nil, byte(r.Uint32()), data)
	})
	if once, n := drivertest.Times(requests, switchOn), drivertest.Times(requests, lives); once != 1 || n < 890 || n > 901 {
		t.Errorf("switched on %d times, %d life signs in an hour", once, n)
	}
}

func TestTheBeltThatTalksByItselfIsLeftAlone(t *testing.T) {
	drivertest.Writes(t, HxM, drivertest.Only())
}
