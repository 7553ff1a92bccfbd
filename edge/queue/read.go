package queue

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"monitorme/protocol"
)

// Next claims what should be sent next on a lane and gives it as the payload of
// one message of at most maxBytes (more only if a single entry is larger), with
// the acknowledgement that would cover it. A nil payload means that there is
// nothing.
//
// LaneLive gives fresh events and numerics, newest first, LaneWave fresh waves,
// LaneBackfill everything older, oldest first, events before numerics before
// waves. sent is the wall clock. Times stamped before the clock was known are
// corrected here.
//
// Claimed entries are not given again until Release.
func (q *Queue) Next(lane protocol.Lane, maxBytes int, sent time.Time) ([]byte, protocol.Ack, error) {
	switch lane {
	case protocol.LaneLive:
		return q.nextFresh(sent, protocol.StreamEvent, protocol.StreamNumeric)
	case protocol.LaneWave:
		return q.nextFresh(sent, protocol.StreamWave)
	case protocol.LaneBackfill:
		return q.nextOld(maxBytes, sent)
	}
	return nil, protocol.Ack{}, fmt.Errorf("lane %q carries no readings", lane)
}

func (q *Queue) nextFresh(sent time.Time, ids ...protocol.Stream) ([]byte, protocol.Ack, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return nil, protocol.Ack{}, q.broken
	}
	now := q.now()
	for _, id := range ids {
		l := q.logs[id]
		l.trim(now)
		for i := len(l.ring) - 1; i >= 0 && l.fresh > 0; i-- {
			e := &l.ring[i]
			if e.claimed || e.gone {
				continue
			}
			payload, err := q.outgoing(e.value, sent)
			if err != nil {
				if err := q.quarantine(l, e.entry, e.value, err); err != nil {
					return nil, protocol.Ack{}, err
				}
				continue
			}
			e.claimed = true
			l.fresh--
			s := span{q.meta.epoch, e.first, e.last()}
			l.flight.add(s)
			return payload, names(id, s), nil
		}
	}
	return nil, protocol.Ack{}, nil
}

// names is the acknowledgement that covers s.
func names(id protocol.Stream, s span) protocol.Ack {
	return protocol.Ack{Epoch: s.epoch, Committed: []protocol.Committed{{Stream: id, Range: protocol.Range{First: s.first, Last: s.last}}}}
}

// outgoing makes a message of a stored value.
func (q *Queue) outgoing(raw []byte, sent time.Time) ([]byte, error) {
	v, err := parseValue(raw)
	if err != nil {
		return nil, err
	}
	clock, base, shift := q.correction(&v)
	return protocol.Rebase(v.batch, base, shift, clock, sent)
}

// correction is how far off the times of v are: the clock that was wrong when
// it was stamped is known by now, if that was in this boot.
func (q *Queue) correction(v *value) (protocol.ClockQuality, time.Time, time.Duration) {
	switch {
	case !v.uncertain:
		return protocol.ClockSynced, time.Time{}, 0
	case q.known && v.boot == q.id.Boot:
		return protocol.ClockCorrected, v.base, q.offset - v.offset
	}
	return protocol.ClockUncertain, time.Time{}, 0
}

// quarantine moves an entry that cannot be sent to where it is kept for a
// person, or a later program, to look at.
func (q *Queue) quarantine(l *streamLog, e entry, raw []byte, reason error) error {
	q.log.Error("entry quarantined", "stream", int(e.stream), "first", e.first, "readings", e.count, "err", reason)
	q.counts.quarantined += uint64(e.count)
	key := e.key()
	key[0] = prefixQuarantine
	if err := q.put(q.nextVersion(), badger.NewEntry(key, raw)); err != nil {
		return err
	}
	q.remove(l, e, int64(len(raw))+entryKeySize)
	l.forget(e.first, e.last())
	return nil
}

// forget marks the fresh entries within first to last as gone.
func (l *streamLog) forget(first, last uint64) {
	for i := range l.ring {
		if e := &l.ring[i]; e.first >= first && e.last() <= last && !e.gone {
			l.lose(e)
		}
	}
}

