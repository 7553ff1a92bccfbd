package suretemp

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

// A Device is a simulated module with an oral probe.
type Device struct {
	// Predict takes a temperature every 30 s; else the module is in monitor mode.
	Predict bool
}

// Simulate plays the module until ctx ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var heard []byte
	start := time.Now()
	return play.Run(ctx, wire, play.Device{Answer: func(b, p []byte, at time.Time) []byte {
		for _, c := range p {
			heard = append(heard, c)
			if len(heard) < 9 { // no question has data
				continue
			}
			code := binary.BigEndian.Uint16(heard[3:])
			switch good := checksum.Sum8(heard) == 0; {
			case good && code == codeSerial:
				b = appendMessage(b, codeSerial, kindGood, []byte("20260314017"))
			case good && code == codeRecord:
				b = appendMessage(b, codeRecord, kindGood, d.record(patient, start, at))
			default:
				b = appendMessage(b, code, 3, nil)
			}
			heard = heard[:0]
		}
		return b
	}})
}

func (d Device) record(patient drivers.Patient, start, at time.Time) []byte {
	v, on := patient.Numeric(oral, at)
	if !on {
		v, on = patient.Numeric(protocol.BodyTemperature, at)
	}
	volts, hasVolts := patient.Numeric(battery, at)
	b := make([]byte, shortRecord, longRecord)
	var final float64
	state := byte(1) // not ready
	if turn := at.Sub(start) % (30 * time.Second); on && d.Predict {
		switch {
		case turn < 10*time.Second:
			state = 2
		case turn < 15*time.Second:
			state = statePredicting
		case turn < 25*time.Second:
			state, final = stateFinal, v+273.15
		}
	} else if on {
		state = stateMonitor
	}
	binary.LittleEndian.PutUint32(b, math.Float32bits(float32(final)))
	if on {
		binary.LittleEndian.PutUint32(b[4:], math.Float32bits(float32(v+273.15)))
	}
	binary.LittleEndian.PutUint32(b[8:], uint32(at.Sub(start)/(173*time.Millisecond)))
	if b[14] = state; on {
		b[17] = 1
	}
	if !hasVolts {
		return b
	}
	binary.LittleEndian.PutUint32(b[8:], uint32(at.Sub(start)/(173*time.Millisecond))<<16)
	b = b[:longRecord]
	binary.LittleEndian.PutUint16(b[31:], uint16(math.Round(volts*100)))
	return b
}
