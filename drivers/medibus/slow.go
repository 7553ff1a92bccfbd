package medibus

import (
	"monitorme/drivers"
	"monitorme/drivers/checksum"
)

// Bytes of the slow channel, which are all below 80h: docs/devices/
// draeger-medibus.md, section "Frames".
const (
	startAnswer  = 0x01
	startCommand = 0x1B
	etx          = 0x03
	cr           = 0x0D
	stopSending  = 0x11 // the reverse of the usual XON and XOFF
	goOn         = 0x13
	cancel       = 0x18
	maxData      = 3840
)

// A slow takes frames out of the bytes of the slow channel, in either
// direction. A command may stand inside an answer.
type slow struct {
	take   func(start, code byte, data []byte) // called with what it must not keep
	bad    func(start byte)                    // a frame whose sum is wrong; may be nil
	answer []byte                              // the frame that is open, without its CR; empty if none
	inside []byte                              // a command, alone or inside the answer
	paused bool                                // the far end has asked for silence
	stats  drivers.Stats
}

func (s *slow) feed(b byte) {
	open := &s.answer
	if len(s.inside) > 0 {
		open = &s.inside
	}
	switch {
	case b == startAnswer:
		s.drop(&s.inside)
		s.drop(&s.answer)
		s.answer = append(s.answer, b)
	case b == startCommand:
		s.drop(&s.inside)
		s.inside = append(s.inside, b)
	case b == stopSending, b == goOn:
		s.paused = b == stopSending
		s.stats.Skipped++
	case len(*open) == 0:
		s.stats.Skipped++
	case b == cr:
		s.close(open)
	case b < ' ' && b != etx && !(b == nak && len(*open) == 1), len(*open) > maxData+4:
		s.stats.Skipped++
		s.drop(open)
	default:
		*open = append(*open, b)
	}
}

// drop gives an open frame up.
func (s *slow) drop(open *[]byte) {
	s.stats.Skipped += uint64(len(*open))
	*open = (*open)[:0]
}

// close checks the frame that a CR has ended.
func (s *slow) close(open *[]byte) {
	f := *open
	n := len(f) - 2
	check, ok := byte(0), n >= 2
	if ok {
		check, ok = hex2(f[n:])
	}
	switch {
	case !ok:
		s.stats.Skipped++
		s.drop(open)
	case checksum.Sum8(f[:n]) != check:
		s.stats.BadSums++
		s.stats.Skipped++
		start := f[0]
		s.drop(open)
		if s.bad != nil {
			s.bad(start)
		}
	default:
		s.stats.Frames++
		*open = f[:0]
		s.take(f[0], f[1], f[2:n])
	}
}

func digit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// hex2 reads two hexadecimal digits.
func hex2(b []byte) (byte, bool) {
	hi, ok1 := digit(b[0])
	lo, ok2 := digit(b[1])
	return hi<<4 | lo, ok1 && ok2
}

const digits = "0123456789ABCDEF"

func appendHex2(b []byte, v byte) []byte { return append(b, digits[v>>4], digits[v&15]) }

// appendFrame appends a frame.
func appendFrame(b []byte, start, code byte, data string) []byte {
	n := len(b)
	b = append(append(b, start, code), data...)
	return append(appendHex2(b, checksum.Sum8(b[n:])), cr)
}
