package diap

import (
	"fmt"
	"strings"
	"time"

	"monitorme/drivers/checksum"
)

const (
	connect      = "connect"
	answerWithin = 10 * time.Second // what the monitor may take
	maxRequest   = 255
	retryAfter   = time.Second
)

// control are parts of words that stand for doing something to the monitor or
// the patient. A command that has one of them is refused, unless it is one of
// readings.
var control = []string{"set", "start", "stop", "begin", "zero", "cal", "reset", "clear", "erase", "delete", "write", "store", "save", "load", "print", "record", "standby",
	"alarm", "alm", "limit", "silen", "mute", "pause", "suspend", "resume", "infl", "defl", "pump", "valve", "trig", "meas", "stat", "abort", "cancel", "admit", "discharge",
	"patient", "enable", "disable", "off", "power", "boot", "shut", "disc", "mode", "config", "setup", "date", "time", "clock", "lock", "key", "press", "button", "test", "upd", "prog", "flash"}

// readings are commands of which a public program shows that they only read.
var readings = map[string]bool{"connect": true, "t1": true, "p1": true, "anesetpercent": true}

// harmless tells whether a command may be sent: words of letters and digits,
// parted by semicolons, none of which could be a control command. What a word
// does at a given monitor is not known here: the site answers for those that
// pass.
func harmless(ask string) error {
	if len(ask) == 0 || len(ask) > maxRequest-len("DIAP000<>0000\n") {
		return fmt.Errorf("ask %q: want 1 to %d characters", ask, maxRequest-len("DIAP000<>0000\n"))
	}
	for _, word := range strings.Split(ask, ";") {
		if word == "" || len(word) > 24 || word[0] >= '0' && word[0] <= '9' || strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return fmt.Errorf("ask %q: %q: want words of 1 to 24 letters and digits that begin with a letter, parted by semicolons: a command with a parameter could change something", ask, word)
		}
		lower := strings.ToLower(word)
		for _, part := range control {
			if (strings.Contains(lower, part) || strings.HasSuffix(lower, "on")) && !readings[lower] {
				return fmt.Errorf("ask %q: %q could be a control command: only commands that read are allowed", ask, word)
			}
		}
	}
	return nil
}

// asking is what Ask remembers.
type asking struct {
	turn    int           // 0 is connect, then the commands from 1
	waiting bool          // for an answer
	frames  uint64        // good ones when the question was sent
	bad     uint64        // and others
	until   time.Duration // when the wait is over
	round   time.Duration // when this round began
	due     time.Duration // when the next question may be sent
	useful  bool          // a command of this round was answered
	flip    bool          // the other start of the check is to be tried
}

// Ask implements drivers.Asker: connect, and when that was answered each
// command in turn, one question at a time.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	a, stats := &d.asking, d.framer.Stats()
	if a.waiting {
		switch {
		case stats.Frames > a.frames || stats.BadSums > a.bad:
			d.answered(stats.Frames > a.frames, now)
		case now < a.until:
			return b, a.until - now
		default:
			d.answered(false, now)
		}
		a.waiting = false
	}
	d.current = nil
	if now < a.due {
		return b, a.due - now
	}
	text := connect
	if a.turn > 0 {
		d.current = &d.plan.commands[a.turn-1]
		text = d.current.ask
	}
	if a.turn <= 1 {
		a.round, a.useful = now, false
	}
	a.waiting, a.until, a.frames, a.bad, d.refused = true, now+answerWithin, stats.Frames, stats.BadSums, false
	return appendMessage(b, text, d.start()), answerWithin
}

// answered decides what comes next after an answer whose check is right, or is
// not, or none at all. One that is right says which start the monitor has, even
// if it is an error.
func (d *decoder) answered(right bool, now time.Duration) {
	a, good := &d.asking, right && !d.refused
	if right {
		a.flip = false
	} else if a.turn == 0 {
		a.flip = !a.flip
	}
	a.due = now
	if a.turn == 0 {
		if !good {
			a.due = now + retryAfter
			return
		}
		if len(d.plan.commands) == 0 {
			a.due = a.round + d.plan.every
			return
		}
		a.turn = 1
		return
	}
	a.useful = a.useful || good
	if a.turn++; a.turn > len(d.plan.commands) {
		a.turn, a.due = 1, a.round+d.plan.every
		if !a.useful { // nothing is answered any more
			a.turn = 0
		}
	}
}

// start is the start of the check of what is sent: that of the monitor's
// answers, 0 if there was none; and the other one where that does not help.
func (d *decoder) start() uint16 {
	if d.asking.flip {
		return ^d.lock
	}
	return d.lock
}

func appendMessage(b []byte, text string, start uint16) []byte {
	at := len(b)
	b = append(append(append(b, "DIAP000<"...), text...), '>')
	return fmt.Appendf(b, "%04X\n", check(b[at:], start))
}

// check is the check of p with one of the two starts.
func check(p []byte, start uint16) uint16 {
	if start == 0 {
		return checksum.CRC16Kermit(p)
	}
	return checksum.CRC16MCRF4XX(p)
}
