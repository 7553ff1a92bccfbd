package fresenius

import (
	"bytes"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// A request is what can be asked. There is nothing else that can be sent but
// the answers to the pump: ACK, NAK, DC4, and E or M with its address.
type request uint8

const (
	connect request = iota
	disconnect
	askModules
	askType
	askAll
	askMost // but for the bolus, which not every pump has
	askFlow
	askDrug
	requests
)

// texts is every message that can be written, but for E and M; the address is
// put before. Each command only reads, and none carries a value.
var texts = [requests]string{
	connect: "DC", disconnect: "FC", askModules: "LE;b", askType: "LF;b",
	askAll: "LE;aemdrks", askMost: "LE;aemdr", askFlow: "LE;dr", askDrug: "LP",
}

const (
	firstAfter   = time.Second // earlier commands are lost
	answerWithin = time.Second
	gap          = 20 * time.Millisecond // between an answer and the next command
	repeatAfter  = 100 * time.Millisecond
	pollEvery    = 2 * time.Second
	drugEvery    = 10 * time.Second
	tryAgain     = 5 * time.Second  // to connect what refuses
	tryMute      = 10 * time.Second // to connect a module that does not answer
	allAgain     = 30 * time.Second // to ask for all variables where that was refused
	never        = 1 << 62
	maxLost      = 3
	maxOut       = 128 // bytes of answers to one piece: more is an attack
)

// Errors that mean more than "not now".
const (
	errAddress     = '4'  // of a NAK: nobody has that address
	errBaseClosed  = "0D" // the session with the base is not open
	errUnreachable = "0E"
	errLinkLost    = "1E" // the module is not connected
	errConnected   = "1F" // it is already, in older descriptions
)

const notListed = "the base does not list its modules"

// A link is the conversation with one pump.
type link struct {
	there     bool // the base says so
	connected bool
	due       [requests]time.Duration
	flowless  bool          // not even rate and volume could be read
	lost      int           // times in turn that it was lost before anything was read
	complain  func(p *pump) // called when the decoder may emit
}

// A session is the host's side of the conversation. It is pure.
type session struct {
	*decoder
	out  []byte // to be written at once
	asks bool   // ENQ came

	alone   bool // one pump without a base
	heard   bool // an answer has come since the last attempt to connect
	single  bool // and it had no address
	open    bool // the base, or the one pump, is connected
	openAt  time.Duration
	maskAt  time.Duration
	links   [places]link
	refusal string // why nothing can be read, "" if it can
	closed  int    // sessions in turn in which nothing was read

	waiting bool
	pending request
	target  address
	tries   int
	until   time.Duration
	rest    time.Duration // nothing is asked before
	reply   byte          // C or I, 0 if none came
	code    string        // of an I
	refused byte          // the digit of a NAK, '?' if none
}

func newSession() *session {
	s := &session{decoder: makeDecoder(), openAt: firstAfter}
	s.decoder.host = s
	return s
}

// message implements listener.
func (s *session) message(a address, status byte, data []byte) (text bool) {
	s.say(ack)
	switch status {
	case variables, adjustment:
		s.frame(a, string(rune(status)))
		return false
	case correct, incorrect:
	default:
		return false
	}
	s.heard, s.single = true, a == nobody
	if !s.waiting || a != s.target || s.reply != 0 {
		return false
	}
	s.reply = status
	switch reads := s.pending == askAll || s.pending == askMost || s.pending == askFlow; {
	case status == incorrect:
		s.code = string(data[:min(len(data), 2)])
		return false
	case reads && !hasVariable(data): // as good as an error
		s.reply = incorrect
		return false
	}
	p := &s.pumps[a.place()]
	switch {
	case s.pending == askDrug && !isVariables(data):
		p.infuses(string(bytes.TrimSpace(data)))
		return true
	case s.pending == askType && (!isVariables(data) || data[0] == 'b'):
		if len(data) > 0 && data[0] == 'b' {
			data = data[1:]
		}
		p.identify(string(bytes.TrimSpace(data)))
		return true
	}
	return false
}

// control implements listener.
func (s *session) control(c, digit byte) {
	switch {
	case c == enq:
		s.asks = true
	case c == nak && digit == 0:
		s.refused = '?'
	case c == nak:
		s.refused = digit
	}
}

// broken implements listener.
func (s *session) broken() { s.say(nak, '2') }

func (s *session) say(b ...byte) {
	if len(s.out)+len(b) <= maxOut {
		s.out = append(s.out, b...)
	}
}

func (s *session) frame(a address, text string) {
	if len(s.out)+maxFrame <= 2*maxOut {
		s.out = appendFrame(s.out, a, text)
	}
}

// Decode implements drivers.Decoder: it also tells what Ask has found out.
func (s *session) Decode(p []byte, emit drivers.Emit) {
	s.decoder.emit = emit
	for i := range s.links {
		if l := &s.links[i]; l.complain != nil {
			l.complain(&s.pumps[i])
			l.complain = nil
		}
	}
	s.pumps[0].stands(&s.pumps[0].missing, s.refusal, protocol.PriorityMedium)
	s.decoder.Decode(p, emit)
}

// Ask implements drivers.Asker.
func (s *session) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if s.asks {
		b, s.asks = append(b, dc4), false
	}
	b = append(b, s.out...)
	s.out = s.out[:0]
	s.follow(now)
	if s.waiting {
		switch {
		case s.reply == correct:
			s.waiting = false
			s.done(now)
		case s.reply == incorrect:
			s.waiting = false
			s.denied(now)
		case s.refused != 0 && s.refused != errAddress && s.tries < 2:
			s.refused, s.until = 0, now+repeatAfter // and then again
		case s.refused == 0 && now < s.until:
			return b, s.until - now
		case s.refused == 0 && s.tries < 2:
			s.tries++
			return s.send(b, now)
		default:
			s.waiting = false
			s.failed(now)
		}
		if s.waiting {
			return b, s.until - now
		}
		s.rest = now + gap
	}
	if now < s.rest {
		return b, s.rest - now
	}
	due := s.next(now)
	if due > now {
		return b, due - now
	}
	s.waiting, s.tries = true, 1
	return s.send(b, now)
}

