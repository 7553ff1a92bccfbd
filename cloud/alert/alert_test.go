package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/protocol"
	"monitorme/protocol/alarm"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sec(s float64) time.Time { return t0.Add(time.Duration(s * 1e9)) }

// A ward is an engine under a clock that the test moves, and its boxes.
type ward struct {
	t       testing.TB
	dir     string
	places  map[protocol.BoxID]live.Place
	e       *Engine
	mu      sync.Mutex
	clock   time.Time
	seq     map[protocol.BoxID]uint64
	sub     *Subscription
	flushes int
	stop    func()
}

func newWard(t testing.TB) *ward {
	w := &ward{t: t, dir: t.TempDir(), clock: t0, seq: map[protocol.BoxID]uint64{}, places: map[protocol.BoxID]live.Place{
		"box-1": {Unit: "icu", Bed: "icu-1", Label: "ICU 1"}, "box-2": {Unit: "ward", Bed: "w-2", Label: "W 2"}}}
	w.open(Default())
	return w
}

func (w *ward) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *ward) set(s float64) {
	w.mu.Lock()
	w.clock = sec(s)
	w.mu.Unlock()
}

// open opens the engine and starts only its log, so that the test ticks.
func (w *ward) open(cfg Config) {
	cfg.Dir = w.dir
	e, err := Open(w.t.Context(), cfg, Dependencies{Now: w.now, Locate: func(b protocol.BoxID) (live.Place, bool) {
		p, ok := w.places[b]
		return p, ok
	}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		w.t.Fatal(err)
	}
	w.e, w.sub = e, e.Subscribe(10_000)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); e.journal.run(stop) }()
	w.stop = sync.OnceFunc(func() { close(stop); <-done; e.Close() })
	w.t.Cleanup(w.stop)
}

// restart is a crash if clean is false: no state is saved before.
func (w *ward) restart(clean bool) {
	if clean {
		for _, b := range w.e.all() {
			b.mu.Lock()
			w.e.save(b, w.now())
			b.mu.Unlock()
		}
	}
	w.stop()
	w.open(Default())
}

func reading(code protocol.Code, at float64, value int64) protocol.Observation {
	unit := protocol.Unit("/min")
	if code == protocol.SpO2 {
		unit = "%"
	}
	return protocol.Observation{Device: "monitor", Code: code, Unit: unit, Kind: protocol.KindNumeric,
		Quality: protocol.QualityGood, At: sec(at), Value: protocol.Int(value)}
}

func (w *ward) delivery(box protocol.BoxID, obs ...protocol.Observation) live.Delivery {
	first := w.seq[box] + 1
	w.seq[box] += uint64(len(obs))
	last := obs[len(obs)-1].At
	return live.Delivery{Unit: "icu", Lane: protocol.LaneLive, Received: last, Batch: protocol.Batch{Box: box, Epoch: 1,
		Stream: protocol.StreamNumeric, FirstSeq: first, Base: obs[0].At, Sent: last, Observations: obs}}
}

// beats sends a heart rate twice a second in [from, to), with the clock.
func (w *ward) beats(box protocol.BoxID, from, to float64, rate int64) {
	for s := from; s < to; s += 0.5 {
		w.set(s)
		w.e.Observe(w.delivery(box, reading(protocol.HeartRate, s, rate)))
		w.e.tick()
	}
}

func (w *ward) standing() (out []string) {
	for _, r := range w.e.active(Filter{Hidden: true}) {
		out = append(out, short(r))
	}
	return out
}

func short(r Record) string {
	s := fmt.Sprintf("%s %s %s %s", r.Bed, r.Rule, r.Priority, r.State)
	if r.AcknowledgedBy != "" {
		s += " by " + r.AcknowledgedBy
	}
	return s
}

func (w *ward) told() (out []string) {
	for {
		select {
		case r := <-w.sub.C:
			out = append(out, short(r))
		default:
			return out
		}
	}
}

