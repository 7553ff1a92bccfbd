package intellivue

import (
	"math/big"
	"time"

	"monitorme/protocol"
)

const (
	flagExtended  = 0x1000 // of a sample specification: the bits above the significant ones are marks
	fixedInvalid  = 1      // of a fixed value: the sample is none
	blockPeriod   = 256 * time.Millisecond
	maxFixed      = 8
	maxSampleRate = 100_000 // per second
)

// A waveSpec is what is known of the samples of an object. Until size and
// scale are known nothing can be made of them.
type waveSpec struct {
	form  waveForm
	ready bool
	scale protocol.Decimal // of one count
	zero  protocol.Decimal // value of count 0
	shape bool             // the scale is the wave's own: 0 to 1
	units protocol.Unit
}

// A waveForm is what the monitor says of a wave, as it says it.
type waveForm struct {
	specified, scaled       bool
	size, significant       byte
	flags                   uint16
	lowerAbs, upperAbs      uint32
	lowerScaled, upperScale uint16
	period                  uint32
	unit                    uint16
	fixed                   [maxFixed]fixedValue
}

type fixedValue struct{ id, mask uint16 }

// waveState is where one wave stands.
type waveState struct {
	begun bool
	last  uint32 // RelativeTime of the last block
}

// describe takes in an attribute, and reports whether it changed anything.
func (w *waveSpec) describe(id uint16, c cursor) bool {
	f := w.form
	switch id {
	case attrSampleSpec:
		c.u16()
		f.size, f.significant, f.flags, f.specified = c.u8(), c.u8(), c.u16(), true
	case attrScale:
		f.lowerAbs, f.upperAbs, f.lowerScaled, f.upperScale, f.scaled = c.u32(), c.u32(), c.u16(), c.u16(), true
	case attrSamplePeriod:
		f.period = c.u32()
	case attrUnit:
		f.unit = c.u16()
	case attrFixedValues:
		count, items := c.list()
		f.fixed = [maxFixed]fixedValue{}
		for i := range min(count, maxFixed) {
			f.fixed[i] = fixedValue{items.u16(), items.u16()}
		}
		c.short = c.short || items.short
	default:
		return false
	}
	if c.short || f == w.form {
		return false
	}
	w.form = f
	w.ready = w.settle()
	return true
}

// settle computes scale and zero from what is known.
func (w *waveSpec) settle() bool {
	f := &w.form
	counts := int64(f.upperScale) - int64(f.lowerScaled)
	if !f.specified || !f.scaled || counts == 0 || f.size != 8 && f.size != 16 {
		return false
	}
	lower, lowerOK := floatOf(f.lowerAbs)
	upper, upperOK := floatOf(f.upperAbs)
	w.units = unitOf(f.unit)
	low, span := new(big.Rat), big.NewRat(1, 1)
	if w.shape = lowerOK != protocol.QualityGood || upperOK != protocol.QualityGood; w.shape {
		w.units = "1"
	} else {
		low = lower.Rat()
		span.Sub(upper.Rat(), low)
	}
	scale := span.Quo(span, new(big.Rat).SetInt64(counts))
	w.scale = protocol.DecimalOfRat(scale)
	w.zero = protocol.DecimalOfRat(low.Sub(low, scale.Mul(scale, new(big.Rat).SetInt64(int64(f.lowerScaled)))))
	return w.scale.Valid && w.scale.Mantissa != 0 && w.zero.Valid
}

// targetOf is the target for a wave so described: one whose scale is its own
// is no impedance.
func (w *waveSpec) targetOf(t target) target {
	if w.shape && t.code == protocol.RespirationWave {
		t.code = breathing
	}
	return t
}

var breathing = protocol.MustCode("MONITORME_WAVE_BREATHING")

