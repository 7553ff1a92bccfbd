package fresenius

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated base with pumps, or one pump alone. Every pump
// infuses what the patient gets, or 5 mL/h into one with a heart of whom that is
// not known; for nobody the base is empty, and a pump alone is in no state to
// give a rate. A rate above 1500 mL/h is an alarm.
type Device struct {
	Alone   bool
	Modules []int // 1 to 9; none is 1, 2 and 4
	// Pull is when the first module is taken out, for 15 s; 0 is never.
	Pull time.Duration
	// Mute is a module that says nothing.
	Mute int
	// Few lets only rate and volume be read, NoBolus all but the bolus.
	Few, NoBolus bool
	// Busy refuses to be connected: the port is not authorised.
	Busy bool
	// Calm leaves out the bad habits: wrong sums, refusals, ENQ in the middle,
	// half frames, noise with eight bits, a link that is lost, events that
	// somebody else has asked for.
	Calm bool
}

const (
	pulledFor  = 15 * time.Second
	enqEvery   = 2 * time.Second
	enqPatient = time.Second // then the session is over
	tooFast    = 1500
)

// playing is one play of a device.
type playing struct {
	Device
	patient drivers.Patient
	start   time.Time
	now     time.Time
	heard   []byte
	open    bool // the session with the base, or with the pump alone
	links   [places]bool
	sent    []byte    // the last frame, to be sent again
	asked   time.Time // ENQ that was not answered, zero if none
	answers int
	rate    float64 // of the last event
}

// Simulate plays the device until ctx ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if len(d.Modules) == 0 {
		d.Modules = []int{1, 2, 4}
	}
	p := &playing{Device: d, patient: patient, start: time.Now()}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{{Every: enqEvery, First: enqEvery / 2, Append: p.keepAlive}, {Every: time.Second, First: 1300 * time.Millisecond, Append: p.event}},
		Answer: func(b, got []byte, at time.Time) []byte {
			p.now = at
			for _, c := range got {
				b = p.byte(b, c)
			}
			return b
		},
	})
}

// keepAlive asks whether the host is there.
func (p *playing) keepAlive(b []byte, at time.Time) []byte {
	if !p.asked.IsZero() && at.Sub(p.asked) >= enqPatient {
		p.open, p.links = false, [places]bool{}
	}
	if !p.open {
		return b
	}
	if p.asked.IsZero() {
		p.asked = at
	}
	return append(b, enq)
}

// event tells that the rate has changed, as if somebody had asked for it.
func (p *playing) event(b []byte, at time.Time) []byte {
	p.now = at
	v, ok := p.numeric(rate, at)
	if changed := v != p.rate; p.Calm || !ok || !changed {
		return b
	}
	p.rate = v
	for i, on := range p.links {
		if on {
			b = appendFrame(b, addressOf(i), fmt.Sprintf("E;d%04X", units(v, 10)))
		}
	}
	return b
}

// numeric is what the patient gets.
func (p *playing) numeric(code protocol.Code, at time.Time) (float64, bool) {
	if v, ok := p.patient.Numeric(code, at); ok {
		return v, true
	}
	const flow, full = 5, 40
	_, alive := p.patient.Numeric(protocol.HeartRate, at)
	v, ok := map[protocol.Code]float64{rate: flow, infused: math.Mod(at.Sub(p.start).Hours()*flow, full)}[code]
	return v, ok && alive
}

func addressOf(place int) address {
	if place == 0 {
		return nobody
	}
	return base + address(place)
}

func units(v, scale float64) int64 { return int64(math.Round(max(v, 0) * scale)) }

// byte takes one from the host.
func (p *playing) byte(b []byte, c byte) []byte {
	switch {
	case c == dc4:
		p.asked = time.Time{}
	case c == ack:
	case c == nak:
		p.heard = append(p.heard[:0], nak)
	case len(p.heard) > 0 && p.heard[0] == nak:
		p.heard = p.heard[:0]
		return append(b, p.sent...)
	case c == stx:
		p.heard = append(p.heard[:0], stx)
	case c != etx:
		p.heard = append(p.heard, c)
	case len(p.heard) >= 4:
		body := bytes.Clone(p.heard[1:])
		p.heard = p.heard[:0]
		n := len(body) - 2
		if s := hexSum(body[:n]); !bytes.Equal(body[n:], s[:]) {
			return append(b, nak, '2')
		}
		return p.command(b, body[:n])
	}
	return b
}

