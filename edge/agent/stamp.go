package agent

import (
	"time"

	"monitorme/edge/clock"
	"monitorme/protocol"
)

// maxSeries bounds what is remembered of one device; no device known has a
// tenth of it. A driver that makes up names beyond it loses the oldest.
const maxSeries = 4096

// series is one line in a chart: what one device measures at one site.
type series struct {
	channel string
	code    protocol.Code
}

// A stamper gives one device's observations their times. Not safe for
// concurrent use.
type stamper struct {
	last   map[series]time.Time // of the newest observation; of a waveform the end of its last block
	late   map[series]time.Time // of the last one that was older than that
	offset time.Duration        // wall minus mono of the last stamp
}

// stamp sets At to the arrival minus the delay that the driver knows of, in
// microseconds, and strictly after the series' last one, so that what is
// emitted in order is kept in order. Only a step of the wall clock may take a
// series back, for holding it at the wrong time would be a lie that lasts; and
// a reading that was measured well before the last one, as from a memory, which
// must not look younger than it is.
//
// A device draws a waveform evenly, but its blocks arrive unevenly. A block
// that comes near the end of the one before is laid right behind it, and what
// the arrivals say of the device's clock is followed slowly.
func (s *stamper) stamp(o *protocol.Observation, now clock.Stamp) {
	offset := time.Duration(now.Wall.UnixNano()) - now.Mono
	if step := offset - s.offset; s.last == nil || len(s.last) >= maxSeries || step > clock.StepLimit || step < -clock.StepLimit {
		s.last, s.late = make(map[series]time.Time), make(map[series]time.Time)
	}
	s.offset = offset
	at := now.Wall.UTC().Add(-max(o.Delay, 0)).Truncate(time.Microsecond)
	key := series{o.Channel, o.Code}
	last, known := s.last[key]
	if o.Kind == protocol.KindSamples && o.Samples != nil {
		if known {
			at = join(last, at, o.Samples.Duration())
		}
		o.At, o.Clock = at, now.Quality
		s.last[key] = at.Add(o.Samples.Duration()).Truncate(time.Microsecond)
		return
	}
	if known && last.Sub(at) > jitter {
		at = after(s.late[key], at)
		s.late[key] = at
	} else {
		at = after(last, at)
		s.last[key] = at
	}
	o.At, o.Clock = at, now.Quality
}

// jitter is by how much a reading may seem to be older than the one before it
// only because the two took different times on their way.
const jitter = 5 * time.Second

// after gives at, or the next instant after last if at is not, or little, before
// it: no two readings of a series are of one time.
func after(last, at time.Time) time.Time {
	if !at.After(last) && last.Sub(at) <= jitter {
		return last.Add(time.Microsecond)
	}
	return at
}

const (
	joinWithin = 500 * time.Millisecond // at most; less than a lost block for certain
	followBy   = 16                     // the part of a deviation that one block takes over
)

// join gives the beginning of a block that seems to begin at at, after one that
// ended at end. A block that is far too late comes after a hole. One that is
// too early, since the device is fast or a hold-up has ended, overlaps the one
// before by a little, until the times are right again.
func join(end, at time.Time, block time.Duration) time.Time {
	deviation := at.Sub(end)
	if deviation > min(block*6/10, joinWithin) {
		return at
	}
	return end.Add(max(deviation/followBy, -block/4)).Truncate(time.Microsecond)
}

// judge gives the code under which MonitorMe keeps the measurement, and puts a
// number that cannot be a living patient's under QualityInvalid; the number
// itself is kept. What comes from a recording is never shown as live.
func judge(o *protocol.Observation, recorded bool) {
	o.Code = protocol.Canonical(o.Code)
	if o.Kind == protocol.KindNumeric && (o.Quality.HasNumber() || o.Quality == protocol.QualityUnknown) {
		if t, ok := protocol.Lookup(o.Code); ok && !t.Plausible(o.Value, o.Unit) {
			o.Quality = protocol.QualityInvalid
		}
	}
	if recorded && o.Quality.HasNumber() {
		o.Quality = protocol.QualityDemo
	}
}
