package framer

import "monitorme/protocol"

// Line finds the line of text at the start of b, for protocols of lines. It
// gives the text without its end and how many bytes of b it takes, or More or
// Skip. A line ends with its first CR or LF; those that follow belong to the
// next line, so that a line is there as soon as its end begins. Only printable
// ASCII and tabs are text.
func Line(b []byte) (text []byte, n int) {
	from := 0
	for from < len(b) && (b[from] == '\r' || b[from] == '\n') {
		from++
	}
	for i, c := range b[from:] {
		switch {
		case c == '\r' || c == '\n':
			return b[from : from+i], from + i + 1
		case c < ' ' && c != '\t' || c > '~':
			return nil, Skip
		}
	}
	return nil, More
}

// Digits reads b, all of it, as a whole number of up to nine digits.
func Digits(b []byte) (v int, ok bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

// Number reads b, all of it, as a decimal number with the places it has: an
// optional sign, up to 18 digits, and perhaps a point between or after digits.
func Number(b []byte) (d protocol.Decimal, ok bool) {
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative, b = b[0] == '-', b[1:]
	}
	if len(b) == 0 || len(b) > 19 || b[0] == '.' {
		return protocol.Decimal{}, false
	}
	point := -1
	digits := 0
	var v int64
	for i, c := range b {
		switch {
		case c == '.' && point < 0:
			point = i
		case c < '0' || c > '9' || digits == 18:
			return protocol.Decimal{}, false
		default:
			v = v*10 + int64(c-'0')
			digits++
		}
	}
	places := 0
	if point >= 0 {
		places = len(b) - point - 1
	}
	if negative {
		v = -v
	}
	return protocol.Dec(v, int8(-places)), true
}
