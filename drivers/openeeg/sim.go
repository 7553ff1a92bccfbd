package openeeg

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

const (
	part      = 125 * time.Millisecond
	partLen   = 32 // packets, exactly
	zero      = 512
	countsPer = 200 // mV
)

// simulate plays a board with the patient's ECG at its first input and nothing
// at the others; without electrodes it saturates.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	number := byte(0)
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: part, Append: func(b []byte, at time.Time) []byte {
		var mV [partLen]float64
		on := patient.Wave(protocol.ECGLeadII, at, rateHz, mV[:])
		for _, v := range mV {
			count := fullHigh
			if on {
				count = int(min(max(zero+math.Round(v*countsPer), 1), fullHigh-1))
			}
			b = append(b, start[:]...)
			b = append(b, number, byte(count>>8), byte(count), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0F)
			number++
		}
		return b
	}}}})
}
