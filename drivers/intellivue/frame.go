package intellivue

import (
	"bytes"
	"encoding/binary"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
)

// The frame of the serial line: docs/devices/intellivue.md, section "Line".
const (
	frameStart  = 0xC0
	frameEnd    = 0xC1
	frameEscape = 0x7D
	escapeFlip  = 0x20
	protocolID  = 0x11
	messageType = 0x01
	maxPDU      = 2048 // twice what any monitor offered
	maxFrame    = 2 + 2*(4+maxPDU+2)
)

// appendFrame appends pdu in a frame of the serial line.
func appendFrame(b, pdu []byte) []byte {
	head := [4]byte{protocolID, messageType, byte(len(pdu) >> 8), byte(len(pdu))}
	whole := append(head[:], pdu...)
	whole = binary.LittleEndian.AppendUint16(whole, frameCheck(whole))
	b = append(b, frameStart)
	for _, c := range whole {
		if c == frameStart || c == frameEnd || c == frameEscape {
			b, c = append(b, frameEscape), c^escapeFlip
		}
		b = append(b, c)
	}
	return append(b, frameEnd)
}

// frameCheck is CRC-16/X-25.
func frameCheck(p []byte) uint16 { return ^checksum.CRC16MCRF4XX(p) }

// A serial takes PDUs out of the frames of the serial line.
type serial struct {
	take  func(pdu []byte) // called with what it must not keep
	plain []byte
}

// frame handles the frame at the start of b: it is a framer's Frame.
func (s *serial) frame(b []byte) int {
	if b[0] != frameStart {
		return framer.Skip
	}
	end := bytes.IndexByte(b, frameEnd)
	body := b[1:]
	if end >= 0 {
		body = b[1:end]
	}
	// A start is never inside a frame; the two bytes of the header are never escaped.
	if bytes.IndexByte(body, frameStart) >= 0 || len(body) > 0 && body[0] != protocolID || len(body) > 1 && body[1] != messageType {
		return framer.Skip
	}
	if end < 0 {
		return framer.More
	}
	plain, ok := s.unescape(body)
	n := len(plain) - 6
	switch {
	case !ok || n < 1:
		return framer.Skip
	case frameCheck(plain[:n+4]) != binary.LittleEndian.Uint16(plain[n+4:]):
		return framer.BadSum
	case n > maxPDU || int(binary.BigEndian.Uint16(plain[2:])) != n:
		return framer.Skip
	}
	s.take(plain[4 : n+4])
	return end + 1
}

// unescape gives the bytes of a frame between its start and end; an escape
// right before the end means that the sender gave the frame up.
func (s *serial) unescape(body []byte) ([]byte, bool) {
	plain := s.plain[:0]
	for len(body) > 0 {
		i := bytes.IndexByte(body, frameEscape)
		if i < 0 {
			plain = append(plain, body...)
			break
		}
		if i+1 == len(body) {
			return nil, false
		}
		plain = append(append(plain, body[:i]...), body[i+1]^escapeFlip)
		body = body[i+2:]
	}
	s.plain = plain
	return plain, true
}