// eventually waits for what the log's goroutine does.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// flushed waits until all that was queued is written.
func (w *ward) flushed() {
	w.t.Helper()
	w.flushes++
	mark := fmt.Sprintf("flush-%d", w.flushes)
	w.e.journal.add(entry{box: protocol.BoxID(mark), state: []byte{}, at: w.now()})
	eventually(w.t, "log written", func() bool {
		var n int
		err := w.e.journal.rd.QueryRow("SELECT count(*) FROM snapshots WHERE box = ?", mark).Scan(&n)
		return err == nil && n == 1
	})
}

func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func TestAnAlarmIsRaisedToldLoggedAndAcknowledged(t *testing.T) {
	w := newWard(t)
	w.beats("box-1", 0, 12, 130)
	w.beats("box-2", 12, 13, 80)
	same(t, "told", w.told(), "icu-1 hr-high medium active")
	r := w.e.active(Filter{})[0]
	if r.CareUnit != "icu" || r.BedLabel != "ICU 1" || !r.Started.Equal(t0) || r.Rules != alarm.Default().Version() {
		t.Errorf("%+v", r)
	}
	for range 2 {
		if r, err := w.e.Acknowledge(t.Context(), r.ID, "anna", sec(20)); err != nil || r.AcknowledgedBy != "anna" {
			t.Fatal(r, err)
		}
	}
	if r, err := w.e.Acknowledge(t.Context(), r.ID, "bert", sec(21)); err != nil || r.AcknowledgedBy != "anna" || !r.AcknowledgedAt.Equal(sec(20)) {
		t.Error("the first user must stay", r, err)
	}
	same(t, "told once", w.told(), "icu-1 hr-high medium active by anna")
	w.beats("box-1", 12, 20, 80)
	same(t, "ended", w.told(), "icu-1 hr-high medium ended by anna")
	w.flushed()
	rs, err := w.e.History(t.Context(), Filter{Unit: "icu"}, t0, sec(100))
	if err != nil || len(rs) != 1 || rs[0].State != alarm.Ended {
		t.Fatal(rs, err)
	}
	var log []string
	rows, err := w.e.journal.rd.Query("SELECT what, who FROM transitions ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var what, who string
		if err := rows.Scan(&what, &who); err != nil {
			t.Fatal(err)
		}
		log = append(log, what+" "+who)
	}
	same(t, "transitions", log, "raised ", "acknowledged anna", "ended anna")
	if _, err := w.e.journal.wr.Exec("UPDATE transitions SET who = 'eve'"); err == nil {
		t.Error("a transition was changed")
	}
	for f, n := range map[Filter]int{{Unit: "ward"}: 0, {Bed: "icu-1"}: 1, {Box: "box-2"}: 0, {}: 1} {
		if rs, err := w.e.History(t.Context(), f, t0, sec(100)); err != nil || len(rs) != n {
			t.Errorf("%+v: %d records, %v", f, len(rs), err)
		}
	}
}

