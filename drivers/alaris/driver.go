// Package alaris is the driver of Alaris Asena syringe pumps (GH, CC, TIVA) at
// their serial port: rate, volumes, pressure, time left, syringe and alarms.
// docs/devices/alaris.md describes it.
//
// The protocol can also control the pump. This driver can not: all that it ever
// writes are the six constant questions in the table below.
package alaris

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is the driver.
var Driver = drivers.Driver{
	Name:    "alaris",
	Title:   "Alaris Asena syringe pumps",
	Models:  []string{"Alaris GH", "Alaris CC", "Alaris TIVA", "Asena GH", "Asena CC", "Asena TIVA"},
	Sheet:   "docs/devices/alaris.md",
	Line:    drivers.Line{Baud: 38400},
	Asks:    true,
	Checked: true,
	Silence: 15 * time.Second,
	Codes: []protocol.Code{rate, infused, left, pressure, timeLeft, drug, state, syringe,
		protocol.IdentityModel, protocol.IdentitySerial, protocol.IdentityFirmware, protocol.EventAlarm},
	NewDecoder: newDecoder,
	Run:        drivers.Converse(func() drivers.Asker { return makeAsker() }),
	Simulate:   Device{}.Simulate,
}

// A command is a question to the pump. The status is the last one, for it says
// whose the answers before it were.
type command uint8

const (
	askSerial command = iota
	askProtocol
	askLeft
	askSyringe
	askAlarm
	askStatus
	commands
)

// questions is everything that can be written: name, "|", CRC.
var questions = [commands]string{
	askSerial:   "!INST_SERIALNO|457D\r",
	askProtocol: "!COMMS_PROTOCOL|E8DA\r",
	askLeft:     "!INF_VTBI|8456\r",
	askSyringe:  "!SYRINGE_STATUS|4102\r",
	askAlarm:    "!ALARM|50B2\r",
	askStatus:   "!INF|4961\r",
}

// names are how the answers begin.
var names = [commands]string{
	askSerial: "INST_SERIALNO", askProtocol: "COMMS_PROTOCOL", askLeft: "INF_VTBI", askSyringe: "SYRINGE_STATUS", askAlarm: "ALARM", askStatus: "INF",
}

var every = [commands]time.Duration{
	askSerial: 5 * time.Minute, askProtocol: 5 * time.Minute,
	askLeft: 10 * time.Second, askSyringe: 10 * time.Second,
	askAlarm: 2 * time.Second, askStatus: 2 * time.Second,
}

const (
	answerWithin = 500 * time.Millisecond
	gap          = 50 * time.Millisecond // between an answer and the next question
	pause        = 5 * time.Second       // after a question that was put twice in vain
	inVain       = 2                     // such failures in turn, and the question is left out
	leaveOut     = 5 * time.Minute
	slowest      = 4 * time.Second // what pumps say they may take at most
)

// An asker knows what to ask and when. It is pure.
type asker struct {
	*decoder
	due      [commands]time.Duration
	vain     [commands]int // failures in turn while others were answered
	rest     time.Duration // nothing is asked before
	waiting  bool
	pending  command
	again    bool // put for the second time
	until    time.Duration
	patience time.Duration
	useful   bool // something was answered since the last failure
	failures int  // in turn, without an answer to anything
}

func makeAsker() *asker { return &asker{decoder: makeDecoder(), patience: answerWithin} }

// Ask implements drivers.Asker.
func (a *asker) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if a.swapped { // ask it all of the new one
		a.due, a.vain, a.swapped = [commands]time.Duration{}, [commands]int{}, false
	}
	if a.waiting {
		switch {
		case a.answered[a.pending]:
			a.waiting, a.useful, a.failures, a.vain[a.pending] = false, true, 0, 0
			if a.rest = now + gap; len(a.held) > 0 { // whose is it?
				a.due[askStatus] = min(a.due[askStatus], now)
			}
		case now < a.until:
			return b, a.until - now
		case !a.again:
			a.again, a.until = true, now+a.patience
			return append(b, questions[a.pending]...), a.patience
		default:
			a.failed(now)
		}
	} else if a.answered[a.pending] && now < a.rest && a.failures > 0 { // it is only slow
		a.patience, a.useful, a.failures, a.rest = slowest, true, 0, now+gap
	}
	a.answered = [commands]bool{}
	if now < a.rest {
		return b, a.rest - now
	}
	next, wait := a.next(now)
	if wait > 0 {
		return b, wait
	}
	a.waiting, a.pending, a.again, a.until = true, next, false, now+a.patience
	a.due[next] = now + every[next]
	return append(b, questions[next]...), a.patience
}

// next is the question to put and in how long. Until something is answered it
// is who is there, by one of the two answers that tell it in turn.
func (a *asker) next(now time.Duration) (command, time.Duration) {
	switch {
	case a.useful:
	case a.pending == askSerial && a.failures > 0 || a.vain[askSerial] >= inVain:
		return askStatus, 0
	default:
		return askSerial, 0
	}
	first := askSerial
	for c := range commands {
		if a.due[c] <= now {
			return c, 0
		}
		if a.due[c] < a.due[first] {
			first = c
		}
	}
	return first, a.due[first] - now
}

// failed handles a question that was put twice in vain. Somebody may change
// the pump meanwhile. What a pump that answers others never answers is left
// out for a while.
func (a *asker) failed(now time.Duration) {
	a.waiting, a.rest = false, now+pause
	a.interrupted()
	a.failures++
	a.due[a.pending] = a.rest
	if a.useful {
		a.failures, a.useful = 1, false
		if a.vain[a.pending]++; a.vain[a.pending] >= inVain && a.pending != askStatus {
			a.due[a.pending] = now + leaveOut
		}
	}
}
