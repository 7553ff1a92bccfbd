package bbraun

import (
	"fmt"
	"strings"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
)

// Bytes of the protocol: docs/devices/bbraun.md.
const (
	soh       = 0x01
	stx       = 0x02
	etx       = 0x03 // ends the last block
	eot       = 0x04
	ack       = 0x06
	nak       = 0x15
	etb       = 0x17 // ends a block after which another one comes
	separator = 0x1E

	head     = 7        // start, length, start of text
	tail     = 7        // end of text, check, end
	suffix   = "/1/1"   // after the bed id
	maxBed   = 32       // bytes of a bed id
	maxBlock = 12 << 10 // as the length says, unstuffed
	maxFrame = 2 * maxBlock
)

// A form is how a block was sent. Most say which it is: a stuffed one has each
// E and D doubled, a plain one has not. One without these letters says nothing.
type form uint8

const (
	neutral form = iota
	plain
	stuffed
)

// A block is one frame, unstuffed.
type block struct {
	bed, info []byte
	last      bool
	form      form
}

// An opener finds and opens frames. It keeps how far an unfinished one was
// looked at: after More the same frame comes again with more bytes.
type opener struct {
	next int
	text []byte
}

// open handles the start of b, as framer.Framer.Frame does. The block is good
// until the next call.
func (o *opener) open(b []byte) (block, int) {
	n := o.find(b)
	if n == framer.More && len(b) < maxFrame {
		return block{}, n
	}
	o.next = 0
	if n <= 0 {
		return block{}, min(n, framer.Skip)
	}
	bl, ok := o.check(b[:n])
	if !ok {
		return block{}, framer.BadSum
	}
	if bl.bed == nil {
		return block{}, framer.Skip
	}
	return bl, n
}

// find gives the length of the frame at the start of b as it is on the wire.
func (o *opener) find(b []byte) int {
	declared := 0
	for i := range min(head, len(b)) {
		c := b[i]
		switch {
		case i == 0 && c != soh, i == head-1 && c != stx, i > 0 && i < head-1 && (c < '0' || c > '9'):
			return framer.Skip
		case i > 0 && i < head-1:
			declared = declared*10 + int(c-'0')
		}
	}
	if len(b) < head {
		return framer.More
	}
	if declared > maxBlock || declared < head+tail+len("1"+suffix+">") {
		return framer.Skip
	}
	for i := max(head, o.next); i < len(b); i++ {
		switch c := b[i]; {
		case i > 2*declared:
			return framer.Skip
		case c == etx || c == etb:
			return end(b, i)
		case c < ' ' && c != separator || c == 0x7F:
			return framer.Skip
		}
		o.next = i + 1
	}
	return framer.More
}

// end looks at what follows the end of the text at i: five digits and the end.
func end(b []byte, i int) int {
	for k := i + 1; k < i+tail; k++ {
		switch {
		case k == len(b):
			return framer.More
		case k == i+tail-1 && b[k] != eot, k < i+tail-1 && (b[k] < '0' || b[k] > '9'):
			return framer.Skip
		}
	}
	return i + tail
}

// check holds a whole frame against its length and check, as it is and
// unstuffed. Both count the text before stuffing, so that only one of them can
// be right, unless there was nothing to stuff. The bed is nil if it has none.
func (o *opener) check(frame []byte) (bl block, ok bool) {
	declared := number(frame[1 : head-1])
	if len(frame) != declared || !summed(frame) {
		if o.text, ok = unstuff(o.text[:0], frame); !ok || len(o.text) != declared || !summed(o.text) {
			return block{}, false
		}
		frame, bl.form = o.text, stuffed
	} else if needsStuffing(frame) {
		bl.form = plain
	}
	n := len(frame) - tail
	bl.last = frame[n] == etx
	for i, c := range frame[head:n] {
		if c == '>' {
			bl.bed, bl.info = bedOf(frame[head:head+i]), frame[head+i+1:n]
			break
		}
	}
	return bl, true
}

func summed(frame []byte) bool {
	n := len(frame) - tail + 1
	return n > 0 && number(frame[n:len(frame)-1]) == int(checksum.Sum8(frame[:n]))
}

// number reads digits only.
func number(b []byte) (v int) {
	for _, c := range b {
		v = v*10 + int(c-'0')
	}
	return v
}

func needsStuffing(b []byte) bool {
	for _, c := range b {
		if c|0x21 == 'e' { // D, E, d, e
			return true
		}
	}
	return false
}

// bedOf gives the bed id of a header, nil if it is none. What may stand in it
// is bounded, for it is sent back in requests.
func bedOf(b []byte) []byte {
	n := len(b) - len(suffix)
	if n < 1 || n > maxBed || string(b[n:]) != suffix {
		return nil
	}
	for _, c := range b[:n] {
		if c < ' ' || c > '~' || strings.IndexByte(">:#,", c) >= 0 {
			return nil
		}
	}
	return b[:n]
}

// unstuff appends b without its stuffing, in one pass from the left: a search
// and replace would take the second half of one pair for the first of another.
func unstuff(to, b []byte) ([]byte, bool) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch c {
		case 'D', 'd':
			return to, false
		case 'E', 'e':
			i++
			switch {
			case i < len(b) && b[i] == c:
			case i < len(b) && b[i] == c+'X'-'E':
				c--
			default:
				return to, false
			}
		}
		to = append(to, c)
	}
	return to, true
}

func stuff(to, b []byte) []byte {
	for _, c := range b {
		switch c {
		case 'D', 'd':
			to = append(to, c+1, c+'X'-'D')
		case 'E', 'e':
			to = append(to, c, c)
		default:
			to = append(to, c)
		}
	}
	return to
}

// appendBlock appends a frame with info to b.
func appendBlock(b []byte, bed, info string, last bool, f form) []byte {
	n := head + len(bed) + len(suffix) + len(">") + len(info) + tail
	frame := fmt.Appendf(nil, "%c%05d%c%s%s>%s", soh, n, stx, bed, suffix, info)
	if last {
		frame = append(frame, etx)
	} else {
		frame = append(frame, etb)
	}
	frame = fmt.Appendf(frame, "%05d%c", checksum.Sum8(frame), eot)
	if f == plain {
		return append(b, frame...)
	}
	return stuff(b, frame)
}
