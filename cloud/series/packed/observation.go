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
	d := decoder{b: []byte(word)}
	text := d.string()
	e := d.event()
	return text, e, d.err
}

// Samples is the block of a reading.
func (a *Attr) Samples(word string) (protocol.Samples, error) {
	d := decoder{b: []byte(a.Shape)}
	s := protocol.Samples{RateMilliHz: uint32(d.uvarint()), Scale: d.decimal(), Offset: d.decimal()}
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

func (d *decoder) decimal() protocol.Decimal {
	if d.byte() == 0 {
		return protocol.Decimal{}
	}
	exp := int8(d.byte())
	return protocol.Dec(d.varint(), exp)
}

func appendEvent(b []byte, e *protocol.Event) []byte {
	b = append(b, byte(e.Phase), byte(e.Priority), byte(e.Type))
	b = binary.AppendUvarint(b, uint64(e.Source))
	b = AppendString(b, e.Text)
	b = appendTime(b, e.From)
	return appendTime(b, e.To)
}

func (d *decoder) event() *protocol.Event {
	return &protocol.Event{
		Phase: protocol.Phase(d.byte()), Priority: protocol.Priority(d.byte()), Type: protocol.AlarmType(d.byte()),
		Source: protocol.Code(d.uvarint()), Text: d.string(), From: d.time(), To: d.time(),
	}
}

// appendTime keeps the zero time apart from 1970.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), t.UnixMicro())
}

func (d *decoder) time() time.Time {
	if d.byte() == 0 {
		return time.Time{}
	}
	return time.UnixMicro(d.varint()).UTC()
}
