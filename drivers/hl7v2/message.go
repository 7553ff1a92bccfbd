package hl7v2

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

// Delimiters are the characters that MSH-1 and MSH-2 of a message set; one
// that a message does not have is 0.
type Delimiters struct {
	Field, Component, Repetition, Escape, Sub byte
}

// Usual are the delimiters of nearly all messages: |^~\&
var Usual = Delimiters{'|', '^', '~', '\\', '&'}

// A Charset is how a message writes characters beyond ASCII (MSH-18).
type Charset uint8

const (
	ASCII   Charset = iota // or not said, or one that is not known here
	UTF8                   // UNICODE UTF-8, UNICODE
	Latin1                 // 8859/1
	GB18030                // GB 18030-2000; what is not ASCII is read as U+FFFD, Raw has it as characters for private use
)

// A Message is a message that has been read. Its zero value is empty; Parse
// may be called again and again. Not safe for concurrent use.
type Message struct {
	raw     []byte
	header  Segment
	how     how
	scratch []byte // of messages in GB 18030
}

// how is what is needed to read a piece of a message.
type how struct {
	Delimiters
	charset Charset
}

var errHeader = errors.New("want MSH, a field separator and 1 to 5 different delimiters")

// Parse reads the header of the message b, without framing. What m and its
// parts show is b, until the next Parse. After an error m is empty, and can
// still be answered.
func (m *Message) Parse(b []byte) error {
	m.raw, m.header, m.how = nil, Segment{}, how{}
	d, err := delimiters(b)
	if err != nil {
		return err
	}
	m.raw, m.how = b, how{Delimiters: d}
	m.readHeader()
	if m.how.charset = charset(m.header.Field(18).Repetition(1)); m.how.charset == GB18030 {
		m.scratch = maskGB(m.scratch[:0], b)
		m.raw, m.how.charset = m.scratch, UTF8
	}
	m.readHeader()
	return nil
}

func (m *Message) readHeader() {
	for s := range m.Segments() {
		m.header = s
		break
	}
}

// delimiters reads MSH-1 and MSH-2.
func delimiters(b []byte) (d Delimiters, err error) {
	if len(b) < 5 || string(b[:3]) != head {
		return d, fmt.Errorf("header: %w", errHeader)
	}
	d.Field = b[3]
	into := []*byte{&d.Component, &d.Repetition, &d.Escape, &d.Sub}
	n := 0
	for i := 3; i < len(b) && (i == 3 || b[i] != d.Field && b[i] != '\r' && b[i] != '\n'); i++ {
		c := b[i]
		alnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if c <= ' ' || c > '~' || alnum || c == '"' || n > 5 || bytes.IndexByte(b[3:i], c) >= 0 {
			return Delimiters{}, fmt.Errorf("header: delimiter %q: %w", c, errHeader)
		}
		if n > 0 && n <= len(into) {
			*into[n-1] = c
		}
		n++
	}
	if d.Component == 0 {
		return Delimiters{}, fmt.Errorf("header: no delimiters: %w", errHeader)
	}
	return d, nil
}

func charset(v Value) Charset {
	switch {
	case v.has("UNICODE"), v.has("UTF"):
		return UTF8
	case v.Is("8859/1"), v.Is("8859-1"), v.Is("ISO8859-1"), v.Is("ISO-8859-1"), v.Is("ISO IR100"):
		return Latin1
	case v.has("GB"):
		return GB18030
	}
	return ASCII
}

// Delimiters are those of the message.
func (m *Message) Delimiters() Delimiters { return m.how.Delimiters }

// Header is the MSH segment; empty after an error of Parse.
func (m *Message) Header() Segment { return m.header }

// Is tells whether the message is of a type (MSH-9.1), and, unless it is "",
// of an event (MSH-9.2).
func (m *Message) Is(kind, event string) bool {
	v := m.header.Field(9)
	return v.Component(1).Is(kind) && (event == "" || v.Component(2).Is(event))
}

// ControlID is MSH-10.
func (m *Message) ControlID() Value { return m.header.Field(10) }

// Segments are the segments in order, MSH first; empty ones are left out.
func (m *Message) Segments() iter.Seq[Segment] {
	return func(yield func(Segment) bool) {
		for rest := m.raw; len(rest) > 0; {
			var line []byte
			line, rest = cutLine(rest)
			if len(line) > 0 && !yield(Segment{line, m.how}) {
				return
			}
		}
	}
}

// cutLine cuts at the first CR or LF.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\r')
	if i < 0 {
		i = len(b)
	}
	if j := bytes.IndexByte(b[:i], '\n'); j >= 0 {
		i = j
	}
	return b[:i], b[min(i+1, len(b)):]
}

// A Segment is one line of a message.
type Segment struct {
	raw []byte
	how how
}

// Is tells whether the segment has that name, as "OBX".
func (s Segment) Is(name string) bool {
	return len(s.raw) >= len(name) && string(s.raw[:len(name)]) == name && (len(s.raw) == len(name) || s.raw[len(name)] == s.how.Field)
}

// Field gives a field by its number in the standard, which begins at 1; one
// that is not there is empty. Field 0 is the name; MSH-1 is the field separator.
func (s Segment) Field(n int) Value {
	rest := s.raw
	if n > 0 && s.Is(head) {
		switch n {
		case 1:
			return Value{rest[len(head):min(len(head)+1, len(rest))], s.how}
		case 2:
			b, _ := cut(rest[min(len(head)+1, len(rest)):], s.how.Field)
			return Value{b, how{Delimiters: Delimiters{Field: s.how.Field}}}
		}
		n--
	}
	return Value{nth(rest, s.how.Field, n), s.how}
}

// nth gives the piece n of b, from 0.
func nth(b []byte, separator byte, n int) []byte {
	if n < 0 {
		return nil
	}
	for ; n > 0; n-- {
		i := bytes.IndexByte(b, separator)
		if i < 0 || separator == 0 {
			return nil
		}
		b = b[i+1:]
	}
	b, _ = cut(b, separator)
	return b
}

// cut gives b before the first separator, and whether there is more.
func cut(b []byte, separator byte) (before []byte, more bool) {
	if i := bytes.IndexByte(b, separator); i >= 0 && separator != 0 {
		return b[:i], true
	}
	return b, false
}
