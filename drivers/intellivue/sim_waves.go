package intellivue

import (
	"encoding/binary"
	"math"
	"time"

	"monitorme/protocol"
)

// A simWave is a wave of the simulated monitor.
type simWave struct {
	handle uint16
	label  uint32
	unit   uint16
	period uint32 // RelativeTime
	bits   byte
	low    uint32 // FLOAT-Type at count 0
	high   uint32 // at the highest
	ids    []uint16
	codes  []protocol.Code // by which the patient is asked
	from   float64         // what is drawn as count 0
	step   float64         // and for each further count
}

var simWaves = []simWave{
	// -40.96 mV to 40.955 mV
	{0x8301, 0x00020100, 0x10B2, 32, 14, 0xFEFFF000, 0xFD009FFB, []uint16{0x0101, 0x0102, 0x0143},
		[]protocol.Code{protocol.ECGLeadI, protocol.ECGLeadII, protocol.ECGLeadV}, -40.96, 0.005},
	{0x8302, 0x00024BB4, 0x0200, 64, 12, floatNaN, floatNaN, []uint16{0x4BB4}, []protocol.Code{protocol.Pleth}, 0, 1.0 / 4095},
	{0x8303, 0x00025000, 0x10C0, 128, 12, floatNaN, floatNaN, []uint16{0x5000}, []protocol.Code{protocol.RespirationWave}, -2, 4.0 / 4095},
	// -40.0 mmHg to 369.5 mmHg
	{0x8304, 0x00024A14, 0x0F20, 64, 12, 0xFFFFFE70, 0xFF000E6F, []uint16{0x4A14}, []protocol.Code{protocol.ABPWave}, -40, 0.1},
}

// drawn are the waves that the host has asked for: with the samples of the
// last 256 ms if they are wanted, and with what describes them.
func (p *playing) drawn(sampled, described bool) [][]byte {
	var all [][]byte
	for _, label := range p.waves {
		for _, w := range simWaves {
			if w.label != label {
				continue
			}
			var list []byte
			count := 0
			if described {
				list, count = w.describe(), 6
			}
			if sampled {
				list, count = append(list, p.draw(w)...), count+1
			}
			all = append(all, appendObject(w.handle, attributes(count, list)))
		}
	}
	return all
}

func (w simWave) describe() []byte {
	be := binary.BigEndian
	spec := appendFields(nil, uint16(w.samples()))
	spec = appendFields(append(spec, 16, w.bits), flagExtended|0x8000)
	scale := appendFields(be.AppendUint32(be.AppendUint32(nil, w.low), w.high), 0, 1<<w.bits-1)
	var b []byte
	for _, a := range [][]byte{
		attribute(attrLabel, be.AppendUint32(nil, w.label)),
		attribute(attrSampleSpec, spec),
		attribute(attrScale, scale),
		attribute(attrSamplePeriod, be.AppendUint32(nil, w.period)),
		attribute(attrUnit, appendFields(nil, w.unit)),
		attribute(attrFixedValues, appendFields(nil, 2, 8, fixedInvalid, 0x8000, 2, 0x4000)),
	} {
		b = append(b, a...)
	}
	return b
}

// samples is how many a block has.
func (w simWave) samples() int {
	return int(blockPeriod*ticksPerSecond/time.Second) / int(w.period)
}

// draw is the attribute with the samples that end now.
func (p *playing) draw(w simWave) []byte {
	var blocks []byte
	values := make([]float64, w.samples())
	for i, id := range w.ids {
		state := uint16(0)
		if !p.patient.Wave(w.codes[i], p.at.Add(-blockPeriod), ticksPerSecond/float64(w.period), values) {
			state = stateInvalid
			clear(values)
		}
		blocks = appendFields(blocks, id, state, uint16(2*len(values)))
		for _, v := range values {
			blocks = appendFields(blocks, uint16(min(max(math.Round((v-w.from)/w.step), 0), float64(uint16(1)<<w.bits-1))))
		}
	}
	if len(w.ids) == 1 {
		return attribute(attrSamples, blocks)
	}
	return attribute(attrSampleCompound, append(appendFields(nil, uint16(len(w.ids)), uint16(len(blocks))), blocks...))
}
