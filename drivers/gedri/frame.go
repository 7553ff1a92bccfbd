package gedri

import (
	"bytes"
	"encoding/binary"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
)

// The frame: docs/devices/ge-dri.md, section "Frame".
const (
	flag       = 0x7E
	escape     = 0x7D
	escapedBit = 0x20
	headerSize = 40
	minRecord  = headerSize + 1
	maxRecord  = headerSize + 1450
	maxFlags   = 4
	maxFrame   = maxFlags + 2*(maxRecord+1) + 1
)

// A deframer takes records out of frames, in either direction of the line.
type deframer struct {
	take  func(record []byte) // called with what it must not keep
	open  bool                // the byte before was the flag that closed a good frame
	plain []byte
}

// frame is a framer's Frame. The flag that closes a frame may be the one that
// opens the next, so right after a good frame a record may begin at once.
func (d *deframer) frame(b []byte) int {
	flags := 0
	for flags < len(b) && flags < maxFlags && b[flags] == flag {
		flags++
	}
	if flags == 0 && !d.open {
		return framer.Skip
	}
	end := bytes.IndexByte(b[flags:], flag)
	body := b[flags:]
	if end >= 0 {
		body = b[flags : flags+end]
	}
	plain, ok := d.unescape(body, end < 0)
	if !ok || !possible(plain) || end < 0 && len(b) == maxFrame {
		return d.none(framer.Skip)
	}
	if end < 0 {
		return framer.More
	}
	n := len(plain) - 1
	if n < minRecord || int(binary.LittleEndian.Uint16(plain)) != n {
		return d.none(framer.Skip)
	}
	if checksum.Sum8(plain[:n]) != plain[n] {
		if flags > 1 { // it is looked at again from the next flag, and counted there
			return d.none(framer.Skip)
		}
		return d.none(framer.BadSum)
	}
	d.open = true
	d.take(plain[:n])
	return flags + end + 1
}

func (d *deframer) none(answer int) int {
	d.open = false
	return answer
}

// possible tells, as soon as its bytes are there, whether a record can begin
// like this: length, and main type.
func possible(plain []byte) bool {
	if len(plain) >= 2 {
		if n := int(binary.LittleEndian.Uint16(plain)); n < minRecord || n > maxRecord || len(plain) > n+1 {
			return false
		}
	}
	return len(plain) < 16 || binary.LittleEndian.Uint16(plain[14:]) <= mainEvent
}

// unescape gives the bytes between two flags. An escape is followed by one of
// two bytes; cut tells that the end is not here yet.
func (d *deframer) unescape(body []byte, cut bool) ([]byte, bool) {
	plain := d.plain[:0]
	for {
		i := bytes.IndexByte(body, escape)
		if i < 0 || i+1 == len(body) {
			break
		}
		if c := body[i+1] | escapedBit; c != flag && c != escape {
			return nil, false
		}
		plain = append(append(plain, body[:i]...), body[i+1]|escapedBit)
		body = body[i+2:]
	}
	if n := len(body); n > 0 && body[n-1] == escape {
		if !cut {
			return nil, false
		}
		body = body[:n-1]
	}
	plain = append(plain, body...)
	d.plain = plain
	return plain, true
}

// appendFrame appends record in a frame. The sum is over what is not escaped,
// and is escaped itself.
func appendFrame(b, record []byte) []byte {
	b = append(b, flag)
	for _, c := range record {
		b = appendEscaped(b, c)
	}
	return append(appendEscaped(b, checksum.Sum8(record)), flag)
}

func appendEscaped(b []byte, c byte) []byte {
	if c == flag || c == escape {
		return append(b, escape, c&^escapedBit)
	}
	return append(b, c)
}