func TestAcknowledgingTheUnknownOrNamelessIsRefused(t *testing.T) {
	w := newWard(t)
	if _, err := w.e.Acknowledge(t.Context(), "no-such", "anna", t0); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := w.e.Acknowledge(t.Context(), "no-such", "", t0); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestARedeliveredBatchChangesNothing(t *testing.T) {
	w := newWard(t)
	var sent []live.Delivery
	for s := 0.0; s < 12; s += 0.5 {
		sent = append(sent, w.delivery("box-1", reading(protocol.HeartRate, s, 130)))
		w.e.Observe(sent[len(sent)-1])
	}
	w.told()
	for _, d := range sent {
		w.e.Observe(d)
		d.Lane = protocol.LaneBackfill
		w.e.Observe(d)
	}
	same(t, "told", w.told())
}

func TestAfterARestartAlarmsGoOnWithIDAndBeginning(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprintf("clean=%v", clean), func(t *testing.T) {
			w := newWard(t)
			for s := 0.0; s < 15; s += 0.5 {
				w.beats("box-1", s, s+0.5, 130)
				w.beats("box-2", s, s+0.5, map[bool]int64{true: 160, false: 80}[s < 8])
			}
			w.told()
			was := w.e.active(Filter{Hidden: true})
			w.e.Acknowledge(t.Context(), was[1].ID, "anna", sec(15))
			want := []string{"w-2 hr-extreme-high high latched", "icu-1 hr-high medium active by anna"}
			same(t, "before", w.standing(), want...)
			w.restart(clean)
			w.set(300)
			w.e.resume(w.now())
			w.e.tick()
			same(t, "after", w.standing(), want...)
			same(t, "nothing rings again", w.told())
			for s := 301.0; s < 310; s += 0.5 {
				w.beats("box-1", s, s+0.5, 130)
				w.beats("box-2", s, s+0.5, 80)
			}
			for i, r := range w.e.active(Filter{Hidden: true}) {
				if r.ID != was[i].ID || !r.Started.Equal(was[i].Started) || r.Bed != was[i].Bed {
					t.Errorf("%+v, was %+v", r, was[i])
				}
			}
			w.beats("box-1", 310, 316, 80)
			same(t, "ends", w.standing(), want[0])
			if _, err := w.e.Acknowledge(t.Context(), was[0].ID, "anna", sec(320)); err != nil {
				t.Error(err)
			}
			same(t, "reset", w.standing())
		})
	}
}

func TestACrashBetweenSnapshotAndLogBelievesTheLog(t *testing.T) {
	w := newWard(t)
	w.beats("box-1", 0, 12, 130) // a snapshot is taken at 10 s
	w.beats("box-1", 12, 19.5, 80)
	same(t, "ended", w.standing())
	b := w.e.box("box-1", "")
	b.mu.Lock()
	b.dirty, b.saved = true, 0
	b.mu.Unlock()
	w.restart(false)
	same(t, "still ended", w.standing())
	w.beats("box-1", 19.5, 40, 80)
	same(t, "nothing new", w.told())
}

func TestAnEndedOrMissedAlarmCanBeAcknowledgedAfterARestart(t *testing.T) {
	w := newWard(t)
	for s := 0.0; s < 12; s += 0.5 {
		d := w.delivery("box-1", reading(protocol.HeartRate, s, 130))
		d.Lane = protocol.LaneBackfill
		w.e.Observe(d)
	}
	same(t, "missed rings nothing, but is told", w.standing(), "icu-1 hr-high low latched")
	w.flushed()
	w.restart(true)
	same(t, "still told", w.standing(), "icu-1 hr-high low latched")
	rs, err := w.e.History(t.Context(), Filter{}, t0, sec(10))
	if err != nil || len(rs) != 2 || !rs[0].Missed || !rs[1].Missed {
		t.Fatal(rs, err)
	}
	for _, r := range rs {
		r, err := w.e.Acknowledge(t.Context(), r.ID, "anna", sec(100))
		if err != nil || r.AcknowledgedBy != "anna" || r.State != alarm.Ended {
			t.Fatal(r, err)
		}
		w.flushed()
		if r, err := w.e.journal.get(t.Context(), r.ID); err != nil || r.AcknowledgedBy != "anna" {
			t.Error(r, err)
		}
	}
	same(t, "seen", w.standing())
}

func TestAlertingGoesOnWithoutItsLogAndSaysSo(t *testing.T) {
	w := newWard(t)
	w.beats("box-1", 0, 1, 80)
	if ok, detail := w.e.Alive(); !ok {
		t.Fatal(detail)
	}
	w.e.journal.wr.Close()
	w.beats("box-1", 1, 14, 130)
	same(t, "told", w.told(), "icu-1 hr-high medium active")
	eventually(t, "Alive says so", func() bool { ok, detail := w.e.Alive(); return !ok && strings.Contains(detail, "log") })
	if _, err := w.e.Acknowledge(t.Context(), w.e.active(Filter{})[0].ID, "anna", sec(14)); err != nil {
		t.Error(err)
	}
}

