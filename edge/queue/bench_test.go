package queue

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
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

// A bedside plays a box on a clock of its own: appends, the timer of Run, the
// lanes of an uplink and a cloud whose acknowledgements take a while.
type bedside struct {
	b        *testing.B
	q        *Queue
	clock    time.Time
	delay    func() time.Duration // of an acknowledgement; nil: none comes
	coming   []coming
	payload  int64
	sec      int
	lastDone time.Duration
}

type coming struct {
	at  time.Time
	ack protocol.Ack
}

func (s *bedside) append(at time.Duration, obs ...protocol.Observation) {
	s.until(at)
	before := s.q.bytes
	mustAppend(s.b, s.q, at, obs...)
	s.payload += s.q.bytes - before
	if s.delay == nil {
		return
	}
	for _, lane := range []protocol.Lane{protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill} {
		for {
			p, ack, err := s.q.Next(lane, 64<<10, t0)
			if err != nil {
				s.b.Fatal(err)
			}
			if p == nil {
				break
			}
			s.coming = append(s.coming, coming{s.clock.Add(s.delay()), ack})
		}
	}
}

// until lets time pass, in steps of 10 ms.
func (s *bedside) until(at time.Duration) {
	for ; s.lastDone < at; s.lastDone += 10 * time.Millisecond {
		s.clock = t0.Add(s.lastDone)
		s.coming = slices.DeleteFunc(s.coming, func(c coming) bool {
			due := !c.at.After(s.clock)
			if due {
				if err := s.q.Ack(c.ack); err != nil {
					s.b.Fatal(err)
				}
			}
			return due
		})
		if err := s.q.syncDue(); err != nil {
			s.b.Fatal(err)
		}
		if s.lastDone%(5*time.Second) == 0 {
			s.q.Stats() // the state of the box
		}
	}
	s.clock = t0.Add(at)
}

// Bytes written to the disk per byte of readings at the default sync interval,
// by how long the cloud's store takes to acknowledge. One operation is one
// second of a bed.
func BenchmarkQueueWriteAmplification(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, load := range []struct {
		name   string
		second func(int, func(time.Duration, ...protocol.Observation))
	}{{"bed", fullBed}, {"100-per-s", hundred}} {
		for _, cloud := range []struct {
			name  string
			delay func() time.Duration
		}{
			{"100ms", func() time.Duration { return 100 * time.Millisecond }},
			{"100ms-to-1s", func() time.Duration { return 100*time.Millisecond + time.Duration(rng.Int64N(900))*time.Millisecond }},
			{"2s", func() time.Duration { return 2 * time.Second }},
			{"never", nil},
		} {
			b.Run(load.name+"/acked="+cloud.name, func(b *testing.B) {
				s := &bedside{b: b, q: openTest(b, testConfig(b.TempDir())), clock: t0, delay: cloud.delay}
				s.q.now, s.q.synced = func() time.Time { return s.clock }, t0
				start := written(b)
				for b.Loop() {
					load.second(s.sec, s.append)
					s.sec++
				}
				if err := s.q.Close(); err != nil {
					b.Fatal(err)
				}
				n := float64(written(b) - start)
				all, anon := resident()
				b.ReportMetric(n/float64(s.payload), "written/payload")
				b.ReportMetric(n/float64(s.sec), "written-B/s")
				b.ReportMetric(float64(s.payload)/float64(s.sec), "payload-B/s")
				b.ReportMetric(float64(s.q.counts.syncs)/float64(s.sec), "syncs/s")
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
