package protocol

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// DecodeBatch reads the wire form of a batch. The batch shares nothing with
// payload. Every observation has the batch's clock quality; unknown codes,
// kinds, qualities and fields of a newer peer are kept or passed over, as
// docs/PROTOCOL.md says. A message that breaks a rule is refused whole, with
// an error that names the observation; an unknown version is a *VersionError.
// What is allocated is bounded by MaxDecodedBytes, MaxObservations and
// MaxSamples, and in proportion to the message after decompression.
func DecodeBatch(payload []byte) (*Batch, error) {
	b := new(Batch)
	if err := open(payload, typeBatch, b.decode); err != nil {
		return nil, fmt.Errorf("decode batch: %w", err)
	}
	return b, nil
}

// decode reads body twice: first everything but the observations, which it
// counts, then those; protobuf allows any order of fields.
func (b *Batch) decode(body []byte) error {
	var (
		f          field
		err        error
		base, sent int64
		count      int
		series     []seriesKey
	)
	for rest := body; len(rest) > 0; {
		if rest, err = next(rest, &f); err != nil {
			return err
		}
		switch f.tag {
		case 9<<3 | asBytes:
			count++
		case 1<<3 | asBytes:
			b.Box = BoxID(f.b)
		case 2<<3 | asFixed64:
			b.Epoch = f.n
		case 3<<3 | asVarint:
			b.Stream = small[Stream](f.n)
		case 4<<3 | asVarint:
			b.FirstSeq = f.n
		case 5<<3 | asVarint:
			base = f.sint()
		case 6<<3 | asVarint:
			b.Clock = small[ClockQuality](f.n)
		case 7<<3 | asFixed64:
			b.Boot = f.n
		case 8<<3 | asBytes:
			if len(series) == MaxObservations {
				return fmt.Errorf("more than %d series", MaxObservations)
			}
			series = append(series, seriesKey{})
			if err = series[len(series)-1].decode(f.b, series); err != nil {
				return fmt.Errorf("series %d: %w", len(series)-1, err)
			}
		case 10<<3 | asVarint:
			sent = f.sint()
		}
	}
	if err := checkBatch(b, count); err != nil {
		return err
	}
	if b.Base, err = instant("base", 0, base); err != nil {
		return err
	}
	if b.Sent, err = instantOrNone("sent", sent); err != nil {
		return err
	}
	return b.decodeObservations(body, series, base, count)
}

func (b *Batch) decodeObservations(body []byte, series []seriesKey, base int64, count int) error {
	var (
		f   field
		err error
	)
	b.Observations = make([]Observation, 0, count)
	for rest := body; len(rest) > 0; {
		if rest, err = next(rest, &f); err != nil {
			return err
		}
		if f.tag != 9<<3|asBytes {
			continue
		}
		i := len(b.Observations)
		b.Observations = b.Observations[:i+1]
		o := &b.Observations[i]
		o.Clock = b.Clock
		if err = o.decode(f.b, series, base); err == nil {
			err = checkKind(o.Kind, b.Stream)
		}
		if err != nil {
			return fmt.Errorf("observation %d: %w", i, err)
		}
	}
	return nil
}

