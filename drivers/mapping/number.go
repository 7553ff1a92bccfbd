package mapping

import (
	"math"

	"monitorme/protocol"
)

// Number takes a number as the device said it, which its marks say is of
// quality q: 0 may be no value, and one outside Min and Max is invalid. It gives
// the number scaled and in the unit that is kept, exactly, or else none and
// QualityMissing. Samples stay as they are: a block has a scale of its own.
func (s *Series) Number(n protocol.Decimal, q protocol.Quality) (protocol.Decimal, protocol.Quality) {
	switch {
	case n.Mantissa == 0 && !s.Zero:
		return protocol.Decimal{}, protocol.QualityMissing
	case q.HasNumber() && (s.Min.Valid && n.Compare(s.Min) < 0 || s.Max.Valid && n.Compare(s.Max) > 0):
		q = protocol.QualityInvalid
	}
	if s.Kind == protocol.KindSamples {
		return n, q
	}
	n, ok := times(n, s.Scale)
	if ok {
		n, ok = plus(n, s.Offset)
	}
	if ok {
		n, ok = protocol.Convert(n, s.From, s.Unit)
	}
	if !ok {
		return protocol.Decimal{}, protocol.QualityMissing
	}
	return n, q
}

// times multiplies exactly, or not at all.
func times(a, b protocol.Decimal) (protocol.Decimal, bool) {
	m, e := a.Mantissa*b.Mantissa, int(a.Exponent)+int(b.Exponent)
	if a.Mantissa != 0 && (m/a.Mantissa != b.Mantissa || m == math.MinInt64) {
		return protocol.Decimal{}, false
	}
	return protocol.Dec(m, int8(e)), e >= -18 && e <= 18
}

// plus adds exactly, or not at all.
func plus(a, b protocol.Decimal) (protocol.Decimal, bool) {
	if b.Mantissa == 0 {
		return a, true
	}
	low := min(a.Exponent, b.Exponent)
	x, okX := Raise(a, low)
	y, okY := Raise(b, low)
	sum := x + y
	return protocol.Dec(sum, low), okX && okY && (sum > x) == (y > 0)
}

// Raise gives the mantissa of d with the exponent e, which is not above its
// own: a whole number of 10^e. Not ok is one that does not fit.
func Raise(d protocol.Decimal, e int8) (int64, bool) {
	m := d.Mantissa
	for range int(d.Exponent) - int(e) {
		if m > math.MaxInt64/10 || m < math.MinInt64/10 {
			return 0, false
		}
		m *= 10
	}
	return m, true
}
