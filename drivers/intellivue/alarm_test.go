package intellivue

import (
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// alarms is the answer of an alarm monitor with lists of entries.
func alarms(patient, technical [][]byte) []byte {
	list := func(id uint16, entries [][]byte) []byte {
		var b []byte
		for _, e := range entries {
			b = append(b, e...)
		}
		return attribute(id, append(appendFields(nil, uint16(len(entries)), uint16(len(b))), b...))
	}
	return frame(classAlarms, groupAlarms, 0, 0, appendObject(0, attributes(2, list(attrPatientAlarms, patient), list(attrTechnicalAlarms, technical))))
}

func entry(source, code, kind uint16, text string) []byte {
	return appendAlarm(nil, source, code, kind, 0x8201, text)
}

func say(t *testing.T, d drivers.Decoder, wire []byte, want ...string) {
	t.Helper()
	same(t, drivertest.Decode(d, wire), want...)
}

func TestAnAlarmBeginsChangesAndEnds(t *testing.T) {
	d := newDecoder()
	say(t, d, alarms(nil, nil))
	yellow, red := entry(0x4BB8, 0x003E, 0x0200, "** SpO2 84 < 90"), entry(0x4BB8, 0x003E, 0x0400, "*** SpO2 74 < 80")
	off := entry(0x4182, 0x0112, 0x0002, "!! ECG LEADS OFF")
	say(t, d, alarms([][]byte{yellow}, nil), `Low start medium physiological "** SpO2 84 < 90"`)
	say(t, d, alarms([][]byte{yellow}, nil))
	say(t, d, alarms([][]byte{red}, [][]byte{off}), `Low continue high physiological "*** SpO2 74 < 80"`, `Leads off start medium technical "!! ECG LEADS OFF"`)
	say(t, d, alarms([][]byte{red}, nil), `Leads off end medium technical "!! ECG LEADS OFF"`)
	say(t, d, alarms(nil, nil), `Low end high physiological "*** SpO2 74 < 80"`)
	got := drivertest.Decode(d, alarms([][]byte{yellow}, nil))
	if got[0].Event.Source != protocol.SpO2 {
		t.Errorf("source %d, want SpO2", got[0].Event.Source)
	}
}

func TestAListThatCannotBeReadEndsNothing(t *testing.T) {
	d := newDecoder()
	say(t, d, alarms([][]byte{entry(0x4182, 0x0C04, 0x0400, "*** ASYSTOLE")}, nil), `Asystole start high physiological "*** ASYSTOLE"`)
	for _, broken := range [][]byte{{}, {0, 0}, {0, 1, 0, 0}, {0, 0, 0, 1}, {0, 0, 0, 0, 0}, {0, 1, 0, 4, 1, 2, 3, 4}} {
		say(t, d, frame(classAlarms, groupAlarms, 0, 0, appendObject(0, attributes(1, attribute(attrPatientAlarms, broken)))))
	}
	// A list that is not there, and that of another alarm monitor, say nothing of it either.
	say(t, d, frame(classAlarms, groupAlarms, 0, 0, appendObject(0, attributes(0))))
	say(t, d, frame(classAlarms, groupAlarms, 0, 5, appendObject(0, attributes(1, attribute(attrPatientAlarms, make([]byte, 4))))))
	say(t, d, alarms(nil, nil), `Asystole end high physiological "*** ASYSTOLE"`)
}

func TestAlarmsWithoutTextAndWithUnknownInfo(t *testing.T) {
	d := newDecoder()
	bare := appendFields(nil, 0x500A, 0x0C00, 0x0400, 0, classNumeric, 1, 7, infoGeneral, 10, 0, 0x8000, 1, 0, 0)
	other := appendFields(nil, 0x4182, 0x1234, 0x0001, 0, classNumeric, 1, 8, 0x0299, 4, 0xFFFF, 0xFFFF)
	say(t, d, alarms([][]byte{bare}, [][]byte{other}), `Apnoea start high physiological "no breath"`, `?201268 start low technical "alarm 1234 of 4182"`)
}

func TestAlarmsOfTheMakersOwnAreNotTakenForThoseOfTheBox(t *testing.T) {
	for code := range uint16(0xFFFF) {
		got, _ := eventOf(code)
		if term, ok := protocol.Lookup(got); got == protocol.EventDisconnected || got == protocol.EventDropped || got == protocol.EventBoxStarted ||
			ok && term.Kind != protocol.KindEvent {
			t.Errorf("%04X is kept as %d", code, got)
		}
	}
	d := newDecoder()
	say(t, d, alarms([][]byte{entry(0x4182, 0xF004, 0x0400, "*** VFIB/VTACH"), entry(0x4182, 0xF1A4, 0x0200, "** A"), entry(0x4182, 0xF1A2, 0x0200, "** B")}, nil),
		`V fib start high physiological "*** VFIB/VTACH"`, `Alarm@F1A4 start medium physiological "** A"`, `Alarm@F1A2 start medium physiological "** B"`)
}

func TestTwoAlarmsOfOneKindAreTwo(t *testing.T) {
	d := newDecoder()
	a, b := appendAlarm(nil, 0x480A, 0x0028, 0x0200, 1, "** ABP PULSE"), appendAlarm(nil, 0x480A, 0x0028, 0x0200, 2, "** ART PULSE")
	say(t, d, alarms([][]byte{a, b}, nil), `High start medium physiological "** ABP PULSE"`, `High@2 start medium physiological "** ART PULSE"`)
	say(t, d, alarms([][]byte{b}, nil), `High end medium physiological "** ABP PULSE"`)
	say(t, d, alarms(nil, nil), `High@2 end medium physiological "** ART PULSE"`)
}

func TestAlarmsGoOnOverANewAssociation(t *testing.T) {
	d := newDecoder()
	a, b := appendAlarm(nil, 0x4182, 0x0028, 0x0200, 1, "** HR"), appendAlarm(nil, 0x4BB8, 0x003E, 0x0200, 2, "** SpO2")
	drivertest.Decode(d, alarms([][]byte{a, b}, nil))
	say(t, d, appendFrame(nil, associatePDU(pduAssociated, associatedPresentation, profile{})))
	again := appendAlarm(nil, 0x4182, 0x0028, 0x0200, 77, "** HR")
	say(t, d, alarms([][]byte{again}, nil), `High continue medium physiological "** HR"`, `Low end medium physiological "** SpO2"`)
	say(t, d, alarms([][]byte{again}, nil))
}

func TestAlarmsOfADemonstrationAreMarked(t *testing.T) {
	d := newDecoder()
	drivertest.Decode(d, createFrame(0, time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC), modeDemo|modeMonitoring))
	got := drivertest.Decode(d, alarms([][]byte{entry(0x4182, 0x0C04, 0x0400, "*** ASYSTOLE")}, nil))
	if len(got) != 1 || got[0].Quality != protocol.QualityDemo {
		t.Errorf("%+v", got)
	}
}

func TestAnAlarmThatIsOffAtTheMonitorIsTold(t *testing.T) {
	d := newDecoder()
	hr := func(state uint16) []byte {
		return frame(classNumeric, groupObserved, 0, 1, numeric(1, 0x4182, state, 0x0AA0, 72))
	}
	say(t, d, hr(0), "HR 72 /min good")
	say(t, d, hr(stateAlarmOff), `Alarm off start none advisory "alarm of the monitor is off"`, "HR 72 /min good")
	say(t, d, hr(stateAlarmOff), "HR 72 /min good")
	say(t, d, hr(0), `Alarm off end none advisory "alarm of the monitor is off"`, "HR 72 /min good")
}
