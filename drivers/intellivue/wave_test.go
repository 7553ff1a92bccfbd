package intellivue

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// wave is an object with samples of 16 bits.
func wave(number, physio, state uint16, raw []uint16, more ...[]byte) []byte {
	v := appendFields(appendFields(nil, physio, state, uint16(2*len(raw))), raw...)
	return appendObject(number, attributes(1+len(more), append([][]byte{attribute(attrSamples, v)}, more...)...))
}

func scaled(low, high uint32, from, to uint16) []byte {
	b := binary.BigEndian.AppendUint32(nil, low)
	return attribute(attrScale, appendFields(binary.BigEndian.AppendUint32(b, high), from, to))
}

func sized(size, significant byte, flags uint16) []byte {
	return attribute(attrSampleSpec, appendFields(append(appendFields(nil, 4), size, significant), flags))
}

func period(ticks uint32) []byte {
	return attribute(attrSamplePeriod, binary.BigEndian.AppendUint32(nil, ticks))
}

func unit(code uint16) []byte { return attribute(attrUnit, appendFields(nil, code)) }

var ecg = [][]byte{label(0x00020102), sized(16, 14, flagExtended), scaled(0xFEFFF000, 0xFD009FFB, 0, 16383), period(32), unit(0x10B2)}

func TestTheWorkedSampleOfTheSheet(t *testing.T) {
	got := drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, wave(1, 0x0102, 0, []uint16{0x2109, 0, 16383}, ecg...)))
	same(t, got, "II 250/s -40.96+0.005 good [8457 0 16383]")
	s := got[0].Samples
	for i, want := range []float64{1.325, -40.96, 40.955} {
		if v := s.Offset.Float64() + s.Scale.Float64()*float64(s.Raw[i]); math.Abs(v-want) > 1e-9 {
			t.Errorf("sample %d is %v mV, want %v", i, v, want)
		}
	}
	if got[0].Delay != 12*time.Millisecond {
		t.Errorf("delay %v, want that of the first of 3 samples at 250/s", got[0].Delay)
	}
}

func TestAWaveIsNotDrawnBeforeItsScaleIsKnown(t *testing.T) {
	d := makeDecoder(false)
	bare := func(at uint32) []protocol.Observation {
		return drivertest.Decode(d, frame(classWave, groupAll, at, 1, wave(1, 0x0102, 0, []uint16{1, 2})))
	}
	same(t, bare(0))
	same(t, drivertest.Decode(d, frame(classWave, groupAll, 2048, 1, wave(1, 0x0102, 0, []uint16{1, 2}, ecg[:2]...))))
	same(t, drivertest.Decode(d, frame(classWave, groupAll, 4096, 1, wave(1, 0x0102, 0, []uint16{1, 2}, ecg[2:]...))), "II 250/s -40.96+0.005 good [1 2]")
	same(t, bare(6144), "II 250/s -40.96+0.005 good [1 2]")
	if d.monitor.blind != 2 {
		t.Errorf("%d blocks counted as dropped, want 2", d.monitor.blind)
	}
	// Streams that overlap bring a block twice.
	same(t, bare(6144))
	same(t, bare(8192), "II 250/s -40.96+0.005 good [1 2]")
	// The monitor starts its clock anew.
	same(t, bare(0xFFF00000), "II 250/s -40.96+0.005 good [1 2]")
}

func TestWavesWithoutAScaleOfTheirOwnAreShapes(t *testing.T) {
	shape := [][]byte{label(0x00024BB4), sized(16, 12, 0), scaled(floatNaN, 0xFF7FFFFF, 0, 4000), period(128), unit(0x0200)}
	same(t, drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, wave(1, 0x4BB4, 0, []uint16{0, 4000}, shape...))),
		"Pleth 62.5/s 0+0.00025 good [0 4000]")
	same(t, drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, wave(1, 0x5000, 0, []uint16{0, 4000}, shape...))),
		"Breathing 62.5/s 0+0.00025 good [0 4000]")
	same(t, drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, wave(1, 0x4A14, 0, []uint16{0, 4000}, shape...))),
		"ABP wave 62.5/s 0+0.00025 invalid [0 4000]") // a pressure without a scale
}

