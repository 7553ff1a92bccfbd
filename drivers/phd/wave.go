package phd

import (
	"encoding/binary"
	"math/big"

	"monitorme/protocol"
)

// A waveSpec is what is told of a wave besides its samples.
type waveSpec struct {
	array        int // samples in a block
	size         int // bytes of one
	signed       bool
	period       uint32 // RelativeTime between two
	scaled       bool
	lower, upper uint32 // FLOAT: what the next two mean
	lowest, most uint32 // as sent, in width bytes
	width        int

	scale, offset protocol.Decimal // in unit
	unit          protocol.Unit
	ready         bool // the last three are computed
}

// describe takes in an attribute of a wave, and says whether it was one.
func (w *waveSpec) describe(id uint16, v []byte) bool {
	c := cursor{b: v}
	n := *w
	switch id {
	case attrSampleSpec:
		n.array = int(c.u16())
		b := c.bytes(2)
		c.u16()
		if b == nil || b[0] != 8 && b[0] != 16 && b[0] != 32 {
			return false
		}
		n.size, n.signed = int(b[0])/8, b[1] == 255
	case attrSamplePeriod:
		n.period = c.u32()
	case attrScale8, attrScale16, attrScale32:
		n.lower, n.upper = c.u32(), c.u32()
		n.width = map[uint16]int{attrScale8: 1, attrScale16: 2, attrScale32: 4}[id]
		n.lowest, n.most = uint32(integer(c.bytes(n.width), false)), uint32(integer(c.bytes(n.width), false))
		n.scaled = true
	default:
		return false
	}
	if c.short || n == *w {
		return false
	}
	*w, w.ready = n, false
	return true
}

// count is one end of the range of counts.
func (w *waveSpec) count(end uint32) int64 {
	b := binary.BigEndian.AppendUint32(nil, end)
	return integer(b[4-w.width:], w.signed)
}

// integer reads a number of 1, 2 or 4 bytes.
func integer(b []byte, signed bool) int64 {
	var u uint64
	for _, c := range b {
		u = u<<8 | uint64(c)
	}
	if free := 64 - 8*len(b); signed && free < 64 {
		return int64(u<<free) >> free
	}
	return int64(u)
}

// settle computes scale and offset for a value whose unit is that of the
// object; false if what is told of the wave is not enough or no sense.
func (w *waveSpec) settle(unit protocol.Unit, v *value) bool {
	if w.ready {
		return true
	}
	if w.size == 0 || w.period == 0 || w.rate() == 0 {
		return false
	}
	if unit == "" && v.term.Unit == "1" {
		unit = "1"
	}
	w.scale, w.offset, w.unit = protocol.Int(1), protocol.Int(0), unit
	scale, offset := big.NewRat(1, 1), new(big.Rat)
	if w.scaled {
		low, lowOK := floatOf(w.lower)
		high, highOK := floatOf(w.upper)
		if lowOK != protocol.QualityGood || highOK != protocol.QualityGood || w.most == w.lowest {
			return false
		}
		lowest := new(big.Rat).SetInt64(w.count(w.lowest))
		scale.Sub(high.Rat(), low.Rat())
		scale.Quo(scale, new(big.Rat).Sub(new(big.Rat).SetInt64(w.count(w.most)), lowest))
		offset.Mul(scale, lowest)
		offset.Sub(low.Rat(), offset)
	}
	if v.known && unit != v.term.Unit {
		const million = 6
		one, ok := protocol.Convert(protocol.Dec(1, million), unit, v.term.Unit)
		none, _ := protocol.Convert(protocol.Int(0), unit, v.term.Unit)
		if ok && none.Mantissa == 0 {
			factor := protocol.Dec(one.Mantissa, one.Exponent-million).Rat()
			scale.Mul(scale, factor)
			offset.Mul(offset, factor)
			w.unit = v.term.Unit
		}
	}
	w.scale, w.offset = protocol.DecimalOfRat(scale), protocol.DecimalOfRat(offset)
	w.ready = w.scale.Valid && w.scale.Mantissa != 0 && w.offset.Valid
	return w.ready
}

// rate is how many samples come in 1000 s.
func (w *waveSpec) rate() uint32 {
	r := (8000*1000 + uint64(w.period)/2) / uint64(w.period)
	if r > 100_000_000 {
		return 0
	}
	return uint32(r)
}

// counts gives the samples of a block; nil if it is none.
func (w *waveSpec) counts(v []byte) []int32 {
	if len(v) >= 2 && int(binary.BigEndian.Uint16(v)) == len(v)-2 {
		v = v[2:]
	}
	if w.size == 0 || len(v) == 0 || len(v)%w.size != 0 || len(v)/w.size > protocol.MaxSamples || w.array != 0 && len(v) != w.array*w.size {
		return nil
	}
	raw := make([]int32, len(v)/w.size)
	last := int64(0)
	for i := range raw {
		x := integer(v[i*w.size:(i+1)*w.size], w.signed)
		// More than the wire format can tell is no sample.
		if d := x - last; x > 1<<31-1 || x <= -1<<31 || d > 1<<31-1 || d < -1<<31 {
			raw[i] = protocol.NoSample
			continue
		}
		raw[i], last = int32(x), x
	}
	return raw
}
