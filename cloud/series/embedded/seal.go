package embedded

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"monitorme/cloud/series/packed"

	"github.com/dgraph-io/badger/v4"
)

// run seals the lane at every full sealEvery of the wall clock, so that nearly
// every window is whole when it is written, and early when memory gets short.
func (l *lane) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	due := l.nextSeal(time.Now())
	trouble := ""
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if now.Before(due) && l.headBytes.Load() < l.store.cfg.MaxUnsealedBytes/2 {
				continue
			}
			due = l.nextSeal(now)
			trouble = l.sealNow(trouble)
		}
	}
}

// nextSeal keeps the monotonic reading of now: a clock that is set does not
// stop the sealing.
func (l *lane) nextSeal(now time.Time) time.Time {
	late := now.Add(-sealGrace)
	return now.Add(late.Truncate(l.sealEvery).Add(l.sealEvery).Sub(late.Round(0)))
}

// sealNow seals once. It reports what fails, unless that is what failed last
// time, and returns it.
func (l *lane) sealNow(last string) string {
	end, err := l.store.begin()
	if err != nil {
		return last
	}
	defer end()
	if err = l.seal(); err == nil {
		return ""
	}
	if err.Error() != last {
		l.store.log.Error("cannot seal; readings stay in the journal and it is tried again", "lane", l.name, "err", err)
	}
	return err.Error()
}

// seal moves what is in memory into chunks: all of it, or, after a seal that
// failed, what that one had set aside.
func (l *lane) seal() error {
	release := l.committer.Hold()
	l.sealing.Lock()
	defer l.sealing.Unlock()
	err := l.setAside()
	release()
	if err != nil {
		return err
	}
	return l.write()
}

// sealHolding is seal for a caller that holds the committer's turn.
func (l *lane) sealHolding() error {
	l.sealing.Lock()
	defer l.sealing.Unlock()
	for l.headBytes.Load() >= l.store.cfg.MaxUnsealedBytes {
		if err := l.setAside(); err != nil {
			return err
		}
		if err := l.write(); err != nil {
			return err
		}
	}
	return nil
}

// setAside sets the heads aside to be sealed, together with the journal behind
// them, unless the last ones still are. The caller holds the
// committer's turn and sealing.
func (l *lane) setAside() error {
	if len(l.files) > 0 {
		return nil
	}
	if err := l.journal.rotate(); err != nil {
		return err
	}
	l.files, l.journal.done = l.journal.done, nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sealed, l.active = l.active, nil
	for _, st := range l.sealed {
		st.sealing, st.heads = st.heads, nil
	}
	l.headBytes.Store(0)
	return nil
}

// write merges what is set aside into chunks and removes the journal behind
// it. The caller holds sealing. On an error all of it is done again later.
func (l *lane) write() error {
	if len(l.files) == 0 {
		return nil
	}
	start := time.Now()
	days, err := l.writeChunks()
	l.mu.Lock()
	l.sealErr = err
	if err == nil {
		for _, st := range l.sealed {
			st.sealing = nil
		}
		for d, at := range days {
			l.days[d] = at
		}
	}
	l.mu.Unlock()
	if err != nil {
		l.store.metrics.failures.WithLabelValues(l.name).Inc()
		return err
	}
	l.sealed = nil
	l.store.metrics.sealSeconds.WithLabelValues(l.name).Observe(time.Since(start).Seconds())
	return l.removeFiles()
}

// removeFiles removes the segments whose readings are in chunks, the damaged
// ones but by another name.
func (l *lane) removeFiles() error {
	var errs []error
	for _, p := range l.files {
		if l.damaged[p] {
			errs = append(errs, os.Rename(p, p+damagedSuffix))
		} else {
			errs = append(errs, os.Remove(p))
		}
	}
	l.files = nil // what stays is read again at the next start, and merged into what it is
	return errors.Join(errs...)
}

