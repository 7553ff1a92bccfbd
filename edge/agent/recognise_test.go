package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/drivers/stayhealthy"
	"monitorme/edge/port"
	"monitorme/edge/probe"
	"monitorme/protocol"
)

// socket is where devices of several protocols are plugged in by turns.
type socket struct {
	t      *testing.T
	mu     sync.Mutex
	host   *drivertest.End // nil: nothing is plugged in
	unplug func()
	wrote  []byte
}

// socketPort is the box's end.
type socketPort struct {
	*drivertest.End
	of    *socket
	stats func(drivers.Stats)
}

func (socketPort) Name() string                  { return "/dev/ttyUSB0" }
func (p socketPort) ReportStats(s drivers.Stats) { p.stats(s) }
func (p socketPort) Write(b []byte) (int, error) {
	p.of.mu.Lock()
	p.of.wrote = append(p.of.wrote, b...)
	p.of.mu.Unlock()
	return p.End.Write(b)
}

// Close leaves the device at the wire, where it may be opened again.
func (p socketPort) Close() error { return p.SetReadDeadline(time.Unix(1, 0)) }

func (s *socket) open(_ context.Context, cfg port.Config) (port.Port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host == nil {
		return nil, fmt.Errorf("open port: not there (%w)", fs.ErrNotExist)
	}
	s.host.SetReadDeadline(time.Time{})
	return socketPort{s.host, s, cfg.Stats}, nil
}

// plug plugs in a device.
func (s *socket) plug(play func(ctx context.Context, wire drivers.Port)) {
	host, device := drivertest.NewWire()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { play(ctx, device) })
	s.mu.Lock()
	s.host = host
	s.unplug = func() {
		s.mu.Lock()
		s.host = nil
		s.mu.Unlock()
		cancel()
		device.Close()
		wg.Wait()
	}
	s.mu.Unlock()
}

