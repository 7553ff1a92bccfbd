package packed

import (
	"encoding/binary"

	"monitorme/protocol"
)

// AppendSamples appends raw samples: their number, the runs of missing ones,
// and the samples, the missing ones filled with their neighbour.
func AppendSamples(b []byte, raw []int32) []byte {
	b = binary.AppendUvarint(b, uint64(len(raw)))
	v := make([]int64, len(raw))
	last := int64(0)
	var runs []uint64 // distance from the end of the run before, length
	end := 0
	for i, s := range raw {
		if s != protocol.NoSample {
			last = int64(s)
		} else if end == i && len(runs) > 0 {
			runs[len(runs)-1]++
			end++
		} else {
			runs = append(runs, uint64(i-end), 1)
			end = i + 1
		}
		v[i] = last
	}
	b = binary.AppendUvarint(b, uint64(len(runs)/2))
	for _, r := range runs {
		b = binary.AppendUvarint(b, r)
	}
	return AppendInts(b, v)
}

// DecodeSamples reads what AppendSamples wrote.
func DecodeSamples(b []byte) ([]int32, error) {
	d := NewDecoder(b)
	n := d.Count(protocol.MaxSamples)
	runs := d.Count(n)
	missing := make([]int, 0, 2*runs)
	at := 0
	for range runs {
		at += d.Count(n)
		length := d.Count(n)
		if d.err != nil || at+length > n {
			return nil, errShort
		}
		missing = append(missing, at, at+length)
		at += length
	}
	if d.err != nil {
		return nil, d.err
	}
	v := make([]int64, n)
	rest, err := DecodeInts(d.b, v)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, errShort
	}
	raw := make([]int32, n)
	for i, x := range v {
		raw[i] = int32(x)
	}
	for i := 0; i < len(missing); i += 2 {
		for j := missing[i]; j < missing[i+1]; j++ {
			raw[j] = protocol.NoSample
		}
	}
	return raw, nil
}
