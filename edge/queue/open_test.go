package queue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"monitorme/protocol"
)

func TestNumbersAndReadingsSurviveAStop(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	epoch := q.Epoch()
	mustAppend(t, q, 0, numeric(0, 1), event(0, "a"), wave(0, 10))
	q = reopen(t, q)
	if got := drain(t, q); fmt.Sprint(got) != "map[event:[1] numeric:[1] wave:[1]]" {
		t.Errorf("after the first stop: %v", got)
	}
	q = reopen(t, q) // empty now
	mustAppend(t, q, 1, numeric(1, 2), event(1, "b"), wave(1, 10))
	if q.Epoch() != epoch {
		t.Error("a clean stop began a new epoch")
	}
	if got := drain(t, q); fmt.Sprint(got) != "map[event:[2] numeric:[2] wave:[2]]" {
		t.Errorf("after the second stop: %v", got)
	}
	if _, moved := q.Recovered(); moved {
		t.Error("a sound queue was moved aside")
	}
}

func crash(t *testing.T, q *Queue) {
	t.Helper()
	q.closing.Do(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.broken = ErrClosed
		if err := errors.Join(q.db.Close(), q.lock.Close()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestADeathInTheSameBootKeepsTheEpochAPowerCutBeginsANewOne(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(0, 1), numeric(0, 2))
	epoch := q.Epoch()
	crash(t, q)
	q = openTest(t, q.cfg)
	mustAppend(t, q, 1, numeric(1, 3))
	if q.Epoch() != epoch {
		t.Error("a killed process began a new epoch")
	}
	crash(t, q)

	after := testBox
	after.Boot++
	q2, err := Open(q.cfg, after, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q2.Close()
	if q2.Epoch() == epoch {
		t.Error("a power cut kept the epoch")
	}
	mustAppend(t, q2, 2, numeric(2, 4))
	q2.age()
	old, oldAck := next(t, q2, protocol.LaneBackfill)
	old2, _ := next(t, q2, protocol.LaneBackfill)
	fresh, freshAck := next(t, q2, protocol.LaneBackfill)
	if old.Epoch != epoch || old.FirstSeq != 1 || len(old.Observations) != 2 || old2.FirstSeq != 3 {
		t.Errorf("old: %+v, %+v", old, old2)
	}
	if fresh.Epoch != q2.Epoch() || fresh.FirstSeq != 1 || len(fresh.Observations) != 1 {
		t.Errorf("new: %+v", fresh)
	}
	if err := q2.Ack(freshAck); err != nil || q2.Stats().Entries != 2 {
		t.Errorf("an acknowledgement of the new epoch: %v, %d entries left, want 2", err, q2.Stats().Entries)
	}
	if err := q2.Ack(oldAck); err != nil || q2.Stats().Entries != 1 {
		t.Errorf("an acknowledgement of the old epoch: %v, %d entries left, want 1", err, q2.Stats().Entries)
	}
}

func TestASecondProcessIsRefusedWithTheOwner(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	_, err := Open(q.cfg, testBox, discard, nil)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d has", os.Getpid())) {
		t.Errorf("error %v", err)
	}
}

func TestAWrongKeySetsTheQueueAside(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(0, 1))
	epoch := q.Epoch()
	q.Close()
	if err := os.WriteFile(filepath.Join(q.cfg.Dir, "key"), []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	q = openTest(t, q.cfg)
	r, moved := q.Recovered()
	if !moved || !errors.Is(r.Reason, badger.ErrEncryptionKeyMismatch) {
		t.Errorf("recovered %v %+v", moved, r)
	}
	if _, err := os.Stat(filepath.Join(r.Aside, "MANIFEST")); err != nil {
		t.Errorf("the old queue is not kept: %v", err)
	}
	if q.Epoch() == epoch || q.Stats().Entries != 0 {
		t.Error("the new queue is not new")
	}
	mustAppend(t, q, 0, numeric(0, 1))
}

func TestAQueueOfAnotherLayoutIsSetAside(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(0, 1))
	other := q.meta.encode()
	other[0]--
	if err := q.put(q.nextVersion(), badger.NewEntry(metaKey, other)); err != nil {
		t.Fatal(err)
	}
	crash(t, q)
	q = openTest(t, q.cfg)
	if r, moved := q.Recovered(); !moved || !strings.Contains(r.Reason.Error(), "another version") {
		t.Errorf("moved %v %+v", moved, r)
	}
}

func TestADamagedKeyOfOursIsMovedAsideAConfiguredOneIsNot(t *testing.T) {
	cfg := testConfig(t.TempDir())
	openTest(t, cfg).Close()
	st, err := os.Stat(filepath.Join(cfg.Dir, "key"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("key: %v %v", st, err)
	}
	os.WriteFile(filepath.Join(cfg.Dir, "key"), nil, 0o600)
	q := openTest(t, cfg)
	if _, moved := q.Recovered(); !moved {
		t.Error("the queue of a lost key was not moved aside")
	}
	q.Close()
	cfg.KeyFile = filepath.Join(t.TempDir(), "credential")
	os.WriteFile(cfg.KeyFile, []byte("short"), 0o600)
	if _, err := Open(cfg, testBox, discard, nil); err == nil || !strings.Contains(err.Error(), "want 64 hexadecimal digits") {
		t.Errorf("error %v", err)
	}
}

func TestTwoDeathsWhileOpeningSetTheQueueAside(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(0, 1))
	q.Close()
	if err := q.writeStarts(starting{Boot: testBox.Boot + 1, Opening: 5}); err != nil {
		t.Fatal(err)
	}
	q = openTest(t, q.cfg) // of another boot: the power, not the queue
	if _, moved := q.Recovered(); moved || q.Stats().Entries != 1 {
		t.Errorf("moved %v, %d entries", moved, q.Stats().Entries)
	}
	q.Close()
	q.writeStarts(starting{Boot: testBox.Boot, Opening: 2})
	q = openTest(t, q.cfg)
	if r, moved := q.Recovered(); !moved || !strings.Contains(r.Reason.Error(), "2 processes died") {
		t.Errorf("moved %v %+v", moved, r)
	}
}

func TestACrashBetweenDeletingAndRecordingHealsItself(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(0, 1))
	q = reopen(t, q) // the bucket is no longer filled, its record is written
	q.mu.Lock()
	s := q.logs[protocol.StreamNumeric].segs[0]
	q.update(entryVersion, func(txn *badger.Txn) error { return txn.Delete(entry{s.bucket, s.stream, 1, 1}.key()) })
	q.mu.Unlock()
	if b, _ := next(t, q, protocol.LaneBackfill); b != nil {
		t.Errorf("%+v", b)
	}
	if st := q.Stats(); st.Entries != 0 || st.Bytes != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAfterCloseNothingIsTaken(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	if err := errors.Join(q.Close(), q.Close()); err != nil {
		t.Fatal(err)
	}
	if err := q.Append(synced(0), []protocol.Observation{numeric(0, 1)}); !errors.Is(err, ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if _, _, err := q.Next(protocol.LaneLive, 1, t0); !errors.Is(err, ErrClosed) {
		t.Errorf("Next: %v", err)
	}
	if err := q.Ack(protocol.Ack{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Ack: %v", err)
	}
	q.Stats()
}

func Test32BitIsRefused(t *testing.T) {
	if checkIntSize(64) != nil || checkIntSize(32) == nil {
		t.Error("want 32 refused, 64 taken")
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	for key, spoil := range map[string]func(*Config){
		"queue.dir":            func(c *Config) { c.Dir = "" },
		"queue.max_bytes":      func(c *Config) { c.MaxBytes = 0 },
		"queue.max_age":        func(c *Config) { c.MaxAge = 0 },
		"queue.min_free_bytes": func(c *Config) { c.MinFreeBytes = 0 },
		"queue.sync_interval":  func(c *Config) { c.SyncInterval = time.Hour },
	} {
		c := Default()
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: error %v", key, err)
		}
	}
}