// decode reads one series. Strings that the series before it has too, and
// units of the table, are shared.
func (k *seriesKey) decode(body []byte, before []seriesKey) error {
	var (
		f       field
		err     error
		rate    uint64
		channel []byte
	)
	prev := &seriesKey{}
	if len(before) > 1 {
		prev = &before[len(before)-2]
	}
	k.offset = Int(0)
	for len(body) > 0 {
		if body, err = next(body, &f); err != nil {
			return err
		}
		switch f.tag {
		case 1<<3 | asBytes:
			if k.device = prev.device; string(f.b) != string(prev.device) {
				k.device = DeviceID(f.b)
			}
		case 2<<3 | asBytes:
			channel = f.b
		case 3<<3 | asVarint:
			var c uint32
			if c, err = fits32("code", f.n); err != nil {
				return err
			}
			k.code = Code(c)
		case 4<<3 | asBytes:
			k.unit = internUnit(f.b)
		case 5<<3 | asVarint:
			k.kind = small[Kind](f.n)
		case 6<<3 | asVarint:
			rate = f.n
		case 7<<3 | asBytes:
			k.scale, err = decodeDecimal("sample scale", f.b)
		case 8<<3 | asBytes:
			k.offset, err = decodeDecimal("sample offset", f.b)
		}
		if err != nil {
			return err
		}
	}
	if k.channel = prev.channel; string(channel) != prev.channel {
		k.channel = string(channel)
	}
	if err := checkSeries(k.device, k.channel, k.code, k.unit); err != nil {
		return err
	}
	if k.kind != KindSamples {
		return nil
	}
	k.rate = uint32(min(rate, math.MaxUint32))
	return checkSamples(rate, k.scale, k.offset)
}

func decodeDecimal(what string, body []byte) (Decimal, error) {
	var (
		f        field
		err      error
		mantissa int64
		exponent int64
	)
	for len(body) > 0 {
		if body, err = next(body, &f); err != nil {
			return Decimal{}, err
		}
		switch f.tag {
		case 1<<3 | asVarint:
			mantissa = f.sint()
		case 2<<3 | asVarint:
			exponent = f.sint()
		}
	}
	if err := checkExponent(what, exponent); err != nil {
		return Decimal{}, err
	}
	return Dec(mantissa, int8(exponent)), nil
}

// parts is where the fields of an observation wait until its kind is known.
type parts struct {
	series         uint64
	at, deviceTime int64
	mantissa, exp  int64
	hasValue       bool
	deltas         []byte
	missing        []byte
	text, event    []byte
	hasEvent       bool
}

func (o *Observation) decode(body []byte, series []seriesKey, base int64) error {
	var (
		f   field
		p   parts
		err error
	)
	for len(body) > 0 {
		if body, err = next(body, &f); err != nil {
			return err
		}
		switch f.tag {
		case 1<<3 | asVarint:
			p.series = f.n
		case 2<<3 | asVarint:
			p.at = f.sint()
		case 3<<3 | asVarint:
			o.Quality = small[Quality](f.n)
		case 4<<3 | asVarint:
			p.mantissa, p.hasValue = f.sint(), true
		case 5<<3 | asVarint:
			p.exp = f.sint()
		case 6<<3 | asBytes:
			err = once(&p.deltas, f.b)
		case 7<<3 | asBytes:
			err = once(&p.missing, f.b)
		case 6<<3 | asVarint, 7<<3 | asVarint:
			err = errors.New("samples that are not packed")
		case 8<<3 | asBytes:
			p.text = f.b
		case 9<<3 | asBytes:
			p.hasEvent = true
			err = once(&p.event, f.b)
		case 10<<3 | asVarint:
			p.deviceTime = f.sint()
		}
		if err != nil {
			return err
		}
	}
	if p.series >= uint64(len(series)) {
		return fmt.Errorf("series %d: the batch has %d", p.series, len(series))
	}
	k := &series[p.series]
	o.Device, o.Channel, o.Code, o.Unit, o.Kind = k.device, k.channel, k.code, k.unit, k.kind
	if o.At, err = instant("measured-at time", base, p.at); err != nil {
		return err
	}
	if o.DeviceTime, err = instantOrNone("device time", p.deviceTime); err != nil {
		return err
	}
	return o.fill(&p, k, base)
}

// once refuses what protobuf would let come in pieces: putting pieces together
// costs a sender nothing and the receiver everything.
func once(p *[]byte, b []byte) error {
	if len(*p) > 0 {
		return errors.New("samples or event in more than one piece")
	}
	*p = b
	return nil
}

