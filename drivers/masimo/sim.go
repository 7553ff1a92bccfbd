package masimo

import (
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// simulate plays a Radical-7 with every option that the patient has a value for.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
		_, on := patient.Numeric(protocol.SpO2, at)
		exc := 0x800
		if !on {
			exc |= excOffPatient
		}
		num := func(key string, code protocol.Code, width, places int, dashes, tail string) {
			b = append(append(b, ' '), key...)
			v, has := patient.Numeric(code, at)
			if !has || !on {
				b = append(append(b, '='), dashes...)
			} else {
				step := math.Pow10(places)
				b = fmt.Appendf(b, "=%0*.*f", width, places, math.Round(v*step)/step)
			}
			b = append(b, tail...)
		}
		b = at.UTC().AppendFormat(b, "01/02/06 15:04:05 SN=0000123456")
		num("SPO2", protocol.SpO2, 3, 0, "---", "%")
		num("BPM", protocol.PulseRate, 3, 0, "---", "")
		num("PI", protocol.PerfusionIndex, 5, 2, "--.--", "%")
		num("SPCO", extras[1].code, 4, 1, "--.-", "%")
		num("SPMET", extras[2].code, 4, 1, "--.-", "%")
		num("SPHB", extras[3].code, 4, 1, "--.-", "")
		num("SPOC", extras[4].code, 2, 0, "--", "")
		b = append(b, " RESVD=--- DESAT=-- PIDELTA=+--"...)
		num("PVI", extras[5].code, 3, 0, "---", "")
		return fmt.Appendf(b, " ALARM=000000 EXC=%07X EXC1=00000000\r\n", exc)
	}}}})
}
