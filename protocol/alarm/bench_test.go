package alarm

import (
	"testing"
	"time"

	"monitorme/protocol"
)

func BenchmarkObserve(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(map[int]string{1: "batch=1", 10: "batch=10", 100: "batch=100"}[n], func(b *testing.B) {
			e := NewEvaluator("box-1", Default())
			obs := make([]protocol.Observation, n)
			codes := []protocol.Code{protocol.HeartRate, protocol.SpO2, protocol.RespirationRate, protocol.PulseRate, protocol.ABPMean}
			values := []string{"80", "97", "14", "80", "85"}
			for i := range obs {
				obs[i] = num(codes[i%5], 0, values[i%5])
			}
			batch := protocol.Batch{Box: "box-1", Epoch: 1, Stream: protocol.StreamNumeric, FirstSeq: 1, Observations: obs}
			var out []Alarm
			at := t0
			b.ReportAllocs()
			for b.Loop() {
				at = at.Add(100 * time.Millisecond)
				for i := range obs {
					obs[i].At = at
				}
				batch.Sent = at
				out = e.Observe(&batch, false, at, out[:0])
				batch.FirstSeq += uint64(n)
			}
			if len(out) > 0 {
				b.Fatal(out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/reading")
		})
	}
}

func BenchmarkAdvance(b *testing.B) {
	bed := newBed(b)
	bed.send(num(protocol.HeartRate, 0, "80"), num(protocol.SpO2, 0, "97"), num(protocol.RespirationRate, 0, "14"), num(protocol.PulseRate, 0, "80"))
	var out []Alarm
	b.ReportAllocs()
	for b.Loop() {
		out = bed.e.Advance(sec(1), out[:0])
	}
}

func TestObserveAllocatesNothingWhenNothingChanges(t *testing.T) {
	b := newBed(t)
	obs := []protocol.Observation{num(protocol.HeartRate, 0, "80"), num(protocol.SpO2, 0, "97")}
	batch := protocol.Batch{Box: "box-1", Epoch: 1, Stream: protocol.StreamNumeric, FirstSeq: 1, Observations: obs}
	out := make([]Alarm, 0, 8)
	at := t0
	n := testing.AllocsPerRun(1000, func() {
		at = at.Add(time.Second)
		obs[0].At, obs[1].At, batch.Sent = at, at, at
		out = b.e.Observe(&batch, false, at, out[:0])
		out = b.e.Advance(at, out)
		batch.FirstSeq += 2
	})
	if n != 0 || len(out) != 0 {
		t.Errorf("%v allocations, %d changes", n, len(out))
	}
}
