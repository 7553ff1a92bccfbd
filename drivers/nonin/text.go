package nonin

import (
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// line reads a line of text: sheet, section "ASCII output".
func (d *decoder) line(b []byte) int {
	p := matcher{b: b}
	if b[0] != 'S' { // HH:MM:SS of the 8600; without a date it is of no use
		p.digits(2)
		p.text(":")
		p.digits(2)
		p.text(":")
		p.digits(2)
		p.text(" ")
	}
	p.text("SPO2=")
	spo2, has := p.value()
	p.text(" ")
	p.spaces()
	p.text("HR=")
	rate, hasRate := p.value()
	mark := p.trailer()
	p.text("\r\n")
	switch {
	case p.bad:
		return framer.Skip
	case p.short:
		return framer.More
	}
	s := state{spo2: noSpO2, rate: noRate}
	if has {
		s.spo2 = spo2
	}
	if hasRate {
		s.rate = rate
	}
	d.identify(protocol.IdentityModel, modelText)
	if mark {
		d.event(protocol.EventAlarm, protocol.Event{Phase: protocol.PhaseOnce, Type: protocol.AlarmAdvisory, Text: "event mark set at the oximeter"}, observed{})
	}
	d.values(s, observed{})
	return p.at
}

// A matcher walks along the beginning of a line. It is bad once a byte does
// not fit, short once the bytes have run out.
type matcher struct {
	b          []byte
	at         int
	bad, short bool
}

func (p *matcher) peek() (byte, bool) {
	if p.bad || p.short {
		return 0, false
	}
	if p.at >= len(p.b) {
		p.short = true
		return 0, false
	}
	return p.b[p.at], true
}

func (p *matcher) text(s string) {
	for i := range len(s) {
		c, ok := p.peek()
		if !ok {
			return
		}
		if c != s[i] {
			p.bad = true
			return
		}
		p.at++
	}
}

func (p *matcher) spaces() {
	for c, ok := p.peek(); ok && c == ' '; c, ok = p.peek() {
		p.at++
	}
}

func (p *matcher) digits(n int) (v int) {
	for range n {
		c, ok := p.peek()
		if !ok {
			return 0
		}
		if c < '0' || c > '9' {
			p.bad = true
			return 0
		}
		v = v*10 + int(c-'0')
		p.at++
	}
	return v
}

// value reads three digits, the first of which may be blank, or ---.
func (p *matcher) value() (v int, has bool) {
	c, ok := p.peek()
	switch {
	case !ok:
		return 0, false
	case c == '-':
		p.text("---")
		return 0, false
	case c == ' ':
		p.at++
		return p.digits(2), true
	}
	return p.digits(3), true
}

// trailer reads what may follow the rate: " F" for fast values, "*" for an
// event mark, in any order.
func (p *matcher) trailer() (mark bool) {
	for c, ok := p.peek(); ok && (c == ' ' || c == 'F' || c == '*'); c, ok = p.peek() {
		mark = mark || c == '*'
		p.at++
	}
	return mark
}
