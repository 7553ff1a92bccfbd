// Package capture is what passed on a device's line, in both directions and
// with its timing, as a text that people can read: `monitorme-edge record`
// writes it, `decode`, file: ports and the simulator play it. Package
// drivers/patient has another kind of recording, that of a body.
//
// A capture is text in lines that end with \n:
//
//	MONITORME-CAPTURE 1
//	program: monitorme-edge 1.2.3 linux/arm64
//	driver: nonin
//	port: /dev/ttyUSB0
//	usb: 0403:6001
//	line: 9600 8N1
//	started: 2026-11-20T11:48:03.25Z
//
//	0.000000 < 01 80 7F 30 30                                  |...00|
//	0.104512 > 06                                              |.|
//	2.000000 = 19200 7E1
//	9.731000 ! read /dev/ttyUSB0: the line is gone
//
// The first line stays as it is for all captures of this version. Header lines
// up to the empty one are "key: value"; unknown keys are skipped. Each line
// after it is the time in seconds since the start, never going back, and what
// happened: < bytes of the device, > bytes of the host, = the line was set
// anew, ! a remark. Bytes are two hex digits each, at most 32 a line; what
// follows | shows them as text and is not read. Lines that begin with # and
// empty ones are skipped.
//
// Device bytes may carry names and numbers of patients. Nothing is removed: the
// text beside the bytes is there so that whoever passes a capture on can look.
package capture

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"monitorme/drivers"
)

// Warning is to be shown to whoever makes a capture.
const Warning = "the bytes of a device may carry names and numbers of patients: look through the text at the right before passing this on"

const (
	magic    = "MONITORME-CAPTURE 1"
	perLine  = 32
	maxLine  = 1024                // of a line of the text
	longest  = 31 * 24 * time.Hour // of a capture
	maxHeads = 64                  // lines of the header
)

// Header says where a capture comes from. Program and Started are always
// there in what NewWriter writes.
type Header struct {
	Program string       // what wrote it, with its version
	Driver  string       // the driver that ran; "" if nothing was sent
	Port    string       // as it was named
	USB     string       // ids of the adapter, "0403:6001"; "" if none
	Line    drivers.Line // as it was opened; the zero value where it is not known
	Started time.Time
}

// Kind is what happened.
type Kind byte

const (
	FromDevice Kind = '<'
	ToDevice   Kind = '>'
	LineSet    Kind = '='
	Remark     Kind = '!'
)

// An Entry is one thing that happened.
type Entry struct {
	At    time.Duration // since the start, in microseconds
	Kind  Kind
	Bytes []byte       // FromDevice, ToDevice: at least 1
	Line  drivers.Line // LineSet
	Text  string       // Remark
}

// A Writer writes one capture. Safe for concurrent use.
type Writer struct {
	mu   sync.Mutex
	w    io.Writer
	last time.Duration
	buf  []byte
	err  error
}

// NewWriter writes the header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	b := []byte(magic + "\n# " + Warning + ".\n")
	add := func(key, value string) {
		if value = oneLine(value); value != "" {
			b = fmt.Appendf(b, "%s: %s\n", key, value)
		}
	}
	add("program", h.Program)
	add("driver", h.Driver)
	add("port", h.Port)
	add("usb", h.USB)
	if h.Line != (drivers.Line{}) {
		add("line", h.Line.String())
	}
	add("started", h.Started.UTC().Format(time.RFC3339Nano))
	if _, err := w.Write(append(b, '\n')); err != nil {
		return nil, fmt.Errorf("write capture: %w", err)
	}
	return &Writer{w: w}, nil
}

// oneLine keeps a text within one line, and short.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > maxLine/2 {
		s = strings.ToValidUTF8(s[:maxLine/2], "") + "…"
	}
	return s
}

// Write writes e at once, with one Write of the file. A time before that of
// the last entry becomes that time. After an error every later call gives it.
func (w *Writer) Write(e Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.last = max(w.last, e.At.Truncate(time.Microsecond))
	w.buf = w.buf[:0]
	switch e.Kind {
	case FromDevice, ToDevice:
		for p := e.Bytes; len(p) > 0; p = p[min(perLine, len(p)):] {
			w.bytes(e.Kind, p[:min(perLine, len(p))])
		}
	case LineSet:
		w.begin(e.Kind)
		w.buf = append(w.buf, e.Line.String()...)
		w.buf = append(w.buf, '\n')
	default:
		w.begin(Remark)
		w.buf = append(w.buf, oneLine(e.Text)...)
		w.buf = append(w.buf, '\n')
	}
	if _, err := w.w.Write(w.buf); err != nil {
		w.err = fmt.Errorf("write capture: %w", err)
	}
	return w.err
}

func (w *Writer) begin(k Kind) {
	us := w.last.Microseconds()
	w.buf = fmt.Appendf(w.buf, "%d.%06d %c ", us/1e6, us%1e6, k)
}

const digits = "0123456789ABCDEF"

func (w *Writer) bytes(k Kind, p []byte) {
	w.begin(k)
	for _, c := range p {
		w.buf = append(w.buf, digits[c>>4], digits[c&15], ' ')
	}
	for range min(16, perLine) - len(p) { // short lines stay short
		w.buf = append(w.buf, "   "...)
	}
	w.buf = append(w.buf, '|')
	for _, c := range p {
		if c < ' ' || c > '~' {
			c = '.'
		}
		w.buf = append(w.buf, c)
	}
	w.buf = append(w.buf, "|\n"...)
}

// ErrCut is in the chain of the error about a capture that ends inside a line,
// as after a power cut: what was before it has been given.
var ErrCut = errors.New("it ends inside a line")
