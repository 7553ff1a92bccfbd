package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// listener reads one stream.
type listener struct {
	testing.TB
	resp   *http.Response
	cancel context.CancelFunc
	events chan event
}

type event struct {
	id, kind, data string
}

func (b *browser) listen(path string) *listener {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", b.http.URL+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := b.c.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		b.Fatalf("%s: %d %s", path, resp.StatusCode, body)
	}
	l := &listener{b.TB, resp, cancel, make(chan event, 10_000)}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(l.events)
		var e event
		sc := bufio.NewScanner(resp.Body)
		sc.Buffer(nil, 16<<20)
		for sc.Scan() {
			switch k, v, _ := strings.Cut(sc.Text(), ": "); k {
			case "id":
				e.id = v
			case "event":
				e.kind = v
			case "data":
				e.data = v
			case "":
				if e.kind != "" {
					l.events <- e
				}
				e = event{}
			}
		}
	})
	b.Cleanup(func() { cancel(); resp.Body.Close(); wg.Wait() })
	return l
}

// next gives the next event of a kind, skipping others.
func (l *listener) next(kind string) event {
	l.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case e, ok := <-l.events:
			if !ok {
				l.Fatalf("the stream ended before %q", kind)
			}
			if e.kind == kind {
				return e
			}
		case <-deadline:
			l.Fatalf("no %q", kind)
		}
	}
}

func (l *listener) ended() bool {
	deadline := time.After(30 * time.Second)
	for {
		select {
		case _, ok := <-l.events:
			if !ok {
				return true
			}
		case <-deadline:
			return false
		}
	}
}

func (w *world) observe(box protocol.BoxID, v int64) {
	w.hub.Observe(&live.Delivery{Unit: "ward-1", Lane: protocol.LaneLive, Received: time.Now(), Batch: protocol.Batch{Box: box, Observations: []protocol.Observation{
		{Device: "m", Code: protocol.HeartRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, At: time.Now().UTC(), Value: protocol.Int(v)}}}})
}

func TestTheStreamBeginsWithASnapshotAndGoesOn(t *testing.T) {
	w := newWorld(t)
	w.server.tickEvery = 20 * time.Millisecond
	w.observe("box-07", 71)
	w.alerts.list = []Alert{{ID: "alert-1", Unit: "ward-1", Bed: "ward-1-bed-07", State: "active", Priority: "high"}}
	l := w.as("nurse").listen("/api/v1/stream?unit=ward-1")
	if cc := l.resp.Header.Get("Cache-Control"); !strings.Contains(cc, "no-store") || l.resp.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers %v", l.resp.Header)
	}
	first := <-l.events
	var snap UnitLatest2
	if err := json.Unmarshal([]byte(first.data), &snap); first.kind != "snapshot" || err != nil || len(snap.Beds) != 20 {
		t.Fatalf("first %s %v %s", first.kind, err, first.data)
	}
	bed := snap.Beds[6]
	if bed.Bed != "ward-1-bed-07" || !bed.BoxOnline || len(bed.Values) != 1 || *bed.Values[0].Value != 71 || bed.Values[0].Quality != "good" || len(bed.Alerts) != 1 || bed.Patient == nil {
		t.Errorf("bed 7: %+v", bed)
	}
	if tick := l.next("tick"); !strings.Contains(tick.data, `"alerting":{"ok":true`) {
		t.Errorf("tick %s", tick.data)
	}
	w.observe("box-07", 72)
	if v := l.next("values"); v.id == "" || !strings.Contains(v.data, `"value":72`) || !strings.Contains(v.data, `"bed":"ward-1-bed-07"`) {
		t.Errorf("values %+v", v)
	}
	w.alerts.mu.Lock()
	w.alerts.sick = "the alarm engine stands still"
	w.alerts.mu.Unlock()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(l.next("tick").data, `"ok":false,"detail":"the alarm engine stands still"`); {
		if time.Now().After(deadline) {
			t.Fatal("the screen is not told that nothing rings")
		}
	}
	w.hub.Publish("ward-1", live.Event{Type: "alert", Data: []byte(`{"id":"alert-2"}`)})
	l.next("alert")
}

// UnitLatest2 is UnitLatest with values that can be read.
type UnitLatest2 struct {
	Beds []struct {
		Bed       registry.BedID
		BoxOnline bool `json:"box_online"`
		Patient   *LatestPatient
		Values    []Value
		Alerts    []Alert
	}
}

