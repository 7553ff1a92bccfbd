package embedded

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"

	"github.com/dgraph-io/badger/v4"
	"github.com/prometheus/client_golang/prometheus"
)

var ctx = context.Background()

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func heartRate(i int) protocol.Observation {
	return protocol.Observation{Device: "monitor", Code: protocol.HeartRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood,
		At: start.Add(time.Duration(i) * 500 * time.Millisecond), Value: protocol.Int(int64(i))}
}

func waveAt(at time.Time) protocol.Observation {
	return protocol.Observation{Device: "monitor", Code: protocol.ECGLeadII, Unit: "mV", Kind: protocol.KindSamples, Quality: protocol.QualityGood, At: at,
		Samples: &protocol.Samples{RateMilliHz: 100_000, Scale: protocol.Int(1), Raw: make([]int32, 100)}}
}

var heartKey = series.Key{Box: "box", Device: "monitor", Code: protocol.HeartRate}

func mustAppend(t *testing.T, s *Store, obs ...protocol.Observation) {
	t.Helper()
	if err := s.Append(ctx, "box", obs); err != nil {
		t.Fatal(err)
	}
}

// values are the mantissas of all heart rates.
func values(t *testing.T, s *Store) []int64 {
	t.Helper()
	var got []int64
	if err := s.Points(ctx, heartKey, series.MinTime, series.MaxTime, func(p *series.Point) bool { got = append(got, p.Value.Mantissa); return true }); err != nil {
		t.Fatal(err)
	}
	return got
}

func journalFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "readings-*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestARecordCutShortByAPowerCutIsNotMissed(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	for i := range 3 {
		mustAppend(t, s, heartRate(i))
	}
	s.Close()
	file := journalFiles(t, dir)[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndex(b, recordMagic)
	for cut := last; cut < len(b); cut++ {
		if err := os.WriteFile(file, b[:cut], 0o640); err != nil {
			t.Fatal(err)
		}
		s := openAt(t, dir)
		if got := values(t, s); len(got) != 2 {
			t.Fatalf("cut at %d of %d: %v, want the first two", cut, len(b), got)
		}
		s.Close()
	}
	s = openAt(t, dir)
	mustAppend(t, s, heartRate(3))
	sealAll(t, s)
	if files := journalFiles(t, dir); len(files) != 0 {
		t.Errorf("journal after sealing: %v, want none", files)
	}
	if got := values(t, s); len(got) != 3 {
		t.Errorf("%v, want three", got)
	}
}

