package hl7v2

import (
	"bytes"
	"iter"
	"time"
	"unicode/utf8"

	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// A Value is a field, or a part of one. Its zero value is empty.
type Value struct {
	raw []byte
	how how
}

// Raw is the value as it stands in the message, escapes and all. It must not be
// kept or changed.
func (v Value) Raw() []byte { return v.raw }

// Empty tells that nothing stands there: "unchanged" in HL7.
func (v Value) Empty() bool { return len(v.raw) == 0 }

// Null tells that two quotes stand there: "no value" in HL7.
func (v Value) Null() bool { return string(v.raw) == `""` }

// Is tells whether the value is s, which has no character that is escaped.
func (v Value) Is(s string) bool { return string(v.raw) == s }

// has tells whether the value begins with s.
func (v Value) has(s string) bool { return len(v.raw) >= len(s) && string(v.raw[:len(s)]) == s }

// Repetition gives a repetition of a field, from 1.
func (v Value) Repetition(n int) Value { return Value{nth(v.raw, v.how.Repetition, n-1), v.how} }

// Component gives a component, from 1, of the first repetition.
func (v Value) Component(n int) Value {
	first, _ := cut(v.raw, v.how.Repetition)
	return Value{nth(first, v.how.Component, n-1), v.how}
}

// Sub gives a subcomponent, from 1.
func (v Value) Sub(n int) Value { return Value{nth(v.raw, v.how.Sub, n-1), v.how} }

// Repetitions are all repetitions of a field; an empty field has none.
func (v Value) Repetitions() iter.Seq[Value] { return v.pieces(v.how.Repetition) }

// Components are all components of the value; an empty one has none.
func (v Value) Components() iter.Seq[Value] { return v.pieces(v.how.Component) }

// Subs are all subcomponents of a component; an empty one has none.
func (v Value) Subs() iter.Seq[Value] { return v.pieces(v.how.Sub) }

func (v Value) pieces(separator byte) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		rest, more := v.raw, len(v.raw) > 0
		for more {
			var piece []byte
			piece, more = cut(rest, separator)
			rest = rest[min(len(piece)+1, len(rest)):]
			if !yield(Value{piece, v.how}) {
				return
			}
		}
	}
}

// Number reads the value as a decimal number with the places it has; spaces
// around it are in order.
func (v Value) Number() (protocol.Decimal, bool) { return framer.Number(bytes.TrimSpace(v.raw)) }

// Digits reads the value as a whole number of up to nine digits.
func (v Value) Digits() (int, bool) { return framer.Digits(bytes.TrimSpace(v.raw)) }

// Text is the value for people: escapes replaced, in UTF-8, on one line. What
// has no place in it is U+FFFD.
func (v Value) Text() string {
	b := bytes.TrimSpace(v.raw)
	if plain(b, v.how.Escape) {
		return string(b)
	}
	return string(v.AppendText(nil))
}

// AppendText appends Text to b.
func (v Value) AppendText(b []byte) []byte {
	rest := bytes.TrimSpace(v.raw)
	for len(rest) > 0 {
		i := bytes.IndexByte(rest, v.how.Escape)
		if i < 0 || v.how.Escape == 0 {
			return v.appendChars(b, rest)
		}
		b = v.appendChars(b, rest[:i])
		rest = rest[i+1:]
		if end := bytes.IndexByte(rest, v.how.Escape); end >= 0 {
			b = v.appendEscape(b, rest[:end])
			rest = rest[end+1:]
		} else {
			b = append(b, v.how.Escape) // not an escape: it never ends
		}
	}
	return b
}

// plain tells whether b is its own text.
func plain(b []byte, escape byte) bool {
	for _, c := range b {
		if c < ' ' || c >= 0x7F || c == escape {
			return false
		}
	}
	return true
}

// appendEscape appends what the escape with this inside stands for.
func (v Value) appendEscape(b, inside []byte) []byte {
	d := v.how.Delimiters
	switch string(inside) {
	case "F":
		return append(b, d.Field)
	case "S":
		return append(b, d.Component)
	case "T":
		return append(b, d.Sub)
	case "R":
		return append(b, d.Repetition)
	case "E":
		return append(b, d.Escape)
	case "H", "N": // highlighting
		return b
	}
	switch {
	case len(inside) > 2 && inside[0] == 'X' && len(inside)%2 == 1:
		chars := make([]byte, 0, 32)
		for i := 1; i < len(inside); i += 2 {
			hi, lo := hexDigit(inside[i]), hexDigit(inside[i+1])
			if hi > 15 || lo > 15 {
				return utf8.AppendRune(b, utf8.RuneError)
			}
			chars = append(chars, hi<<4|lo)
		}
		return v.appendChars(b, chars)
	case len(inside) > 0 && inside[0] == '.': // .br .sp .in: layout
		return append(b, ' ')
	}
	return utf8.AppendRune(b, utf8.RuneError)
}

