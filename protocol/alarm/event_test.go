package alarm

import (
	"fmt"
	"testing"

	"monitorme/protocol"
)

// says makes an event of a device in its own words.
func says(code protocol.Code, channel string, at float64, ph protocol.Phase, pr protocol.Priority, text string) protocol.Observation {
	o := happening(code, at, ph, pr)
	o.Device, o.Channel, o.Event.Text = "pump-1", channel, text
	return o
}

// shown lists the texts of what is on the screens.
func (b *bed) shown() (out []string) {
	for _, a := range b.e.Alarms(nil) {
		if !a.Hidden {
			out = append(out, fmt.Sprintf("%s %s: %s", a.Priority, a.State, a.Text))
		}
	}
	return out
}

func TestAlarmsOfOneCodeAreToldApartByTheirWords(t *testing.T) {
	const start, end = protocol.PhaseStart, protocol.PhaseEnd
	b := newBed(t)
	b.send(says(protocol.EventAlarm, "1", 0, start, protocol.PriorityHigh, "Occlusion downstream"),
		says(protocol.EventAlarm, "1", 1, start, protocol.PriorityMedium, "Battery empty"),
		says(protocol.EventAlarm, "2", 2, start, protocol.PriorityHigh, "Occlusion downstream"))
	same(t, "three", b.shown(), "high active: Occlusion downstream (pump-1, channel 1)",
		"medium active: Battery empty (pump-1, channel 1)", "high active: Occlusion downstream (pump-1, channel 2)")
	b.send(says(protocol.EventAlarm, "1", 3, end, 0, "Battery empty"))
	same(t, "the end of one ends no other", b.shown(), "high active: Occlusion downstream (pump-1, channel 1)",
		"high active: Occlusion downstream (pump-1, channel 2)")
	b.send(says(protocol.EventAlarm, "1", 4, end, 0, ""), says(protocol.EventAlarm, "2", 5, end, 0, "Occlusion"))
	same(t, "an end without words, and one in others", b.shown())
	b.send(says(protocol.EventAlarm, "1", 6, start, protocol.PriorityHigh, "A"), says(protocol.EventAlarm, "1", 7, start, protocol.PriorityHigh, "B"),
		says(protocol.EventAlarm, "1", 8, end, 0, "C"))
	same(t, "an end that may be of either ends none", b.shown(), "high active: A (pump-1, channel 1)", "high active: B (pump-1, channel 1)")
}

func TestAnAlarmFollowsTheWordsOfItsDevice(t *testing.T) {
	b := newBed(t)
	b.send(says(protocol.EventLow, "", 0, protocol.PhaseStart, protocol.PriorityMedium, "SpO2 87 < 90"))
	id := b.e.Alarms(nil)[0].ID
	b.send(says(protocol.EventLow, "", 1, protocol.PhaseContinue, protocol.PriorityMedium, "SpO2 84 < 90"))
	same(t, "reworded", b.shown(), "medium active: SpO2 84 < 90 (pump-1)")
	snap, err := b.e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if b.e, _, err = Restore(Default(), snap); err != nil {
		t.Fatal(err)
	}
	b.send(says(protocol.EventLow, "", 2, protocol.PhaseContinue, protocol.PriorityHigh, "SpO2 70 < 90"))
	same(t, "after a restart", b.shown(), "high active: SpO2 70 < 90 (pump-1)")
	if b.e.Alarms(nil)[0].ID != id {
		t.Error("another id")
	}
	b.send(says(protocol.EventLow, "", 3, protocol.PhaseEnd, 0, "SpO2 70 < 90"))
	same(t, "ended", b.shown())
}

func TestTheDeviceMayCallAnEventMoreUrgentThanTheRule(t *testing.T) {
	b := newBed(t)
	b.send(says(protocol.EventBatteryLow, "", 0, protocol.PhaseStart, protocol.PriorityHigh, "Battery empty: the pump stops"))
	same(t, "more", b.shown(), "high active: Battery low: Battery empty: the pump stops (pump-1)")
	b = newBed(t)
	b.send(says(protocol.EventBatteryLow, "", 0, protocol.PhaseStart, protocol.PriorityNone, "30 min"))
	same(t, "less", b.shown(), "low active: Battery low: 30 min (pump-1)")
}