// writeChunks commits chunks, definitions and days, synced. Only the holder of
// sealing changes days, which is why it may be read here.
func (l *lane) writeChunks() (map[int32]int64, error) {
	l.mu.RLock()
	attrs := l.attrs
	type chunk struct {
		st *state
		h  *head
	}
	var chunks []chunk
	var dirty []*state
	for _, st := range l.sealed {
		for i := range st.sealing {
			chunks = append(chunks, chunk{st, &st.sealing[i]})
		}
		if st.dirty {
			dirty = append(dirty, st)
		}
	}
	definitions := make([][]byte, len(dirty))
	for i, st := range dirty {
		definitions[i] = l.definition(st)
	}
	l.mu.RUnlock()
	slices.SortFunc(chunks, func(a, b chunk) int {
		return cmp.Or(cmp.Compare(l.dayOf(a.h.window), l.dayOf(b.h.window)), cmp.Compare(a.st.id, b.st.id), cmp.Compare(a.h.window, b.h.window))
	})

	now := l.store.now().UnixMicro()
	days := map[int32]int64{}
	wb := l.store.db.NewWriteBatch()
	defer wb.Cancel()
	txn := l.store.db.NewTransaction(false)
	defer txn.Discard()
	for i, st := range dirty {
		if err := wb.Set(l.seriesKey(st.id), definitions[i]); err != nil {
			return nil, err
		}
	}
	for _, c := range chunks {
		if err := l.writeChunk(wb, txn, c.st, c.h, attrs); err != nil {
			return nil, err
		}
		d := l.dayOf(c.h.window)
		days[d] = max(now, l.days[d], (int64(d)+1)*dayMicros) // never early, whatever the clock says
	}
	for d, at := range days {
		if err := wb.Set(l.dayKey(tagDay, d), binary.BigEndian.AppendUint64(nil, uint64(at))); err != nil {
			return nil, err
		}
	}
	if err := wb.Flush(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	for i, st := range dirty {
		st.dirty = string(l.definition(st)) != string(definitions[i])
	}
	l.mu.Unlock()
	return days, nil
}

// writeChunk merges a head into its chunk.
func (l *lane) writeChunk(wb *badger.WriteBatch, txn *badger.Txn, st *state, h *head, attrs []packed.Attr) error {
	key := l.chunkKey(h.window, st.id)
	r := packed.Readings{Recs: h.recs, Attrs: attrs, Words: h.words}
	item, err := txn.Get(key)
	switch {
	case err == nil:
		var old packed.Readings
		raw, err := item.ValueCopy(nil)
		if err != nil {
			return fmt.Errorf("chunk %x: %w", key, err)
		}
		if old, err = packed.Decode(raw); err != nil {
			l.store.log.Error("a chunk cannot be read and is set aside: check the disk", "key", fmt.Sprintf("%x", key), "err", err)
			l.store.metrics.failures.WithLabelValues(l.name).Inc()
			if err := wb.Set(append([]byte{tagAside}, key...), raw); err != nil {
				return err
			}
		}
		merged := merge(old, r)
		m := l.store.metrics
		m.duplicates.WithLabelValues(l.name).Add(float64(len(old.Recs) + len(r.Recs) - len(merged.Recs)))
		r = merged
	case !errors.Is(err, badger.ErrKeyNotFound):
		return err
	}
	b := packed.Append(nil, r)
	l.store.metrics.sealed.WithLabelValues(l.name).Add(float64(len(h.recs)))
	l.store.metrics.sealedBytes.WithLabelValues(l.name).Add(float64(len(b)))
	return wb.Set(key, b)
}

// merge puts the readings of both together, each in order of time; of two at
// one instant that of old stays.
func merge(old, young packed.Readings) packed.Readings {
	out := packed.Readings{
		Recs:  make([]packed.Rec, 0, len(old.Recs)+len(young.Recs)),
		Attrs: slices.Clip(old.Attrs),
		Words: append(slices.Clip(old.Words), young.Words...),
	}
	index := make([]int32, len(young.Attrs)) // of young's attributes in out, plus 1
	take := func(r packed.Rec) {
		if index[r.Attr] == 0 {
			i := slices.Index(out.Attrs, young.Attrs[r.Attr])
			if i < 0 {
				i = len(out.Attrs)
				out.Attrs = append(out.Attrs, young.Attrs[r.Attr])
			}
			index[r.Attr] = int32(i) + 1
		}
		r.Attr = uint32(index[r.Attr] - 1)
		r.Word += uint32(len(old.Words))
		out.Recs = append(out.Recs, r)
	}
	i := 0
	for _, r := range young.Recs {
		for i < len(old.Recs) && old.Recs[i].At < r.At {
			out.Recs = append(out.Recs, old.Recs[i])
			i++
		}
		if i < len(old.Recs) && old.Recs[i].At == r.At {
			continue
		}
		take(r)
	}
	out.Recs = append(out.Recs, old.Recs[i:]...)
	return out
}