func TestADamagedJournalGivesWhatIsIntactAndIsKept(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	for i := range 5 {
		mustAppend(t, s, heartRate(i))
	}
	s.Close()
	file := journalFiles(t, dir)[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	third := len(b) * 5 / 8 // in the second half, the first record defines the series
	b[third] ^= 0x10
	if err := os.WriteFile(file, b, 0o640); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cfg := Default()
	cfg.Dir, cfg.MinFreeBytes = dir, 64<<20
	s, err = Open(cfg, slog.New(slog.NewTextHandler(&log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := values(t, s); len(got) != 4 {
		t.Errorf("%v, want four of five", got)
	}
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log says %q, want an error", log.String())
	}
	sealAll(t, s)
	if files := journalFiles(t, dir); len(files) != 1 || !strings.HasSuffix(files[0], ".damaged") {
		t.Errorf("files %v, want the damaged one set aside", files)
	}
	s.Close()
	s = openAt(t, dir)
	mustAppend(t, s, heartRate(5))
	if files := journalFiles(t, dir); len(files) != 2 || filepath.Base(files[0])+".damaged" == filepath.Base(files[1]) {
		t.Errorf("files %v: a name is used again", files)
	}
}

func TestAChunkThatCannotBeReadIsSetAsideAndSealingGoesOn(t *testing.T) {
	s := openAt(t, t.TempDir())
	mustAppend(t, s, heartRate(0))
	sealAll(t, s)
	key := s.readings.chunkKey(s.readings.windowOf(start.UnixMicro()), 1)
	if err := s.db.Update(func(txn *badger.Txn) error { return txn.Set(key, []byte("rubbish")) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Points(ctx, heartKey, series.MinTime, series.MaxTime, func(*series.Point) bool { return true }); err == nil {
		t.Error("a damaged chunk was read without an error")
	}
	mustAppend(t, s, heartRate(1))
	sealAll(t, s)
	if got := values(t, s); len(got) != 1 || got[0] != 1 {
		t.Errorf("%v, want what came after", got)
	}
	err := s.db.View(func(txn *badger.Txn) error { _, err := txn.Get(append([]byte{tagAside}, key...)); return err })
	if err != nil {
		t.Errorf("the damaged chunk is gone: %v", err)
	}
}

func TestANearlyFullDiskTurnsReadingsAwayAndRecovers(t *testing.T) {
	s := openAt(t, t.TempDir())
	free := int64(0)
	s.freeBytes = func() (int64, error) { return free, nil }
	free = s.cfg.MinFreeBytes - 1
	err := s.Append(ctx, "box", []protocol.Observation{heartRate(0)})
	if !errors.Is(err, series.ErrNoSpace) || errors.Is(err, series.ErrRefused) {
		t.Errorf("append on a full disk: %v, want a retryable %v", err, series.ErrNoSpace)
	}
	if err := s.Health(); !errors.Is(err, series.ErrNoSpace) {
		t.Errorf("health: %v", err)
	}
	free = s.cfg.MinFreeBytes * 3 / 2 // enough for numbers, not for waves
	mustAppend(t, s, heartRate(0))
	if err := s.Append(ctx, "box", []protocol.Observation{waveAt(start)}); !errors.Is(err, series.ErrNoSpace) {
		t.Errorf("wave: %v, want %v", err, series.ErrNoSpace)
	}
	free = s.cfg.MinFreeBytes * 2
	mustAppend(t, s, waveAt(start))
	if err := s.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
	if got := values(t, s); len(got) != 1 {
		t.Errorf("%v, want one", got)
	}
}

func TestAJournalThatCannotBeWrittenIsToldAndRecovers(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	mustAppend(t, s, heartRate(0))
	s.readings.journal.f.Close() // every write from here on fails
	if err := s.Append(ctx, "box", []protocol.Observation{heartRate(1)}); err == nil {
		t.Fatal("a write that failed was acknowledged")
	}
	if s.Health() == nil {
		t.Error("health says nothing")
	}
	mustAppend(t, s, heartRate(1), heartRate(2))
	if err := s.Health(); err != nil {
		t.Errorf("health after it works again: %v", err)
	}
	s.Close()
	if got := values(t, openAt(t, dir)); len(got) != 3 {
		t.Errorf("%v, want three", got)
	}
}

func TestMemoryIsBoundedWithoutRun(t *testing.T) {
	cfg := Default()
	cfg.Dir, cfg.MinFreeBytes, cfg.MaxUnsealedBytes = t.TempDir(), 64<<20, 1<<20
	s, err := Open(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const n = 120_000
	for i := 0; i < n; i += 4000 {
		obs := make([]protocol.Observation, 4000)
		for j := range obs {
			obs[j] = heartRate(i + j)
		}
		mustAppend(t, s, obs...)
		if b := s.readings.headBytes.Load(); b > cfg.MaxUnsealedBytes+4000*recBytes {
			t.Fatalf("%d bytes in memory, want at most %d and a batch", b, cfg.MaxUnsealedBytes)
		}
	}
	if got := values(t, s); len(got) != n {
		t.Errorf("%d readings, want %d", len(got), n)
	}
}

func TestRunSealsAndStops(t *testing.T) {
	cfg := Default()
	cfg.Dir, cfg.MinFreeBytes, cfg.MaxUnsealedBytes = t.TempDir(), 64<<20, 1<<20
	reg := prometheus.NewPedanticRegistry()
	s, err := Open(cfg, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	running, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- s.Run(running) }()
	obs := make([]protocol.Observation, 30_000) // more than half of what memory may hold
	for i := range obs {
		obs[i] = heartRate(i)
	}
	mustAppend(t, s, obs...)
	for deadline := time.Now().Add(30 * time.Second); s.readings.headBytes.Load() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Run did not seal within 30 s")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if got := values(t, s); len(got) != len(obs) {
		t.Errorf("%d readings, want %d", len(got), len(obs))
	}
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatCannotBeOpenedIsLeftAloneAndSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	mustAppend(t, s, heartRate(0))
	cfg := s.cfg
	if _, err := Open(cfg, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("opened twice")
	}
	s.Close()
	manifest := filepath.Join(dir, "chunks", "MANIFEST")
	if err := os.WriteFile(manifest, []byte("rubbish"), 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := Open(cfg, slog.New(slog.DiscardHandler), nil)
	if err == nil || !strings.Contains(err.Error(), "move the directory aside") || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one that says what to do", err)
	}
	if b, _ := os.ReadFile(manifest); string(b) != "rubbish" {
		t.Error("the store was changed")
	}
	if len(journalFiles(t, dir)) != 1 {
		t.Error("the journal was changed")
	}
}

func FuzzScanRecords(f *testing.F) {
	j := &journal{dir: f.TempDir(), name: "x"}
	for _, p := range []string{"one", "", "three"} {
		if _, err := j.append(func(b []byte) []byte { return append(b, p...) }); err != nil {
			f.Fatal(err)
		}
	}
	b, err := os.ReadFile(j.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(b[5:], b...))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		lost, _, err := scanRecords(b, func(p []byte) error { n += recordHead + len(p); return nil })
		if err != nil || lost+n != len(b) {
			t.Errorf("%d lost and %d read of %d bytes, %v", lost, n, len(b), err)
		}
	})
}

func TestCloseEndsLongCallsAndNestedOnes(t *testing.T) {
	s := openAt(t, t.TempDir())
	for i := range 5 {
		o := heartRate(0)
		o.At = o.At.Add(time.Duration(i) * time.Hour)
		mustAppend(t, s, o)
	}
	sealAll(t, s)
	done := make(chan error)
	n := 0
	err := s.Points(ctx, heartKey, series.MinTime, series.MaxTime, func(*series.Point) bool {
		if n++; n == 1 {
			go func() { done <- s.Close() }()
			for !s.closing() {
				time.Sleep(time.Millisecond)
			}
			if _, err := s.Keys(ctx, "box", series.MinTime, series.MaxTime); !errors.Is(err, series.ErrClosed) {
				t.Errorf("a call within a call during Close: %v, want %v", err, series.ErrClosed)
			}
		}
		return true
	})
	if !errors.Is(err, series.ErrClosed) || n != 1 {
		t.Errorf("%v after %d points, want %v after 1", err, n, series.ErrClosed)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestASealThatFailsIsReportedOnceAndMadeUpFor(t *testing.T) {
	var log bytes.Buffer
	cfg := Default()
	cfg.Dir, cfg.MinFreeBytes = t.TempDir(), 64<<20
	s, err := Open(cfg, slog.New(slog.NewTextHandler(&log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustAppend(t, s, heartRate(0))
	if err := s.db.Close(); err != nil { // the database is lost under the store
		t.Fatal(err)
	}
	trouble := ""
	for range 3 {
		if trouble = s.readings.sealNow(trouble); trouble == "" {
			t.Fatal("a seal without a database succeeded")
		}
	}
	if n := strings.Count(log.String(), "cannot seal"); n != 1 {
		t.Errorf("reported %d times, want once", n)
	}
	if s.Health() == nil {
		t.Error("health says nothing")
	}
	mustAppend(t, s, heartRate(1)) // goes on
	if s.db, err = badger.Open(badgerOptions(filepath.Join(cfg.Dir, "chunks"), slog.New(slog.DiscardHandler))); err != nil {
		t.Fatal(err)
	}
	if got := values(t, s); len(got) != 2 {
		t.Errorf("%v, want two", got)
	}
	for range 2 { // what was set aside, then the rest
		if trouble = s.readings.sealNow(trouble); trouble != "" {
			t.Fatal(trouble)
		}
	}
	if err := s.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
	if got, files := values(t, s), journalFiles(t, cfg.Dir); len(got) != 2 || len(files) != 0 {
		t.Errorf("%v and journal %v, want two and none", got, files)
	}
}
