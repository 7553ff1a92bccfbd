package queue

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

var (
	t0      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	testBox = Identity{Box: "box-1", Boot: 77}
	discard = slog.New(slog.DiscardHandler)
)

func testConfig(dir string) Config {
	c := Default()
	c.Dir, c.MinFreeBytes = dir, 8<<20
	return c
}

func openTest(t testing.TB, cfg Config) *Queue {
	t.Helper()
	q, err := Open(cfg, testBox, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func reopen(t testing.TB, q *Queue) *Queue {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, q.cfg)
}

func synced(at time.Duration) Stamp {
	return Stamp{Wall: t0.Add(at), Mono: time.Hour + at, Quality: protocol.ClockSynced}
}

func numeric(at time.Duration, v int64) protocol.Observation {
	return protocol.Observation{Device: "monitor", Code: 2<<16 | 16770, Unit: "/min", Kind: protocol.KindNumeric,
		Quality: protocol.QualityGood, At: t0.Add(at), Clock: protocol.ClockSynced, Value: protocol.Int(v)}
}

func event(at time.Duration, text string) protocol.Observation {
	return protocol.Observation{Device: "monitor", Code: 3<<16 | 500, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
		At: t0.Add(at), Clock: protocol.ClockSynced, Event: &protocol.Event{Phase: protocol.PhaseStart, Text: text}}
}

func wave(at time.Duration, n int) protocol.Observation {
	raw := make([]int32, n)
	for i := range raw {
		raw[i] = int32((i*7919 + int(at)) % 1000)
	}
	return protocol.Observation{Device: "monitor", Code: 2<<16 | 256, Unit: "mV", Kind: protocol.KindSamples, Quality: protocol.QualityGood,
		At: t0.Add(at), Clock: protocol.ClockSynced,
		Samples: &protocol.Samples{RateMilliHz: 250_000, Scale: protocol.Dec(5, -3), Raw: raw}}
}

func mustAppend(t testing.TB, q *Queue, at time.Duration, obs ...protocol.Observation) {
	t.Helper()
	if err := q.Append(synced(at), obs); err != nil {
		t.Fatal(err)
	}
}

// age makes all fresh entries backlog.
func (q *Queue) age() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.logs[1:] {
		for i := range l.ring {
			l.ring[i].at = l.ring[i].at.Add(-FreshFor)
		}
	}
}

// next takes one message of a lane, decoded; nil if there is none.
func next(t testing.TB, q *Queue, lane protocol.Lane) (*protocol.Batch, protocol.Ack) {
	t.Helper()
	payload, ack, err := q.Next(lane, 128<<10, t0)
	if err != nil {
		t.Fatal(err)
	}
	if payload == nil {
		return nil, ack
	}
	b, err := protocol.DecodeBatch(payload)
	if err != nil {
		t.Fatal(err)
	}
	if len(ack.Committed) != 1 || ack.Epoch != b.Epoch || ack.Committed[0].Stream != b.Stream ||
		ack.Committed[0].First != b.FirstSeq || ack.Committed[0].Last != b.LastSeq() {
		t.Fatalf("names %+v, batch of epoch %d stream %d %d to %d", ack, b.Epoch, b.Stream, b.FirstSeq, b.LastSeq())
	}
	return b, ack
}

// drain takes and acknowledges the whole backlog, and gives the number of each
// reading by stream in the order in which they came.
func drain(t testing.TB, q *Queue) map[protocol.Stream][]uint64 {
	t.Helper()
	q.age()
	got := map[protocol.Stream][]uint64{}
	for {
		b, ack := next(t, q, protocol.LaneBackfill)
		if b == nil {
			return got
		}
		for i := range b.Observations {
			got[b.Stream] = append(got[b.Stream], b.FirstSeq+uint64(i))
		}
		if err := q.Ack(ack); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFreshIsGivenNewestFirstEventsBeforeNumericsWavesApart(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(0, 60), wave(0, 50), numeric(0, 61))
	mustAppend(t, q, 1, event(1, "asystole"))
	mustAppend(t, q, 2, numeric(2, 62))
	var got []string
	for _, lane := range []protocol.Lane{protocol.LaneLive, protocol.LaneLive, protocol.LaneLive, protocol.LaneWave} {
		b, _ := next(t, q, lane)
		if b == nil {
			t.Fatalf("nothing on %s after %v", lane, got)
		}
		got = append(got, fmt.Sprintf("%d:%d+%d", b.Stream, b.FirstSeq, len(b.Observations)))
		if b.Box != "box-1" || b.Boot != 77 || b.Epoch != q.Epoch() || b.Clock != protocol.ClockSynced || !b.Sent.Equal(t0) {
			t.Errorf("batch %+v", b)
		}
	}
	if want := "1:1+1 2:3+1 2:1+2 3:1+1"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	for _, lane := range []protocol.Lane{protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill} {
		if b, _ := next(t, q, lane); b != nil {
			t.Errorf("%s gives %+v again", lane, b)
		}
	}
}

func TestAReadingIsKeptExactly(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(3*time.Microsecond, 61))
	b, _ := next(t, q, protocol.LaneLive)
	o := b.Observations[0]
	if o.Value != protocol.Int(61) || !o.At.Equal(t0.Add(3*time.Microsecond)) || o.Device != "monitor" || o.Quality != protocol.QualityGood {
		t.Errorf("got %+v", o)
	}
}

