package hamilton

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// simulate plays a ventilator for the patient at the far end of wire until ctx
// ends or the wire fails.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var heard []byte
	return play.Run(ctx, wire, play.Device{Answer: func(b, got []byte, at time.Time) []byte {
		for _, c := range got {
			if heard = append(heard, c); c != cr {
				continue
			}
			if n := len(heard); n >= 4 && heard[n-4] == stx && heard[n-2] == etx {
				b = answer(b, heard[n-3], patient, at)
			}
			heard = heard[:0]
		}
		return b
	}})
}

func answer(b []byte, id byte, patient drivers.Patient, at time.Time) []byte {
	p := byID[id]
	if p == nil {
		return append(b, "\x02RERROR\x03\r"...)
	}
	v, ok := patient.Numeric(p.code, at)
	if p.code == mode { // it has one whenever somebody breathes
		_, ok = patient.Numeric(protocol.RespirationRate, at)
		v = 22
	}
	text := "9999."
	for places := 2; ok && places >= 0; places-- {
		s := strconv.FormatFloat(v, 'f', places, 64)
		if places == 0 {
			s += "."
		}
		if len(s) <= 5 {
			text = s
			break
		}
	}
	return fmt.Appendf(b, "\x02%c%5s\x03\r", rune(id), text)
}
