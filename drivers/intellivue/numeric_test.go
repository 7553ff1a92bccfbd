package intellivue

import (
	"encoding/binary"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// frame is a monitor's answer to an extended poll, framed.
func frame(class, group uint16, at uint32, context uint16, objects ...[]byte) []byte {
	var all []byte
	for _, o := range objects {
		all = append(all, o...)
	}
	data := append(binary.BigEndian.AppendUint32(appendFields(nil, 0x0101, 1), at), notFilledIn[:]...)
	data = appendFields(data, 1, class, group, 1, uint16(6+len(all)), context, uint16(len(objects)), uint16(len(all)))
	data = append(data, all...)
	body := append(appendFields(mdsObject[:], actionExtendedPoll, uint16(len(data))), data...)
	return appendFrame(nil, appendOp(nil, opResult, 7, commandAction, body))
}

// numeric is an object with one value.
func numeric(number, physio, state, unit uint16, float uint32, more ...[]byte) []byte {
	v := binary.BigEndian.AppendUint32(appendFields(nil, physio, state, unit), float)
	return appendObject(number, attributes(1+len(more), append([][]byte{attribute(attrNumeric, v)}, more...)...))
}

func label(l uint32) []byte {
	return attribute(attrLabel, binary.BigEndian.AppendUint32(nil, l))
}

func spec(category, access uint16) []byte {
	return attribute(attrMetricSpec, appendFields(nil, 0, 8192, category, access, 0x0101, 0))
}

func stamped(t time.Time) []byte { return attribute(attrStampAbsolute, appendAbsolute(nil, t)) }

// create is the MDS create event at a time and in a mode.
func createFrame(at uint32, clock time.Time, mode uint16) []byte {
	list := attributes(3, attribute(attrTimeAbsolute, appendAbsolute(nil, clock)),
		attribute(attrTimeRelative, binary.BigEndian.AppendUint32(nil, at)), attribute(attrMode, appendFields(nil, mode)))
	data := append(mdsObject[:], list...)
	body := appendFields(binary.BigEndian.AppendUint32(mdsObject[:], at), eventMDSCreated, uint16(len(data)))
	return appendFrame(nil, appendOp(nil, opInvoke, 1, commandConfirmedEvent, append(body, data...)))
}

func TestFloatsAreExactAndSpecialOnesAreNoNumbers(t *testing.T) {
	for _, c := range []struct {
		float   uint32
		want    string
		quality protocol.Quality
	}{
		{0x00000048, "72", protocol.QualityGood},
		{0xFF0003CF, "97.5", protocol.QualityGood},
		{0xFF000172, "37.0", protocol.QualityGood},
		{0xFD008F0D, "36.621", protocol.QualityGood},
		{0xFEFFFF9C, "-1.00", protocol.QualityGood},
		{0x02000003, "300", protocol.QualityGood},
		{0x007FFFFF, "", protocol.QualityMissing},
		{0xFF7FFFFF, "", protocol.QualityMissing}, // whatever the exponent
		{0x00800000, "", protocol.QualityMissing},
		{0x00800001, "", protocol.QualityMissing},
		{0x007FFFFE, "", protocol.QualityOverflow},
		{0x00800002, "", protocol.QualityUnderflow},
		{0x7F000001, "", protocol.QualityInvalid},
	} {
		if v, q := floatOf(c.float); v.String() != c.want || q != c.quality {
			t.Errorf("%08X: %q %v, want %q %v", c.float, v, q, c.want, c.quality)
		}
	}
}

func TestStatesAreQualities(t *testing.T) {
	for _, c := range []struct {
		state   uint16
		float   uint32
		quality protocol.Quality
	}{
		{0x0000, 72, protocol.QualityGood},
		{0x0002, 72, protocol.QualityGood}, // in alarm
		{0x0001, 72, protocol.QualityGood}, // alarm off
		{0x0080, 72, protocol.QualityGood}, // validated
		{0x4000, 72, protocol.QualityQuestionable},
		{0x0040, 72, protocol.QualityQuestionable},
		{0x8000, 72, protocol.QualityInvalid},
		{0x0100, 72, protocol.QualityInvalid}, // a bit that nobody has described
		{0x8000, floatNaN, protocol.QualityMissing},
		{0x2000, floatNaN, protocol.QualityMissing},
		{0x2000, 72, protocol.QualityMissing},
		{0x1000, 72, protocol.QualityCalibrating},
		{0x0020, floatNaN, protocol.QualityOngoing},
		{0x0400, 72, protocol.QualityDemo},
		{0x0800, 72, protocol.QualityDemo},
	} {
		if v, q := reading(c.float, c.state); q != c.quality || q.HasNumber() != v.Valid && q.HasNumber() {
			t.Errorf("state %04X, float %X: %v %v, want %v", c.state, c.float, v, q, c.quality)
		}
	}
}

func TestUnitsAreConvertedOrTheValueIsRejected(t *testing.T) {
	got := drivertest.Decode(newDecoder(), frame(classNumeric, groupObserved, 0, 1,
		numeric(1, 0x4A15, 0, 0x0F03, 0xFF0000A0), // 16.0 kPa
		numeric(2, 0x4B60, 0, 0x1140, 0xFF0003DA), // 98.6 °F
		numeric(3, 0x0302, 0, 0x0512, 0xFFFFFFF4), // ST -1.2 mm
		numeric(4, 0x4182, 0, 0x0F20, 72),         // a heart rate in mmHg
		numeric(5, 0x4182, 0x8000, 0, floatNaN),
		numeric(6, 0x4BB0, 0, 0x0200, 0xFF000012)))
	same(t, got, "ABP sys 120.0 mm[Hg] good", "T core 37.00 Cel good", "ST II -0.120 mV good", "HR 72 mm[Hg] invalid",
		"HR@2  /min missing", "PI 1.8 % good")
}

func TestPrivateIDsAreNeverTakenForOurOwn(t *testing.T) {
	for id := range uint16(0xFFFF) {
		got := targetOf(id, protocol.KindNumeric, false)
		if term, ok := protocol.Lookup(got.code); ok && id >= 0xF000 && got.code == partitionPhysio+protocol.Code(id) {
			t.Errorf("%04X is kept as %s", id, term.RefID)
		}
	}
	if got := targetOf(0xF101, protocol.KindNumeric, false); got.code != 0x402F101 { // signal to noise, not sleep
		t.Errorf("F101 is kept as %X", got.code)
	}
	same(t, drivertest.Decode(newDecoder(), frame(classNumeric, groupObserved, 0, 1,
		numeric(1, 0xF0C7, 0, 0x17A0, 37), numeric(2, 0xF0C8, 0, 0x17A0, 36), numeric(3, 0xF0A9, 0, 0x0F20, 100), numeric(4, 0xF04E, 0, 0x0200, 45))),
		"Temp@1 37 Cel good", "Temp@2 36 Cel good", "IBP sys@2 100 mm[Hg] good", "BIS 45 1 good")
}

func TestASettingIsNotAMeasurement(t *testing.T) {
	got := drivertest.Decode(newDecoder(), frame(classNumeric, groupAll, 0, 1,
		numeric(1, 0x4B48, 0, 0x17A0, 35, label(0x04024B48)),
		numeric(2, 0x513C, 0, 0x0652, 400, spec(categoryManualSetting, accessPeriodic)),
		numeric(3, 0x4B48, 0, 0x17A0, 37, label(0x00024B48))))
	same(t, got, "?16927560 35 Cel good", "?16929084 400 mL good", "Temp 37 Cel good")
	if got[0].Code != 258<<16|0x4B48 {
		t.Errorf("code %X", got[0].Code)
	}
}

func TestNothingIsSaidOfAnObjectThatIsNotDescribed(t *testing.T) {
	d := newDecoder()
	bare := numeric(1, 0x4B48, 0, 0x17A0, 35)
	same(t, drivertest.Decode(d, frame(classNumeric, groupAll, 0, 1, bare)))
	same(t, drivertest.Decode(d, frame(classNumeric, groupAll, 8192, 1, numeric(1, 0x4B48, 0, 0x17A0, 35, label(0x00024B48)))), "Temp 35 Cel good")
	same(t, drivertest.Decode(d, frame(classNumeric, groupAll, 16384, 1, bare)), "Temp 35 Cel good")
	// Handles are void with the association.
	drivertest.Decode(d, appendFrame(nil, associatePDU(pduAssociated, associatedPresentation, profile{})))
	same(t, drivertest.Decode(d, frame(classNumeric, groupAll, 24576, 1, bare)))
}

func TestTheSourceOfAPulseRateIsItsChannel(t *testing.T) {
	same(t, drivertest.Decode(newDecoder(), frame(classNumeric, groupAll, 0, 1,
		numeric(1, 0x480A, 0, 0x0AA0, 71, label(0x80035402)),
		numeric(2, 0x4822, 0, 0x0AA0, 72, label(0x80155401)),
		numeric(3, 0x4822, 0, 0x0AA0, 73, label(0x00024822)))),
		"Pulse@ABP 71 /min good", "PR@left 72 /min good", "PR 73 /min good")
}

func TestEqualHandlesOfTwoContextsAreTwoSeries(t *testing.T) {
	d := newDecoder()
	for i := range 3 {
		at := uint32(i) * 8192
		same(t, drivertest.Decode(d, frame(classNumeric, groupObserved, at, 1, numeric(1, 0x4BB8, 0, 0x0220, 97))), "SpO2 97 % good")
		same(t, drivertest.Decode(d, frame(classNumeric, groupObserved, at, 2, numeric(1, 0x4BB8, 0, 0x0220, 91))), "SpO2@2 91 % good")
	}
	// The first is gone for a minute; a new one takes its place.
	later := uint32(70 * ticksPerSecond)
	same(t, drivertest.Decode(d, frame(classNumeric, groupObserved, later, 3, numeric(1, 0x4BB8, 0, 0x0220, 95))), "SpO2 95 % good")
}

func TestACuffPressureIsOneReadingWithItsAge(t *testing.T) {
	d := newDecoder()
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	drivertest.Decode(d, createFrame(80000, noon, modeMonitoring))
	cuff := func(seconds int, state uint16, v uint32, taken time.Time) []protocol.Observation {
		return drivertest.Decode(d, frame(classNumeric, groupAll, 80000+uint32(seconds)*ticksPerSecond, 1,
			numeric(1, 0x4A05, state, 0x0F20, v, label(0x00024A04), spec(1, simEpisodic), stamped(taken))))
	}
	old := noon.Add(-time.Hour)
	got := cuff(1, 0, 121, old)
	same(t, got, "NIBP sys 121 mm[Hg] good")
	if got[0].Delay != time.Hour+time.Second || !got[0].DeviceTime.Equal(old) {
		t.Errorf("delay %v, device time %v: want an hour and a second, %v", got[0].Delay, got[0].DeviceTime, old)
	}
	same(t, cuff(2, 0, 121, old))
	same(t, cuff(60, stateOngoing, 121, old)) // it inflates
	same(t, cuff(90, 0, 121, old))            // and could not measure
	taken := noon.Add(2 * time.Minute)
	got = cuff(125, 0, 121, taken) // the same value, measured anew
	same(t, got, "NIBP sys 121 mm[Hg] good")
	if got[0].Delay != 5*time.Second {
		t.Errorf("delay %v, want 5 s", got[0].Delay)
	}
	same(t, cuff(130, stateUnavailable, floatNaN, taken), "NIBP sys  mm[Hg] missing")
	same(t, cuff(131, stateUnavailable, floatNaN, taken))
	same(t, cuff(132, 0, 121, taken)) // an old value that comes back is not a new one
	// A stamp that cannot be: the monitor's clock was set back.
	same(t, cuff(140, 0, 125, noon.Add(time.Hour)), "NIBP sys 125 mm[Hg] unknown")
}

func TestACuffPressureWithoutStampIsUnknownAtFirst(t *testing.T) {
	d := newDecoder()
	cuff := func(v uint32) []protocol.Observation {
		return drivertest.Decode(d, frame(classNumeric, groupObserved, 0, 1, numeric(1, 0x4A05, 0, 0x0F20, v)))
	}
	same(t, cuff(121), "NIBP sys 121 mm[Hg] unknown")
	same(t, cuff(121))
	same(t, cuff(118), "NIBP sys 118 mm[Hg] good")
}

func TestTheMonitorsClockWrapsAfterDays(t *testing.T) {
	d := newDecoder()
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	drivertest.Decode(d, createFrame(0xFFFFF000, noon, modeMonitoring))
	got := drivertest.Decode(d, frame(classNumeric, groupObserved, 0x0F40, 1, numeric(1, 0x4182, 0, 0x0AA0, 72)))
	if want := noon.Add(time.Second); !got[0].DeviceTime.Equal(want) {
		t.Errorf("device time %v, want %v", got[0].DeviceTime, want)
	}
}

func TestOperatingModes(t *testing.T) {
	for mode, want := range map[uint16]string{
		modeMonitoring: "HR 72 /min good", modeUnspecified: "HR 72 /min good", modeMonitoring | modeDemo: "HR 72 /min demo", modeDemo: "HR 72 /min demo",
		0x1000: "HR 72 /min invalid", 0x0002: "HR 72 /min invalid", 0x0001: "HR 72 /min invalid",
	} {
		d := newDecoder()
		drivertest.Decode(d, createFrame(0, time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC), mode))
		same(t, drivertest.Decode(d, frame(classNumeric, groupObserved, 0, 1, numeric(1, 0x4182, 0, 0x0AA0, 72))), want)
	}
}

