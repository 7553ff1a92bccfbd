package monitorme

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"monitorme/cloud/service"
	"monitorme/drivers/patient"
	"monitorme/drivers/simulator/line"
	"monitorme/drivers/stayhealthy"
	"monitorme/protocol"
)

// BenchmarkEdge measures monitorme-edge as a process with one full bed, all
// eight signs and three waveforms in four blocks a second, and a real cloud:
// its memory and processor time, what it writes to the disk for a byte of
// readings, its time from start to the first value on a station's screen, and
// the size of the stripped arm64 program.
//
//	go test -run xxx -bench Edge -benchtime 1x .
func BenchmarkEdge(b *testing.B) {
	for range b.N {
		measureEdge(b, 60*time.Second)
		b.ReportMetric(0, "ns/op")
	}
}

func measureEdge(b *testing.B, runs time.Duration) {
	dir := b.TempDir()
	stripped := filepath.Join(dir, "edge-arm64")
	for out, environment := range map[string][]string{stripped: {"GOARCH=arm64"}, filepath.Join(dir, "edge"): nil} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./edge")
		cmd.Env = append(os.Environ(), append(environment, "CGO_ENABLED=0", "GOOS=linux")...)
		if text, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("build the edge: %v\n%s", err, text)
		}
	}
	info, err := os.Stat(stripped)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/1e6, "arm64-MB")

	cfg, boxes := prepareHospital(b, dir, 1)
	cloud, err := service.New(b.Context(), cfg, slog.New(slog.DiscardHandler), "bench")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { cloud.Run(ctx) })
	defer func() {
		cancel()
		running.Wait()
		cloud.Close()
	}()
	m := &meter{waiting: map[string][]time.Time{}}
	cookies := signInForBench(b, cloud.Address("http"))
	running.Go(func() { watch(ctx, cookies, cloud.Address("http"), "ward-1", m) })

	port := filepath.Join(dir, "port")
	pty, err := line.OpenPTY(port)
	if err != nil {
		b.Fatal(err)
	}
	profile, _ := patient.NamedProfile("stable adult")
	person, err := patient.New(patient.Config{Seed: 1, Profile: profile, Start: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	running.Go(func() {
		defer pty.Close()
		if pty.AwaitHost(ctx) == nil {
			device := stayhealthy.Device{Waves: []protocol.Code{protocol.ECGLeadII, protocol.Pleth, protocol.RespirationWave}, BlocksPerSecond: 4}
			device.Simulate(ctx, &tap{PTY: pty, decoder: stayhealthy.Driver.NewDecoder(), meter: m, bed: boxes[0].bed}, person)
		}
	})
	writeBoxConfig(b, boxes[0], cfg.Broker.Listen, port)
	edge := exec.Command(filepath.Join(dir, "edge"), "run", "-config", boxes[0].config(), "-log-level", "error")
	edge.Stderr = os.Stderr
	edge.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.mu.Lock()
	m.measuring = true
	m.mu.Unlock()
	began := time.Now()
	if err := edge.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		edge.Process.Signal(syscall.SIGTERM)
		edge.Wait()
	}()
	for m.count() == 0 {
		if time.Since(began) > time.Minute {
			b.Fatal("no value reached the screen within a minute")
		}
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "start-to-screen-ms")

	time.Sleep(10 * time.Second)
	proc := fmt.Sprintf("/proc/%d/", edge.Process.Pid)
	cpu, wrote, at := processorTicks(b, proc), writtenBytes(b, proc), time.Now()
	time.Sleep(runs)
	took := time.Since(at).Seconds()
	b.ReportMetric(float64(processorTicks(b, proc)-cpu)/took, "cpu-%") // a tick is 1/100 s
	b.ReportMetric(float64(writtenBytes(b, proc)-wrote)/took, "disk-B/s")
	b.ReportMetric(statusMiB(b, proc, "VmHWM:"), "peak-rss-MiB")
	b.ReportMetric(statusMiB(b, proc, "VmRSS:"), "rss-MiB")
}

func (m *meter) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.took)
}

func processorTicks(b *testing.B, proc string) int {
	text, err := os.ReadFile(proc + "stat")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}

func writtenBytes(b *testing.B, proc string) int {
	return procField(b, proc+"io", "write_bytes:")
}

func statusMiB(b *testing.B, proc, field string) float64 {
	return float64(procField(b, proc+"status", field)) / 1024
}

func procField(b *testing.B, path, field string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, field); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	b.Fatalf("no %s in %s", field, path)
	return 0
}
