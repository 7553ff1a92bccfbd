package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"monitorme/cloud/series"
	"monitorme/cloud/series/packed"
	"monitorme/protocol"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// Store is a series.Store on the local disk. Run must run beside it; without
// it Append seals by itself when the memory it may use is full.
type Store struct {
	cfg     Config
	log     *slog.Logger
	db      *badger.DB
	metrics *metrics

	readings, waves *lane

	life   sync.Mutex // guards closed, and calls against Close
	closed bool
	calls  sync.WaitGroup

	freeBytes func() (int64, error) // of the disk of cfg.Dir
	now       func() time.Time
}

var _ series.Store = (*Store)(nil)

// layout is the version of what is in the database.
const layout = 1

// Open opens or makes the store in cfg.Dir and reads its journal back. One
// process at a time. It changes nothing in a store that it cannot read; the
// error says what to do. reg may be nil.
func Open(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if strconv.IntSize < 64 {
		return nil, errors.New("the embedded series store needs a 64-bit build: Badger loses data on 32 bits")
	}
	s := &Store{cfg: cfg, log: log, now: time.Now, freeBytes: func() (int64, error) { return freeBytes(cfg.Dir) }}
	if err := s.open(reg); err != nil {
		return nil, fmt.Errorf("open series store %s: %w; nothing was deleted. If the store is damaged, "+
			"move the directory aside and start with an empty one, or restore a copy", cfg.Dir, err)
	}
	return s, nil
}

func (s *Store) open(reg prometheus.Registerer) error {
	dbDir := filepath.Join(s.cfg.Dir, "chunks")
	if err := os.MkdirAll(dbDir, 0o750); err != nil {
		return err
	}
	if err := s.checkSpace(s.cfg.MinFreeBytes / 2); err != nil {
		return fmt.Errorf("%w; Badger would crash on a full disk: free some", err)
	}
	db, err := badger.Open(badgerOptions(dbDir, s.log))
	if err != nil {
		return err
	}
	s.db = db
	s.metrics = newMetrics()
	err = s.checkLayout()
	if err == nil {
		s.readings, err = openLane(s, readingLane)
	}
	if err == nil {
		s.waves, err = openLane(s, waveLane)
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if reg != nil {
		s.metrics.register(reg, s)
	}
	return nil
}

// badgerOptions: few, large, synced writes by one writer; chunks are compressed
// already; caches for the indexes of a year of chunks.
func badgerOptions(dir string, log *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(badgerLogger{log}).
		WithMemTableSize(16 << 20).WithNumMemtables(3).
		WithBaseTableSize(4 << 20).WithBaseLevelSize(32 << 20).
		WithNumLevelZeroTables(3).WithNumLevelZeroTablesStall(9).
		WithNumCompactors(2).WithNumGoroutines(2).
		WithValueLogFileSize(64 << 20).WithValueThreshold(1 << 20).
		WithCompression(options.None).WithBlockCacheSize(0).WithIndexCacheSize(64 << 20).
		WithBloomFalsePositive(0).
		WithDetectConflicts(false).WithMetricsEnabled(false).
		WithSyncWrites(true)
}

func (s *Store) checkLayout() error {
	key := []byte("v")
	return s.db.Update(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return txn.Set(key, binary.BigEndian.AppendUint32(nil, layout))
		}
		if err != nil {
			return err
		}
		return item.Value(func(v []byte) error {
			if len(v) != 4 || binary.BigEndian.Uint32(v) != layout {
				return fmt.Errorf("its layout is %x, this program knows %d: use the program that wrote it", v, layout)
			}
			return nil
		})
	})
}

// begin keeps the store open until the returned func is called. Calls may
// nest: one that begins after Close fails, it does not wait.
func (s *Store) begin() (end func(), err error) {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil, series.ErrClosed
	}
	s.calls.Add(1)
	return s.calls.Done, nil
}

// closing tells a long call that Close waits for it.
func (s *Store) closing() bool {
	s.life.Lock()
	defer s.life.Unlock()
	return s.closed
}

// Append implements series.Store.
func (s *Store) Append(ctx context.Context, box protocol.BoxID, obs []protocol.Observation) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	good, refused := series.Sift(box, obs)
	readings := make([]entry, 0, len(good))
	var waves []entry
	for i := range good {
		o := &good[i]
		e := entry{key: series.Key{Box: box, Device: o.Device, Channel: o.Channel, Code: o.Code}, at: o.At.UnixMicro()}
		e.attr, e.mant, e.word = packed.Of(o)
		if o.Kind == protocol.KindSamples {
			waves = append(waves, e)
		} else {
			readings = append(readings, e)
		}
	}
	if err := s.readings.append(ctx, readings); err != nil {
		return err
	}
	return series.Sifted(refused, s.waves.append(ctx, waves))
}

// Run seals what is in memory into chunks, and drops what is older than it is
// to be kept, until ctx ends; then it returns nil. What fails is logged,
// counted, shown by Health and tried again.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, l := range []*lane{s.readings, s.waves} {
		wg.Go(func() { l.run(ctx) })
	}
	s.runSweeps(ctx)
	wg.Wait()
	return nil
}

// Health is nil, or says what is wrong and what to do.
func (s *Store) Health() error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	return errors.Join(s.checkSpace(s.cfg.MinFreeBytes), s.readings.health(), s.waves.health())
}

// checkSpace is series.ErrNoSpace if the disk has less than least bytes.
func (s *Store) checkSpace(least int64) error {
	free, err := s.freeBytes()
	if err != nil {
		return fmt.Errorf("free space of %s: %w", s.cfg.Dir, err)
	}
	if free < least {
		return fmt.Errorf("%w: %s has %d MiB, wants %d: enlarge the disk or lower keep_waves or keep_readings",
			series.ErrNoSpace, s.cfg.Dir, free>>20, least>>20)
	}
	return nil
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// Close waits for the calls that are under way and closes the files. Nothing
// needs to be sealed: what is in memory is in the journal.
func (s *Store) Close() error {
	s.life.Lock()
	closed := s.closed
	s.closed = true
	s.life.Unlock()
	if closed {
		return nil
	}
	s.calls.Wait()
	return errors.Join(s.readings.journal.close(), s.waves.journal.close(), s.db.Close())
}

// badgerLogger passes on Badger's warnings and errors.
type badgerLogger struct{ log *slog.Logger }

func (l badgerLogger) Errorf(f string, a ...any) { l.log.Error("badger", "says", fmt.Sprintf(f, a...)) }
func (l badgerLogger) Warningf(f string, a ...any) {
	l.log.Warn("badger", "says", fmt.Sprintf(f, a...))
}
func (l badgerLogger) Infof(string, ...any)  {}
func (l badgerLogger) Debugf(string, ...any) {}
