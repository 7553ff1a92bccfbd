package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"monitorme/edge/clock"
	"monitorme/edge/health"
	"monitorme/edge/queue"
	"monitorme/protocol"
)

// boxConfig is a box whose devices are on the given ports and whose cloud is
// away.
func boxConfig(dir string, ports ...string) Config {
	cfg := Default()
	cfg.Box, cfg.Unit, cfg.Version = "bed-07", "icu", "test"
	cfg.Queue.Dir = filepath.Join(dir, "queue")
	cfg.Queue.MinFreeBytes = 1 << 20
	cfg.Clock.Trust = clock.TrustAlways
	cfg.Health.Listen = ""
	cfg.Uplink.Broker = "tcp://127.0.0.1:1" // nobody listens there
	for i, p := range ports {
		cfg.Devices = append(cfg.Devices, DeviceConfig{ID: protocol.DeviceID(fmt.Sprint("d", i)), Driver: "fake", Port: p})
	}
	return cfg
}

// running runs a box until the test or the returned function stops it.
func running(t *testing.T, cfg Config) (*box, func()) {
	t.Helper()
	b, err := newBox(cfg, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	b.depot.retry = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the box does not stop")
		}
	}
	t.Cleanup(stop)
	return b, stop
}

// kept is everything in the queue of a stopped box.
func kept(t *testing.T, cfg Config) []protocol.Observation {
	t.Helper()
	q, err := queue.Open(cfg.Queue, queue.Identity{Box: cfg.Box, Boot: 1}, quiet, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var all []protocol.Observation
	for _, lane := range []protocol.Lane{protocol.LaneBackfill, protocol.LaneLive, protocol.LaneWave} {
		for {
			payload, _, err := q.Next(lane, protocol.MaxMessageBytes, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if payload == nil {
				break
			}
			b, err := protocol.DecodeBatch(payload)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b.Observations...)
		}
	}
	return all
}

func TestReadingsGoFromTheLineIntoTheQueue(t *testing.T) {
	dir := t.TempDir()
	tt := newTerminal(t, filepath.Join(dir, "ttyUSB0"))
	cfg := boxConfig(dir, tt.link)
	b, stop := running(t, cfg)
	eventually(t, "opened", func() bool { return b.devices[0].opens() == 1 })
	var say strings.Builder
	const n = 200
	for i := range n {
		fmt.Fprintln(&say, i)
	}
	tt.say(say.String() + "wave\n")
	eventually(t, "read", func() bool { return b.devices[0].page().Frames == n+1 })
	if late := b.checks.Late(); len(late) != 0 {
		t.Errorf("late: %v", late)
	}
	stop()
	codes := map[protocol.Code]int{}
	pulses := map[string]protocol.Observation{}
	for _, o := range kept(t, cfg) {
		codes[o.Code]++
		if o.Code == protocol.PulseRate {
			pulses[o.Value.String()] = o
			if o.Device != "d0" || o.Clock != protocol.ClockSynced {
				t.Errorf("%+v", o)
			}
		}
	}
	if codes[protocol.PulseRate] != n || codes[protocol.Pleth] != 1 || codes[protocol.EventBoxStarted] != 1 || codes[protocol.EventDisconnected] != 1 {
		t.Errorf("kept %v", codes)
	}
	for i := 1; i < n; i++ {
		if !pulses[fmt.Sprint(i)].At.After(pulses[fmt.Sprint(i-1)].At) {
			t.Fatalf("%d is not after %d", i, i-1)
		}
	}
}

func TestSecondProcessOnTheSameQueueIsRefused(t *testing.T) {
	dir := t.TempDir()
	b, _ := running(t, boxConfig(dir))
	eventually(t, "queue open", func() bool { return b.depot.current() != nil })
	if err := Run(t.Context(), boxConfig(dir), quiet, prometheus.NewRegistry()); !errors.Is(err, queue.ErrLocked) {
		t.Errorf("in this process: %v", err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AGENT_TEST_QUEUE="+dir)
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "in use by another process") || !strings.Contains(string(out), dir) {
		t.Errorf("in another: %s, %v", out, err)
	}
}

// runChild is the second process.
func runChild(dir string) {
	err := Run(context.Background(), boxConfig(dir), quiet, prometheus.NewRegistry())
	io.WriteString(os.Stdout, err.Error())
	os.Exit(0)
}

func TestMonitoringGoesOnWithoutADisk(t *testing.T) {
	dir := t.TempDir()
	tt := newTerminal(t, filepath.Join(dir, "ttyUSB0"))
	cfg := boxConfig(dir, tt.link)
	if err := os.WriteFile(cfg.Queue.Dir, []byte("a file where the directory should be"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, stop := running(t, cfg)
	eventually(t, "opened", func() bool { return b.devices[0].opens() == 1 })
	tt.say("72\n")
	eventually(t, "shown", func() bool { return len(b.devices[0].page().Values) == 1 })
	eventually(t, "the problem is shown", func() bool {
		p := b.status().Problems
		return len(p) == 1 && strings.Contains(p[0], "Readings cannot be stored")
	})
	if err := os.Remove(cfg.Queue.Dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "stored after all", func() bool { return b.depot.current() != nil && b.collect.Problem() == "" && b.collect.waiting() == 0 })
	stop()
	codes := map[protocol.Code]int{}
	for _, o := range kept(t, cfg) {
		codes[o.Code]++
	}
	if codes[protocol.PulseRate] != 1 || codes[protocol.EventAlarm] != 2 || codes[protocol.EventBoxStarted] != 1 {
		t.Errorf("kept %v", codes)
	}
}

func TestABrokenQueueIsOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	tt := newTerminal(t, filepath.Join(dir, "ttyUSB0"))
	cfg := boxConfig(dir, tt.link)
	b, stop := running(t, cfg)
	eventually(t, "opened", func() bool { return b.devices[0].opens() == 1 && b.depot.current() != nil })
	for i := range 3 {
		q := b.depot.current()
		tt.say(fmt.Sprintln(70 + i))
		b.depot.breaks()
		eventually(t, "opened again", func() bool { n := b.depot.current(); return n != nil && n != q })
	}
	eventually(t, "all stored", func() bool { return b.devices[0].page().Frames == 3 && b.collect.waiting() == 0 })
	if _, err := b.metrics.Gather(); err != nil {
		t.Error(err)
	}
	stop()
	values := map[string]bool{}
	for _, o := range kept(t, cfg) {
		values[o.Value.String()] = true
	}
	if !values["70"] || !values["71"] || !values["72"] {
		t.Errorf("kept %v", values)
	}
}

func TestUnreadableQueueIsToldAsAnEvent(t *testing.T) {
	dir := t.TempDir()
	cfg := boxConfig(dir)
	_, stop := running(t, cfg)
	stop()
	files, _ := filepath.Glob(filepath.Join(cfg.Queue.Dir, "db", "*"))
	for _, f := range files {
		if err := os.WriteFile(f, []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, stop := running(t, cfg)
	eventually(t, "stored", func() bool { return b.depot.current() != nil && b.collect.waiting() == 0 })
	stop()
	for _, o := range kept(t, cfg) {
		if o.Code == protocol.EventQueueMoved {
			return
		}
	}
	t.Error("no event tells that the queue was moved aside")
}

func TestAClockStepIsAnEventWithBothTimes(t *testing.T) {
	cfg := boxConfig(t.TempDir())
	b, err := newBox(cfg, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	b.clockChanged(clock.Change{Before: at(0), After: at(time.Hour), Synchronised: true})
	got := b.collect.take()
	if len(got) != 1 || got[0].Code != protocol.EventClockChanged || !strings.Contains(got[0].Event.Text, "12:00:00") || !strings.Contains(got[0].Event.Text, "13:00:00") {
		t.Errorf("%+v", got)
	}
	if err := got[0].Check(); err != nil {
		t.Error(err)
	}
}

func TestStatusPageOfARunningBox(t *testing.T) {
	dir := t.TempDir()
	tt := newTerminal(t, filepath.Join(dir, "ttyUSB0"))
	cfg := boxConfig(dir, tt.link, "/dev/tty-that-is-not-there")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Health.Listen = l.Addr().String()
	l.Close()
	b, _ := running(t, cfg)
	eventually(t, "opened", func() bool { return b.devices[0].opens() == 1 })
	tt.say("72\n")
	var tr http.Transport
	defer tr.CloseIdleConnections()
	get := func(path string) (int, string) {
		r, err := (&http.Client{Transport: &tr}).Get("http://" + cfg.Health.Listen + path)
		if err != nil {
			return 0, ""
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(body)
	}
	eventually(t, "healthy", func() bool { code, _ := get("/healthz"); return code == 200 })
	var s health.Status
	eventually(t, "72 on the page", func() bool {
		_, body := get("/status.json")
		return json.Unmarshal([]byte(body), &s) == nil && len(s.Devices) == 2 && len(s.Devices[0].Values) == 1 && s.Devices[1].Word != "connecting"
	})
	if v := s.Devices[0].Values[0]; v.Value != protocol.Int(72) || s.Devices[0].Word != "receiving" {
		t.Errorf("%+v", s.Devices[0])
	}
	if d := s.Devices[1]; d.Word != "failed" || !strings.Contains(d.Problem, "plug it in") {
		t.Errorf("%+v", d)
	}
	eventually(t, "what is wrong with the uplink", func() bool {
		up := b.status().Uplink
		return !up.Connected && strings.Contains(up.Text, "nobody listens at 127.0.0.1:1")
	})
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, `monitorme_edge_device_receiving{device="d0",driver="fake"} 1`) ||
		!strings.Contains(body, "monitorme_edge_queue_entries") {
		t.Errorf("%d %s", code, body)
	}
}

func TestMetricsAreWellFormed(t *testing.T) {
	b, err := newBox(boxConfig(t.TempDir(), "/dev/x"), quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.CollectAndLint(gauges{b}); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
