package gedri

import (
	"bytes"
	"encoding/binary"
	"time"

	"monitorme/protocol"
)

const (
	alarmSize    = 510
	alarmEntries = 5
	alarmEntry   = 98
	alarmFirst   = 10
	alarmText    = 80
	maxAlarms    = 4 * alarmEntries
)

// A shown is one alarm on the monitor's screen: its text, in the monitor's
// language, and colour are all that is known of it.
type shown struct {
	text   string
	colour uint16
}

// An alarmList is what the monitor shows now.
type alarmList struct{ active []shown }

var colours = [...]protocol.Priority{1: protocol.PriorityLow, 2: protocol.PriorityMedium, 3: protocol.PriorityHigh}

// alarmRecord compares the alarms on the screen with the last ones. The record
// has room for five, the gravest: while it is full, one that is not in it may
// go on unseen.
func (d *decoder) alarmRecord(r []byte, at time.Time) {
	now := make([]shown, 0, alarmEntries)
	for i := range alarmEntries {
		e := r[alarmFirst+i*alarmEntry:]
		s := shown{text: latin(e[:alarmText]), colour: binary.LittleEndian.Uint16(e[alarmText+2:])}
		if s.text != "" && s.colour >= 1 && int(s.colour) < len(colours) {
			now = append(now, s)
		}
	}
	full := len(now) == alarmEntries
	kept := d.alarms.active[:0]
	for i, s := range d.alarms.active {
		unseen := full && len(kept)+len(d.alarms.active)-i <= maxAlarms
		if has(now, s) || unseen {
			kept = append(kept, s)
			continue
		}
		d.alarm(s, protocol.PhaseEnd, at)
	}
	d.alarms.active = kept
	for _, s := range now {
		if !has(d.alarms.active, s) {
			d.alarms.active = append(d.alarms.active, s)
			d.alarm(s, protocol.PhaseStart, at)
		}
	}
}

func has(all []shown, s shown) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

func (d *decoder) alarm(s shown, phase protocol.Phase, at time.Time) {
	d.event(protocol.EventAlarm, protocol.Event{Phase: phase, Priority: colours[s.colour], Text: s.text}, at)
}

// latin is a text padded with zeros, in ISO 8859-1.
func latin(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	runes := make([]rune, 0, len(b))
	for _, c := range bytes.TrimSpace(b) {
		if c < ' ' || c == 0x7F {
			c = ' '
		}
		runes = append(runes, rune(c))
	}
	return string(runes)
}