// converted gives scale and zero of a wave in the unit of its term.
func (w *waveSpec) converted(to protocol.Unit) (scale, zero protocol.Decimal, ok bool) {
	const million = 6
	one, ok := protocol.Convert(protocol.Dec(1, million), w.units, to)
	none, _ := protocol.Convert(protocol.Int(0), w.units, to)
	if !ok || none.Mantissa != 0 || to == w.units {
		return w.scale, w.zero, to == w.units
	}
	factor := protocol.Dec(one.Mantissa, one.Exponent-million).Rat()
	scale = protocol.DecimalOfRat(new(big.Rat).Mul(w.scale.Rat(), factor))
	zero = protocol.DecimalOfRat(factor.Mul(factor, w.zero.Rat()))
	return scale, zero, scale.Valid && scale.Mantissa != 0 && zero.Valid
}

// samples handles the SaObsValue at c.
func (m *monitor) samples(r pollResult, o *object, c *cursor) {
	physio, state := c.u16(), c.u16()
	data := c.bytes(int(c.u16()))
	w := &o.wave
	if c.short || len(data) == 0 {
		return
	}
	if !w.ready {
		m.blind++
		return
	}
	v := m.valueOf(o, physio, protocol.KindSamples, r.time)
	// A block comes again when streams overlap.
	if since := int32(r.time - v.wave.last); v.wave.begun && since > -10*ticksPerSecond && since < ticksPerSecond/8 {
		return
	}
	v.wave.begun, v.wave.last = true, r.time

	_, quality := reading(0, state)
	s := &protocol.Samples{Scale: w.scale, Offset: w.zero}
	obs := protocol.Observation{Code: v.target.code, Channel: v.target.channel, Kind: protocol.KindSamples, Unit: w.units, Quality: m.real(quality), Samples: s}
	if v.known && v.term.Unit != w.units {
		if scale, zero, ok := w.converted(v.term.Unit); ok {
			s.Scale, s.Offset, obs.Unit = scale, zero, v.term.Unit
		} else {
			obs.Quality = protocol.QualityInvalid
		}
	}
	none := state&(stateInvalid|stateUnavailable|stateCalibrating) != 0
	if none && quality == protocol.QualityInvalid {
		obs.Quality = protocol.QualityMissing
	}
	if none && v.known && obs.Unit != v.term.Unit { // nothing has a unit
		obs.Unit, s.Scale, s.Offset = v.term.Unit, protocol.Int(1), protocol.Int(0)
	}
	s.Raw = w.counts(data, none)
	if s.RateMilliHz = w.rate(len(s.Raw)); s.RateMilliHz == 0 || len(s.Raw) == 0 || len(s.Raw) > protocol.MaxSamples {
		return
	}
	obs.Delay = s.Duration()
	if now := m.clock(r.time); !now.IsZero() {
		obs.DeviceTime = now.Add(-obs.Delay)
	}
	m.emit(obs)
}

// counts gives the samples without marks; none at all if the sensor has none.
func (w *waveSpec) counts(data []byte, none bool) []int32 {
	f := &w.form
	width := int(f.size) / 8
	mask := uint16(1<<f.size - 1)
	if f.flags&flagExtended != 0 && f.significant > 0 && f.significant < f.size {
		mask = 1<<f.significant - 1
	}
	raw := make([]int32, len(data)/width)
	for i := range raw {
		x := uint16(data[i*width])
		if width == 2 {
			x = x<<8 | uint16(data[i*width+1])
		}
		raw[i] = int32(x & mask)
		if none || w.marked(x, mask) {
			raw[i] = protocol.NoSample
		}
	}
	return raw
}

// marked reports whether a sample carries the mark of an invalid one. Marks
// stand above the significant bits.
func (w *waveSpec) marked(x, mask uint16) bool {
	for _, f := range w.form.fixed {
		if f.id == fixedInvalid && f.mask&^mask != 0 && x&f.mask == f.mask {
			return true
		}
	}
	return false
}

// rate is the sample rate of a block of n, in 1/1000 s.
func (w *waveSpec) rate(n int) uint32 {
	if p := uint64(w.form.period); p > 0 && p <= ticksPerSecond*1000 {
		return uint32((ticksPerSecond*1000 + p/2) / p)
	}
	return uint32(min(n*1_000_000/int(blockPeriod/time.Millisecond), maxSampleRate*1000))
}
