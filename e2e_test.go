package monitorme

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"monitorme/drivers"
	"monitorme/drivers/stayhealthy"
	"monitorme/protocol"
)

// counting is a patient whose heart rate counts: every half second it is one
// more, so that a reading lost or doubled shows in the history.
type counting struct{ start time.Time }

func (c counting) Numeric(code protocol.Code, t time.Time) (float64, bool) {
	if code == protocol.HeartRate {
		return 40 + float64(t.Sub(c.start)/(500*time.Millisecond)%200), true
	}
	return 16, code == protocol.RespirationRate
}

func (c counting) Wave(_ protocol.Code, from time.Time, rateHz float64, dst []float64) bool {
	for i := range dst { // a ramp, other in every block
		at := from.Sub(c.start) + time.Duration(float64(i)/rateHz*float64(time.Second))
		dst[i] = float64(at/(4*time.Millisecond)%4000) / 1000
	}
	return true
}

func (counting) Word(protocol.Code, time.Time) (string, bool) { return "", false }

// A cable is the device's end of a serial line whose buffer outlives the box:
// what was written while the box was down is read when it is back, as with a
// device that repeats what was not taken.
type cable struct {
	t       *testing.T
	link    string
	mu      sync.Mutex
	device  *os.File
	box     *os.File // held open, so that the buffer stays when the edge dies
	decoder drivers.Decoder
	written []protocol.Observation // what the device said, in order
	last    time.Time
	unblock chan struct{}
}

func newCable(t *testing.T, link string) *cable {
	c := &cable{t: t, link: link, unblock: make(chan struct{})}
	c.plugIn()
	t.Cleanup(c.pull)
	return c
}

func (c *cable) plugIn() {
	device, box, err := pty.Open()
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := unix.IoctlGetTermios(int(box.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	raw.Iflag, raw.Oflag, raw.Lflag = 0, 0, 0
	if err := unix.IoctlSetTermios(int(box.Fd()), unix.TCSETS, raw); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Symlink(box.Name(), c.link); err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.device, c.box, c.decoder = device, box, stayhealthy.Driver.NewDecoder()
}

// pull takes the plug out.
func (c *cable) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.device == nil {
		return
	}
	os.Remove(c.link)
	c.box.Close()
	c.device.Close()
	c.device, c.box = nil, nil
}

// Write sends what the device says; what it says while it is not plugged in
// nobody hears.
func (c *cable) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.device == nil {
		return len(b), nil
	}
	c.decoder.Decode(b, func(o protocol.Observation) { c.written = append(c.written, o) })
	c.last = time.Now()
	return c.device.Write(b)
}

// Read waits for the deadline: nobody asks this device anything.
func (c *cable) Read([]byte) (int, error) {
	<-c.unblock
	return 0, os.ErrDeadlineExceeded
}

// SetReadDeadline is called once, with a time in the past.
func (c *cable) SetReadDeadline(time.Time) error {
	close(c.unblock)
	return nil
}

// said is what the device has said of one code while it was plugged in.
func (c *cable) said(code protocol.Code) []protocol.Observation {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []protocol.Observation
	for _, o := range c.written {
		if o.Code == code && o.Kind != protocol.KindEvent {
			out = append(out, o)
		}
	}
	return out
}

// awaitQuiet waits until the device has just spoken and a moment has passed, so
// that what it said lies on the box's disk and not in its memory.
func (c *cable) awaitQuiet() {
	for {
		c.mu.Lock()
		since := time.Since(c.last)
		c.mu.Unlock()
		if since > 100*time.Millisecond && since < 150*time.Millisecond {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A process is one of our programs as a child.
type process struct {
	t    *testing.T
	argv []string
	log  *os.File
	cmd  *exec.Cmd
}

func startProcess(t *testing.T, log string, argv ...string) *process {
	t.Helper()
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, argv: argv, log: f}
	p.start()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		f.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", filepath.Base(log), text[max(0, len(text)-6000):])
		}
	})
	return p
}

func (p *process) start() {
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// signal sends sig and waits for the end.
func (p *process) signal(sig syscall.Signal) {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Signal(sig)
		p.cmd.Wait()
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A site is a whole MonitorMe of processes: a cloud and one box with a device.
type site struct {
	t           *testing.T
	dir         string
	http, mqtt  string
	health      string
	cloud, edge *process
	cable       *cable
	client      *http.Client
}

func build(t *testing.T) (edge, cloud string) {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir+"/", "./edge", "./cloud").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "edge"), filepath.Join(dir, "cloud")
}

