package gedri

import (
	"encoding/binary"
	"strconv"
	"time"

	"monitorme/protocol"
)

// Status bits of a wave; all others are undefined and are often set.
const waveLeadOff = 1 << 3

const waveHead = 6

// A waveType is one of the types of wave subrecords.
type waveType struct {
	code  protocol.Code // 0: named by the label of its value
	rate  uint32        // per second; 0: not read
	exp   int8
	input int // of ECG, pressure or EEG
}

var waveTypes = [...]waveType{
	1: {0, 300, -3, 1}, 2: {0, 300, -3, 2}, 3: {0, 300, -3, 3},
	4: {0, 100, -2, 1}, 5: {0, 100, -2, 2}, 6: {0, 100, -2, 3}, 7: {0, 100, -2, 4},
	8:  {protocol.Pleth, 100, -4, 0},
	9:  {mdc("AWAY_CO2"), 25, -5, 0}, // times the ambient pressure
	10: {mdc("CONC_AWAY_O2"), 25, -2, 0}, 11: {ours("WAVE_N2O"), 25, -2, 0}, 12: {ours("WAVE_AGENT"), 25, -2, 0},
	13: {mdc("PRESS_AWAY"), 25, -1, 0}, 14: {mdc("FLOW_AWAY"), 25, -1, 0}, 15: {protocol.RespirationWave, 25, -2, 0},
	16: {0, 100, -2, 5}, 17: {0, 100, -2, 6},
	18: {eeg, 100, -1, 1}, 19: {eeg, 100, -1, 2}, 20: {eeg, 100, -1, 3}, 21: {eeg, 100, -1, 4},
	23: {ours("WAVE_VOLUME"), 25, 0, 0},
	32: {eeg, 100, -1, 5},
	35: {eeg, 300, 0, 6},
	36: {0, 100, -2, 7}, 37: {0, 100, -2, 8},
	38: {protocol.Pleth, 100, -4, 2},
}

const carbonWave = 9

var (
	eeg         = mdc("EEG_ELEC_POTL_CRTX")
	eegChannels = [...]string{1: "1", 2: "2", 3: "3", 4: "4", 5: "entropy", 6: "BIS"}
)

// waveName gives what a wave is kept as. ECG and pressure are named by the
// labels that the monitor sends with their values.
func (d *decoder) waveName(kind byte) site {
	t := waveTypes[kind]
	switch {
	case t.code == eeg:
		return site{eeg, eegChannels[t.input]}
	case kind == 38:
		return site{t.code, "2"}
	case t.code != 0:
		return site{t.code, ""}
	case kind <= 3:
		lead := d.ecg >> (12 - 4*t.input) & 15
		s := site{code: ecgWaveOf[lead]}
		for other := 1; other < t.input; other++ {
			if d.ecg>>(12-4*other)&15 == lead { // a second one of this name
				s.channel = strconv.Itoa(t.input)
			}
		}
		return s
	}
	s := siteOf(d.pressure[t.input], t.input)
	for _, other := range d.pressure[1:t.input] {
		if other != 0 && other == d.pressure[t.input] {
			s.channel = inputs[t.input]
		}
	}
	return s
}

// wave handles a block of samples.
func (d *decoder) wave(sub []byte, kind byte, at time.Time) {
	if len(sub) < waveHead {
		return
	}
	n := int(int16(binary.LittleEndian.Uint16(sub)))
	if n <= 0 || len(sub) < waveHead+2*n {
		return
	}
	d.waves++
	if int(kind) >= len(waveTypes) || waveTypes[kind].rate == 0 {
		return
	}
	t := waveTypes[kind]
	if t.code == 0 && !d.named { // not known of which lead or line
		return
	}
	to := d.waveName(kind)
	s := &protocol.Samples{RateMilliHz: t.rate * 1000, Scale: protocol.Dec(1, t.exp), Offset: protocol.Int(0), Raw: make([]int32, n)}
	if kind == carbonWave {
		if d.ambient <= 0 { // its pressure cannot be told
			return
		}
		s.Scale.Mantissa = int64(d.ambient)
	}
	o := protocol.Observation{Code: to.code, Channel: to.channel, Unit: unitOf[to.code], Kind: protocol.KindSamples,
		Quality: protocol.QualityGood, Delay: s.Duration(), DeviceTime: at, Samples: s}
	off := sub[2]&waveLeadOff != 0
	if off {
		o.Quality = protocol.QualitySensorOff
	}
	for i := range s.Raw {
		v := number16(sub, waveHead+2*i)
		if s.Raw[i] = int32(v); off || v <= noNumber {
			s.Raw[i] = protocol.NoSample
		}
	}
	d.emit(o)
}
