package generic

import (
	"context"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// simulate plays a device that sends a line of NAME=value pairs every second,
// with -- where the patient has no value.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	start := "\r\n" // as boards do that have just started
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
		b, start = append(b, start...), ""
		for i, n := range names {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, strings.ToUpper(n.keys[0])...), '=')
			term, _ := protocol.Lookup(n.code)
			if w, ok := patient.Word(n.code, at); ok && term.Kind == protocol.KindEnumeration {
				b = append(b, w...)
			} else if v, ok := patient.Numeric(n.code, at); ok && term.Kind == protocol.KindNumeric {
				b = protocol.DecimalOf(v, term.Places).Append(b)
			} else {
				b = append(b, "--"...)
			}
		}
		return append(b, "\r\n"...)
	}}}})
}
