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

	maxDead    = 1024 // deletes that may wait for the next sync
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
	opened time.Time

	recovery    *Recovery
	bucketBytes int64

	unregister func()

	compact sync.Mutex // held over what stops Badger's compactors
	closing sync.Once
	closed  error

	mu     sync.Mutex
	db     *badger.DB
	broken error // of a commit that may or may not have happened
	meta   meta
	filled int64 // bytes appended to the current bucket
	logs   [4]*streamLog
	bytes  int64
	last   Stamp // of the last Append
	offset time.Duration
	known  bool     // offset is: the clock was synchronised in this boot
	dirty  bool     // something to sync
	stale  bool     // the queue's own record is
	dead   [][]byte // keys to delete with the next flush
	drops  [4]episode
	counts counts
	guard  guard
	sound  bool // has run for settledAfter
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
	appended, acked                    [4]uint64
	rejected, quarantined, syncs, lost uint64
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

// flush writes what may lag: deletes, and the records of segments and of the
// queue. Keys of entries are deleted before the record of their segment, and a
// crash in the middle leaves records that promise more than there is, never
// less. What was appended to the current bucket needs no record: it is counted
// when the queue is opened.
func (q *Queue) flush(clean bool) error {
	for len(q.dead) > 0 {
		n := min(len(q.dead), maxDead)
		err := q.update(func(txn *badger.Txn) error { return deleteAll(txn, q.dead[:n]) })
		if err != nil {
			return fmt.Errorf("delete acknowledged readings: %w", err)
		}
		q.dead = q.dead[n:]
		q.stale = true
	}
	q.dead = nil
	if !q.stale && !clean {
		return nil
	}
	err := q.update(func(txn *badger.Txn) error {
		err := q.eachStale(func(s *segment) error { return txn.Set(s.key(), s.encode()) })
		if err != nil {
			return err
		}
		q.meta.clean = clean
		return txn.Set(metaKey, q.meta.encode())
	})
	if err != nil {
		return fmt.Errorf("write the queue's records: %w", err)
	}
	q.stale = false
	return q.eachStale(func(s *segment) error { s.dirty = false; return nil })
}

// eachStale calls f for the segments whose record is behind.
func (q *Queue) eachStale(f func(*segment) error) error {
	for _, l := range q.logs[1:] {
		for _, s := range l.segs {
			if s.dirty && s.bucket < q.meta.bucket {
				if err := f(s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func deleteAll(txn *badger.Txn, keys [][]byte) error {
	for _, k := range keys {
		if err := txn.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// update commits f. After a commit that failed nobody knows what is on the
// disk, so nothing more is written: the box opens the queue again.
func (q *Queue) update(f func(*badger.Txn) error) error {
	if q.broken != nil {
		return q.broken
	}
	txn := q.db.NewTransaction(true)
	defer txn.Discard()
	if err := f(txn); err != nil {
		return err
	}
	if err := txn.Commit(); err != nil {
		q.broken = fmt.Errorf("queue must be opened again: commit: %w", err)
		return q.broken
	}
	q.dirty = true
	return nil
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

// remove forgets that e is live and has its key deleted with the next flush.
func (q *Queue) remove(l *streamLog, e entry, size int64) {
	q.dead = append(q.dead, e.key())
	s := l.segment(e.bucket)
	if s == nil {
		return
	}
	s.dirty = true
	s.entries--
	s.bytes -= size
	l.entries--
	q.bytes -= size
	if e.first == s.low {
		s.low = e.last() + 1
	}
	q.counts.acked[l.id] += uint64(e.count)
	if s.entries == 0 && s.bucket != q.meta.bucket {
		q.drop(l, s)
	}
}

// drop forgets a segment, with whatever it says is live in it.
func (q *Queue) drop(l *streamLog, s *segment) {
	l.entries -= s.entries
	q.bytes -= s.bytes
	q.dead = append(q.dead, s.key())
	l.segs = slices.DeleteFunc(l.segs, func(t *segment) bool { return t == s })
}

// floor is where the fresh entries begin; the backlog is before it.
func (q *Queue) floor(l *streamLog) position {
	if len(l.ring) > 0 {
		return position{l.ring[0].bucket, l.ring[0].first}
	}
	return position{q.meta.bucket, q.meta.next[l.id]}
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
		if !e.gone && !e.claimed {
			l.fresh--
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
