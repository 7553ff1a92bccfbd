package phd

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// A memory with handle 5, and an object with handle 1.
func (k *talk) withMemory() {
	k.configure(configured(classNumeric, 1, protocol.Glucose, unit("mg/dL"), valueMap(attrBasic, 2, attrStampAbsolute, 8)), append(u16(u16(nil, classStore), 5), listOf()...))
}

// segment is what a device tells of a part of its memory.
func segmentOf(number, header int, attributes ...[]byte) []byte {
	entry := append(u16(nil, header), listOf(append([]byte{0, classNumeric, 0, 2, 0x71, 0xB8, 0, 1}, listOf([]byte{0x0A, 0x4C, 0, 2})...))...)
	return append(u16(nil, number), listOf(append([][]byte{attribute(attrSegmentMap, entry)}, attributes...)...)...)
}

func (k *talk) segments(all ...[]byte) string {
	return k.hears(says(int(k.s.invoke), answerAction, []byte{0, 5, 0x0C, 0x0D}, octets(listOf(all...))))
}

func (k *talk) granted(number int) string {
	return k.hears(says(int(k.s.invoke), answerAction, []byte{0, 5, 0x0C, 0x1C}, octets(u16(u16(nil, number), 0))))
}

func piece(number, index, count, status int, entries ...[]byte) []byte {
	info := u16(u16(u16(u16(u16(u16(nil, number), 0), index), 0), count), status)
	return reports(77, 5, eventSegment, append(info, octets(bytes.Join(entries, nil))...))
}

func entryAt(at string, v byte) []byte { return append(clockOf("2026-11-20 "+at), 0, v) }

func TestTheMemoryIsReadOnce(t *testing.T) {
	k := newTalk(t)
	k.withMemory()
	if got := k.asks(); got != "" {
		t.Errorf("asks twice: %s", got)
	}
	if got := k.segments(segmentOf(3, 0x8000)); got != "E7 00 00 10 00 0E 00 03 01 07 00 08 00 05 0C 1C 00 02 00 03" {
		t.Errorf("asks for the segment by %s", got)
	}
	k.granted(3)
	got := k.hears(piece(3, 0, 2, 0x8000, entryAt("07:00:00", 90), entryAt("08:00:00", 100)))
	if !strings.HasSuffix(got, "0D 21 00 0C 00 03 00 00 00 00 00 00 00 02 00 80") {
		t.Errorf("confirms by %s", got)
	}
	k.hears(piece(3, 2, 1, 0x4000, entryAt("09:00:00", 110)))
	k.wants("the memory", "CONC_GLU_CAPILLARY_WHOLEBLOOD/ good 90 mg/dL 2h30m0s", "CONC_GLU_CAPILLARY_WHOLEBLOOD/ good 100 mg/dL 1h30m0s", "CONC_GLU_CAPILLARY_WHOLEBLOOD/ good 110 mg/dL 30m0s")

	// It is looked at again, and read again only if it has changed.
	asked := k.after(6 * time.Minute)
	for range 7 {
		k.hears(attributesAre(int(k.s.invoke)))
	}
	if !strings.Contains(asked, "0C 0D") {
		t.Errorf("asks %s", asked)
	}
	k.s.pending, k.s.asking = job{kind: getSegments, handle: 5}, true
	if got := k.segments(segmentOf(3, 0x8000)); got != "" {
		t.Errorf("nothing has changed: %s", got)
	}
	k.s.pending, k.s.asking = job{kind: getSegments, handle: 5}, true
	if got := k.segments(segmentOf(3, 0x8000, attribute(attrSegmentUsage, []byte{0, 0, 0, 4}))); !strings.HasSuffix(got, "0C 1C 00 02 00 03") {
		t.Errorf("it has changed: %s", got)
	}
	k.granted(3)
	k.got = nil
	k.hears(piece(3, 0, 4, 0xC000, entryAt("07:00:00", 90), entryAt("08:00:00", 100), entryAt("09:00:00", 110), entryAt("09:30:00", 120)))
	if got := k.take(); len(got) != 1 || !strings.Contains(got[0], "120") {
		t.Errorf("the new one: %q", got)
	}
}

func TestAReadingThatWasToldIsNotTakenFromTheMemoryAgain(t *testing.T) {
	k := newTalk(t)
	k.withMemory()
	k.segments(segmentOf(3, 0x8000))
	k.granted(3)
	k.hears(fixedReport(4, observed(1, []byte{0, 100}, clockOf("2026-11-20 09:30:00"))))
	k.hears(piece(3, 0, 2, 0xC000, entryAt("08:00:00", 90), entryAt("09:30:00", 100)))
	k.wants("memory after a report", "CONC_GLU_CAPILLARY_WHOLEBLOOD/ good 100 mg/dL", "CONC_GLU_CAPILLARY_WHOLEBLOOD/ unknown 90 mg/dL 1h30m0s")
}

