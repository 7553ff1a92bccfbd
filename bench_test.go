package monitorme

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/pki"
	"monitorme/cloud/registry"
	"monitorme/cloud/service"
	"monitorme/drivers"
	"monitorme/drivers/patient"
	"monitorme/drivers/simulator/line"
	"monitorme/drivers/stayhealthy"
	"monitorme/edge/agent"
	"monitorme/protocol"
)

// BenchmarkWireToScreen measures, with the whole system on this one machine, the
// cloud and the devices in this process and the boxes of each unit in another,
// the time from a frame written to a device's pseudo-terminal to the event in
// the stream of a station. One iteration is one run of the ward; it fails if
// a frame that was taken does not arrive.
//
//	go test -run xxx -bench WireToScreen -benchtime 1x .
func BenchmarkWireToScreen(b *testing.B) {
	b.Run("20-beds-with-waveforms", func(b *testing.B) {
		measureWard(b, ward{units: 1, waves: []protocol.Code{protocol.ECGLeadII, protocol.Pleth, protocol.RespirationWave}, blocks: 4, settle: 5 * time.Second, runs: 30 * time.Second})
	})
	b.Run("500-beds-at-kata-rates", func(b *testing.B) {
		measureWard(b, ward{units: 25, waves: []protocol.Code{protocol.ECGLeadII}, blocks: 1, settle: 10 * time.Second, runs: 30 * time.Second})
	})
}

// A ward is what a benchmark simulates: units of 20 beds, each bed with a hub
// of all eight signs.
type ward struct {
	units        int
	waves        []protocol.Code
	blocks       int           // of each wave in a second
	settle, runs time.Duration // before measuring, and measuring
}

// A tap is a device's end of a line that notes when each observation was
// written, until the screen has seen it.
type tap struct {
	*line.PTY
	decoder drivers.Decoder
	meter   *meter
	bed     registry.BedID
}

func (t *tap) Write(p []byte) (int, error) {
	if t.meter.silent.Load() {
		return len(p), nil
	}
	var codes []protocol.Code
	t.decoder.Decode(p, func(o protocol.Observation) {
		if o.Kind != protocol.KindEvent {
			codes = append(codes, o.Code)
		}
	})
	lost := t.Lost()
	t.meter.written(t.bed, codes, time.Now())
	n, err := t.PTY.Write(p)
	if t.Lost() != lost { // nobody listened: nobody will see it
		t.meter.unwritten(t.bed, codes)
	}
	return n, err
}

// A meter pairs what was written with what was seen: per bed and code they come
// in the same order.
type meter struct {
	silent    atomic.Bool // devices hold their tongue
	mu        sync.Mutex
	waiting   map[string][]time.Time
	measuring bool
	took      []time.Duration
	unpaired  []string // seen, but not written
}

func key(bed string, code uint64) string { return bed + "/" + strconv.FormatUint(code, 10) }

func (m *meter) written(bed registry.BedID, codes []protocol.Code, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, code := range codes {
		k := key(string(bed), uint64(code))
		m.waiting[k] = append(m.waiting[k], at)
	}
}

func (m *meter) unwritten(bed registry.BedID, codes []protocol.Code) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, code := range codes {
		k := key(string(bed), uint64(code))
		m.waiting[k] = m.waiting[k][:len(m.waiting[k])-1]
	}
}

func (m *meter) seen(bed string, code uint64, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := key(bed, code)
	q := m.waiting[k]
	if len(q) == 0 {
		m.unpaired = append(m.unpaired, k)
		return
	}
	if m.measuring {
		m.took = append(m.took, at.Sub(q[0]))
	}
	m.waiting[k] = q[1:]
}

// outstanding is how many written observations no screen has seen.
func (m *meter) outstanding() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, q := range m.waiting {
		n += len(q)
	}
	return n
}

// cpuTime is the processor time of this process and the given ones.
func cpuTime(children []*exec.Cmd) time.Duration {
	var ticks int
	eachStat(children, func(fields []string) {
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		ticks += user + system
	})
	return time.Duration(ticks) * 10 * time.Millisecond // a tick is 1/100 s
}

