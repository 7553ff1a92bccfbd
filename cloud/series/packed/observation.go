package packed

import (
	"encoding/binary"
	"time"

	"monitorme/protocol"
)

// Of gives the attribute, the mantissa and the word of an observation.
func Of(o *protocol.Observation) (a Attr, mant int64, word string) {
	a = Attr{Kind: uint8(o.Kind), Quality: uint8(o.Quality), Clock: uint8(o.Clock), Unit: string(o.Unit)}
	if o.Kind == protocol.KindSamples {
		a.Form, a.Shape = FormBlock, shapeOf(o.Samples)
		return a, 0, string(AppendSamples(nil, o.Samples.Raw))
	}
	if o.Value.Valid {
		a.Form, a.Exp, mant = FormValue, o.Value.Exponent, o.Value.Mantissa
	}
	if o.Event != nil {
		a.Form |= FormText | FormEvent
		b := AppendString(nil, o.Text)
		return a, mant, string(appendEvent(b, o.Event))
	}
	if o.Text != "" {
		a.Form |= FormText
	}
	return a, mant, o.Text
}

// Value is the number of a reading.
func (a *Attr) Value(mant int64) protocol.Decimal {
	if a.Form&FormValue == 0 {
		return protocol.Decimal{}
	}
	return protocol.Dec(mant, a.Exp)
}

// Text is the text and the event of a reading.
func (a *Attr) Text(word string) (string, *protocol.Event, error) {
	if a.Form&FormEvent == 0 {
		return word, nil, nil
	}
	d := NewDecoder([]byte(word))
	text := d.String()
	e := d.event()
	return text, e, d.err
}

// Samples is the block of a reading.
func (a *Attr) Samples(word string) (protocol.Samples, error) {
	d := NewDecoder([]byte(a.Shape))
	s := protocol.Samples{RateMilliHz: uint32(d.Uvarint()), Scale: d.decimal(), Offset: d.decimal()}
	if d.err != nil {
		return s, d.err
	}
	var err error
	s.Raw, err = DecodeSamples([]byte(word))
	return s, err
}

// Duration is how long the block of a reading lasts, without unpacking it.
func (a *Attr) Duration(word string) time.Duration {
	rate, n := binary.Uvarint([]byte(a.Shape))
	count, m := binary.Uvarint([]byte(word[:min(len(word), binary.MaxVarintLen64)]))
	if n <= 0 || m <= 0 || rate == 0 || count > protocol.MaxSamples {
		return 0
	}
	return time.Duration(count) * time.Second * 1000 / time.Duration(rate)
}

func shapeOf(s *protocol.Samples) string {
	b := binary.AppendUvarint(nil, uint64(s.RateMilliHz))
	b = appendDecimal(b, s.Scale)
	return string(appendDecimal(b, s.Offset))
}

// appendDecimal keeps "no value" apart from 0.
func appendDecimal(b []byte, v protocol.Decimal) []byte {
	if !v.Valid {
		return append(b, 0)
	}
	b = append(b, 1, byte(v.Exponent))
	return binary.AppendVarint(b, v.Mantissa)
}

func (d *Decoder) decimal() protocol.Decimal {
	if d.Byte() == 0 {
		return protocol.Decimal{}
	}
	exp := int8(d.Byte())
	return protocol.Dec(d.Varint(), exp)
}

func appendEvent(b []byte, e *protocol.Event) []byte {
	b = append(b, byte(e.Phase), byte(e.Priority), byte(e.Type))
	b = binary.AppendUvarint(b, uint64(e.Source))
	b = AppendString(b, e.Text)
	b = appendTime(b, e.From)
	return appendTime(b, e.To)
}

func (d *Decoder) event() *protocol.Event {
	return &protocol.Event{
		Phase: protocol.Phase(d.Byte()), Priority: protocol.Priority(d.Byte()), Type: protocol.AlarmType(d.Byte()),
		Source: protocol.Code(d.Uvarint()), Text: d.String(), From: d.time(), To: d.time(),
	}
}

// appendTime keeps the zero time apart from 1970.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), t.UnixMicro())
}

func (d *Decoder) time() time.Time {
	if d.Byte() == 0 {
		return time.Time{}
	}
	return time.UnixMicro(d.Varint()).UTC()
}

// Observation puts reading i into o, all but its key: the reverse of Of.
func (r *Readings) Observation(i int, o *protocol.Observation) error {
	rec := &r.Recs[i]
	a := &r.Attrs[rec.Attr]
	o.At = time.UnixMicro(rec.At).UTC()
	o.Kind, o.Unit = protocol.Kind(a.Kind), protocol.Unit(a.Unit)
	o.Quality, o.Clock = protocol.Quality(a.Quality), protocol.ClockQuality(a.Clock)
	o.Value, o.Text, o.Event, o.Samples = a.Value(rec.Mant), "", nil, nil
	if !a.HasWord() {
		return nil
	}
	var err error
	if a.Form&FormBlock != 0 {
		var s protocol.Samples
		s, err = a.Samples(r.Words[rec.Word])
		o.Samples = &s
	} else {
		o.Text, o.Event, err = a.Text(r.Words[rec.Word])
	}
	return err
}

// A Builder collects observations into Readings. Its zero value is ready.
type Builder struct {
	Readings
	index map[Attr]uint32
}

// Add appends an observation.
func (b *Builder) Add(o *protocol.Observation) {
	a, mant, word := Of(o)
	rec := Rec{At: o.At.UnixMicro(), Mant: mant}
	if n := len(b.Recs); n > 0 && b.Attrs[b.Recs[n-1].Attr] == a {
		rec.Attr = b.Recs[n-1].Attr
	} else if i, ok := b.index[a]; ok {
		rec.Attr = i
	} else {
		if b.index == nil {
			b.index = map[Attr]uint32{}
		}
		rec.Attr = uint32(len(b.Attrs))
		b.index[a] = rec.Attr
		b.Attrs = append(b.Attrs, a)
	}
	if a.HasWord() {
		rec.Word = uint32(len(b.Words))
		b.Words = append(b.Words, word)
	}
	b.Recs = append(b.Recs, rec)
}

// Reset empties the builder but keeps its memory and its attributes.
func (b *Builder) Reset() { b.Recs, b.Words = b.Recs[:0], b.Words[:0] }
