package queue

import (
	"fmt"
	"math"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// An entry and its deletion have one version, so that in the database's table
// in memory the deletion takes the entry's place: what is acknowledged before
// that table is full goes to its log only, never to a table on disk. Which of
// two copies is newer the database knows by where they are: memory, level 0 by
// age, level 1, …; dbOptions keep it from merging level 0 into itself, where
// that order could be lost. If it ever were, a reading would be sent again.
// Records count their versions up, as is usual.
const entryVersion = 1

// put stores pairs without the frame that the database writes around a
// transaction, which is nearly as large as a small entry. A process that dies
// in the middle leaves some of them.
func (q *Queue) put(version uint64, pairs ...*badger.Entry) error {
	return q.write(func(b *badger.WriteBatch) error {
		for _, p := range pairs {
			if err := b.SetEntryAt(p, version); err != nil {
				return fmt.Errorf("store %d bytes: %w", len(p.Value), err)
			}
		}
		return nil
	})
}

// write commits what f puts in a batch, in any order.
func (q *Queue) write(f func(*badger.WriteBatch) error) error {
	if q.broken != nil {
		return q.broken
	}
	b := q.db.NewManagedWriteBatch()
	defer b.Cancel()
	if err := f(b); err != nil {
		return err
	}
	return q.committed(b.Flush())
}

// update commits f, all of it or nothing.
func (q *Queue) update(version uint64, f func(*badger.Txn) error) error {
	if q.broken != nil {
		return q.broken
	}
	txn := q.db.NewTransactionAt(math.MaxUint64, true)
	defer txn.Discard()
	if err := f(txn); err != nil {
		return err
	}
	return q.committed(txn.CommitAt(version, nil))
}

// committed notes the outcome of a commit. After one that failed nobody knows
// what is on the disk, so nothing more is written: the box opens the queue
// again.
func (q *Queue) committed(err error) error {
	if err != nil {
		q.broken = fmt.Errorf("queue must be opened again: commit: %w", err)
		return q.broken
	}
	q.dirty = true
	return nil
}

// nextVersion is the version of the next record.
func (q *Queue) nextVersion() uint64 {
	q.version++
	return q.version
}

// flush writes what may lag: records, then deletes, then the end of segments. A
// crash in between leaves no number to be given twice, for the numbering comes
// before the deletes of the entries that show it; and no entry without a
// segment, whose record goes last. What was appended to the current bucket needs
// no record: it is counted when the queue is opened.
func (q *Queue) flush(clean bool) error {
	q.meta.clean = clean
	if err := q.writeRecords(); err != nil {
		return fmt.Errorf("write the queue's records: %w", err)
	}
	if err := q.deleteDead(); err != nil {
		return fmt.Errorf("delete acknowledged readings: %w", err)
	}
	if !q.stale {
		return nil
	}
	if err := q.endSegments(); err != nil {
		return fmt.Errorf("delete the records of segments: %w", err)
	}
	return nil
}

// writeRecords writes the queue's own record and those of segments, as far as
// they are behind, together: the queue's says from which bucket on there are no
// others.
func (q *Queue) writeRecords() error {
	behind := q.meta
	if len(q.dead) == 0 && !q.meta.clean {
		behind.next = q.written.next // the entries tell it
	}
	var segs []*segment
	for _, l := range q.logs[1:] {
		for _, s := range l.segs {
			if s.dirty && s.bucket < q.meta.bucket {
				segs = append(segs, s)
			}
		}
	}
	own := badger.NewEntry(metaKey, q.meta.encode())
	switch {
	case len(segs) == 0 && behind == q.written:
		return nil
	case len(segs) == 0:
		if err := q.put(q.nextVersion(), own); err != nil {
			return err
		}
	default:
		err := q.update(q.nextVersion(), func(txn *badger.Txn) error {
			for _, s := range segs {
				if err := txn.Set(s.key(), s.encode()); err != nil {
					return err
				}
			}
			return txn.SetEntry(own)
		})
		if err != nil {
			return err
		}
	}
	q.written = q.meta
	for _, s := range segs {
		s.dirty = false
	}
	return nil
}

func (q *Queue) deleteDead() error {
	for len(q.dead) > 0 {
		n := min(len(q.dead), maxDead)
		err := q.write(func(b *badger.WriteBatch) error {
			for _, k := range q.dead[:n] {
				if err := b.DeleteAt(k, entryVersion); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		q.dead = q.dead[n:]
	}
	q.dead = nil
	return nil
}

// endSegments forgets the segments that are empty and stay so. The database has
// the last word on whether one is.
func (q *Queue) endSegments() error {
	for _, l := range q.logs[1:] {
		for i := 0; i < len(l.segs); i++ {
			s := l.segs[i]
			if s.entries > 0 || s.bucket == q.meta.bucket {
				continue
			}
			if err := q.countAgain(l, s); err != nil {
				return err
			}
			if s.entries == 0 {
				q.drop(l, s)
				i--
			}
		}
	}
	q.stale = false
	if len(q.left) == 0 {
		return nil
	}
	err := q.update(q.nextVersion(), func(txn *badger.Txn) error {
		for _, k := range q.left {
			if err := txn.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	q.left = nil
	return err
}

// countAgain counts what the database has of a segment that should be empty,
// and has it sent if there is anything.
func (q *Queue) countAgain(l *streamLog, s *segment) error {
	return q.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: segmentPrefix(s.bucket, s.stream)})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			e, ok := parseEntry(it.Item().Key())
			if !ok {
				return errNotAnEntry
			}
			if s.entries == 0 {
				s.low, s.dirty = e.first, true
				if p := (position{s.bucket, s.low}); p.before(l.cursor) {
					l.cursor = p
				}
			}
			size := it.Item().ValueSize() + entryKeySize
			s.entries++
			s.bytes += size
			s.last = max(s.last, e.last())
			l.entries++
			q.bytes += size
		}
		return nil
	})
}

// remove forgets that e is live and has its key deleted with the next flush.
func (q *Queue) remove(l *streamLog, e entry, size int64) {
	q.dead = append(q.dead, e.key())
	q.counts.acked[l.id] += uint64(e.count)
	s := l.segment(e.bucket)
	if s == nil || s.entries == 0 {
		return
	}
	if s.bucket < q.meta.bucket {
		s.dirty, q.stale = true, true
	}
	s.entries--
	s.bytes -= size
	l.entries--
	q.bytes -= size
	if e.first == s.low {
		s.low = e.last() + 1
	}
}

// drop forgets a segment, with whatever it says is live in it.
func (q *Queue) drop(l *streamLog, s *segment) {
	l.entries -= s.entries
	q.bytes -= s.bytes
	q.left = append(q.left, s.key())
	q.stale = true
	l.segs = slices.DeleteFunc(l.segs, func(t *segment) bool { return t == s })
}
