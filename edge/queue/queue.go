package queue

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

// streams in the order in which a backlog is sent.
var streams = [...]protocol.Stream{protocol.StreamEvent, protocol.StreamNumeric, protocol.StreamWave}

const (
	// FreshFor is how long an entry is fresh: sent newest first on the lanes
	// live and wave. After that it is backlog.
	FreshFor = 10 * time.Second

	// Bounds of the fresh entries kept in memory, per stream.
	maxFreshEntries = 4096
	maxFreshBytes   = 1 << 20

	// An entry holds at most so many readings and, as a guess before encoding,
	// bytes; a commit so many bytes.
	maxEntryCount  = 1024
	maxEntryBytes  = 48 << 10
	maxCommitBytes = 128 << 10

	maxDead    = 1024 // deletes that may wait for the next flush
	maxPartial = 4096 // acknowledged runs of entries that are not acknowledged whole
)

// Identity is what the queue puts in each batch.
type Identity struct {
	Box  protocol.BoxID
	Boot uint64 // clock.Clock.Boot
}

// A Stamp is the instant at which a group of readings is appended, on both
// clocks of the box.
type Stamp struct {
	Wall    time.Time
	Mono    time.Duration // since boot
	Quality protocol.ClockQuality
}

func (s Stamp) offset() time.Duration { return time.Duration(s.Wall.UnixNano()) - s.Mono }

// A Queue is open. Its methods are safe for concurrent use; Next is meant for
// one caller.
type Queue struct {
	cfg    Config
	id     Identity
	log    *slog.Logger
	lock   *os.File
	ready  chan struct{}
	now    func() time.Time
	opened time.Time

	recovery    *Recovery
	bucketBytes int64

	unregister func()

	compact sync.Mutex // held over what stops Badger's compactors
	closing sync.Once
	closed  error

	mu      sync.Mutex
	db      *badger.DB
	broken  error // of a commit that may or may not have happened
	meta    meta
	written meta   // as it is in the database
	version uint64 // of the next record
	filled  int64  // bytes appended to the current bucket
	logs    [4]*streamLog
	bytes   int64
	last    Stamp // of the last Append
	offset  time.Duration
	known   bool      // offset is: the clock was synchronised in this boot
	dirty   bool      // something to sync
	synced  time.Time // when the last sync began
	stale   bool      // records of segments are
	dead    [][]byte  // keys of entries to delete with the next flush
	left    [][]byte  // keys of records of segments that are no more
	drops   [4]episode
	counts  counts
	guard   guard
	sound   bool // has run for settledAfter
}

// A streamLog is one stream.
type streamLog struct {
	id      protocol.Stream
	segs    []*segment   // by age
	ring    []freshEntry // the newest entries, without holes, by number
	held    int64        // bytes in ring
	fresh   int          // entries in ring to hand out
	flight  spans        // claimed
	partial spans        // acknowledged, but not the whole entry
	cursor  position     // where the backlog goes on; everything older was handed out
	entries uint64
	safe    uint64    // numbers below it are safe from a power cut
	risked  time.Time // when the oldest was appended that is neither safe nor acknowledged nor in ring; zero: none
}

// A freshEntry is an entry whose value is still in memory.
type freshEntry struct {
	entry
	value   []byte
	size    int64
	oldest  int64 // measured at, microseconds
	at      time.Time
	claimed bool
	gone    bool
}

// A position is a place in a stream. Within a bucket the epoch is one.
type position struct {
	bucket uint32
	seq    uint64
}

func (p position) before(o position) bool {
	return p.bucket < o.bucket || p.bucket == o.bucket && p.seq < o.seq
}

type counts struct {
	appended, acked              [4]uint64
	rejected, quarantined, syncs uint64
}

// guard is the last look at the disk.
type guard struct {
	free, used int64
}

// Epoch of the readings that are appended now.
func (q *Queue) Epoch() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.meta.epoch
}

// Ready receives after an Append, so that Next has something.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

func (q *Queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// Close, after Run has returned, makes everything durable and gives the directory free. It is safe to
// call again; it takes less than two seconds unless the disk is at its end.
func (q *Queue) Close() error {
	q.closing.Do(func() {
		if q.unregister != nil {
			q.unregister()
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.compact.Lock() // wait for a reclaim
		defer q.compact.Unlock()
		var errs []error
		if q.broken == nil {
			errs = append(errs, q.flush(true), q.db.Sync())
		}
		q.broken = ErrClosed
		errs = append(errs, q.db.Close(), q.settled(), q.lock.Close())
		q.closed = errors.Join(errs...)
	})
	return q.closed
}

// segment finds the segment of e, or nil.
func (l *streamLog) segment(bucket uint32) *segment {
	i, ok := slices.BinarySearchFunc(l.segs, bucket, func(s *segment, b uint32) int {
		switch {
		case s.bucket < b:
			return -1
		case s.bucket > b:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return l.segs[i]
}

// floor is where the fresh entries begin; the backlog is before it.
func (q *Queue) floor(l *streamLog) position {
	if len(l.ring) > 0 {
		return position{l.ring[0].bucket, l.ring[0].first}
	}
	return position{q.meta.bucket, q.meta.next[l.id]}
}

// liveFresh counts the fresh entries that are not acknowledged.
func (l *streamLog) liveFresh() (n uint64) {
	for i := range l.ring {
		if !l.ring[i].gone {
			n++
		}
	}
	return n
}

// trim lets entries that are no longer fresh go over to the backlog.
func (l *streamLog) trim(now time.Time) {
	n := 0
	for ; n < len(l.ring); n++ {
		e := &l.ring[n]
		if !e.gone && now.Sub(e.at) < FreshFor && len(l.ring)-n <= maxFreshEntries && l.held <= maxFreshBytes {
			break
		}
		l.release(e)
		if e.gone {
			continue
		}
		if !e.claimed {
			l.fresh--
		}
		if e.first >= l.safe && l.risked.IsZero() {
			l.risked = e.at
		}
	}
	if n > 0 {
		clear(l.ring[:n])
		l.ring = l.ring[n:]
	}
}

// release lets the value of e go from memory.
func (l *streamLog) release(e *freshEntry) {
	l.held -= int64(len(e.value))
	e.value = nil
}

// register has the metrics collected until Close.
func (q *Queue) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	if err := reg.Register(collector{q}); err != nil {
		return fmt.Errorf("register metrics of the queue: %w", err)
	}
	q.unregister = func() { reg.Unregister(collector{q}) }
	return nil
}
