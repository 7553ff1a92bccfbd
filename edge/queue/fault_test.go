package queue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"monitorme/protocol"
)

// The test binary plays the process that is killed, or that opens a damaged
// queue, when childEnv names what to do.
const (
	childEnv = "MONITORME_QUEUE_TEST_CHILD"
	dirEnv   = "MONITORME_QUEUE_TEST_DIR"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "append":
		childAppend()
	case "open":
		childOpen()
	case "fill":
		childFill()
	}
}

func child(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+what, dirEnv+"="+dir)
	return cmd
}

func childQueue() *Queue {
	q, err := Open(testConfig(os.Getenv(dirEnv)), testBox, discard, nil)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	return q
}

// childAppend appends for ever, and says on each line what is safe: the numbers
// of the last numeric and the last wave. Now and then it says that it
// acknowledges all numerics, or all but the last, and does.
func childAppend() {
	cfg := testConfig(os.Getenv(dirEnv))
	cfg.SyncInterval = 10 * time.Millisecond
	q, err := Open(cfg, testBox, discard, nil)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	q.bucketBytes = 30_000 // many buckets
	go q.Run(context.Background())
	fmt.Println("epoch", q.Epoch(), q.meta.next[protocol.StreamNumeric])
	for at := time.Duration(0); ; at += time.Millisecond {
		err := q.Append(synced(at), []protocol.Observation{numeric(at, int64(at)), numeric(at, 2), wave(at, 100)})
		last := q.meta.next[protocol.StreamNumeric] - 1
		fmt.Println("safe", last, q.meta.next[protocol.StreamWave]-1)
		if err == nil && rand.IntN(20) == 0 {
			last -= 2 * rand.Uint64N(2)
			fmt.Println("acked", last)
			err = errors.Join(q.Ack(names(protocol.StreamNumeric, span{q.Epoch(), 1, last})), q.Sync())
		}
		if err != nil {
			fmt.Println("error", err)
			os.Exit(3)
		}
	}
}

func TestAKilledProcessLosesNothingAndDoublesNothing(t *testing.T) {
	dir := t.TempDir()
	safe, waves, acked, epoch := uint64(0), uint64(0), uint64(0), ""
	for round := range 12 {
		cmd := child(t, "append", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stop := 50 + rand.IntN(3000)
		for n := 0; lines.Scan(); n++ {
			f := strings.Fields(lines.Text())
			switch f[0] {
			case "error":
				t.Error(lines.Text())
			case "epoch":
				next, _ := strconv.ParseUint(f[2], 10, 64)
				if next <= safe {
					t.Errorf("round %d: numbers begin again at %d, %d was safe", round, next, safe)
				}
				if epoch != "" && epoch != f[1] {
					t.Errorf("round %d: a killed process began a new epoch", round)
				}
				epoch = f[1]
			case "safe":
				safe, _ = strconv.ParseUint(f[1], 10, 64)
				waves, _ = strconv.ParseUint(f[2], 10, 64)
			case "acked":
				acked, _ = strconv.ParseUint(f[1], 10, 64)
			}
			if n == stop {
				cmd.Process.Kill() // what it says after this counts too
			}
		}
		cmd.Wait()
	}
	q := openTest(t, testConfig(dir))
	got := drain(t, q)
	for i, seq := range got[protocol.StreamWave] {
		if seq != uint64(i+1) {
			t.Fatalf("wave %d has number %d", i, seq)
		}
	}
	if n := uint64(len(got[protocol.StreamWave])); n < waves || n > waves+1 {
		t.Errorf("%d waves, %d were safe", n, waves)
	}
	// What was acknowledged may come again if the process died soon after.
	numerics := got[protocol.StreamNumeric]
	again := 0
	for ; again < len(numerics) && numerics[again] <= acked; again++ {
	}
	for i, seq := range numerics[again:] {
		if seq != acked+uint64(i)+1 {
			t.Fatalf("numeric %d comes, want %d", seq, acked+uint64(i)+1)
		}
	}
	if n := acked + uint64(len(numerics)-again); n < safe || n > safe+2 {
		t.Errorf("numerics up to %d, %d were safe", n, safe)
	}
	if again > 2000 {
		t.Errorf("%d numerics come again although they were acknowledged", again)
	}
	t.Logf("%d numerics, %d waves, %d acknowledged ones come again", safe, waves, again)
}

// childOpen opens what is there, appends one reading, drains and closes.
func childOpen() {
	q := childQueue()
	_, moved := q.Recovered()
	if err := q.Append(synced(0), []protocol.Observation{numeric(0, 1)}); err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	n := 0
	for {
		payload, ack, err := q.Next(protocol.LaneBackfill, 64<<10, t0)
		if err != nil {
			fmt.Println("error", err)
			os.Exit(3)
		}
		if payload == nil {
			break
		}
		n += int(ack.Committed[0].Last - ack.Committed[0].First + 1)
		q.Release(ack) // leave it for the next
		q.Ack(ack)
	}
	if err := q.Close(); err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	fmt.Println("ok", moved, n)
}

// A queue that is damaged anywhere opens or is set aside, within few starts:
// the database may kill the process where no error can be caught.
func TestATruncatedOrGarbledQueueOpensOrIsSetAside(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a hundred processes")
	}
	sound := t.TempDir()
	q := openTest(t, testConfig(sound))
	for i := range 6000 {
		at := time.Duration(i) * time.Millisecond
		mustAppend(t, q, at, numeric(at, 1), wave(at, 400))
		if i == 3000 {
			q = reopen(t, q)
		}
	}
	crash(t, q)
	rng := rand.New(rand.NewPCG(1, 2))
	outcome := map[string]int{}
	for range 50 {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(sound)); err != nil {
			t.Fatal(err)
		}
		what := damage(t, rng, filepath.Join(dir, "db"))
		for start := 1; ; start++ {
			out, err := child(t, "open", dir).CombinedOutput()
			said := strings.TrimSpace(string(out))
			if i := strings.LastIndex(said, "\n"); i >= 0 {
				said = said[i+1:]
			}
			if err == nil && strings.HasPrefix(said, "ok ") {
				outcome[fmt.Sprintf("set aside %s, starts %d", strings.Fields(said)[1], start)]++
				break
			}
			if start == 6 {
				t.Errorf("%s: does not open after %d starts: %v: %s", what, start, err, out)
				break
			}
		}
		os.RemoveAll(dir)
	}
	t.Log(outcome)
}