func TestBacklogIsMergedOldestFirst(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	for i := range 500 {
		at := time.Duration(i) * time.Second
		mustAppend(t, q, at, numeric(at, int64(i)), wave(at, 20))
	}
	mustAppend(t, q, 501*time.Second, event(501*time.Second, "x"))
	q.age()
	b, _ := next(t, q, protocol.LaneBackfill)
	if b.Stream != protocol.StreamEvent {
		t.Errorf("first comes stream %d, want events", b.Stream)
	}
	b, _ = next(t, q, protocol.LaneBackfill)
	if b.Stream != protocol.StreamNumeric || b.FirstSeq != 1 || len(b.Observations) != 500 {
		t.Fatalf("stream %d from %d, %d readings; want all 500 numerics in one message", b.Stream, b.FirstSeq, len(b.Observations))
	}
	for i, o := range b.Observations {
		if o.Value != protocol.Int(int64(i)) || !o.At.Equal(t0.Add(time.Duration(i)*time.Second)) {
			t.Fatalf("reading %d is %+v", i, o)
		}
	}
}

func TestClaimsAreGivenBackAndComeAgain(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(0, 1))
	mustAppend(t, q, 1, numeric(1, 2))
	_, ack2 := next(t, q, protocol.LaneLive)
	_, ack1 := next(t, q, protocol.LaneLive)
	q.Release(ack2)
	if b, _ := next(t, q, protocol.LaneLive); b == nil || b.FirstSeq != 2 {
		t.Errorf("released fresh entry: %+v", b)
	}
	q.age()
	if b, _ := next(t, q, protocol.LaneBackfill); b != nil {
		t.Errorf("a claimed entry comes on backfill: %+v", b)
	}
	q.Release(ack1)
	if b, _ := next(t, q, protocol.LaneBackfill); b == nil || b.FirstSeq != 1 || len(b.Observations) != 1 {
		t.Errorf("released old entry: %+v", b)
	}
}

func TestOnlyWhatIsCommittedIsDeleted(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	mustAppend(t, q, 0, numeric(0, 1), numeric(time.Second, 2), numeric(2*time.Second, 3)) // 1 to 3, one entry
	mustAppend(t, q, 3*time.Second, numeric(3*time.Second, 4))
	ack := func(epoch, first, last uint64) {
		t.Helper()
		if err := q.Ack(names(protocol.StreamNumeric, span{epoch, first, last})); err != nil {
			t.Fatal(err)
		}
	}
	ack(q.Epoch()+1, 1, 4) // of another epoch
	ack(q.Epoch(), 5, 100) // not there
	ack(q.Epoch(), 1, 2)   // a part
	if s := q.Stats(); s.Entries != 2 {
		t.Fatalf("%d entries, want 2", s.Entries)
	}
	ack(q.Epoch(), 3, 3) // the rest
	s := q.Stats()
	if s.Entries != 1 || !s.Oldest.Equal(t0.Add(3*time.Second)) {
		t.Fatalf("%+v, want the entry of number 4", s)
	}
	ack(q.Epoch(), 1, 4)
	if s := q.Stats(); s.Entries != 0 || s.Bytes != 0 || !s.Oldest.IsZero() || s.Acked != 4 {
		t.Errorf("%+v, want nothing", s)
	}
}

