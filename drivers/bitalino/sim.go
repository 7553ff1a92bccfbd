package bitalino

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
)

// appendFrame appends a frame of one to four values.
func appendFrame(b []byte, seq, digital byte, values ...int) []byte {
	n := (12 + 10*len(values) + 7) / 8
	var f [8]byte
	f[1] = digital << 4
	f[0] = seq << 4
	for i, v := range values {
		switch i {
		case 0:
			f[1] |= byte(v >> 6)
			f[2] = byte(v << 2)
		case 1:
			f[2] |= byte(v >> 8)
			f[3] = byte(v)
		case 2:
			f[4] = byte(v >> 2)
			f[5] = byte(v << 6)
		case 3:
			f[5] |= byte(v >> 4)
			f[6] = byte(v << 4)
		}
	}
	from := len(b)
	for i := n - 1; i >= 0; i-- { // the last byte is the first of f
		b = append(b, f[i])
	}
	b[len(b)-1] |= checksum.CRC4BITalino(b[from:])
	return b
}

// simulate plays a board with what the plan says at its inputs; where the
// patient has nothing, the input reads 0.
func (p *plan) simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	live := false
	seq := byte(0)
	period := 10 * time.Millisecond
	perTurn := p.rate / 100
	waves := make([][]float64, len(p.sensors))
	for i := range waves {
		waves[i] = make([]float64, perTurn)
	}
	return play.Run(ctx, wire, play.Device{
		Answer: func(b, heard []byte, _ time.Time) []byte {
			for _, c := range heard {
				switch {
				case live:
					live = c != cmdStop
				case c == cmdVersion:
					b = append(b, "BITalino_v5.2\r\n"...)
				case c == p.start:
					live, seq = true, 0
				}
			}
			return b
		},
		Parts: []play.Part{{Every: period, Append: func(b []byte, at time.Time) []byte {
			if !live {
				return b
			}
			var on [maxInputs]bool
			for i, s := range p.sensors {
				on[i] = patient.Wave(s.code, at, float64(p.rate), waves[i])
			}
			for k := range perTurn {
				var values [maxInputs]int
				for i, s := range p.sensors {
					if on[i] {
						values[i] = int(math.Round(min(max((waves[i][k]-s.offset.Float64())/s.scale.Float64(), 1), fullHigh-1)))
					}
				}
				b = appendFrame(b, seq, 0, values[:len(p.sensors)]...)
				seq++
			}
			return b
		}}},
	})
}
