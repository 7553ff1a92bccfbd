package queue

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/dgraph-io/badger/v4"

	"monitorme/protocol"
)

// Space that Badger may hold beyond the live readings before it is made to give
// some back, and how often that is looked at. While much is live it is left to
// compaction: to rewrite all of it would take long and wear the card.
const (
	reclaimSlack = 64 << 20
	reclaimBelow = 256 << 20
	reclaimEvery = 30 * time.Second
)

// Run syncs, and keeps the bounds, until ctx ends. It returns an error if the
// queue must be closed and opened again.
func (q *Queue) Run(ctx context.Context) error {
	sync := time.NewTimer(q.cfg.SyncInterval)
	defer sync.Stop()
	bounds := time.NewTicker(time.Second)
	defer bounds.Stop()
	reclaim := time.NewTicker(reclaimEvery)
	defer reclaim.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-sync.C:
			err = q.syncDue()
			// What is appended from now on is not due earlier.
			sync.Reset(min(q.untilSync(), q.cfg.SyncInterval))
		case <-bounds.C:
			err = q.keepBounds()
		case <-reclaim.C:
			err = q.reclaim()
		}
		if err != nil {
			return fmt.Errorf("queue: %w", err)
		}
	}
}

func (q *Queue) keepBounds() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return q.broken
	}
	if !q.sound && time.Since(q.opened) > settledAfter {
		q.sound = true
		if err := q.settled(); err != nil {
			q.log.Warn("cannot remove the file that tells of a start", "err", err)
		}
	}
	if err := q.dropAged(); err != nil {
		return err
	}
	if err := q.dropForSpace(); err != nil {
		return err
	}
	return q.tellDrops(q.now())
}

// reclaim has Badger give back the space of deleted readings, when it holds
// much more than is live.
func (q *Queue) reclaim() error {
	used := usedBytes(q.dbDir())
	q.mu.Lock()
	q.guard.used = used
	live, err := q.bytes, q.broken
	due := err == nil && live < reclaimBelow && used > live+live/2+reclaimSlack
	if due {
		err = q.flush(false)
	}
	q.mu.Unlock()
	if err != nil || !due {
		return err
	}
	q.compact.Lock()
	defer q.compact.Unlock()
	if err := q.db.Flatten(1); err != nil {
		return fmt.Errorf("reclaim space: %w", err)
	}
	q.log.Info("space reclaimed", "before", used, "after", usedBytes(q.dbDir()), "live", live)
	return nil
}

// countReadings counts what is live in s.
func (q *Queue) countReadings(s *segment) (n uint64, err error) {
	txn := q.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{Prefix: segmentPrefix(s.bucket, s.stream)})
	defer it.Close()
	for it.Seek(entry{s.bucket, s.stream, s.low, 0}.key()); it.Valid(); it.Next() {
		if e, ok := parseEntry(it.Item().Key()); ok {
			n += uint64(e.count)
		}
	}
	return n, nil
}

// oldest is when the oldest live reading of l was measured, in microseconds, 0
// if there is none or it cannot be read.
func (q *Queue) oldest(l *streamLog) int64 {
	for _, s := range l.segs {
		if s.entries == 0 {
			continue
		}
		if us, ok := q.oldestOf(l, s); ok {
			return us
		}
		return s.oldest
	}
	return 0
}

func (q *Queue) oldestOf(l *streamLog, s *segment) (int64, bool) {
	for i := range l.ring {
		if e := &l.ring[i]; !e.gone && e.bucket == s.bucket && e.first <= s.low {
			return e.oldest, true
		} else if e.first > s.low {
			break
		}
	}
	txn := q.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{Prefix: segmentPrefix(s.bucket, s.stream)})
	defer it.Close()
	for it.Seek(entry{s.bucket, s.stream, s.low, 0}.key()); it.Valid(); it.Next() {
		var b *protocol.Batch
		it.Item().Value(func(raw []byte) error {
			v, err := parseValue(raw)
			if err == nil {
				b, err = protocol.DecodeBatch(v.batch)
			}
			return err
		})
		if b != nil {
			us, _ := bounds(b.Observations)
			return us, true
		}
	}
	return 0, false
}
