package nibp

import (
	"bytes"
	"fmt"
	"time"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// askStatus is the only request to an ASCII module: read status and result.
const askStatus = "\x0218;;DF\x03"

const (
	stx       = 0x02
	etx       = 0x03
	maxStatus = 80
)

type nibScan struct {
	core
	memory
	measuring bool
	readNow   bool

	heard bool // a status since the last Ask
	busy  bool // a cuff pressure since the last Ask
	next  time.Duration
}

func makeNIBScan() *nibScan {
	d := &nibScan{}
	d.framer = framer.Framer{Max: maxStatus, Frame: d.frame}
	return d
}

func (d *nibScan) frame(b []byte) int {
	if b[0] >= '0' && b[0] <= '9' {
		return d.cuff(b)
	}
	if b[0] != stx {
		return framer.Skip
	}
	for i, c := range b[1:] {
		switch {
		case c == etx:
			return d.status(b[:i+2])
		case c < ' ' || c > '~':
			return framer.Skip
		}
	}
	return framer.More
}

// cuff reads a running pressure: three digits, 999 at the end, then CR, LF or a
// blank. They are not taken for values: how they are sent is not verified.
func (d *nibScan) cuff(b []byte) int {
	for i, c := range b[:min(4, len(b))] {
		if digit := c >= '0' && c <= '9'; i < 3 && !digit || i == 3 && c != '\r' && c != '\n' && c != ' ' {
			return framer.Skip
		}
	}
	if len(b) < 4 {
		return framer.More
	}
	d.busy = true
	if string(b[:3]) == "999" {
		d.ended, d.readNow, d.measuring = true, true, false
	} else if !d.measuring {
		d.measuring = true
		d.running()
	}
	return 4
}

// status reads STX text;; sum ETX, the text being fields that end with ";".
func (d *nibScan) status(b []byte) int {
	n := len(b)
	if n < 8 || b[n-4] != ';' || b[n-5] != ';' {
		return framer.Skip
	}
	text := b[1 : n-3]
	if fmt.Sprintf("%02X", checksum.Sum8(text)) != string(b[n-3:n-1]) {
		return framer.BadSum
	}
	var r result
	var failure []byte
	has := false
	for field := range bytes.SplitSeq(text, []byte{';'}) {
		if len(field) == 0 {
			continue
		}
		switch v := field[1:]; {
		case field[0] == 'P' && len(v) == 9:
			r.sys, r.dia, r.mean, has = three(v), three(v[3:]), three(v[6:]), true
		case field[0] == 'R' && len(v) == 3:
			r.rate = three(v)
		case field[0] == 'M':
			failure = v
		}
	}
	if !has {
		return framer.Skip
	}
	d.heard, d.measuring = true, false
	d.say(r, failure)
	return n
}

func (d *nibScan) say(r result, failure []byte) {
	q, isNew := d.judge(fmt.Appendf(nil, "%v %s", r, failure))
	switch {
	case !isNew:
	case q == protocol.QualityUnknown && (r == (result{}) || string(failure) != "00"): // of some time ago
	case len(bytes.Trim(failure, "0")) > 0:
		d.failed("measurement failed, message " + string(failure))
	default:
		d.measurement(r, q)
	}
}

// three reads three digits; anything else is no number.
func three(b []byte) int {
	v, _ := framer.Digits(b[:3])
	return v
}

// Ask implements drivers.Asker: while pressures come nothing is said; after
// the end, and else now and then, the status is read.
func (d *nibScan) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	switch {
	case d.readNow:
		d.next = now
	case d.busy:
		d.next = now + nibscanPatient
	case d.heard:
		d.next = now + nibscanEvery
	}
	d.readNow, d.busy, d.heard = false, false, false
	if now < d.next {
		return b, d.next - now
	}
	d.next = now + nibscanEvery
	return append(b, askStatus...), nibscanEvery
}