func (l *streamLog) lose(e *freshEntry) {
	if !e.claimed {
		l.fresh--
	}
	e.gone = true
	l.release(e)
}

// An oldEntry was read from disk.
type oldEntry struct {
	entry
	raw   []byte
	value value
	batch *protocol.Batch
}

func (q *Queue) nextOld(maxBytes int, sent time.Time) ([]byte, protocol.Ack, error) {
	for _, id := range streams {
		for {
			epoch, run, err := q.collect(q.logs[id], maxBytes)
			if err != nil {
				return nil, protocol.Ack{}, err
			}
			if len(run) == 0 {
				break
			}
			good, bad, reason := decodeRun(run)
			if len(good) == 0 {
				if err := q.refuse(q.logs[id], epoch, run, bad, reason); err != nil {
					return nil, protocol.Ack{}, err
				}
				continue // with what comes after it
			}
			return q.send(q.logs[id], epoch, run, good, maxBytes, sent)
		}
	}
	return nil, protocol.Ack{}, nil
}

// send makes one message of as many entries as fit and gives the others back.
func (q *Queue) send(l *streamLog, epoch uint64, run, good []oldEntry, maxBytes int, sent time.Time) ([]byte, protocol.Ack, error) {
	batch, n := mergeRun(good, maxBytes)
	q.mu.Lock()
	defer q.mu.Unlock()
	if n < len(run) {
		q.release(l, span{epoch, run[n].first, run[len(run)-1].last()})
	}
	v := good[0].value
	clock, base, shift := q.correction(&v)
	payload, err := protocol.Rebase(batch, base, shift, clock, sent)
	if err != nil {
		return nil, protocol.Ack{}, err
	}
	return payload, names(l.id, span{epoch, good[0].first, good[n-1].last()}), nil
}

// refuse quarantines run[bad] and gives the claim on the others back.
func (q *Queue) refuse(l *streamLog, epoch uint64, run []oldEntry, bad int, reason error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(l, span{epoch, run[0].first, run[len(run)-1].last()})
	if s := l.segment(run[bad].bucket); s == nil || run[bad].last() < s.low {
		return nil // acknowledged or dropped meanwhile
	}
	return q.quarantine(l, run[bad].entry, run[bad].raw, reason)
}

// decodeRun decodes entries up to the first that cannot be.
func decodeRun(run []oldEntry) (good []oldEntry, bad int, reason error) {
	for i := range run {
		e := &run[i]
		var err error
		if e.value, err = parseValue(e.raw); err == nil {
			e.batch, err = protocol.DecodeBatch(e.value.batch)
		}
		if err == nil && (e.batch.FirstSeq != e.first || e.batch.LastSeq() != e.last() || e.batch.Stream != e.stream) {
			err = errNotAnEntry
		}
		if err != nil {
			return run[:i], i, err
		}
		if v, w := &run[0].value, &e.value; i > 0 && (v.uncertain != w.uncertain || v.offset != w.offset) {
			return run[:i], i, nil
		}
	}
	return run, 0, nil
}

// mergeRun makes one batch of as many of the entries as fit in maxBytes.
func mergeRun(run []oldEntry, maxBytes int) ([]byte, int) {
	for n := len(run); n > 1; n = (n + 1) / 2 {
		b := *run[0].batch
		count := 0
		for i := range run[:n] {
			count += int(run[i].count)
		}
		b.Observations = make([]protocol.Observation, 0, count)
		for i := range run[:n] {
			b.Observations = append(b.Observations, run[i].batch.Observations...)
		}
		if out, err := protocol.AppendBatch(nil, &b); err == nil && len(out) <= maxBytes {
			return out, n
		}
		if n == 2 {
			break
		}
	}
	return run[0].value.batch, 1
}

