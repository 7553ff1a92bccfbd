package queue

import (
	"math"

	"github.com/dgraph-io/badger/v4"

	"monitorme/protocol"
)

// Ack deletes exactly what a says the store has committed. An entry of which a
// part is committed stays until all of it is. Epochs and numbers that the queue
// does not have are passed over. The deletes reach the disk
// with the next sync, and what is deleted need not reach it before.
func (q *Queue) Ack(a protocol.Ack) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return q.broken
	}
	for _, c := range a.Committed {
		if c.Stream < protocol.StreamEvent || c.Stream > protocol.StreamWave || c.First == 0 || c.Last < c.First {
			continue
		}
		if err := q.ack(q.logs[c.Stream], span{a.Epoch, c.First, c.Last}); err != nil {
			return err
		}
	}
	if len(q.dead) > maxDead {
		return q.flush(false)
	}
	return nil
}

func (q *Queue) ack(l *streamLog, s span) error {
	l.flight.remove(s)
	fresh := s.epoch == q.meta.epoch && len(l.ring) > 0
	if fresh {
		for i := range l.ring {
			e := &l.ring[i]
			if e.first > s.last {
				break
			}
			if e.gone || e.last() < s.first || !l.committed(e.entry, s) {
				continue
			}
			l.lose(e)
			q.remove(l, e.entry, e.size)
		}
		if s.first >= l.ring[0].first {
			return nil // all of it was in memory
		}
		s.last = min(s.last, l.ring[0].first-1)
	}
	return q.ackStored(l, s)
}

// committed tells whether s, with what was committed before, covers e; if it
// covers a part, that is kept in mind.
func (l *streamLog) committed(e entry, s span) bool {
	whole := span{s.epoch, e.first, e.last()}
	if s.first <= whole.first && whole.last <= s.last {
		if len(l.partial) > 0 {
			l.partial.remove(whole)
		}
		return true
	}
	l.partial.add(span{s.epoch, max(s.first, whole.first), min(s.last, whole.last)})
	if l.partial.covers(whole) {
		l.partial.remove(whole)
		return true
	}
	if len(l.partial) > maxPartial {
		l.partial = l.partial[1:] // it is only sent again
	}
	return false
}

// ackStored finds the entries of s on disk.
func (q *Queue) ackStored(l *streamLog, s span) error {
	var hit []*segment
	for _, g := range l.segs {
		if g.epoch == s.epoch && g.entries > 0 && g.low <= s.last && s.first <= g.last {
			hit = append(hit, g)
		}
	}
	if len(hit) == 0 {
		return nil
	}
	if len(q.dead) > 0 {
		if err := q.flush(false); err != nil {
			return err
		}
	}
	txn := q.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixEntry}})
	defer it.Close()
	for _, g := range hit {
		// An entry that begins before s may reach into it.
		seek := max(g.low, s.first-min(s.first, maxEntryCount-1))
		prefix := segmentPrefix(g.bucket, g.stream)
		for it.Seek(entry{g.bucket, g.stream, seek, 0}.key()); it.ValidForPrefix(prefix); it.Next() {
			e, ok := parseEntry(it.Item().Key())
			if !ok || e.first > s.last {
				break
			}
			if e.last() >= s.first && l.committed(e, s) {
				q.remove(l, e, it.Item().ValueSize()+entryKeySize)
			}
		}
	}
	return nil
}
