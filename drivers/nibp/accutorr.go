package nibp

import (
	"bytes"
	"time"

	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// askParameters is the only request to an Accutorr 3.
const askParameters = "P"

// Bits of the first status field.
const (
	accNoSensor  = 1 << 0
	accSensorOff = 1 << 1
	accDoubt     = 1<<2 | 1<<3 | 1<<4 // interference, search, weak
	accNoPulse   = 1 << 5
	accCheckSite = 1 << 6
)

type accutorr struct {
	core
	off  bool
	old  bool // the pressures were told
	age  int  // minutes, as of the last line
	last result
	next time.Duration
}

func makeAccutorr() *accutorr {
	d := &accutorr{}
	d.framer = framer.Framer{Max: 100, Frame: d.frame}
	return d
}

// frame reads a line P:spo2,rate,sys,map,dia,st0,st1,st2,minutes.
func (d *accutorr) frame(b []byte) int {
	if b[0] != 'P' {
		return framer.Skip
	}
	text, n := framer.Line(b)
	if n <= 0 {
		return n
	}
	rest, ok := bytes.CutPrefix(text, []byte("P:"))
	if !ok {
		return framer.Skip
	}
	var v [9]int
	for i := range v {
		var field []byte
		var more bool
		field, rest, more = bytes.Cut(rest, []byte{','})
		if more != (i < len(v)-1) {
			return framer.Skip
		}
		field = bytes.TrimSpace(field)
		if len(bytes.Trim(field, "-")) == 0 {
			v[i] = -1
			continue
		}
		if v[i], ok = framer.Digits(field); !ok || len(field) > 3 && i < 8 {
			return framer.Skip
		}
	}
	d.oximeter(max(v[0], 0), max(v[1], 0), max(v[5], 0))
	d.cuff(result{sys: max(v[2], 0), mean: max(v[3], 0), dia: max(v[4], 0)}, v[8])
	return n
}

func (d *accutorr) oximeter(spo2, pulse, status int) {
	off := status&(accNoSensor|accSensorOff) != 0
	if off != d.off {
		d.off = off
		phase := protocol.PhaseEnd
		if off {
			phase = protocol.PhaseStart
		}
		d.event(protocol.EventSensorOff, protocol.Event{Phase: phase, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: protocol.SpO2, Text: "oximeter sensor off"})
	}
	q := protocol.QualityGood
	switch {
	case off:
		q = protocol.QualitySensorOff
	case status&accNoPulse != 0:
		q = protocol.QualityMissing
	case status&(accDoubt|accCheckSite) != 0:
		q = protocol.QualityQuestionable
	}
	d.number(protocol.SpO2, "%", spo2, q, 0)
	d.number(protocol.PulseRate, "/min", pulse, q, 0)
}

// cuff emits a measurement once: when the minutes since it begin again, or the
// pressures change. How old one is that was there before is told in minutes.
func (d *accutorr) cuff(r result, minutes int) {
	isNew := !d.old || r != d.last || minutes < d.age
	d.old, d.last, d.age = true, r, minutes
	if !isNew || r == (result{}) {
		return
	}
	if minutes < 0 || minutes > 24*60 { // none, or a counter gone wild
		d.pressures(r, protocol.QualityUnknown, 0)
		return
	}
	d.pressures(r, protocol.QualityGood, time.Duration(minutes)*time.Minute)
}

// Ask implements drivers.Asker.
func (d *accutorr) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if now < d.next {
		return b, d.next - now
	}
	d.next = now + accutorrEvery
	return append(b, askParameters...), accutorrEvery
}