// send appends the pending request.
func (s *session) send(b []byte, now time.Duration) ([]byte, time.Duration) {
	s.reply, s.code, s.refused, s.until = 0, "", 0, now+answerWithin
	return appendFrame(b, s.target, texts[s.pending]), answerWithin
}

// next chooses what is due first, and says when.
func (s *session) next(now time.Duration) time.Duration {
	root := base
	if s.alone {
		root = nobody
	}
	if !s.open {
		s.target, s.pending = root, connect
		return s.openAt
	}
	first := time.Duration(never)
	if !s.alone {
		first, s.target, s.pending = s.maskAt, base, askModules
	}
	for i := range s.links {
		l := &s.links[i]
		if !l.there {
			continue
		}
		for r := range requests {
			if r == disconnect || r == askModules || (r == connect) == l.connected || l.due[r] >= first {
				continue
			}
			first, s.pending = l.due[r], r
			if s.target = nobody; i > 0 {
				s.target = base + address(i)
			}
		}
	}
	return min(first, now+tryAgain)
}

// follow opens and closes links as the base says what is there.
func (s *session) follow(now time.Duration) {
	if s.alone || !s.open || !s.masked {
		return
	}
	for i := 1; i < places; i++ {
		l := &s.links[i]
		if there := s.has(i); there != l.there {
			*l = link{there: there, complain: l.complain}
			l.due[connect] = now
		}
	}
}

