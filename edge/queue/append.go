package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"monitorme/protocol"
)

// A group is observations that go into one entry.
type group struct {
	stream protocol.Stream
	clock  protocol.ClockQuality
	obs    []protocol.Observation
	guess  int // bytes
}

// A packed group is numbered and encoded.
type packed struct {
	entry
	value          []byte
	oldest, newest int64
	uncertain      bool
}

// Append stores observations that were stamped at about stamp. When it returns
// nil they survive a killed process. An observation that protocol refuses is
// left out, counted and logged; the others are stored.
//
// ErrFull: nothing was stored, and nothing may be dropped to make room. Any
// other error: some may be stored; the queue must be closed and opened again.
func (q *Queue) Append(stamp Stamp, obs []protocol.Observation) error {
	groups, rejected := split(stamp, obs)
	if rejected != nil {
		q.log.Error("readings rejected", "err", rejected)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts.rejected += uint64(len(obs) - total(groups))
	if q.broken != nil {
		return q.broken
	}
	q.last = stamp
	if stamp.Quality == protocol.ClockSynced {
		q.offset, q.known = stamp.offset(), true
	}
	if len(groups) == 0 {
		return nil
	}
	if err := q.admit(groups); err != nil {
		return err
	}
	if err := q.store(stamp, groups); err != nil {
		return err
	}
	q.wake()
	return q.tellDrops(q.now())
}

// split sorts observations into groups of one stream and clock, in order, none
// too large for one entry.
func split(stamp Stamp, obs []protocol.Observation) ([]group, error) {
	var out []group
	var at [4]int // by stream: index of its open group in out, plus 1
	var rejected error
	for _, o := range obs {
		if err := o.Check(); err != nil {
			rejected = errors.Join(rejected, err)
			continue
		}
		s, clock := protocol.StreamOf(o.Kind), o.Clock
		if clock == protocol.ClockUnknown {
			clock = stamp.Quality
		}
		if clock != protocol.ClockSynced {
			clock = protocol.ClockUncertain
		}
		o.Clock = clock
		guess := 32 + len(o.Text) + len(o.Channel)
		if o.Samples != nil {
			guess += 2 * len(o.Samples.Raw)
		}
		if o.Event != nil {
			guess += len(o.Event.Text)
		}
		i := at[s]
		if i == 0 || out[i-1].clock != clock || out[i-1].guess+guess > maxEntryBytes || len(out[i-1].obs) == maxEntryCount {
			out = append(out, group{stream: s, clock: clock})
			i = len(out)
			at[s] = i
		}
		g := &out[i-1]
		g.obs, g.guess = append(g.obs, o), g.guess+guess
	}
	return out, rejected
}

func total(groups []group) (n int) {
	for i := range groups {
		n += len(groups[i].obs)
	}
	return n
}

// store numbers, encodes and commits groups.
func (q *Queue) store(stamp Stamp, groups []group) error {
	for len(groups) > 0 {
		n, guess := 0, 0
		for ; n < len(groups) && (n == 0 || guess+groups[n].guess <= maxCommitBytes); n++ {
			guess += groups[n].guess
		}
		if err := q.commit(stamp, groups[:n]); err != nil {
			return err
		}
		groups = groups[n:]
	}
	return nil
}

func (q *Queue) commit(stamp Stamp, groups []group) error {
	if q.filled >= q.bucketBytes {
		q.rotate()
	}
	next := q.meta.next
	entries := make([]packed, 0, len(groups))
	for i := range groups {
		entries = q.pack(entries, stamp, &groups[i], &next)
	}
	if err := q.insert(entries); err != nil {
		return err
	}
	q.meta.next = next
	now := q.now()
	for i := range entries {
		q.stored(&entries[i], now)
	}
	return nil
}

// insert commits entries. Several of one stream are stored together or not at
// all: a part could have a hole in its numbers.
func (q *Queue) insert(entries []packed) error {
	pairs := make([]*badger.Entry, len(entries))
	var seen [4]bool
	together := false
	for i := range entries {
		e := &entries[i]
		pairs[i] = badger.NewEntry(e.key(), e.value)
		together = together || seen[e.stream]
		seen[e.stream] = true
	}
	if !together {
		return q.put(entryVersion, pairs...)
	}
	return q.update(entryVersion, func(txn *badger.Txn) error {
		for _, p := range pairs {
			if err := txn.SetEntry(p); err != nil {
				return fmt.Errorf("store %d bytes: %w", len(p.Value), err)
			}
		}
		return nil
	})
}

// rotate begins the next bucket.
func (q *Queue) rotate() {
	q.meta.bucket++
	q.filled = 0
	q.stale = true
}

// pack numbers and encodes g. What cannot be encoded although each reading was
// checked is halved until the culprit is alone and left out.
func (q *Queue) pack(out []packed, stamp Stamp, g *group, next *[4]uint64) []packed {
	b := protocol.Batch{
		Box: q.id.Box, Epoch: q.meta.epoch, Stream: g.stream, FirstSeq: next[g.stream], Base: g.obs[0].At,
		Clock: g.clock, Boot: q.id.Boot, Observations: g.obs,
	}
	v := value{uncertain: g.clock != protocol.ClockSynced, offset: stamp.offset(), base: b.Base, boot: q.id.Boot}
	enc, err := protocol.AppendBatch(v.appendHeader(make([]byte, 0, 128+g.guess)), &b)
	switch n := len(g.obs); {
	case err == nil:
		next[g.stream] += uint64(n)
		p := packed{
			entry: entry{bucket: q.meta.bucket, stream: g.stream, first: b.FirstSeq, count: uint16(n)},
			value: enc, uncertain: v.uncertain,
		}
		p.oldest, p.newest = bounds(g.obs)
		return append(out, p)
	case n == 1:
		q.counts.rejected++
		q.log.Error("reading rejected", "err", err)
		return out
	default:
		left, right := *g, *g
		left.obs, right.obs = g.obs[:n/2], g.obs[n/2:]
		return q.pack(q.pack(out, stamp, &left, next), stamp, &right, next)
	}
}

// stored takes a committed entry into the books.
func (q *Queue) stored(p *packed, now time.Time) {
	l := q.logs[p.stream]
	s := l.segment(p.bucket)
	if s == nil {
		s = &segment{bucket: p.bucket, stream: p.stream, epoch: q.meta.epoch, low: p.first}
		l.segs = append(l.segs, s)
	}
	if s.entries == 0 {
		s.low, s.oldest, s.newest, s.uncertain = p.first, 0, 0, false
	}
	size := int64(len(p.value)) + entryKeySize
	s.dirty, s.last, s.uncertain = true, p.last(), s.uncertain || p.uncertain
	s.cover(p.oldest, p.newest)
	s.entries++
	s.bytes += size
	l.entries++
	q.bytes += size
	q.filled += size
	q.counts.appended[p.stream] += uint64(p.count)

	l.ring = append(l.ring, freshEntry{entry: p.entry, value: p.value, size: size, oldest: p.oldest, at: now})
	l.held += int64(len(p.value))
	l.fresh++
	l.trim(now)
}
