package protocol

import (
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// A seriesKey is what a run of observations has in common.
type seriesKey struct {
	code    Code
	kind    Kind
	rate    uint32
	device  DeviceID
	channel string
	unit    Unit
	scale   Decimal
	offset  Decimal
}

func keyOf(o *Observation) seriesKey {
	k := seriesKey{code: o.Code, kind: o.Kind, device: o.Device, channel: o.Channel, unit: o.Unit}
	if s := o.Samples; s != nil {
		k.rate, k.scale, k.offset = s.RateMilliHz, s.Scale, s.Offset
		k.offset.Valid = true // no offset is an offset of 0
	}
	return k
}

// A seriesTable finds the series of each observation of one batch.
type seriesTable struct {
	keys []seriesKey
	of   []uint16 // observation -> key
}

var seriesTables = sync.Pool{New: func() any { return new(seriesTable) }}

// build fills the table. Devices say the same things in the same order again
// and again, so the series after the last one is nearly always the right one.
func (t *seriesTable) build(obs []Observation) {
	t.keys, t.of = t.keys[:0], t.of[:0]
	last := -1
	for i := range obs {
		k := keyOf(&obs[i])
		at := last + 1
		if at >= len(t.keys) {
			at = 0
		}
		if at >= len(t.keys) || t.keys[at] != k {
			for at = 0; at < len(t.keys) && t.keys[at] != k; at++ {
			}
		}
		if at == len(t.keys) {
			t.keys = append(t.keys, k)
		}
		t.of = append(t.of, uint16(at))
		last = at
	}
}

// AppendBatch appends the wire form of b to dst, which may be nil. Base says
// what the times are relative to; if it is zero, the time of the first
// observation is taken. Times are cut to microseconds. Batch.Clock holds for
// every observation: one that says otherwise is refused, so a batch ends where
// the clock quality changes.
//
// A batch beyond the limits or with an observation that fails Check is an
// error that names the observation; dst is then returned as it was. If the
// batch is too large the error is an ErrTooLarge.
func AppendBatch(dst []byte, b *Batch) ([]byte, error) {
	at := len(dst)
	out, err := appendBatch(append(dst, make([]byte, headerSize)...), b)
	if err == nil {
		out, err = seal(out, at, typeBatch)
	}
	if err != nil {
		return dst, fmt.Errorf("encode batch of box %s: %w", b.Box, err)
	}
	return out, nil
}

func appendBatch(dst []byte, b *Batch) ([]byte, error) {
	if err := checkBatch(b, len(b.Observations)); err != nil {
		return dst, err
	}
	start := b.Base
	if start.IsZero() {
		start = b.Observations[0].At
	}
	base, err := micros("base", start)
	if err != nil {
		return dst, err
	}
	sent, err := microsOrNone("sent", b.Sent)
	if err != nil {
		return dst, err
	}
	dst = appendString(dst, 1, b.Box)
	dst = appendFixed(dst, 2, b.Epoch)
	dst = appendUint(dst, 3, uint64(b.Stream))
	dst = appendUint(dst, 4, b.FirstSeq)
	dst = appendSint(dst, 5, base)
	dst = appendUint(dst, 6, uint64(b.Clock))
	dst = appendFixed(dst, 7, b.Boot)
	dst = appendSint(dst, 10, sent)

	t := seriesTables.Get().(*seriesTable)
	defer seriesTables.Put(t)
	t.build(b.Observations)
	for i := range t.keys {
		dst = appendSeries(dst, &t.keys[i])
	}
	for i := range b.Observations {
		o := &b.Observations[i]
		if err := checkIn(b, o); err != nil {
			return dst, fmt.Errorf("observation %d: %w", i, err)
		}
		dst = appendObservation(dst, o, uint64(t.of[i]), base)
	}
	return dst, nil
}

func checkIn(b *Batch, o *Observation) error {
	if err := checkKind(o.Kind, b.Stream); err != nil {
		return err
	}
	if o.Clock != ClockUnknown && o.Clock != b.Clock {
		return fmt.Errorf("clock %s in a batch whose clock is %s", o.Clock, b.Clock)
	}
	return o.Check()
}

func appendSeries(dst []byte, k *seriesKey) []byte {
	dst, at := begin(dst, 8)
	dst = appendString(dst, 1, k.device)
	dst = appendString(dst, 2, k.channel)
	dst = appendUint(dst, 3, uint64(k.code))
	dst = appendString(dst, 4, k.unit)
	dst = appendUint(dst, 5, uint64(k.kind))
	dst = appendUint(dst, 6, uint64(k.rate))
	if k.kind == KindSamples {
		dst = appendDecimal(dst, 7, k.scale)
		dst = appendDecimal(dst, 8, k.offset)
	}
	return end(dst, at)
}

func appendDecimal(dst []byte, num protowire.Number, d Decimal) []byte {
	if d.Mantissa == 0 && d.Exponent == 0 {
		return dst
	}
	dst, at := begin(dst, num)
	dst = appendSint(dst, 1, d.Mantissa)
	dst = appendSint(dst, 2, int64(d.Exponent))
	return end(dst, at)
}

func appendObservation(dst []byte, o *Observation, series uint64, base int64) []byte {
	dst, at := begin(dst, 9)
	dst = appendUint(dst, 1, series)
	dst = appendSint(dst, 2, o.At.UnixMicro()-base)
	dst = appendUint(dst, 3, uint64(o.Quality))
	if o.Value.Valid {
		dst = protowire.AppendTag(dst, 4, protowire.VarintType) // written even if 0: presence is the value's presence
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(o.Value.Mantissa))
		dst = appendSint(dst, 5, int64(o.Value.Exponent))
	}
	if o.Samples != nil {
		dst = appendRaw(dst, o.Samples.Raw)
	}
	dst = appendString(dst, 8, o.Text)
	if o.Event != nil {
		dst = appendEvent(dst, o.Event, base)
	}
	dst = appendSint(dst, 10, microsOf(o.DeviceTime))
	return end(dst, at)
}

// appendRaw writes the samples as differences, and the runs of missing ones.
func appendRaw(dst []byte, raw []int32) []byte {
	dst, at := begin(dst, 6)
	last, missing := int32(0), false
	for _, v := range raw {
		if v == NoSample {
			missing = true
			v = last
		}
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(int64(v)-int64(last)))
		last = v
	}
	dst = end(dst, at)
	if !missing {
		return dst
	}
	dst, at = begin(dst, 7)
	for i := 0; i < len(raw); i++ {
		run := 0
		for i+run < len(raw) && raw[i+run] == NoSample {
			run++
		}
		if run > 0 {
			dst = protowire.AppendVarint(protowire.AppendVarint(dst, uint64(i)), uint64(run))
			i += run
		}
	}
	return end(dst, at)
}

func appendEvent(dst []byte, e *Event, base int64) []byte {
	dst, at := begin(dst, 9)
	dst = appendUint(dst, 1, uint64(e.Phase))
	dst = appendUint(dst, 2, uint64(e.Priority))
	dst = appendUint(dst, 3, uint64(e.Type))
	dst = appendUint(dst, 4, uint64(e.Source))
	dst = appendString(dst, 5, e.Text)
	if !e.From.IsZero() {
		dst = appendSint(dst, 6, e.From.UnixMicro()-base)
		dst = appendSint(dst, 7, e.To.UnixMicro()-base)
		dst = appendBool(dst, 8, true)
	}
	return end(dst, at)
}

func microsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
