package phd

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestSpecialValuesAreNoNumbers(t *testing.T) {
	for f, want := range map[uint16]string{
		0xF173: "37.1 good", 0x0061: "97 good", 0xE3E8: "10.00 good", 0x1005: "50 good", 0xF800: " missing", 0x0FFF: "-1 good", 0x8001: "0.00000001 good",
		0x07FF: " missing", 0x0800: " missing", 0x0801: " missing", 0x07FE: " overflow", 0x0802: " underflow",
	} {
		if d, q := sfloatOf(f); d.String()+" "+q.String() != want {
			t.Errorf("%04X: %s %s, want %s", f, d, q, want)
		}
	}
	for f, want := range map[uint32]string{
		0xFF000173: "37.1 good", 0xFD012345: "74.565 good", 0x00FFFFFF: "-1 good", 0x20000001: " invalid", 0x007FFFFF: " missing", 0x00800000: " missing",
		0x00800001: " missing", 0x007FFFFE: " overflow", 0x00800002: " underflow",
	} {
		if d, q := floatOf(f); d.String()+" "+q.String() != want {
			t.Errorf("%08X: %s %s, want %s", f, d, q, want)
		}
	}
}

func TestTheStatusOfAMeasurementIsItsQuality(t *testing.T) {
	spo2 := configured(classNumeric, 1, protocol.SpO2, unit("%"), valueMap(attrBasic, 2, attrStatus, 2))
	for status, want := range map[int]string{
		0: "good 97", 0x8000: "invalid 97", 0x4000: "questionable 97", 0x2000: "missing ", 0x1000: "calibrating ", 0x0800: "demo 97", 0x0400: "demo 97",
		0x0080: "good 97", 0x0040: "questionable 97", 0x0020: "questionable 97",
	} {
		k := newTalk(t)
		k.configure(spo2)
		k.hears(fixedReport(2, observed(1, []byte{0, 97}, u16(nil, status))))
		k.wants("status", "PULS_OXIM_SAT_O2/ "+want+" %")
	}
	k := newTalk(t)
	k.configure(spo2)
	k.hears(fixedReport(2, observed(1, []byte{7, 0xFF}, u16(nil, 0x0020))))
	k.wants("measuring", "PULS_OXIM_SAT_O2/ ongoing  %")
}

func TestValuesAreKeptInTheUnitsOfTheirTerms(t *testing.T) {
	k := newTalk(t)
	unitCode := func(c int) []byte { return attribute(attrUnit, u16(nil, c)) }
	k.configure(
		configured(classNumeric, 1, nibp, attribute(attrPhysioList, listOf([]byte{0x4A, 5}, []byte{0x4A, 6}, []byte{0x4A, 7})), unitCode(0x0F03), valueMap(attrCompoundBasic, 10)),
		configured(classNumeric, 2, protocol.Glucose, unitCode(0x1272), valueMap(attrBasic, 2)),
		configured(classNumeric, 3, protocol.BodyTemperature, unitCode(0x1140), valueMap(attrBasic, 2)),
		configured(classNumeric, 4, protocol.MustCode("MDC_MASS_BODY_ACTUAL"), unitCode(0x06E0), valueMap(attrSimple, 4)),
		configured(classNumeric, 5, 2<<16|57680, unitCode(0x07A0), valueMap(attrBasic, 2)),
		configured(classNumeric, 6, protocol.SpO2, unitCode(0x0F20), valueMap(attrBasic, 2)),
		configured(classNumeric, 7, 2<<16|57676, unitCode(0x7777), valueMap(attrBasic, 2)),
		configured(classNumeric, 8, 2<<16|57380, unitCode(0x17A0), valueMap(attrBasic, 2)),
		configured(classNumeric, 9, glucoseTest, unitCode(0x0852), valueMap(attrBasic, 2)),
	)
	k.hears(fixedReport(2,
		observed(1, listOf([]byte{0xF0, 0xA0}, []byte{0xF0, 0x6B}, []byte{0x07, 0xFF})), observed(2, []byte{0xF0, 0x37}), observed(3, []byte{0xF3, 0xDA}),
		observed(4, []byte{0xFF, 0, 6, 0xBC}), observed(5, []byte{0xF0, 0xEB}), observed(6, []byte{0, 97}), observed(7, []byte{0, 20}), observed(8, []byte{0xF1, 0x71}), observed(9, []byte{0, 110})))
	k.wants("units", "PRESS_BLD_NONINV_SYS/ good 120.0 mm[Hg]", "PRESS_BLD_NONINV_DIA/ good 80.3 mm[Hg]", "PRESS_BLD_NONINV_MEAN/ missing  mm[Hg]",
		"CONC_GLU_CAPILLARY_WHOLEBLOOD/ good 99 mg/dL", "TEMP_BODY/ good 37.00 Cel", "MASS_BODY_ACTUAL/ good 78.20 kg", "UNKNOWN_188752/ good 23.5 kg/m2",
		"PULS_OXIM_SAT_O2/ invalid 97 mm[Hg]", "UNKNOWN_188748/ good 20 {unit 7777}", "TEMP_AXIL/ good 36.9 Cel", "CONC_GLU_CONTROL/ demo 110 mg/dL")
}

