package phd

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// A device that says very often that it measures the same must not hold the
// box up: 63 KiB of it are one APDU.
func TestAConfigurationOfManyLikeThings(t *testing.T) {
	alike := func(objects, parts int) {
		ids := make([][]byte, parts)
		for i := range ids {
			ids[i] = []byte{0x4A, 5}
		}
		all := make([][]byte, objects)
		for i := range all {
			all[i] = configured(classNumeric, i+1, nibp, attribute(attrPhysioList, listOf(ids...)))
		}
		k := newTalk(t)
		start := time.Now()
		k.configure(all...)
		for range 3 {
			for i := range all {
				all[i] = append(u16(nil, i+1), listOf(attribute(attrPhysioList, listOf(ids...)), attribute(attrCompoundBasic, listOf([]byte{0, 1}, []byte{0, 2})))...)
			}
			k.hears(reports(2, 0, eventFixed+1, append([]byte{0xF0, 0, 0, 0}, listOf(all...)...)))
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%d objects of %d parts: %v", objects, parts, d)
		}
	}
	alike(50, 8)
	alike(420, 60)
	alike(512, 1)
	alike(128, 16)
}

// Two states of one device may have the same code.
func TestStatesOfTwoKindsAreToldApart(t *testing.T) {
	k := newTalk(t)
	k.configure(configured(classEnumeration, 1, glucoseStatus, valueMap(attrBits16, 2)), configured(classEnumeration, 2, genericStatus, valueMap(attrBits32, 4)))
	channels := map[string]bool{}
	k.hears(fixedReport(2, observed(1, []byte{0x40, 0}), observed(2, []byte{0, 0, 0x40, 0})))
	for _, o := range k.got {
		if o.Code == sensorProblem {
			channels[o.Channel] = true
		}
	}
	if len(channels) != 2 {
		t.Errorf("channels of two problems of one code: %v", channels)
	}
}

// What was kept may be sent with the time at which the device wanted to send it.
func TestAnOldReportIsAsOldAsTheDevicesClockSays(t *testing.T) {
	k := newTalk(t)
	k.configure(configured(classNumeric, 1, protocol.SpO2, unit("%"), valueMap(attrBasic, 2, attrStampRelative, 4)))
	ticks := func(seconds int) []byte { return u16(u16(nil, seconds*8000>>16), seconds*8000) }
	k.hears(attributesAre(int(k.s.invoke), attribute(attrTimeRelative, ticks(1000))))
	k.got = nil
	old := says(2, serviceConfirmedEvent, u16(nil, 0), ticks(400), u16(nil, eventFixed), octets(append([]byte{0xF0, 0, 0, 0}, listOf(observed(1, []byte{0, 97}, ticks(399)))...)))
	k.hears(old)
	if len(k.got) != 1 || k.got[0].Delay != 601*time.Second {
		t.Errorf("%q, want 601 s old", k.take())
	}
}

func TestThatAMemoryReachesFarBackIsNoAlarm(t *testing.T) {
	k := newTalk(t)
	k.withMemory()
	k.segments(segmentOf(3, 0x8000))
	k.granted(3)
	k.hears(piece(3, 0, 1, 0xC000, append(clockOf("2026-11-01 08:00:00"), 0, 90)))
	if len(k.got) != 1 || k.got[0].Event == nil || k.got[0].Event.Priority != protocol.PriorityNone || k.got[0].Event.Type != protocol.AlarmAdvisory {
		t.Errorf("%q", k.take())
	}
}

// When the box has given a silent device up, what stands ends with that at the
// cloud: it has to be said anew.
func TestWhatStandsIsToldAgainAfterASilence(t *testing.T) {
	k := newTalk(t)
	k.configure(configured(classEnumeration, 9, oximeterStatus, valueMap(attrBits16, 2)))
	off := fixedReport(2, observed(9, []byte{8, 0}))
	k.hears(off)
	k.hears(off)
	k.wants("at first", "EVT_SENSOR_DISCONN/ good start sensor is off the patient ")
	k.after(14 * time.Second)
	k.hears(off)
	k.hears(off)
	k.wants("after a silence", "EVT_SENSOR_DISCONN/ good continue sensor is off the patient ")

	k = newTalk(t)
	abort := unhex("E60000020002")
	k.hears(abort)
	k.hears(abort)
	k.after(14 * time.Second)
	k.hears(abort)
	k.hears(abort)
	const why = " the device has broken the association off: it had no answer in time "
	k.wants("no association", "EVT_ALARM/association good start"+why, "EVT_ALARM/association good continue"+why)
}

// A device that calls anew for each measurement is no lost one: nobody but the
// driver ends what it has begun.
func TestWhatBeganInOneCallEndsInTheNext(t *testing.T) {
	d := Driver.Fresh()
	call := func(says ...[]byte) (all []string) {
		synctest.Test(t, func(t *testing.T) {
			host, device := drivertest.NewWire()
			done := make(chan error, 1)
			var got []protocol.Observation
			go func() { done <- d.Run(t.Context(), host, func(o protocol.Observation) { got = append(got, o) }) }()
			for _, b := range says {
				device.Write(b)
				time.Sleep(2 * time.Second)
			}
			device.Close()
			<-done
			all = slices.DeleteFunc(brief(got), func(s string) bool { return !strings.HasPrefix(s, "EVT_") })
		})
		return all
	}
	oximeter := reports(1, 0, eventConfig, append([]byte{0x40, 0}, listOf(configured(classEnumeration, 9, oximeterStatus, valueMap(attrBits16, 2)))...))
	const why = " the device has broken the association off: it had no answer in time "
	if got := call(workedAssociate, oximeter, fixedReport(2, observed(9, []byte{8, 0})), unhex("E60000020002")); !slices.Equal(got, []string{
		"EVT_SENSOR_DISCONN/ good start sensor is off the patient ", "EVT_ALARM/association good start" + why}) {
		t.Errorf("the first call: %q", got)
	}
	if got := call(workedAssociate, oximeter); !slices.Equal(got, []string{
		"EVT_SENSOR_DISCONN/ good end sensor is off the patient ", "EVT_ALARM/association good end the device sends again "}) {
		t.Errorf("the next one: %q", got)
	}
	if got := call(workedAssociate, oximeter); len(got) > 0 {
		t.Errorf("the one after it: %q", got)
	}
}
