package bis

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// sendsFor is how long the played monitor sends after a request.
const sendsFor = 90 * time.Second

func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var heard []byte
	var until time.Time
	sequence := uint16(0)
	return play.Run(ctx, wire, play.Device{
		Answer: func(b, p []byte, at time.Time) []byte {
			if heard = append(heard, p...); len(heard) > len(request) {
				heard = heard[len(heard)-len(request):]
			}
			if string(heard) == string(request) {
				until = at.Add(sendsFor)
			}
			return b
		},
		Parts: []play.Part{{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
			if !at.Before(until) {
				return b
			}
			sequence++
			return appendFrame(b, sequence, messageProcessed, sequence, processed(patient, at))
		}}},
	})
}

// processed is the data of the message in its newer form.
func processed(patient drivers.Patient, at time.Time) []byte {
	raw := func(code protocol.Code, factor float64) int16 {
		v, ok := patient.Numeric(code, at)
		if !ok {
			return math.MinInt16
		}
		return int16(math.Round(min(max(v*factor, 0), math.MaxInt16)))
	}
	data := make([]byte, firstTrend, firstTrend+3*36)
	copy(data, []byte{2, 1, 1, 1, 2, 0})
	for range 3 {
		bis := raw(index, 10)
		for _, v := range []int16{raw(suppression, 10), raw(edge, 100), 0, bis, bis, bis, raw(total, 100), raw(emg, 100)} {
			data = le.AppendUint16(data, uint16(v))
		}
		data = le.AppendUint32(data, uint32(int32(raw(signal, 10))))
		data = le.AppendUint32(data, 0)
		data = le.AppendUint16(data, uint16(raw(bursts, 1)))
		data = append(data, make([]byte, 10)...)
	}
	return data
}
