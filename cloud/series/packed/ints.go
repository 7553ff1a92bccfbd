package packed

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// errShort is what every decoder here says of bytes that end early or make no
// sense.
var errShort = errors.New("packed: damaged or cut short")

const (
	blockLen = 128 // integers that share an order, a base and a Rice parameter
	constant = 63  // Rice parameter that means: every residual is the base
	escape   = 24  // a quotient this long is followed by 64 plain bits
)

// AppendInts appends v, of which the reader must know the length. Integers
// that are near to a constant, a straight line or a smooth curve cost few
// bits: each block of 128 is predicted from its past by the fixed polynomials
// of lossless audio coding (order 0 to 3), and the residuals are Rice coded.
func AppendInts(b []byte, v []int64) []byte {
	if len(v) == 0 {
		return b
	}
	b = binary.AppendVarint(b, v[0])
	h := [3]int64{v[0], v[0], v[0]}
	for rest := v[1:]; len(rest) > 0; {
		n := min(len(rest), blockLen)
		b = appendBlock(b, rest[:n], &h)
		rest = rest[n:]
	}
	return b
}

// appendBlock appends up to blockLen values whose three predecessors are h,
// newest first, and moves h on.
func appendBlock(b []byte, v []int64, h *[3]int64) []byte {
	var res [4][blockLen]uint64
	var base [4]int64
	best, bestCost := 0, 1<<62
	for order := range 4 {
		var diff [blockLen]int64
		differences(diff[:len(v)], v, *h, order)
		if order < 2 {
			base[order] = middle(diff[:len(v)])
		}
		cost := order
		for i, d := range diff[:len(v)] {
			u := zigzag(d - base[order])
			res[order][i] = u
			cost += bits.Len64(u)
		}
		if cost < bestCost {
			best, bestCost = order, cost
		}
	}
	for i := max(0, len(v)-3); i < len(v); i++ {
		h[2], h[1], h[0] = h[1], h[0], v[i]
	}
	u := res[best][:len(v)]
	k := riceParameter(u, bestCost)
	b = append(b, byte(best<<6|k))
	b = binary.AppendVarint(b, base[best])
	if k == constant {
		return b
	}
	w := bitWriter{b: b}
	for _, x := range u {
		if q := x >> k; q < escape {
			w.write(1, uint(q)+1)
			w.write(x&(1<<k-1), uint(k))
		} else {
			w.write(1, escape+1)
			w.write(x>>32, 32)
			w.write(x&(1<<32-1), 32)
		}
	}
	return w.end()
}

// differences puts the residuals of the polynomial predictor of that order
// into d. All arithmetic wraps, and wraps back in DecodeInts.
func differences(d, v []int64, h [3]int64, order int) {
	a, b, c := h[0], h[1], h[2]
	for i, x := range v {
		d[i] = x - predict(order, a, b, c)
		a, b, c = x, a, b
	}
}

func predict(order int, a, b, c int64) int64 {
	switch order {
	case 0:
		return 0
	case 1:
		return a
	case 2:
		return 2*a - b
	default:
		return 3*a - 3*b + c
	}
}

// middle is the median of nine of the values: near the centre even when some
// of them are far off.
func middle(d []int64) int64 {
	var s [9]int64
	for i := range s {
		s[i] = d[i*(len(d)-1)/8]
	}
	slices.Sort(s[:])
	return s[4]
}

// riceParameter finds the parameter that costs the fewest bits, near the one
// that the mean length of the residuals suggests.
func riceParameter(u []uint64, sumLen int) int {
	if !slices.ContainsFunc(u, func(x uint64) bool { return x != 0 }) {
		return constant
	}
	guess := sumLen / len(u)
	best, bestCost := 0, uint64(1<<63)
	for k := max(0, guess-2); k <= min(guess+1, 62); k++ {
		cost := uint64(0)
		for _, x := range u {
			if q := x >> k; q < escape {
				cost += q + 1 + uint64(k)
			} else {
				cost += escape + 1 + 64
			}
		}
		if cost < bestCost {
			best, bestCost = k, cost
		}
	}
	return best
}

