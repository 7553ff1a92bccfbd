package packed

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"monitorme/protocol"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestIntegersComeBack(t *testing.T) {
	ramp := make([]int64, 1000)
	for i := range ramp {
		ramp[i] = int64(i) * 500_000
	}
	wild := make([]int64, 300)
	for i := range wild {
		wild[i] = int64(rand.Uint64())
	}
	for _, v := range [][]int64{nil, {0}, {math.MinInt64}, {1, 2}, {math.MaxInt64, math.MinInt64, 0, math.MinInt64}, ramp, wild, make([]int64, 129)} {
		b := AppendInts([]byte("x"), v)
		got := make([]int64, len(v))
		rest, err := DecodeInts(append(b[1:], "rest"...), got)
		if err != nil || string(rest) != "rest" || !slices.Equal(got, v) {
			t.Fatalf("%d integers: %v, rest %q, equal %v", len(v), err, rest, slices.Equal(got, v))
		}
	}
	if n := len(AppendInts(nil, ramp)); n > 50 {
		t.Errorf("a straight line of 1000 takes %d bytes, want at most 50", n)
	}
}

func TestAnyIntegersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.Just(int64(7))), 0, 400).Draw(t, "v")
		got := make([]int64, len(v))
		rest, err := DecodeInts(AppendInts(nil, v), got)
		if err != nil || len(rest) != 0 || !slices.Equal(got, v) {
			t.Fatalf("%v: %v became %v", err, v, got)
		}
	})
}

func TestSamplesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.OneOf(rapid.Just(protocol.NoSample), rapid.Int32(), rapid.Int32Range(-5, 5)), 0, 300).Draw(t, "raw")
		got, err := DecodeSamples(AppendSamples(nil, raw))
		if err != nil || !slices.Equal(got, raw) {
			t.Fatalf("%v: %v became %v", err, raw, got)
		}
	})
}

// observations of all kinds.
func observations() []protocol.Observation {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	return []protocol.Observation{
		{Kind: protocol.KindNumeric, Unit: "Cel", Quality: protocol.QualityGood, At: at, Value: protocol.Dec(3680, -2)},
		{Kind: protocol.KindNumeric, Unit: "Cel", Quality: protocol.QualityMissing, At: at.Add(1)},
		{Kind: protocol.KindEnumeration, Text: "asleep", Clock: protocol.ClockCorrected, At: at},
		{Kind: protocol.KindEvent, Text: "t", Event: &protocol.Event{Phase: protocol.PhaseEnd, Source: protocol.SpO2, Text: "lost", From: at, To: at.Add(time.Hour)}, At: at},
		{Kind: protocol.KindEvent, Event: &protocol.Event{}, At: at},
		{Kind: 200, Text: "new", Value: protocol.Dec(-1, 3), At: at},
		{Kind: protocol.KindSamples, Unit: "mV", Samples: &protocol.Samples{RateMilliHz: 62_500, Scale: protocol.Dec(5, -3), Offset: protocol.Dec(0, 0), Raw: []int32{1, -2, protocol.NoSample, 4}}, At: at},
		{Kind: protocol.KindSamples, Samples: &protocol.Samples{RateMilliHz: 1, Scale: protocol.Dec(5, -3), Raw: []int32{7}}, At: at},
	}
}

func pack(obs []protocol.Observation) Readings {
	var b Builder
	for i := range obs {
		b.Add(&obs[i])
	}
	return b.Readings
}

func TestObservationsOfAllKindsComeBack(t *testing.T) {
	want := observations()
	r, err := Decode(Append(nil, pack(want)))
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range r.Recs {
		var got protocol.Observation
		if err := r.Observation(i, &got); err != nil {
			t.Fatal(err)
		}
		if a := &r.Attrs[rec.Attr]; a.Form&FormBlock != 0 && a.Duration(r.Words[rec.Word]) != got.Samples.Duration() {
			t.Errorf("duration %v, want %v", a.Duration(r.Words[rec.Word]), got.Samples.Duration())
		}
		want[i].At = want[i].At.Truncate(time.Microsecond)
		if d := cmp.Diff(want[i], got); d != "" {
			t.Errorf("observation %d: -want +got\n%s", i, d)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Append(nil, pack(observations())))
	f.Add(Append(nil, Readings{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		var o protocol.Observation
		for i, rec := range r.Recs {
			a := r.Attrs[rec.Attr]
			if !a.HasWord() {
				continue
			}
			r.Observation(i, &o)
			a.Duration(r.Words[rec.Word])
		}
		again, err := Decode(Append(nil, r))
		if err != nil || !slices.EqualFunc(again.Recs, r.Recs, func(x, y Rec) bool {
			return x.At == y.At && x.Mant == y.Mant && again.Attrs[x.Attr] == r.Attrs[y.Attr]
		}) {
			t.Errorf("%v: read, written and read again is not the same", err)
		}
	})
}

func FuzzDecodeSamples(f *testing.F) {
	f.Add(AppendSamples(nil, []int32{1, 2, protocol.NoSample, 3}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if raw, err := DecodeSamples(b); err == nil {
			if again, err := DecodeSamples(AppendSamples(nil, raw)); err != nil || !slices.Equal(raw, again) {
				t.Errorf("%v: %v became %v", err, raw, again)
			}
		}
	})
}

func BenchmarkInts(b *testing.B) {
	v := make([]int64, 7200)
	for i := range v {
		v[i] = int64(i)*500_000 + int64(rand.NormFloat64()*500)
	}
	e := AppendInts(nil, v)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			e = AppendInts(e[:0], v)
		}
		b.ReportMetric(float64(len(e))/float64(len(v)), "B/value")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(v)), "ns/value")
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := DecodeInts(e, v); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(v)), "ns/value")
	})
}
