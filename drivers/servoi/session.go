package servoi

import (
	"fmt"
	"strings"
	"time"

	"monitorme/drivers/checksum"
)

// How long things take: docs/devices/maquet-servo-i.md, section "Session".
const (
	afterEscape  = 600 * time.Millisecond
	answerWithin = 3 * time.Second
	standbyEvery = 5 * time.Second
	quietFor     = 10 * time.Second // no byte of the stream: ask for it again
	maxTries     = 4
	newest       = "005" // protocol version known here
)

// Commands. None of them sets anything that outlasts the conversation.
const (
	askBegin    = "RCTY"
	askVersion  = "RHVE"
	setVersion  = "SPVE"
	askSerial   = "RSEN"
	askSoftware = "RSWV"
	askConfig   = "RCCO"
	tableCurves = "SDADC"
	tableBreath = "SDADB"
	tableSets   = "SDADS"
	tableAlarms = "SDADE"
	askStream   = "RADC"
)

var script = []string{askBegin, askVersion, setVersion, askSerial, askSoftware, askConfig, tableCurves, tableBreath, tableSets, tableAlarms, askStream}

// A session is the host's side of the conversation: one command, its answer,
// the next command. It is pure: it is told of answers and of the time, and
// says what to write.
type session struct {
	decoder *decoder
	out     []byte

	step    int // in script; len(script) is streaming
	waiting bool
	next    time.Time // when to ask, or to ask again
	tries   int
	version string
	bytes   uint64
}

// restart ends whatever the ventilator does and begins anew.
func (s *session) restart(now time.Time) {
	s.step, s.waiting, s.tries, s.version, s.next = 0, false, 0, newest, now.Add(afterEscape)
	s.decoder.pending = ""
	s.out = append(s.out, escape)
}

func (s *session) heard(e event, text []byte, now time.Time) {
	switch {
	case e == inStandby:
		if s.step >= len(script)-1 {
			s.step, s.waiting, s.tries, s.next = len(script)-1, false, 0, now.Add(standbyEvery)
		}
	case e == streaming:
		if s.step == len(script)-1 && s.waiting {
			s.step, s.waiting, s.tries, s.next = len(script), false, 0, now.Add(quietFor)
		}
	case !s.waiting:
	case e == failed:
		s.refused(string(text), now)
	default:
		s.answered(string(text), now)
	}
}

// refused handles an error: a version or table that is not taken is left out,
// all else is tried again.
func (s *session) refused(text string, now time.Time) {
	switch command := script[s.step]; {
	case text == "ER17" && command == askStream:
		s.heard(inStandby, nil, now)
	case text != "ER18" && command != askBegin && command != askConfig && command != askStream:
		s.advance(now)
	default:
		s.waiting, s.next = false, now.Add(time.Second)
	}
}

func (s *session) answered(text string, now time.Time) {
	switch script[s.step] {
	case askBegin:
		if !strings.HasPrefix(text, "Servo-") {
			return
		}
	case askVersion:
		if len(text) == 3 && strings.Trim(text, "0123456789") == "" && text < newest {
			s.version = text
		}
	case askConfig:
		if len(s.decoder.config.breath) == 0 { // cannot be read: ask again
			s.waiting, s.next = false, now.Add(time.Second)
			return
		}
	}
	s.advance(now)
}

func (s *session) advance(now time.Time) {
	s.step, s.waiting, s.tries, s.next = s.step+1, false, 0, now
}

// tick does what is due.
func (s *session) tick(now time.Time) {
	if s.step == len(script) {
		if n := s.decoder.Stats().Bytes; n != s.bytes {
			s.bytes, s.next = n, now.Add(quietFor)
		}
	}
	for !now.Before(s.next) {
		if s.step == len(script) || s.tries == maxTries {
			s.restart(now)
			return
		}
		command, ok := s.command()
		if !ok {
			s.advance(now)
			continue
		}
		s.decoder.pending = script[s.step]
		s.out = append(s.out, command...)
		s.waiting, s.next = true, now.Add(answerWithin)
		s.tries++
		if s.step == 0 {
			s.tries = 0 // a ventilator that is off is asked for ever
		}
	}
}

// command is the one of this step, with its check; false if it has nothing to say.
func (s *session) command() (string, bool) {
	text := script[s.step]
	var table []channel
	switch c := s.decoder.config; text {
	case setVersion:
		return line(text + s.version), true
	case tableCurves:
		table = c.curves
	case tableBreath:
		table = c.breath
	case tableSets:
		table = c.settings
	case tableAlarms:
		table = c.alarm
	default:
		return line(text), true
	}
	for _, c := range table {
		text += fmt.Sprintf("%03d", c.number)
	}
	return line(text), len(table) > 0
}

// line is a command or an answer in text, with its check and end.
func line(text string) string {
	check := checksum.Xor8([]byte(text))
	return text + string([]byte{digits[check>>4], digits[check&15], eot})
}
