package nellcor

import (
	"bytes"
	"time"

	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// parse reads a data line.
func parse(text []byte) (r reading, ok bool) {
	date, rest := word(text)
	clock, rest := word(rest)
	if r.at, ok = instant(date, clock); !ok {
		return r, false
	}
	for _, to := range [...]*protocol.Decimal{&r.spo2, &r.rate, &r.amplitude} {
		var w []byte
		w, rest = word(rest)
		if *to, ok = value(w); !ok {
			return r, false
		}
	}
	for {
		var w []byte
		if w, rest = word(rest); len(w) == 0 {
			return r, true
		}
		if len(w) != 2 || !upper(w[0]) || !upper(w[1]) || !r.add(code(w)) {
			return r, false
		}
	}
}

func upper(c byte) bool { return c >= 'A' && c <= 'Z' }

// word gives the first word of b and what follows it.
func word(b []byte) (w, rest []byte) {
	b = bytes.TrimLeft(b, " \t")
	if i := bytes.IndexAny(b, " \t"); i >= 0 {
		return b[:i], b[i:]
	}
	return b, nil
}

// value reads one to three digits, perhaps with the star of an alarm limit, or
// dashes for no value.
func value(w []byte) (protocol.Decimal, bool) {
	w = bytes.TrimSuffix(w, []byte{'*'})
	if len(w) == 0 || len(w) > 3 {
		return protocol.Decimal{}, false
	}
	if len(bytes.Trim(w, "-")) == 0 {
		return protocol.Decimal{}, true
	}
	v, ok := framer.Digits(w)
	return protocol.Int(int64(v)), ok
}

const months = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"

// instant reads DD-Mon-YY HH:MM:SS. The device knows no zone: it is given as
// UTC. A date that is none gives no time.
func instant(date, clock []byte) (t time.Time, ok bool) {
	if len(date) != 9 || date[2] != '-' || date[6] != '-' || len(clock) != 8 || clock[2] != ':' || clock[5] != ':' {
		return t, false
	}
	var name [3]byte
	for i, c := range date[3:6] {
		if name[i] = c &^ 0x20; !upper(name[i]) {
			return t, false
		}
	}
	month := bytes.Index([]byte(months), name[:])
	if month < 0 || month%3 != 0 {
		return t, false
	}
	var v [5]int
	for i, p := range [...][]byte{date[7:], date[:2], clock[:2], clock[3:5], clock[6:]} {
		if v[i], ok = framer.Digits(p); !ok {
			return t, false
		}
	}
	t = time.Date(2000+v[0], time.Month(month/3+1), v[1], v[2], v[3], v[4], 0, time.UTC)
	if t.Day() != v[1] || t.Hour() != v[2] || t.Minute() != v[3] || t.Second() != v[4] {
		return time.Time{}, true
	}
	return t, true
}

// heading knows the lines that come first and then after every 25 data lines.
func (d *decoder) heading(text []byte) bool {
	model, rest, found := bytes.Cut(text, []byte(" VERSION "))
	switch {
	case found && bytes.Contains(rest, []byte("Limit:")):
		version, _ := word(rest)
		d.identify(protocol.IdentityModel, &d.model, append([]byte("Nellcor "), bytes.TrimSpace(model)...))
		d.identify(protocol.IdentityFirmware, &d.firmware, version)
		return true
	case (bytes.Contains(text, []byte("%SpO2")) || bytes.Contains(text, []byte("%SPO2"))) && bytes.Contains(text, []byte("BPM")):
		return true
	}
	return bytes.Contains(text, []byte("SAT-S")) || bytes.Contains(text, []byte("RESP MODE"))
}

const (
	stx = 0x02
	etx = 0x03
)

// oldShape is a message of the N-200, where n is a digit.
const oldShape = "\x02RnnnSnnnPnnnLnnnHnnnOnnnAnnnMnnnTnnnnnnQnnn\r\n"

// old reads a message of the N-200. Its checksum is not public: the end is CHK
// ETX, or ETX CHK ETX.
func (d *decoder) old(b []byte) int {
	for i := range min(len(b), len(oldShape)) {
		if c := oldShape[i]; c == 'n' && (b[i] < '0' || b[i] > '9') || c != 'n' && b[i] != c {
			return framer.Skip
		}
	}
	n := len(oldShape) + 2
	if len(b) < n {
		return framer.More
	}
	if b[n-1] != etx {
		if b[n-2] != etx {
			return framer.Skip
		}
		if n++; len(b) < n {
			return framer.More
		}
		if b[n-1] != etx {
			return framer.Skip
		}
	}
	three := func(at int) int { v, _ := framer.Digits(b[at : at+3]); return v }
	d.identify(protocol.IdentityModel, &d.model, []byte("Nellcor N-200"))
	d.sayOld(three(2), three(6), three(10), three(26), three(30))
	return n
}

// Bits of the monitor field of the N-200.
const (
	oldLocked   = 1
	oldAttached = 2
	oldLost     = 128
)

// sayOld emits a message of the N-200. It knows the time of day only.
func (d *decoder) sayOld(rate, spo2, pulse, alarm, monitor int) {
	r := reading{off: monitor&oldAttached == 0, lost: monitor&oldLocked == 0, doubt: monitor&oldLost != 0,
		spo2: protocol.Int(int64(spo2)), rate: protocol.Int(int64(rate)), amplitude: protocol.Int(int64(pulse))}
	for bit, c := range [...]code{{'P', 'H'}, {'P', 'L'}, {'S', 'L'}, {'S', 'H'}} {
		if alarm>>bit&1 != 0 {
			r.add(c)
		}
	}
	d.say(&r)
}