// damage cuts, overwrites or flips a part of a random file.
func damage(t *testing.T, rng *rand.Rand, dir string) string {
	t.Helper()
	var files []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if info, err := d.Info(); err == nil && !d.IsDir() && info.Size() > 0 {
			files = append(files, path)
		}
		return nil
	})
	path := files[rng.IntN(len(files))]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := rng.IntN(len(b))
	how := rng.IntN(3)
	switch how {
	case 0:
		b = b[:at]
	case 1:
		for i := at; i < min(at+4096, len(b)); i++ {
			b[i] = byte(rng.Uint32())
		}
	case 2:
		b[at] ^= 1 << rng.IntN(8)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s: %s at %d of %d", filepath.Base(path), [...]string{"cut", "garbled", "one bit flipped"}[how], at, len(b))
}

// childFill appends until it is refused, keeps on for a while, and stops.
func childFill() {
	q := childQueue()
	go q.Run(context.Background())
	refused, stored := 0, 0
	rng := rand.New(rand.NewPCG(3, 4))
	for at := time.Duration(0); at < 60000*time.Millisecond; at += time.Millisecond {
		err := q.Append(synced(at), []protocol.Observation{event(at, randomText(rng)), wave(at, 1000)})
		switch {
		case errors.Is(err, ErrFull):
			refused++
		case err != nil:
			fmt.Println("error", err)
			os.Exit(3)
		default:
			stored++
		}
	}
	start := time.Now()
	if err := q.Close(); err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	fmt.Println("ok", stored, refused, time.Since(start))
}

// randomText is 1000 characters that hardly compress.
func randomText(rng *rand.Rand) string {
	b := make([]byte, 1000)
	for i := range b {
		b[i] = byte(' ' + rng.IntN(95))
	}
	return string(b)
}

