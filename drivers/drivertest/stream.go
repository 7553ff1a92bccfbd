package drivertest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"monitorme/drivers"
	"monitorme/protocol"
)

// stream checks a decoder on captures.
type stream struct {
	d    drivers.Driver
	opts Options
}

func (s stream) check(t *testing.T, c capture) {
	dec := s.d.NewDecoder()
	var kept []protocol.Observation
	want := Decode(dec, c.wire)
	for _, o := range want {
		kept = append(kept, clone(o))
		if err := Check(o); err != nil {
			t.Error(err)
		}
		if !s.opts.AnyCode && !slices.Contains(s.d.Codes, o.Code) {
			t.Errorf("%s: the code is not in Driver.Codes", show(o))
		}
	}
	if st := dec.Stats(); st.Frames == 0 || st.Bytes != uint64(len(c.wire)) {
		t.Errorf("stats %+v: want frames, and %d bytes", st, len(c.wire))
	}
	Decode(dec, c.wire)
	if d := diff(want, kept); d != "" {
		t.Errorf("decoding on changed what was emitted: %s", d)
	}
	t.Run("cut anywhere it gives the same", func(t *testing.T) { s.cuts(t, c.wire, want) })
	t.Run("frames are found among junk", func(t *testing.T) { s.junk(t, c) })
	if !c.matches(s.opts.Unchecked) {
		t.Run("a flipped bit never makes a value", func(t *testing.T) { s.flips(t, c.wire, want) })
	}
}

// inPieces decodes wire cut as next says, and spoils each piece afterwards.
func (s stream) inPieces(wire []byte, next func(left int) int) ([]protocol.Observation, drivers.Stats) {
	dec := s.d.NewDecoder()
	var obs []protocol.Observation
	var piece []byte
	for len(wire) > 0 {
		n := min(max(next(len(wire)), 1), len(wire))
		piece = append(piece[:0], wire[:n]...)
		dec.Decode(piece, func(o protocol.Observation) { obs = append(obs, o) })
		for i := range piece {
			piece[i] = 0xA5
		}
		wire = wire[n:]
	}
	return obs, dec.Stats()
}

func (s stream) cuts(t *testing.T, wire []byte, want []protocol.Observation) {
	whole := s.d.NewDecoder()
	Decode(whole, wire)
	try := func(how string, next func(int) int) bool {
		got, stats := s.inPieces(wire, next)
		if d := diff(got, want); d != "" {
			t.Errorf("%s: %s", how, d)
			return false
		}
		if stats != whole.Stats() {
			t.Errorf("%s: stats %+v, whole: %+v", how, stats, whole.Stats())
			return false
		}
		return true
	}
	if !try("one byte at a time", func(int) int { return 1 }) {
		return
	}
	step := max(1, len(wire)*len(wire)/work)
	for cut := 1; cut < len(wire); cut += step {
		if !try(fmt.Sprintf("cut after byte %d", cut), func(left int) int {
			if left == len(wire) {
				return cut
			}
			return left
		}) {
			return
		}
	}
	r := rand.New(rand.NewPCG(1, uint64(len(wire))))
	for range max(3, min(200, work/8/len(wire))) {
		if !try("random cuts", func(int) int { return 1 + r.IntN(40) }) {
			return
		}
	}
}

// junk puts bytes that are no frame before, between and after the frames of c.
func (s stream) junk(t *testing.T, c capture) {
	// Zeros at the end bring out what a decoder keeps back for a frame that
	// junk has begun.
	flush := make([]byte, s.opts.MaxBuffer)
	base := s.d.NewDecoder()
	want := Decode(base, slices.Concat(c.wire, flush))
	ends := s.frameEnds(c.wire)
	joined, unchecked := c.matches(s.opts.Joined), c.matches(s.opts.Unchecked)
	strict := !joined && !unchecked && s.opts.JunkEnd == ""
	for name, junk := range s.junks(c.wire) {
		// A piece of a run of frames may hold whole ones.
		counted := !joined && !unchecked || name != wholeButOne && name != half
		try := func(where string, wire []byte, added int) {
			dec := s.d.NewDecoder()
			got := Decode(dec, append(wire, flush...))
			if lost := missing(got, want); lost != "" {
				t.Errorf("%s %s the frames: lost %s", name, where, lost)
			}
			grown := int(dec.Stats().Skipped) - int(base.Stats().Skipped)
			if counted && (grown <= 0 || strict && grown < added) {
				t.Errorf("%s %s the frames: %d bytes of junk, %d more skipped", name, where, added, grown)
			}
			if !unchecked {
				if o, ok := invented(got, want); ok {
					t.Errorf("%s %s the frames: junk made %s", name, where, show(o))
				}
			}
		}
		try("before", slices.Concat(junk, c.wire), len(junk))
		try("after", slices.Concat(c.wire, junk), len(junk))
		if joined {
			continue
		}
		var between []byte
		from := 0
		for _, end := range ends {
			between = append(append(between, c.wire[from:end]...), junk...)
			from = end
		}
		try("between", append(between, c.wire[from:]...), len(junk)*len(ends))
	}
}