// collect claims a run of adjoining entries from the front of the backlog.
func (q *Queue) collect(l *streamLog, maxBytes int) (epoch uint64, run []oldEntry, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return 0, nil, q.broken
	}
	l.trim(q.now())
	floor := q.floor(l)
	if !l.cursor.before(floor) {
		return 0, nil, nil
	}
	if l.entries == l.liveFresh() { // all between is acknowledged
		l.cursor = floor
		return 0, nil, nil
	}
	if len(q.dead) > 0 {
		if err := q.flush(false); err != nil {
			return 0, nil, err
		}
	}
	txn := q.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixEntry}})
	defer it.Close()

	var empty []*segment
	for _, s := range l.segs {
		if s.bucket < l.cursor.bucket {
			continue
		}
		if !(position{s.bucket, s.low}).before(floor) {
			break
		}
		var found bool
		run, found = l.scan(it, s, floor, maxBytes)
		if !found {
			empty = append(empty, s)
		}
		if len(run) > 0 {
			epoch = s.epoch
			break
		}
	}
	for _, s := range empty {
		q.lostSegment(l, s)
	}
	if len(run) == 0 {
		l.cursor = floor
		return 0, nil, nil
	}
	last := run[len(run)-1]
	l.flight.add(span{epoch, run[0].first, last.last()})
	l.cursor = position{last.bucket, last.last() + 1}
	return epoch, run, nil
}

// lostSegment forgets a segment whose record promises entries that are not
// there: a crash came between deleting them and writing that down.
func (q *Queue) lostSegment(l *streamLog, s *segment) {
	if s.bucket == q.meta.bucket || slices.ContainsFunc(l.ring, func(e freshEntry) bool { return e.bucket == s.bucket && !e.gone }) {
		return
	}
	q.drop(l, s)
}

// scan reads a run of adjoining unclaimed entries of one segment, and tells
// whether it met any entry at all of the whole segment.
func (l *streamLog) scan(it *badger.Iterator, s *segment, floor position, maxBytes int) (run []oldEntry, found bool) {
	seq := s.low
	if s.bucket == l.cursor.bucket {
		seq = max(seq, l.cursor.seq)
	}
	found = seq > s.low // not looked at all of it
	prefix := segmentPrefix(s.bucket, s.stream)
	bytes, count := 0, 0
	for it.Seek(entry{s.bucket, s.stream, seq, 0}.key()); it.ValidForPrefix(prefix); it.Next() {
		e, ok := parseEntry(it.Item().Key())
		if !ok || !(position{e.bucket, e.first}).before(floor) {
			return run, true
		}
		found = true
		if l.flight.overlaps(span{s.epoch, e.first, e.last()}) {
			if len(run) > 0 {
				return run, true
			}
			continue
		}
		bytes += int(it.Item().ValueSize())
		count += int(e.count)
		if len(run) > 0 && (e.first != run[len(run)-1].last()+1 || bytes > maxBytes || count > protocol.MaxObservations) {
			return run, true
		}
		raw, err := it.Item().ValueCopy(nil)
		if err != nil {
			raw = nil // quarantined as undecodable
		}
		run = append(run, oldEntry{entry: e, raw: raw})
	}
	return run, found
}

// Release gives back the claim on what a covers: the connection on which it was
// sent is gone, or no acknowledgement came. It is handed out again.
func (q *Queue) Release(a protocol.Ack) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range a.Committed {
		if c.Stream >= protocol.StreamEvent && c.Stream <= protocol.StreamWave {
			q.release(q.logs[c.Stream], span{a.Epoch, c.First, c.Last})
		}
	}
	q.wake()
}

func (q *Queue) release(l *streamLog, s span) {
	l.flight.remove(s)
	for i := range l.ring {
		e := &l.ring[i]
		if s.epoch == q.meta.epoch && e.claimed && !e.gone && e.first >= s.first && e.last() <= s.last {
			e.claimed = false
			l.fresh++
		}
	}
	for _, g := range l.segs {
		if g.epoch == s.epoch && g.low <= s.last && s.first <= g.last {
			if p := (position{g.bucket, max(s.first, g.low)}); p.before(l.cursor) {
				l.cursor = p
			}
			break
		}
	}
}
