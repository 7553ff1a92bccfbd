package series

import (
	"fmt"
	"time"

	"monitorme/protocol"
)

// MaxBuckets is the most buckets one call may ask for.
const MaxBuckets = 100_000

// A Bucketer computes buckets from readings given in order of time, so that
// every Store means the same by them.
type Bucketer struct {
	lo, width int64
	next      int64 // first microsecond behind the current bucket
	sum       float64
	unit      protocol.Unit
	haveUnit  bool
	buckets   []Bucket
}

// NewBucketer cuts [from, to) into at most most buckets of whole microseconds.
func NewBucketer(from, to time.Time, most int) (*Bucketer, error) {
	if most < 1 || most > MaxBuckets {
		return nil, fmt.Errorf("%d buckets: want 1 to %d", most, MaxBuckets)
	}
	lo, hi := Micros(from, to)
	width := max(1, (hi-lo+int64(most)-1)/int64(most))
	return &Bucketer{lo: lo, width: width, next: lo}, nil
}

// Width is the width of a bucket in microseconds.
func (b *Bucketer) Width() int64 { return b.width }

// Add takes the reading at the microsecond at, which lies in the range.
func (b *Bucketer) Add(at int64, kind protocol.Kind, unit protocol.Unit, q protocol.Quality, v protocol.Decimal) {
	if at >= b.next || len(b.buckets) == 0 {
		b.finish()
		from := b.lo + (at-b.lo)/b.width*b.width
		b.next, b.sum = from+b.width, 0
		b.buckets = append(b.buckets, Bucket{From: time.UnixMicro(from).UTC()})
	}
	c := &b.buckets[len(b.buckets)-1]
	if kind != protocol.KindNumeric || !v.Valid || !q.HasNumber() {
		c.Bad++
		return
	}
	if !b.haveUnit {
		b.unit, b.haveUnit = unit, true
	}
	if unit != b.unit {
		c.Bad++
		return
	}
	f := v.Float64()
	if c.Count == 0 {
		c.Min, c.Max = f, f
	} else {
		c.Min, c.Max = min(c.Min, f), max(c.Max, f)
	}
	c.Count++
	b.sum += f
}

func (b *Bucketer) finish() {
	if n := len(b.buckets); n > 0 && b.buckets[n-1].Count > 0 {
		b.buckets[n-1].Mean = b.sum / float64(b.buckets[n-1].Count)
	}
}

// Buckets ends the computation.
func (b *Bucketer) Buckets() []Bucket {
	b.finish()
	return b.buckets
}
