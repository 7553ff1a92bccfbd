// Package framer cuts a byte stream that arrives in arbitrary pieces into
// frames. It does the part of a decoder that is the same for every device:
// keep the bytes of an unfinished frame (never more than the longest frame),
// go on one byte later after anything that is no frame, and count.
//
// What a frame is says one function of the driver. The package does no I/O and
// reads no clock; a Framer is not safe for concurrent use.
package framer

import "monitorme/drivers"

// What a frame function says of the start of the bytes it is shown, besides
// the length of a valid frame.
const (
	More   = 0  // could be a frame, its end is not here yet
	Skip   = -1 // no frame starts at the first byte
	BadSum = -2 // a whole frame, but its check failed
)

// A Framer finds frames. Max and Frame are set before the first Feed.
type Framer struct {
	// Max is the length of the longest frame, and so of what is kept.
	Max int
	// Frame looks at b, 1 to Max bytes that begin where a frame may begin. If a
	// valid frame stands there it acts on it and returns its length; else More,
	// Skip or BadSum. It must answer the same however many bytes follow the
	// frame, and say Skip as soon as it can: while it says More, nothing is
	// emitted. It must not keep b.
	Frame func(b []byte) int

	pend  []byte // the beginning of a frame; shorter than Max
	stats drivers.Stats
}

// Stats counts since the start.
func (f *Framer) Stats() drivers.Stats { return f.stats }

// Feed takes the next bytes of the stream and calls Frame wherever a frame may
// begin. It does not keep p.
func (f *Framer) Feed(p []byte) {
	f.stats.Bytes += uint64(len(p))
	for len(f.pend) > 0 && len(p) > 0 {
		old := len(f.pend)
		k := min(len(p), f.Max-old)
		f.pend = append(f.pend, p[:k]...)
		used := f.scan(f.pend)
		if used >= old { // what is left begins in p: go on there, without a copy
			p = p[used-old:]
			f.pend = f.pend[:0]
			break
		}
		p = p[k:]
		f.pend = f.pend[:copy(f.pend, f.pend[used:])]
	}
	if len(p) > 0 {
		used := f.scan(p)
		f.pend = append(f.pend[:0], p[used:]...)
	}
}

// scan handles all frames in b and says how many bytes are done with.
func (f *Framer) scan(b []byte) int {
	i := 0
	for i < len(b) {
		window := b[i:min(len(b), i+f.Max)]
		n := f.Frame(window)
		switch {
		case n > 0:
			f.stats.Frames++
			i += n
			continue
		case n == More && len(window) < f.Max:
			return i
		case n == BadSum:
			f.stats.BadSums++
		}
		f.stats.Skipped++
		i++
	}
	return i
}
