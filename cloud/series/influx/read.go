package influx

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"

	"github.com/influxdata/influxdb-client-go/v2/api/query"
)

const (
	pagePoints = 200_000 // readings asked for at once
	pageBlocks = 5000
)

// quote writes a Flux string. It is the only way by which a value gets into a
// query.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, `\${`, "\n", `\n`, "\r", `\r`).Replace(s) + `"`
}

func instant(us int64) string { return time.UnixMicro(us).UTC().Format(time.RFC3339Nano) }

// fromRange is the head of every query.
func (s *Store) fromRange(lo, hi int64) string {
	return fmt.Sprintf("from(bucket: %s) |> range(start: %s, stop: %s)", quote(s.cfg.Bucket), instant(lo), instant(hi))
}

// ofKey keeps a field of a series.
func ofKey(k series.Key, field string) string {
	return fmt.Sprintf(" |> filter(fn: (r) => r.box == %s and r.device == %s and r.channel == %s and r.code == %s and r._field == %s)",
		quote(escapeTag(string(k.Box))), quote(escapeTag(string(k.Device))), quote(escapeTag(k.Channel)), quote(strconv.FormatUint(uint64(k.Code), 10)), quote(field))
}

const (
	notSamples = ` |> filter(fn: (r) => r._measurement != "samples")`
	onlyNumber = ` |> filter(fn: (r) => r._measurement == "numeric")`
)

