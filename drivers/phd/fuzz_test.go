package phd

import (
	"testing"
	"time"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// FuzzPayload fuzzes what stands behind the lengths: a configuration, a report
// of any form, what is told of the memory, and a piece of it.
func FuzzPayload(f *testing.F) {
	list := append([]byte{0x40, 0}, listOf(models[Oximeter].objects...)...)
	report := append([]byte{0xF0, 0, 0, 0}, listOf(observed(1, []byte{0, 97}, clockOf("2026-11-20 09:28:00")), observed(30, []byte{8, 0}))...)
	f.Add(list, report, uint8(0), listOf(segmentOf(3, 0x8000)), entryAt("08:00:00", 90))
	list = append([]byte{0x40, 0}, listOf(models[GlucoseMeter].objects...)...)
	f.Add(list, report, uint8(1), listOf(segmentOf(3, 0, attribute(attrSamplePeriod, []byte{0, 0, 1, 0}))), []byte{0, 90})
	f.Fuzz(func(t *testing.T, config, scan []byte, kind uint8, segments, entries []byte) {
		if len(config)+len(scan)+len(segments)+len(entries) > 20000 {
			return
		}
		k := newTalk(t)
		k.hears(workedAssociate)
		k.hears(reports(1, 0, eventConfig, config))
		k.hears(attributesAre(1, attribute(attrTimeAbsolute, clockOf("2026-11-20 09:30:00"))))
		k.hears(reports(2, int(kind>>4), eventFixed+int(kind)%17, scan))
		k.hears(says(int(k.s.invoke), answerAction, []byte{0, 5, 0x0C, 0x0D}, octets(segments)))
		k.hears(piece(3, 0, max(1, int(kind>>4)), 0xC000, entries))
		k.after(2 * time.Second)
		for _, o := range k.got {
			if o.Kind == protocol.KindNumeric && o.Delay > history {
				t.Errorf("%q", brief(k.got))
			}
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
		}
	})
}
