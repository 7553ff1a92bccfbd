package masimo

import (
	"bytes"
	"time"

	"monitorme/drivers/framer"
)

// parse reads a line. It is strict, for there is no checksum: a line from
// which bytes were lost, or that has run into the next one, is none. Saturation
// and rate have three digits, nothing stands twice, EXC is there.
func parse(text []byte) (r reading, ok bool) {
	date, rest := word(text)
	clock, rest := word(rest)
	if r.at, ok = instant(date, clock); !ok {
		return r, false
	}
	for len(rest) > 0 {
		var w []byte
		if w, rest = word(rest); len(w) == 0 {
			break
		}
		key, v, is := bytes.Cut(w, []byte{'='})
		if !is || !r.token(key, v) {
			return r, false
		}
	}
	return r, r.spo2.here && r.rate.here && r.hasExc
}

// word gives the first word of b and what follows it.
func word(b []byte) (w, rest []byte) {
	b = bytes.TrimLeft(b, " \t")
	if i := bytes.IndexAny(b, " \t"); i >= 0 {
		return b[:i], b[i:]
	}
	return b, nil
}

func is(key []byte, name string) bool {
	if len(key) != len(name) {
		return false
	}
	for i, c := range key {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// token takes one KEY=value; what is not known is passed over.
func (r *reading) token(key, v []byte) bool {
	switch {
	case is(key, "SPO2"):
		return r.spo2.set(v, 3)
	case is(key, "BPM"):
		return r.rate.set(v, 3)
	case is(key, "PR"): // trend download
		r.memory = true
		return r.rate.set(v, 3)
	case is(key, "SN"):
		if r.serial = v; blank(v) {
			r.serial = nil
		}
		return len(v) <= 32
	case is(key, "ALARM"):
		var ok bool
		r.alarm, ok = hex(v)
		return ok
	case is(key, "EXC"):
		v, _, _ = bytes.Cut(v, []byte{':'})
		again := r.hasExc
		r.exc, r.hasExc = hex(v)
		return r.hasExc && !again
	}
	for i := range extras {
		if is(key, extras[i].key) {
			return r.extras[i].set(v, 0)
		}
	}
	return true
}

// set reads a number with as many digits as are wanted, 0 for any, or dashes.
func (x *value) set(v []byte, digits int) (ok bool) {
	if x.here {
		return false
	}
	x.here = true
	v = bytes.TrimSuffix(v, []byte{'%'})
	if blank(v) {
		return true
	}
	if digits > 0 && len(v) != digits {
		return false
	}
	x.v, ok = framer.Number(v)
	return ok && x.v.Mantissa >= 0
}

// blank reports whether v means that there is no value.
func blank(v []byte) bool {
	return len(v) > 0 && len(bytes.Trim(v, "-+.")) == 0
}

// hex reads up to eight hexadecimal digits.
func hex(b []byte) (v int, ok bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | int(c-'0')
		case c >= 'A' && c <= 'F':
			v = v<<4 | int(c-'A'+10)
		case c >= 'a' && c <= 'f':
			v = v<<4 | int(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// instant reads MM/DD/YY HH:MM:SS. The device knows no zone: it is given as
// UTC. A clock that was never set may say 00/00/00: then there is no time.
func instant(date, clock []byte) (t time.Time, ok bool) {
	if len(date) != 8 || date[2] != '/' || date[5] != '/' || len(clock) != 8 || clock[2] != ':' || clock[5] != ':' {
		return t, false
	}
	var v [6]int
	for i, p := range [...][]byte{date[6:], date[:2], date[3:5], clock[:2], clock[3:5], clock[6:]} {
		if v[i], ok = framer.Digits(p); !ok {
			return t, false
		}
	}
	t = time.Date(2000+v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], 0, time.UTC)
	if int(t.Month()) != v[1] || t.Day() != v[2] || t.Hour() != v[3] || t.Minute() != v[4] || t.Second() != v[5] {
		return time.Time{}, true
	}
	return t, true
}
