package marquette

import (
	"fmt"

	"monitorme/protocol"
)

var eventAlarmOff = protocol.MustCode("MDC_EVT_STAT_AL_OFF")

// A level is what an alarm level of the monitor means.
type level struct {
	text     string
	kind     protocol.AlarmType
	priority protocol.Priority
}

// levels: the monitor gives messages without a tone, but they may be a limit
// that is passed, and what they are about is not said here.
var levels = [...]level{
	0: {}, // no more than status
	1: {"system message of the monitor", protocol.AlarmTechnical, protocol.PriorityLow},
	2: {"system advisory of the monitor", protocol.AlarmTechnical, protocol.PriorityLow},
	3: {"system warning of the monitor", protocol.AlarmTechnical, protocol.PriorityMedium},
	4: {"message alarm of the monitor", protocol.AlarmPhysiological, protocol.PriorityLow},
	5: {"advisory alarm of the monitor", protocol.AlarmPhysiological, protocol.PriorityLow},
	6: {"warning alarm of the monitor", protocol.AlarmPhysiological, protocol.PriorityMedium},
	7: {"crisis alarm of the monitor", protocol.AlarmPhysiological, protocol.PriorityHigh},
}

var states = [...]string{
	0: "",
	1: "alarms of the monitor are silenced",
	2: "alarms of the monitor are paused",
	3: "alarms of the monitor are off",
	4: "alarm volume of the monitor is off",
	5: "alarms of the monitor are paused, its display is off",
}

// standing is what was last told of the monitor as a whole; its zero value is a
// monitor with nothing to tell.
type standing struct{ state, level, discharged byte }

// tellAlarms tells what has changed of the monitor's alarms: an end for what
// was, a start for what is; and after a lapse what goes on.
func (d *decoder) tellAlarms(state, level, admitted byte) {
	var discharged byte
	if admitted == 0 {
		discharged = 1
	}
	was := d.alarm
	d.alarm = standing{state, level, discharged}
	change := func(was, is byte, code protocol.Code, describe func(byte) protocol.Event) {
		say := func(v byte, phase protocol.Phase) {
			if v != 0 {
				e := describe(v)
				e.Phase = phase
				d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
			}
		}
		switch {
		case was != is:
			say(was, protocol.PhaseEnd)
			say(is, protocol.PhaseStart)
		case d.lapsed:
			say(is, protocol.PhaseContinue)
		}
	}
	change(was.level, level, protocol.EventAlarm, describeLevel)
	change(was.state, state, eventAlarmOff, describeState)
	change(was.discharged, discharged, protocol.EventAlarm, func(byte) protocol.Event {
		return protocol.Event{Type: protocol.AlarmAdvisory, Text: "no patient is admitted at the monitor"}
	})
}

func describeLevel(v byte) protocol.Event {
	if int(v) >= len(levels) {
		return protocol.Event{Type: protocol.AlarmUnknown, Priority: protocol.PriorityMedium, Text: fmt.Sprintf("alarm of the monitor of unknown level %d", v)}
	}
	l := levels[v]
	return protocol.Event{Type: l.kind, Priority: l.priority, Text: l.text}
}

func describeState(v byte) protocol.Event {
	text := fmt.Sprintf("alarms of the monitor are in unknown state %d", v)
	if int(v) < len(states) {
		text = states[v]
	}
	return protocol.Event{Type: protocol.AlarmAdvisory, Text: text}
}
