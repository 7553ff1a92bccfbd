package health

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"monitorme/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func TestLoopThatStandsStillIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Checks
		a, b := c.Loop("writer", 10*time.Second), c.Loop("device oximeter", time.Second)
		if got := c.Late(); !slices.Equal(got, []string{"device oximeter", "writer"}) {
			t.Errorf("loops that never went round: %v", got)
		}
		a.In()
		b.In()
		time.Sleep(time.Second)
		if got := c.Late(); len(got) != 0 {
			t.Errorf("within the limit: %v", got)
		}
		time.Sleep(time.Millisecond)
		if got := c.Late(); !slices.Equal(got, []string{"device oximeter"}) {
			t.Errorf("beyond it: %v", got)
		}
	})
}

func TestSystemdHearsReadyThenWatchdogOnlyWhileHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Checks
		loop := c.Loop("writer", 8*time.Second)
		var mu sync.Mutex
		var sent []string
		took := func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			s := sent
			sent = nil
			return s
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			notify(ctx, &c, func() string { return "2 devices\nreceiving" }, 5*time.Second, func(s string) {
				mu.Lock()
				defer mu.Unlock()
				sent = append(sent, s)
			}, quiet)
		}()
		time.Sleep(time.Minute)
		if got := took(); got != nil {
			t.Errorf("before every loop went round: %q", got)
		}
		loop.In()
		time.Sleep(time.Second)
		if got := took(); len(got) != 1 || got[0] != "READY=1\nWATCHDOG=1\nSTATUS=2 devices receiving" {
			t.Errorf("ready: %q", got)
		}
		time.Sleep(5 * time.Second)
		if got := took(); len(got) != 1 || got[0] != "WATCHDOG=1\nSTATUS=2 devices receiving" {
			t.Errorf("healthy: %q", got)
		}
		time.Sleep(5 * time.Second)
		if got := took(); len(got) != 1 || got[0] != "STATUS=stands still: writer" {
			t.Errorf("late: %q", got)
		}
		cancel()
		<-done
		if got := took(); len(got) != 1 || got[0] != "STOPPING=1\nSTATUS=stopping" {
			t.Errorf("stopping: %q", got)
		}
	})
}

func TestNotifySpeaksToTheSocketOfSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "200000")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	var c Checks
	c.Loop("writer", time.Hour).In()
	go func() {
		defer close(done)
		Notify(ctx, &c, func() string { return "fine" }, quiet)
	}()
	buf := make([]byte, 256)
	l.SetReadDeadline(time.Now().Add(20 * time.Second))
	for _, want := range []string{"READY=1\nWATCHDOG=1\nSTATUS=fine", "WATCHDOG=1\nSTATUS=fine"} {
		n, err := l.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Fatalf("got %q, %v; want %q", buf[:n], err, want)
		}
	}
	cancel()
	<-done
}

var at = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func sample() Status {
	return Status{
		Box: "bed-07", Unit: "icu", Version: "1.2", Now: at, Started: at,
		Problems: []string{"The disk takes no readings: free some space."},
		Clock:    Clock{Text: "not synchronised"},
		Uplink:   Uplink{Text: "no route to the broker"},
		Queue:    protocol.QueueState{Entries: 3, Bytes: 1 << 20, MaxBytes: 8 << 20, Oldest: at, Dropped: 5},
		Devices: []Device{{
			DeviceState: protocol.DeviceState{Device: "oximeter", Driver: "nonin", Since: at, Port: "/dev/ttyUSB0",
				Status: protocol.DeviceSilent, Problem: "no frames: is the <cable> in?"},
			Word: "silent", Title: "Nonin pulse oximeters", Socket: "/dev/serial/by-path/usb-1-2", Frames: 10,
			Values: []Value{
				{Label: "SpO2", Unit: "%", Value: protocol.Int(97), At: at, AgeMS: 1200, Doubt: true},
				{Label: "Pulse", Unit: "/min", Text: "no current value", At: at, AgeMS: 61000, Stale: true},
			},
		}},
	}
}

func get(t *testing.T, h http.Handler, url string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
	return w.Code, w.Body.String()
}

func TestPageSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	var c Checks
	c.Loop("writer", time.Second)
	h := Handler(sample, &c, prometheus.NewRegistry())
	code, body := get(t, h, "http://127.0.0.1:9080/")
	if code != 200 {
		t.Fatal(code, body)
	}
	for _, want := range []string{"bed-07", "writer stands still", "The disk takes no readings", "no route to the broker", "3 entries wait",
		"oximeter: silent", "no frames: is the &lt;cable&gt; in?", "plugged into /dev/serial/by-path/usb-1-2", "97?", "1.2 s ago", "1.0 MiB of 8.0 MiB", "no current value", "1m1s ago"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, never := range []string{"http://", "https://", "<script", "src="} {
		if strings.Contains(body, never) {
			t.Errorf("the page loads something: %q", never)
		}
	}
}

func TestStatusAsJSON(t *testing.T) {
	var c Checks
	_, body := get(t, Handler(sample, &c, prometheus.NewRegistry()), "http://localhost/status.json")
	var got Status
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	v := got.Devices[0].Values
	if got.Box != "bed-07" || v[0].Value != protocol.Int(97) || v[1].Value.Valid || !v[1].Stale || got.Queue.Dropped != 5 {
		t.Errorf("got %+v", got)
	}
}

func TestHealthzIsRealHealth(t *testing.T) {
	var c Checks
	h := Handler(sample, &c, prometheus.NewRegistry())
	loop := c.Loop("uplink", time.Hour)
	if code, body := get(t, h, "http://[::1]:9080/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "uplink") {
		t.Errorf("%d %s", code, body)
	}
	loop.In()
	if code, _ := get(t, h, "http://127.0.0.1/healthz"); code != http.StatusOK {
		t.Error(code)
	}
}

func TestMetricsAndStrangers(t *testing.T) {
	reg := prometheus.NewRegistry()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "monitorme_edge_test"})
	reg.MustRegister(g)
	var c Checks
	h := Handler(sample, &c, reg)
	if code, body := get(t, h, "http://127.0.0.1/metrics"); code != 200 || !strings.Contains(body, "monitorme_edge_test 0") {
		t.Error(code, body)
	}
	if code, _ := get(t, h, "http://evil.example/status.json"); code != http.StatusForbidden {
		t.Errorf("a name that points here: %d", code)
	}
	if code, _ := get(t, h, "http://127.0.0.1/other"); code != http.StatusNotFound {
		t.Error(code)
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for listen, ok := range map[string]bool{"": true, "127.0.0.1:9080": true, "[::1]:0": true, "localhost:80": true,
		":9080": false, "0.0.0.0:9080": false, "10.0.0.7:9080": false, "bed-07:80": false, "127.0.0.1": false} {
		if err := (Config{Listen: listen}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", listen, err)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := l.Addr().String()
	if err := Serve(t.Context(), Config{Listen: taken}, http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("a taken address: %v", err)
	}
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, Config{Listen: taken}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hi") }))
	}()
	var tr http.Transport
	defer tr.CloseIdleConnections()
	for end := time.Now().Add(20 * time.Second); ; {
		r, err := (&http.Client{Transport: &tr}).Get("http://" + taken)
		if err == nil {
			r.Body.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