func TestVariableReportsCarryWhatTheyMeanWithThem(t *testing.T) {
	k := newTalk(t)
	k.configure(configured(classNumeric, 1, protocol.BodyTemperature, unit("Cel")), configured(classNumeric, 2, nibp, unit("mm[Hg]")),
		configured(classEnumeration, 3, 128<<16|29156))
	observation := func(handle int, attributes ...[]byte) []byte {
		return append(u16(nil, handle), listOf(attributes...)...)
	}
	variable := func(observations ...[]byte) []byte {
		return reports(2, 0, eventFixed+1, append([]byte{0xF0, 0, 0, 0}, listOf(observations...)...))
	}
	k.hears(variable(
		observation(1, attribute(0x0ABC, []byte{1, 2, 3}), attribute(attrUnit, []byte{0x11, 0x40}), attribute(attrBasic, []byte{0xF3, 0xDA})),
		observation(2, attribute(attrPhysioList, listOf([]byte{0x4A, 5}, []byte{0x4A, 6})), attribute(attrCompoundSimple, listOf([]byte{0, 0, 0, 120}, []byte{0, 0, 0, 70}))),
		observation(2, attribute(attrNumeric, []byte{0x4A, 7, 0x40, 0, 0x0F, 0x20, 0, 0, 0, 90})),
		observation(3, attribute(attrOID, []byte{0x71, 0xE8})),
		observation(0, attribute(attrBattery, []byte{0, 55}), attribute(attrModel, append(octets([]byte("Acme\x00")), octets([]byte("X \xff1"))...)))))
	k.wants("variable", "MONITORME_BATTERY_LEVEL/ good 55 %", "ATTR_ID_MODEL/ good Acme X 1 ", "TEMP_BODY/ good 37.00 Cel", "PRESS_BLD_NONINV_SYS/ good 120 mm[Hg]",
		"PRESS_BLD_NONINV_DIA/ good 70 mm[Hg]", "PRESS_BLD_NONINV_MEAN/ questionable 90 mm[Hg]", "UNKNOWN_8417764/ good 29160 ")
	k.hears(variable(observation(2, attribute(attrCompoundBasic, listOf([]byte{0, 120}, []byte{0, 70}, []byte{0, 90})))))
	if got := k.take(); len(got) != 3 || got[0] != "UNKNOWN_67324420/1 good 120 mm[Hg]" {
		t.Errorf("a compound value of unknown parts: %q", got)
	}
}

func TestTheSensorOfAnOximeter(t *testing.T) {
	k := newTalk(t)
	k.configure(configured(classNumeric, 1, protocol.SpO2, unit("%"), valueMap(attrBasic, 2)), configured(classNumeric, 2, protocol.BodyTemperature, unit("Cel"), valueMap(attrBasic, 2)),
		configured(classEnumeration, 9, oximeterStatus, valueMap(attrBits16, 2)))
	say := func(status int) {
		k.hears(fixedReport(2, observed(1, []byte{0, 97}), observed(2, []byte{0xF1, 0x73}), observed(9, u16(nil, status))))
	}
	off, temp := "PULS_OXIM_SAT_O2/ sensor-off  %", "TEMP_BODY/ good 37.1 Cel"
	say(0x0800)
	k.wants("off", "EVT_SENSOR_DISCONN/ good start sensor is off the patient ", off, temp)
	k.hears(fixedReport(3, observed(1, []byte{0, 97})))
	k.wants("still off", off)
	say(0x8800)
	k.wants("disconnected too", "EVT_SENSOR_DISCONN/ good continue sensor is disconnected ", off, temp)
	say(0x0020)
	k.wants("low perfusion", "EVT_SENSOR_DISCONN/ good end sensor is disconnected ", "EVT_SIG_LO/ good start low perfusion ", "PULS_OXIM_SAT_O2/ questionable 97 %", temp)
	say(0x0002)
	k.wants("faulty", "EVT_SIG_LO/ good end low perfusion ", "EVT_MALF/ good start oximeter is faulty ", "PULS_OXIM_SAT_O2/ invalid 97 %", temp)
	k.hears(workedAssociate)
	k.wants("another association", "EVT_MALF/ good end oximeter is faulty ")
}

