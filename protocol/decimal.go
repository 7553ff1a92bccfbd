package protocol

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// A Decimal is an exact decimal number, Mantissa * 10^Exponent, as the device
// said it: 36.8 stays 36.8. It mirrors the FLOAT-Type of IEEE 11073-20601
// without its special values: absence is expressed by Valid and by Quality.
// The zero value is "no value".
type Decimal struct {
	Mantissa int64
	Exponent int8 // -18 to 18
	Valid    bool
}

// Dec is the decimal mantissa*10^exponent.
func Dec(mantissa int64, exponent int8) Decimal {
	return Decimal{Mantissa: mantissa, Exponent: exponent, Valid: true}
}

// Int is the whole number n.
func Int(n int64) Decimal { return Decimal{Mantissa: n, Valid: true} }

// DecimalOf rounds f half away from zero to the given number of places (0 to
// 9). NaN, infinities and numbers beyond the range of an int64 mantissa give
// the zero Decimal, "no value".
func DecimalOf(f float64, places int) Decimal {
	m := math.Round(f * math.Pow10(places))
	if math.IsNaN(m) || math.Abs(m) >= 1<<63 || places < 0 || places > 9 {
		return Decimal{}
	}
	return Dec(int64(m), int8(-places))
}

// Rat is d exactly, a new number; d must have a value.
func (d Decimal) Rat() *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatInt(d.Mantissa, 10) + "e" + strconv.Itoa(int(d.Exponent)))
	return r
}

// DecimalOfRat is r exactly if 12 places are enough for it, or rounded to 10
// digits: a scale so rounded puts no count of 16 bits off by as much as a
// thousandth. A number beyond the range gives the zero Decimal, "no value".
func DecimalOfRat(r *big.Rat) Decimal {
	ten, scaled := big.NewRat(10, 1), new(big.Rat).Set(r)
	for places := range int8(13) {
		if scaled.IsInt() && scaled.Num().IsInt64() {
			return Dec(scaled.Num().Int64(), -places)
		}
		scaled.Mul(scaled, ten)
	}
	f, _ := r.Float64()
	d, err := ParseDecimal(strconv.FormatFloat(f, 'e', 9, 64))
	if err != nil {
		return Decimal{}
	}
	return d
}

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// Float64 is the nearest float64, NaN if d has no value.
func (d Decimal) Float64() float64 {
	switch {
	case !d.Valid:
		return math.NaN()
	case d.Exponent >= 0:
		return float64(d.Mantissa) * pow10[min(int(d.Exponent), 18)]
	default:
		return float64(d.Mantissa) / pow10[min(-int(d.Exponent), 18)]
	}
}

// Places is the number of decimal places the device gave.
func (d Decimal) Places() int { return max(0, -int(d.Exponent)) }

// String gives plain decimal notation with the places the device gave
// ("36.80" stays so), and "" for no value.
func (d Decimal) String() string { return string(d.Append(nil)) }

// Append appends d.String() to b.
func (d Decimal) Append(b []byte) []byte {
	if !d.Valid {
		return b
	}
	if d.Exponent >= 0 {
		b = strconv.AppendInt(b, d.Mantissa, 10)
		if d.Mantissa != 0 {
			for range d.Exponent {
				b = append(b, '0')
			}
		}
		return b
	}
	u := uint64(d.Mantissa)
	if d.Mantissa < 0 {
		b = append(b, '-')
		u = -u
	}
	digits := strconv.AppendUint(make([]byte, 0, 24), u, 10)
	places := -int(d.Exponent)
	if len(digits) <= places {
		b = append(b, '0', '.')
		for range places - len(digits) {
			b = append(b, '0')
		}
		return append(b, digits...)
	}
	b = append(b, digits[:len(digits)-places]...)
	b = append(b, '.')
	return append(b, digits[len(digits)-places:]...)
}

// MarshalJSON writes a JSON number, or null for no value.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if !d.Valid {
		return []byte("null"), nil
	}
	return d.Append(nil), nil
}

// UnmarshalJSON reads a JSON number or null.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*d = Decimal{}
		return nil
	}
	v, err := ParseDecimal(string(b))
	*d = v
	return err
}

var errNotDecimal = errors.New("not a decimal number")

// ParseDecimal reads a plain decimal number ("36.8", "-0.05", "120") or one
// with an exponent ("1.2e3"), exactly. It refuses anything else, and numbers
// of more than 18 digits.
func ParseDecimal(s string) (Decimal, error) {
	fail := func() (Decimal, error) { return Decimal{}, fmt.Errorf("%q: %w", s, errNotDecimal) }
	body, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil {
			return fail()
		}
		body, exp = s[:i], e
	}
	neg := false
	if body != "" && (body[0] == '-' || body[0] == '+') {
		neg, body = body[0] == '-', body[1:]
	}
	whole, frac, _ := strings.Cut(body, ".")
	digits := whole + frac
	if len(whole) == 0 && len(frac) == 0 || len(strings.TrimLeft(digits, "0")) > 18 {
		return fail()
	}
	var m int64
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return fail()
		}
		m = m*10 + int64(c-'0')
	}
	if neg {
		m = -m
	}
	exp -= len(frac)
	if exp < -18 || exp > 18 {
		return fail()
	}
	return Dec(m, int8(exp)), nil
}

// Compare orders by value: -1, 0 or +1, exactly. A Decimal without a value
// sorts first.
func (d Decimal) Compare(e Decimal) int {
	switch {
	case !d.Valid && !e.Valid:
		return 0
	case !d.Valid:
		return -1
	case !e.Valid:
		return 1
	case d.Exponent == e.Exponent:
		return cmp.Compare(d.Mantissa, e.Mantissa)
	}
	// Below 2^53 both are the nearest floats, which differ only if they do.
	const exact = 1 << 53
	if max(d.Mantissa, -d.Mantissa, e.Mantissa, -e.Mantissa) < exact {
		if c := cmp.Compare(d.Float64(), e.Float64()); c != 0 {
			return c
		}
	}
	low := min(d.Exponent, e.Exponent)
	a := new(big.Int).Mul(big.NewInt(d.Mantissa), tenTo(int64(d.Exponent)-int64(low)))
	return a.Cmp(new(big.Int).Mul(big.NewInt(e.Mantissa), tenTo(int64(e.Exponent)-int64(low))))
}
