package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"monitorme/cloud/series/packed"
)

// append returns when the entries are durable and visible.
func (l *lane) append(ctx context.Context, entries []entry) error {
	return l.committer.Do(ctx, entries)
}

// writeGroup makes the entries of concurrent appends durable and visible, all
// or none.
func (l *lane) writeGroup(parts [][]entry) []error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	start := time.Now()
	err := l.commit(parts, n)
	l.mu.Lock()
	l.trouble = err
	l.mu.Unlock()
	m := l.store.metrics
	m.commitSeconds.WithLabelValues(l.name).Observe(time.Since(start).Seconds())
	if err != nil {
		m.failures.WithLabelValues(l.name).Inc()
		return slices.Repeat([]error{err}, len(parts))
	}
	m.groups.WithLabelValues(l.name).Inc()
	m.appended.WithLabelValues(l.name).Add(float64(n))
	return nil
}

func (l *lane) commit(parts [][]entry, n int) error {
	if err := l.store.checkSpace(l.store.cfg.MinFreeBytes * l.spare); err != nil {
		return err
	}
	if err := l.makeRoom(); err != nil {
		return err
	}
	states := make([]*state, 0, n)
	r := packed.Readings{Recs: make([]packed.Rec, 0, n), Words: make([]string, 1, n+1)} // word 0 is none
	l.mu.Lock()
	for _, part := range parts {
		for i := range part {
			st, rec := l.resolve(&part[i])
			if w := part[i].word; w != "" {
				rec.Word = uint32(len(r.Words))
				r.Words = append(r.Words, w)
			}
			states = append(states, st)
			r.Recs = append(r.Recs, rec)
		}
	}
	r.Attrs = l.attrs
	l.mu.Unlock()

	size, err := l.journal.append(func(b []byte) []byte { return appendRecord(b, states, r) })
	if err != nil {
		return err
	}
	l.store.metrics.journalBytes.WithLabelValues(l.name).Add(float64(size))
	l.mu.Lock()
	for i, st := range states {
		st.known = true
		l.apply(st, r.Recs[i], r.Words[r.Recs[i].Word])
	}
	l.mu.Unlock()
	return nil
}

// resolve finds or makes the series and the attribute of an entry. The caller
// holds the committer's turn and mu.
func (l *lane) resolve(e *entry) (*state, packed.Rec) {
	st := l.byKey[e.key]
	if st == nil {
		st = &state{id: l.nextID, key: e.key, dirty: true, attr: l.intern(e.attr)}
		l.addState(st)
	}
	attr := st.attr
	if int(attr) >= len(l.attrs) || l.attrs[attr] != e.attr {
		attr = l.intern(e.attr)
	}
	return st, packed.Rec{At: e.at, Mant: e.mant, Attr: attr}
}

// appendRecord appends a record of the journal: the series that it defines,
// the series of each reading, and the readings.
func appendRecord(b []byte, states []*state, r packed.Readings) []byte {
	ids := make([]int64, len(states))
	var fresh []*state
	var seen map[*state]bool
	for i, st := range states {
		ids[i] = int64(st.id)
		if !st.known && !seen[st] {
			if seen == nil {
				seen = map[*state]bool{}
			}
			seen[st] = true
			fresh = append(fresh, st)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(fresh)))
	for _, st := range fresh {
		b = binary.AppendUvarint(b, uint64(st.id))
		b = appendKey(b, st.key)
	}
	b = binary.AppendUvarint(b, uint64(len(ids)))
	b = packed.AppendInts(b, ids)
	return packed.Append(b, r)
}

// makeRoom seals when the memory of the lane is used up, because Run does not
// run or cannot keep up. The caller holds
// the committer's turn.
func (l *lane) makeRoom() error {
	if l.headBytes.Load() < l.store.cfg.MaxUnsealedBytes {
		return nil
	}
	if err := l.sealHolding(); err != nil {
		return fmt.Errorf("%s: memory is full and cannot be sealed: %w", l.name, err)
	}
	return nil
}

// replay reads the journal back into the heads. Segments with damage inside
// are kept aside when their time comes; what they still hold is read.
func (l *lane) replay() error {
	for i, path := range l.journal.done {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		unknown := 0
		lost, inside, err := scanRecords(b, func(p []byte) error {
			n, err := l.replayRecord(p)
			unknown += n
			return err
		})
		if err != nil {
			return fmt.Errorf("journal %s: %w", path, err)
		}
		switch last := i == len(l.journal.done)-1; {
		case lost == 0 && unknown == 0:
		case !inside && last && unknown == 0:
			l.store.log.Info("the last record of the journal is incomplete and was never acknowledged", "segment", filepath.Base(path), "bytes", lost)
		default:
			l.damaged[path] = true
			l.store.log.Error("the journal is damaged; what is intact was read, the file will be kept as .damaged: check the disk",
				"segment", filepath.Base(path), "bytes_lost", lost, "readings_of_unknown_series", unknown)
		}
	}
	return nil
}

// replayRecord returns how many readings belong to no known series.
func (l *lane) replayRecord(p []byte) (unknown int, err error) {
	d := packed.NewDecoder(p)
	for range d.Count(len(p)) {
		id, key := uint32(d.Uvarint()), readKey(d)
		if d.Err() != nil {
			break
		}
		if st := l.byID[id]; st == nil {
			l.addState(&state{id: id, key: key, known: true, dirty: true})
		} else if st.key != key {
			return 0, fmt.Errorf("series %d is both %v and %v", id, st.key, key)
		}
	}
	ids := make([]int64, d.Count(packed.MaxPerByte*d.Len()))
	d.Ints(ids)
	r, err := d.Readings()
	if err != nil {
		return 0, err
	}
	if len(r.Recs) != len(ids) {
		return 0, fmt.Errorf("%d readings for %d series numbers", len(r.Recs), len(ids))
	}
	attrs := make([]uint32, len(r.Attrs))
	for i, a := range r.Attrs {
		attrs[i] = l.intern(a)
	}
	for i, rec := range r.Recs {
		st := l.byID[uint32(ids[i])]
		if st == nil {
			unknown++
			continue
		}
		word := ""
		if a := &r.Attrs[rec.Attr]; a.HasWord() {
			word = r.Words[rec.Word]
		}
		rec.Attr = attrs[rec.Attr]
		l.apply(st, rec, word)
	}
	return unknown, nil
}
