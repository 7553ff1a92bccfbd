package agent

import (
	"slices"
	"time"

	"monitorme/protocol"
)

// maxStanding bounds the events that are remembered as standing; the oldest is
// forgotten first.
const maxStanding = 64

// stand keeps what has begun and has not ended. An end is that of the event
// with the same words, or of the only one with the same code and source.
func (d *device) stand(o protocol.Observation) {
	if o.Event == nil || o.Code == protocol.EventDisconnected {
		return
	}
	same := func(s protocol.Observation) bool {
		return s.Code == o.Code && s.Channel == o.Channel && s.Event.Source == o.Event.Source
	}
	exact := func(s protocol.Observation) bool { return same(s) && s.Event.Text == o.Event.Text }
	switch o.Event.Phase {
	case protocol.PhaseStart, protocol.PhaseContinue:
		d.standing = append(slices.DeleteFunc(d.standing, exact), o)
		d.standing = d.standing[max(0, len(d.standing)-maxStanding):]
	case protocol.PhaseEnd:
		left := slices.DeleteFunc(slices.Clone(d.standing), same)
		if len(left) < len(d.standing)-1 { // several: the words decide
			left = slices.DeleteFunc(slices.Clone(d.standing), exact)
		}
		d.standing = left
	}
}

// retell says again what still stands, after a silence in which the cloud had
// to give it up. The driver went on, and will tell the end of what has ended.
func (d *device) retell() {
	for _, o := range slices.Clone(d.standing) {
		e := *o.Event
		e.Phase = protocol.PhaseContinue
		o.Event, o.Delay, o.DeviceTime = &e, 0, time.Time{}
		d.send(o)
	}
}

// clockNews is by how much a device's clock must have moved to be told again.
const clockNews = 3 * time.Second

// compare notes how far the device's clock is from ours. What comes from a
// memory and is of unknown age says nothing of it.
func (d *device) compare(o protocol.Observation) {
	if o.DeviceTime.IsZero() || o.Quality == protocol.QualityUnknown || o.Clock == protocol.ClockUncertain {
		return
	}
	offset := o.DeviceTime.Sub(o.At).Round(time.Second)
	if d.clock != nil && (offset-time.Duration(*d.clock)*time.Second).Abs() < clockNews {
		return
	}
	d.clock = new(int64(offset / time.Second))
	d.changed()
}
