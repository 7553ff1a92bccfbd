package sleepradar

import (
	"context"
	"math"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// look asks the patient: breathing rate, 0 if there is none, and the stage.
func look(patient drivers.Patient, at time.Time, table [3]string) (rate, stage byte) {
	v, ok := patient.Numeric(protocol.RespirationRate, at)
	if !ok {
		return 0, 3
	}
	w, _ := patient.Word(protocol.SleepStatus, at)
	if w == "asleep" {
		w = "light"
	}
	stage = byte(3)
	if i := slices.Index(table[:], w); i >= 0 {
		stage = byte(i)
	}
	return byte(math.Round(min(max(v, 0), 255))), stage
}

func bit(is bool) byte {
	if is {
		return 1
	}
	return 0
}

func simulate60(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	on := map[byte]bool{}
	var heard []byte
	return play.Run(ctx, wire, play.Device{
		Answer: func(b, p []byte, at time.Time) []byte {
			heard = append(heard, p...)
			for len(heard) >= 10 { // every request has one byte of data
				if heard[0] != 0x53 || heard[1] != 0x59 {
					heard = heard[1:]
					continue
				}
				switch rate, _ := look(patient, at, stages60); {
				case heard[3] == 0:
					on[heard[2]] = heard[6] == 1
				case heard[2] == 0x81 && heard[3] == 0x82:
					b = append60(b, 0x81, 0x82, rate)
				}
				heard = heard[10:]
			}
			return b
		},
		Parts: []play.Part{{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
			rate, stage := look(patient, at, stages60)
			b = append60(b, 1, 1, 0x0F)
			if w, ok := patient.Word(presence, at); ok && on[0x80] {
				b = append60(b, 0x80, 1, bit(w == "present"))
			}
			if on[0x84] {
				b = append60(b, 0x84, 1, 2-bit(rate > 0))
				b = append60(b, 0x84, 2, stage)
			}
			if on[0x81] {
				b = append60(b, 0x81, 1, 4-3*bit(rate > 0))
				var w [5]float64
				patient.Wave(breathing, at, 5, w[:])
				var data [5]byte
				for i := range w {
					data[i] = byte(128 + min(max(w[i]*100, -100), 100))
				}
				b = append60(b, 0x81, 2, rate)
				b = append60(b, 0x81, 5, data[:]...)
			}
			if v, ok := patient.Numeric(pulse, at); on[0x85] && ok && v <= 120 {
				b = append60(b, 0x85, 2, byte(math.Round(v)))
			}
			return b
		}}},
	})
}

func simulate24(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: 2 * time.Second, Append: func(b []byte, at time.Time) []byte {
		rate, stage := look(patient, at, stages24)
		switch w, _ := patient.Word(presence, at); w {
		case "present":
			b = append24(b, 3, 3, 5, 1, 0, 0xFF)
		case "absent":
			b = append24(b, 3, 3, 5, 0, 0xFF, 0xFF)
		}
		b = append24(b, 5, 1, 4, 2+bit(rate > 0))
		b = append24(b, 5, 1, 1, rate)
		return append24(b, 5, 3, 8, stage)
	}}}})
}
