package queue

import (
	"fmt"
	"time"

	"monitorme/protocol"
)

// Drops closer together than episodeGap are one episode; the cloud is told when
// one begins, then at most every tellEvery, and when it has ended.
const (
	episodeGap = time.Minute
	tellEvery  = 10 * time.Second
)

// An episode is readings of one stream dropped one after the other.
type episode struct {
	count    uint64
	oldest   int64 // measured at, microseconds
	newest   int64
	reason   string
	last     time.Time // of the last drop
	told     time.Time // zero: not yet
	toldUpTo uint64    // count that was told
}

// admit makes room for groups, or refuses them.
func (q *Queue) admit(groups []group) error {
	need := int64(0)
	for i := range groups {
		need += int64(groups[i].guess) + entryKeySize
	}
	for q.bytes+need > q.cfg.MaxBytes {
		dropped, err := q.dropOldest(fmt.Sprintf("the queue reached its limit of %d bytes", q.cfg.MaxBytes))
		if err != nil {
			return err
		}
		if !dropped {
			return fmt.Errorf("%w: %d of %d bytes are used and nothing may be dropped", ErrFull, q.bytes, q.cfg.MaxBytes)
		}
	}
	free, err := freeBytes(q.cfg.Dir)
	if err != nil {
		return err
	}
	q.guard.free = free
	if keep := q.reserve(q.bytes); free-need < keep {
		return fmt.Errorf("%w: %d bytes are free on its file system, %d must stay free", ErrFull, free, keep)
	}
	return nil
}

// reserve is the free space that must stay: Badger writes through mapped files,
// so that a full disk kills the process. Compaction writes anew, before it
// deletes, up to a whole base level and the tables and logs above it.
func (q *Queue) reserve(held int64) int64 {
	return max(q.cfg.MinFreeBytes/2, min(held, baseLevelBytes)+aboveBaseBytes)
}

// dropOldest drops the oldest segment of waves, or else of numerics.
func (q *Queue) dropOldest(reason string) (bool, error) {
	for _, id := range []protocol.Stream{protocol.StreamWave, protocol.StreamNumeric} {
		for _, s := range q.logs[id].segs {
			if s.entries > 0 {
				return true, q.dropSegment(q.logs[id], s, reason)
			}
		}
	}
	return false, nil
}

// dropSegment drops what is live in s. The cloud is told first: a crash in
// between then only means that some of what was said to be dropped comes after
// all. So is the numbering written, which may have no other witness. The space
// is given back at once.
func (q *Queue) dropSegment(l *streamLog, s *segment, reason string) error {
	if err := q.flush(false); err != nil {
		return err
	}
	count, err := q.countReadings(s)
	if err != nil {
		return err
	}
	q.log.Warn("readings dropped", "stream", int(s.stream), "readings", count, "bytes", s.bytes, "reason", reason)
	q.meta.dropped[l.id] += count
	d := &q.drops[l.id]
	if d.count == 0 {
		*d = episode{oldest: s.oldest, newest: s.newest}
	}
	d.count += count
	d.oldest, d.newest = min(d.oldest, s.oldest), max(d.newest, s.newest)
	d.reason, d.last = reason, q.now()
	if err := q.tellDrops(d.last); err != nil {
		return err
	}
	if err := q.writeRecords(); err != nil {
		return err
	}

	q.compact.Lock()
	err = q.db.DropPrefix(segmentPrefix(s.bucket, s.stream))
	q.compact.Unlock()
	if err != nil {
		q.broken = fmt.Errorf("queue must be opened again: drop: %w", err)
		return q.broken
	}
	l.flight.remove(span{s.epoch, s.low, s.last})
	l.partial.remove(span{s.epoch, s.low, s.last})
	for i := range l.ring {
		if e := &l.ring[i]; e.bucket == s.bucket && !e.gone {
			l.lose(e)
		}
	}
	q.drop(l, s)
	return q.flush(false)
}

// tellDrops appends what the cloud should know of drops now.
func (q *Queue) tellDrops(now time.Time) error {
	for _, id := range streams {
		d := &q.drops[id]
		if d.count == 0 || q.last.Wall.IsZero() {
			continue
		}
		ended := now.Sub(d.last) > episodeGap
		phase := protocol.PhaseContinue
		switch {
		case d.told.IsZero():
			phase = protocol.PhaseStart
		case ended:
			phase = protocol.PhaseEnd
		case d.toldUpTo == d.count || now.Sub(d.told) < tellEvery:
			continue
		}
		d.told, d.toldUpTo = now, d.count
		stamp := q.last
		if err := q.store(stamp, []group{{
			stream: protocol.StreamEvent, clock: certain(stamp.Quality), guess: 256,
			obs: []protocol.Observation{d.observation(id, phase, stamp)},
		}}); err != nil {
			return err
		}
		if phase == protocol.PhaseEnd {
			*d = episode{}
		}
	}
	return nil
}

func certain(c protocol.ClockQuality) protocol.ClockQuality {
	if c != protocol.ClockSynced {
		return protocol.ClockUncertain
	}
	return c
}

// observation says what was dropped in this episode so far. Its channel is the
// kind of reading.
func (d *episode) observation(id protocol.Stream, phase protocol.Phase, stamp Stamp) protocol.Observation {
	what := "numerics"
	if id == protocol.StreamWave {
		what = "waves"
	}
	return protocol.Observation{
		Code: protocol.EventDropped, Channel: what, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
		At: stamp.Wall, Clock: certain(stamp.Quality),
		Event: &protocol.Event{
			Phase: phase, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical,
			Text: fmt.Sprintf("%d %s dropped: %s", d.count, what, d.reason),
			From: time.UnixMicro(d.oldest).UTC(), To: time.UnixMicro(d.newest).UTC(),
		},
	}
}

// dropAged drops what is older than MaxAge. A clock that jumps must not do that:
// both ends have to be synchronised.
func (q *Queue) dropAged() error {
	if q.last.Quality != protocol.ClockSynced {
		return nil
	}
	limit := q.last.Wall.Add(-q.cfg.MaxAge).UnixMicro()
	for _, id := range []protocol.Stream{protocol.StreamWave, protocol.StreamNumeric} {
		l := q.logs[id]
		for len(l.segs) > 0 && l.segs[0].entries > 0 && !l.segs[0].uncertain && l.segs[0].newest < limit {
			if err := q.dropSegment(l, l.segs[0], fmt.Sprintf("older than %s", q.cfg.MaxAge)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropForSpace drops until about as much is given back as the disk lacks. It
// leaves what a working uplink has on its way: if others fill the disk, dropping
// that would not help.
func (q *Queue) dropForSpace() error {
	free, err := freeBytes(q.cfg.Dir)
	if err != nil {
		return err
	}
	q.guard.free = free
	want := max(q.cfg.MinFreeBytes, q.reserve(q.bytes)*5/4) // drop before Append has to refuse
	for lack := want - free; lack > 0 && q.bytes > q.bucketBytes; {
		before := q.bytes
		dropped, err := q.dropOldest(fmt.Sprintf("less than %d bytes are free on the disk", want))
		if err != nil || !dropped {
			return err
		}
		lack -= before - q.bytes
	}
	return nil
}
