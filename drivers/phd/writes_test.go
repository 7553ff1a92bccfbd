package phd

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

func TestNothingThatChangesADeviceIsWrittenWhateverIsAtTheFarEnd(t *testing.T) {
	for name, scanners := range map[string]bool{"as usual": false, "with scanners": true} {
		t.Run(name, func(t *testing.T) {
			s := defaults()
			s.Scanners = scanners
			drivertest.Writes(t, s.driver(), func(wrote []byte) int {
				if len(wrote) < 4 {
					return 0
				}
				n := 4 + int(binary.BigEndian.Uint16(wrote[2:]))
				if n > len(wrote) || allowed(wrote[:n], scanners) != nil {
					return 0
				}
				return n
			}, hostile)
		})
	}
}

// hostile is something of a device that is well formed and need not make sense.
func hostile(r *rand.Rand) []byte {
	handle, invoke := r.IntN(8), 1+r.IntN(40)
	info := make([]byte, r.IntN(12))
	for i := range info {
		info[i] = byte(r.Uint32())
	}
	store := append(u16(u16(nil, classStore), 5), listOf()...)
	scanner := configured(classScanner, 6, 1, attribute(attrOperational, []byte{0, 0}))
	number := configured(classNumeric, 1, protocol.Glucose, unit("mg/dL"), valueMap(attrBasic, 2))
	switch r.IntN(11) {
	case 0, 1:
		return workedAssociate
	case 2, 3:
		return reports(invoke, 0, eventConfig, append([]byte{0x40, 0}, listOf(number, store, scanner)...))
	case 4:
		return reports(invoke, handle, eventFixed+r.IntN(18), info)
	case 5:
		return attributesAre(invoke, attribute(r.IntN(1<<16), info))
	case 6:
		return says(invoke, answerAction, []byte{0, 5, 0x0C, 0x0D}, octets(listOf(segmentOf(r.IntN(9), 0x8000))))
	case 7:
		return says(invoke, answerAction, []byte{0, 5, 0x0C, 0x1C}, octets(u16(u16(nil, r.IntN(9)), r.IntN(5))))
	case 8:
		return piece(r.IntN(9), 0, 1, r.IntN(1<<16), entryAt("07:00:00", 90))
	case 9:
		return says(invoke, []int{serviceGet, serviceConfirmedSet, serviceConfirmedAction, answerError, answerReject}[r.IntN(5)], info)
	}
	return short([]int{apduRelease, apduReleased, apduAbort}[r.IntN(3)], r.IntN(4))
}