// DecodeInts fills v from b and returns what follows.
func DecodeInts(b []byte, v []int64) ([]byte, error) {
	if len(v) == 0 {
		return b, nil
	}
	first, n := binary.Varint(b)
	if n <= 0 {
		return nil, errShort
	}
	b = b[n:]
	v[0] = first
	h := [3]int64{first, first, first}
	var err error
	for rest := v[1:]; len(rest) > 0; {
		n := min(len(rest), blockLen)
		if b, err = decodeBlock(b, rest[:n], &h); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return b, nil
}

func decodeBlock(b []byte, v []int64, h *[3]int64) ([]byte, error) {
	if len(b) < 2 {
		return nil, errShort
	}
	order, k := int(b[0]>>6), uint(b[0]&63)
	base, n := binary.Varint(b[1:])
	if n <= 0 {
		return nil, errShort
	}
	b = b[1+n:]
	if k == constant {
		for i := range v {
			v[i] = base
		}
	} else {
		used, ok := decodeRice(b, v, k, base)
		if !ok {
			return nil, errShort
		}
		b = b[used:]
	}
	integrate(v, h, order)
	return b, nil
}

// integrate undoes differences.
func integrate(v []int64, h *[3]int64, order int) {
	a, b, c := h[0], h[1], h[2]
	switch order {
	case 0:
		for _, x := range v {
			a, b, c = x, a, b
		}
	case 1:
		for i, d := range v {
			a, b, c = a+d, a, b
			v[i] = a
		}
	case 2:
		for i, d := range v {
			a, b, c = 2*a-b+d, a, b
			v[i] = a
		}
	default:
		for i, d := range v {
			a, b, c = 3*a-3*b+c+d, a, b
			v[i] = a
		}
	}
	h[0], h[1], h[2] = a, b, c
}

// decodeRice reads residuals and adds base; it reports the bytes used.
func decodeRice(b []byte, v []int64, k uint, base int64) (int, bool) {
	pos, end := uint(0), uint(len(b))*8
	for i := range v {
		w := load(b, pos)
		q := uint(bits.LeadingZeros64(w))
		var u uint64
		switch {
		case q < escape && q+1+k <= 57:
			u = uint64(q)<<k | w<<(q+1)>>(64-k) // a shift by 64 gives 0
			pos += q + 1 + k
		case q < escape:
			pos += q + 1
			u = uint64(q)<<k | readBits(b, pos, k)
			pos += k
		case q == escape:
			pos += escape + 1
			u = readBits(b, pos, 64)
			pos += 64
		default:
			return 0, false
		}
		if pos > end {
			return 0, false
		}
		v[i] = unzigzag(u) + base
	}
	return int((pos + 7) / 8), true
}

// load gives at least 57 bits from bit pos on, at the top of the word; bits
// behind the end are zero.
func load(b []byte, pos uint) uint64 {
	i := pos >> 3
	if i+8 <= uint(len(b)) {
		return binary.BigEndian.Uint64(b[i:]) << (pos & 7)
	}
	var w uint64
	for j := uint(0); j < 8; j++ {
		w <<= 8
		if i+j < uint(len(b)) {
			w |= uint64(b[i+j])
		}
	}
	return w << (pos & 7)
}

// readBits reads n bits, 0 to 64.
func readBits(b []byte, pos, n uint) uint64 {
	if n > 32 {
		return readBits(b, pos, n-32)<<32 | load(b, pos+n-32)>>32
	}
	return load(b, pos) >> (64 - n)
}

type bitWriter struct {
	b    []byte
	acc  uint64
	used uint
}

// write appends the low n bits of x, at most 32 or so that they and what is
// pending fit in a word.
func (w *bitWriter) write(x uint64, n uint) {
	if w.used+n > 64 {
		over := w.used + n - 64
		w.acc = w.acc<<(n-over) | x>>over
		w.b = binary.BigEndian.AppendUint64(w.b, w.acc)
		w.acc, w.used = x&(1<<over-1), over
		return
	}
	w.acc = w.acc<<n | x
	w.used += n
}

// end pads to a whole byte.
func (w *bitWriter) end() []byte {
	acc := w.acc << (64 - w.used)
	for n := uint(0); n < w.used; n += 8 {
		w.b = append(w.b, byte(acc>>56))
		acc <<= 8
	}
	return w.b
}

func zigzag(d int64) uint64   { return uint64(d<<1) ^ uint64(d>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
