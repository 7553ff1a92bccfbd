package queue

import (
	crand "crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

// Recovery tells that a queue could not be read and was moved aside.
type Recovery struct {
	Aside  string // where it is now
	Reason error
}

// Recovered tells whether Open had to move an unreadable queue aside.
func (q *Queue) Recovered() (Recovery, bool) {
	if q.recovery == nil {
		return Recovery{}, false
	}
	return *q.recovery, true
}

// Open opens the queue in cfg.Dir, or makes it. A database that cannot be read
// is moved aside. An error means that nothing can be stored now: another
// process has the queue (ErrLocked), there is no space (ErrFull), the directory
// cannot be used, or the configuration is wrong. reg may be nil.
func Open(cfg Config, id Identity, log *slog.Logger, reg prometheus.Registerer) (*Queue, error) {
	if err := checkIntSize(strconv.IntSize); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := protocol.CheckID("box", string(id.Box)); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make queue directory: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	q := &Queue{cfg: cfg, id: id, log: log, lock: lock, ready: make(chan struct{}, 1), now: time.Now, opened: time.Now(),
		bucketBytes: min(max(cfg.MaxBytes/64, 64<<10), 4<<20)}
	err = q.open()
	if err == nil {
		err = q.register(reg)
	}
	if err != nil {
		if q.db != nil {
			q.db.Close()
		}
		lock.Close()
		return nil, fmt.Errorf("open queue %s: %w", cfg.Dir, err)
	}
	return q, nil
}

func (q *Queue) open() error {
	if err := q.makeRoom(); err != nil {
		return err
	}
	key, err := loadKey(q.cfg, q.log)
	if err != nil {
		return err
	}
	starts := q.readStarts()
	if starts.Opening >= 2 {
		err = fmt.Errorf("%d processes died while they opened it", starts.Opening)
	} else {
		err = q.tryOpen(key, starts)
	}
	if err != nil && !errors.Is(err, ErrFull) {
		if err = q.setAside(err); err != nil {
			return err
		}
		err = q.tryOpen(key, starting{Boot: q.id.Boot})
	}
	if err != nil {
		return err
	}
	makeBallast(q.cfg.Dir, q.cfg.MinFreeBytes)
	q.guard.used = usedBytes(q.dbDir())
	q.wake()
	return nil
}

// makeRoom checks the free space before Badger does: it writes through mapped
// files, and a full disk kills the process.
func (q *Queue) makeRoom() error {
	os.Remove(ballastPath(q.cfg.Dir))
	free, err := freeBytes(q.cfg.Dir)
	if err != nil {
		return err
	}
	need := min(usedBytes(q.dbDir()), baseLevelBytes) + aboveBaseBytes
	if free < need {
		return fmt.Errorf("%w: %d bytes are free on its file system, %d are needed to open it", ErrFull, free, need)
	}
	if free < q.cfg.MinFreeBytes {
		q.log.Warn("little space: readings beyond the newest are dropped", "free", free, "min_free_bytes", q.cfg.MinFreeBytes)
	}
	return nil
}

func (q *Queue) dbDir() string { return filepath.Join(q.cfg.Dir, "db") }

// tryOpen opens the database while a file tells a successor that we did: a
// damaged one may kill the process where no error can be caught.
func (q *Queue) tryOpen(key []byte, starts starting) error {
	starts.Opening++
	if err := q.writeStarts(starts); err != nil {
		return err
	}
	err := q.openDB(key)
	if err == nil && starts.Running >= 3 { // died soon after opening, again and again
		err = q.db.VerifyChecksum()
	}
	if err == nil {
		err = q.load()
	}
	if err != nil {
		if q.db != nil {
			q.db.Close()
			q.db = nil
		}
		return err
	}
	starts.Opening = 0
	starts.Running++
	return q.writeStarts(starts)
}

func (q *Queue) openDB(key []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("open database: %v", r)
		}
	}()
	db, err := badger.OpenManaged(dbOptions(q.dbDir(), key, q.log))
	if err != nil {
		return fmt.Errorf("open database: %w", err) // db may be half of one
	}
	db.SetDiscardTs(math.MaxUint64) // only the newest of each key is ever read
	q.db, q.version = db, max(db.MaxVersion(), entryVersion)
	return nil
}