func TestWavesOfOtherUnitsAreConverted(t *testing.T) {
	// -5 to 45 kPa over 0 to 4000
	kPa := [][]byte{label(0x00024A14), sized(16, 12, 0), scaled(0x00FFFFFB, 0x0000002D, 0, 4000), period(64), unit(0x0F03)}
	got := drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, wave(1, 0x4A14, 0, []uint16{400, 4000}, kPa...)))
	if len(got) != 1 || got[0].Unit != "mm[Hg]" || got[0].Quality != protocol.QualityGood {
		t.Fatalf("%q", words(got))
	}
	for i, want := range []float64{0, 337.5277} {
		s := got[0].Samples
		if v := s.Offset.Float64() + s.Scale.Float64()*float64(s.Raw[i]); math.Abs(v-want) > 1e-3 {
			t.Errorf("sample %d is %v mmHg, want %v", i, v, want)
		}
	}
	volt := [][]byte{label(0x00020102), sized(16, 12, 0), scaled(0, 1, 0, 4000), period(64), unit(0x10A0)}
	same(t, drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, wave(1, 0x0102, 0, []uint16{1}, volt...))), "II 125/s 0+0.00025 invalid [1]")
}

func TestMarksInSamplesAreTakenOff(t *testing.T) {
	marks := attribute(attrFixedValues, appendFields(nil, 2, 8, fixedInvalid, 0x8004, 2, 0x4008))
	got := drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, wave(1, 0x0102, 0, []uint16{0x2000, 0x6008, 0x8004, 0xA000}, append(ecg, marks)...)))
	same(t, got, fmt.Sprintf("II 250/s -40.96+0.005 good [8192 8200 %d 8192]", protocol.NoSample))
}

func TestALeadThatIsOffHasNoSamples(t *testing.T) {
	n := protocol.NoSample
	for state, want := range map[uint16]string{
		stateInvalid:      fmt.Sprintf("II 250/s -40.96+0.005 missing [%d %d]", n, n),
		stateUnavailable:  fmt.Sprintf("II 250/s -40.96+0.005 missing [%d %d]", n, n),
		stateCalibrating:  fmt.Sprintf("II 250/s -40.96+0.005 calibrating [%d %d]", n, n),
		stateQuestionable: "II 250/s -40.96+0.005 questionable [1 2]",
		stateDemo:         "II 250/s -40.96+0.005 demo [1 2]",
	} {
		same(t, drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, wave(1, 0x0102, state, []uint16{1, 2}, ecg...))), want)
	}
}

func TestSamplesOfEightBits(t *testing.T) {
	eight := [][]byte{label(0x00024BB4), sized(8, 8, 0), scaled(floatNaN, floatNaN, 0, 250), period(0), unit(0x0200),
		attribute(attrSamples, append(appendFields(nil, 0x4BB4, 0, 32), make([]byte, 32)...))}
	got := drivertest.Decode(newDecoder(), frame(classWave, groupAll, 0, 1, appendObject(1, attributes(len(eight), eight...))))
	if len(got) != 1 || len(got[0].Samples.Raw) != 32 || got[0].Samples.RateMilliHz != 125_000 || got[0].Samples.Scale != protocol.Dec(4, -3) {
		t.Errorf("%q", words(got))
	}
}

func TestWavesComeWithoutGapsAndAsThePatientDrawsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Device{})
		defer b.end()
		next := map[protocol.Code]time.Time{}
		blocks := map[protocol.Code]int{}
		for _, o := range b.run(Driver, wait(5*time.Minute)) {
			if o.Kind != protocol.KindSamples {
				continue
			}
			if due := next[o.Code]; !due.IsZero() && o.DeviceTime.Sub(due).Abs() > time.Millisecond {
				t.Fatalf("%d begins at %v, want %v", o.Code, o.DeviceTime, due)
			}
			next[o.Code] = o.DeviceTime.Add(o.Samples.Duration())
			blocks[o.Code]++
		}
		for _, c := range []protocol.Code{protocol.ECGLeadI, protocol.ECGLeadII, protocol.ECGLeadV, protocol.Pleth, breathing, protocol.ABPWave} {
			if n := blocks[c]; n < 1160 {
				t.Errorf("%d: %d blocks in 5 min, want about 1168", c, n)
			}
		}
	})
}

func TestAListOfWavesThatSomebodyChoseIsLeft(t *testing.T) {
	answer := func(labels ...uint32) message {
		list := append(mdsObject[:], attributes(1, attribute(attrWaveList, appendLabels(nil, labels)))...)
		m, _ := parseMessage(appendOp(nil, opResult, 1, commandGet, list))
		return m
	}
	s := newSession(true)
	s.choose(answer(0x00024BB4))
	if len(s.waiting) != 0 {
		t.Errorf("a list with a pleth is changed")
	}
	s.choose(answer())
	if len(s.waiting) != 2 {
		t.Errorf("an empty list: %d requests, want a set and a get", len(s.waiting))
	}
	s.choose(answer(0x00024BB4)) // the monitor has no compound ECG
	s.choose(answer(0x00024BB4))
	if len(s.waiting) != 4 {
		t.Errorf("no ECG in the list: %d requests, want two sets and two gets", len(s.waiting))
	}
}