func TestScreensHearOfChangedBedsAndEachPatientIsRecorded(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.server.Run(ctx) }()
	l := w.as("nurse").listen("/api/v1/stream?unit=ward-1")
	l.next("snapshot")
	doctor := w.as("nurse")
	resp, body := doctor.do("POST", "/api/v1/patients", map[string]any{"name": "Fresh Face"})
	var p Patient
	if resp.StatusCode != 201 || json.Unmarshal([]byte(body), &p) != nil {
		t.Fatal(body)
	}
	for i := 0; ; i++ { // Run may still be reading its first list: change until it is heard
		doctor.do("PUT", "/api/v1/beds/ward-1-bed-05/patient", map[string]any{"patient": p.ID})
		if e := l.next("beds"); strings.Contains(e.data, "Fresh Face") {
			break
		}
		if i == 10 {
			t.Fatal("not heard")
		}
	}
	cancel()
	<-done
	var recs []registry.AuditRecord
	w.as("admin").get("/api/v1/audit?limit=1000", &recs)
	seen := map[registry.PatientID]int{}
	for _, r := range recs {
		if r.Action == "stream" {
			seen[r.Patient]++
		}
	}
	if len(seen) != 21 || seen[p.ID] != 1 {
		t.Errorf("looks on record: %v", seen)
	}
}

func TestSigningOutEndsTheStream(t *testing.T) {
	w := newWorld(t)
	w.server.recheckEvery = 20 * time.Millisecond
	b := w.as("nurse")
	l := b.listen("/api/v1/stream?unit=ward-1")
	l.next("snapshot")
	b.do("DELETE", "/api/v1/session", nil)
	if e := l.next("end"); !strings.Contains(e.data, "Sign in") || !l.ended() {
		t.Errorf("%+v", e)
	}
	// Disabling the account ends it too.
	l = w.as("nurse").listen("/api/v1/stream?unit=ward-1")
	l.next("snapshot")
	u, err := w.reg.User(t.Context(), "nurse")
	if err != nil {
		t.Fatal(err)
	}
	u.Disabled = true
	if err := w.reg.PutUser(t.Context(), u, ""); err != nil {
		t.Fatal(err)
	}
	l.next("end")
}

func TestASlowScreenIsDisconnectedAndNobodyWaits(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.StreamBuffer = 16 })
	w.server.writeWithin = 200 * time.Millisecond
	b := w.as("nurse")
	slow, err := http.NewRequest("GET", b.http.URL+"/api/v1/stream?unit=ward-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.c.Do(slow) // and nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	big := []byte(`"` + strings.Repeat("x", 256<<10) + `"`)
	for deadline := time.Now().Add(60 * time.Second); !strings.Contains(w.logs.String(), "slow screen disconnected"); {
		w.hub.Publish("ward-1", live.Event{Type: "alert", Data: big}) // never blocks
		time.Sleep(time.Millisecond)
		if time.Now().After(deadline) {
			t.Fatal("still connected")
		}
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the stream ended as if it were whole")
	}
	l := b.listen("/api/v1/stream?unit=ward-1") // it comes back
	if e := <-l.events; e.kind != "snapshot" {
		t.Errorf("first %+v", e)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxStreams = 2 })
	b := w.as("nurse")
	l := b.listen("/api/v1/stream?unit=ward-1")
	b.listen("/api/v1/stream?unit=ward-1&waves=1")
	b.problem(503, "GET", "/api/v1/stream?unit=ward-1", nil)
	l.cancel()
	for deadline := time.Now().Add(30 * time.Second); len(w.server.streams) > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the place is not free again")
		}
	}
	b.listen("/api/v1/stream?unit=ward-1")
}

func TestAnOpenStreamKeepsAStationAliveOnly(t *testing.T) {
	w := newWorld(t)
	touched := &touches{Registry: w.reg, by: map[string]int{}}
	w.server.Registry = touched
	w.server.recheckEvery = 10 * time.Millisecond
	open := func(station bool) string {
		b := w.browser()
		resp, body := b.do("POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "demo", "station": station})
		if resp.StatusCode != 204 {
			t.Fatal(body)
		}
		l := b.listen("/api/v1/stream?unit=ward-1")
		l.next("snapshot")
		return hashToken(resp.Cookies()[0].Value)
	}
	person, station := open(false), open(true)
	for deadline := time.Now().Add(30 * time.Second); touched.of(station) < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the station's session is not kept alive")
		}
	}
	if n := touched.of(person); n != 0 {
		t.Errorf("a person's session was touched %d times", n)
	}
}

type touches struct {
	*registry.Registry
	mu sync.Mutex
	by map[string]int
}

func (c *touches) TouchSession(ctx context.Context, token string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by[token]++
	return nil
}

func (c *touches) of(token string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[token]
}

func BenchmarkScreenEvent(b *testing.B) {
	sc := &screen{}
	e := live.Event{ID: 12345, Type: "values", Data: []byte(fmt.Sprintf("%0300d", 1))}
	b.ReportAllocs()
	for b.Loop() {
		sc.buf = sc.buf[:0]
		sc.event(e.ID, e.Type, e.Data)
	}
}
