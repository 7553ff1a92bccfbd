package openbci

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// simulate plays a Cyton with the gain of 24 and the patient's ECG on all eight
// channels, smaller from one to the next; without electrodes they saturate.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	streams := false
	number := byte(0)
	ecg := protocol.MustCode("MDC_ECG_ELEC_POTL")
	return play.Run(ctx, wire, play.Device{
		Answer: func(b, p []byte, _ time.Time) []byte {
			for _, c := range p {
				switch c {
				case 's':
					streams = false
				case 'b':
					streams, number = true, 0
				case 'c':
					b = append(b, "daisy removed$$$"...)
				}
			}
			return b
		},
		Parts: []play.Part{{Every: period, Append: func(b []byte, at time.Time) []byte {
			if !streams {
				return b
			}
			var mV [1]float64
			on := patient.Wave(ecg, at, 250, mV[:])
			b = append(b, first, number)
			number++
			for i := range channels {
				v := int32(1<<23 - 1)
				if on {
					v = int32(math.Round(mV[0] / float64(i+1) / 1000 * 24 / 4.5 * (1<<23 - 1)))
				}
				b = append(b, byte(v>>16), byte(v>>8), byte(v))
			}
			b = append(b, 0, 0, 0, 0, 0, 0)
			return append(b, last)
		}}},
	})
}
