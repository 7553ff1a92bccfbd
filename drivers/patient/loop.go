package patient

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"monitorme/protocol"
)

const fade = 0.4 // s over which one end of a loop turns into the other

// A loop is the stretch of a record that is played again and again. Its end is
// chosen where the waves look as they do before its start, so that a beat
// follows a beat; there they are faded over.
type loop struct {
	begin, end float64 // s of the record
	channels   map[protocol.Code]*channel
}

// A channel is a signal with what makes its values physical.
type channel struct {
	*signal
	scale, offset float64
	minus         *channel // subtracted, for a lead that is derived
}

// newLoop takes the stretch within [segment[0], segment[1]] of rec, or all of
// it if the segment is empty.
func newLoop(rec *record, segment [2]float64) (*loop, error) {
	length := math.Inf(1)
	for _, s := range rec.signals {
		length = min(length, float64(len(s.raw))/s.rate)
	}
	if segment[1] <= segment[0] || segment[1] > length {
		segment = [2]float64{min(max(segment[0], 0), length), length}
	}
	const least = 6
	if segment[1]-segment[0] < least {
		return nil, fmt.Errorf("%s: %.1f s fit to loop, want at least %d s", rec.path, segment[1]-segment[0], least)
	}
	l := &loop{channels: map[protocol.Code]*channel{}}
	for _, s := range rec.signals {
		code, ok := signalCodes[strings.ToLower(s.name)]
		if ok && l.channels[code] == nil {
			c := &channel{signal: s, scale: 1}
			if code == protocol.Pleth || code == protocol.RespirationWave {
				c.normalise(segment, code == protocol.RespirationWave)
			}
			l.channels[code] = c
		}
	}
	if len(l.channels) == 0 {
		return nil, fmt.Errorf("%s: none of its signals is known", rec.path)
	}
	if one, three := l.channels[protocol.ECGLeadI], l.channels[ecgLeadIII]; l.channels[protocol.ECGLeadII] == nil && one != nil && three != nil {
		l.channels[protocol.ECGLeadII] = &channel{signal: one.signal, scale: 1, minus: &channel{signal: three.signal, scale: -1}} // Einthoven: II = I + III
	}
	l.close(segment, rec.signals)
	return l, nil
}

// normalise maps the middle 98 in 100 samples to 0…1, or to ±0.5.
func (c *channel) normalise(segment [2]float64, centred bool) {
	var v []float64
	for i := int(segment[0] * c.rate); i < int(segment[1]*c.rate); i++ {
		if x := c.signal.value(i); !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	if len(v) == 0 {
		return
	}
	slices.Sort(v)
	lo, hi := v[len(v)/100], v[len(v)-1-len(v)/100]
	if hi <= lo {
		return
	}
	c.scale, c.offset = 1/(hi-lo), -lo/(hi-lo)
	if centred {
		c.offset -= 0.5
	}
}

// close chooses where the loop begins and ends: within the last seconds of the
// segment, where the second before is most like the second before the begin.
func (l *loop) close(segment [2]float64, signals []*signal) {
	const look = 1.0
	l.begin, l.end = segment[0]+look, segment[1]
	s := signals[0]
	for _, c := range signals {
		if code := signalCodes[strings.ToLower(c.name)]; slices.Contains(electrodes, code) {
			s = c
			break
		}
	}
	n := int(look * s.rate)
	a := int(segment[0] * s.rate)
	best := math.Inf(-1)
	for back := 0; float64(back) < 3*s.rate; back++ {
		b := int(segment[1]*s.rate) - back - n
		if b <= a+n {
			return
		}
		if likeness := correlation(s, a, b, n); likeness > best {
			best = likeness
			l.begin, l.end = float64(a+n)/s.rate, float64(b+n)/s.rate
		}
	}
}

// correlation of n samples at a and at b, -1 where they cannot be compared.
func correlation(s *signal, a, b, n int) float64 {
	var sx, sy, sxx, syy, sxy, m float64
	for i := range n {
		x, y := s.value(a+i), s.value(b+i)
		if math.IsNaN(x) || math.IsNaN(y) {
			continue
		}
		sx, sy, sxx, syy, sxy, m = sx+x, sy+y, sxx+x*x, syy+y*y, sxy+x*y, m+1
	}
	d := (m*sxx - sx*sx) * (m*syy - sy*sy)
	if m < float64(n)/2 || d <= 0 {
		return -1
	}
	return (m*sxy - sx*sy) / math.Sqrt(d)
}

// position is the second of the record that is played t seconds after the start.
func (l *loop) position(t float64) float64 { return l.begin + math.Mod(t, l.end-l.begin) }

// sample is the physical value t seconds after the start, NaN if there is none.
func (l *loop) sample(code protocol.Code, t float64) float64 {
	if l == nil {
		return math.NaN()
	}
	c := l.channels[code]
	for _, other := range also[code] {
		if c == nil {
			c = l.channels[other]
		}
	}
	if c == nil {
		return math.NaN()
	}
	at := l.position(t)
	v := c.at(at)
	if left := l.end - at; left < fade {
		if next := c.at(at - (l.end - l.begin)); !math.IsNaN(next) {
			if math.IsNaN(v) {
				return next
			}
			return next + (v-next)*left/fade
		}
	}
	return v
}

// at is the value at a second of the record, by a cubic through the four
// samples around it.
func (c *channel) at(sec float64) float64 {
	x := sec * c.rate
	i := math.Floor(x)
	f := x - i
	k := int(i)
	b, d := c.value(k), c.value(k+1)
	switch {
	case f < 1e-6:
		d = b
	case f > 1-1e-6:
		b = d
	}
	a, e := c.value(k-1), c.value(k+2)
	if math.IsNaN(a) || math.IsNaN(e) {
		return b + (d-b)*f
	}
	return b + 0.5*f*(d-a+f*(2*a-5*b+4*d-e+f*(3*(b-d)+e-a)))
}

// value is the physical value of sample i after scaling.
func (c *channel) value(i int) float64 {
	v := c.signal.value(i)*c.scale + c.offset
	if c.minus != nil {
		v -= c.minus.value(i)
	}
	return v
}