// command answers, if the one who is spoken to is there.
func (p *playing) command(b, body []byte) []byte {
	a := nobody
	if body[0] >= '0' && body[0] <= '9' {
		a, body = address(body[0]), body[1:]
	}
	switch {
	case (a == nobody) != p.Alone:
		return append(b, nak, errAddress)
	case a != nobody && a != base && !p.there(a.place()):
		return p.answer(append(b, ack), a, "I;"+errUnreachable)
	case a != nobody && a != base && a.place() == p.Mute:
		return b
	case len(body) == 1: // the answer to an event
		return append(b, ack)
	}
	if p.answers++; !p.Calm && p.answers%23 == 0 {
		return append(b, nak, '6')
	}
	return p.answer(append(b, ack), a, p.reply(a, string(body)))
}

// answer appends a frame, now and then with a bad habit.
func (p *playing) answer(b []byte, a address, text string) []byte {
	p.sent = appendFrame(p.sent[:0], a, text)
	n := len(b)
	b = append(b, p.sent...)
	switch half := n + len(p.sent)/2; {
	case p.Calm:
	case p.answers%13 == 0:
		b = append(append(b[:half:half], enq), b[half:]...)
	case p.answers%31 == 0:
		b[len(b)-2] = 'Z'
	case p.answers%37 == 0:
		return b[:half]
	case p.answers%41 == 0:
		b = append(b, 0xFF, 0x82, 0xB0)
	}
	return b
}

// there tells whether a module is in the base.
func (p *playing) there(module int) bool {
	if _, on := p.numeric(rate, p.now); !on {
		return false
	}
	for i, m := range p.Modules {
		if since := p.now.Sub(p.start); m == module {
			return i > 0 || p.Pull == 0 || since < p.Pull || since >= p.Pull+pulledFor
		}
	}
	return false
}

// reply gives the answer to a command. What would control a pump does not
// exist here.
func (p *playing) reply(a address, text string) string {
	link := &p.links[a.place()]
	switch {
	case text == "DC" && p.Busy:
		return "I;20"
	case text == "DC" && (a == base || a == nobody):
		p.open, p.links, p.asked = true, [places]bool{}, time.Time{}
		*link = a == nobody
		return "C"
	case !p.open:
		return "I;" + errBaseClosed
	case text == "DC":
		*link = true
		return "C"
	case text == "FC":
		if *link = false; a == base || a == nobody {
			p.open = false
		}
		return "C"
	case a == base && text == "LE;b":
		for i := 1; i < places; i++ { // one that is taken out must be connected anew
			p.links[i] = p.links[i] && p.there(i)
		}
		return "C;b" + fmt.Sprintf("%04X", p.mask())
	case a == base || !*link:
		return "I;" + errLinkLost
	case !p.Calm && p.answers%53 == 0:
		*link = false
		return "I;" + errLinkLost
	case text == "LF;b":
		return "C;bPILOT A2"
	case text == "LP":
		if _, ok := p.numeric(rate, p.now); !ok {
			return "I;03"
		}
		return "C;Noradrenaline"
	case text == "LE;dr":
		return p.variables(false)
	case text == "LE;aemdrks" && !p.NoBolus && !p.Few, text == "LE;aemdr" && !p.Few:
		return p.variables(true)
	case text == "LE;aemdrks", text == "LE;aemdr":
		return "I;0B"
	}
	return "I;01"
}

func (p *playing) mask() (mask int) {
	for i := 1; i < places; i++ {
		if p.there(i) {
			mask |= 1 << (i - 1)
		}
	}
	return mask
}

func (p *playing) variables(all bool) string {
	v, ok := p.numeric(rate, p.now)
	if !ok {
		return "I;03"
	}
	alarm := 0
	if v > tooFast {
		alarm = 4
	}
	text := "C"
	if all {
		text += fmt.Sprintf(";a%04X;e0000;m01", alarm)
	}
	number := func(letter string, code protocol.Code, scale float64, width int) {
		if v, ok := p.numeric(code, p.now); ok {
			text += fmt.Sprintf(";%s%0*X", letter, width, units(v, scale))
		}
	}
	number("d", rate, 10, 4)
	number("r", infused, 1000, 6)
	if all && !p.NoBolus {
		number("k", bolusRate, 10, 4)
		number("s", bolus, 1000, 6)
	}
	return text
}
