package masimooem

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A frame takes 14.6 ms at 9600 baud; a round of 63 about a second.
const boardPeriod = 16 * time.Millisecond

func appendBoard(b []byte, seq byte, v uint16, wave byte) []byte {
	n := len(b)
	b = append(b, boardStart, seq, byte(v>>8), byte(v), wave, 100, 0, 0, 0, 0, 0, 0)
	return append(b, checksum.Sum8(b[n+1:]), boardEnd)
}

// simulateBoard plays a board that freezes its numbers when the sensor is off.
func simulateBoard(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	seq := byte(0)
	var frozen [numbers]uint16
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: boardPeriod, Append: func(b []byte, at time.Time) []byte {
		var v uint16
		switch seq {
		case seqSpO2, seqRate, seqPerfusion:
			m := measures[seq]
			if f, ok := patient.Numeric(m.code, at); ok {
				frozen[seq] = uint16(math.Round(min(max(f, 0), 350) * math.Pow10(int(-m.exponent))))
			}
			v = frozen[seq]
		case seqExceptions:
			v = excActive
			if _, on := patient.Numeric(protocol.SpO2, at); !on {
				v = excOffPatient
			}
		case seqProduct:
			v = 0x0012
		case seqDSP:
			v = 0x4105
		case seqMCU:
			v = 0x1021
		}
		var pleth [1]float64
		patient.Wave(protocol.Pleth, at, float64(time.Second/boardPeriod), pleth[:])
		b = appendBoard(b, seq, v, byte(int8(100*min(max(pleth[0], -1), 1))))
		seq = (seq + 1) % (seqFailure + 1)
		return b
	}}}})
}

// aliveFor is how long the simulated port sends without being told that the
// host is there.
const aliveFor = 5 * time.Second

// appendGroup appends a data group as the port of the given byte order sends it.
func appendGroup(b []byte, order binary.AppendByteOrder, g group, value int32, divisor, exceptions uint16) []byte {
	p := order.AppendUint32([]byte{codeGroup, g.id}, uint32(value))
	p = order.AppendUint16(order.AppendUint16(order.AppendUint16(p, divisor), exceptions), 0)
	p = order.AppendUint32(append(p, 1), 99*uint32(divisor))
	p = order.AppendUint32(append(p, 1), 88*uint32(divisor))
	if g.id != groups[0].id {
		p = append(p, 0)
	}
	return appendFrame(b, order.AppendUint16(p, g.dimension)...)
}

// simulatePort plays the data port; it too shows an old number to who does not
// look at the exceptions.
func simulatePort(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var heard []byte
	var until time.Time
	var asked [len(groups)]bool
	var frozen [len(groups)]int32
	answer := func(b, payload []byte, at time.Time) []byte {
		switch {
		case payload[0] == codeKeepAlive:
			until = at.Add(aliveFor)
		case payload[0] == codeRevision:
			return appendFrame(b, codeRevision, 1, 4)
		case payload[0] == codePeriodic && len(payload) == 3:
			for i, g := range groups {
				asked[i] = asked[i] || g.id == payload[1]
			}
		default:
			return appendFrame(b, codeNak, 1)
		}
		return appendFrame(b, codeAck)
	}
	return play.Run(ctx, wire, play.Device{
		Answer: func(b, p []byte, at time.Time) []byte {
			for heard = append(heard, p...); len(heard) > 1; {
				n := int(heard[1]) + overhead
				if heard[0] != iapStart {
					n = 1
				}
				if len(heard) < n {
					break
				}
				if n > overhead && checksum.Sum8(heard[2:n-2]) == heard[n-2] {
					b = answer(b, heard[2:n-2], at)
				}
				heard = heard[n:]
			}
			return b
		},
		Parts: []play.Part{{Every: time.Second, First: 100 * time.Millisecond, Append: func(b []byte, at time.Time) []byte {
			for i, g := range groups {
				if !asked[i] || at.After(until) {
					continue
				}
				exceptions := uint16(noValue)
				if v, ok := patient.Numeric(g.code, at); ok {
					frozen[i], exceptions = int32(math.Round(min(max(v, 0), 100)*10)), 0
				}
				b = appendGroup(b, binary.BigEndian, g, frozen[i], 10, exceptions)
			}
			return b
		}}},
	})
}
