package packed

import (
	"encoding/binary"
	"slices"
)

// Forms of a reading: which columns it has an entry in.
const (
	FormValue = 1 << iota // a decimal number: Mant, and Attr.Exp
	FormText              // Word begins with a text
	FormEvent             // Word goes on with an event
	FormBlock             // Word is a block of samples, of Attr.Shape
)

// An Attr is what runs of readings have in common.
type Attr struct {
	Kind, Quality, Clock uint8
	Form                 uint8  // which columns: Form…
	Exp                  int8   // of the number
	Unit                 string // UCUM
	Shape                string // of a block: rate, scale and offset
}

// A Rec is one reading. Attr and Word are indexes into the tables of its
// Readings; Word counts only if the form has one.
type Rec struct {
	At   int64 // microseconds since 1970
	Mant int64
	Attr uint32
	Word uint32
}

// HasWord tells whether a reading has a word.
func (a *Attr) HasWord() bool { return a.Form&(FormText|FormEvent|FormBlock) != 0 }

// Readings are readings with their tables.
type Readings struct {
	Recs  []Rec
	Attrs []Attr
	Words []string
}

const version = 1

// MaxPerByte bounds how many readings a byte can stand for, so that a damaged
// length cannot make a decoder allocate without end.
const MaxPerByte = 64

// timeUnits are the units in which times are kept, if all are multiples.
var timeUnits = [...]int64{1_000_000, 1000, 1}

// Append appends the packed form of r. Only the attributes and words that its
// readings use are written. The order of the readings is kept.
func Append(b []byte, r Readings) []byte {
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(len(r.Recs)))
	if len(r.Recs) == 0 {
		return b
	}
	b = appendAttrs(b, r)
	ints := make([]int64, len(r.Recs))
	unit := timeUnit(r.Recs)
	for i := range r.Recs {
		ints[i] = r.Recs[i].At / unit
	}
	b = binary.AppendUvarint(b, uint64(unit))
	b = AppendInts(b, ints)
	ints = ints[:0]
	for i := range r.Recs {
		if r.Attrs[r.Recs[i].Attr].Form&FormValue != 0 {
			ints = append(ints, r.Recs[i].Mant)
		}
	}
	b = AppendInts(b, ints)
	return appendWords(b, r, ints[:0])
}

func timeUnit(recs []Rec) int64 {
	for _, u := range timeUnits {
		if !slices.ContainsFunc(recs, func(r Rec) bool { return r.At%u != 0 }) {
			return u
		}
	}
	return 1
}

// appendAttrs writes the attributes that are used, and the runs of them.
func appendAttrs(b []byte, r Readings) []byte {
	type run struct{ attr, n uint32 }
	var used []uint32
	runs := make([]run, 0, 8)
	for i := range r.Recs {
		a := r.Recs[i].Attr
		if n := len(runs); n > 0 && used[runs[n-1].attr] == a {
			runs[n-1].n++
			continue
		}
		j := slices.Index(used, a)
		if j < 0 {
			j = len(used)
			used = append(used, a)
		}
		runs = append(runs, run{uint32(j), 1})
	}
	b = binary.AppendUvarint(b, uint64(len(used)))
	for _, u := range used {
		a := &r.Attrs[u]
		b = append(b, a.Kind, a.Quality, a.Clock, a.Form, byte(a.Exp))
		b = AppendString(b, a.Unit)
		b = AppendString(b, a.Shape)
	}
	b = binary.AppendUvarint(b, uint64(len(runs)))
	for _, x := range runs {
		b = binary.AppendUvarint(b, uint64(x.attr))
		b = binary.AppendUvarint(b, uint64(x.n))
	}
	return b
}

// appendWords writes each different word once, and then which reading has
// which. Blocks of samples are never alike and are not compared.
func appendWords(b []byte, r Readings, ints []int64) []byte {
	var words []string
	var seen map[string]int64
	for i := range r.Recs {
		a := &r.Attrs[r.Recs[i].Attr]
		if !a.HasWord() {
			continue
		}
		w := r.Words[r.Recs[i].Word]
		if a.Form&FormBlock == 0 {
			if j, ok := seen[w]; ok {
				ints = append(ints, j)
				continue
			}
			if seen == nil {
				seen = map[string]int64{}
			}
			seen[w] = int64(len(words))
		}
		ints = append(ints, int64(len(words)))
		words = append(words, w)
	}
	b = binary.AppendUvarint(b, uint64(len(words)))
	for _, w := range words {
		b = AppendString(b, w)
	}
	return AppendInts(b, ints)
}

// Decode reads what Append wrote, all of b.
func Decode(b []byte) (Readings, error) { return NewDecoder(b).Readings() }

// Readings reads what Append wrote, which must be all that is left, and
// reports what went wrong before.
func (d *Decoder) Readings() (Readings, error) {
	r := d.readings()
	if d.err == nil && len(d.b) != 0 {
		d.err = errShort
	}
	if d.err != nil {
		return Readings{}, d.err
	}
	return r, nil
}

func (d *Decoder) readings() Readings {
	if v := d.Byte(); v != version {
		d.fail()
		return Readings{}
	}
	n := d.Count(MaxPerByte * len(d.b))
	if n == 0 {
		return Readings{}
	}
	r := Readings{Recs: make([]Rec, n), Attrs: d.attrs()}
	values, words := d.runs(r)
	if d.err != nil {
		return Readings{}
	}
	unit := int64(d.Uvarint())
	ints := make([]int64, n)
	d.Ints(ints)
	for i := range r.Recs {
		r.Recs[i].At = ints[i] * unit
	}
	d.Ints(ints[:values])
	v := ints[:values]
	for i := range r.Recs {
		if values != n && r.Attrs[r.Recs[i].Attr].Form&FormValue == 0 {
			continue
		}
		r.Recs[i].Mant = v[0]
		v = v[1:]
	}
	d.words(&r, ints[:words])
	return r
}

func (d *Decoder) attrs() []Attr {
	attrs := make([]Attr, d.Count(len(d.b)/7))
	for i := range attrs {
		a := &attrs[i]
		a.Kind, a.Quality, a.Clock, a.Form, a.Exp = d.Byte(), d.Byte(), d.Byte(), d.Byte(), int8(d.Byte())
		a.Unit, a.Shape = d.String(), d.String()
	}
	return attrs
}

// runs gives each reading its attribute, and counts those with a value and
// those with a word.
func (d *Decoder) runs(r Readings) (values, words int) {
	rest := r.Recs
	for range d.Count(len(d.b) / 2) {
		attr, n := d.Count(len(r.Attrs)-1), d.Count(len(rest))
		if d.err != nil {
			break
		}
		for i := range rest[:n] {
			rest[i].Attr = uint32(attr)
		}
		rest = rest[n:]
		a := &r.Attrs[attr]
		if a.Form&FormValue != 0 {
			values += n
		}
		if a.HasWord() {
			words += n
		}
	}
	if len(rest) > 0 {
		d.fail()
	}
	return values, words
}

func (d *Decoder) words(r *Readings, ints []int64) {
	r.Words = make([]string, d.Count(len(d.b)))
	for i := range r.Words {
		r.Words[i] = d.String()
	}
	d.Ints(ints)
	for i := range r.Recs {
		if len(ints) == 0 || d.err != nil {
			return
		}
		if !r.Attrs[r.Recs[i].Attr].HasWord() {
			continue
		}
		if ints[0] < 0 || ints[0] >= int64(len(r.Words)) {
			d.fail()
			return
		}
		r.Recs[i].Word = uint32(ints[0])
		ints = ints[1:]
	}
}