func TestOnlyOnePersonsValuesAreTaken(t *testing.T) {
	pressure := configured(classNumeric, 1, protocol.BodyTemperature, unit("Cel"), valueMap(attrBasic, 2))
	of := func(person int) []byte { return append(u16(nil, person), listOf(observed(1, []byte{0xF1, 0x73}))...) }
	several := reports(2, 0, eventFixed+2, append([]byte{0xF0, 0, 0, 0}, listOf(of(1), of(2), of(0xFFFF))...))
	plain := fixedReport(3, observed(1, []byte{0xF1, 0x73}))
	two := uint16(2)

	k := newTalk(t)
	k.configure(pressure)
	if got := k.hears(several); got == "" {
		t.Error("not confirmed")
	}
	k.wants("no person set", "EVT_ALARM/person good once values left out that may be another person's: 3. The device serves several persons: set person ")
	k.hears(plain)
	k.wants("one person", "TEMP_BODY/ good 37.1 Cel")

	k = newTalk(t, func(s *Settings) { s.Person = &two })
	k.configure(pressure)
	k.hears(several)
	k.wants("person 2", "TEMP_BODY/ good 37.1 Cel", "EVT_ALARM/person good once values left out that are not of the person that is set: 2 ")
	k.hears(several)
	k.wants("again", "TEMP_BODY/ good 37.1 Cel")
	k.hears(plain)
	k.wants("nobody's")
}

func TestScanners(t *testing.T) {
	k := newTalk(t)
	groups := listOf(append(u16(nil, 1), listOf([]byte{0x0A, 0x4C, 0, 2})...), append(u16(nil, 2), listOf([]byte{0x0A, 0x48, 0, 8}, []byte{0x09, 0x91, 0, 4})...))
	k.configure(
		configured(classNumeric, 1, protocol.SpO2, unit("%")),
		configured(classSamples, 2, protocol.ECGLeadI, attribute(attrScale16, []byte{0xFD, 0xFF, 0xFC, 0x18, 0xFD, 0, 3, 0xE8, 0xFC, 0x18, 3, 0xE8}),
			attribute(attrSampleSpec, []byte{0, 3, 16, 255, 0, 0}), attribute(attrSamplePeriod, []byte{0, 0, 0, 40}), attribute(attrUnit, []byte{0x10, 0xB2})),
		append(u16(u16(nil, 0x13), 7), listOf(attribute(attrHandleMap, groups))...))
	one := octets(slices.Concat([]byte{0, 97}, octets([]byte{0xFF, 0xFF, 0, 5, 0x7F, 0xFF}), []byte{0, 0, 0x1F, 0x40}))
	two := octets(slices.Concat([]byte{0, 98}, octets([]byte{0, 1, 0, 2, 0, 3}), []byte{0, 0, 0x3E, 0x80}))
	info := append([]byte{0xF0, 0, 0, 0}, listOf(one, two)...)
	b := says(3, serviceEvent, u16(nil, 7), []byte{0, 0, 0x5D, 0xC0}, u16(nil, eventBuffered+2), octets(info))
	if got := k.hears(b); got != "" {
		t.Errorf("an event that wants no answer got %s", got)
	}
	k.wants("grouped, buffered", "PULS_OXIM_SAT_O2/ good 97 %", "ECG_ELEC_POTL_I/ good 200000 0.001 0 [-1 5 32767] mV 2s",
		"PULS_OXIM_SAT_O2/ good 98 %", "ECG_ELEC_POTL_I/ good 200000 0.001 0 [1 2 3] mV 1s")
	// Of several persons: a person and a group.
	info = append([]byte{0xF0, 0, 0, 0}, listOf(append([]byte{0, 4}, one...))...)
	k.hears(says(3, serviceEvent, u16(nil, 7), []byte{0, 0, 0x5D, 0xC0}, u16(nil, eventBuffered+5), octets(info)))
	if got := k.take(); len(got) != 1 {
		t.Errorf("somebody's: %q", got)
	}
	// One whose length is not that of its map.
	info = append([]byte{0xF0, 0, 0, 0}, listOf(octets([]byte{0, 97}))...)
	k.hears(reports(3, 7, eventUnbuffered+2, info))
	if got := k.take(); len(got) != 1 {
		t.Errorf("a short group: %q", got)
	}
}