// residentMiB is the resident memory of this process and the given ones.
func residentMiB(children []*exec.Cmd) float64 {
	var pages int
	eachStat(children, func(fields []string) {
		n, _ := strconv.Atoi(fields[21])
		pages += n
	})
	return float64(pages*os.Getpagesize()) / (1 << 20)
}

// eachStat gives the fields of /proc/PID/stat from the third on, see proc(5).
func eachStat(children []*exec.Cmd, f func(fields []string)) {
	pids := []int{os.Getpid()}
	for _, c := range children {
		pids = append(pids, c.Process.Pid)
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f(strings.Fields(rest))
	}
}

func measureWard(b *testing.B, w ward) {
	for range b.N {
		m := runWard(b, w)
		slices.Sort(m.took)
		if len(m.took) == 0 {
			b.Fatal("no screen saw anything")
		}
		at := func(q float64) float64 {
			return float64(m.took[int(q*float64(len(m.took)-1))].Microseconds()) / 1000
		}
		b.ReportMetric(at(0.5), "p50-ms")
		b.ReportMetric(at(0.99), "p99-ms")
		b.ReportMetric(at(1), "max-ms")
		b.ReportMetric(float64(len(m.took))/w.runs.Seconds(), "events/s")
		b.ReportMetric(0, "ns/op")
		if len(m.unpaired) > 0 {
			b.Errorf("screens saw %d observations that no device sent, the first of them %v", len(m.unpaired), m.unpaired[:min(5, len(m.unpaired))])
		}
	}
}

func runWard(b *testing.B, w ward) *meter {
	dir := b.TempDir()
	raiseFileLimit(b)
	cfg, boxes := prepareHospital(b, dir, w.units)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	cloud, err := service.New(b.Context(), cfg, log, "bench")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { cloud.Run(ctx) })

	m := &meter{waiting: map[string][]time.Time{}}
	var screens sync.WaitGroup
	watching, stopWatching := context.WithCancel(context.Background())
	cookies := signInForBench(b, cloud.Address("http"))
	var failed atomic.Value
	for u := range w.units {
		screens.Go(func() {
			err := watch(watching, cookies, cloud.Address("http"), fmt.Sprintf("ward-%d", u+1), m)
			if watching.Err() == nil {
				failed.Store(fmt.Errorf("station of unit %d: %w", u+1, err))
			}
		})
	}
	time.Sleep(time.Second)
	var simulators sync.WaitGroup
	var children []*exec.Cmd
	playing, stopPlaying := context.WithCancel(context.Background())
	for i, box := range boxes {
		pty, err := line.OpenPTY(filepath.Join(dir, string(box.id)+".port"))
		if err != nil {
			b.Fatal(err)
		}
		writeBoxConfig(b, box, cfg.Broker.Listen, filepath.Join(dir, string(box.id)+".port"))
		if i%20 == 19 { // one process for the boxes of a unit: 500 do not fit into the descriptors of one
			children = append(children, startBoxes(b, boxes[i-19:i+1]))
		}
		t := &tap{PTY: pty, decoder: stayhealthy.Driver.NewDecoder(), meter: m, bed: box.bed}
		simulators.Go(func() {
			defer pty.Close()
			profile, _ := patient.NamedProfile("stable adult")
			person, err := patient.New(patient.Config{Seed: uint64(i), Profile: profile, Start: time.Now()})
			if err != nil {
				b.Error(err)
				return
			}
			if pty.AwaitHost(playing) != nil {
				return
			}
			time.Sleep(time.Duration(i) * time.Second / time.Duration(len(boxes))) // devices are not in step
			device := stayhealthy.Device{Waves: w.waves, BlocksPerSecond: w.blocks}
			device.Simulate(playing, t, person)
		})
		time.Sleep(5 * time.Millisecond)
	}
	awaitBoxes(b, cloud.Address("http"), len(boxes))
	time.Sleep(w.settle)
	m.silent.Store(true) // what was sent while boxes connected may have come late, as backfill: begin anew
	time.Sleep(2 * time.Second)
	m.mu.Lock()
	clear(m.waiting)
	m.unpaired, m.measuring = nil, true
	m.mu.Unlock()
	m.silent.Store(false)
	cpu, began := cpuTime(children), time.Now()
	time.Sleep(w.runs)
	b.ReportMetric(100*float64(cpuTime(children)-cpu)/float64(time.Since(began)), "cpu-%")
	b.ReportMetric(residentMiB(children), "rss-MiB")
	m.mu.Lock()
	m.measuring = false
	m.mu.Unlock()
	stopPlaying()
	simulators.Wait()
	for deadline := time.Now().Add(20 * time.Second); m.outstanding() > 0 && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	b.Logf("%d observations measured", len(m.took))
	for k, q := range m.waiting {
		if len(q) > 0 {
			b.Errorf("%d observations of %s that its device sent reached no screen", len(q), k)
		}
	}
	if err, ok := failed.Load().(error); ok {
		b.Error(err)
	}
	stopWatching()
	screens.Wait()
	cancel()
	running.Wait()
	if err := cloud.Close(); err != nil {
		b.Error(err)
	}
	return m
}