const (
	memtableBytes  = 4 << 20
	baseLevelBytes = 64 << 20
	aboveBaseBytes = 32 << 20 // two memtables and their logs, the tables of level 0
)

// dbOptions are for a box of 1 GiB: each memtable costs its size twice (arena
// and mapped log). Values stay in the LSM tree, so the value log stays empty.
func dbOptions(dir string, key []byte, log *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithMemTableSize(memtableBytes).
		WithNumMemtables(2).
		WithValueThreshold(512 << 10).
		WithValueLogFileSize(1 << 20).
		WithBaseTableSize(1 << 20).
		WithBaseLevelSize(baseLevelBytes).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(3). // four would be merged into one of level 0: see entryVersion
		WithNumCompactors(2).
		WithNumGoroutines(1).
		WithCompression(options.None).
		WithBlockCacheSize(256 << 10).
		WithIndexCacheSize(2 << 20).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithEncryptionKey(key).
		WithDetectConflicts(false).
		WithSyncWrites(false).
		WithCompactL0OnClose(false).
		WithMetricsEnabled(false).
		WithLogger(logger{log})
}

// setAside moves the database out of the way, with its name and time.
func (q *Queue) setAside(reason error) error {
	aside := asideName(q.dbDir(), time.Now())
	if err := os.Rename(q.dbDir(), aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; and it cannot be moved aside: %w", reason, err)
	}
	q.recovery = &Recovery{Aside: aside, Reason: reason}
	q.log.Error("unreadable queue moved aside", "aside", aside, "err", reason)
	return nil
}

// load reads what the queue knew, and counts again what may have changed since
// it wrote that down.
func (q *Queue) load() error {
	for _, s := range streams {
		q.logs[s] = &streamLog{id: s}
	}
	q.meta = meta{}
	q.bytes, q.filled, q.dead, q.left = 0, 0, nil, nil
	txn := q.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	item, err := txn.Get(metaKey)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return q.begin()
	}
	if err == nil {
		err = item.Value(q.meta.decode)
	}
	q.written = q.meta
	if err == nil {
		err = q.loadSegments(txn)
	}
	if err == nil {
		err = q.recount(txn)
	}
	if err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	return q.resume()
}

// begin starts an empty queue.
func (q *Queue) begin() error {
	q.meta = meta{epoch: newEpoch(), boot: q.id.Boot, bucket: 1}
	for _, s := range streams {
		q.meta.next[s] = 1
	}
	return q.start()
}

// resume goes on where the last process ended. A process that died lost
// nothing, unless the box went down with it: then written readings may be gone
// that the cloud already has, and their numbers must not mean others.
func (q *Queue) resume() error {
	if !q.meta.clean && q.meta.boot != q.id.Boot {
		q.meta.epoch = newEpoch()
		for _, s := range streams {
			q.meta.next[s] = 1
		}
	}
	q.meta.boot = q.id.Boot
	q.meta.bucket++
	return q.start()
}

func (q *Queue) start() error {
	for _, s := range streams {
		q.logs[s].cursor = position{}
	}
	q.stale = true
	if err := q.flush(false); err != nil {
		return err
	}
	q.dirty, q.synced = false, q.now()
	q.secured()
	return q.db.Sync()
}

func newEpoch() uint64 {
	var b [8]byte
	crand.Read(b[:])
	return max(binary.BigEndian.Uint64(b[:]), 1)
}

func (q *Queue) loadSegments(txn *badger.Txn) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixSegment}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		var s *segment
		err := it.Item().Value(func(v []byte) (err error) {
			s, err = decodeSegment(it.Item().Key(), v)
			return err
		})
		if err != nil {
			return err
		}
		if s.bucket >= q.meta.bucket {
			continue // counted again
		}
		q.adopt(s)
	}
	return nil
}

