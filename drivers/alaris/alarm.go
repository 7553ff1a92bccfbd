package alaris

import (
	"strings"

	"monitorme/protocol"
)

// none is the code of no alarm.
const none = "AL_NOALM"

// An alarm is what is made of a code. The codes were seen in public programs
// without explanation: words are given only where the name leaves no doubt.
type alarm struct {
	words    string
	priority protocol.Priority
}

var known = map[string]alarm{
	"AL_ACDIS": {"mains power off", protocol.PriorityLow},
	"AL_COMTO": {"communication time-out", protocol.PriorityMedium},
	"AL_DRDIS": {"drive disengaged", protocol.PriorityHigh},
	"AL_EMBAT": {"battery empty", protocol.PriorityHigh},
	"AL_EOIKV": {"end of infusion, vein kept open", protocol.PriorityHigh},
	"AL_EOIST": {"end of infusion, stopped", protocol.PriorityHigh},
	"AL_FAULT": {"fault of the pump", protocol.PriorityHigh},
	"AL_LWBAT": {"battery low", protocol.PriorityMedium},
	"AL_NEOIN": {"near end of infusion", protocol.PriorityLow},
	"AL_OCCLU": {"occlusion", protocol.PriorityHigh},
	"AL_VTBIC": {"volume infused, goes on", protocol.PriorityMedium},
	"AL_VTBIK": {"volume infused, vein kept open", protocol.PriorityHigh},
	"AL_VTBIS": {"volume infused, stopped", protocol.PriorityHigh},
}

// alarms handles the alarm that stands and two more texts.
func (d *decoder) alarms(f *fields) {
	code := f.at(0)
	if len(code) == 0 {
		return
	}
	d.heard = true
	if string(code) == none {
		if !d.byMark {
			d.stands("")
		}
		return
	}
	text := printable(code)
	said := false
	for i := 1; i < f.n; i++ {
		if v := f.at(i); len(v) > 0 {
			text, said = text+" "+printable(v), true
		}
	}
	if a, ok := known[string(code)]; ok && !said {
		text += " " + a.words
	}
	d.stands(text)
}

// mark handles the mark of the status that an alarm stands. It counts where no
// answer to ALARM says which, or twice says that there is none.
func (d *decoder) mark(v []byte) {
	heard := d.heard
	d.heard = false
	switch {
	case len(v) == 0:
	case string(v) == "-":
		if d.marks = 0; !heard || d.byMark {
			d.stands("")
		}
	case d.alarm != "":
		if d.again && (!heard || d.byMark) {
			d.stands(d.alarm)
		}
	default:
		if d.marks++; !heard || d.marks > 1 {
			d.stands("alarm " + printable(v))
			d.byMark = true
		}
	}
}

// stands is told the text of the alarm that stands now, "" for none. One ends
// before the next begins; the same one in other words goes on.
func (d *decoder) stands(text string) {
	if text == d.alarm && (!d.again || text == "") {
		return
	}
	phase := protocol.PhaseStart
	switch {
	case d.alarm == "" || text == d.alarm:
	case text != "" && (d.byMark || codeOf(text) == codeOf(d.alarm)):
		phase = protocol.PhaseContinue
	default:
		d.event(protocol.PhaseEnd, d.alarm)
	}
	if text != "" {
		d.event(phase, text)
	}
	if text != d.alarm {
		d.byMark, d.marks = false, 0
	}
	d.alarm, d.again = text, false
}

// codeOf is the code at the beginning of an alarm's text.
func codeOf(text string) string {
	code, _, _ := strings.Cut(text, " ")
	return code
}

func (d *decoder) event(phase protocol.Phase, text string) {
	e := protocol.Event{Phase: phase, Priority: protocol.PriorityMedium, Type: protocol.AlarmTechnical, Text: text}
	if a, ok := known[codeOf(text)]; ok {
		e.Priority = a.priority
	}
	d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}
