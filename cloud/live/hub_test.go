package live

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newHub() *Hub {
	return NewHub(func(b protocol.BoxID) (Place, bool) {
		return Place{Unit: "ward-1", Bed: "bed-1", Label: "1"}, b == "box-01"
	}, prometheus.NewRegistry())
}

func numeric(code protocol.Code, v int64, at time.Time) protocol.Observation {
	return protocol.Observation{Device: "monitor", Code: code, Unit: "/min", Kind: protocol.KindNumeric,
		Quality: protocol.QualityGood, Value: protocol.Int(v), At: at, Clock: protocol.ClockSynced}
}

func delivery(lane protocol.Lane, received time.Time, obs ...protocol.Observation) *Delivery {
	return &Delivery{Unit: "ward-1", Lane: lane, Received: received, Batch: protocol.Batch{Box: "box-01", Epoch: 1,
		Stream: protocol.StreamOf(obs[0].Kind), FirstSeq: 1, Base: received, Clock: protocol.ClockSynced, Sent: received, Observations: obs}}
}

func next(t *testing.T, s *Subscription) (Event, map[string]any) {
	t.Helper()
	select {
	case e, ok := <-s.C:
		if !ok {
			t.Fatal("subscription ended:", s.Err())
		}
		var v map[string]any
		if err := json.Unmarshal(e.Data, &v); err != nil {
			t.Fatalf("event %s is not JSON: %v\n%s", e.Type, err, e.Data)
		}
		return e, v
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
	}
	panic("unreachable")
}

func TestAReadingReachesTheScreensOfItsUnit(t *testing.T) {
	h := newHub()
	mine, other := h.Subscribe("ward-1", true, 8), h.Subscribe("ward-2", true, 8)
	defer mine.Close()
	defer other.Close()
	h.Observe(delivery(protocol.LaneLive, t0, numeric(protocol.HeartRate, 72, t0.Add(-20*time.Millisecond))))
	if e, _ := next(t, mine); e.Type != "box" {
		t.Errorf("first event is %q, want box: the box came online", e.Type)
	}
	e, v := next(t, mine)
	value := v["values"].([]any)[0].(map[string]any)
	if e.Type != "values" || v["bed"] != "bed-1" || value["value"] != 72.0 || value["ref_id"] != "MDC_ECG_HEART_RATE" || value["quality"] != "good" {
		t.Errorf("event %s %s", e.Type, e.Data)
	}
	if len(other.C) != 0 {
		t.Error("another unit saw it")
	}
}

func TestAMissingValueIsNullNotANumber(t *testing.T) {
	h := newHub()
	s := h.Subscribe("ward-1", false, 8)
	defer s.Close()
	o := numeric(protocol.SpO2, 97, t0)
	o.Quality = protocol.QualitySensorOff
	h.Observe(delivery(protocol.LaneLive, t0, o))
	next(t, s)
	_, v := next(t, s)
	if value := v["values"].([]any)[0].(map[string]any); value["value"] != nil || value["quality"] != "sensor-off" {
		t.Errorf("value = %v", value)
	}
}

func TestABackfillIsNeverShownAsLive(t *testing.T) {
	h := newHub()
	h.Observe(delivery(protocol.LaneLive, t0, numeric(protocol.HeartRate, 72, t0)))
	s := h.Subscribe("ward-1", true, 8)
	defer s.Close()
	h.Observe(delivery(protocol.LaneBackfill, t0.Add(time.Second), numeric(protocol.HeartRate, 180, t0.Add(-time.Hour))))
	if len(s.C) != 0 {
		t.Error("a screen was told of an old reading")
	}
	if v := h.Box("box-01").Values; len(v) != 1 || v[0].Value != protocol.Int(72) {
		t.Errorf("latest = %+v, want 72", v)
	}
}

func TestALatePressureThatStillHoldsIsShown(t *testing.T) {
	h := newHub()
	s := h.Subscribe("ward-1", true, 8)
	defer s.Close()
	late := numeric(protocol.NIBPSystolic, 88, t0.Add(-3*time.Minute))
	h.Observe(delivery(protocol.LaneBackfill, t0, late, numeric(protocol.HeartRate, 180, t0.Add(-3*time.Minute))))
	for len(s.C) > 1 { // the box came in touch
		next(t, s)
	}
	_, v := next(t, s)
	values, _ := v["values"].([]any)
	if len(values) != 1 || values[0].(map[string]any)["ref_id"] != "MDC_PRESS_BLD_NONINV_SYS" {
		t.Errorf("told of %v, want the pressure only", v)
	}
}

func TestAReadingThatComesTwiceChangesNothing(t *testing.T) {
	h := newHub()
	d := delivery(protocol.LaneLive, t0, numeric(protocol.HeartRate, 72, t0))
	h.Observe(d)
	s := h.Subscribe("ward-1", true, 8)
	defer s.Close()
	h.Observe(d)
	if len(s.C) != 0 {
		t.Error("a repeated reading was sent to the screens")
	}
}