func TestObjectsOfOneCodeDoNotShareASeries(t *testing.T) {
	k := newTalk(t)
	mode := func(m int) []byte { return attribute(attrSupplemental, listOf(u16([]byte{0, 2}, m))) }
	m := valueMap(attrBasic, 2)
	k.configure(configured(classNumeric, 4, protocol.SpO2, unit("%"), m, mode(19516)), configured(classNumeric, 2, protocol.SpO2, unit("%"), m, mode(19508)),
		configured(classNumeric, 3, protocol.SpO2, unit("%"), m), configured(classNumeric, 5, protocol.SpO2, unit("%"), m), configured(classNumeric, 6, protocol.PulseRate, unit("/min"), m, mode(19516)))
	v := []byte{0, 97}
	k.hears(fixedReport(2, observed(2, v), observed(3, v), observed(4, v), observed(5, v), observed(6, v)))
	k.wants("channels", "PULS_OXIM_SAT_O2/fast good 97 %", "PULS_OXIM_SAT_O2/ good 97 %", "PULS_OXIM_SAT_O2/spot good 97 %", "PULS_OXIM_SAT_O2/2 good 97 %", "PULS_OXIM_PULS_RATE/ good 97 /min")
}

func TestWhatTheConfigurationDoesNotDescribeIsLeftOutAndTold(t *testing.T) {
	k := newTalk(t)
	k.configure(configured(classNumeric, 1, protocol.SpO2, unit("%"), valueMap(attrBasic, 2)))
	for range 2 {
		if got := k.hears(fixedReport(2, observed(1, []byte{0, 97}), observed(2, []byte{0, 98}), observed(1, []byte{0, 97, 0}))); got == "" {
			t.Error("not confirmed")
		}
	}
	k.wants("unknown", "PULS_OXIM_SAT_O2/ good 97 %", "EVT_ALARM/configuration good once the device has values that its configuration does not describe: they are left out ",
		"PULS_OXIM_SAT_O2/ good 97 %")
}

func TestAStandardReportMayLeaveTheTimeOut(t *testing.T) {
	for _, data := range [][]byte{{0, 97}, append([]byte{0, 97}, clockOf("2026-11-20 09:30:00")...)} {
		d := newDecoder(&Settings{History: history})
		request := bytes.Clone(workedAssociate)
		request[44], request[45] = 0x01, 0x90
		got := brief(drivertest.Decode(d, slices.Concat(request, attributesAre(1, attribute(attrTimeAbsolute, clockOf("2026-11-20 09:30:00"))), fixedReport(2, observed(1, data)))))
		if len(got) != 2 || got[1] != "PULS_OXIM_SAT_O2/ good 97 %" {
			t.Errorf("%d bytes: %q", len(data), got)
		}
	}
}

func TestAReportWithAFaultAnywhereGivesNothing(t *testing.T) {
	report := fixedReport(2, observed(1, []byte{0, 97}), observed(1, []byte{0, 98}))
	for _, at := range []int{2, 3, 4, 5, 10, 11, 20, 21, 26, 27, 28, 29, 32, 33, 38, 39} { // counts and lengths
		for _, by := range []byte{1, 0x10} {
			b := bytes.Clone(report)
			b[at] += by
			k := newTalk(t)
			k.configure(configured(classNumeric, 1, protocol.SpO2, unit("%"), valueMap(attrBasic, 2)))
			k.hears(b)
			for _, o := range k.got {
				if o.Value.Valid {
					t.Errorf("byte %d: %q", at, brief(k.got))
				}
			}
		}
	}
}