func beats(ctx context.Context, wire drivers.Port) {
	for n := 60; ctx.Err() == nil; n = 60 + (n+1)%20 {
		if _, err := fmt.Fprintln(wire, n); err != nil {
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func hub(ctx context.Context, wire drivers.Port) {
	stayhealthy.Driver.Simulate(ctx, wire, drivertest.NewPatient())
}

// newAuto is a device of driver auto at a socket.
func newAuto(t *testing.T, memory string) (*device, *sink, *socket) {
	t.Helper()
	s := &socket{t: t}
	d, got := newDevice("tcp://socket:1", s.open)
	m, err := probe.OpenMemory(memory)
	if err != nil {
		t.Fatal(err)
	}
	d.driver, d.line, d.auto = unknown, probe.FirstLine, &recognition{memory: m}
	return d, got, s
}

// within lets time pass until ok, or fails.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(start)
}

func is(d *device, driver string, status protocol.DeviceStatus) func() bool {
	return func() bool { s := d.state(); return s.Driver == driver && s.Status == status }
}

func TestADeviceIsRecognisedRememberedAndReplacedByAnother(t *testing.T) {
	memory := filepath.Join(t.TempDir(), "probe.json")
	synctest.Test(t, func(t *testing.T) {
		d, got, s := newAuto(t, memory)
		stop := attends(t, d)
		if st := d.state(); st.Driver != "auto" {
			t.Errorf("%+v", st)
		}
		within(t, 5*time.Second, "told as absent", func() bool { return d.state().Status == protocol.DeviceFailed })
		s.plug(beats)
		within(t, 90*time.Second, "recognised", is(d, "fake", protocol.DeviceReceiving))
		p := d.page()
		if p.Title != fake.Title || !strings.Contains(p.Recognised, "recognised as fake: ") || !strings.Contains(p.Recognised, "in a row") {
			t.Errorf("page %+v", p)
		}
		said := got.said()
		if !strings.HasPrefix(said[0], "start: open port") || said[1] != "end" {
			t.Errorf("said %q", said[:2])
		}

		// The same again: read at once, nothing is listened for.
		rounds := d.auto.rounds
		s.unplug()
		within(t, 5*time.Second, "lost", func() bool { return d.state().Status == protocol.DeviceFailed })
		s.plug(beats)
		within(t, 60*time.Second, "read again", is(d, "fake", protocol.DeviceReceiving))
		if d.auto.rounds != rounds || !strings.Contains(d.page().Recognised, "as it was here") {
			t.Errorf("%d rounds, then %d; %s", rounds, d.auto.rounds, d.page().Recognised)
		}

		// Another device in its place.
		s.unplug()
		s.plug(hub)
		within(t, 3*time.Minute, "the other one recognised", is(d, "stayhealthy", protocol.DeviceReceiving))
		for _, v := range d.page().Values {
			if v.Code == protocol.PulseRate && v.Text == "no current value" {
				t.Errorf("a value of the device before is on the page: %+v", v)
			}
		}
		stop()
		s.unplug()
	})
	synctest.Test(t, func(t *testing.T) { // a restart
		d, _, s := newAuto(t, memory)
		s.plug(hub)
		stop := attends(t, d)
		within(t, 5*time.Second, "read at once after a restart", is(d, "stayhealthy", protocol.DeviceReceiving))
		if d.auto.rounds != 0 {
			t.Errorf("%d rounds of listening", d.auto.rounds)
		}
		stop()
		s.unplug()
	})
}

func TestADeviceThatIsSwitchedOnLateIsFoundAndNothingIsSentToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, got, s := newAuto(t, filepath.Join(t.TempDir(), "probe.json"))
		on := make(chan struct{})
		s.plug(func(ctx context.Context, wire drivers.Port) {
			select {
			case <-on:
				beats(ctx, wire)
			case <-ctx.Done():
			}
		})
		stop := attends(t, d)
		within(t, 5*time.Second, "listening is shown", func() bool {
			p := d.page()
			return p.Status == protocol.DeviceConnecting && strings.Contains(p.Problem, "listening") && strings.Contains(p.Recognised, "9600 8N1")
		})
		within(t, 3*time.Minute, "told as silent", is(d, "auto", protocol.DeviceSilent))
		if s := d.state(); !strings.Contains(s.Problem, "not recognised: silence at") {
			t.Error(s.Problem)
		}
		time.Sleep(10 * time.Minute)
		if said := got.said(); len(said) != 1 || !strings.HasPrefix(said[0], "start: not recognised") {
			t.Errorf("said %q", said)
		}
		close(on)
		within(t, 3*time.Minute, "found", is(d, "fake", protocol.DeviceReceiving))
		stop()
		s.unplug()
		if len(s.wrote) != 0 {
			t.Errorf("%x was sent to an unknown device", s.wrote)
		}
	})
}

func TestADeviceThatWasOffForLongIsReadSoonAfter(t *testing.T) {
	memory := filepath.Join(t.TempDir(), "probe.json")
	m, _ := probe.OpenMemory(memory)
	if err := m.Keep("/dev/ttyUSB0", probe.Known{Driver: "fake", Line: fake.Line}); err != nil {
		t.Fatal(err)
	}
	for off := 15 * time.Minute; off < 17*time.Minute; off += 20 * time.Second {
		synctest.Test(t, func(t *testing.T) {
			d, _, s := newAuto(t, memory)
			s.plug(func(ctx context.Context, wire drivers.Port) {
				time.Sleep(off)
				beats(ctx, wire)
			})
			stop := attends(t, d)
			time.Sleep(off - time.Second)
			if s := d.state(); s.Status != protocol.DeviceSilent {
				t.Errorf("while it is off: %+v", s)
			}
			t.Logf("read %s after it was switched on", within(t, 90*time.Second, "read", is(d, "fake", protocol.DeviceReceiving))-time.Second)
			stop()
			s.unplug()
		})
	}
}

func TestADriverThatWritesIsNotBelievedWithoutListening(t *testing.T) {
	d, _, _ := newAuto(t, filepath.Join(t.TempDir(), "probe.json"))
	for driver, want := range map[string]bool{"fake": true, "asking": false, "gone": false, "": false} {
		if err := d.auto.memory.Keep("k", probe.Known{Driver: driver}); err != nil {
			t.Fatal(err)
		}
		if got := d.asBefore("k") != nil; got != want {
			t.Errorf("%q: believed %v", driver, got)
		}
	}
}

