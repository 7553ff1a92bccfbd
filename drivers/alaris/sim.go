package alaris

import (
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated pump that infuses what the patient gets, or 5 mL/h
// into one with a heart of whom that is not known; for nobody it has no syringe.
// An occlusion is a pressure above 1000 mmHg.
type Device struct {
	// Swap is after how long another pump stands in its place, after 8 s
	// without any; 0 is never.
	Swap time.Duration
	// Never are questions that it does not know and leaves unanswered, as "ALARM".
	Never []string
	// Calm leaves out the bad habits: answers with a wrong CRC, without their
	// CR, given up with ESC, cut off in the middle.
	Calm bool
}

const (
	firstSerial  = "8002-51740"
	secondSerial = "8003-10442"
	swapTakes    = 8 * time.Second
	occluded     = 1000
)

// playing is one play of a device.
type playing struct {
	Device
	patient drivers.Patient
	start   time.Time
	heard   []byte
	answers int
}

// Simulate plays the pump until ctx ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	p := &playing{Device: d, patient: patient, start: time.Now()}
	return play.Run(ctx, wire, play.Device{Answer: func(b, got []byte, at time.Time) []byte {
		for _, c := range got {
			if p.heard = append(p.heard, c); c != '\r' {
				continue
			}
			b = p.question(b, string(p.heard), at)
			p.heard = p.heard[:0]
		}
		return b
	}})
}

// question answers what it knows; a real pump would obey what this one ignores.
func (p *playing) question(b []byte, line string, at time.Time) []byte {
	since := at.Sub(p.start)
	if p.Swap > 0 && since >= p.Swap && since < p.Swap+swapTakes {
		return b
	}
	for c, q := range questions {
		if q != line {
			continue
		}
		for _, n := range p.Never {
			if n == names[c] {
				return b
			}
		}
		return p.soil(b, appendLine(nil, p.answer(command(c), at)))
	}
	return b
}

// soil plays the bad habits, every so many answers.
func (p *playing) soil(b, line []byte) []byte {
	p.answers++
	n := len(line)
	switch {
	case p.Calm:
	case p.answers%11 == 0:
		return append(b, line[:n-1]...) // no CR
	case p.answers%29 == 0:
		return append(append(b, line[:n/2]...), 0x1B)
	case p.answers%31 == 0:
		line[n-2] ^= 1
	case p.answers%37 == 0:
		return append(b, line[:n/2]...)
	}
	return append(b, line...)
}

// numeric is what the patient gets.
func (p *playing) numeric(code protocol.Code, at time.Time) (float64, bool) {
	if v, ok := p.patient.Numeric(code, at); ok {
		return v, true
	}
	const flow, full = 5, 40
	done := math.Mod(at.Sub(p.start).Hours()*flow, full)
	_, alive := p.patient.Numeric(protocol.HeartRate, at)
	v, ok := map[protocol.Code]float64{rate: flow, infused: done, left: full - done, pressure: 35, timeLeft: (full - done) / flow * 60}[code]
	return v, ok && alive
}

func (p *playing) answer(c command, at time.Time) string {
	serial := firstSerial
	if p.Swap > 0 && at.Sub(p.start) >= p.Swap {
		serial = secondSerial
	}
	number := func(code protocol.Code, format string) string {
		if v, ok := p.numeric(code, at); ok {
			return fmt.Sprintf(format, v)
		}
		return ""
	}
	alarm := false
	if v, ok := p.numeric(pressure, at); ok {
		alarm = v > occluded
	}
	switch c {
	case askSerial:
		return "INST_SERIALNO^" + serial
	case askProtocol:
		return "COMMS_PROTOCOL^Asena Rev 2.1.5"
	case askLeft:
		if v := number(left, "%.3f"); v != "" {
			return "INF_VTBI^ACTIV^" + v + "^ml^STOP"
		}
		return "INF_VTBI^DEACT^^ml^STOP"
	case askSyringe:
		if number(rate, "%f") == "" {
			return "SYRINGE_STATUS^^^"
		}
		return "SYRINGE_STATUS^BD PLASTIPAK^ 50^CONF"
	case askAlarm:
		if alarm {
			return "ALARM^AL_OCCLU^ ^ "
		}
		return "ALARM^" + none + "^ ^ "
	}
	mark, mode, flow := "-", "SET", number(rate, "%.2f")
	if alarm {
		mark, mode, flow = "A", "HLD", "0.00"
	}
	if flow == "" {
		mode = ""
	}
	return fmt.Sprintf("INF^%s^%s^%s^%s^ml/h^^%s^ml^ %s^mmHg^%s^EVENT^127904",
		serial, mark, mode, flow, number(infused, "%.3f"), number(pressure, "%.2f"), p.time(at))
}

// time is that until the end, to the second; a day or more is "24+".
func (p *playing) time(at time.Time) string {
	v, ok := p.numeric(timeLeft, at)
	switch {
	case !ok || v < 0:
		return ""
	case v >= 24*60:
		return "24+"
	}
	s := int(v * 60)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}
