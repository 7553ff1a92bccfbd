package medibus

import "time"

// How long things take: docs/devices/draeger-medibus.md, section "Session".
const (
	initEvery   = 3 * time.Second
	afterIdent  = 200 * time.Millisecond // earlier configuration is lost
	identWithin = 3 * time.Second        // for the device to ask who we are
	deadAfter   = 3 * time.Second        // without a byte of the slow channel
	answerIn    = 10 * time.Second
	circleEvery = time.Second
	pausedFor   = 10 * time.Second
	enableEvery = 5 * time.Second
	maxRepeats  = 3
)

// identity is the answer to the question who we are: id 0161, name, revisions.
const identity = "0161'MONITORME'01.00:04.00"

var (
	askInit     = appendFrame(nil, startCommand, cmdInit, "")
	answerInit  = appendFrame(nil, startAnswer, cmdInit, "")
	answerIdent = appendFrame(nil, startAnswer, cmdIdentify, identity)
	answerBad   = appendFrame(nil, startAnswer, nak, "")
	stopAll     = appendFrame(nil, startCommand, cmdStop, "")
	stopCurves  = []byte{0xD0, 0xC1, 0xC0, 0xC0, 0xC0}
)

// circle is what is asked again and again; the texts first, for they say
// whether the device only plays.
var circle = []byte{cmdTexts, cmdData1, cmdAlarms1, cmdData2, cmdAlarms2, cmdSettings}

type state uint8

const (
	stateInit    state = iota // ask to begin until there is an answer
	stateIdent                // the device asks who we are
	stateSetup                // ask who it is, and for its curves
	stateRunning              // round the circle
)

// A session is the host's side of the conversation. It is pure: it is told of
// frames and of the time, and says what to write.
type session struct {
	decoder *decoder
	out     [][]byte // to be written now

	state   state
	until   time.Time // when the state is left by itself
	next    time.Time // for the next question
	setup   []byte    // commands still to be asked before the circle
	at      int       // in the circle
	began   time.Time // this turn of it
	pending byte      // the command that is not answered yet, 0 if none
	frame   []byte    // as it was sent
	asked   time.Time
	repeats int

	slowAt    time.Time // the last byte of the slow channel
	slowBytes uint64
	pausedAt  time.Time
	enable    []byte // the bytes that start the curves, nil if none
	enableAt  time.Time
	records   uint64
}

func newSession(d *decoder, now time.Time) *session {
	s := &session{decoder: d}
	s.restart(now)
	return s
}

// restart begins with the first question.
func (s *session) restart(now time.Time) {
	s.state, s.pending, s.enable, s.until, s.slowAt = stateInit, 0, nil, now, now
}

// heard is told of each frame from the device.
func (s *session) heard(start, code byte, now time.Time) {
	if start == startCommand {
		s.command(code, now)
		return
	}
	switch {
	case code == cmdInit && s.state == stateInit:
		s.state, s.until = stateIdent, now.Add(identWithin)
	case code == nak && s.pending != 0:
		s.repeat(now)
	case code == s.pending:
		s.answered(code, now)
	}
}

// command answers a command of the device; one that is not known is
// acknowledged by its echo.
func (s *session) command(code byte, now time.Time) {
	switch code {
	case cmdInit:
		s.out = append(s.out, answerInit)
		s.restart(now)
		s.state, s.until = stateIdent, now.Add(identWithin)
	case cmdIdentify:
		s.out = append(s.out, answerIdent)
		if s.state == stateIdent {
			s.until = now.Add(afterIdent)
		}
	default:
		s.out = append(s.out, appendFrame(nil, startAnswer, code, ""))
		if code == cmdStop {
			s.restart(now)
			s.until = now.Add(initEvery)
		}
		if code == cmdChanged && s.state == stateRunning {
			s.state, s.setup, s.enable = stateSetup, []byte{cmdCurves}, nil
		}
	}
}