func TestAnotherAdapterUnderTheSameNameIsOpened(t *testing.T) {
	dir := t.TempDir()
	a := newTerminal(t, filepath.Join(dir, "a"))
	b := newTerminal(t, filepath.Join(dir, "b"))
	link := filepath.Join(dir, "adapter")
	lead := func(to *terminal) {
		t.Helper()
		device, err := os.Readlink(to.link)
		if err == nil {
			err = errors.Join(os.Symlink(device, link+".new"), os.Rename(link+".new", link))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	lead(a)
	d, got := newDevice(link, port.Open)
	attends(t, d)
	eventually(t, "opened", func() bool { return d.opens() == 1 })
	a.say("71\n7") // and in the middle of a frame:
	eventually(t, "71", func() bool { return slices.Contains(got.said(), "71") })
	lead(b)
	start := time.Now()
	eventually(t, "the other one opened", func() bool { return d.opens() == 2 })
	t.Logf("opened %s after it was moved", time.Since(start).Round(time.Millisecond))
	b.say("3\n75\n")
	eventually(t, "75", func() bool { return slices.Contains(got.said(), "75") })
	said := got.said()
	if slices.Contains(said, "73") {
		t.Errorf("a frame was made of the halves of two: %q", said)
	}
	if len(said) < 3 || !strings.HasPrefix(said[2], "start: its adapter was plugged in anew") {
		t.Errorf("said %q", said)
	}
	if late := d.opens(); late != 2 {
		t.Errorf("opened %d times", late)
	}
}

func TestABoxOfDriverAutoOnATerminal(t *testing.T) {
	dir := t.TempDir()
	tt := newTerminal(t, filepath.Join(dir, "ttyUSB0"))
	cfg := boxConfig(dir, tt.link)
	cfg.Devices[0].Driver = "auto"
	b, stop := running(t, cfg)
	far := tt.far
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			fmt.Fprintln(far, 72)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	eventually(t, "recognised", is(b.devices[0], "fake", protocol.DeviceReceiving))
	reg := prometheus.NewRegistry()
	reg.MustRegister(gauges{b})
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP monitorme_edge_device_recognised 1 for the driver that a device of driver auto was recognised as.
# TYPE monitorme_edge_device_recognised gauge
monitorme_edge_device_recognised{device="d0",driver="fake"} 1
# HELP monitorme_edge_device_receiving 1 while valid frames arrive from the device.
# TYPE monitorme_edge_device_receiving gauge
monitorme_edge_device_receiving{device="d0",driver="auto"} 1
`), "monitorme_edge_device_recognised", "monitorme_edge_device_receiving"); err != nil {
		t.Error(err)
	}
	cancel()
	<-done
	stop()
	if m, err := probe.OpenMemory(filepath.Join(cfg.Queue.Dir, "probe.json")); err != nil {
		t.Error(err)
	} else if k, ok := m.Find(tt.link); !ok || k.Driver != "fake" {
		t.Errorf("%+v, %v", k, ok)
	}
	if len(kept(t, cfg)) == 0 {
		t.Error("the queue cannot be opened any more, or holds nothing")
	}
}

func TestDriverAutoTakesNoLineAndNoSettings(t *testing.T) {
	_, err := Parse("box.yaml", []byte("box: b\nunit: u\nprobe: {ask: true}\ndevices:\n  - {id: a, driver: auto, port: /dev/ttyS0, line: {baud: 9600}, settings: {x: 1}}\n"))
	if err == nil || !strings.Contains(err.Error(), "devices[0].line: driver auto finds the line") || !strings.Contains(err.Error(), "devices[0].settings: driver auto has none") {
		t.Error(err)
	}
	cfg, err := Parse("box.yaml", []byte("box: b\nunit: u\nprobe: {ask: true, memory_file: /m}\nuplink: {broker: \"\"}\ndevices:\n  - {id: a, driver: auto, port: /dev/ttyS0}\n"))
	if err != nil || !cfg.Probe.Ask || cfg.Probe.MemoryFile != "/m" {
		t.Errorf("%+v, %v", cfg.Probe, err)
	}
}