func TestTimes(t *testing.T) {
	temperature := configured(classNumeric, 1, protocol.BodyTemperature, unit("Cel"), valueMap(attrBasic, 2, attrStampAbsolute, 8))
	say := func(k *talk, at string) {
		k.hears(fixedReport(2, observed(1, []byte{0xF1, 0x73}, clockOf(at))))
	}
	k := newTalk(t)
	k.configure(temperature) // its clock shows 09:30:00
	say(k, "2026-11-20 08:00:00")
	k.wants("kept by the device", "TEMP_BODY/ good 37.1 Cel 1h30m0s")
	k.after(time.Minute)
	say(k, "2026-11-20 09:30:58")
	k.wants("of now", "TEMP_BODY/ good 37.1 Cel")
	say(k, "2026-11-20 09:29:00")
	k.wants("older than the last", "TEMP_BODY/ unknown 37.1 Cel 2m0s")
	say(k, "2026-11-18 09:29:00")
	k.wants("before this bed's time", "EVT_ALARM/memory good once readings left out that are older than 24h0m0s: 1 ")
	k.after(11 * time.Second)
	k.hears(attributesAre(int(k.s.invoke), attribute(attrTimeAbsolute, clockOf("2026-11-20 10:30:00")))) // somebody has changed the clock
	k.got = nil
	say(k, "2026-11-20 10:30:00")
	k.wants("by the new clock", "TEMP_BODY/ good 37.1 Cel")
	say(k, "2026-11-20 12:00:00")
	k.wants("in the future", "TEMP_BODY/ unknown 37.1 Cel")
	say(k, "2026-11-20 12:00:00")
	if got := k.after(11 * time.Second); got == "" {
		t.Error("the clock was not asked for again")
	}
}

func TestRelativeTimes(t *testing.T) {
	k := newTalk(t)
	k.configure(configured(classNumeric, 1, protocol.SpO2, unit("%"), valueMap(attrBasic, 2, attrStampRelative, 4)),
		configured(classNumeric, 2, protocol.PulseRate, unit("/min"), valueMap(attrBasic, 2, attrStampHighResolve, 8)),
		configured(classNumeric, 3, protocol.BodyTemperature, unit("Cel"), valueMap(attrBasic, 2, attrStampBaseOffset, 8)))
	k.hears(attributesAre(1, attribute(attrTimeRelative, []byte{0, 0, 0, 1}), attribute(attrTimeHighResolve, []byte{0, 0, 0, 0, 0, 0x98, 0x96, 0x80}),
		attribute(attrTimeBaseOffset, []byte{0xEE, 0xAA, 0, 20, 0x80, 0, 0, 60})))
	k.got = nil
	k.hears(fixedReport(2, observed(1, []byte{0, 97}, []byte{0xFF, 0xFF, 0x0F, 0x41}), observed(2, []byte{0, 70}, []byte{0, 0, 0, 0, 0, 0x4C, 0x4B, 0x40}),
		observed(3, []byte{0xF1, 0x73}, []byte{0xEE, 0xAA, 0, 10, 0, 0, 0, 60})))
	if got := k.got; len(got) != 3 || got[0].Delay != 7704*time.Millisecond || got[1].Delay != 5*time.Second || got[2].Delay != 10500*time.Millisecond ||
		got[2].DeviceTime.Format(time.DateTime) != "2026-11-20 09:20:58" && got[2].DeviceTime.Year() != 2026 || got[1].DeviceTime.Sub(got[2].DeviceTime) != 5500*time.Millisecond {
		t.Errorf("%q %v %v %v", k.take(), got[0].Delay, got[1].DeviceTime, got[2].DeviceTime)
	}
}

func TestAReportThatIsSentAgainIsNoSecondReading(t *testing.T) {
	temperature := configured(classNumeric, 1, protocol.BodyTemperature, unit("Cel"), valueMap(attrBasic, 2, attrStampAbsolute, 8))
	k := newTalk(t)
	k.configure(temperature)
	report := fixedReport(2, observed(1, []byte{0xF1, 0x73}, clockOf("2026-11-20 09:30:00")))
	k.hears(report)
	k.hears(report) // the same within an association is another
	k.wants("first", "TEMP_BODY/ good 37.1 Cel", "TEMP_BODY/ good 37.1 Cel")
	k.hears(unhex("E60000020002"))
	k.after(time.Second)
	k.hears(workedAssociate) // nothing has come of this one
	k.configure(temperature)
	if got := k.hears(report); got == "" {
		t.Error("not confirmed")
	}
	k.wants("again")
	k.hears(fixedReport(3, observed(1, []byte{0xF1, 0x74}, clockOf("2026-11-20 09:30:00"))))
	k.wants("another", "TEMP_BODY/ good 37.2 Cel")
}
