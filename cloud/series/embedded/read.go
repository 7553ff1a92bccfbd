package embedded

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"monitorme/cloud/series"
	"monitorme/cloud/series/packed"
	"monitorme/protocol"

	"github.com/dgraph-io/badger/v4"
)

// A layer is the readings of one window out of memory.
type layer struct {
	window int64
	packed.Readings
}

// scan yields the readings of a series in [lo, hi), in order of time, at least
// a window at a time. What is yielded may not be kept or changed.
func (l *lane) scan(ctx context.Context, k series.Key, lo, hi int64, yield func(packed.Readings) bool) error {
	if lo >= hi {
		return nil
	}
	id, layers, days := l.snapshot(k, lo, hi)
	if id == 0 {
		return nil
	}
	// The database is read after the memory: what is sealed in between is then
	// seen twice, never not at all.
	emit := func(r packed.Readings) bool {
		from, _ := search(r.Recs, lo)
		to, _ := search(r.Recs, hi)
		r.Recs = r.Recs[from:to]
		return len(r.Recs) == 0 || yield(r)
	}
	memory := func(before int64) bool { // yields the layers before a window
		for len(layers) > 0 && layers[0].window < before {
			r := takeWindow(&layers)
			if !emit(r) {
				return false
			}
		}
		return true
	}
	stopped := false
	err := l.store.db.View(func(txn *badger.Txn) error {
		for _, d := range days {
			if err := l.scanDay(ctx, txn, d, id, lo, hi, func(w int64, r packed.Readings) bool {
				if !memory(w) {
					stopped = true
					return false
				}
				if len(layers) > 0 && layers[0].window == w {
					r = merge(r, takeWindow(&layers))
				}
				stopped = !emit(r)
				return !stopped
			}); err != nil || stopped {
				return err
			}
		}
		return nil
	})
	if err != nil || stopped {
		return err
	}
	memory(int64(1) << 62)
	return nil
}

// takeWindow takes the layers of the first window off, merged.
func takeWindow(layers *[]layer) packed.Readings {
	first := (*layers)[0]
	*layers = (*layers)[1:]
	for len(*layers) > 0 && (*layers)[0].window == first.window {
		first.Readings = merge(first.Readings, (*layers)[0].Readings)
		*layers = (*layers)[1:]
	}
	return first.Readings
}

// snapshot copies what memory has of a series in [lo, hi), the older layer of
// a window first, and lists the days to look at in the database.
func (l *lane) snapshot(k series.Key, lo, hi int64) (id uint32, layers []layer, days []int32) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	st := l.byKey[k]
	if st == nil {
		return 0, nil, nil
	}
	for _, heads := range [...][]head{st.sealing, st.heads} {
		for i := range heads {
			h := &heads[i]
			from, _ := search(h.recs, lo)
			to, _ := search(h.recs, hi)
			if from < to {
				layers = append(layers, layer{h.window, packed.Readings{Recs: slices.Clone(h.recs[from:to]), Attrs: l.attrs, Words: h.words}})
			}
		}
	}
	slices.SortStableFunc(layers, func(a, b layer) int { return cmp.Compare(a.window, b.window) })
	first, last := l.dayOf(l.windowOf(lo)), l.dayOf(l.windowOf(hi-1))
	for d := range l.days {
		if d >= first && d <= last {
			days = append(days, d)
		}
	}
	slices.Sort(days)
	return st.id, layers, days
}

// scanDay yields the chunks of a series on a day whose windows meet [lo, hi).
func (l *lane) scanDay(ctx context.Context, txn *badger.Txn, d int32, id uint32, lo, hi int64, yield func(int64, packed.Readings) bool) error {
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	o.Prefix = l.seriesOfDay(d, id)
	it := txn.NewIterator(o)
	defer it.Close()
	start := o.Prefix
	if w := l.windowOf(lo); l.dayOf(w) == d {
		start = l.chunkKey(w, id)
	}
	for it.Seek(start); it.Valid(); it.Next() {
		w := l.windowOfKey(it.Item().Key())
		if w*l.window >= hi {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if l.store.closing() {
			return series.ErrClosed
		}
		var r packed.Readings
		if err := it.Item().Value(func(v []byte) (err error) { r, err = packed.Decode(v); return err }); err != nil {
			return fmt.Errorf("chunk %x: %w", it.Item().Key(), err)
		}
		if !yield(w, r) {
			break
		}
	}
	return nil
}

// Points implements series.Store.
func (s *Store) Points(ctx context.Context, k series.Key, from, to time.Time, yield func(*series.Point) bool) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	lo, hi := series.Micros(from, to)
	var p series.Point
	var failed error
	err = s.readings.scan(ctx, k, lo, hi, func(r packed.Readings) bool {
		last := ^uint32(0)
		for i := range r.Recs {
			rec := &r.Recs[i]
			a := &r.Attrs[rec.Attr]
			if rec.Attr != last {
				last = rec.Attr
				p = series.Point{Kind: protocol.Kind(a.Kind), Unit: protocol.Unit(a.Unit), Quality: protocol.Quality(a.Quality), Clock: protocol.ClockQuality(a.Clock)}
			}
			p.At = time.UnixMicro(rec.At).UTC()
			p.Value = a.Value(rec.Mant)
			if a.HasWord() {
				if p.Text, p.Event, failed = a.Text(r.Words[rec.Word]); failed != nil {
					return false
				}
			}
			if !yield(&p) {
				return false
			}
		}
		return true
	})
	return cmp.Or(failed, err)
}