// done handles a good answer.
func (s *session) done(now time.Duration) {
	l := &s.links[s.target.place()]
	switch s.pending {
	case connect:
		if s.target == base {
			s.open, s.masked, s.maskAt = true, false, now
			s.links = [places]link{}
		} else {
			s.open = true
			l.there, l.connected = true, true
			l.due[askType], l.due[askAll], l.due[askMost], l.due[askFlow], l.due[askDrug] = now, now, never, never, now
		}
	case askModules:
		s.maskAt = now + pollEvery
		if s.refusal, s.closed = "", 0; !s.masked {
			s.refusal = notListed
		}
	case askType:
		l.due[askType] = never
	case askAll, askMost, askFlow:
		switch l.due[s.pending] = now + pollEvery; {
		case s.pending == askAll:
			l.due[askMost], l.due[askFlow] = never, never
		case s.pending == askFlow && l.flowless: // it was not for the letters that all was refused
			l.due[askAll] = now
		case s.pending == askFlow:
			l.complain = (*pump).quiet
		}
		l.flowless = false
		s.refusal, s.closed, l.lost = "", 0, 0
	case askDrug:
		l.due[askDrug] = now + drugEvery
	}
}

// denied handles an error that the pump answers with.
func (s *session) denied(now time.Duration) {
	l := &s.links[s.target.place()]
	root := s.target == base || s.target == nobody
	switch {
	case !root && !l.there: // taken out meanwhile
	case s.pending == connect && s.code == errConnected:
		s.done(now)
	case s.pending == connect && root:
		s.refuse(now)
	case s.code == errBaseClosed || s.code == errLinkLost && root:
		s.close(now)
		if s.closed++; s.closed >= maxLost {
			s.refuse(now)
		}
	case s.pending == askModules:
		s.maskAt = now + pollEvery
		s.refusal = notListed
	case s.code == errLinkLost:
		l.connected, l.due[connect] = false, now+repeatAfter
		if l.lost++; l.lost >= maxLost {
			l.due[connect], l.complain = now+tryAgain, (*pump).mute
		}
	case s.pending == connect:
		l.due[connect], l.complain = now+tryAgain, (*pump).mute
	case s.code == errUnreachable:
		s.lookFor(l, now)
	case s.pending == askAll: // perhaps it does not know all of these letters
		l.due[askAll], l.due[askMost], l.due[askFlow] = now+allAgain, now, never
	case s.pending == askMost:
		l.due[askMost], l.due[askFlow] = never, now
	case s.pending == askFlow:
		l.due[askFlow], l.flowless, l.complain = now+pollEvery, true, (*pump).noFlow
	case s.pending == askDrug:
		l.due[askDrug], l.complain = now+allAgain, (*pump).noDrug
	default:
		l.due[s.pending] = never
	}
}

// lookFor handles a module that has vanished: the base knows whether it was
// taken out, else it is connected anew.
func (s *session) lookFor(l *link, now time.Duration) {
	s.maskAt = now
	l.connected, l.due[connect] = false, now+repeatAfter
}

// refuse handles that nothing can be read though somebody answers.
func (s *session) refuse(now time.Duration) {
	s.refusal, s.openAt = "the connection is refused", now+tryAgain
	if s.code != "" {
		s.refusal += ", error " + s.code
	}
	for i := range s.links {
		s.links[i].complain = (*pump).lose
	}
}

// failed handles a request without an answer.
func (s *session) failed(now time.Duration) {
	if s.target != base && s.target != nobody {
		l := &s.links[s.target.place()]
		if s.lookFor(l, now); s.pending == connect && l.there {
			l.due[connect], l.complain = now+tryMute, (*pump).mute
		}
		return
	}
	if !s.open { // with a base, or without?
		if s.alone = !s.alone; s.heard {
			s.alone = s.single
		}
		s.heard = false
	}
	s.close(now)
	s.closed = 0 // nobody answers: that shows by itself
}

// close begins anew.
func (s *session) close(now time.Duration) {
	s.open, s.masked, s.openAt = false, false, now+repeatAfter
	s.links = [places]link{}
	for i := range s.pumps {
		s.pumps[i].interrupted()
	}
}

// goodbye appends the end of the conversation, so that no pump waits for it.
func (s *session) goodbye(b []byte) []byte {
	for i := places - 1; i > 0; i-- {
		if s.open && s.links[i].connected {
			b = appendFrame(b, base+address(i), texts[disconnect])
		}
	}
	switch {
	case s.open && s.alone:
		b = appendFrame(b, nobody, texts[disconnect])
	case s.open:
		b = appendFrame(b, base, texts[disconnect])
	}
	return b
}
