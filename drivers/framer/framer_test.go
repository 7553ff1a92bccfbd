package framer

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"monitorme/drivers/checksum"
)

// toy frames: 7E, length 1 to 20, that many bytes, Sum8 of all before.
func toy(found *[]string) *Framer {
	return &Framer{Max: 23, Frame: func(b []byte) int {
		switch {
		case b[0] != 0x7E:
			return Skip
		case len(b) < 2:
			return More
		case b[1] == 0 || b[1] > 20:
			return Skip
		}
		n := 3 + int(b[1])
		if len(b) < n {
			return More
		}
		if checksum.Sum8(b[:n-1]) != b[n-1] {
			return BadSum
		}
		*found = append(*found, string(b[2:n-1]))
		return n
	}}
}

func frame(s string) []byte {
	b := append([]byte{0x7E, byte(len(s))}, s...)
	return append(b, checksum.Sum8(b))
}

func TestFramesAreFoundHoweverTheStreamIsCut(t *testing.T) {
	wire := slices.Concat([]byte{1, 2, 0x7E, 19}, frame("one"), frame("two"), []byte{0x7E}, frame("three"), []byte{0x7E, 5, 1}, frame("a longer frame here"), make([]byte, 30))
	var want []string
	whole := toy(&want)
	whole.Feed(wire)
	if !slices.Equal(want, []string{"one", "two", "three", "a longer frame here"}) {
		t.Fatalf("found %q", want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var got []string
		f := toy(&got)
		for rest := wire; len(rest) > 0; {
			k := min(len(rest), 1+r.IntN(9))
			p := bytes.Clone(rest[:k])
			f.Feed(p)
			clear(p)
			rest = rest[k:]
		}
		if !slices.Equal(got, want) || f.Stats() != whole.Stats() {
			t.Fatalf("cut: %q %+v, whole: %q %+v", got, f.Stats(), want, whole.Stats())
		}
	}
}

func TestAFrameThatNeverEndsIsGivenUp(t *testing.T) {
	f := &Framer{Max: 8, Frame: func([]byte) int { return More }}
	f.Feed(make([]byte, 1000))
	if len(f.pend) >= 8 || f.Stats().Skipped != uint64(1000-len(f.pend)) {
		t.Errorf("kept %d bytes, stats %+v", len(f.pend), f.Stats())
	}
}

func TestBadChecksAreCounted(t *testing.T) {
	var got []string
	f := toy(&got)
	b := frame("x")
	b[2] ^= 1
	f.Feed(slices.Concat(b, frame("y")))
	if s := f.Stats(); s.BadSums != 1 || s.Frames != 1 || s.Skipped != uint64(len(b)) {
		t.Errorf("stats %+v", s)
	}
}
