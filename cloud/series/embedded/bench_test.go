package embedded

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"
)

// cpu is the processor time this process has used, of all threads.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend has 64 callers, as ingest has for as many boxes, that append
// batches of a size, with the store sealing when its memory is full.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 10, 100, 550} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := openAt(b, b.TempDir())
			const callers = 64
			var wg sync.WaitGroup
			before := cpu()
			b.ResetTimer()
			for c := range callers {
				n := b.N / callers
				if c < b.N%callers {
					n++
				}
				wg.Go(func() {
					box := protocol.BoxID(fmt.Sprintf("box-%d", c))
					obs := make([]protocol.Observation, size)
					for i := range n {
						for j := range obs {
							k := i*size + j
							obs[j] = protocol.Observation{Device: "monitor", Code: protocol.HeartRate + protocol.Code(k%8), Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood,
								Clock: protocol.ClockSynced, At: start.Add(time.Duration(k/8) * 500 * time.Millisecond), Value: protocol.Int(int64(60 + k/8%9))}
						}
						if err := s.Append(ctx, box, obs); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			readings := float64(b.N * size)
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/readings, "cpu-ns/reading")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/readings, "ns/reading")
			b.ReportMetric(float64(s.readings.journal.size)/readings, "journal-B/reading")
		})
	}
}

// kata appends a day of sixteen series like those of the kata: two readings a
// second that arrive with a jitter of half a millisecond, random walks of one
// step, some with a decimal place.
func kata(b *testing.B, s *Store, n int) []series.Key {
	r := rand.New(rand.NewPCG(1, 2))
	var keys []series.Key
	value := [16]int64{}
	for c := range value {
		value[c] = 60 + int64(c)
		keys = append(keys, series.Key{Box: "box", Device: "monitor", Code: protocol.HeartRate + protocol.Code(c)})
	}
	var obs []protocol.Observation
	day := start.Truncate(day)
	for i := range n {
		for c := range value {
			if r.IntN(4) == 0 {
				value[c] += int64(r.IntN(3)) - 1
			}
			obs = append(obs, protocol.Observation{Device: "monitor", Code: keys[c].Code, Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Clock: protocol.ClockSynced,
				At:    day.Add(time.Duration(i)*500*time.Millisecond + time.Duration(r.NormFloat64()*float64(500*time.Microsecond))),
				Value: protocol.Dec(value[c], int8(-c%2))})
		}
		if len(obs) >= 8000 || i == n-1 {
			if err := s.Append(ctx, "box", obs); err != nil {
				b.Fatal(err)
			}
			obs = obs[:0]
		}
	}
	sealAll(b, s)
	return keys
}