// fill takes from p what belongs to the kind; an unknown kind keeps its value
// and its text.
func (o *Observation) fill(p *parts, k *seriesKey, base int64) (err error) {
	switch o.Kind {
	case KindSamples:
		o.Samples = &Samples{RateMilliHz: k.rate, Scale: k.scale, Offset: k.offset}
		o.Samples.Raw, err = decodeRaw(p.deltas, p.missing)
		return err
	case KindEvent:
		if !p.hasEvent {
			return errors.New("an event without its event field")
		}
		o.Event, err = decodeEvent(p.event, base)
		return err
	}
	if p.hasValue && o.Kind != KindEnumeration {
		if err := checkExponent("value", p.exp); err != nil {
			return err
		}
		o.Value = Dec(p.mantissa, int8(p.exp))
	}
	if len(p.text) > 0 && o.Kind != KindNumeric {
		if err := checkText("text", p.text, MaxText); err != nil {
			return err
		}
		o.Text = string(p.text)
	}
	return nil
}

// decodeRaw undoes appendRaw. The number of samples is known, and checked,
// before any is allocated: each ends with a byte below 0x80.
func decodeRaw(deltas, missing []byte) ([]int32, error) {
	n := 0
	for _, c := range deltas {
		if c < 0x80 {
			n++
		}
	}
	if n == 0 || n > MaxSamples {
		return nil, fmt.Errorf("%d samples: want 1 to %d", n, MaxSamples)
	}
	raw := make([]int32, n)
	sum := int64(0)
	for i := range raw {
		d, size := varint(deltas)
		if size < 0 {
			return nil, errTruncated
		}
		deltas = deltas[size:]
		delta := protowire.DecodeZigZag(d)
		if delta < math.MinInt32 || delta > math.MaxInt32 || sum+delta <= math.MinInt32 || sum+delta > math.MaxInt32 {
			return nil, fmt.Errorf("sample %d: %d plus %d does not fit 32 bits", i, sum, delta)
		}
		sum += delta
		raw[i] = int32(sum)
	}
	if len(deltas) > 0 {
		return nil, errTruncated
	}
	for at := uint64(0); len(missing) > 0; {
		i, size := varint(missing)
		if size < 0 {
			return nil, errTruncated
		}
		count, more := varint(missing[size:])
		if more < 0 {
			return nil, errTruncated
		}
		missing = missing[size+more:]
		if i < at || i >= uint64(n) || count == 0 || count > uint64(n)-i {
			return nil, fmt.Errorf("missing samples: %d from %d on: want runs in rising order within %d samples", count, i, n)
		}
		for at = i; at < i+count; at++ {
			raw[at] = NoSample
		}
	}
	return raw, nil
}

func decodeEvent(body []byte, base int64) (*Event, error) {
	var (
		f        field
		err      error
		from, to int64
		bounded  bool
		text     []byte
	)
	e := new(Event)
	for len(body) > 0 {
		if body, err = next(body, &f); err != nil {
			return nil, err
		}
		switch f.tag {
		case 1<<3 | asVarint:
			e.Phase = small[Phase](f.n)
		case 2<<3 | asVarint:
			e.Priority = small[Priority](f.n)
		case 3<<3 | asVarint:
			e.Type = small[AlarmType](f.n)
		case 4<<3 | asVarint:
			var c uint32
			if c, err = fits32("event source", f.n); err != nil {
				return nil, err
			}
			e.Source = Code(c)
		case 5<<3 | asBytes:
			text = f.b
		case 6<<3 | asVarint:
			from = f.sint()
		case 7<<3 | asVarint:
			to = f.sint()
		case 8<<3 | asVarint:
			bounded = protowire.DecodeBool(f.n)
		}
	}
	if err := checkText("event text", text, MaxText); err != nil {
		return nil, err
	}
	e.Text = string(text)
	if !bounded {
		return e, nil
	}
	if e.From, err = instant("event from", base, from); err != nil {
		return nil, err
	}
	e.To, err = instant("event to", base, to)
	return e, err
}