func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xFF
}

// appendChars appends p, which is in the message's character set.
func (v Value) appendChars(b, p []byte) []byte {
	for len(p) > 0 {
		r, n := rune(p[0]), 1
		if r >= utf8.RuneSelf && v.how.charset != Latin1 {
			r, n = utf8.DecodeRune(p)
		}
		switch {
		case r < ' ' || r >= 0x7F && r < 0xA0:
			r = ' '
		case r >= masked:
			r = utf8.RuneError
		}
		b = utf8.AppendRune(b, r)
		p = p[n:]
	}
	return b
}

// masked is where the characters for private use begin that stand for what is
// not ASCII in GB 18030. Their text is U+FFFD, but different ones stay different.
const masked = 0xF0000

// maskGB appends p with each two bytes beyond ASCII as such a character: the
// second one may look like a delimiter.
func maskGB(b, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		c := p[i]
		if c < utf8.RuneSelf {
			b = append(b, c)
			continue
		}
		pair := [4]byte{c}
		n := 1
		switch rest := p[i+1:]; {
		case c == 0x80 || c == 0xFF || len(rest) == 0: // never begins a character
		case rest[0] >= '0' && rest[0] <= '9':
			n += copy(pair[1:], rest)
		case rest[0] >= 0x40 && rest[0] != 0x7F:
			n += copy(pair[1:2], rest)
		}
		b = utf8.AppendRune(b, masked|rune(pair[0]&0x7F)<<8|rune(pair[1]))
		if n > 2 {
			b = utf8.AppendRune(b, masked|1<<15|rune(pair[2]&0x7F)<<8|rune(pair[3]))
		}
		i += n - 1
	}
	return b
}

// Time reads a time stamp, YYYYMMDDHHMM[SS[.S…]][+ZZZZ], to at least the
// minute, in the years 1970 to 2200. Without an offset it is taken to be in
// loc, and zoned is false.
func (v Value) Time(loc *time.Location) (t time.Time, zoned, ok bool) {
	b := bytes.TrimSpace(v.Component(1).raw)
	if i := bytes.LastIndexAny(b, "+-"); i > 0 {
		if loc, ok = offset(b[i:]); !ok {
			return t, false, false
		}
		b, zoned = b[:i], true
	}
	whole, fraction := b, []byte(nil)
	if i := bytes.IndexByte(b, '.'); i >= 0 {
		whole, fraction = b[:i], b[i+1:]
	}
	if len(whole) != 12 && len(whole) != 14 || len(fraction) > 9 || len(fraction) > 0 && len(whole) != 14 {
		return t, false, false
	}
	var parts [6]int
	for i, width, at := 0, 4, 0; at < len(whole); i, at, width = i+1, at+width, 2 {
		if parts[i], ok = framer.Digits(whole[at : at+width]); !ok {
			return t, false, false
		}
	}
	ns, ok := 0, true
	if len(fraction) > 0 {
		ns, ok = framer.Digits(fraction)
		for range 9 - len(fraction) {
			ns *= 10
		}
	}
	year, month, day, hour, minute, second := parts[0], time.Month(parts[1]), parts[2], parts[3], parts[4], parts[5]
	if !ok || year < 1970 || year > 2200 || hour > 23 || minute > 59 || second > 60 {
		return t, false, false
	}
	t = time.Date(year, month, day, hour, minute, min(second, 59), ns, loc).UTC()
	civil := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if civil.Month() != month || civil.Day() != day || t.Year() < 1970 || t.Year() > 2200 {
		return time.Time{}, false, false
	}
	return t, zoned, true
}

var utcOffset = time.FixedZone("", 0)

// offset reads +HHMM or -HHMM.
func offset(b []byte) (*time.Location, bool) {
	n, ok := framer.Digits(b[1:])
	if !ok || len(b) != 5 || n/100 > 14 || n%100 > 59 {
		return nil, false
	}
	if n == 0 {
		return utcOffset, true
	}
	seconds := (n/100*60 + n%100) * 60
	if b[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), true
}