// each calls f for every record of the answer, until it returns false.
func (s *Store) each(ctx context.Context, flux string, f func(*query.FluxRecord) (bool, error)) error {
	if s.closed.Load() {
		return series.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	result, err := s.querier.Query(ctx, flux)
	if err != nil {
		return fmt.Errorf("query InfluxDB: %w", err)
	}
	defer result.Close()
	for result.Next() {
		if more, err := f(result.Record()); err != nil || !more {
			return err
		}
	}
	if err := result.Err(); err != nil {
		return fmt.Errorf("query InfluxDB: %w", err)
	}
	return nil
}

func text(r *query.FluxRecord, column string) string {
	v, _ := r.ValueByKey(column).(string)
	return v
}

// A row is a record of the field exact.
type row struct {
	at    int64
	exact string
	unit  string // as a tag
}

// rows are the answer to a query of the field exact, in order of time. The
// server gives a table for each measurement, unit and span, each in order and of at
// most size rows; there is nearly always one. Rows that lie behind the end of a
// table that was cut at size are left out: more is then true.
func (s *Store) rows(ctx context.Context, flux string, size int) (rows []row, more bool, err error) {
	const columns = `["_start", "_stop", "_field", "box", "device", "channel", "code"]`
	flux += fmt.Sprintf(" |> limit(n: %d) |> drop(columns: %s)", size, columns)
	tables, table, inTable, end := 0, -1, 0, int64(1<<62)
	err = s.each(ctx, flux, func(r *query.FluxRecord) (bool, error) {
		if r.Table() != table {
			table, inTable = r.Table(), 0
			tables++
		}
		at := r.Time().UnixMicro()
		rows = append(rows, row{at, text(r, "_value"), text(r, "unit")})
		if inTable++; inTable == size {
			end, more = min(end, at), true
		}
		return true, nil
	})
	if tables > 1 {
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
		n, _ := slices.BinarySearchFunc(rows, end+1, func(r row, at int64) int { return cmp.Compare(r.at, at) })
		rows = rows[:n]
	}
	return rows, more, err
}

// pages yields what source gives from lo on, page by page, each instant once.
// Source is asked for readings from a lower bound on.
func (s *Store) pages(ctx context.Context, lo, hi int64, size int, source func(lo int64, first bool) string, yield func(*protocol.Observation) bool) error {
	var o protocol.Observation
	for first := true; lo < hi; first = false {
		rows, more, err := s.rows(ctx, source(lo, first), size)
		if err != nil {
			return err
		}
		last, unitTag, unit := int64(-1<<63), "~", ""
		for _, r := range rows {
			if r.at == last {
				continue
			}
			last = r.at
			if r.unit != unitTag {
				if unit, err = unescapeTag(r.unit); err != nil {
					return err
				}
				unitTag = r.unit
			}
			o.At, o.Unit = time.UnixMicro(r.at).UTC(), protocol.Unit(unit)
			if err := parseExact(r.exact, &o); err != nil {
				return err
			}
			if !yield(&o) {
				return nil
			}
		}
		if !more {
			return nil
		}
		lo = last + 1
	}
	return nil
}

// Points implements series.Store.
func (s *Store) Points(ctx context.Context, k series.Key, from, to time.Time, yield func(*series.Point) bool) error {
	if s.closed.Load() {
		return series.ErrClosed
	}
	lo, hi := series.Micros(from, to)
	var p series.Point
	return s.pages(ctx, lo, hi, pagePoints, func(lo int64, _ bool) string {
		return s.fromRange(lo, hi) + ofKey(k, "exact") + notSamples
	}, func(o *protocol.Observation) bool {
		p = series.Point{At: o.At, Kind: o.Kind, Unit: o.Unit, Quality: o.Quality, Clock: o.Clock, Value: o.Value, Text: o.Text, Event: o.Event}
		return yield(&p)
	})
}

// Blocks implements series.Store.
func (s *Store) Blocks(ctx context.Context, k series.Key, from, to time.Time, yield func(*series.Block) bool) error {
	if s.closed.Load() {
		return series.ErrClosed
	}
	lo, hi := series.Micros(from, to)
	var bad error
	err := s.pages(ctx, lo, hi, pageBlocks, func(lo int64, first bool) string {
		if first {
			return s.lookBack(lo, hi, ofKey(k, "exact"), "")
		}
		return s.fromRange(lo, hi) + ofKey(k, "exact") + ` |> filter(fn: (r) => r._measurement == "samples")`
	}, func(o *protocol.Observation) bool {
		if o.Samples == nil {
			bad = fmt.Errorf("a block of %v at %v without samples", k, o.At)
			return false
		}
		if o.At.UnixMicro() < lo && !o.At.Add(o.Samples.Duration()).After(time.UnixMicro(lo)) {
			return true
		}
		return yield(&series.Block{At: o.At, Quality: o.Quality, Clock: o.Clock, Unit: o.Unit, Samples: *o.Samples})
	})
	return cmp.Or(bad, err)
}

// lookBack is a query of blocks that may overlap [lo, hi): for each span,
// those that begin at most that span before.
func (s *Store) lookBack(lo, hi int64, filter, then string) string {
	var tables []string
	for _, span := range spans {
		start := max(lo-span.most.Microseconds(), series.MinTime.UnixMicro())
		tables = append(tables, s.fromRange(start, hi)+filter+
			fmt.Sprintf(` |> filter(fn: (r) => r._measurement == "samples" and r.span == %s)`, quote(span.tag))+then)
	}
	return "union(tables: [" + strings.Join(tables, ",\n") + "])"
}

// Buckets implements series.Store. The server computes them.
func (s *Store) Buckets(ctx context.Context, k series.Key, from, to time.Time, most int) ([]series.Bucket, error) {
	b, err := series.NewBucketer(from, to, most)
	if err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, series.ErrClosed
	}
	lo, hi := series.Micros(from, to)
	if lo >= hi {
		return nil, nil
	}
	width := b.Width()
	window := func(fn string) string {
		return fmt.Sprintf(` |> aggregateWindow(every: %dus, offset: %dus, fn: %s, timeSrc: "_start", createEmpty: false)`, width, (lo%width+width)%width, fn)
	}
	value := s.fromRange(lo, hi) + ofKey(k, "value") + onlyNumber
	var flux strings.Builder
	for _, fn := range []string{"min", "max", "mean", "count"} {
		fmt.Fprintf(&flux, "%s%s |> yield(name: %q)\n", value, window(fn), fn)
	}
	fmt.Fprintf(&flux, "%s |> first() |> yield(name: \"first\")\n", value)
	fmt.Fprintf(&flux, "%s%s |> yield(name: \"all\")\n", s.fromRange(lo, hi)+ofKey(k, "exact")+notSamples, window("count"))
	a := aggregates{byUnit: map[string]map[int64]*series.Bucket{}, all: map[int64]int{}}
	if err := s.each(ctx, flux.String(), func(r *query.FluxRecord) (bool, error) { return true, a.add(r) }); err != nil {
		return nil, err
	}
	return a.buckets(), nil
}

// Keys implements series.Store.
func (s *Store) Keys(ctx context.Context, box protocol.BoxID, from, to time.Time) ([]series.SeriesInfo, error) {
	if s.closed.Load() {
		return nil, series.ErrClosed
	}
	lo, hi := series.Micros(from, to)
	if lo >= hi {
		return nil, nil
	}
	filter := fmt.Sprintf(` |> filter(fn: (r) => r.box == %s and r._field == "exact")`, quote(escapeTag(string(box))))
	readings, waves := newNewest(box), newNewest(box)
	if err := s.each(ctx, s.fromRange(lo, hi)+filter+notSamples+" |> last()", readings.add); err != nil {
		return nil, err
	}
	if err := s.each(ctx, s.lookBack(lo, hi, filter, " |> last()"), waves.add); err != nil {
		return nil, err
	}
	infos := readings.infos()
	for _, info := range waves.infos() {
		found := !waves.byKey[info.Key].at.Before(time.UnixMicro(lo))
		if !found { // the newest begins before: it or an older one may last into the range
			if err := s.Blocks(ctx, info.Key, from, to, func(*series.Block) bool { found = true; return false }); err != nil {
				return nil, err
			}
		}
		if found {
			infos = append(infos, info)
		}
	}
	series.SortInfos(infos)
	return infos, nil
}