func TestAfterAClockIsSetBackFreshReadingsShow(t *testing.T) {
	h := newHub()
	h.Observe(delivery(protocol.LaneLive, t0, numeric(protocol.HeartRate, 72, t0.Add(time.Hour))))
	h.Observe(delivery(protocol.LaneLive, t0.Add(time.Second), numeric(protocol.HeartRate, 80, t0.Add(time.Second))))
	if v := h.Box("box-01").Values[0]; v.Value != protocol.Int(80) {
		t.Errorf("latest = %v, want 80", v.Value)
	}
}

func TestALastWillThatComesLateDoesNotHideANewConnection(t *testing.T) {
	h := newHub()
	h.ObserveState(protocol.BoxState{Box: "box-01", Online: true, Session: 2}, t0)
	h.ObserveState(protocol.BoxState{Box: "box-01", Online: false, Session: 1}, t0)
	if !h.Box("box-01").Online {
		t.Error("the will of session 1 took session 2 offline")
	}
	h.ObserveState(protocol.BoxState{Box: "box-01", Online: false, Session: 2}, t0)
	if h.Box("box-01").Online {
		t.Error("the will of the current session was ignored")
	}
}

func TestASilentBoxGoesOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		var contacts []bool
		h.Contact = func(_ protocol.BoxID, online bool, _ time.Time) { contacts = append(contacts, online) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- h.Run(ctx) }()
		h.ObserveState(protocol.BoxState{Box: "box-01", Online: true, Session: 1}, time.Now())
		s := h.Subscribe("ward-1", false, 8)
		time.Sleep(OfflineAfter - 2*time.Second)
		synctest.Wait()
		if !h.Box("box-01").Online {
			t.Error("offline too soon")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if h.Box("box-01").Online {
			t.Error("still online after silence")
		}
		if _, v := next(t, s); v["online"] != false {
			t.Errorf("the screen was told %v", v)
		}
		s.Close()
		cancel()
		<-done
		if !slices.Equal(contacts, []bool{true, false}) {
			t.Errorf("contacts = %v, want online, then offline", contacts)
		}
	})
}

func TestASlowScreenIsCutOffAndOthersGoOn(t *testing.T) {
	h := newHub()
	slow, quick := h.Subscribe("ward-1", true, 1), h.Subscribe("ward-1", true, 100)
	defer quick.Close()
	for i := range 20 {
		h.Observe(delivery(protocol.LaneLive, t0, numeric(protocol.HeartRate, 72, t0.Add(time.Duration(i)*time.Second))))
	}
	for range slow.C {
	}
	if !errors.Is(slow.Err(), ErrSlow) {
		t.Errorf("Err() = %v", slow.Err())
	}
	if n := len(quick.C); n != 21 { // box, then 20 values
		t.Errorf("the quick screen has %d events, want 21", n)
	}
	slow.Close() // again: harmless
}

func TestAWaveKeepsItsHoles(t *testing.T) {
	h := newHub()
	s := h.Subscribe("ward-1", true, 8)
	defer s.Close()
	h.Observe(delivery(protocol.LaneWave, t0, protocol.Observation{Device: "monitor", Code: protocol.ECGLeadII, Kind: protocol.KindSamples,
		Quality: protocol.QualityGood, At: t0, Samples: &protocol.Samples{RateMilliHz: 62500, Scale: protocol.Dec(5, -3), Raw: []int32{1, protocol.NoSample, -3}}}))
	next(t, s)
	e, v := next(t, s)
	samples := v["samples"].([]any)
	if e.Type != "wave" || v["rate_hz"] != 62.5 || v["scale"] != 0.005 || v["offset"] != 0.0 || samples[1] != nil || samples[2] != -3.0 {
		t.Errorf("event %s %s", e.Type, e.Data)
	}
}

func TestAFeedFillsAHubInAnotherProcess(t *testing.T) {
	feed, far := NewFeed(), newHub()
	server := httptest.NewServer(feed)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context()) // ends before the cleanup
	done := make(chan error, 1)
	go func() {
		done <- far.Follow(ctx, server.URL, func(r *http.Request) (*http.Response, error) { return http.DefaultClient.Do(r) }, slog.New(slog.DiscardHandler))
	}()
	deadline := time.Now().Add(10 * time.Second)
	for i := 0; len(far.Box("box-01").Values) == 0 || far.Box("box-01").State.Session != 7; i++ {
		if time.Now().After(deadline) {
			t.Fatal("nothing came through the feed")
		}
		feed.Observe(delivery(protocol.LaneLive, t0, numeric(protocol.HeartRate, 72, t0.Add(time.Duration(i)*time.Second))))
		feed.ObserveState(protocol.BoxState{Box: "box-01", Online: true, Session: 7}, t0)
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v", err)
	}
}

func TestAFeedRefusesGarbage(t *testing.T) {
	h := newHub()
	for _, b := range [][]byte{frame(9, "", "", t0, nil)[4:], frame(feedBatch, "u", "live", t0, []byte("junk"))[4:], append([]byte{feedState}, make([]byte, 10)...)} {
		if err := h.take(b); err == nil {
			t.Errorf("frame % x was taken", b)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	h := newHub()
	s := h.Subscribe("ward-1", true, 1<<20)
	go func() {
		for range s.C {
		}
	}()
	defer s.Close()
	b.ReportAllocs()
	for i := range b.N {
		h.Observe(delivery(protocol.LaneLive, t0, numeric(protocol.HeartRate, 72, t0.Add(time.Duration(i)*time.Second))))
	}
}
