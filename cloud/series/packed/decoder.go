package packed

import "encoding/binary"

// AppendString appends s with its length.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A Decoder reads fields off the front of bytes and remembers the first
// failure; after it everything reads as zero.
type Decoder struct {
	b   []byte
	err error
}

// NewDecoder reads b.
func NewDecoder(b []byte) *Decoder { return &Decoder{b: b} }

// Err is the first failure.
func (d *Decoder) Err() error { return d.err }

// Len is how many bytes are left.
func (d *Decoder) Len() int { return len(d.b) }

func (d *Decoder) fail() { d.b, d.err = nil, errShort }

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

// Uvarint reads what binary.AppendUvarint wrote.
func (d *Decoder) Uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Varint reads what binary.AppendVarint wrote.
func (d *Decoder) Varint() int64 { return unzigzag(d.Uvarint()) }

// Count reads a number that must lie between 0 and most.
func (d *Decoder) Count(most int) int {
	v := d.Uvarint()
	if most < 0 || v > uint64(most) {
		d.fail()
		return 0
	}
	return int(v)
}

// String reads what AppendString wrote.
func (d *Decoder) String() string {
	n := d.Uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// Ints fills v with what AppendInts wrote.
func (d *Decoder) Ints(v []int64) {
	if d.err != nil {
		return
	}
	rest, err := DecodeInts(d.b, v)
	if err != nil {
		d.fail()
		return
	}
	d.b = rest
}