func (s *session) answered(code byte, now time.Time) {
	s.pending, s.repeats = 0, 0
	switch {
	case code == cmdCurves && len(s.decoder.chosen) > 0:
		s.setup = append(s.setup, cmdConfigure)
	case code == cmdConfigure:
		n := len(s.decoder.chosen)
		s.enable, s.enableAt = []byte{0xD0, 0xC1, 0xC0 | 1<<n - 1, 0xC0, 0xC0}, now
	}
}

// broken is told of a frame with a wrong sum.
func (s *session) broken(start byte, now time.Time) {
	switch {
	case start == startCommand:
		s.out = append(s.out, answerBad)
	case s.pending != 0 && s.pending != cmdInit:
		s.repeat(now)
	}
}

func (s *session) repeat(now time.Time) {
	if s.repeats++; s.repeats > maxRepeats {
		s.restart(now)
		return
	}
	s.asked = now
	s.out = append(s.out, s.frame)
}

func (s *session) ask(code byte, data string, now time.Time) {
	s.pending, s.asked, s.repeats = code, now, 0
	s.frame = appendFrame(nil, startCommand, code, data)
	s.out = append(s.out, s.frame)
}

// tick does what is due.
func (s *session) tick(now time.Time) {
	if d := s.decoder; d.slowBytes != s.slowBytes {
		s.slowBytes, s.slowAt = d.slowBytes, now
	}
	if !s.decoder.slow.paused {
		s.pausedAt = now
	} else if now.Sub(s.pausedAt) < pausedFor {
		return
	}
	if s.state >= stateSetup {
		if now.Sub(s.slowAt) >= deadAfter {
			s.restart(now)
		} else if s.pending != 0 && now.Sub(s.asked) >= answerIn {
			s.repeat(now)
		}
	}
	switch {
	case s.state == stateInit && !now.Before(s.until):
		s.until = now.Add(initEvery)
		s.out = append(s.out, askInit)
	case s.state == stateIdent && !now.Before(s.until):
		s.state, s.setup, s.slowAt = stateSetup, []byte{cmdIdentify, cmdCurves}, now
		fallthrough
	case s.state == stateSetup && s.pending == 0:
		s.prepare(now)
	case s.state == stateRunning && s.pending == 0 && !now.Before(s.next):
		s.around(now)
	}
}

func (s *session) prepare(now time.Time) {
	if len(s.setup) > 0 && s.setup[0] == cmdConfigure && len(s.decoder.chosen) == 0 {
		s.setup = s.setup[1:] // the device offers no curves any more
	}
	if len(s.setup) == 0 {
		s.state, s.at, s.next = stateRunning, 0, now
		s.around(now)
		return
	}
	code := s.setup[0]
	s.setup = s.setup[1:]
	var data []byte
	if code == cmdConfigure {
		for _, c := range s.decoder.chosen {
			data = append(appendHex2(data, c.code), "01"...) // every sample
		}
	}
	s.ask(code, string(data), now)
}

// around asks the next of the circle. Whether the curves have begun nobody
// says: they are started again while none come.
func (s *session) around(now time.Time) {
	if s.at == 0 {
		s.began = now
	}
	if s.enable != nil && !now.Before(s.enableAt) {
		s.enableAt = now.Add(enableEvery)
		if n := s.decoder.realtime.stats.Frames; n == s.records {
			s.out = append(s.out, s.enable)
		} else {
			s.records = n
		}
	}
	s.ask(circle[s.at], "", now)
	if s.at++; s.at == len(circle) {
		s.at, s.next = 0, s.began.Add(circleEvery)
	} else {
		s.next = now
	}
}

// wake is when tick has something to do if nothing is heard.
func (s *session) wake(now time.Time) time.Time {
	at := s.slowAt.Add(deadAfter)
	switch {
	case s.state < stateSetup:
		at = s.until
	case s.pending == 0 && s.next.Before(at):
		at = s.next
	}
	if least := now.Add(10 * time.Millisecond); at.Before(least) {
		return least
	}
	return at
}