func TestEscapedBytesStandAnywhere(t *testing.T) {
	for _, c := range []byte{frameStart, frameEnd, frameEscape} {
		for i := range 60 {
			pdu := make([]byte, 60)
			pdu[i] = c
			var got []byte
			s := serial{take: func(p []byte) { got = append(got, p...) }}
			b := appendFrame(nil, pdu)
			if n := s.frame(b); n != len(b) || string(got) != string(pdu) {
				t.Fatalf("%02X at %d: frame gives %d of %d bytes, % X", c, i, n, len(b), got)
			}
		}
	}
	s := serial{take: func([]byte) { t.Error("a frame that was given up is taken") }}
	if n := s.frame([]byte{frameStart, protocolID, messageType, 0, 2, 1, frameEscape, frameEnd}); n > 0 {
		t.Errorf("a frame that was given up has length %d", n)
	}
}

// FuzzPayload gets past the CRC, which fuzzing of the stream does not.
func FuzzPayload(f *testing.F) {
	f.Add(uint16(classNumeric), numeric(1, 0x4A05, 0, 0x0F20, 121, label(0x00024A04), spec(1, simEpisodic), stamped(time.Unix(0, 0))), []byte{})
	f.Add(uint16(classMDS), appendObject(0, (&playing{}).product()), appendFields(nil, 1, 2))
	f.Add(uint16(classAlarms), alarms([][]byte{entry(0x4BB8, 0x003E, 0x0200, "low")}, nil)[40:], []byte{0, 0})
	f.Add(uint16(classWave), wave(1, 0x0102, 0, []uint16{1, 2}, ecg...), []byte{0, 0})
	f.Fuzz(func(t *testing.T, class uint16, object, pdu []byte) {
		d := newDecoder()
		wire := frame(class, groupAll, 0, 1, object)
		for _, head := range []byte{pduData, pduAssociated, pduAbort, pduRefused} {
			if len(pdu) <= maxPDU-1 {
				wire = appendFrame(wire, append([]byte{head}, pdu...))
			}
		}
		wire = append(wire, frame(class, groupAll, 8192, 1, object, object)...)
		for _, o := range drivertest.Decode(d, wire) {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
		}
		parseAssociation(pdu)
		s := newSession(true)
		s.begin(time.Now())
		if len(pdu) > 0 {
			s.heard(pdu, time.Now())
		}
	})
}

func TestAFrameWithoutPDUIsNone(t *testing.T) {
	d := makeDecoder(false)
	d.heard = func(pdu []byte) { newSession(true).heard(pdu, time.Now()) }
	if got := drivertest.Decode(d, appendFrame(nil, nil)); len(got) != 0 || d.Stats().Frames != 0 {
		t.Errorf("%q, %+v", words(got), d.Stats())
	}
}
