package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/alert"
	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/cloud/series"
	"monitorme/protocol"
)

// memStore is a series.Store in memory.
type memStore struct {
	mu     sync.Mutex
	info   map[series.Key]series.SeriesInfo
	points map[series.Key][]series.Point
	blocks map[series.Key][]series.Block
	fail   error // of Points
}

func newMemStore() *memStore {
	return &memStore{info: map[series.Key]series.SeriesInfo{}, points: map[series.Key][]series.Point{}, blocks: map[series.Key][]series.Block{}}
}

func (m *memStore) Append(_ context.Context, box protocol.BoxID, obs []protocol.Observation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	touched := map[series.Key]bool{}
	for _, o := range obs {
		k := series.Key{Box: box, Device: o.Device, Channel: o.Channel, Code: o.Code}
		m.info[k] = series.SeriesInfo{Key: k, Kind: o.Kind, Unit: o.Unit}
		if o.Kind == protocol.KindSamples {
			m.blocks[k] = append(m.blocks[k], series.Block{At: o.At, Quality: o.Quality, Clock: o.Clock, Unit: o.Unit, Samples: *o.Samples})
			continue
		}
		m.points[k] = append(m.points[k], series.Point{At: o.At, Kind: o.Kind, Unit: o.Unit, Quality: o.Quality, Clock: o.Clock, Value: o.Value, Text: o.Text, Event: o.Event})
		touched[k] = true
	}
	for k := range touched {
		slices.SortStableFunc(m.points[k], func(a, b series.Point) int { return a.At.Compare(b.At) })
	}
	return nil
}

func (m *memStore) in(k series.Key, from, to time.Time) []series.Point {
	m.mu.Lock()
	defer m.mu.Unlock()
	ps := m.points[k]
	find := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(ps, t, func(p series.Point, t time.Time) int { return p.At.Compare(t) })
		return i
	}
	return ps[find(from):max(find(from), find(to))]
}

func (m *memStore) Keys(_ context.Context, box protocol.BoxID, from, to time.Time) ([]series.SeriesInfo, error) {
	m.mu.Lock()
	all := []series.SeriesInfo{}
	for k, i := range m.info {
		if k.Box == box {
			all = append(all, i)
		}
	}
	m.mu.Unlock()
	all = slices.DeleteFunc(all, func(i series.SeriesInfo) bool {
		return i.Kind != protocol.KindSamples && len(m.in(i.Key, from, to)) == 0
	})
	slices.SortFunc(all, func(a, b series.SeriesInfo) int { return cmp.Compare(a.Code, b.Code) })
	return all, nil
}

func (m *memStore) Points(ctx context.Context, k series.Key, from, to time.Time, yield func(*series.Point) bool) error {
	if m.fail != nil {
		return m.fail
	}
	var p series.Point
	for _, p = range m.in(k, from, to) {
		if !yield(&p) {
			return nil
		}
	}
	return ctx.Err()
}

func (m *memStore) Buckets(_ context.Context, k series.Key, from, to time.Time, n int) ([]series.Bucket, error) {
	width := to.Sub(from) / time.Duration(n)
	var out []series.Bucket
	for _, p := range m.in(k, from, to) {
		at := from.Add(min(p.At.Sub(from)/width, time.Duration(n-1)) * width)
		if len(out) == 0 || !out[len(out)-1].From.Equal(at) {
			out = append(out, series.Bucket{From: at, Min: math.Inf(1), Max: math.Inf(-1)})
		}
		b := &out[len(out)-1]
		if !p.Quality.HasNumber() {
			b.Bad++
			continue
		}
		f := p.Value.Float64()
		b.Mean = (b.Mean*float64(b.Count) + f) / float64(b.Count+1)
		b.Min, b.Max, b.Count = min(b.Min, f), max(b.Max, f), b.Count+1
	}
	return out, nil
}

func (m *memStore) Blocks(_ context.Context, k series.Key, from, to time.Time, yield func(*series.Block) bool) error {
	for _, b := range m.blocks[k] {
		if b.At.Before(to) && b.At.Add(b.Duration()).After(from) && !yield(&b) {
			break
		}
	}
	return nil
}

func (m *memStore) Close() error { return nil }

// fakeAlerts is a list of alarms.
type fakeAlerts struct {
	mu     sync.Mutex
	list   []Alert
	sick   string
	broken error
}

func (f *fakeAlerts) Active(_ context.Context, unit protocol.UnitID) ([]Alert, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Alert
	for _, a := range f.list {
		if a.Unit == unit && a.State != "ended" {
			out = append(out, a)
		}
	}
	return out, f.broken
}

func (f *fakeAlerts) History(_ context.Context, unit protocol.UnitID, from, to time.Time) ([]Alert, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Alert
	for _, a := range f.list {
		if a.Unit == unit && !a.Started.Before(from) && a.Started.Before(to) {
			out = append(out, a)
		}
	}
	return out, f.broken
}

func (f *fakeAlerts) Alert(_ context.Context, id string) (Alert, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.list {
		if a.ID == id {
			return a, nil
		}
	}
	return Alert{}, fmt.Errorf("alarm: %w", alert.ErrNotFound)
}

