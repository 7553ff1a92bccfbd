package queue

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"monitorme/protocol"
)

// ackAll acknowledges all numerics so far.
func ackAll(t testing.TB, q *Queue) {
	t.Helper()
	if err := q.Ack(names(protocol.StreamNumeric, span{q.Epoch(), 1, q.meta.next[protocol.StreamNumeric]})); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyAReadingThatTheCloudLacksHasToBeOnTheDiskWithinASyncInterval(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	now := q.synced
	q.now = func() time.Time { return now }
	appendAt := func(obs ...protocol.Observation) { mustAppend(t, q, now.Sub(q.opened), obs...) }
	want := func(what string, want time.Duration) {
		t.Helper()
		if got := q.untilSync(); got != want {
			t.Errorf("%s: a sync is due in %v, want %v", what, got, want)
		}
	}
	pass := func(d time.Duration) {
		t.Helper()
		now = now.Add(d)
		if err := q.syncDue(); err != nil {
			t.Fatal(err)
		}
	}
	want("nothing new", time.Second)
	appendAt(numeric(0, 1))
	pass(900 * time.Millisecond)
	want("one reading", 100*time.Millisecond)
	appendAt(numeric(1, 2))
	pass(100 * time.Millisecond)
	want("all synced", time.Second)

	appendAt(numeric(2, 3))
	pass(400 * time.Millisecond)
	appendAt(numeric(3, 4))
	if err := q.Ack(names(protocol.StreamNumeric, span{q.Epoch(), 3, 3})); err != nil {
		t.Fatal(err)
	}
	want("the older one acknowledged", time.Second)
	ackAll(t, q)
	want("both acknowledged", calmSync-400*time.Millisecond)
	pass(calmSync - time.Second)
	appendAt(numeric(4, 5), numeric(5, 6))
	if err := q.Ack(names(protocol.StreamNumeric, span{q.Epoch(), 5, 5})); err != nil {
		t.Fatal(err)
	}
	want("calm for long", 600*time.Millisecond)
	ackAll(t, q)
	pass(600 * time.Millisecond)
	if q.counts.syncs != 2 || q.dirty {
		t.Errorf("%d syncs, want one at a deadline and one in the calm", q.counts.syncs)
	}

	appendAt(numeric(6, 7))
	appendAt(numeric(7, 8))
	pass(500 * time.Millisecond)
	q.logs[protocol.StreamNumeric].trim(now.Add(FreshFor)) // out of memory before its sync
	want("no longer fresh", 500*time.Millisecond)
	if err := q.Sync(); err != nil {
		t.Fatal(err)
	}
	want("synced", time.Second)
}

// A deletion takes the place of its entry in the table in memory: if it did not
// do so any more, each reading would be written to a table on disk.
func TestWhatIsAcknowledgedSoonIsNeverWrittenToATable(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	rng := rand.New(rand.NewPCG(1, 2))
	const events = 12_000 // three tables full
	for i := range events {
		at := time.Duration(i) * time.Millisecond
		mustAppend(t, q, at, event(at, randomText(rng)))
		if i%50 == 0 {
			if err := q.Ack(names(protocol.StreamEvent, span{q.Epoch(), 1, uint64(i)})); err != nil {
				t.Fatal(err)
			}
			if err := q.flush(false); err != nil {
				t.Fatal(err)
			}
		}
	}
	q = reopen(t, q) // the last table too
	tables, err := filepath.Glob(filepath.Join(q.dbDir(), "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, name := range tables {
		if st, err := os.Stat(name); err == nil {
			size += st.Size()
		}
	}
	if size > events*1000/10 {
		t.Errorf("%d bytes in tables of %d acknowledged ones", size, events*1000)
	}
	if got := drain(t, q)[protocol.StreamEvent]; len(got) != 50 || got[0] != events-49 {
		t.Errorf("%d events are left, from %v; want the last 50", len(got), got)
	}
}

// Deletions reach entries in any table, and stay after any stop.
func TestADeletionHoldsWhereverItsEntryIs(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	for i := range 5 {
		at := time.Duration(i) * time.Second
		mustAppend(t, q, at, numeric(at, 1))
		q = reopen(t, q) // a table of its own
	}
	ackAll(t, q)
	if err := q.Sync(); err != nil {
		t.Fatal(err)
	}
	crash(t, q)
	for range 3 {
		q = openTest(t, q.cfg)
		mustAppend(t, q, time.Hour, event(time.Hour, "x"))
		if s := q.Stats(); s.Entries != 1 {
			t.Errorf("%d entries, want the event only", s.Entries)
		}
		if got := drain(t, q); len(got[protocol.StreamNumeric]) != 0 {
			t.Errorf("%v came back", got)
		}
		if err := q.db.Flatten(1); err != nil {
			t.Fatal(err)
		}
		q.Close()
	}
	q = openTest(t, q.cfg)
	mustAppend(t, q, time.Hour, numeric(time.Hour, 2))
	if got := drain(t, q)[protocol.StreamNumeric]; len(got) != 1 || got[0] != 6 {
		t.Errorf("numbers %v, want 6", got)
	}
}

func TestASegmentIsNotForgottenWhileTheDatabaseHasSomeOfIt(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	for i := range 3 {
		at := time.Duration(i) * time.Second
		mustAppend(t, q, at, numeric(at, 1))
	}
	q = reopen(t, q)
	l := q.logs[protocol.StreamNumeric]
	l.segs[0].entries, l.entries = 1, 1 // as if one had come twice, and another counted for it
	if err := q.Ack(names(protocol.StreamNumeric, span{q.Epoch(), 1, 1})); err != nil {
		t.Fatal(err)
	}
	if err := q.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, q)[protocol.StreamNumeric]; len(got) != 2 || got[0] != 2 {
		t.Errorf("%v came, want 2 and 3", got)
	}
	if s := q.Stats(); s.Entries != 0 || len(l.segs) != 0 {
		t.Errorf("%d entries, %d segments are left", s.Entries, len(l.segs))
	}
}

// A power cut leaves at worst what was there when the last sync began.
func TestAPowerCutCostsAtMostOneSyncIntervalOfWhatTheCloudLacks(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	now := q.synced
	q.now = func() time.Time { return now }
	rng := rand.New(rand.NewPCG(1, 2))
	var appended []time.Time // by number - 1
	acked := map[uint64]bool{}
	claimed := map[uint64]time.Time{} // when its acknowledgement comes
	disk := t.TempDir()
	syncs, cuts := q.counts.syncs, 0
	snapshot := func() {
		if err := errors.Join(os.RemoveAll(disk), os.CopyFS(disk, os.DirFS(q.cfg.Dir))); err != nil {
			t.Fatal(err)
		}
	}
	cut := func() {
		dir := t.TempDir()
		defer os.RemoveAll(dir)
		if err := os.CopyFS(dir, os.DirFS(disk)); err != nil {
			t.Fatal(err)
		}
		later, err := Open(testConfig(dir), Identity{Box: "box-1", Boot: testBox.Boot + 1}, discard, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer later.Close()
		if later.Epoch() == q.Epoch() {
			t.Error("the epoch goes on")
		}
		there := map[uint64]bool{}
		for _, seq := range drain(t, later)[protocol.StreamNumeric] {
			there[seq] = true
		}
		for i, at := range appended {
			if seq := uint64(i + 1); !there[seq] && !acked[seq] && now.Sub(at) > q.cfg.SyncInterval {
				t.Errorf("reading %d is lost %v after it was appended", seq, now.Sub(at))
			}
		}
	}
	snapshot()
	const step = 50 * time.Millisecond
	for range int(30 * time.Second / step) {
		now = now.Add(step)
		if err := q.syncDue(); err != nil {
			t.Fatal(err)
		}
		if q.counts.syncs > syncs {
			syncs = q.counts.syncs
			snapshot()
		}
		for seq, at := range claimed {
			if !at.After(now) {
				if err := q.Ack(names(protocol.StreamNumeric, span{q.Epoch(), seq, seq})); err != nil {
					t.Fatal(err)
				}
				acked[seq] = true
				delete(claimed, seq)
			}
		}
		if rng.IntN(3) == 0 {
			mustAppend(t, q, now.Sub(q.opened), numeric(now.Sub(q.opened), 1))
			appended = append(appended, now)
			if n := uint64(len(appended)); n%50 != 0 { // that one never
				claimed[n] = now.Add(time.Duration(rng.IntN(1100)) * time.Millisecond)
			}
		}
		if rng.IntN(60) == 0 {
			cuts++
			cut()
		}
	}
	if syncs < 4 || syncs > 25 || cuts == 0 {
		t.Errorf("%d syncs, %d power cuts in 30 s", syncs, cuts)
	}
	t.Logf("%d readings, %d acknowledged, %d syncs, %d power cuts", len(appended), len(acked), syncs, cuts)
}