func TestUnknownAlarmsAreNotSilentAndDemonstrationsAreNoAlarms(t *testing.T) {
	b := newBed(t)
	b.send(says(3<<16|0xFABC, "", 0, protocol.PhaseUnknown, 9, "E-1234"))
	same(t, "code, phase and priority unknown", b.shown(), "high latched: E-1234 (pump-1)")
	b = newBed(t)
	o := says(protocol.MustCode("MDC_EVT_ECG_ASYSTOLE"), "", 0, protocol.PhaseStart, protocol.PriorityHigh, "ASYSTOLE")
	o.Quality = protocol.QualityDemo
	b.send(o)
	same(t, "demo", b.shown())
}

func TestManyWordsDoNotCrowdOutTheNextAlarm(t *testing.T) {
	b := newBed(t)
	for i := range 2 * maxEvents {
		at, text := float64(i), fmt.Sprintf("E-%d", i)
		b.send(says(protocol.EventAlarm, "", at, protocol.PhaseStart, protocol.PriorityLow, text), says(protocol.EventAlarm, "", at+0.5, protocol.PhaseEnd, 0, text))
	}
	b.send(says(protocol.EventAlarm, "", 1e4, protocol.PhaseStart, protocol.PriorityHigh, "Air in line"))
	same(t, "now", b.shown(), "high active: Air in line (pump-1)")
	if n := b.e.Refused(); n != 0 {
		t.Errorf("%d refused", n)
	}
}

func TestASensorThatIsOffIsOneAlarm(t *testing.T) {
	off := func(code, source protocol.Code, at float64, ph protocol.Phase) protocol.Observation {
		o := happening(code, at, ph, protocol.PriorityLow)
		o.Event.Source = source
		return o
	}
	b := newBed(t)
	b.every(protocol.SpO2, 0, 10, 1, "97")
	b.send(off(protocol.EventSensorOff, protocol.SpO2, 10, protocol.PhaseStart))
	b.every(protocol.SpO2, 10, 30, 1, "off")
	b.advance(30)
	same(t, "said by value and by event", b.shown(), "medium active: Oxygen sensor off")
	b.send(off(protocol.EventLeadsOff, 0, 31, protocol.PhaseStart))
	b.every(protocol.SpO2, 31, 60, 1, "off")
	b.advance(60)
	same(t, "another sensor of the same monitor", b.shown(), "medium active: Oxygen sensor off", "low active: electrodes are off (monitor)")
	b.send(off(protocol.EventSensorOff, protocol.SpO2, 61, protocol.PhaseEnd), off(protocol.EventLeadsOff, 0, 61, protocol.PhaseEnd))
	b.every(protocol.SpO2, 61, 66, 1, "97")
	same(t, "on again", b.shown())

	b = newBed(t)
	b.every(protocol.SpO2, 0, 10, 1, "97")
	b.send(off(protocol.EventSensorOff, protocol.SpO2, 10, protocol.PhaseStart))
	silent := func(from, to float64) {
		for s := from; s < to; s++ {
			b.all = b.e.Contact(sec(s), true, b.all)
			b.advance(s)
		}
	}
	silent(10, 35)
	same(t, "only the event says it", b.shown(), "low active: SpO2: sensor is off or disconnected (monitor)")
	silent(35, 60)
	same(t, "the absence climbs", b.shown(), "medium active: SpO2: no readings")
	b = newBed(t)
	b.every(protocol.SpO2, 0, 10, 1, "97")
	b.send(off(protocol.EventSensorOff, protocol.SpO2, 10, protocol.PhaseStart))
	silent(10, 35)
	for _, a := range b.e.Alarms(nil) {
		if !a.Hidden {
			b.e.Acknowledge(a.ID, "anna", sec(35))
		}
	}
	silent(35, 300)
	same(t, "but not when somebody takes care", b.shown(), "low active: SpO2: sensor is off or disconnected (monitor)")
}

func TestAPressureOfAnUnnamedSiteIsNeitherACrisisNorSilent(t *testing.T) {
	b := newBed(t)
	line := func(channel string, at float64, sys, mean string) {
		for code, v := range map[protocol.Code]string{150017: sys, 150019: mean} {
			o := num(code, at, v)
			o.Unit, o.Channel = "mm[Hg]", channel
			b.send(o)
		}
	}
	for s := 0.0; s < 15; s++ {
		line("1", s, "85", "65") // an artery
		line("2", s, "12", "8")  // a central vein
	}
	same(t, "each of the two lines", b.shown(),
		"medium active: Pressure, site not named: systolic low for an artery. Name the site at the monitor (1)",
		"medium active: Pressure, site not named: mean low for an artery. Name the site at the monitor (2)")
}
