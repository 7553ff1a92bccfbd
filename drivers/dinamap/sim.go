package dinamap

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// flat is what the wave is without electrodes.
const flat = 508

// simulate plays a PRO 1000 in waveform mode.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var number, beats, breaths byte
	var beat, breath float64 // phases
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second / perSecond, Append: func(b []byte, at time.Time) []byte {
		hr, on := patient.Numeric(protocol.HeartRate, at)
		if beat += hr / 60 / perSecond; on && beat >= 1 {
			beat, beats = beat-1, beats+1
		}
		rr, breathing := patient.Numeric(protocol.RespirationRate, at)
		if breath += rr / 60 / perSecond; breathing && breath >= 1 {
			breath, breaths = breath-1, breaths+1
		}
		var ecg [samples]float64
		if patient.Wave(protocol.ECGLeadII, at, perSecond*samples, ecg[:]) {
			for i := range ecg {
				ecg[i] *= 200
			}
		} else {
			clear(ecg[:])
		}
		block := [size]byte{number, beats&3<<1 | breaths&3<<3}
		put(block[2:7], [samples]float64{})
		put(block[7:12], ecg)
		block[15] = checksum.CRC8A1(block[1:15])
		block[16], block[17] = ^block[15], ^block[0]
		number = (number + 1) % cycle
		return append(b, block[:]...)
	}}}})
}

// put packs four samples of ten bits.
func put(b []byte, v [samples]float64) {
	var bits uint64
	for _, x := range v {
		bits = bits<<10 | uint64(math.Round(min(max(flat+x, 0), 1023)))
	}
	for i := range b {
		b[i] = byte(bits >> (32 - 8*i))
	}
}
