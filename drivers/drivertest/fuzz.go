package drivertest

import (
	"testing"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Fuzz looks for bytes on which the decoder panics, emits what no driver may
// emit, or gives something else when they are cut differently. It starts from
// the captures in testdata or, where a package has several decoders, in
// dir/testdata.
func Fuzz(f *testing.F, d drivers.Driver, dir ...string) {
	for _, c := range captures(f, dir...) {
		f.Add(c.wire[:min(len(c.wire), 2048)], 7)
		f.Add(c.wire[min(len(c.wire)/3, 100):min(len(c.wire), 700)], 1)
	}
	s := stream{d: d}
	f.Fuzz(func(t *testing.T, wire []byte, step int) {
		step = max(1, min(step, 64))
		whole := d.NewDecoder()
		want := Decode(whole, wire)
		for _, o := range want {
			if err := Check(o); err != nil {
				t.Error(err)
			}
		}
		got, stats := s.inPieces(wire, func(int) int { return step })
		if why := diff(got, want); why != "" {
			t.Errorf("in pieces of %d: %s", step, why)
		}
		if stats != whole.Stats() || stats.Bytes != uint64(len(wire)) || stats.Skipped > stats.Bytes {
			t.Errorf("in pieces of %d: stats %+v, whole: %+v", step, stats, whole.Stats())
		}
	})
}

// Bench measures one decoder that is given wire again and again.
func Bench(b *testing.B, d drivers.Driver, wire []byte) {
	dec := d.NewDecoder()
	var n int
	emit := func(o protocol.Observation) { n++ }
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		dec.Decode(wire, emit)
	}
	st := dec.Stats()
	if n == 0 || st.Frames == 0 {
		b.Errorf("nothing was decoded: %+v", st)
	}
	b.ReportMetric(float64(st.Frames)/float64(b.N), "frames/op")
}