// Buckets implements series.Store.
func (s *Store) Buckets(ctx context.Context, k series.Key, from, to time.Time, most int) ([]series.Bucket, error) {
	b, err := series.NewBucketer(from, to, most)
	if err != nil {
		return nil, err
	}
	end, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	lo, hi := series.Micros(from, to)
	err = s.readings.scan(ctx, k, lo, hi, func(r packed.Readings) bool {
		for i := range r.Recs {
			a := &r.Attrs[r.Recs[i].Attr]
			b.Add(r.Recs[i].At, protocol.Kind(a.Kind), protocol.Unit(a.Unit), protocol.Quality(a.Quality), a.Value(r.Recs[i].Mant))
		}
		return true
	})
	return b.Buckets(), err
}

// Blocks implements series.Store.
func (s *Store) Blocks(ctx context.Context, k series.Key, from, to time.Time, yield func(*series.Block) bool) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	lo, hi := series.Micros(from, to)
	var failed error
	err = s.waves.overlapping(ctx, k, lo, hi, func(rec packed.Rec, a *packed.Attr, word string) bool {
		b := series.Block{At: time.UnixMicro(rec.At).UTC(), Quality: protocol.Quality(a.Quality), Clock: protocol.ClockQuality(a.Clock), Unit: protocol.Unit(a.Unit)}
		if b.Samples, failed = a.Samples(word); failed != nil {
			return false
		}
		return yield(&b)
	})
	return cmp.Or(failed, err)
}

// overlapping yields the packed blocks that overlap [lo, hi): those that begin
// in it, and those that begin before and last into it.
func (l *lane) overlapping(ctx context.Context, k series.Key, lo, hi int64, yield func(packed.Rec, *packed.Attr, string) bool) error {
	if lo >= hi {
		return nil
	}
	l.mu.RLock()
	var longest int64
	if st := l.byKey[k]; st != nil {
		longest = st.longest
	}
	l.mu.RUnlock()
	return l.scan(ctx, k, lo-longest, hi, func(r packed.Readings) bool {
		for _, rec := range r.Recs {
			a, word := &r.Attrs[rec.Attr], r.Words[rec.Word]
			if rec.At < lo && time.UnixMicro(rec.At).Add(a.Duration(word)).Compare(time.UnixMicro(lo)) <= 0 {
				continue
			}
			if !yield(rec, a, word) {
				return false
			}
		}
		return true
	})
}

// Keys implements series.Store.
func (s *Store) Keys(ctx context.Context, box protocol.BoxID, from, to time.Time) ([]series.SeriesInfo, error) {
	end, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	lo, hi := series.Micros(from, to)
	var infos []series.SeriesInfo
	for _, l := range []*lane{s.readings, s.waves} {
		for _, info := range l.infos(box) {
			found := false
			if l == s.readings {
				err = l.scan(ctx, info.Key, lo, hi, func(packed.Readings) bool { found = true; return false })
			} else {
				err = l.overlapping(ctx, info.Key, lo, hi, func(packed.Rec, *packed.Attr, string) bool { found = true; return false })
			}
			if err != nil {
				return nil, err
			}
			if found {
				infos = append(infos, info)
			}
		}
	}
	series.SortInfos(infos)
	return infos, nil
}

func (l *lane) infos(box protocol.BoxID) []series.SeriesInfo {
	l.mu.RLock()
	defer l.mu.RUnlock()
	infos := make([]series.SeriesInfo, 0, len(l.byBox[box]))
	for _, st := range l.byBox[box] {
		infos = append(infos, st.info(l))
	}
	return infos
}
