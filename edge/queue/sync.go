package queue

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// calmSync is how often new data are synced of which a power cut would cost
// nothing but that some are sent again. The kernel writes them within about 30 s
// anyway.
const calmSync = 10 * time.Second

// untilSync is how long the next sync has time. A reading that the cloud's store
// does not have is on the disk a sync interval after Append; one that it has by
// then need not be. Each sync writes the last page of the log again, so that
// one per second is most of what a bed writes.
func (q *Queue) untilSync() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil || !q.dirty && len(q.dead) == 0 {
		return q.cfg.SyncInterval
	}
	due := q.synced.Add(max(calmSync, q.cfg.SyncInterval))
	for _, l := range q.logs[1:] {
		if at := l.atRisk(); !at.IsZero() && at.Add(q.cfg.SyncInterval).Before(due) {
			due = at.Add(q.cfg.SyncInterval)
		}
	}
	return max(due.Sub(q.now()), 0)
}

// atRisk is when the oldest entry was appended that only the box has, and not
// yet safe from a power cut; zero if there is none.
func (l *streamLog) atRisk() time.Time {
	if !l.risked.IsZero() {
		return l.risked
	}
	i, _ := slices.BinarySearchFunc(l.ring, l.safe, func(e freshEntry, seq uint64) int { return cmp.Compare(e.first, seq) })
	for ; i < len(l.ring); i++ {
		if e := &l.ring[i]; !e.gone {
			return e.at
		}
	}
	return time.Time{}
}

// syncDue syncs if it is time.
func (q *Queue) syncDue() error {
	if q.untilSync() > 0 {
		return nil
	}
	return q.Sync()
}

// Sync makes everything appended so far safe from a power cut, if there is
// anything new. After an error the queue must be closed and opened again.
func (q *Queue) Sync() error {
	q.mu.Lock()
	if q.broken != nil || !q.dirty && len(q.dead) == 0 {
		defer q.mu.Unlock()
		return q.broken
	}
	err := q.flush(false)
	q.dirty = false
	q.synced = q.now()
	q.counts.syncs++
	q.secured()
	db := q.db
	q.mu.Unlock()
	if err == nil {
		err = errors.Join(syncFormerLogs(q.dbDir()), db.Sync())
	}
	return err
}

// secured notes that what was appended so far is safe, or will be when the sync
// that begins has ended.
func (q *Queue) secured() {
	for _, s := range streams {
		q.logs[s].safe, q.logs[s].risked = q.meta.next[s], time.Time{}
	}
}

// syncFormerLogs syncs the logs of tables in memory that are full but not yet on
// the disk as tables; Badger's own Sync leaves them out.
func syncFormerLogs(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(logs) < 2 {
		return err
	}
	for _, name := range logs {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a table by now
		}
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return fmt.Errorf("sync log: %w", err)
		}
	}
	return nil
}