func TestSegmentsThatCannotBeReadAreNotWanted(t *testing.T) {
	for name, c := range map[string]struct {
		segment, piece []byte
	}{
		"unknown header":  {segmentOf(3, 0x9000), piece(3, 0, 1, 0xC000, entryAt("08:00:00", 90))},
		"wrong length":    {segmentOf(3, 0x8000), piece(3, 0, 2, 0xC000, entryAt("08:00:00", 90))},
		"never told of":   {segmentOf(4, 0x8000), piece(3, 0, 1, 0xC000, entryAt("08:00:00", 90))},
		"device gives up": {segmentOf(3, 0x8000), piece(3, 0, 0, 0x0800)},
	} {
		k := newTalk(t)
		k.withMemory()
		k.segments(c.segment)
		if told := len(k.take()) == 1; told != (name == "unknown header") {
			t.Errorf("%s: told %v", name, told)
		}
		got := k.hears(c.piece)
		if _, info, ok := strings.Cut(got, "0D 21 00 0C "); !ok || !strings.HasPrefix(info[len("00 03 00 00 00 00 00 00 00 01 "):], "00 08") {
			t.Errorf("%s: answers %s", name, got)
		}
		if slices.ContainsFunc(k.got, func(o protocol.Observation) bool { return o.Value.Valid }) {
			t.Errorf("%s: %q", name, k.take())
		}
	}
}

func TestTheMemoryOfAnotherPersonIsLeftOut(t *testing.T) {
	k := newTalk(t)
	k.withMemory()
	k.segments(segmentOf(3, 0x8000, attribute(attrSegmentPerson, []byte{0, 2})))
	k.hears(piece(3, 0, 1, 0xC000, entryAt("08:00:00", 90)))
	if got := k.take(); len(got) != 1 || !strings.Contains(got[0], "EVT_ALARM/person") {
		t.Errorf("emitted %q", got)
	}
}

func TestEntriesWithoutTimeCountFromTheStart(t *testing.T) {
	k := newTalk(t)
	k.withMemory()
	k.segments(segmentOf(3, 0, attribute(attrSegmentStart, clockOf("2026-11-20 09:00:00")), attribute(attrSamplePeriod, []byte{0, 7, 0x53, 0})))
	k.hears(piece(3, 10, 2, 0xC000, []byte{0, 90}, []byte{0, 91}))
	k.wants("periodic", "CONC_GLU_CAPILLARY_WHOLEBLOOD/ good 90 mg/dL 20m0s", "CONC_GLU_CAPILLARY_WHOLEBLOOD/ good 91 mg/dL 19m0s")

	k = newTalk(t)
	k.withMemory()
	k.segments(segmentOf(3, 0))
	k.hears(piece(3, 0, 1, 0xC000, []byte{0, 90}))
	k.wants("of nobody knows when", "CONC_GLU_CAPILLARY_WHOLEBLOOD/ unknown 90 mg/dL")
}

func TestAnUnansweredTransferIsGivenUp(t *testing.T) {
	k := newTalk(t)
	k.withMemory()
	k.segments(segmentOf(3, 0x8000))
	k.granted(3)
	k.after(31 * time.Second)
	if k.s.pending.kind == transferSegment && k.s.asking {
		t.Error("still waits")
	}
}

func TestSettings(t *testing.T) {
	if d, err := Driver.Configure([]byte("person: 2\nsilence: 24h\nmemory: false\nhistory: 2h\nscanners: true\n")); err != nil || d.Silence != 24*time.Hour {
		t.Errorf("%v %v", d.Silence, err)
	}
	for _, text := range []string{"person: 70000", "silence: 0s", "history: 0s", "clear: true", "set_time: true", "person: x"} {
		if _, err := Driver.Configure([]byte(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	k := newTalk(t, func(s *Settings) { s.Memory = false })
	k.withMemory()
	if got := k.asks() + k.after(50*time.Second); got != "" {
		t.Errorf("reads the memory: %s", got)
	}
}

func TestTheOximetersBadHabitsCostNoReading(t *testing.T) {
	got, _ := converse(t, Driver, drivertest.NewPatient(), 11*time.Minute)
	values, noAnswer, noReason, back := 0, 0, 0, 0
	for _, o := range got {
		switch {
		case o.Code == protocol.SpO2 && o.Quality == protocol.QualityGood:
			values++
		case o.Code == protocol.EventAlarm && strings.HasSuffix(o.Event.Text, "it had no answer in time"):
			noAnswer++
		case o.Code == protocol.EventAlarm && strings.HasSuffix(o.Event.Text, "it gives no reason"):
			noReason++
		case o.Code == protocol.EventAlarm && o.Event.Phase == protocol.PhaseEnd:
			back++
		}
	}
	if values < 600 || noAnswer != 2 || noReason != 2 || back != 4 {
		t.Errorf("%d values, %d and %d aborts, %d times back", values, noAnswer, noReason, back)
	}
}
