package protocol

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Wire types of protobuf. A field is told by its tag, number<<3 | wire type,
// so that a known number with another wire type counts as unknown, which is
// what protobuf asks for.
const (
	asVarint  = uint64(protowire.VarintType)
	asFixed64 = uint64(protowire.Fixed64Type)
	asBytes   = uint64(protowire.BytesType)
)

var errTruncated = errors.New("truncated or malformed protobuf")

// A field is one field of a protobuf message as found on the wire.
type field struct {
	tag uint64 // number<<3 | wire type
	n   uint64 // varint and fixed64
	b   []byte // bytes; shares the message
}

func (f *field) sint() int64 { return protowire.DecodeZigZag(f.n) }

// next takes one field off the front of b. It is ok until b is empty.
func next(b []byte, f *field) (rest []byte, err error) {
	var size int
	if f.tag, size = varint(b); size <= 0 || f.tag>>3 == 0 || f.tag > math.MaxUint32 {
		return nil, errTruncated
	}
	b = b[size:]
	switch f.tag & 7 {
	case asVarint:
		f.n, size = varint(b)
	case asFixed64:
		f.n, size = protowire.ConsumeFixed64(b)
	case asBytes:
		f.b, size = protowire.ConsumeBytes(b)
	default:
		size = protowire.ConsumeFieldValue(protowire.Number(f.tag>>3), protowire.Type(f.tag&7), b)
	}
	if size < 0 {
		return nil, errTruncated
	}
	return b[size:], nil
}

// varint is protowire.ConsumeVarint with the one-byte case inlined.
func varint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return protowire.ConsumeVarint(b)
}

// small is n if it fits a byte, else 0, "unknown": a number of a newer peer.
func small[T ~uint8](n uint64) T {
	if n > math.MaxUint8 {
		return 0
	}
	return T(n)
}

func fits32(what string, n uint64) (uint32, error) {
	if n > math.MaxUint32 {
		return 0, fmt.Errorf("%s %d: want at most 32 bits", what, n)
	}
	return uint32(n), nil
}

// The append functions below leave zero values out, as proto3 does.

func appendUint(b []byte, num protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func appendSint(b []byte, num protowire.Number, n int64) []byte {
	return appendUint(b, num, protowire.EncodeZigZag(n))
}

func appendBool(b []byte, num protowire.Number, v bool) []byte {
	return appendUint(b, num, protowire.EncodeBool(v))
}

func appendFixed(b []byte, num protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), n)
}

func appendString[T ~string](b []byte, num protowire.Number, s T) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), string(s))
}

// begin opens a nested message with one byte of room for its length; end
// closes it, moving it up where the length needs more.
func begin(b []byte, num protowire.Number) ([]byte, int) {
	b = append(protowire.AppendTag(b, num, protowire.BytesType), 0)
	return b, len(b)
}

func end(b []byte, at int) []byte {
	n := uint64(len(b) - at)
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	more := protowire.SizeVarint(n) - 1
	b = append(b, "\x00\x00\x00\x00"[:more]...)
	copy(b[at+more:], b[at:])
	protowire.AppendVarint(b[:at-1], n)
	return b
}
