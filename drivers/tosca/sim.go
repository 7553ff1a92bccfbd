package tosca

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated TOSCA. What it calls the carbon dioxide and how it
// says that there is none are invented, for both are not known.
type Device struct {
	KPa bool // the unit of the carbon dioxide
}

// Simulate plays the device for the patient at the far end of wire until ctx
// ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var heard []byte
	return play.Run(ctx, wire, play.Device{Answer: func(b, got []byte, at time.Time) []byte {
		for _, c := range got {
			if heard = append(heard, c); c != '$' {
				continue
			}
			if bytes.HasSuffix(heard, []byte("\n02$")) {
				b = d.answer(b, patient, at)
			}
			heard = heard[:0]
		}
		return b
	}})
}

func (d Device) answer(b []byte, patient drivers.Patient, at time.Time) []byte {
	say := func(name string, code protocol.Code, unit string) {
		v, ok := patient.Numeric(code, at)
		switch {
		case !ok:
			b = fmt.Appendf(b, "[%s=---%s]\r\n", name, unit)
		case unit == "KPA":
			b = fmt.Appendf(b, "[%s=%.2f%s]\r\n", name, v*0.133322387415, unit)
		default:
			b = fmt.Appendf(b, "[%s=%03.0f%s]\r\n", name, math.Round(v), unit)
		}
	}
	unit := "MMHG"
	if d.KPa {
		unit = "KPA"
	}
	say("PCO2", carbon, unit)
	say("SPO2", protocol.SpO2, "PERCNT")
	say("PR", protocol.PulseRate, "BPM")
	return b
}
