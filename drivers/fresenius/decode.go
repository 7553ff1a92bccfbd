package fresenius

import (
	"bytes"
	"strings"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	stx = 0x02
	etx = 0x03
	enq = 0x05
	ack = 0x06
	dc4 = 0x14
	nak = 0x15
)

// What a message from the pump is.
const (
	correct    = 'C'
	incorrect  = 'I'
	variables  = 'E' // spontaneous event
	adjustment = 'M' // likewise
)

// An address is '0' for the base, '1' to '9' for a module, nobody for the one
// pump that stands alone.
type address byte

const (
	nobody address = 0
	base   address = '0'
	last   address = '9'
)

// channel is under which channel a pump's values are told.
func (a address) channel() string {
	if a == nobody {
		return ""
	}
	return string(rune(a))
}

// place is where a pump is kept: 0 for one that stands alone.
func (a address) place() int {
	if a == nobody {
		return 0
	}
	return int(a - base)
}

const (
	maxFrame = 96
	places   = 10
)

// A listener is told of what is not for the patient: the host's side of the
// conversation.
type listener interface {
	// message is told of each message whose sum is right; true: it was a text
	// and is handled.
	message(a address, status byte, data []byte) bool
	// control is told of ENQ, ACK and NAK, with the digit that follows a NAK.
	control(c, digit byte)
	broken() // a frame whose sum is wrong
}

type decoder struct {
	framer  framer.Framer
	emit    drivers.Emit
	host    listener // may be nil
	bytes   uint64
	refused bool // after NAK: its digit follows

	pumps  [places]pump
	masked bool   // the base has said which modules there are
	mask   uint32 // bit 0 is module 1
}

func newDecoder() drivers.Decoder { return makeDecoder() }

func makeDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: maxFrame, Frame: d.frame}
	d.pumps[0] = newPump(d, "")
	for a := base + 1; a <= last; a++ {
		d.pumps[a.place()] = newPump(d, a.channel())
	}
	return d
}

// Decode implements drivers.Decoder. Control characters may stand anywhere,
// even inside a frame.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.bytes += uint64(len(p))
	from := 0
	for i, c := range p {
		digit := d.refused && c >= '0' && c <= '9'
		if d.refused && !digit {
			d.control(nak, 0)
		}
		d.refused = c == nak
		if !digit && c != enq && c != ack && c != nak {
			continue
		}
		d.framer.Feed(p[from:i])
		from = i + 1
		switch {
		case digit:
			d.control(nak, c)
		case c != nak:
			d.control(c, 0)
		}
	}
	d.framer.Feed(p[from:])
	d.emit = nil
}

func (d *decoder) control(c, digit byte) {
	if d.host != nil {
		d.host.control(c, digit)
	}
}

// Stats implements drivers.Decoder. Control characters are neither frames nor
// skipped.
func (d *decoder) Stats() drivers.Stats {
	s := d.framer.Stats()
	s.Bytes = d.bytes
	return s
}

// frame handles STX, address, message, sum, ETX.
func (d *decoder) frame(b []byte) int {
	if b[0] != stx {
		return framer.Skip
	}
	for i, c := range b[1:] {
		switch {
		case c == etx:
			return d.whole(b[1:1+i], 2+i)
		case c < ' ' || c > '}':
			return framer.Skip
		}
	}
	return framer.More
}

func (d *decoder) whole(body []byte, size int) int {
	n := len(body) - 2
	if n < 1 {
		return framer.Skip
	}
	if s := hexSum(body[:n]); body[n] != s[0] || body[n+1] != s[1] {
		if d.host != nil {
			d.host.broken()
		}
		return framer.BadSum
	}
	a, m := nobody, body[:n]
	if m[0] >= '0' && m[0] <= '9' {
		a, m = address(m[0]), m[1:]
	}
	if len(m) > 0 {
		d.message(a, m)
	}
	return size
}

func hexSum(b []byte) [2]byte {
	const digits = "0123456789ABCDEF"
	s := checksum.Not8(b)
	return [2]byte{digits[s>>4], digits[s&15]}
}

// appendFrame appends a frame of address and text.
func appendFrame(b []byte, a address, text string) []byte {
	n := len(b) + 1
	b = append(b, stx)
	if a != nobody {
		b = append(b, byte(a))
	}
	b = append(b, text...)
	s := hexSum(b[n:])
	return append(b, s[0], s[1], etx)
}

// message handles status and data of a message whose sum is right.
func (d *decoder) message(a address, m []byte) {
	status, data := m[0], bytes.TrimPrefix(m[1:], []byte{';'})
	text := d.host != nil && d.host.message(a, status, data)
	switch {
	case text || status != correct && status != variables:
	case a == base:
		d.modules(data)
	default:
		d.pumps[a.place()].variables(data)
	}
}

// modules handles the variables of the base: which modules there are.
func (d *decoder) modules(data []byte) {
	for len(data) > 0 {
		var part []byte
		part, data, _ = bytes.Cut(data, []byte{';'})
		if len(part) < 2 || part[0] != 'b' {
			continue
		}
		mask, ok := hexNumber(part[1:])
		if !ok {
			continue
		}
		if !d.masked {
			d.word("", protocol.IdentityModel, "Fresenius base")
		}
		d.masked, d.mask = true, uint32(mask)
		for i := 1; i < places; i++ {
			d.pumps[i].inserted(d.has(i))
		}
	}
}

// has tells whether the base has said that a module is there.
func (d *decoder) has(module int) bool { return d.mask>>(module-1)&1 != 0 }

// hexNumber reads one to eight hexadecimal digits, upper case.
func hexNumber(b []byte) (v int64, ok bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | int64(c-'0')
		case c >= 'A' && c <= 'F':
			v = v<<4 | int64(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// isVariables tells whether data is nothing but variables: small letters, each
// with a hexadecimal number.
func isVariables(data []byte) bool {
	for more := true; more; {
		var part []byte
		part, data, more = bytes.Cut(data, []byte{';'})
		if len(part) < 2 || part[0] < 'a' || part[0] > 'z' {
			return false
		}
		if _, ok := hexNumber(part[1:]); !ok {
			return false
		}
	}
	return true
}

// hasVariable tells whether one of the parts of data is a variable with a number.
func hasVariable(data []byte) bool {
	for more := true; more; {
		var part []byte
		if part, data, more = bytes.Cut(data, []byte{';'}); isVariables(part) {
			return true
		}
	}
	return false
}

func (d *decoder) word(channel string, code protocol.Code, text string) {
	text = strings.TrimSpace(text)
	o := protocol.Observation{Channel: channel, Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text}
	if text == "" {
		o.Quality = protocol.QualityMissing
	}
	d.emit(o)
}
