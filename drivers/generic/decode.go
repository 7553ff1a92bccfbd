package generic

import (
	"strings"
	"time"
	"unicode/utf8"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/mapping"
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
	fields    mapping.Fields
	scratch   []byte

	now   []mapping.Reading // of the line, one for each value of the plan
	last  []state
	lines int // since numbers were emitted, where waves are
	told  bool
}

// A state is what is known of one value from the lines before.
type state struct {
	said    bool
	quality protocol.Quality
	off     bool
	raw     []int32 // of a wave, not emitted yet
}

func (p *plan) newDecoder() drivers.Decoder {
	d := &decoder{plan: p, now: make([]mapping.Reading, len(p.values)), last: make([]state, len(p.values))}
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
		d.now[i], found = r, found || r.Here
	}
	if !found {
		return framer.Skip
	}
	d.say(d.time(f))
	return len(b)
}

// look reads one value. Not ok is a line that is damaged or means something
// else, of which nothing is believed.
func (d *decoder) look(v *value, f mapping.Fields) (mapping.Reading, bool) {
	r, text, ok := v.Read(f, d.plan.marks, d.plan.missing)
	switch {
	case text == nil:
	case v.Kind == protocol.KindEnumeration:
		var known bool
		if r.Word, known = v.words[strings.ToLower(string(text))]; !known {
			r.Quality = protocol.QualityUnknown
		}
	default:
		if r.Number, ok = d.number(text); ok {
			r.Number, r.Quality = v.Number(r.Number, r.Quality)
		}
	}
	return r, ok
}

// time reads the device's clock; a time that cannot be read costs no value.
func (d *decoder) time(f mapping.Fields) time.Time {
	c := d.plan.Time
	if c == nil {
		return time.Time{}
	}
	text, _ := f.Find(d.plan.clock)
	var t time.Time
	switch c.Format {
	case "unix", "unix-ms":
		n, ok := framer.Number(text)
		if c.Format == "unix-ms" {
			n.Exponent -= 3
		}
		if ok && n.Exponent >= -9 {
			if ns, ok := mapping.Raise(n, -9); ok {
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