func TestAFullLogQueueIsMadeGoodLater(t *testing.T) {
	w := newWard(t)
	w.stop() // the log stands still
	cfg := Default()
	cfg.Dir, cfg.Queue = t.TempDir(), 100
	w.dir = cfg.Dir
	e, err := Open(t.Context(), cfg, Dependencies{Now: w.now, Locate: func(protocol.BoxID) (live.Place, bool) { return live.Place{}, false }},
		slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	w.e = e
	for i := range 150 {
		box := protocol.BoxID(fmt.Sprintf("b%d", i))
		for s := 0.0; s < 12; s += 0.5 {
			w.e.Observe(w.delivery(box, reading(protocol.HeartRate, s, 130)))
		}
	}
	if e.journal.lost.Load() == 0 {
		t.Fatal("nothing was lost")
	}
	if n := len(e.active(Filter{})); n != 150 {
		t.Fatalf("%d alarms, want 150", n)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); e.journal.run(stop) }()
	defer func() { close(stop); <-done }()
	w.set(12)
	eventually(t, "every alarm in the log", func() bool {
		e.tick()
		rs, err := e.journal.standing(t.Context())
		return err == nil && len(rs) == 150
	})
}

func TestAPlacedBoxThatNeverReportedIsAnAlarm(t *testing.T) {
	w := newWard(t)
	w.e.Expect(t.Context(), []protocol.BoxID{"box-1"}, t0)
	for s := 0.0; s < 130; s++ {
		w.set(s)
		w.e.tick()
	}
	same(t, "told", w.told(), "icu-1 box-silent low active", "icu-1 box-silent medium active", "icu-1 box-silent high active")
	w.e.Expect(t.Context(), nil, sec(130))
	same(t, "taken away", w.told(), "icu-1 box-silent high ended")
}

func TestSilenceOfTheCloudIsNotThatOfTheBoxes(t *testing.T) {
	w := newWard(t)
	w.beats("box-1", 0, 5, 80)
	w.set(100)
	w.e.tick() // 95 s after the last
	same(t, "told", w.told())
	w.set(104)
	w.e.tick()
	w.set(108)
	w.e.tick()
	w.set(111)
	w.e.tick()
	same(t, "told", w.told(), "icu-1 box-silent low active")
	w.e.BoxState(protocol.BoxState{Box: "box-1"}, sec(112)) // last will
	same(t, "a will is no sign of life", w.standing(), "icu-1 box-silent low active")
	w.e.BoxState(protocol.BoxState{Box: "box-1", Online: true}, sec(113))
	w.e.BoxContact("box-1", sec(119))
	same(t, "back", w.standing())
}

func TestStopEndsMonitoringInAUsersName(t *testing.T) {
	w := newWard(t)
	w.beats("box-1", 0, 12, 130)
	w.told()
	if err := w.e.Stop(t.Context(), "box-1", "", sec(12)); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if err := w.e.Stop(t.Context(), "box-1", "anna", sec(12)); err != nil {
		t.Fatal(err)
	}
	same(t, "told", w.told(), "icu-1 hr-high medium ended by anna")
}

func TestASlowSubscriberIsCutOffNotWaitedFor(t *testing.T) {
	w := newWard(t)
	slow := w.e.Subscribe(1)
	for i := range 5 {
		w.beats(protocol.BoxID(fmt.Sprintf("b%d", i)), 0, 12, 130)
	}
	if _, ok := <-slow.C; !ok {
		t.Error("the first change is missing")
	}
	if _, ok := <-slow.C; ok {
		t.Error("not cut off")
	}
	slow.Close()
	if n := w.e.subs.cut.Load(); n != 1 {
		t.Errorf("%d cut", n)
	}
}

