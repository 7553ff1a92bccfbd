package protocol

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The four bytes in front of every protobuf body.
const (
	headerSize  = 4
	headerMagic = 'M'

	encodingPlain = 0
	encodingZstd  = 1

	typeBatch   = 1
	typeAck     = 2
	typeState   = 3
	typeCommand = 4 // reserved

	minCompress = 512 // bytes; a smaller body gains nothing

	// rebaseRoom is what Rebase may add to a message of the largest size.
	rebaseRoom = 64
)

// ErrTooLarge is in the chain of the error for a message beyond
// MaxMessageBytes or MaxDecodedBytes: make several smaller ones of it.
var ErrTooLarge = errors.New("message too large")

// A VersionError tells that a message is of a wire format version that this
// program does not read. Keep the message: a newer program can read it.
type VersionError struct{ Got byte }

func (e *VersionError) Error() string {
	return fmt.Sprintf("wire format version %d: only version %d is read here", e.Got, Version)
}

// The encoder and the decoder are shared: EncodeAll and DecodeAll are safe for
// concurrent use, start no goroutines, and hold bounded memory. Each is made
// when first needed, so that a box, which hardly ever decompresses, has no
// decoder. The window is small because a body is: 64 KiB cover 2,000 readings.
var (
	compressor = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(64<<10), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true))
		if err != nil {
			panic("protocol: zstd encoder options: " + err.Error())
		}
		return e
	})
	decompressor = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(min(4, runtime.GOMAXPROCS(0))),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxDecodedBytes), zstd.WithDecoderMaxWindow(MaxDecodedBytes))
		if err != nil {
			panic("protocol: zstd decoder options: " + err.Error())
		}
		return d
	})
	bodies = sync.Pool{New: func() any { return new([]byte) }}
)

// seal finishes the message that starts at dst[at:] with headerSize bytes of
// room and a plain body: it writes the header and compresses the body if that
// makes it smaller. It leaves rebaseRoom below both limits.
func seal(dst []byte, at int, typ byte) ([]byte, error) {
	body := dst[at+headerSize:]
	if len(body) > MaxDecodedBytes-rebaseRoom {
		return dst[:at], fmt.Errorf("%w: %d bytes before compression, at most %d are allowed", ErrTooLarge, len(body), MaxDecodedBytes-rebaseRoom)
	}
	enc := byte(encodingPlain)
	if len(body) >= minCompress {
		buf := bodies.Get().(*[]byte)
		*buf = compressor().EncodeAll(body, (*buf)[:0])
		if len(*buf) < len(body) {
			enc = encodingZstd
			dst = append(dst[:at+headerSize], *buf...)
		}
		keep(buf)
	}
	if n := len(dst) - at; n > MaxMessageBytes-rebaseRoom {
		return dst[:at], fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, n, MaxMessageBytes-rebaseRoom)
	}
	dst[at], dst[at+1], dst[at+2], dst[at+3] = headerMagic, Version, enc, typ
	return dst, nil
}

// keep returns a buffer to the pool unless a rare giant made it large.
func keep(buf *[]byte) {
	if cap(*buf) <= MaxMessageBytes {
		bodies.Put(buf)
	}
}

// open checks the header of a message that should be of type typ and gives its
// plain body to read, which is only good until read returns.
func open(payload []byte, typ byte, read func(body []byte) error) error {
	enc, err := checkHeader(payload, typ)
	if err != nil {
		return err
	}
	if enc == encodingPlain {
		return read(payload[headerSize:])
	}
	buf := bodies.Get().(*[]byte)
	defer keep(buf)
	*buf, err = decompressor().DecodeAll(payload[headerSize:], (*buf)[:0])
	if err != nil {
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			err = fmt.Errorf("%w: at most %d bytes are allowed after decompression", ErrTooLarge, MaxDecodedBytes)
		}
		return fmt.Errorf("decompress %d bytes: %w", len(payload)-headerSize, err)
	}
	return read(*buf)
}

func checkHeader(payload []byte, typ byte) (encoding byte, err error) {
	switch {
	case len(payload) > MaxMessageBytes:
		return 0, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(payload), MaxMessageBytes)
	case len(payload) < headerSize:
		return 0, fmt.Errorf("message of %d bytes: a header has %d", len(payload), headerSize)
	case payload[0] != headerMagic:
		return 0, fmt.Errorf("not a MonitorMe message: it starts with byte 0x%02x, want 0x%02x", payload[0], headerMagic)
	case payload[1] != Version:
		return 0, &VersionError{Got: payload[1]}
	case payload[2] > encodingZstd:
		return 0, fmt.Errorf("content encoding %d: want 0 (plain) or 1 (zstd)", payload[2])
	case payload[3] != typ:
		return 0, fmt.Errorf("message type %d (%s): want %d (%s)", payload[3], typeName(payload[3]), typ, typeName(typ))
	}
	return payload[2], nil
}

func typeName(typ byte) string {
	switch typ {
	case typeBatch:
		return "batch"
	case typeAck:
		return "ack"
	case typeState:
		return "state"
	case typeCommand:
		return "command"
	}
	return "unknown"
}

// zstdRaw appends to b one zstd frame that holds p uncompressed (RFC 8878: a
// single segment with a one-byte content size, and one raw last block).
// p has at most 255 bytes.
func zstdRaw(b, p []byte) []byte {
	b = append(b, 0x28, 0xb5, 0x2f, 0xfd, 0x20, byte(len(p)))
	block := uint32(len(p))<<3 | 1
	b = append(b, byte(block), byte(block>>8), byte(block>>16))
	return append(b, p...)
}
