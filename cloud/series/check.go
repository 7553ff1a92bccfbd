package series

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"monitorme/protocol"
)

// Every instant that a store keeps lies in [MinTime, MaxTime): what InfluxDB
// can say in nanoseconds since 1970, in whole years. A box whose clock is
// wrong is well inside.
var (
	MinTime = time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC)
	MaxTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Longest strings that a store keeps, in bytes.
const (
	MaxName = 64   // Channel, Unit
	MaxText = 4096 // Text, Event.Text
)

// A RefusedError names the observations of an Append that can never be stored.
type RefusedError struct {
	Indexes []int // into the observations of the call, ascending
	Reason  error // of the first one
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v: %d observations, observation %d: %v", ErrRefused, len(e.Indexes), e.Indexes[0], e.Reason)
}

// Unwrap makes errors.Is(err, ErrRefused) true.
func (e *RefusedError) Unwrap() []error { return []error{ErrRefused, e.Reason} }

// Sift separates the observations that a store can keep from the others. It
// gives those to store and the refusal of the rest, or obs itself and nil.
// Every Store applies it first.
func Sift(box protocol.BoxID, obs []protocol.Observation) ([]protocol.Observation, *RefusedError) {
	boxErr := protocol.CheckID("box", string(box))
	var refused *RefusedError
	for i := range obs {
		err := boxErr
		if err == nil {
			err = checkObservation(&obs[i])
		}
		if err == nil {
			continue
		}
		if refused == nil {
			refused = &RefusedError{Reason: err}
		}
		refused.Indexes = append(refused.Indexes, i)
	}
	if refused == nil {
		return obs, nil
	}
	var good []protocol.Observation
	next := 0
	for _, i := range refused.Indexes {
		good = append(good, obs[next:i]...)
		next = i + 1
	}
	return append(good, obs[next:]...), refused
}

// Sifted is the error of an Append of which Sift refused some, and err is what
// became of the others: that, unless it is nil or a refusal too. Its indexes
// then become those of the whole.
func Sifted(refused *RefusedError, err error) error {
	if refused == nil {
		return err
	}
	rest, ok := errors.AsType[*RefusedError](err)
	switch {
	case ok:
		all := slices.Clone(refused.Indexes)
		for _, i := range rest.Indexes {
			for _, r := range refused.Indexes {
				if r <= i {
					i++
				}
			}
			all = append(all, i)
		}
		slices.Sort(all)
		return &RefusedError{Indexes: all, Reason: refused.Reason}
	case err != nil:
		return err
	}
	return refused
}

func checkObservation(o *protocol.Observation) error {
	if o.Device != "" {
		if err := protocol.CheckID("device", string(o.Device)); err != nil {
			return err
		}
	}
	if err := checkText("channel", o.Channel, MaxName); err != nil {
		return err
	}
	if err := checkText("unit", string(o.Unit), MaxName); err != nil {
		return err
	}
	if err := checkText("text", o.Text, MaxText); err != nil {
		return err
	}
	if o.At.Before(MinTime) || !o.At.Before(MaxTime) {
		return fmt.Errorf("measured at %s: want %d to %d", o.At.UTC().Format(time.RFC3339), MinTime.Year(), MaxTime.Year()-1)
	}
	if e := o.Value.Exponent; o.Value.Valid && (e < -18 || e > 18) {
		return fmt.Errorf("exponent %d: want -18 to 18", e)
	}
	if e := o.Event; e != nil {
		if err := checkText("event text", e.Text, MaxText); err != nil {
			return err
		}
		for _, t := range [...]time.Time{e.From, e.To} {
			if !t.IsZero() && (t.Before(MinTime) || !t.Before(MaxTime)) {
				return fmt.Errorf("event bound %s: want %d to %d", t.UTC().Format(time.RFC3339), MinTime.Year(), MaxTime.Year()-1)
			}
		}
	} else if o.Kind == protocol.KindEvent {
		return errors.New("an event without an Event")
	}
	if o.Kind == protocol.KindSamples {
		return checkSamples(o.Samples)
	}
	return nil
}

func checkSamples(s *protocol.Samples) error {
	switch {
	case s == nil || len(s.Raw) == 0:
		return errors.New("a block without samples")
	case len(s.Raw) > protocol.MaxSamples:
		return fmt.Errorf("a block of %d samples: want at most %d", len(s.Raw), protocol.MaxSamples)
	case s.RateMilliHz < 1 || s.RateMilliHz > 100_000_000:
		return fmt.Errorf("sample rate %d mHz: want 1 to 100000000", s.RateMilliHz)
	case !s.Scale.Valid || s.Scale.Mantissa == 0:
		return fmt.Errorf("scale %q of samples: want a number that is not 0", s.Scale)
	}
	for _, d := range [...]protocol.Decimal{s.Scale, s.Offset} {
		if d.Valid && (d.Exponent < -18 || d.Exponent > 18) {
			return fmt.Errorf("exponent %d of scale or offset: want -18 to 18", d.Exponent)
		}
	}
	return nil
}

// checkText refuses what cannot be written down: control characters would
// break lines and keys, NUL and bad UTF-8 the queries.
func checkText(what, s string, most int) error {
	if len(s) > most {
		return fmt.Errorf("%s of %d bytes: want at most %d", what, len(s), most)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %q: want valid UTF-8", what, s)
	}
	for _, c := range s {
		if c < ' ' || c == 0x7f {
			return fmt.Errorf("%s %q: control character %q is not allowed", what, s, c)
		}
	}
	return nil
}

// Micros turns [from, to) into microseconds since 1970: a reading at t belongs
// if lo <= t < hi.
func Micros(from, to time.Time) (lo, hi int64) { return ceilMicro(from), ceilMicro(to) }

func ceilMicro(t time.Time) int64 {
	if t.Before(MinTime) {
		t = MinTime
	} else if t.After(MaxTime) {
		t = MaxTime
	}
	return t.Add(time.Microsecond - 1).UnixMicro()
}

// SortInfos puts series into the order in which Keys gives them.
func SortInfos(infos []SeriesInfo) {
	slices.SortFunc(infos, func(a, b SeriesInfo) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Kind, b.Kind))
	})
}
