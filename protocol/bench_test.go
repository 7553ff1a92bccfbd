package protocol

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func waveBatch() *Batch {
	raw := make([]int32, 250)
	for i := range raw {
		raw[i] = int32(400 * math.Sin(float64(i)/9))
	}
	return &Batch{Box: "box-17", Epoch: 1, Stream: StreamWave, FirstSeq: 1, Base: t0, Clock: ClockSynced, Boot: 7, Observations: []Observation{
		{Device: "monitor", Code: ECGLeadII, Unit: "mV", Kind: KindSamples, Quality: QualityGood, At: t0, Samples: &Samples{RateMilliHz: 250_000, Scale: Dec(5, -3), Offset: Int(0), Raw: raw}}}}
}

func BenchmarkDecodeBatch(b *testing.B) {
	for _, n := range []int{1, 10, 100, 550} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { decodes(b, numerics(n)) })
	}
	b.Run("wave250", func(b *testing.B) { decodes(b, waveBatch()) })
}

func decodes(b *testing.B, batch *Batch) {
	p, err := AppendBatch(nil, batch)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeBatch(p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(p)), "wire-bytes")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(batch.Observations)), "ns/observation")
}

func BenchmarkAppendBatch(b *testing.B) {
	for _, n := range []int{1, 10, 100, 550} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { encodes(b, numerics(n)) })
	}
	b.Run("wave250", func(b *testing.B) { encodes(b, waveBatch()) })
}

func encodes(b *testing.B, batch *Batch) {
	var p []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if p, err = AppendBatch(p[:0], batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRebase(b *testing.B) {
	p, err := AppendBatch(nil, numerics(500))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Rebase(p, t0, time.Second, ClockCorrected, t0)
		}
	})
	b.Run("find-base", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Rebase(p, time.Time{}, time.Second, ClockCorrected, t0)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	o := numerics(1).Observations[0]
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = o.AppendJSON(buf[:0])
	}
}
