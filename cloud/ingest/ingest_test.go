package ingest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"monitorme/cloud/live"
	"monitorme/cloud/series"
	"monitorme/protocol"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// parts stands for everything that ingest hands on to.
type parts struct {
	mu         sync.Mutex
	order      []string
	deliveries []live.Delivery
	states     []protocol.BoxState
	stored     []protocol.Observation
	storeErr   error
	panics     bool
	gate       chan struct{} // if set, Append waits for it
	acks       chan protocol.Ack
}

func (p *parts) Observe(d live.Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.panics {
		panic("a bug of ours")
	}
	p.order, p.deliveries = append(p.order, "alert"), append(p.deliveries, d)
}
func (p *parts) BoxContact(protocol.BoxID, time.Time) {}
func (p *parts) BoxState(s protocol.BoxState, _ time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states = append(p.states, s)
}

type screens struct{ *parts }

func (s screens) Observe(*live.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = append(s.order, "live")
}
func (s screens) ObserveState(protocol.BoxState, time.Time) {}

func (p *parts) Append(ctx context.Context, _ protocol.BoxID, obs []protocol.Observation) error {
	if p.gate != nil {
		select {
		case <-p.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.storeErr != nil {
		return p.storeErr
	}
	p.order, p.stored = append(p.order, "store"), append(p.stored, obs...)
	return nil
}

func (p *parts) setStoreErr(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.storeErr = err
}

type fixture struct {
	*Ingest
	p   *parts
	dir string
}

func start(t *testing.T, change func(*Config, *parts)) *fixture {
	t.Helper()
	cfg, p, dir := Default(), &parts{acks: make(chan protocol.Ack, 100)}, t.TempDir()
	cfg.AckInterval, cfg.LiveWriters, cfg.BackfillWriters = 10*time.Millisecond, 4, 2
	if change != nil {
		change(&cfg, p)
	}
	q, err := OpenQuarantine(dir, cfg.QuarantineBytes)
	if err != nil {
		t.Fatal(err)
	}
	in, err := New(cfg, Parts{Alerts: p, Live: screens{p}, Store: p, Quarantine: q, Publish: func(topic string, payload []byte) error {
		ack, err := protocol.DecodeAck(payload)
		if err != nil || !strings.HasSuffix(topic, "/box-01/ack") {
			t.Errorf("published to %s: %v", topic, err)
			return err
		}
		p.acks <- *ack
		return nil
	}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	})
	return &fixture{in, p, dir}
}

func batch(t *testing.T, first uint64, values ...int64) []byte {
	t.Helper()
	b := protocol.Batch{Box: "box-01", Epoch: 5, Stream: protocol.StreamNumeric, FirstSeq: first, Base: t0, Clock: protocol.ClockSynced, Sent: t0}
	for i, v := range values {
		b.Observations = append(b.Observations, protocol.Observation{Device: "monitor", Code: protocol.HeartRate, Unit: "/min",
			Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(v), Clock: protocol.ClockSynced,
			At: t0.Add(time.Duration(first)*time.Second + time.Duration(i)*time.Millisecond)})
	}
	payload, err := protocol.AppendBatch(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func (f *fixture) ack(t *testing.T) protocol.Ack {
	t.Helper()
	select {
	case a := <-f.p.acks:
		return a
	case <-time.After(10 * time.Second):
		t.Fatal("no acknowledgement")
	}
	panic("unreachable")
}

func liveTopic(box protocol.BoxID) string { return protocol.Topic("ward-1", box, protocol.LaneLive) }

func TestABatchGoesToAlarmsThenScreensThenTheStoreThenIsAcknowledged(t *testing.T) {
	f := start(t, nil)
	f.Handle(liveTopic("box-01"), batch(t, 1, 70, 71, 72))
	ack := f.ack(t)
	want := protocol.Ack{Epoch: 5, Committed: []protocol.Committed{{Stream: protocol.StreamNumeric, Range: protocol.Range{First: 1, Last: 3}}}}
	if ack.Epoch != want.Epoch || !slices.Equal(ack.Committed, want.Committed) {
		t.Errorf("ack = %+v, want %+v", ack, want)
	}
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if !slices.Equal(f.p.order, []string{"alert", "live", "store"}) {
		t.Errorf("order = %v", f.p.order)
	}
}

func TestWithoutACommitThereIsNoAcknowledgementButAlarmsAreFed(t *testing.T) {
	f := start(t, func(_ *Config, p *parts) { p.storeErr = errors.New("disk full") })
	f.Handle(liveTopic("box-01"), batch(t, 1, 70))
	deadline := time.Now().Add(10 * time.Second)
	for f.Check() == nil {
		if time.Now().After(deadline) {
			t.Fatal("the failing store is not reported")
		}
		time.Sleep(time.Millisecond)
	}
	if len(f.p.acks) != 0 {
		t.Error("acknowledged what was not stored")
	}
	f.p.mu.Lock()
	if len(f.p.deliveries) != 1 {
		t.Errorf("alarms got %d batches, want 1", len(f.p.deliveries))
	}
	f.p.mu.Unlock()
	f.p.setStoreErr(nil)
	f.Handle(liveTopic("box-01"), batch(t, 1, 70)) // the box sends again
	f.ack(t)
	if err := f.Check(); err != nil {
		t.Errorf("Check() = %v after the store recovered", err)
	}
}

func TestWhatComesAgainAfterItsCommitIsAcknowledgedAgainAndNotStoredAgain(t *testing.T) {
	f := start(t, nil)
	payload := batch(t, 1, 70, 71)
	f.Handle(liveTopic("box-01"), payload)
	f.ack(t)
	f.Handle(liveTopic("box-01"), payload)
	f.ack(t)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if len(f.p.stored) != 2 {
		t.Errorf("stored %d readings, want 2", len(f.p.stored))
	}
}

func TestANewEpochStartsItsNumbersAnew(t *testing.T) {
	f := start(t, nil)
	f.Handle(liveTopic("box-01"), batch(t, 1, 70))
	f.ack(t)
	b, err := protocol.DecodeBatch(batch(t, 1, 90))
	if err != nil {
		t.Fatal(err)
	}
	b.Epoch = 6
	payload, err := protocol.AppendBatch(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	f.Handle(liveTopic("box-01"), payload)
	if a := f.ack(t); a.Epoch != 6 {
		t.Errorf("epoch %d, want 6", a.Epoch)
	}
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if len(f.p.stored) != 2 {
		t.Errorf("stored %d readings, want 2", len(f.p.stored))
	}
}

func TestABoxThatSpeaksForAnotherIsQuarantined(t *testing.T) {
	f := start(t, nil)
	f.Handle(liveTopic("box-02"), batch(t, 1, 70))
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if len(f.p.deliveries) != 0 {
		t.Error("the forged batch was handed on")
	}
	notes, _ := filepath.Glob(filepath.Join(f.dir, "*.json"))
	if len(notes) != 1 {
		t.Fatalf("%d notes in quarantine, want 1", len(notes))
	}
	if b, _ := os.ReadFile(notes[0]); !strings.Contains(string(b), "box-01") || !strings.Contains(string(b), "box-02") {
		t.Errorf("note does not name both boxes: %s", b)
	}
}

func TestUnreadableMessagesAreKeptOnceAndNothingElseStops(t *testing.T) {
	f := start(t, nil)
	future := batch(t, 1, 70)
	future[1] = 99
	for _, payload := range [][]byte{nil, []byte("junk"), future, batch(t, 1, 70)[:20]} {
		f.Handle(liveTopic("box-01"), payload)
		f.Handle(liveTopic("box-01"), payload)
	}
	f.Handle("monitorme/v1/too/many/levels/live", []byte("x"))
	f.Handle(liveTopic("box-01"), batch(t, 9, 70))
	f.ack(t)
	notes, _ := filepath.Glob(filepath.Join(f.dir, "*.json"))
	if len(notes) != 5 {
		t.Errorf("%d messages in quarantine, want 5", len(notes))
	}
	if n := testutil.ToFloat64(f.m.refused.WithLabelValues("batch")); n != 8 {
		t.Errorf("refused %v batches, want 8", n)
	}
}

func TestAPanicIsOneMessagesFailure(t *testing.T) {
	f := start(t, func(_ *Config, p *parts) { p.panics = true })
	f.Handle(liveTopic("box-01"), batch(t, 1, 70))
	f.p.mu.Lock()
	f.p.panics = false
	f.p.mu.Unlock()
	f.Handle(liveTopic("box-01"), batch(t, 2, 70))
	f.ack(t)
	if notes, _ := filepath.Glob(filepath.Join(f.dir, "*.json")); len(notes) != 1 {
		t.Errorf("%d messages in quarantine, want 1", len(notes))
	}
}

func TestAnImpossibleValueIsKeptAsInvalid(t *testing.T) {
	f := start(t, nil)
	f.Handle(liveTopic("box-01"), batch(t, 1, 900))
	f.ack(t)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if o := f.p.stored[0]; o.Quality != protocol.QualityInvalid || o.Value != protocol.Int(900) {
		t.Errorf("stored %v with quality %v, want 900 invalid", o.Value, o.Quality)
	}
}

func TestWhatTheStoreRefusesForGoodIsQuarantinedAndAcknowledged(t *testing.T) {
	f := start(t, func(_ *Config, p *parts) { p.storeErr = series.ErrRefused })
	f.Handle(liveTopic("box-01"), batch(t, 1, 70))
	f.ack(t)
	if notes, _ := filepath.Glob(filepath.Join(f.dir, "*.json")); len(notes) != 1 {
		t.Errorf("%d messages in quarantine, want 1", len(notes))
	}
}

func TestAFullQueueDefersAndNeverBlocksAlarms(t *testing.T) {
	f := start(t, func(c *Config, p *parts) {
		c.LiveQueue, c.LiveWriters = 16, 1
		p.gate = make(chan struct{})
	})
	for i := range uint64(40) {
		f.Handle(liveTopic("box-01"), batch(t, i+1, 70))
	}
	f.p.mu.Lock()
	n := len(f.p.deliveries)
	f.p.mu.Unlock()
	if n != 40 {
		t.Errorf("alarms got %d batches, want all 40", n)
	}
	if d := testutil.ToFloat64(f.m.deferred.WithLabelValues("live")); d < 20 || d > 24 {
		t.Errorf("deferred %v, want the 40 less what fits (17)", d)
	}
	close(f.p.gate)
	f.ack(t)
}

func TestAFullQuarantineLosesNothing(t *testing.T) {
	q, err := OpenQuarantine(t.TempDir(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Keep("t", []byte("payload"), errors.New("why")); !errors.Is(err, ErrQuarantineFull) {
		t.Errorf("Keep = %v, want ErrQuarantineFull", err)
	}
}

func TestRangesStayDisjointAndComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var runs []protocol.Range
		want := map[uint64]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "n") {
			first := rapid.Uint64Range(1, 60).Draw(t, "first")
			last := first + rapid.Uint64Range(0, 6).Draw(t, "more")
			runs = addRange(runs, protocol.Range{First: first, Last: last})
			for s := first; s <= last; s++ {
				want[s] = true
			}
		}
		got := map[uint64]bool{}
		for i, r := range runs {
			if r.First > r.Last || i > 0 && runs[i-1].Last+1 >= r.First {
				t.Fatalf("runs %v are not disjoint and ascending", runs)
			}
			for s := r.First; s <= r.Last; s++ {
				got[s] = true
			}
		}
		if len(got) != len(want) {
			t.Fatalf("runs %v hold %d numbers, want %d", runs, len(got), len(want))
		}
	})
}

func TestConfigErrorsNameTheKey(t *testing.T) {
	err := Config{}.Validate()
	for _, key := range []string{"live_queue", "backfill_writers", "ack_interval", "store_timeout", "quarantine_bytes"} {
		if err == nil || !strings.Contains(err.Error(), "ingest."+key) {
			t.Errorf("Validate() does not name ingest.%s: %v", key, err)
		}
	}
	err = MQTTConfig{Broker: "tcp://x:1"}.Validate()
	for _, key := range []string{"mqtt.broker", "mqtt.ca_file", "mqtt.client_id"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("Validate() does not name %s: %v", key, err)
		}
	}
}

func FuzzHandle(f *testing.F) {
	f.Add("monitorme/v1/ward-1/box-01/live", []byte("M\x01\x00\x01"))
	f.Add("monitorme/v1/ward-1/box-01/state", []byte("M\x01\x00\x03"))
	dir := f.TempDir()
	q, err := OpenQuarantine(dir, 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	p := &parts{}
	in, err := New(Default(), Parts{Alerts: p, Live: screens{p}, Store: p, Quarantine: q}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		in.Handle(topic, payload)
		for len(in.live) > 0 {
			<-in.live
		}
		for len(in.backlog) > 0 {
			<-in.backlog
		}
	})
}
