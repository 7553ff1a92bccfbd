package queue

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"monitorme/protocol"
)

// written is what this process has caused to be written to disks so far.
func written(b *testing.B) int64 {
	raw, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skipf("no count of written bytes here: %v", err)
	}
	var n int64
	_, rest, ok := strings.Cut(string(raw), "\nwrite_bytes: ")
	if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
		b.Skip("no count of written bytes here")
	}
	return n
}

// resident is the memory of this process in KiB: all, and what is not a file's.
func resident() (all, anonymous int) {
	raw, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(raw)) {
		fmt.Sscanf(line, "VmRSS: %d kB", &all)
		fmt.Sscanf(line, "RssAnon: %d kB", &anonymous)
	}
	return all, anonymous
}

// fullBed is one second of a bed: eight signs and three waveforms, as a monitor
// sends them: numerics each second, waves in blocks of a quarter of a second.
// emit takes what one read of the port gave.
func fullBed(sec int, emit func(at time.Duration, obs ...protocol.Observation)) {
	at := time.Duration(sec) * time.Second
	var signs []protocol.Observation
	for i, period := range []int{1, 1, 5, 1, 120, 300, 120, 3600} {
		if sec%period == 0 {
			o := numeric(at, int64(60+(sec*7+i*13)%40))
			o.Code += protocol.Code(i * 4)
			signs = append(signs, o)
		}
	}
	emit(at, signs...)
	for quarter := range 4 {
		at := at + time.Duration(quarter)*250*time.Millisecond
		var blocks []protocol.Observation
		for i, rate := range []int{250, 125, 62} { // ECG, pleth, respiration
			o := wave(at, 0)
			o.Code += protocol.Code(i)
			o.Samples.RateMilliHz = uint32(rate) * 1000
			for s := range rate / 4 {
				x := float64(sec) + float64(quarter)/4 + float64(s)/float64(rate)
				o.Samples.Raw = append(o.Samples.Raw, int32(800*math.Sin(x*7)*math.Sin(x*31))+int32(s*7919%5))
			}
			blocks = append(blocks, o)
		}
		emit(at, blocks...)
	}
}

// hundred is one second of 100 numerics, two every 20 ms.
func hundred(sec int, emit func(at time.Duration, obs ...protocol.Observation)) {
	for i := range 50 {
		at := time.Duration(sec)*time.Second + time.Duration(i)*20*time.Millisecond
		emit(at, numeric(at, int64(60+i%7)), numeric(at+time.Millisecond, int64(80+i%5)))
	}
}

// Bytes written to the disk per byte of readings, with a sync after each second
// of readings, while all is acknowledged at once, and while nothing is. One
// operation is one second of a bed.
func BenchmarkQueueWriteAmplification(b *testing.B) {
	for _, load := range []struct {
		name   string
		second func(int, func(time.Duration, ...protocol.Observation))
	}{{"bed", fullBed}, {"100-per-s", hundred}} {
		for _, acked := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/acked=%v", load.name, acked), func(b *testing.B) {
				q := openTest(b, testConfig(b.TempDir()))
				var payload, readings, appends int64
				start := written(b)
				sec := 0
				for b.Loop() {
					load.second(sec, func(at time.Duration, obs ...protocol.Observation) {
						before := q.bytes
						mustAppend(b, q, at, obs...)
						payload += q.bytes - before
						readings += int64(len(obs))
						appends++
						for _, lane := range []protocol.Lane{protocol.LaneLive, protocol.LaneWave} {
							for acked {
								p, ack, err := q.Next(lane, 0, t0)
								if err != nil {
									b.Fatal(err)
								}
								if p == nil {
									break
								}
								if err := q.Ack(ack); err != nil {
									b.Fatal(err)
								}
							}
						}
					})
					sec++
					if err := q.Sync(); err != nil {
						b.Fatal(err)
					}
				}
				if err := q.Close(); err != nil {
					b.Fatal(err)
				}
				n := float64(written(b) - start)
				all, anon := resident()
				b.ReportMetric(n/float64(payload), "written/payload")
				b.ReportMetric(n/float64(sec), "written-B/s")
				b.ReportMetric(float64(payload)/float64(sec), "payload-B/s")
				b.ReportMetric(float64(all)/1024, "RSS-MiB")
				b.ReportMetric(float64(anon)/1024, "anon-MiB")
			})
		}
	}
}

// What one reading costs to store, claim and acknowledge, one at a time.
func BenchmarkAppendNextAck(b *testing.B) {
	q := openTest(b, testConfig(b.TempDir()))
	b.ReportAllocs()
	at := time.Duration(0)
	for b.Loop() {
		at += time.Millisecond
		mustAppend(b, q, at, numeric(at, 60))
		_, ack, err := q.Next(protocol.LaneLive, 0, t0)
		if err != nil {
			b.Fatal(err)
		}
		if err := q.Ack(ack); err != nil {
			b.Fatal(err)
		}
	}
}

// A backlog of one-reading entries, merged, claimed and acknowledged. One
// operation is 10,000 readings.
func BenchmarkDrain(b *testing.B) {
	q := openTest(b, testConfig(b.TempDir()))
	for b.Loop() {
		b.StopTimer()
		for i := range 10_000 {
			at := time.Duration(i) * time.Millisecond
			mustAppend(b, q, at, numeric(at, 60))
		}
		q.age()
		b.StartTimer()
		for {
			p, ack, err := q.Next(protocol.LaneBackfill, 128<<10, t0)
			if err != nil {
				b.Fatal(err)
			}
			if p == nil {
				break
			}
			if err := q.Ack(ack); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "readings/s")
}