// crash leaves the database as a killed process would, with what was not synced
// or flushed to records by the queue left out.
func TestTimesOfThisBootAreCorrectedOnceTheClockIsKnown(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	wrong := t0.Add(-1000 * time.Hour)
	early := numeric(0, 1)
	early.At, early.Clock = wrong, protocol.ClockUncertain
	if err := q.Append(Stamp{Wall: wrong, Mono: 10 * time.Second, Quality: protocol.ClockUncertain}, []protocol.Observation{early}); err != nil {
		t.Fatal(err)
	}
	b, ack := next(t, q, protocol.LaneLive)
	if b.Clock != protocol.ClockUncertain || !b.Observations[0].At.Equal(wrong) {
		t.Errorf("before: clock %d at %v", b.Clock, b.Observations[0].At)
	}
	q.Release(ack)
	if err := q.Append(Stamp{Wall: t0, Mono: 70 * time.Second, Quality: protocol.ClockSynced}, []protocol.Observation{numeric(0, 2)}); err != nil {
		t.Fatal(err)
	}
	q.age()
	b, ack = next(t, q, protocol.LaneBackfill)
	if b.Clock != protocol.ClockCorrected || !b.Observations[0].At.Equal(t0.Add(-time.Minute)) || len(b.Observations) != 1 {
		t.Errorf("after: clock %d at %v, %d readings", b.Clock, b.Observations[0].At, len(b.Observations))
	}
	q.Release(ack)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	later, err := Open(q.cfg, Identity{Box: "box-1", Boot: 78}, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	if err := later.Append(Stamp{Wall: t0.Add(time.Hour), Mono: 1, Quality: protocol.ClockSynced}, []protocol.Observation{numeric(time.Hour, 3)}); err != nil {
		t.Fatal(err)
	}
	b, _ = next(t, later, protocol.LaneBackfill)
	if b.Clock != protocol.ClockUncertain || !b.Observations[0].At.Equal(wrong) || b.Boot != 77 {
		t.Errorf("in a later boot: clock %d at %v", b.Clock, b.Observations[0].At)
	}
}

func TestAnUndecodableEntryIsQuarantinedAndItsNeighboursGoOn(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	for i := range 3 {
		mustAppend(t, q, time.Duration(i), numeric(time.Duration(i), int64(i)))
	}
	q.mu.Lock()
	e := q.logs[protocol.StreamNumeric].ring[1].entry
	q.put(entryVersion, badger.NewEntry(e.key(), []byte("rubbish")))
	q.mu.Unlock()
	got := drain(t, q)
	if fmt.Sprint(got) != "map[numeric:[1 3]]" {
		t.Errorf("got %v", got)
	}
	if s := q.Stats(); s.Quarantined != 1 || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
	key := e.key()
	key[0] = prefixQuarantine
	if err := q.db.View(func(txn *badger.Txn) error { _, err := txn.Get(key); return err }); err != nil {
		t.Errorf("not in quarantine: %v", err)
	}
}

func TestAReadingThatProtocolRefusesDoesNotSpoilItsNeighbours(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	bad := numeric(0, 2)
	bad.At = time.Time{}
	mustAppend(t, q, 0, numeric(0, 1), bad, numeric(0, 3))
	if b, _ := next(t, q, protocol.LaneLive); len(b.Observations) != 2 || b.FirstSeq != 1 {
		t.Errorf("%+v", b)
	}
	if s := q.Stats(); s.Rejected != 1 || s.Appended != 2 {
		t.Errorf("%+v", s)
	}
}

func TestALargeGroupIsSplit(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	obs := make([]protocol.Observation, 0, 3200)
	for i := range 3000 {
		obs = append(obs, numeric(time.Duration(i)*time.Millisecond, int64(i)))
	}
	for i := range 200 {
		obs = append(obs, wave(time.Duration(i)*time.Second, 4000))
	}
	mustAppend(t, q, 0, obs...)
	got := drain(t, q)
	for s, n := range map[protocol.Stream]int{protocol.StreamNumeric: 3000, protocol.StreamWave: 200} {
		if len(got[s]) != n {
			t.Errorf("stream %d: %d readings, want %d", s, len(got[s]), n)
		}
		for i, seq := range got[s] {
			if seq != uint64(i+1) {
				t.Fatalf("stream %d: reading %d has number %d", s, i, seq)
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	q, err := Open(testConfig(t.TempDir()), testBox, discard, reg)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	mustAppend(t, q, 0, numeric(0, 1))
	got, err := reg.Gather()
	if err != nil || len(got) != 11 {
		t.Errorf("%d families, %v", len(got), err)
	}
	q.Close()
	if q, err = Open(q.cfg, testBox, discard, reg); err != nil {
		t.Fatalf("opened again with the same registry: %v", err)
	}
	q.Close()
}
