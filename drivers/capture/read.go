package capture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"monitorme/drivers"
)

// Is tells whether a file that begins with these bytes is a capture; Prefix of
// them are enough.
func Is(begin []byte) bool { return bytes.HasPrefix(begin, []byte("MONITORME-CAPTURE ")) }

// Prefix is how many bytes of a file Is wants to see.
const Prefix = len("MONITORME-CAPTURE ")

// A Reader reads one capture. Not safe for concurrent use.
type Reader struct {
	r    *bufio.Reader
	head Header
	line int
	last time.Duration
}

// NewReader reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	c := &Reader{r: bufio.NewReaderSize(r, 4096)}
	first, err := c.next()
	if err != nil {
		return nil, c.fail(err)
	}
	if first != magic {
		return nil, c.fail(fmt.Errorf("%q: want %q", cutText(first), magic))
	}
	for range maxHeads {
		s, err := c.next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, c.fail(err)
		}
		if s == "" {
			return c, nil
		}
		if err := c.header(s); err != nil {
			return nil, c.fail(err)
		}
	}
	return nil, c.fail(fmt.Errorf("the header has more than %d lines", maxHeads))
}

func (c *Reader) header(s string) (err error) {
	if s[0] == '#' {
		return nil
	}
	key, value, ok := strings.Cut(s, ":")
	if !ok {
		return fmt.Errorf("%q: want a header as key: value, then an empty line", cutText(s))
	}
	value = strings.TrimSpace(value)
	switch key {
	case "program":
		c.head.Program = value
	case "driver":
		c.head.Driver = value
	case "port":
		c.head.Port = value
	case "usb":
		c.head.USB = value
	case "line":
		c.head.Line, err = drivers.ParseLine(value)
	case "started":
		if c.head.Started, err = time.Parse(time.RFC3339Nano, value); err != nil {
			err = fmt.Errorf("started %q: want a time such as 2026-11-20T11:48:03Z", cutText(value))
		}
	}
	return err
}

// Header is the header.
func (c *Reader) Header() Header { return c.head }

// Next gives the next entry; io.EOF at the end. Other errors name the line and
// say what is wrong with it; the reader is of no use after one.
func (c *Reader) Next() (Entry, error) {
	for {
		s, err := c.next()
		if errors.Is(err, io.EOF) {
			return Entry{}, io.EOF
		}
		if err != nil {
			return Entry{}, c.fail(err)
		}
		if s == "" || s[0] == '#' {
			continue
		}
		e, err := c.entry(s)
		if err != nil {
			return Entry{}, c.fail(err)
		}
		c.last = e.At
		return e, nil
	}
}

// next gives the next line without its end.
func (c *Reader) next() (string, error) {
	b, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(b) == 0:
		return "", io.EOF
	case errors.Is(err, io.EOF):
		c.line++
		return "", ErrCut
	case errors.Is(err, bufio.ErrBufferFull) || err == nil && len(b) > maxLine:
		c.line++
		return "", fmt.Errorf("more than %d characters", maxLine)
	case err != nil:
		return "", err
	}
	c.line++
	return string(bytes.TrimRight(b, "\r\n")), nil
}

func (c *Reader) fail(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("capture, line %d: %w", c.line, err)
}

func (c *Reader) entry(s string) (Entry, error) {
	when, rest, _ := strings.Cut(s, " ")
	at, ok := seconds(when)
	switch {
	case !ok:
		return Entry{}, fmt.Errorf("time %q: want seconds with six places, such as 12.034000", cutText(when))
	case at < c.last:
		return Entry{}, fmt.Errorf("time %q is before that of the entry above", when)
	}
	mark, rest, _ := strings.Cut(rest, " ")
	e := Entry{At: at}
	if len(mark) == 1 {
		e.Kind = Kind(mark[0])
	}
	var err error
	switch e.Kind {
	case FromDevice, ToDevice:
		e.Bytes, err = hexBytes(rest)
	case LineSet:
		e.Line, err = drivers.ParseLine(rest)
	case Remark:
		e.Text = rest
	default:
		err = fmt.Errorf("%q: want <, >, = or ! after the time", cutText(mark))
	}
	return e, err
}

// seconds reads "12.034000".
func seconds(s string) (time.Duration, bool) {
	whole, places, ok := strings.Cut(s, ".")
	if !ok || len(places) != 6 || len(whole) == 0 || len(whole) > 8 {
		return 0, false
	}
	us, err := strconv.ParseUint(whole+places, 10, 64)
	at := time.Duration(us) * time.Microsecond
	return at, err == nil && at <= longest
}

func hexBytes(s string) ([]byte, error) {
	s, _, _ = strings.Cut(s, "|")
	words := strings.Fields(s)
	if len(words) == 0 || len(words) > perLine {
		return nil, fmt.Errorf("%d bytes: want 1 to %d", len(words), perLine)
	}
	b := make([]byte, len(words))
	for i, w := range words {
		v, err := strconv.ParseUint(w, 16, 8)
		if err != nil || len(w) != 2 {
			return nil, fmt.Errorf("byte %q: want two hex digits", cutText(w))
		}
		b[i] = byte(v)
	}
	return b, nil
}

// cutText bounds what an error repeats of a file.
func cutText(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
