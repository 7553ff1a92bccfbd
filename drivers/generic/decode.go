package generic

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// maxLine is the longest line that is read; maxEnds are the line ends before it.
const (
	maxLine = 1024
	maxEnds = 16
)

type decoder struct {
	plan   *plan
	framer framer.Framer
	emit   drivers.Emit

	synced    bool // a line begins here
	pass      int  // bytes that are passed over
	semicolon bool // columns of this line are separated so: a comma is decimal
	header    []string
	fields    fields
	scratch   []byte

	now   []reading // of the line, one for each value of the plan
	last  []state
	lines int // since numbers were emitted, where waves are
	told  bool
}

// A reading is what one line says of one value.
type reading struct {
	here    bool
	quality protocol.Quality
	number  protocol.Decimal // as the device said it
	word    string
}

// A state is what is known of one value from the lines before.
type state struct {
	said    bool
	quality protocol.Quality
	off     bool
	raw     []int32 // of a wave, not emitted yet
}

func (p *plan) newDecoder() drivers.Decoder {
	d := &decoder{plan: p, now: make([]reading, len(p.values)), last: make([]state, len(p.values))}
	d.framer = framer.Framer{Max: maxEnds + maxLine + 2, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// frame reads a line with the line ends before it. The first line, which may
// have been cut by opening the port, and one that cannot be read, are passed
// over as a whole.
func (d *decoder) frame(b []byte) int {
	if d.pass > 0 {
		d.pass--
		return framer.Skip
	}
	if !d.synced {
		d.synced = b[0] == '\r' || b[0] == '\n'
		return framer.Skip
	}
	from := 0
	for from < len(b) && (b[from] == '\r' || b[from] == '\n') {
		from++
	}
	if from > maxEnds {
		return framer.Skip
	}
	for i, c := range b[from:] {
		switch {
		case c == '\r' || c == '\n':
			n := d.line(b[from : from+i])
			if n < 0 {
				d.pass = from + i - 1
				return n
			}
			return from + i + 1
		case c < ' ' && c != '\t' || c == 0x7F || i == maxLine:
			d.synced = false
			d.pass = from + i
			return framer.Skip
		}
	}
	return framer.More
}

// line reads a whole line: all that it says, and only then emits.
func (d *decoder) line(b []byte) int {
	if !utf8.Valid(b) {
		return framer.Skip
	}
	inner, wrapped, good := unwrap(b)
	if !good || d.plan.checked && !wrapped {
		return framer.BadSum
	}
	f, ok := d.read(inner)
	if !ok {
		return framer.Skip
	}
	found := false
	for i := range d.plan.values {
		r, ok := d.look(&d.plan.values[i], f)
		if !ok {
			return framer.Skip
		}
		d.now[i], found = r, found || r.here
	}
	if !found {
		return framer.Skip
	}
	d.say(d.time(f))
	return len(b)
}

// look reads one value. Not ok is a line that is damaged or means something
// else, of which nothing is believed.
func (d *decoder) look(v *value, f fields) (r reading, ok bool) {
	text, ok := f.find(v.place)
	if !ok { // columns are there or the line is cut
		return r, v.column == 0
	}
	r.here, r.quality = true, d.mark(v, f)
	switch {
	case !r.quality.HasNumber() && r.quality >= protocol.QualityMissing && r.quality <= protocol.QualityOngoing:
	case d.blank(text):
		r.quality = protocol.QualityMissing
	case v.kind == protocol.KindEnumeration:
		if r.word, ok = v.words[strings.ToLower(string(text))]; !ok {
			r.quality = protocol.QualityUnknown
		}
	default:
		if r.number, ok = d.number(text); !ok {
			return r, false
		}
		r.quality = v.judge(r.number, r.quality)
		if r.number, r.quality = v.convert(r.number, r.quality); r.quality == protocol.QualityMissing {
			r.number = protocol.Decimal{}
		}
	}
	return r, true
}

// mark gives the worth of a value by the marks in its line: the first that is
// not good counts, and one that the settings do not know makes it unknown.
func (d *decoder) mark(v *value, f fields) protocol.Quality {
	for _, m := range d.plan.marks {
		if len(m.codes) > 0 && !slices.Contains(m.codes, v.code) {
			continue
		}
		text, _ := f.find(m.place)
		if q, ok := m.means[strings.ToLower(string(text))]; !ok {
			return protocol.QualityUnknown
		} else if q != protocol.QualityGood {
			return q
		}
	}
	return protocol.QualityGood
}

// judge looks at the number as the device said it.
func (v *value) judge(n protocol.Decimal, q protocol.Quality) protocol.Quality {
	switch {
	case n.Mantissa == 0 && !v.zero:
		return protocol.QualityMissing
	case !q.HasNumber():
	case v.min.Valid && n.Compare(v.min) < 0, v.max.Valid && n.Compare(v.max) > 0:
		return protocol.QualityInvalid
	}
	return q
}

// convert gives number*scale + offset in the unit that is kept.
func (v *value) convert(n protocol.Decimal, q protocol.Quality) (protocol.Decimal, protocol.Quality) {
	if v.kind == protocol.KindSamples {
		return n, q
	}
	n, ok := times(n, v.scale)
	if ok {
		n, ok = plus(n, v.offset)
	}
	if ok {
		n, ok = protocol.Convert(n, v.from, v.unit)
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
	x, okX := raise(a, low)
	y, okY := raise(b, low)
	sum := x + y
	return protocol.Dec(sum, low), okX && okY && (sum > x) == (y > 0)
}

// raise gives the mantissa of d with the exponent e, which is not above its own.
func raise(d protocol.Decimal, e int8) (int64, bool) {
	m := d.Mantissa
	for range int(d.Exponent) - int(e) {
		if m > math.MaxInt64/10 || m < math.MinInt64/10 {
			return 0, false
		}
		m *= 10
	}
	return m, true
}

// time reads the device's clock; a time that cannot be read costs no value.
func (d *decoder) time(f fields) time.Time {
	c := d.plan.Time
	if c == nil {
		return time.Time{}
	}
	text, _ := f.find(d.plan.clock)
	var t time.Time
	switch c.Format {
	case "unix", "unix-ms":
		n, ok := framer.Number(text)
		if c.Format == "unix-ms" {
			n.Exponent -= 3
		}
		if ok && n.Exponent >= -9 {
			if ns, ok := raise(n, -9); ok {
				t = time.Unix(0, ns).UTC()
			}
		}
	case "rfc3339":
		t, _ = time.Parse(time.RFC3339Nano, string(text))
	default:
		t, _ = time.Parse(c.Format, string(text))
	}
	if y := t.Year(); y < 1970 || y > 2200 {
		return time.Time{}
	}
	return t.UTC()
}
