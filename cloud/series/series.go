// Package series owns what was measured: every reading of every box, by the
// instant it was measured. It has two implementations of Store, embedded (on
// Badger, the default) and InfluxDB 2, held to one contract suite in
// package seriestest.
//
// It knows boxes, devices and codes, never patients: who lay in which bed is
// joined in by its callers.
package series

import (
	"context"
	"errors"
	"time"

	"monitorme/protocol"
)

// A Key names one series: one code (and channel) of one device at one box.
type Key struct {
	Box     protocol.BoxID    `json:"box"`
	Device  protocol.DeviceID `json:"device"`
	Channel string            `json:"channel,omitempty"`
	Code    protocol.Code     `json:"code"`
}

// Store keeps observations. All methods are safe for concurrent use.
type Store interface {
	// Append makes the observations of one box durable: when it returns nil
	// they survive a power cut. It is idempotent: the same key at the same
	// microsecond is one reading, the first one written stays. Late and
	// unordered observations are welcome. An error is retryable as a whole,
	// unless it is a *RefusedError: then the observations it names can never be
	// stored, and all others are.
	// Concurrent calls are committed together.
	Append(ctx context.Context, box protocol.BoxID, obs []protocol.Observation) error

	// Keys lists the series that have anything in [from, to).
	Keys(ctx context.Context, box protocol.BoxID, from, to time.Time) ([]SeriesInfo, error)

	// Points gives the readings of one series (numeric, enumeration or event)
	// measured in [from, to), in order of time, to yield, until yield returns
	// false. The Point is reused between calls.
	Points(ctx context.Context, k Key, from, to time.Time, yield func(*Point) bool) error

	// Buckets summarises a numeric series in [from, to) into at most max
	// buckets of equal width, those without any reading left out.
	Buckets(ctx context.Context, k Key, from, to time.Time, max int) ([]Bucket, error)

	// Blocks gives the sample blocks of a waveform that overlap [from, to), in
	// order of time.
	Blocks(ctx context.Context, k Key, from, to time.Time, yield func(*Block) bool) error

	// Close commits and closes. It may be called twice.
	Close() error
}

// ErrRefused marks observations that can never be stored; the caller
// quarantines them. Every *RefusedError is one.
var ErrRefused = errors.New("refused by the series store")

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("series store is closed")

// ErrNoSpace marks an Append that was turned away because the disk is nearly
// full. It is retryable; the box keeps the readings until then.
var ErrNoSpace = errors.New("series store has too little free disk space")

// SeriesInfo is a series and what it carries, by its newest reading. A key
// with both readings and blocks of samples is listed twice.
type SeriesInfo struct {
	Key
	Kind protocol.Kind `json:"kind"`
	Unit protocol.Unit `json:"unit"`
}

// A Point is one stored reading.
type Point struct {
	At      time.Time // UTC, microseconds
	Kind    protocol.Kind
	Unit    protocol.Unit // as it was sent; the same all through a series unless the device changed it
	Quality protocol.Quality
	Clock   protocol.ClockQuality
	Value   protocol.Decimal // KindNumeric
	Text    string           // KindEnumeration
	Event   *protocol.Event  // KindEvent
}

// A Bucket summarises the readings of one stretch of time. Min, Max and Mean
// are over those with a number, and 0 if there is none: numeric, of a quality
// with Quality.HasNumber, in the unit of the first such reading asked for.
type Bucket struct {
	From  time.Time `json:"from"`
	Min   float64   `json:"min"`
	Max   float64   `json:"max"`
	Mean  float64   `json:"mean"`
	Count int       `json:"count"` // readings with a number
	Bad   int       `json:"bad"`   // readings without
}

// A Block is a stored block of samples.
type Block struct {
	At      time.Time
	Quality protocol.Quality
	Clock   protocol.ClockQuality
	Unit    protocol.Unit
	protocol.Samples
}
