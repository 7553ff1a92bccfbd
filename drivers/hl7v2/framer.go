// Package hl7v2 is the syntax of HL7 version 2, without any of its meaning:
// messages are cut out of a byte stream (MLLP: 0B message 1C 0D, on TCP or a
// serial line), read into segments, fields, components and texts, and answered.
//
// It is for drivers. It does no I/O, reads no clock and keeps nothing of a
// message after its function has returned: what Value and Segment show is the
// framer's memory, and whoever wants to keep it takes a copy (Text).
package hl7v2

import (
	"bytes"

	"monitorme/drivers"
)

// The bytes of MLLP. Neither of the first two may stand inside a message, and
// no character set that HL7 allows has them as part of a character.
const (
	Start = 0x0B
	End   = 0x1C
)

// DefaultMax is the longest message that is read if Framer.Max is not set.
const DefaultMax = 1 << 20

// A Framer finds messages in a stream that is cut anywhere. It keeps at most
// one unfinished message; a new start gives up the one before. Line ends
// between messages are in order. Not safe for concurrent use.
type Framer struct {
	// Max is the longest message, in bytes; 0 is DefaultMax.
	Max int
	// Message is given each whole message, which begins with "MSH", without the
	// bytes of the framing, and says whether it is one: only then it counts as
	// a frame. It must not keep b.
	Message func(b []byte) bool

	buf    []byte // of the message that has begun; never with Start or End
	inside bool
	ended  bool // End was the last byte
	after  bool // a message has just ended: line ends may follow
	long   uint64
	stats  drivers.Stats
}

// Stats counts since the start. HL7 has no checksum: BadSums is always 0.
func (f *Framer) Stats() drivers.Stats { return f.stats }

// TooLong counts the messages that were given up because they exceed Max.
func (f *Framer) TooLong() uint64 { return f.long }

// Feed takes the next bytes of the stream. It does not keep p.
func (f *Framer) Feed(p []byte) {
	f.stats.Bytes += uint64(len(p))
	for len(p) > 0 {
		switch {
		case !f.inside:
			p = f.seek(p)
		case f.ended && p[0] == '\r':
			f.finish(f.buf)
			p = p[1:]
		case f.ended:
			f.drop(0)
		default:
			p = f.fill(p)
		}
	}
}

// seek passes over what stands before a start.
func (f *Framer) seek(p []byte) []byte {
	for f.after && len(p) > 0 && (p[0] == '\r' || p[0] == '\n') {
		p = p[1:]
	}
	if len(p) == 0 {
		return nil
	}
	i := bytes.IndexByte(p, Start)
	if i < 0 {
		i = len(p)
	} else {
		f.inside, f.ended, f.buf = true, false, f.buf[:0]
	}
	f.after = f.after && i == 0
	f.stats.Skipped += uint64(i)
	return p[min(i+1, len(p)):]
}

// fill takes the next bytes of a message that has begun.
func (f *Framer) fill(p []byte) []byte {
	end := bytes.IndexByte(p, End)
	whole := end >= 0
	if !whole {
		end = len(p)
	}
	if again := bytes.LastIndexByte(p[:end], Start); again >= 0 {
		f.stats.Skipped += uint64(len(f.buf) + 1 + again)
		f.buf = f.buf[:0]
		return p[again+1:]
	}
	body := p[:end]
	switch limit := f.limit(); {
	case len(f.buf)+len(body) > limit:
		f.long++
		f.drop(len(body))
		return p[end:]
	case len(f.buf) < len(head) && !f.begins(body):
		f.drop(len(body))
		return p[end:]
	}
	if whole && len(f.buf) == 0 && end+1 < len(p) && p[end+1] == '\r' { // no need to copy it
		f.finish(body)
		return p[end+2:]
	}
	f.buf = append(f.buf, body...)
	if whole {
		f.ended = true
		return p[end+1:]
	}
	return nil
}

func (f *Framer) limit() int {
	if f.Max > 0 {
		return f.Max
	}
	return DefaultMax
}

const head = "MSH"

// begins tells whether the message can still be one with body after buf.
func (f *Framer) begins(body []byte) bool {
	want := head[len(f.buf):]
	n := min(len(want), len(body))
	return string(body[:n]) == want[:n]
}

// drop gives up what has begun, with extra bytes that are not in buf.
func (f *Framer) drop(extra int) {
	f.stats.Skipped += uint64(1 + len(f.buf) + extra)
	if f.ended {
		f.stats.Skipped++
	}
	f.inside, f.after = false, false
}

func (f *Framer) finish(message []byte) {
	f.inside, f.after = false, true
	if len(message) > len(head) && f.Message(message) {
		f.stats.Frames++
	} else {
		f.stats.Skipped += uint64(len(message) + 3)
	}
}

// AppendFrame appends message, which is without framing, as it is sent.
func AppendFrame(b, message []byte) []byte {
	b = append(append(b, Start), message...)
	return append(b, End, '\r')
}