func (q *Queue) adopt(s *segment) {
	l := q.logs[s.stream]
	l.segs = append(l.segs, s)
	l.entries += s.entries
	q.bytes += s.bytes
}

// recount counts the buckets that were filled when the last record was written,
// or after it.
func (q *Queue) recount(txn *badger.Txn) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixEntry}})
	defer it.Close()
	for it.Seek(entry{bucket: q.meta.bucket}.key()); it.Valid(); it.Next() {
		e, ok := parseEntry(it.Item().Key())
		if !ok || e.stream < protocol.StreamEvent || e.stream > protocol.StreamWave {
			return errNotAnEntry
		}
		s := q.logs[e.stream].segment(e.bucket)
		if s == nil {
			s = &segment{bucket: e.bucket, stream: e.stream, epoch: q.meta.epoch, low: e.first, last: e.last()}
			q.adopt(s)
		}
		size := it.Item().ValueSize() + entryKeySize
		s.entries++
		s.bytes += size
		q.logs[e.stream].entries++
		q.bytes += size
		s.low, s.last, s.dirty = min(s.low, e.first), max(s.last, e.last()), true
		q.meta.next[e.stream] = max(q.meta.next[e.stream], e.last()+1)
		q.meta.bucket = max(q.meta.bucket, e.bucket)
		// An undecodable entry is found again when it is to be sent.
		it.Item().Value(func(raw []byte) error {
			if v, err := parseValue(raw); err == nil {
				s.uncertain = s.uncertain || v.uncertain
				if b, err := protocol.DecodeBatch(v.batch); err == nil {
					s.cover(bounds(b.Observations))
				}
			}
			return nil
		})
	}
	return nil
}

// bounds are the first and the last instant of obs in microseconds.
func bounds(obs []protocol.Observation) (oldest, newest int64) {
	oldest, newest = obs[0].At.UnixMicro(), obs[0].At.UnixMicro()
	for i := range obs[1:] {
		us := obs[i+1].At.UnixMicro()
		oldest, newest = min(oldest, us), max(newest, us)
	}
	return oldest, newest
}

func (s *segment) cover(oldest, newest int64) {
	if s.oldest == 0 {
		s.oldest = oldest
	}
	s.oldest, s.newest = min(s.oldest, oldest), max(s.newest, newest)
}

// starting is kept in a file while a process opens the queue and for a while
// after: how many processes of this boot died so.
type starting struct {
	Boot    uint64 `json:"boot"`
	Opening int    `json:"opening"`
	Running int    `json:"running"`
}

// settledAfter is how long an opened queue must have run to be thought sound.
const settledAfter = 30 * time.Second

func (q *Queue) startsPath() string { return filepath.Join(q.cfg.Dir, "starting") }

func (q *Queue) readStarts() starting {
	var s starting
	b, err := os.ReadFile(q.startsPath())
	if err != nil || json.Unmarshal(b, &s) != nil || s.Boot != q.id.Boot {
		return starting{Boot: q.id.Boot} // a power cut is not the queue's fault
	}
	return s
}

func (q *Queue) writeStarts(s starting) error {
	b, err := json.Marshal(s)
	if err == nil {
		err = writeFile(q.startsPath(), append(b, '\n'))
	}
	return err
}

func (q *Queue) settled() error {
	err := os.Remove(q.startsPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// logger hands Badger's warnings on.
type logger struct{ log *slog.Logger }

func (l logger) Errorf(f string, a ...any)   { l.log.Error("database", "says", fmt.Sprintf(f, a...)) }
func (l logger) Warningf(f string, a ...any) { l.log.Warn("database", "says", fmt.Sprintf(f, a...)) }
func (logger) Infof(string, ...any)          {}
func (logger) Debugf(string, ...any)         {}
