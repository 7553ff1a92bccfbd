package protocol

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// The times that the wire format allows: the years 1970 to 2200, in
// microseconds from 1970, so that no sum of two overflows.
const (
	minMicros int64 = 0
	maxMicros int64 = 7_289_654_399_999_999 // 2200-12-31T23:59:59.999999Z
)

// micros gives t in microseconds, cut, if it is in the years allowed.
func micros(what string, t time.Time) (int64, error) {
	if s := t.Unix(); s < minMicros/1e6 || s > maxMicros/1e6 {
		return 0, fmt.Errorf("%s %s: want a time in the years 1970 to 2200", what, t.Format(time.RFC3339))
	}
	return t.UnixMicro(), nil
}

// microsOrNone is micros, with 0 for the zero time.
func microsOrNone(what string, t time.Time) (int64, error) {
	if t.IsZero() {
		return 0, nil
	}
	return micros(what, t)
}

// instant is the time us after base, both in microseconds.
func instant(what string, base, us int64) (time.Time, error) {
	if us < -maxMicros || us > maxMicros || base+us < minMicros || base+us > maxMicros {
		return time.Time{}, fmt.Errorf("%s: %d µs after 1970 plus %d µs: want a time in the years 1970 to 2200", what, base, us)
	}
	return time.UnixMicro(base + us).UTC(), nil
}

// instantOrNone is instant after 1970, with the zero time for 0.
func instantOrNone(what string, us int64) (time.Time, error) {
	if us == 0 {
		return time.Time{}, nil
	}
	return instant(what, 0, us)
}

func checkText[T ~string | ~[]byte](what string, s T, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%s of %d bytes: at most %d are allowed", what, len(s), limit)
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			if !utf8.ValidString(string(s)) {
				return fmt.Errorf("%s %q: not valid UTF-8", what, s)
			}
			break
		}
	}
	return nil
}

// checkName checks a channel or a unit, which become tags and file names.
func checkName[T ~string | ~[]byte](what string, s T) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return fmt.Errorf("%s %q: control character %q is not allowed", what, s, s[i])
		}
	}
	return checkText(what, s, MaxName)
}

func checkDevice(id DeviceID) error {
	if id == "" {
		return nil
	}
	return CheckID("device", string(id))
}

func checkExponent(what string, e int64) error {
	if e < -18 || e > 18 {
		return fmt.Errorf("%s: exponent %d: want -18 to 18", what, e)
	}
	return nil
}

func checkSeries(device DeviceID, channel string, code Code, unit Unit) error {
	if err := checkDevice(device); err != nil {
		return err
	}
	if err := checkName("channel", channel); err != nil {
		return err
	}
	if code == 0 {
		return errors.New("code 0: want a code of a term")
	}
	return checkName("unit", unit)
}

func checkSamples(rate uint64, scale, offset Decimal) error {
	if rate < 1 || rate > 100_000_000 {
		return fmt.Errorf("sample rate %d mHz: want 1 to 100000000", rate)
	}
	if !scale.Valid || scale.Mantissa == 0 {
		return errors.New("sample scale is 0 or missing: want a number other than 0")
	}
	if err := checkExponent("sample scale", int64(scale.Exponent)); err != nil {
		return err
	}
	return checkExponent("sample offset", int64(offset.Exponent))
}

func checkStream(s Stream) error {
	if s < StreamEvent || s > StreamWave {
		return fmt.Errorf("stream %d: want 1 (event), 2 (numeric) or 3 (wave)", uint8(s))
	}
	return nil
}

// checkKind refuses a kind in a stream where it does not belong. Kinds of a
// newer peer are let through.
func checkKind(k Kind, s Stream) error {
	if k >= KindNumeric && k <= KindEvent && StreamOf(k) != s {
		return fmt.Errorf("kind %s in stream %s: it belongs in stream %s", k, s, StreamOf(k))
	}
	return nil
}

// checkBatch checks all but the observations.
func checkBatch(b *Batch, count int) error {
	switch {
	case CheckID("box", string(b.Box)) != nil:
		return CheckID("box", string(b.Box))
	case b.Epoch == 0:
		return errors.New("epoch 0: want a random number other than 0")
	case checkStream(b.Stream) != nil:
		return checkStream(b.Stream)
	case b.FirstSeq == 0:
		return errors.New("first sequence number 0: they start at 1")
	case count == 0:
		return errors.New("no observations: want at least 1")
	case count > MaxObservations:
		return fmt.Errorf("%d observations: at most %d are allowed", count, MaxObservations)
	case b.FirstSeq > math.MaxUint64-uint64(count):
		return fmt.Errorf("first sequence number %d: too large", b.FirstSeq)
	}
	return nil
}

// Check tells whether o can be put in a batch: identifiers, times from 1970 to
// 2200, texts of valid UTF-8 within their limits, exponents, and what belongs
// to its kind and nothing else. The box checks each observation that a driver
// emits, so that a faulty one cannot spoil its neighbours.
func (o *Observation) Check() error {
	if err := checkSeries(o.Device, o.Channel, o.Code, o.Unit); err != nil {
		return err
	}
	if _, err := micros("measured-at time", o.At); err != nil {
		return err
	}
	if _, err := microsOrNone("device time", o.DeviceTime); err != nil {
		return err
	}
	if err := o.checkPayload(); err != nil {
		return fmt.Errorf("%s of code %d: %w", o.Kind, o.Code, err)
	}
	return nil
}

func (o *Observation) checkPayload() error {
	known := o.Kind >= KindNumeric && o.Kind <= KindEvent
	switch {
	case o.Value.Valid && known && o.Kind != KindNumeric:
		return errors.New("carries a value, which only a numeric has")
	case o.Text != "" && known && o.Kind != KindEnumeration:
		return errors.New("carries a text, which only an enumeration has")
	case (o.Samples != nil) != (o.Kind == KindSamples):
		return errors.New("want samples if, and only if, it is of kind samples")
	case (o.Event != nil) != (o.Kind == KindEvent):
		return errors.New("want an event if, and only if, it is of kind event")
	case o.Samples != nil:
		return o.Samples.check()
	case o.Event != nil:
		return o.Event.check()
	case o.Value.Valid:
		return checkExponent("value", int64(o.Value.Exponent))
	}
	return checkText("text", o.Text, MaxText)
}

func (s *Samples) check() error {
	if err := checkSamples(uint64(s.RateMilliHz), s.Scale, s.Offset); err != nil {
		return err
	}
	if len(s.Raw) == 0 || len(s.Raw) > MaxSamples {
		return fmt.Errorf("%d samples: want 1 to %d", len(s.Raw), MaxSamples)
	}
	last := int64(0)
	for i, v := range s.Raw {
		if v == NoSample {
			continue
		}
		if d := int64(v) - last; d < math.MinInt32 || d > math.MaxInt32 {
			return fmt.Errorf("sample %d: %d after %d: the difference does not fit 32 bits", i, v, last)
		}
		last = int64(v)
	}
	return nil
}

func (e *Event) check() error {
	if err := checkText("event text", e.Text, MaxText); err != nil {
		return err
	}
	if e.From.IsZero() != e.To.IsZero() {
		return errors.New("event has only one of from and to: want both or none")
	}
	if _, err := microsOrNone("event from", e.From); err != nil {
		return err
	}
	_, err := microsOrNone("event to", e.To)
	return err
}
