package drivertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"monitorme/protocol"
)

// Check says what is wrong with an observation as a driver may emit it: all
// that protocol.Observation.Check demands, the unit and kind of the code's
// term, a number where the quality promises one and none where it denies it, a
// priority for an alarm that stands, an identity that says something, and
// nothing that is for the box to fill in.
func Check(o protocol.Observation) error {
	if err := check(o); err != nil {
		return fmt.Errorf("%s: %w", show(o), err)
	}
	return nil
}

func check(o protocol.Observation) error {
	if o.Device != "" || !o.At.IsZero() || o.Clock != protocol.ClockUnknown {
		return errors.New("the box fills in Device, At and Clock")
	}
	stamped := o
	stamped.At = time.Unix(1, 0)
	if err := stamped.Check(); err != nil {
		return err
	}
	term, known := protocol.Lookup(o.Code)
	measured := o.Kind == protocol.KindNumeric || o.Kind == protocol.KindSamples
	switch q := o.Quality; {
	case o.Delay < 0 || o.Delay > 366*24*time.Hour:
		return fmt.Errorf("delay %v", o.Delay)
	case q > protocol.QualityDemo:
		return fmt.Errorf("quality %d is not known", q)
	case o.Kind < protocol.KindNumeric || o.Kind > protocol.KindEvent:
		return fmt.Errorf("kind %d is not known", o.Kind)
	case known && term.Kind != protocol.KindUnknown && term.Kind != o.Kind:
		return fmt.Errorf("want kind %s for %s", term.Kind, term.RefID)
	// A value in another unit than its term's is in order only as rejected.
	case known && measured && o.Unit != term.Unit && q != protocol.QualityInvalid:
		return fmt.Errorf("want unit %q for %s", term.Unit, term.RefID)
	case o.Kind == protocol.KindEvent && o.Code.Partition() != 3:
		return errors.New("an event's code is of partition 3")
	case o.Kind == protocol.KindEvent && (o.Event.Phase > protocol.PhaseOnce || o.Event.Priority > protocol.PriorityHigh || o.Event.Type > protocol.AlarmAdvisory):
		return errors.New("phase, priority or type is not known")
	case o.Kind == protocol.KindEvent && q != protocol.QualityDemo && unheard(o.Event):
		return errors.New("an alarm that stands and has no priority: want one, or the type of information")
	case o.Kind == protocol.KindEnumeration && strings.TrimSpace(o.Text) == "" && (q.HasNumber() || identity(o.Code)):
		return errors.New("no text")
	case o.Kind == protocol.KindNumeric && q.HasNumber() && !o.Value.Valid:
		return errors.New("the quality of a number, and no number")
	case q >= protocol.QualityMissing && q <= protocol.QualityOngoing && o.Value.Valid:
		return errors.New("the quality of no number, and a number")
	case !o.Value.Valid && o.Value != (protocol.Decimal{}):
		return errors.New("a decimal without value that is not zero")
	}
	return nil
}

// unheard reports whether e is an alarm, of the patient or of the device, that
// stands and for which nobody would be called.
func unheard(e *protocol.Event) bool {
	return (e.Phase == protocol.PhaseStart || e.Phase == protocol.PhaseContinue) && e.Priority == protocol.PriorityNone &&
		(e.Type == protocol.AlarmPhysiological || e.Type == protocol.AlarmTechnical)
}

// equal compares all that a driver sets.
func equal(a, b protocol.Observation) bool {
	if (a.Samples == nil) != (b.Samples == nil) || (a.Event == nil) != (b.Event == nil) {
		return false
	}
	if a.Samples != nil && (a.Samples.RateMilliHz != b.Samples.RateMilliHz || a.Samples.Scale != b.Samples.Scale ||
		a.Samples.Offset != b.Samples.Offset || !slices.Equal(a.Samples.Raw, b.Samples.Raw)) {
		return false
	}
	if a.Event != nil && *a.Event != *b.Event {
		return false
	}
	a.Samples, a.Event, b.Samples, b.Event = nil, nil, nil, nil
	return a == b
}

// clone copies what an observation shares.
func clone(o protocol.Observation) protocol.Observation {
	if o.Samples != nil {
		s := *o.Samples
		s.Raw = slices.Clone(s.Raw)
		o.Samples = &s
	}
	if o.Event != nil {
		e := *o.Event
		o.Event = &e
	}
	return o
}

// diff says where got first differs from want, or "".
func diff(got, want []protocol.Observation) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("observation %d is lost: %s", i, show(want[i]))
		case i >= len(want):
			return fmt.Sprintf("observation %d is one too many: %s", i, show(got[i]))
		case !equal(got[i], want[i]):
			return fmt.Sprintf("observation %d\n got %s\nwant %s", i, show(got[i]), show(want[i]))
		}
	}
	return ""
}
