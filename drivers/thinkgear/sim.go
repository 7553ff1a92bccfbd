package thinkgear

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated chip.
type Device struct {
	// EEG is a headset; else it is an ECG module.
	EEG bool
}

const (
	part      = 125 * time.Millisecond
	partLen   = 64   // samples, exactly
	countsPer = 7000 // of the ECG module, per mV
)

// Simulate plays the chip for the patient at the far end of wire until ctx ends
// or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{
		{Every: time.Second, Append: func(b []byte, at time.Time) []byte { return d.second(b, patient, at) }},
		{Every: part, Append: func(b []byte, at time.Time) []byte { return d.wave(b, patient, at) }},
	}})
}

func appendPacket(b []byte, payload ...byte) []byte {
	b = append(b, sync, sync, byte(len(payload)))
	return append(append(b, payload...), checksum.Not8(payload))
}

// second appends the packet of each second.
func (d Device) second(b []byte, patient drivers.Patient, at time.Time) []byte {
	value := func(code protocol.Code) (byte, bool) {
		v, ok := patient.Numeric(code, at)
		return byte(math.Round(min(max(v, 0), 255))), ok
	}
	if !d.EEG {
		rate, ok := value(protocol.HeartRate)
		if !ok { // the last one stays
			return appendPacket(b, codeSignal, 0, codeHeartRate, 72)
		}
		return appendPacket(b, codeSignal, contactECG, codeHeartRate, rate)
	}
	signal := byte(0)
	a, ok := value(attention)
	m, _ := value(meditation)
	if !ok {
		signal, a, m = noEEG, 0, 0
	}
	payload := append([]byte{codeSignal, signal, codeBands, 24}, make([]byte, 24)...)
	return appendPacket(b, append(payload, codeAttention, a, codeMeditation, m)...)
}

// wave appends the samples of an eighth of a second, each in its packet.
func (d Device) wave(b []byte, patient drivers.Patient, at time.Time) []byte {
	code, counts := protocol.ECGLeadII, float64(countsPer)
	if d.EEG {
		code, counts = eegWave, 1/microvolts.Float64()
	}
	var wave [partLen]float64
	if !patient.Wave(code, at, rateHz, wave[:]) {
		clear(wave[:])
	}
	for _, v := range wave {
		raw := int16(math.Round(min(max(v*counts, math.MinInt16), math.MaxInt16)))
		b = appendPacket(b, codeRaw, 2, byte(uint16(raw)>>8), byte(raw))
	}
	return b
}