func TestUnitsHaveTheirOwnRulesAndABoxFollowsItsPlace(t *testing.T) {
	w := newWard(t)
	w.stop()
	cfg := Default()
	file := filepath.Join(t.TempDir(), "icu.yaml")
	if err := os.WriteFile(file, []byte("profile: icu\nrules:\n  - {id: hr-high, limit: 140}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.UnitRules = map[protocol.UnitID]string{"icu": file}
	w.open(cfg)
	w.beats("box-1", 0, 12, 130)
	w.beats("box-2", 0, 12, 130)
	same(t, "told", w.told(), "w-2 hr-high medium active")
	w.places["box-1"] = live.Place{Unit: "ward", Bed: "w-3", Label: "W 3"}
	w.e.Expect(t.Context(), []protocol.BoxID{"box-1", "box-2"}, sec(12))
	w.beats("box-1", 12, 23, 130)
	same(t, "told", w.told(), "w-3 hr-high medium active", "w-2 box-silent low active")
	cfg.UnitRules["icu"] = file + ".missing"
	if _, _, err := cfg.LoadRules(); err == nil {
		t.Error("missing rules accepted")
	}
}

func TestAnUnreadableLogIsSetAside(t *testing.T) {
	w := newWard(t)
	w.stop()
	if err := os.WriteFile(filepath.Join(w.dir, "alert.db"), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(w.dir, "alert.db-wal"))
	w.open(Default())
	w.beats("box-1", 0, 12, 130)
	same(t, "told", w.told(), "icu-1 hr-high medium active")
	if kept, _ := filepath.Glob(filepath.Join(w.dir, "alert.db.unreadable-*")); len(kept) != 1 {
		t.Errorf("kept %v", kept)
	}
}

func TestRunSavesStateWhenItEnds(t *testing.T) {
	w := newWard(t)
	w.stop()
	w.clock = time.Now()
	cfg := Default()
	cfg.Dir = w.dir
	open := func() *Engine {
		e, err := Open(context.Background(), cfg, Dependencies{Locate: func(protocol.BoxID) (live.Place, bool) { return live.Place{}, false }},
			slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	eventually(t, "running", func() bool { ok, _ := e.Alive(); return ok })
	e.Observe(w.delivery("box-9", reading(protocol.SpO2, 0, 88)))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	e = open()
	defer e.Close()
	if b := e.boxes["box-9"]; b == nil {
		t.Error("the box is forgotten")
	}
}

func TestBoxesAreObservedConcurrently(t *testing.T) {
	w := newWard(t)
	var wg sync.WaitGroup
	for i := range 8 {
		box := protocol.BoxID(fmt.Sprintf("c%d", i))
		var ds []live.Delivery
		for s := 0.0; s < 20; s += 0.5 {
			ds = append(ds, w.delivery(box, reading(protocol.HeartRate, s, 130), reading(protocol.SpO2, s, 97)))
		}
		wg.Go(func() {
			for _, d := range ds {
				w.e.Observe(d)
			}
		})
		wg.Go(func() {
			for range 20 {
				w.e.tick()
				for _, r := range w.e.active(Filter{}) {
					w.e.Acknowledge(t.Context(), r.ID, "anna", sec(20))
				}
			}
		})
	}
	wg.Wait()
	n := 0
	for _, r := range w.e.active(Filter{}) {
		if r.Rule == "hr-high" {
			n++
		}
	}
	if n != 8 {
		t.Errorf("%d alarms, want 8", n)
	}
}

func TestConfigSaysWhatIsAllowed(t *testing.T) {
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Dir = "" }, "alert.dir"},
		{func(c *Config) { c.Tick = time.Minute }, "alert.tick: 1m0s, want 100ms to 1s"},
		{func(c *Config) { c.Snapshot = 0 }, "alert.snapshot"},
		{func(c *Config) { c.Keep = 0 }, "alert.keep"},
		{func(c *Config) { c.Queue = 1 }, "alert.queue: 1, want 100 to"},
		{func(c *Config) { c.UnitRules = map[protocol.UnitID]string{"a/b": "x"} }, "alert.unit_rules"},
	} {
		c := Default()
		tt.change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

// direct is a Doer without retries.
type direct struct{ *http.Client }

func (d direct) Stream(req *http.Request) (*http.Response, error) { return d.Do(req) }

func TestTheClientIsTheEngineInAnotherProcess(t *testing.T) {
	w := newWard(t)
	srv := httptest.NewServer(w.e.Handler())
	defer srv.Close()
	c, err := NewClient(srv.URL+"/", direct{srv.Client()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := c.Alive(); ok {
		t.Error("alive before any answer")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	w.e.tick()
	eventually(t, "alive", func() bool { ok, _ := c.Alive(); return ok })
	eventually(t, "stream open", func() bool { w.e.subs.mu.Lock(); defer w.e.subs.mu.Unlock(); return len(w.e.subs.all) == 2 })
	sub := c.Subscribe(100)

	c.BoxContact("box-1", t0)
	c.BoxState(protocol.BoxState{Box: "box-1", Online: true}, t0)
	if err := c.Expect(ctx, []protocol.BoxID{"box-1"}, t0); err != nil {
		t.Error(err)
	}
	for s := 0.0; s < 12; s += 0.5 {
		c.Observe(w.delivery("box-1", reading(protocol.HeartRate, s, 130)))
	}
	r := <-sub.C
	if short(r) != "icu-1 hr-high medium active" || r.Limit != protocol.Int(120) || !r.Started.Equal(t0) {
		t.Errorf("%+v", r)
	}
	rs, err := c.Active(ctx, Filter{Unit: "icu"})
	if err != nil || len(rs) != 1 {
		t.Fatal(rs, err)
	}
	if d := cmp.Diff(w.e.active(Filter{}), rs); d != "" {
		t.Errorf("over the wire (-engine +client):\n%s", d)
	}
	if r, err := c.Acknowledge(ctx, r.ID, "anna", sec(13)); err != nil || r.AcknowledgedBy != "anna" {
		t.Error(r, err)
	}
	if r := <-sub.C; r.AcknowledgedBy != "anna" {
		t.Errorf("%+v", r)
	}
	if _, err := c.Acknowledge(ctx, "no-such", "anna", sec(13)); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if r, err := c.Get(ctx, r.ID); err != nil || r.AcknowledgedBy != "anna" {
		t.Error(r, err)
	}
	w.flushed()
	if rs, err := c.History(ctx, Filter{Bed: registry.BedID("icu-1")}, t0, sec(60)); err != nil || len(rs) != 1 {
		t.Error(rs, err)
	}
	if err := c.Stop(ctx, "box-1", "anna", sec(14)); err != nil {
		t.Error(err)
	}
	if r := <-sub.C; r.State != alarm.Ended {
		t.Errorf("%+v", r)
	}
	if err := c.Patient(ctx, "box-1", 0); err != nil {
		t.Error(err)
	}
	w.e.tick()
	if r := <-sub.C; short(r) != "icu-1 adult-limits low active" {
		t.Errorf("%+v", r)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for range sub.C {
	}
}

func TestABrokenCallIsRefused(t *testing.T) {
	w := newWard(t)
	h := w.e.Handler()
	for _, tt := range []struct{ path, body string }{
		{"observe?received=x", ""}, {"observe?received=1", "no batch"}, {"active", "{"}, {"state", "{}"}, {"stop", `{"box":"b"}`},
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("POST", PathPrefix+tt.path, strings.NewReader(tt.body)))
		if rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d", tt.path, rec.Code)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			w := newWard(b)
			obs := make([]protocol.Observation, n)
			for i := range obs {
				obs[i] = reading([]protocol.Code{protocol.HeartRate, protocol.PulseRate, protocol.SpO2}[i%3], 0, 97)
			}
			d := w.delivery("box-1", obs...)
			b.ReportAllocs()
			for b.Loop() {
				d.Received = d.Received.Add(100 * time.Millisecond)
				for i := range obs {
					obs[i].At = d.Received
				}
				d.Sent = d.Received
				w.e.Observe(d)
				d.FirstSeq += uint64(n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/reading")
		})
	}
}
