package service

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// BenchmarkIngest measures what a reading costs the cloud from the broker's
// door on: decode, check, evaluate every alarm rule, keep the latest value,
// append to the embedded store, commit to the disk and acknowledge, for 500
// boxes that take turns. The processor time is that of the whole process until
// the last commit.
func BenchmarkIngest(b *testing.B) {
	for _, size := range []int{1, 10, 100, 550} {
		b.Run(fmt.Sprintf("batches-of-%d", size), func(b *testing.B) { benchmarkIngest(b, size) })
	}
}

const benchBoxes = 500

func benchmarkIngest(b *testing.B, size int) {
	cfg := Default()
	cfg.DataDir, cfg.HTTP.Listen, cfg.Broker.Listen = b.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	if err := cfg.Validate(); err != nil {
		b.Fatal(err)
	}
	registerBoxes(b, cfg.Registry)
	s, err := New(b.Context(), cfg, slog.New(slog.DiscardHandler), "bench")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		<-done
		s.Close()
	}()

	topics := make([]string, benchBoxes)
	sequence := make([]uint64, benchBoxes)
	for i := range topics {
		topics[i] = protocol.Topic("ward-1", protocol.BoxID(fmt.Sprintf("box-%03d", i)), protocol.LaneLive)
	}
	started := time.Now().UTC().Truncate(time.Microsecond)
	batches := b.N/size + 1
	payloads := make([][]byte, batches)
	for n := range batches {
		box := n % benchBoxes
		payloads[n] = benchBatch(b, box, sequence[box]+1, size, started)
		sequence[box] += uint64(size)
	}
	b.ReportAllocs()
	b.ResetTimer()
	cpu, began := processTime(), time.Now()
	for n, payload := range payloads {
		s.ingest.Handle(topics[n%benchBoxes], payload)
		for n%256 == 255 && s.unstored(n+1, size) > 4096 { // as the boxes' windows do
			time.Sleep(time.Millisecond)
		}
	}
	for s.unstored(batches, size) > 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	readings := float64(batches * size)
	b.ReportMetric(float64((processTime()-cpu).Nanoseconds())/1e3/readings, "cpu-µs/reading")
	b.ReportMetric(readings/time.Since(began).Seconds(), "readings/s")
}

// unstored is how many of n batches the store has not committed.
func (s *Service) unstored(n, size int) int {
	rec := &recorder{header: http.Header{}}
	req, _ := http.NewRequest(http.MethodGet, "/metrics", nil)
	req.RemoteAddr = "127.0.0.1:1"
	s.operations().ServeHTTP(rec, req)
	for l := range strings.Lines(rec.body.String()) {
		if v, ok := strings.CutPrefix(l, "monitorme_cloud_ingest_stored_total "); ok {
			stored, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
			return n - int(stored)/size
		}
	}
	return n
}

type recorder struct {
	header http.Header
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

var _ io.Writer = (*recorder)(nil)

// benchBatch is what an edge with a full bed sends: heart rate, respiration,
// saturation and pulse in turn.
func benchBatch(b *testing.B, box int, first uint64, size int, started time.Time) []byte {
	codes := []struct {
		code protocol.Code
		unit protocol.Unit
		base int64
	}{{protocol.HeartRate, "/min", 70}, {protocol.RespirationRate, "/min", 15}, {protocol.SpO2, "%", 96}, {protocol.PulseRate, "/min", 70}}
	batch := protocol.Batch{Box: protocol.BoxID(fmt.Sprintf("box-%03d", box)), Epoch: 9, Stream: protocol.StreamNumeric, FirstSeq: first,
		Base: started, Clock: protocol.ClockSynced, Sent: started}
	for i := range size {
		n := first + uint64(i)
		c := codes[n%uint64(len(codes))]
		batch.Observations = append(batch.Observations, protocol.Observation{Device: "hub", Code: c.code, Unit: c.unit, Kind: protocol.KindNumeric,
			Quality: protocol.QualityGood, Clock: protocol.ClockSynced, Value: protocol.Int(c.base + int64(n/8%3)),
			At: started.Add(time.Duration(n) * 125 * time.Millisecond / 10)})
	}
	payload, err := protocol.AppendBatch(nil, &batch)
	if err != nil {
		b.Fatal(err)
	}
	return payload
}

func registerBoxes(b *testing.B, cfg registry.Config) {
	r, err := registry.Open(b.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(r.PutUnit(b.Context(), registry.Unit{ID: "ward-1", Name: "Ward 1"}))
	for i := range benchBoxes {
		bed, box := registry.BedID(fmt.Sprintf("bed-%03d", i)), protocol.BoxID(fmt.Sprintf("box-%03d", i))
		must(r.PutBed(b.Context(), registry.Bed{ID: bed, Unit: "ward-1", Label: fmt.Sprint(i)}))
		must(r.PutBox(b.Context(), registry.Box{ID: box, Unit: "ward-1"}))
		must(r.PlaceBox(b.Context(), box, bed, time.Now().Add(-time.Hour)))
	}
	must(r.Close())
}

func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
