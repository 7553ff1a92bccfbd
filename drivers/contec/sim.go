package contec

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated oximeter.
type Device struct {
	NoPI bool // a model without perfusion index
	// Shy tells that it starts only after A7, A2 and A0, as a CMS50EW may.
	Shy bool
}

// deaf is how long an oximeter streams without a keep-alive.
const deaf = time.Minute

// Simulate plays the oximeter until ctx ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	p := &playing{Device: d, patient: patient}
	return play.Run(ctx, wire, play.Device{
		Parts:  []play.Part{{Every: 50 * time.Millisecond, Append: p.packets}}, // three are 60 a second
		Answer: p.answer,
	})
}

type playing struct {
	Device
	patient drivers.Patient
	heard   []byte    // of a command
	greeted bool      // A0 was heard
	alive   time.Time // until when it streams
}

func (p *playing) answer(b, heard []byte, at time.Time) []byte {
	for _, c := range heard {
		if p.heard = append(p.heard, c); p.heard[0] != 0x7D {
			p.heard = p.heard[:0]
		}
		if len(p.heard) < 9 {
			continue
		}
		switch p.heard[2] {
		case cmdIdentify:
			b = appendPacket(b, typeIdentifier, []byte("CMS50E\x00"))
		case cmdHello:
			p.greeted = true
		case cmdStart:
			if !p.Shy || p.greeted {
				p.alive = at.Add(deaf)
			}
		case cmdAlive:
			if !p.alive.IsZero() {
				p.alive = at.Add(deaf)
			}
		case cmdStop:
			p.alive = time.Time{}
			b = appendPacket(b, 0x0C, nil)
		}
		p.heard = p.heard[:0]
	}
	return b
}

func (p *playing) packets(b []byte, at time.Time) []byte {
	if !p.alive.After(at) {
		p.alive = time.Time{}
		return b
	}
	spo2, on := p.patient.Numeric(protocol.SpO2, at)
	rate, has := p.patient.Numeric(protocol.PulseRate, at)
	index, perfused := p.patient.Numeric(protocol.PerfusionIndex, at)
	var wave [3]float64
	p.patient.Wave(protocol.Pleth, at, 60, wave[:])
	for _, v := range wave {
		data := [7]byte{0x80, 0x40, 0, 0xFF, 0x7F, 0xFF, 0xFF} // finger out
		if on && has {
			data = [7]byte{4, byte(math.Round(min(max(v, 0), 1) * 100)), byte(min(max(v, 0), 1) * 15), byte(math.Round(min(max(rate, 1), 254))), byte(math.Round(min(max(spo2, 1), 100))), 0xFF, 0xFF}
			if perfused && !p.NoPI {
				n := int(math.Round(min(max(index, 0), 22) * 100))
				data[5], data[6] = byte(n), byte(n>>8)
			}
		}
		b = appendPacket(b, typeRealTime, data[:])
	}
	return b
}

func appendPacket(b []byte, kind byte, data []byte) []byte {
	b = append(b, kind, 0x80)
	high := len(b) - 1
	for i, c := range data {
		b[high] |= c >> 7 << i
		b = append(b, c|0x80)
	}
	return b
}

// simulateFive plays an oximeter with packets of five bytes. Without a finger
// bits of the first byte are set that are not the same for all.
func simulateFive(perSecond int, unplugged byte) func(context.Context, drivers.Port, drivers.Patient) error {
	return func(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
		n := perSecond / 20
		return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: 50 * time.Millisecond, Append: func(b []byte, at time.Time) []byte {
			spo2, on := patient.Numeric(protocol.SpO2, at)
			rate, has := patient.Numeric(protocol.PulseRate, at)
			wave := make([]float64, n)
			patient.Wave(protocol.Pleth, at, float64(perSecond), wave)
			for _, v := range wave {
				if !on || !has {
					b = append(b, 0x80|unplugged, 0, 0x50, 0x7F, 0x7F)
					continue
				}
				v = min(max(v, 0), 1)
				r := byte(math.Round(min(max(rate, 1), 254)))
				b = append(b, 0x86, byte(math.Round(v*100)), r>>7<<6|byte(v*15), r&0x7F, byte(math.Round(min(max(spo2, 1), 100))))
			}
			return b
		}}}})
	}
}