func (f *fakeAlerts) Acknowledge(_ context.Context, id, user string) (Alert, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		if a := &f.list[i]; a.ID == id {
			if a.AcknowledgedBy == nil {
				now := time.Now().UTC()
				a.AcknowledgedBy, a.AcknowledgedAt = &user, &now
			}
			return *a, nil
		}
	}
	return Alert{}, fmt.Errorf("alarm: %w", alert.ErrNotFound)
}

func (f *fakeAlerts) Health() (bool, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sick == "", f.sick
}

// world is a whole service on the demo ward with fakes behind it.
type world struct {
	testing.TB
	reg    *registry.Registry
	store  *memStore
	hub    *live.Hub
	alerts *fakeAlerts
	server *Server
	http   *httptest.Server
	logs   *lockedBuffer
	prom   *prometheus.Registry
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// demoDir holds a registry with the demo ward, made once: making one takes a
// hundred synced transactions and five password hashes.
var demoDir = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "monitorme-api-test")
	if err != nil {
		return "", err
	}
	cfg := registry.Default()
	cfg.Dir = dir
	r, err := registry.Open(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return dir, err
	}
	return dir, errors.Join(r.SeedDemo(context.Background()), r.Close())
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := demoDir(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	demo, err := demoDir()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, store: newMemStore(), alerts: &fakeAlerts{}, logs: &lockedBuffer{}, prom: prometheus.NewRegistry()}
	cfg := registry.Default()
	cfg.Dir = t.TempDir()
	if err := os.CopyFS(cfg.Dir, os.DirFS(demo)); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	if w.reg, err = registry.Open(t.Context(), cfg, quiet); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.reg.Close() })
	w.hub = live.NewHub(func(id protocol.BoxID) (live.Place, bool) {
		p, ok := w.reg.Current().PlacementOf(id)
		return live.Place{Unit: p.Unit, Bed: p.Bed, Label: p.Label}, ok
	}, w.prom)
	c := Default()
	for _, f := range change {
		f(&c)
	}
	w.server, err = New(c, Deps{Registry: w.reg, Series: w.store, Hub: w.hub, Alerts: w.alerts, Log: slog.New(slog.NewJSONHandler(w.logs, nil)), Metrics: w.prom, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	w.http = httptest.NewServer(w.server.Handler())
	t.Cleanup(w.http.Close)
	return w
}

// browser is a client with cookies.
type browser struct {
	*world
	c *http.Client
}

func (w *world) browser() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{w, &http.Client{Jar: jar, Transport: w.http.Client().Transport}}
}

// as signs a demo user in.
func (w *world) as(user string) *browser {
	w.Helper()
	b := w.browser()
	if resp, body := b.do("POST", "/api/v1/session", map[string]any{"user": user, "password": registry.DemoPassword}); resp.StatusCode != 204 {
		w.Fatalf("sign in as %s: %d %s", user, resp.StatusCode, body)
	}
	return b
}

func (b *browser) do(method, path string, body any, headers ...string) (*http.Response, string) {
	b.Helper()
	var r io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(v)
	default:
		j, err := json.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		r = bytes.NewReader(j)
	}
	req, err := http.NewRequest(method, b.http.URL+path, r)
	if err != nil {
		b.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.c.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, string(all)
}

// get decodes the answer of a GET into v.
func (b *browser) get(path string, v any) {
	b.Helper()
	resp, body := b.do("GET", path, nil)
	if resp.StatusCode != 200 {
		b.Fatalf("GET %s: %d %s", path, resp.StatusCode, body)
	}
	reflect.ValueOf(v).Elem().SetZero()
	if err := json.Unmarshal([]byte(body), v); err != nil {
		b.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

// problem checks that an answer is a problem with this status, and gives it.
func (b *browser) problem(status int, method, path string, body any, headers ...string) Problem {
	b.Helper()
	resp, text := b.do(method, path, body, headers...)
	var p Problem
	if resp.StatusCode != status || resp.Header.Get("Content-Type") != "application/problem+json" {
		b.Errorf("%s %s: %d %s %s; want a problem of %d", method, path, resp.StatusCode, resp.Header.Get("Content-Type"), text, status)
		return p
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Status != status || len(p.Detail) < 10 || p.Instance == "" || p.Title == "" {
		b.Errorf("%s %s: problem %s, %v", method, path, text, err)
	}
	return p
}

func (w *world) numerics(box protocol.BoxID, device protocol.DeviceID, code protocol.Code, from time.Time, every time.Duration, n int) {
	w.Helper()
	term, _ := protocol.Lookup(code)
	obs := make([]protocol.Observation, n)
	for i := range obs {
		obs[i] = protocol.Observation{Device: device, Code: code, Unit: term.Unit, Kind: protocol.KindNumeric, Quality: protocol.QualityGood,
			At: from.Add(time.Duration(i) * every), Clock: protocol.ClockSynced, Value: protocol.Int(int64(60 + i%40))}
	}
	if err := w.store.Append(w.Context(), box, obs); err != nil {
		w.Fatal(err)
	}
}