const (
	wholeButOne = "a frame without its last byte"
	half        = "half a frame"
)

// junks are pieces of junk, among them the beginning of a good frame.
func (s stream) junks(wire []byte) map[string][]byte {
	r := rand.New(rand.NewPCG(7, 7))
	noise := make([]byte, 61)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	all := map[string][]byte{
		"zeros": make([]byte, 37),
		"FF":    bytes.Repeat([]byte{0xFF}, 37),
		"noise": noise,
	}
	if ends := s.frameEnds(wire); len(ends) > 0 && ends[0] > 1 {
		all[wholeButOne] = slices.Clone(wire[:ends[0]-1])
		all[half] = slices.Clone(wire[:(ends[0]+1)/2])
	}
	for name := range all {
		all[name] = append(all[name], s.opts.JunkEnd...)
	}
	return all
}

// frameEnds are the places in wire at which the decoder has counted a frame.
func (s stream) frameEnds(wire []byte) []int {
	dec := s.d.NewDecoder()
	var ends []int
	var frames uint64
	for i := range wire {
		dec.Decode(wire[i:i+1], func(protocol.Observation) {})
		if n := dec.Stats().Frames; n > frames {
			frames, ends = n, append(ends, i+1)
		}
	}
	return ends
}

// missing gives the first of want that is not in got in the same order.
func missing(got, want []protocol.Observation) string {
	i := 0
	for _, o := range got {
		if i < len(want) && equal(o, want[i]) {
			i++
		}
	}
	if i < len(want) {
		return fmt.Sprintf("%d of %d, first %s", len(want)-i, len(want), show(want[i]))
	}
	return ""
}

// flips turns over single bits.
func (s stream) flips(t *testing.T, wire []byte, want []protocol.Observation) {
	bits := len(wire) * 8
	step := max(1, bits*len(wire)/work)
	soiled := make([]byte, len(wire))
	for bit := 0; bit < bits; bit += step {
		copy(soiled, wire)
		soiled[bit/8] ^= 1 << (bit % 8)
		got := Decode(s.d.NewDecoder(), soiled)
		if o, ok := invented(got, want); ok {
			t.Errorf("bit %d of byte %d (%02X) flipped gave %s", bit%8, bit/8, wire[bit/8], show(o))
			return
		}
	}
}

// invented finds a value in got that is not in want: a number, a word, an
// alarm about the patient, or a sample.
func invented(got, want []protocol.Observation) (protocol.Observation, bool) {
	for _, o := range got {
		if !slices.ContainsFunc(want, func(w protocol.Observation) bool { return covers(w, o) }) {
			return o, true
		}
	}
	return protocol.Observation{}, false
}

// covers reports whether o says nothing about the patient that w did not.
func covers(w, o protocol.Observation) bool {
	same := w.Code == o.Code && w.Channel == o.Channel && w.Kind == o.Kind
	switch o.Kind {
	case protocol.KindNumeric:
		return !o.Value.Valid || same && o.Value == w.Value && o.Unit == w.Unit
	case protocol.KindEnumeration:
		return !o.Quality.HasNumber() || same && o.Text == w.Text
	case protocol.KindEvent:
		return o.Event.Type != protocol.AlarmPhysiological || same && *o.Event == *w.Event
	}
	if !same || o.Samples.Scale != w.Samples.Scale || o.Samples.Offset != w.Samples.Offset {
		return false
	}
	for _, v := range o.Samples.Raw {
		if v != protocol.NoSample && !slices.Contains(w.Samples.Raw, v) {
			return false
		}
	}
	return true
}

// bounded feeds a megabyte of each kind of garbage.
func (s stream) bounded(t *testing.T) {
	const size = garbageSize
	noise := make([]byte, size)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	garbage := map[string][]byte{"zeros": make([]byte, size), "FF": bytes.Repeat([]byte{0xFF}, size), "noise": noise}
	for _, c := range captures(t) {
		garbage["the start byte of "+c.name] = bytes.Repeat(c.wire[:1], size)
		if len(c.wire) > 4 {
			garbage["the first four bytes of "+c.name] = bytes.Repeat(c.wire[:4], size/4)
		}
	}
	for name, g := range garbage {
		for _, piece := range []int{size, 1000} {
			dec := s.d.NewDecoder()
			before := heap()
			for rest := g; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				dec.Decode(rest[:min(piece, len(rest))], func(protocol.Observation) {})
			}
			if grown := heap() - before; grown > s.opts.MaxBuffer {
				t.Errorf("%d bytes of %s in pieces of %d: the decoder keeps %d bytes, want at most %d", size, name, piece, grown, s.opts.MaxBuffer)
			}
			if dec.Stats().Bytes != size {
				t.Errorf("%d bytes of %s: %d counted", size, name, dec.Stats().Bytes)
			}
			runtime.KeepAlive(dec)
		}
	}
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