func TestAFullDiskIsRefusedNotFatal(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128m"); err != nil {
		t.Skipf("cannot mount a small file system here: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	for round := range 2 { // the second opens a full disk
		out, err := child(t, "fill", dir).CombinedOutput()
		if err != nil {
			t.Fatalf("round %d: %v: %.3000s", round, err, out)
		}
		f := strings.Fields(string(out))
		if f[0] != "ok" || f[2] == "0" {
			t.Errorf("round %d: %s; want some refused", round, out)
		}
		t.Logf("round %d: stored %s, refused %s, closed in %s", round, f[1], f[2], f[3])
	}
	// Others fill the rest: the queue must neither open nor die.
	os.Remove(ballastPath(dir))
	f, err := os.Create(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for _, err = f.Write(block); err == nil; _, err = f.Write(block) {
	}
	f.Close()
	if _, err := Open(testConfig(dir), testBox, discard, nil); !errors.Is(err, ErrFull) {
		t.Errorf("error %v, want ErrFull", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	q := openTest(t, testConfig(dir))
	if _, moved := q.Recovered(); moved {
		t.Error("a full disk had the queue moved aside")
	}
	if q.Stats().Entries == 0 {
		t.Error("nothing is left")
	}
	q.Close()
}

func TestALongBacklogNeedsNoMoreMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes half a million entries")
	}
	q := openTest(t, testConfig(t.TempDir()))
	const entries = 500_000
	// The database's pools are bounded, and shrink when it is idle.
	heap := func(limit uint64) uint64 {
		for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if m.HeapAlloc <= limit || time.Since(start) > time.Minute {
				return m.HeapAlloc
			}
		}
	}
	const limit = 40 << 20
	fill := func(from, to int) {
		var groups []group
		for i := from; i < to; i++ { // one entry each, several to a commit: as 28 hours of readings
			at := time.Duration(i) * 200 * time.Millisecond
			groups = append(groups, group{stream: protocol.StreamNumeric, clock: protocol.ClockSynced, guess: 64, obs: []protocol.Observation{numeric(at, int64(i))}})
			if len(groups) == 500 {
				q.mu.Lock()
				if err := q.store(synced(at), groups); err != nil {
					t.Fatal(err)
				}
				q.mu.Unlock()
				groups = groups[:0]
			}
		}
	}
	fill(0, 50_000)
	before := heap(limit)
	fill(50_000, entries)
	after := heap(limit)
	if after > limit {
		t.Errorf("heap of %d bytes, then %d with the backlog", before, after)
	}
	if s := q.Stats(); s.Entries != entries {
		t.Fatalf("%d entries", s.Entries)
	}
	start := time.Now()
	q = reopen(t, q)
	opened := time.Since(start)
	if s := q.Stats(); s.Entries != entries {
		t.Fatalf("%d entries after a stop", s.Entries)
	}
	start = time.Now()
	want := uint64(1)
	q.age()
	messages := 0
	for b, ack := next(t, q, protocol.LaneBackfill); b != nil; b, ack = next(t, q, protocol.LaneBackfill) {
		if b.FirstSeq != want {
			t.Fatalf("%d comes, want %d", b.FirstSeq, want)
		}
		want = b.LastSeq() + 1
		messages++
		if err := q.Ack(ack); err != nil {
			t.Fatal(err)
		}
	}
	if want != entries+1 {
		t.Errorf("%d readings came, want %d", want-1, entries)
	}
	drained := time.Since(start)
	done := heap(limit)
	if done > limit {
		t.Errorf("heap of %d bytes after the drain", done)
	}
	t.Logf("heap %d KiB, with the backlog %d, after the drain %d; close and open %v; drained in %v, %d messages", before>>10, after>>10, done>>10, opened, drained, messages)
}

func TestTheSpaceOfADrainedBacklogIsGivenBack(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 150 MB")
	}
	q := openTest(t, testConfig(t.TempDir()))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 1500 {
		var groups []group
		for range 100 {
			groups = append(groups, group{stream: protocol.StreamEvent, clock: protocol.ClockSynced, guess: 1100,
				obs: []protocol.Observation{event(time.Duration(i)*time.Second, randomText(rng))}})
		}
		q.mu.Lock()
		err := q.store(synced(0), groups)
		q.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	full := usedBytes(q.dbDir())
	if n := len(drain(t, q)[protocol.StreamEvent]); n != 150_000 {
		t.Errorf("%d events came", n)
	}
	drained := usedBytes(q.dbDir())
	if err := q.reclaim(); err != nil {
		t.Fatal(err)
	}
	used := usedBytes(q.dbDir())
	if used > reclaimSlack {
		t.Errorf("%d bytes are used for nothing, want at most %d", used, reclaimSlack)
	}
	t.Logf("disk: full %d MiB, drained %d MiB, reclaimed %d MiB", full>>20, drained>>20, used>>20)
}
