package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// A sweep drops days whose time is over. The wall clock of a server can be
// wrong, and what is dropped is gone: a sweep drops at most one day of each
// lane, sweeps are an hour apart, and for a day after the clock has jumped by
// more than a day nothing is dropped.
const (
	sweepEvery = time.Hour
	jump       = 24 * time.Hour
	pause      = 24 * time.Hour
)

var sweepKey = []byte("m")

// sweepState is kept in the database.
type sweepState struct{ last, pausedUntil int64 } // microseconds

func (s *Store) runSweeps(ctx context.Context) {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if err := s.sweep(s.now()); err != nil {
				s.metrics.failures.WithLabelValues("sweep").Inc()
				s.log.Error("cannot drop old days", "err", err)
			}
			timer.Reset(sweepEvery)
		}
	}
}

// sweep drops what is over at now.
func (s *Store) sweep(now time.Time) error {
	end, err := s.begin()
	if err != nil {
		return nil
	}
	defer end()
	st, err := s.loadSweep()
	if err != nil {
		return err
	}
	since := time.Duration(now.UnixMicro()-st.last) * time.Microsecond
	switch {
	case since >= 0 && since < sweepEvery:
		return nil
	case since < 0 && since > -jump:
		return nil // set back a little: wait until it is made up for
	case since > jump || since <= -jump:
		if st.last != 0 {
			s.log.Warn("the clock of this server has jumped or it was off: nothing is dropped for a day", "by", since)
		}
		st.pausedUntil = now.Add(pause).UnixMicro()
	}
	st.last = now.UnixMicro()
	if err := s.saveSweep(st); err != nil {
		return err
	}
	if st.last < st.pausedUntil {
		return nil
	}
	err = errors.Join(s.readings.dropOldest(now, s.cfg.KeepReadings), s.waves.dropOldest(now, s.cfg.KeepWaves))
	if gc := s.db.RunValueLogGC(0.5); gc != nil && !errors.Is(gc, badger.ErrNoRewrite) && !errors.Is(gc, badger.ErrRejected) {
		err = errors.Join(err, gc)
	}
	return err
}

// dropOldest drops the oldest of the days that were last written more than
// keep ago. A day that late readings still come in for stays.
func (l *lane) dropOldest(now time.Time, keep time.Duration) error {
	if keep == 0 {
		return nil
	}
	limit := now.Add(-keep).UnixMicro()
	l.sealing.Lock() // nobody writes chunks meanwhile
	defer l.sealing.Unlock()
	l.mu.RLock()
	oldest, found := int32(0), false
	for d, written := range l.days {
		if written < limit && (!found || d < oldest) {
			oldest, found = d, true
		}
	}
	l.mu.RUnlock()
	if !found {
		return nil
	}
	if err := l.store.db.DropPrefix(l.dayKey(tagChunk, oldest), l.dayKey(tagDay, oldest)); err != nil {
		return err
	}
	l.mu.Lock()
	delete(l.days, oldest)
	l.mu.Unlock()
	l.store.metrics.dropped.WithLabelValues(l.name).Inc()
	l.store.log.Info("dropped a day", "lane", l.name, "day", time.Unix(int64(oldest)*86400, 0).UTC().Format(time.DateOnly))
	return nil
}

func (s *Store) loadSweep() (st sweepState, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(sweepKey)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return item.Value(func(v []byte) error {
			if len(v) == 16 {
				st = sweepState{int64(binary.BigEndian.Uint64(v)), int64(binary.BigEndian.Uint64(v[8:]))}
			}
			return nil
		})
	})
	return st, err
}

func (s *Store) saveSweep(st sweepState) error {
	v := binary.BigEndian.AppendUint64(nil, uint64(st.last))
	return s.db.Update(func(txn *badger.Txn) error {
		return txn.Set(sweepKey, binary.BigEndian.AppendUint64(v, uint64(st.pausedUntil)))
	})
}
