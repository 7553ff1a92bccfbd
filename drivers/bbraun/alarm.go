package bbraun

import (
	"monitorme/protocol"
)

func maskOf(lists ...[]alarmID) (m uint64) {
	for _, l := range lists {
		for _, id := range l {
			m |= 1 << id
		}
	}
	return m &^ (1 << noAlarm)
}

// The alarms that the fields tell of, and those that stop a pump.
var (
	alarm1Mask   = maskOf(alarm1Bits[:])
	alarm2Mask   = maskOf(alarm2Bits[:])
	preAlarmMask = maskOf(preAlarmBits[:])
	alarmMask    = alarm1Mask | alarm2Mask | 1<<ccAlarm
)

// alarms compares the alarms that p has now with those it had. The same alarm
// may be told by a flag and in a field: it stands if one of them says so. What
// nothing tells of stays as it was.
func (d *decoder) alarms(p *pump) {
	var told, on uint64
	set := func(id alarmID, is bool) {
		told |= 1 << id
		if is {
			on |= 1 << id
		}
	}
	for i, id := range flagged {
		if is, ok := d.flag(pAlarms + param(i)); ok && id != noAlarm {
			set(id, is)
		}
	}
	field := func(param param, mask uint64, bits *[32]alarmID) {
		v, ok := d.bits(param)
		if !ok {
			return
		}
		told |= mask
		for i, id := range bits {
			if v>>i&1 != 0 && id != noAlarm {
				on |= 1 << id
			}
		}
	}
	field(pAlarm1, alarm1Mask, &alarm1Bits)
	field(pAlarm2, alarm2Mask, &alarm2Bits)
	field(pPreAlarm, preAlarmMask, &preAlarmBits)
	if is, ok := d.flag(pKVO); ok {
		set(kvoRuns, is)
	}
	if run, ok := d.bits(pRunState); ok {
		set(kvoRuns, run&runKVO != 0)
		set(otherAlarm, run&runAlarm != 0 && on&alarmMask == 0)
		set(otherPreAlarm, run&runPre != 0 && on&preAlarmMask == 0)
	}
	if is, ok := d.flag(pMains); ok {
		set(onBattery, !is)
	} else if status, ok := d.bits(pStatus); ok {
		set(onBattery, status&statMains == 0)
	}
	if is, ok := d.flag(pSoftLow); ok {
		set(softLow, is)
	}
	if is, ok := d.flag(pSoftHigh); ok {
		set(softHigh, is)
	}
	changed := (p.alarms ^ on) & told
	p.alarms ^= changed
	for id := range noAlarm {
		is := p.alarms>>id&1 != 0
		switch {
		case changed>>id&1 != 0 && is:
			d.alarm(p, id, protocol.PhaseStart)
		case changed>>id&1 != 0:
			d.alarm(p, id, protocol.PhaseEnd)
		case p.again && is: // perhaps in other words: no second one begins
			d.alarm(p, id, protocol.PhaseContinue)
		}
	}
	p.again = false
	d.fault(p)
}

func (d *decoder) alarm(p *pump, id alarmID, phase protocol.Phase) {
	a := &alarms[id]
	d.pumpEvent(p, a.key, a.code, protocol.Event{Phase: phase, Priority: a.priority, Source: a.source, Text: a.text})
}

// fault tells of the pump's newest fault when it changes. The first one that
// is heard of may be of last year.
func (d *decoder) fault(p *pump) {
	v, ok := d.bits(pLastFault)
	if !ok {
		return
	}
	old := p.fault
	if p.fault = d.same(old, pLastFault); old != "" && p.fault != old && v >= 1000 && v <= 2999 {
		d.pumpEvent(p, "fault", eventFault, protocol.Event{Phase: protocol.PhaseOnce, Priority: high, Text: "device alarm " + p.fault})
	}
}
