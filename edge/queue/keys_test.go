package queue

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"monitorme/protocol"
)

func TestKeysSortByBucketStreamAndNumber(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) entry {
			return entry{
				bucket: rapid.Uint32().Draw(rt, name+" bucket"), stream: rapid.SampledFrom(streams[:]).Draw(rt, name+" stream"),
				first: rapid.Uint64().Draw(rt, name+" first"), count: uint16(rapid.IntRange(1, maxEntryCount).Draw(rt, name+" count")),
			}
		}
		a, b := draw("a"), draw("b")
		want := 0
		for _, d := range [][2]uint64{{uint64(a.bucket), uint64(b.bucket)}, {uint64(a.stream), uint64(b.stream)}, {a.first, b.first}, {uint64(a.count), uint64(b.count)}} {
			if want == 0 && d[0] < d[1] {
				want = -1
			} else if want == 0 && d[0] > d[1] {
				want = 1
			}
		}
		if got := bytes.Compare(a.key(), b.key()); got != want {
			rt.Fatalf("%+v against %+v: %d, want %d", a, b, got, want)
		}
		if got, ok := parseEntry(a.key()); !ok || got != a {
			rt.Fatalf("%+v comes back as %+v", a, got)
		}
	})
}

func FuzzRecords(f *testing.F) {
	m := meta{epoch: 1, boot: 2, clean: true, bucket: 3, next: [4]uint64{0, 4, 5, 6}, dropped: [4]uint64{0, 7, 8, 9}}
	s := segment{bucket: 1, stream: protocol.StreamWave, epoch: 1, low: 2, last: 3, entries: 4, bytes: 5, oldest: 6, newest: 7, uncertain: true}
	v := value{uncertain: true, offset: 1, base: t0, boot: 2}
	f.Add(metaKey, m.encode())
	f.Add(s.key(), s.encode())
	f.Add(entry{1, 2, 3, 4}.key(), append(v.appendHeader(nil), 'M'))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, val []byte) {
		if e, ok := parseEntry(key); ok && !bytes.Equal(e.key(), key) {
			t.Errorf("entry key %x comes back as %x", key, e.key())
		}
		var m meta
		if m.decode(val) == nil {
			again := m.encode()
			again[17] = val[17] // any but 0 is true
			if !bytes.Equal(again, val) {
				t.Errorf("meta %x comes back as %x", val, again)
			}
		}
		if s, err := decodeSegment(key, val); err == nil {
			again := s.encode()
			again[56] = val[56]
			if !bytes.Equal(again, val) || !bytes.Equal(s.key()[1:], key[1:]) {
				t.Errorf("segment %x %x comes back as %x %x", key, val, s.key(), again)
			}
		}
		if v, err := parseValue(val); err == nil && !bytes.Equal(append(v.appendHeader(nil), v.batch...), val) {
			t.Errorf("value %x does not come back", val)
		}
	})
}
