package pulsesensor

import (
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated sensor.
type Device struct {
	// Repeats is a sensor that says its last rate every second though the
	// finger has left.
	Repeats bool
}

const tick = 20 * time.Millisecond

// Simulate plays the sensor for the patient at the far end of wire until ctx
// ends or the wire fails: a sample every 20 ms, and rate and interval at each
// beat.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	phase, rate := 0.0, 0.0
	ticks := 0
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: tick, Append: func(b []byte, at time.Time) []byte {
		v, on := patient.Numeric(protocol.PulseRate, at)
		ticks++
		if !on {
			if d.Repeats && ticks%50 == 0 {
				b = fmt.Appendf(b, "B%.0f\r\n", rate)
			}
			return append(b, "S512\r\n"...)
		}
		rate = v
		var wave [1]float64
		patient.Wave(protocol.Pleth, at, 1/tick.Seconds(), wave[:])
		b = fmt.Appendf(b, "S%.0f\r\n", 300+400*min(max(wave[0], 0), 1))
		if phase += rate / 60 * tick.Seconds(); phase >= 1 {
			_, phase = math.Modf(phase)
			b = fmt.Appendf(b, "B%.0f\r\nQ%.0f\r\n", rate, 60000/rate)
		}
		return b
	}}}})
}
