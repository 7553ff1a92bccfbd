package nellcor

import (
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// headingEvery is how many data lines stand under one heading.
const headingEvery = 25

// simulate plays an NPB-295.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	line := 0
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: 2 * time.Second, Append: func(b []byte, at time.Time) []byte {
		if line%headingEvery == 0 {
			b = append(b, "\r\nNPB-295 VERSION 1.3.0 CRC:9A4F SpO2 Limit: 85-100% PR Limit: 40-170BPM\r\nADULT 0SAT-S\r\nTIME %SpO2 BPM PA Status\r\n"...)
		}
		line++
		spo2, rate, pulse, on := look(patient, at)
		b = append(b, at.UTC().Format("02-Jan-06 15:04:05")...)
		if !on {
			return append(b, "   ---     ---    ---     SO\r\n"...)
		}
		var codes, star string
		if spo2 < 85 {
			codes, star = "SL", "*"
		}
		return fmt.Appendf(b, "   %3d%-1s    %3d    %3d     %s\r\n", spo2, star, rate, pulse, codes)
	}}}})
}

// simulateN200 plays an N-200.
func simulateN200(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: 10 * time.Second, First: time.Second, Append: func(b []byte, at time.Time) []byte {
		spo2, rate, pulse, on := look(patient, at)
		alarm, monitor := 0, oldLocked|oldAttached|4
		if !on {
			spo2, rate, pulse, monitor = 0, 0, 0, 4
		}
		if on && spo2 < 85 {
			alarm = 4
		}
		b = fmt.Appendf(b, "\x02R%03dS%03dP%03dL040H170O085A%03dM%03dT%sQ012\r\n", rate, spo2, pulse, alarm, monitor, at.UTC().Format("150405"))
		return append(b, 'K', etx)
	}}}})
}

func look(patient drivers.Patient, at time.Time) (spo2, rate, pulse int, on bool) {
	s, on := patient.Numeric(protocol.SpO2, at)
	r, has := patient.Numeric(protocol.PulseRate, at)
	p, _ := patient.Numeric(amplitude, at)
	whole := func(v, high float64) int { return int(math.Round(min(max(v, 0), high))) }
	return whole(s, 100), whole(r, 300), whole(p, 254), on && has
}