// rest brings the database to rest and gives the bytes on disk.
func rest(b *testing.B, s *Store) float64 {
	dir := s.cfg.Dir
	if err := s.db.Flatten(2); err != nil {
		b.Fatal(err)
	}
	s.Close() // flushes the memtable
	s = openAt(b, dir)
	if err := s.db.Flatten(2); err != nil {
		b.Fatal(err)
	}
	s.Close()
	total := int64(0)
	filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if i, err := e.Info(); err == nil && !e.IsDir() {
			total += i.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return float64(total)
}

func BenchmarkBytesPerReading(b *testing.B) {
	const n = 172_800
	for b.Loop() {
		s := openAt(b, b.TempDir())
		kata(b, s, n)
		b.ReportMetric(rest(b, s)/(16*n), "B/reading")
	}
}

func dayStore(b *testing.B) (*Store, series.Key, time.Time) {
	s := openAt(b, b.TempDir())
	keys := kata(b, s, 172_800)
	b.ResetTimer()
	return s, keys[3], start.Truncate(day)
}

func BenchmarkQueryRawDay(b *testing.B) {
	s, k, from := dayStore(b)
	for b.Loop() {
		n, sum := 0, int64(0)
		if err := s.Points(ctx, k, from, from.Add(day), func(p *series.Point) bool { n++; sum += p.Value.Mantissa; return true }); err != nil || n < 172_799 {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkQueryBuckets2000(b *testing.B) {
	s, k, from := dayStore(b)
	for b.Loop() {
		if got, err := s.Buckets(ctx, k, from, from.Add(day), 2000); err != nil || len(got) != 2000 {
			b.Fatal(len(got), err)
		}
	}
}

func BenchmarkQueryLastHour(b *testing.B) {
	s, k, from := dayStore(b)
	for b.Loop() {
		if err := s.Points(ctx, k, from.Add(22*time.Hour), from.Add(23*time.Hour), func(p *series.Point) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}

// syntheticECG is an ECG of 72 beats a minute with baseline wander and noise,
// 12 bits over 10 mV.
func syntheticECG(n int, rate float64) []int32 {
	r := rand.New(rand.NewPCG(3, 4))
	bumps := []struct{ at, width, height float64 }{{0.18, 0.025, 0.12}, {0.335, 0.008, -0.12}, {0.35, 0.010, 1.1}, {0.37, 0.009, -0.25}, {0.6, 0.045, 0.3}}
	raw := make([]int32, n)
	for i := range raw {
		t := float64(i) / rate
		phase := math.Mod(t*72/60, 1)
		v := 0.1*math.Sin(2*math.Pi*0.25*t) + 0.012*r.NormFloat64()
		for _, w := range bumps {
			d := (phase - w.at) / w.width
			v += w.height * math.Exp(-d*d/2)
		}
		raw[i] = int32(math.Round(v * 4096 / 10))
	}
	return raw
}

func benchWave(b *testing.B, raw []int32, rate int) {
	for b.Loop() {
		s := openAt(b, b.TempDir())
		var obs []protocol.Observation
		for i := 0; i+rate <= len(raw); i += rate {
			o := waveAt(start.Add(time.Duration(i/rate) * time.Second))
			o.Samples = &protocol.Samples{RateMilliHz: uint32(rate) * 1000, Scale: protocol.Dec(244140625, -11), Raw: raw[i : i+rate]}
			obs = append(obs, o)
			if len(obs) == 60 || i+2*rate > len(raw) {
				if err := s.Append(ctx, "box", obs); err != nil {
					b.Fatal(err)
				}
				obs = obs[:0]
			}
		}
		sealAll(b, s)
		b.ReportMetric(rest(b, s)/float64(len(raw)), "B/sample")
	}
}

func BenchmarkBytesPerSample(b *testing.B) {
	b.Run("synthetic 500 Hz", func(b *testing.B) { benchWave(b, syntheticECG(500*3600, 500), 500) })
	for _, c := range []struct {
		file string
		rate int
	}{{"mitdb100/mitdb100_MLII.dat", 360}, {"ptb_s0010/ptb_s0010_ii.dat", 1000}} {
		b.Run(c.file, func(b *testing.B) {
			raw := recording(b, c.file)
			for len(raw) < 3600*c.rate { // the fixed cost of a database is not the subject
				raw = append(raw, raw...)
			}
			benchWave(b, raw, c.rate)
		})
	}
}

// recording reads a waveform of the shared recordings, or skips.
func recording(b *testing.B, file string) []int32 {
	path := filepath.Join("..", "..", "..", "..", "shared", "recordings", "waveforms", file)
	bytes, err := os.ReadFile(path)
	if err != nil {
		b.Skipf("real ECG not measured: the recording %s is not there", file)
	}
	raw := make([]int32, len(bytes)/2)
	for i := range raw {
		if raw[i] = int32(int16(binary.LittleEndian.Uint16(bytes[2*i:]))); raw[i] == -32768 {
			raw[i] = protocol.NoSample
		}
	}
	return raw
}

// BenchmarkMemory500Beds reports the heap behind what is unsealed when a
// hospital of 500 beds has filled ten minutes of numbers and one of waves: per
// bed eight numbers a second, two ECG leads, pleth and respiration.
func BenchmarkMemory500Beds(b *testing.B) {
	for b.Loop() {
		s := openAt(b, b.TempDir())
		before := heap()
		ecg, slow := syntheticECG(250*60, 250), syntheticECG(100*60, 100)
		for bed := range 500 {
			box := protocol.BoxID(fmt.Sprintf("box-%d", bed))
			var obs []protocol.Observation
			for i := range 600 {
				for c := range 8 {
					o := heartRate(2*i + bed)
					o.Code += protocol.Code(c)
					obs = append(obs, o)
				}
			}
			for i := range 60 {
				for c, rate := range []int{250, 250, 75, 25} {
					src := ecg
					if rate < 100 {
						src = slow
					}
					o := waveAt(start.Add(time.Duration(i) * time.Second))
					o.Code += protocol.Code(c)
					o.Samples = &protocol.Samples{RateMilliHz: uint32(rate) * 1000, Scale: protocol.Dec(244140625, -11), Raw: src[i*rate : (i+1)*rate]}
					obs = append(obs, o)
				}
			}
			if err := s.Append(ctx, box, obs); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB-heap")
		b.ReportMetric(float64(s.readings.headBytes.Load()+s.waves.headBytes.Load())/(1<<20), "MiB-counted")
		t := time.Now()
		sealAll(b, s)
		b.ReportMetric(float64(time.Since(t).Milliseconds()), "ms-to-seal")
		s.Close()
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