// awaitBoxes waits until n boxes are connected to the broker.
func awaitBoxes(b *testing.B, address string, n int) {
	for range 600 {
		resp, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && bytes.Contains(text, fmt.Appendf(nil, "\nmonitorme_cloud_broker_clients %d\n", n)) {
			time.Sleep(5 * time.Second) // connecting 500 boxes is work that is not measured
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	b.Fatalf("%d boxes are not all connected after two minutes", n)
}

// raiseFileLimit lets 500 boxes have their files in one process.
func raiseFileLimit(b *testing.B) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
}

type benchBox struct {
	id   protocol.BoxID
	unit protocol.UnitID
	bed  registry.BedID
	dir  string
}

// prepareHospital registers units of 20 beds with a box and a patient each.
func prepareHospital(b *testing.B, dir string, units int) (service.Config, []benchBox) {
	cfg := service.Default()
	cfg.DataDir, cfg.HTTP.Listen, cfg.Broker.Listen = filepath.Join(dir, "cloud"), freeAddress(b), freeAddress(b)
	if err := cfg.Validate(); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	r, err := registry.Open(ctx, cfg.Registry, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ca, err := pki.Open(filepath.Join(cfg.DataDir, "pki"))
	if err != nil {
		b.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	var boxes []benchBox
	nurse := registry.User{Name: "bench", Display: "Bench", Role: "nurse"}
	since := time.Now().Add(-time.Hour)
	for u := 1; u <= units; u++ {
		unit := protocol.UnitID(fmt.Sprintf("ward-%d", u))
		must(r.PutUnit(ctx, registry.Unit{ID: unit, Name: string(unit)}))
		nurse.Units = append(nurse.Units, unit)
		for n := 1; n <= 20; n++ {
			box := benchBox{id: protocol.BoxID(fmt.Sprintf("box-%d-%02d", u, n)), unit: unit, bed: registry.BedID(fmt.Sprintf("bed-%d-%02d", u, n))}
			box.dir = filepath.Join(dir, "boxes", string(box.id))
			must(r.PutBed(ctx, registry.Bed{ID: box.bed, Unit: unit, Label: fmt.Sprint(n)}))
			must(r.PutBox(ctx, registry.Box{ID: box.id, Unit: unit}))
			must(r.PlaceBox(ctx, box.id, box.bed, since))
			p, err := r.PutPatient(ctx, registry.Patient{ID: registry.PatientID("p-" + string(box.id)), Name: "Test Patient", Born: "1950-01-01", Sex: "female"})
			must(err)
			must(r.Assign(ctx, box.bed, p.ID, since))
			id, err := ca.Issue(string(box.id), pki.RoleBox)
			must(err)
			must(os.MkdirAll(box.dir, 0o700))
			for name, content := range map[string][]byte{"ca.pem": ca.CertificatePEM(), "box.pem": id.CertPEM, "box.key": id.KeyPEM} {
				must(os.WriteFile(filepath.Join(box.dir, name), content, 0o600))
			}
			boxes = append(boxes, box)
		}
	}
	must(r.PutUser(ctx, nurse, "bench-password-1"))
	must(r.Close())
	return cfg, boxes
}

func writeBoxConfig(b *testing.B, box benchBox, broker, port string) {
	text := fmt.Sprintf(`
box: %s
unit: %s
clock: {trust: always}
queue: {dir: %[3]s/queue, min_free_bytes: 1048576}
uplink: {broker: "tls://%[4]s", ca_file: %[3]s/ca.pem, cert_file: %[3]s/box.pem, key_file: %[3]s/box.key}
health: {listen: ""}
devices: [{id: hub, driver: stayhealthy, port: %[5]s}]
`, box.id, box.unit, box.dir, broker, port)
	if err := os.WriteFile(box.config(), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (box benchBox) config() string { return filepath.Join(box.dir, "edge.yaml") }

// boxesVariable names, for a child of this test binary, the configurations of
// the boxes it is to run.
const boxesVariable = "MONITORME_BENCH_BOXES"

func TestMain(m *testing.M) {
	if list := os.Getenv(boxesVariable); list != "" {
		runBoxes(strings.Split(list, ":"))
		return
	}
	os.Exit(m.Run())
}

// startBoxes runs boxes in a child of this test binary.
func startBoxes(b *testing.B, boxes []benchBox) *exec.Cmd {
	var list []string
	for _, box := range boxes {
		list = append(list, box.config())
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), boxesVariable+"="+strings.Join(list, ":"))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	return cmd
}

// runBoxes is what the child does: it runs boxes until it is told to stop.
func runBoxes(configs []string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	var running sync.WaitGroup
	for _, path := range configs {
		running.Go(func() {
			cfg, err := agent.Load(path)
			if err == nil {
				err = agent.Run(ctx, cfg, log, prometheus.NewRegistry())
			}
			if ctx.Err() == nil {
				log.Error("box ended", "config", path, "err", err)
			}
		})
	}
	running.Wait()
}

func signInForBench(b *testing.B, address string) http.CookieJar {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	for range 100 {
		resp, err := client.Post("http://"+address+"/api/v1/session", "application/json", strings.NewReader(`{"user":"bench","password":"bench-password-1"}`))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusNoContent {
				return jar
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("could not sign in")
	return nil
}

var (
	bedField  = []byte(`{"bed":"`)
	codeField = []byte(`"code":`)
)

// watch reads a unit's stream as a browser does, and notes what it sees.
func watch(ctx context.Context, jar http.CookieJar, address, unit string, m *meter) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/v1/stream?waves=true&unit="+unit, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Jar: jar}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	lines := bufio.NewReaderSize(resp.Body, 1<<20)
	event := ""
	for {
		text, err := lines.ReadSlice('\n')
		if err != nil {
			return err
		}
		now := time.Now()
		if name, ok := bytes.CutPrefix(text, []byte("event: ")); ok {
			event = string(bytes.TrimSpace(name))
			continue
		}
		data, ok := bytes.CutPrefix(text, []byte("data: "))
		if !ok || event != "values" && event != "wave" {
			continue
		}
		rest, _ := bytes.CutPrefix(data, bedField)
		bed, rest, _ := bytes.Cut(rest, []byte(`"`))
		for {
			i := bytes.Index(rest, codeField)
			if i < 0 {
				break
			}
			rest = rest[i+len(codeField):]
			end := bytes.IndexByte(rest, ',')
			code, err := strconv.ParseUint(string(rest[:end]), 10, 32)
			if err != nil {
				return fmt.Errorf("code in %q: %w", text, err)
			}
			m.seen(string(bed), code, now)
		}
	}
}