func startSite(t *testing.T) *site {
	t.Helper()
	edge, cloud := build(t)
	s := &site{t: t, dir: t.TempDir(), http: freeAddress(t), mqtt: freeAddress(t), health: freeAddress(t)}
	if out, err := exec.Command(cloud, "demo", "-data", s.path("cloud"), "-out", s.path("boxes"), "-config", s.path("cloud.yaml"),
		"-addr", s.http, "-broker", s.mqtt, "-beds", "1").CombinedOutput(); err != nil {
		t.Fatalf("monitorme-cloud demo: %v\n%s", err, out)
	}
	s.cable = newCable(t, s.path("port"))
	box := s.path("boxes/box-01")
	config := fmt.Sprintf(`
box: box-01
unit: ward-1
clock: {trust: always}
queue: {dir: %[1]s/queue, min_free_bytes: 1048576}
uplink: {broker: "tls://%[2]s", ca_file: %[1]s/ca.pem, cert_file: %[1]s/box.pem, key_file: %[1]s/box.key, ack_timeout: 2s}
health: {listen: "%[3]s"}
devices: [{id: hub, driver: stayhealthy, port: %[4]s}]
`, box, s.mqtt, s.health, s.cable.link)
	if err := os.WriteFile(s.path("edge.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cloud = startProcess(t, s.path("cloud.log"), cloud, "run", "-config", s.path("cloud.yaml"))
	s.edge = startProcess(t, s.path("edge.log"), edge, "run", "-config", s.path("edge.yaml"))
	s.awaitReady()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.client = &http.Client{Jar: jar, Timeout: 30 * time.Second}
	s.signIn()
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// within asks again until ask is content, for at most a minute.
func (s *site) within(what string, ask func() error) {
	s.t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
	}
	s.t.Fatalf("%s: %v", what, err)
}

func (s *site) awaitReady() {
	s.t.Helper()
	s.within("cloud ready", func() error {
		resp, err := http.Get("http://" + s.http + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(resp.Body)
			return errors.New(string(body))
		}
		return nil
	})
}

func (s *site) signIn() {
	s.t.Helper()
	resp, err := s.client.Post("http://"+s.http+"/api/v1/session", "application/json", strings.NewReader(`{"user":"nurse","password":"demo"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("sign in: %s %s", resp.Status, body)
	}
}

func (s *site) get(path string, v any) error {
	resp, err := s.client.Get("http://" + s.http + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s %s %v", path, resp.Status, body, err)
	}
	return json.Unmarshal(body, v)
}

// queued says how much the box still keeps for the cloud, nil if nothing.
func (s *site) queued() error {
	resp, err := http.Get("http://" + s.health + "/metrics")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(body) {
		if rest, ok := bytes.CutPrefix(line, []byte("monitorme_edge_queue_bytes ")); ok {
			if n := string(bytes.TrimSpace(rest)); n != "0" {
				return fmt.Errorf("%s bytes in the queue", n)
			}
			return nil
		}
	}
	return errors.New("the box's metrics do not tell how long its queue is")
}

type history struct {
	Series []struct {
		Device string
		Code   protocol.Code
		Points [][3]any
	}
}

// heartRates are the values in the history, in order of time.
func (s *site) heartRates(from time.Time) []float64 {
	s.t.Helper()
	query := url.Values{"from": {from.UTC().Format(time.RFC3339Nano)}, "to": {time.Now().UTC().Add(time.Second).Format(time.RFC3339Nano)}, "code": {fmt.Sprint(uint32(protocol.HeartRate))}}
	var h history
	if err := s.get("/api/v1/beds/ward-1-bed-01/history?"+query.Encode(), &h); err != nil {
		s.t.Fatal(err)
	}
	var out []float64
	for _, series := range h.Series {
		for _, p := range series.Points {
			if v, ok := p[1].(float64); ok {
				out = append(out, v)
			}
		}
	}
	return out
}

// samples are those of the waveform in the stored blocks, in order of time.
func (s *site) samples(from time.Time) []float64 {
	s.t.Helper()
	var out []float64
	for at := from; at.Before(time.Now().Add(time.Second)); at = at.Add(20 * time.Second) {
		query := url.Values{"from": {at.UTC().Format(time.RFC3339Nano)}, "to": {at.Add(20 * time.Second).UTC().Format(time.RFC3339Nano)}, "code": {fmt.Sprint(uint32(protocol.ECGLeadII))}}
		var w struct {
			Blocks []struct {
				T       float64 // milliseconds since 1970
				Samples []*float64
			}
		}
		if err := s.get("/api/v1/beds/ward-1-bed-01/waves?"+query.Encode(), &w); err != nil {
			s.t.Fatal(err)
		}
		for _, b := range w.Blocks {
			if began := time.UnixMicro(int64(b.T * 1000)); began.Before(at.Truncate(time.Microsecond)) || !began.Before(at.Add(20*time.Second)) {
				continue // it was counted with the stretch in which it began
			}
			for _, v := range b.Samples {
				out = append(out, *v)
			}
		}
	}
	return out
}

// TestNoReadingIsLostOrDoubled pulls a plug, kills the box and kills the cloud
// while readings flow, and then counts.
func TestNoReadingIsLostOrDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole system as processes takes half a minute: not with -short")
	}
	began := time.Now().Add(-time.Second)
	s := startSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	device := stayhealthy.Device{Signs: []protocol.Sign{protocol.SignHeartRate, protocol.SignECG, protocol.SignRespirationRate}, BlocksPerSecond: 2}
	done := make(chan error, 1)
	go func() { done <- device.Simulate(ctx, s.cable, counting{time.Now()}) }()

	s.within("first reading in the history", func() error {
		if n := len(s.heartRates(began)); n < 4 {
			return fmt.Errorf("%d readings", n)
		}
		return nil
	})

	t.Log("pull the device's plug, and put it back")
	s.cable.awaitQuiet()
	s.cable.pull()
	time.Sleep(2 * time.Second)
	s.cable.plugIn()
	before := len(s.cable.said(protocol.HeartRate))
	s.within("readings after the plug is back", func() error { return s.reached(began, before+2) })

	t.Log("kill the box")
	s.cable.awaitQuiet()
	s.edge.signal(syscall.SIGKILL)
	time.Sleep(time.Second)
	s.edge.start()
	before = len(s.cable.said(protocol.HeartRate))
	s.within("readings after the box is back", func() error { return s.reached(began, before+2) })

	t.Log("kill the cloud, in the middle of the flow")
	s.cloud.signal(syscall.SIGKILL)
	time.Sleep(3 * time.Second)
	s.cloud.start()
	s.awaitReady()
	s.signIn()
	before = len(s.cable.said(protocol.HeartRate))
	s.within("readings after the cloud is back", func() error { return s.reached(began, before+2) })

	t.Log("kill both")
	s.cable.awaitQuiet()
	s.edge.signal(syscall.SIGKILL)
	s.cloud.signal(syscall.SIGKILL)
	s.cloud.start()
	s.edge.start()
	s.awaitReady()
	s.signIn()
	before = len(s.cable.said(protocol.HeartRate))
	s.within("readings after both are back", func() error { return s.reached(began, before+2) })

	s.cable.awaitQuiet()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the device ended with %v", err)
	}
	s.within("the box has handed everything over", s.queued)

	var want []float64
	for _, o := range s.cable.said(protocol.HeartRate) {
		want = append(want, o.Value.Float64())
	}
	if got := s.heartRates(began); !slices.Equal(got, want) {
		t.Errorf("heart rate: %s", difference(got, want))
	}
	want = nil
	for _, o := range s.cable.said(protocol.ECGLeadII) {
		for _, raw := range o.Samples.Raw {
			want = append(want, float64(raw))
		}
	}
	if got := s.samples(began); !slices.Equal(got, want) {
		t.Errorf("waveform: %s", difference(got, want))
	}
	t.Logf("%d heart rates and %d samples, none missing, none doubled", len(s.cable.said(protocol.HeartRate)), len(want))
}

func (s *site) reached(began time.Time, n int) error {
	if got := len(s.heartRates(began)); got < n {
		return fmt.Errorf("%d readings in the history, want %d", got, n)
	}
	return nil
}

// difference says where two series part.
func difference(got, want []float64) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%d stored, %d said; they part at %d: stored %v, said %v", len(got), len(want), i, got[i:min(i+6, len(got))], want[i:min(i+6, len(want))])
}
