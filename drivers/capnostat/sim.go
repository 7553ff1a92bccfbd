package capnostat

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// simulate plays a module that measures in mmHg. It sends once it was told to.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	s := &module{patient: patient}
	return play.Run(ctx, wire, play.Device{
		Parts:  []play.Part{{Every: 10 * time.Millisecond, Append: s.packet}},
		Answer: s.answer,
	})
}

type module struct {
	patient drivers.Patient
	on      bool
	n       int // packets sent
	heard   []byte
}

// answer takes what the host sends.
func (s *module) answer(b, p []byte, _ time.Time) []byte {
	s.heard = append(s.heard, p...)
	for len(s.heard) >= 2 {
		n := int(s.heard[1]) + 2
		if s.heard[0] < 0x80 || n < 3 || n > maxBytes {
			s.heard = s.heard[1:]
			continue
		}
		if len(s.heard) < n {
			break
		}
		switch {
		case sumOf(s.heard[:n]) != 0:
		case s.heard[0] == cmdWave:
			s.on = true
		case s.heard[0] == cmdItem && n == 4 && s.heard[2] == itemUnit:
			b = appendPacket(b, cmdItem, itemUnit, 0)
		case s.heard[0] == cmdItem && n == 4 && s.heard[2] == itemSerial:
			b = appendPacket(b, cmdItem, itemSerial, 0, 0, 7, 0x51, 0x20)
		}
		s.heard = s.heard[n:]
	}
	return b
}

// sumOf is 0 for a whole packet that is right.
func sumOf(p []byte) (sum byte) {
	for _, c := range p {
		sum += c
	}
	return sum & 0x7F
}

func (s *module) packet(b []byte, at time.Time) []byte {
	if !s.on {
		return b
	}
	var wave [1]float64
	if !s.patient.Wave(waveCO2, at, 100, wave[:]) {
		wave[0] = 0
	}
	raw := int(math.Round(min(max(wave[0], 0), 150)*100)) + 1000
	data := []byte{byte(s.n & 0x7F), byte(raw >> 7), byte(raw & 0x7F)}
	pair := func(code byte, of protocol.Code, factor float64) {
		v, ok := s.patient.Numeric(of, at)
		if !ok {
			v = 0
		}
		n := int(math.Round(min(max(v*factor, 0), 16383)))
		data = append(data, code, byte(n>>7), byte(n&0x7F))
	}
	switch s.n % 100 {
	case 0:
		priority := byte(0)
		if _, on := s.patient.Numeric(etCO2, at); !on {
			priority = 0x09
		}
		data = append(data, blockStatus, 0, 0, 0, 0, priority)
	case 20:
		pair(blockET, etCO2, 10)
	case 40:
		pair(blockRate, rateCO2, 1)
	case 60:
		pair(blockInsp, fiCO2, 10)
	}
	s.n++
	return appendPacket(b, cmdWave, data...)
}
