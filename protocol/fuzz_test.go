package protocol

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seed adds every vector, good and bad, and a bare header.
func seed(f *testing.F) {
	files, err := filepath.Glob("testdata/*.hex")
	if err != nil || len(files) == 0 {
		f.Fatalf("no test vectors in testdata (%v)", err)
	}
	for _, file := range files {
		f.Add(readHex(f, file))
	}
}

// again decodes p, encodes what it got, and decodes that: both must be equal.
func again[T any](t *testing.T, p []byte, decode func([]byte) (*T, error), encode func([]byte, *T) ([]byte, error)) {
	first, err := decode(p)
	if err != nil {
		return
	}
	q, err := encode(nil, first)
	if errors.Is(err, ErrTooLarge) {
		return // it was compressed better than we do
	}
	if err != nil {
		t.Fatalf("what was decoded cannot be encoded: %v", err)
	}
	second, err := decode(q)
	if err != nil {
		t.Fatalf("what was encoded cannot be decoded: %v", err)
	}
	if d := cmp.Diff(first, second); d != "" {
		t.Fatalf("-first +second:\n%s", d)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		again(t, p, DecodeBatch, AppendBatch)
		q, err := Rebase(p, t0, 0, ClockCorrected, t0)
		if _, bad := DecodeBatch(p); err != nil || bad != nil {
			return // Rebase does not read what it moves
		}
		if b, err := DecodeBatch(q); err == nil && (!b.Base.Equal(t0) || b.Clock != ClockCorrected || !b.Sent.Equal(t0)) {
			t.Fatalf("rebased to %v %v %v", b.Base, b.Clock, b.Sent)
		}
	})
}

func FuzzDecodeAck(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, p []byte) { again(t, p, DecodeAck, AppendAck) })
}

func FuzzDecodeState(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, p []byte) { again(t, p, DecodeState, AppendState) })
}
