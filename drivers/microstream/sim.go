package microstream

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A listener cuts what the host sends into messages.
type listener struct {
	pend  []byte
	plain [maxLen + 2]byte
}

func (l *listener) heard(p []byte, message func(m []byte)) {
	l.pend = append(l.pend, p...)
	for len(l.pend) > 0 {
		m, n := unframe(l.pend, &l.plain)
		if n == 0 {
			return
		}
		if n > 0 {
			message(m)
		}
		l.pend = l.pend[max(n, 1):]
	}
}

// byteOf is a value as sent, none if the patient has none.
func byteOf(p drivers.Patient, code protocol.Code, at time.Time) byte {
	v, ok := p.Numeric(code, at)
	if !ok {
		return noneHere
	}
	return byte(min(max(math.Round(v), 0), 254))
}

// waveOf is a sample of the wave as sent.
func waveOf(p drivers.Patient, at time.Time, period time.Duration) (whole, fraction byte, ok bool) {
	var v [1]float64
	ok = p.Wave(waveCO2, at, float64(time.Second/period), v[:])
	raw := uint16(min(max(math.Round(v[0]*256), 0), 150*256))
	return byte(raw >> 8), byte(raw), ok
}

// linkFor is how long the monitor sends without being told that the link is alive.
const linkFor = 12 * time.Second

func simulateMonitor(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var ears listener
	enabled := false
	var until time.Time
	number := byte(0)
	on := func(at time.Time) bool { return enabled && at.Before(until) }
	return play.Run(ctx, wire, play.Device{
		Answer: func(b, p []byte, at time.Time) []byte {
			ears.heard(p, func(m []byte) {
				switch m[0] {
				case askEnable:
					enabled = true
					b = appendFrame(b, sayID, []byte("V05.02 03/14/2026 B500012345  ")...)
				case askStart, askAlive:
					until = at.Add(linkFor)
				}
			})
			return b
		},
		Parts: []play.Part{
			{Every: wavePeriod, Append: func(b []byte, at time.Time) []byte {
				if !on(at) {
					return b
				}
				number++
				whole, fraction, ok := waveOf(patient, at, wavePeriod)
				status := byte(0)
				if _, breathing := patient.Numeric(etCO2, at); !breathing {
					status = fastLineOff | fastInvalid
				} else if !ok {
					status = fastInvalid
				}
				return appendFrame(b, sayWave, number, whole, fraction, status)
			}},
			{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
				if !on(at) {
					return b
				}
				data := make([]byte, numbersLen)
				binary.BigEndian.PutUint32(data, uint32(at.Unix()))
				for i, code := range []protocol.Code{etCO2, fiCO2, rateCO2, protocol.SpO2, protocol.PulseRate} {
					data[4+i] = byteOf(patient, code, at)
				}
				if data[7] == noneHere {
					data[14] = 0x20
				}
				copy(data[16:], []byte{60, 15, 40, 8, 8, 100, 85, 140, 50, 1})
				return appendFrame(b, sayNumbers, data...)
			}},
		},
	})
}

func simulateModule(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var ears listener
	measures, breaths := false, false
	number := byte(0)
	var next time.Time // breath
	return play.Run(ctx, wire, play.Device{
		Answer: func(b, p []byte, _ time.Time) []byte {
			ears.heard(p, func(m []byte) {
				switch {
				case m[0] == askMode && measures:
					b = appendFrame(b, podMode, modeMeasure)
				case m[0] == askMode:
					b = appendFrame(b, podMode, modeStandby)
				case m[0] == setMode:
					measures = m[1] == modeMeasure
				case m[0] == askVersion:
					b = appendFrame(b, outputVersion, []byte("V2.10 Pass")...)
				case m[0] == askExtended:
					b = appendFrame(b, podExtended, 0, 0)
				case m[0] == askOutput:
					b = appendFrame(b, podConfig, m[1], 0, 2)
				case m[0] == setOutput && m[1] == outputBreath:
					breaths = m[3] == 1
				}
			})
			return b
		},
		Parts: []play.Part{{Every: wavePeriod, Append: func(b []byte, at time.Time) []byte {
			if !measures {
				return b
			}
			number++
			whole, fraction, ok := waveOf(patient, at, wavePeriod)
			status := byte(0)
			rate := byteOf(patient, rateCO2, at)
			if _, breathing := patient.Numeric(etCO2, at); !breathing || rate == noneHere {
				status = podLineOff | podInvalid
			} else if !ok {
				status = podInvalid
			}
			b = appendFrame(b, podWave, number, whole, fraction, status)
			if status&podLineOff == 0 && breaths && rate > 0 && !at.Before(next) {
				next = at.Add(time.Minute / time.Duration(rate))
				b = appendFrame(b, podBreath, byteOf(patient, etCO2, at), byteOf(patient, fiCO2, at), rate)
			}
			return b
		}}},
	})
}
