package agent

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/edge/clock"
	"monitorme/edge/health"
	"monitorme/edge/port"
	"monitorme/protocol"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("AGENT_TEST_QUEUE"); dir != "" {
		runChild(dir)
	}
	all.Drivers = append(all.Drivers, fake, asking)
	goleak.VerifyTestMain(m)
}

// fake is a device that says a pulse rate in decimal digits, a line each. The
// line "panic" makes the driver fail inside, "wave" is a block of samples.
var fake = drivers.Driver{
	Name: "fake", Title: "Fake pulse meters", Line: drivers.Line{Baud: 19200}, Silence: 2 * time.Second,
	Codes:      []protocol.Code{protocol.PulseRate, protocol.Pleth},
	NewDecoder: func() drivers.Decoder { return &fakeDecoder{} },
	Run:        drivers.Listen(func() drivers.Decoder { return &fakeDecoder{} }),
}

// asking is a device that must be asked.
var asking = drivers.Driver{
	Name: "asking", Title: "Cuffs", Line: drivers.Line{Baud: 9600}, Asks: true, Silence: 2 * time.Second,
	NewDecoder: func() drivers.Decoder { return &fakeDecoder{} },
	Run: func(ctx context.Context, p drivers.Port, _ drivers.Emit) error {
		p.Write([]byte("inflate"))
		<-ctx.Done()
		return ctx.Err()
	},
}

type fakeDecoder struct {
	buf   []byte
	stats drivers.Stats
}

func (d *fakeDecoder) Decode(p []byte, emit drivers.Emit) {
	d.stats.Bytes += uint64(len(p))
	d.buf = append(d.buf, p...)
	for {
		line, rest, ok := bytes.Cut(d.buf, []byte("\n"))
		if !ok {
			return
		}
		d.buf = rest
		n, err := strconv.Atoi(string(line))
		switch {
		case string(line) == "panic":
			panic("the fake driver has a bug")
		case string(line) == "wave":
			d.stats.Frames++
			emit(wave())
		case err != nil:
			d.stats.Skipped += uint64(len(line)) + 1
		default:
			d.stats.Frames++
			emit(pulse(n))
		}
	}
}

func (d *fakeDecoder) Stats() drivers.Stats { return d.stats }

func pulse(n int) protocol.Observation {
	return protocol.Observation{Code: protocol.PulseRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(n))}
}

func wave() protocol.Observation {
	return protocol.Observation{Code: protocol.Pleth, Unit: "1", Kind: protocol.KindSamples, Quality: protocol.QualityGood,
		Samples: &protocol.Samples{RateMilliHz: 100_000, Scale: protocol.Int(1), Raw: make([]int32, 100)}}
}

var quiet = slog.New(slog.DiscardHandler)

// sink is where a device hands its observations in tests.
type sink struct {
	mu  sync.Mutex
	obs []protocol.Observation
}

func (s *sink) put(o protocol.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.obs = append(s.obs, o)
}

func (s *sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.obs = nil
}

func (s *sink) all() []protocol.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]protocol.Observation(nil), s.obs...)
}

// said is what was emitted, in short: "72", "start: why", "end".
func (s *sink) said() []string {
	var out []string
	for _, o := range s.all() {
		switch {
		case o.Event == nil:
			out = append(out, o.Value.String())
		case o.Event.Phase == protocol.PhaseStart:
			out = append(out, "start: "+o.Event.Text)
		default:
			out = append(out, o.Event.Phase.String())
		}
	}
	return out
}

// eventually waits for something on real clocks and files.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func wallClock() clock.Stamp {
	return clock.Stamp{Wall: time.Now().UTC(), Mono: time.Since(testStart), Quality: protocol.ClockSynced}
}

var testStart = time.Now()

// newDevice is a device on a port that open gives.
func newDevice(addr string, open func(context.Context, port.Config) (port.Port, error)) (*device, *sink) {
	s := &sink{}
	var checks health.Checks
	return &device{id: "d", port: addr, driver: fake, line: fake.Line, open: open, now: wallClock, put: s.put, changed: func() {}, log: quiet,
		check: checks.Loop("d", time.Minute), status: protocol.DeviceConnecting, since: time.Now()}, s
}

// pipePort is a port over net.Pipe, which synctest understands.
type pipePort struct {
	net.Conn
	stats func(drivers.Stats)
}

func (pipePort) Name() string                  { return "pipe" }
func (p pipePort) ReportStats(s drivers.Stats) { p.stats(s) }
func plug(cfg port.Config) (pipePort, io.Writer) {
	near, far := net.Pipe()
	return pipePort{near, cfg.Stats}, far
}

// attends runs the device until the test ends.
func attends(t *testing.T, d *device) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.attend(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// terminal is a pseudo-terminal behind a link, so that it can be unplugged and
// come back under the same name.
type terminal struct {
	t    testing.TB
	link string
	far  *os.File
}

func newTerminal(t *testing.T, link string) *terminal {
	tt := plugIn(t, link)
	t.Cleanup(tt.unplug)
	return tt
}

func plugIn(t testing.TB, link string) *terminal {
	t.Helper()
	tt := &terminal{t: t, link: link}
	tt.plug()
	return tt
}

func (tt *terminal) plug() {
	far, near, err := pty.Open()
	if err != nil {
		tt.t.Skipf("no pseudo-terminals here: %v", err)
	}
	defer near.Close()
	if err := os.Symlink(near.Name(), tt.link); err != nil {
		tt.t.Fatal(err)
	}
	tt.far = far
}

func (tt *terminal) unplug() {
	if tt.far != nil {
		tt.far.Close()
		os.Remove(tt.link)
		tt.far = nil
	}
}

func (tt *terminal) say(s string) {
	tt.t.Helper()
	if _, err := io.WriteString(tt.far, s); err != nil {
		tt.t.Fatal(err)
	}
}
