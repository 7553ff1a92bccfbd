package medibus

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated ventilator.
type Device struct {
	// ID is its identification; "" is 5000, an Evita V500, which speaks
	// MEDIBUS.X. 8260 is an EvitaXL, which speaks MEDIBUS.
	ID string
	// Playing says that it is in simulation mode.
	Playing bool
	// NoCurves leaves the realtime channel out.
	NoCurves bool
}

const sampleTime = 20 * time.Millisecond

// simCurves are the curves of the simulated device, which all have 1000 steps.
var simCurves = []struct {
	code      byte
	low, high float64
}{{0x00, -20, 100}, {0x01, -200, 200}, {0x06, 0, 100}, {0x03, -100, 900}}

// Simulate plays the ventilator for the patient at the far end of wire until
// ctx ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.ID == "" {
		d.ID = "5000"
	}
	p := &playing{Device: d, patient: patient, table: extendedOrder}
	if d.ID >= "8" {
		p.table = legacyOrder
	}
	var heard slow
	heard.take = p.heard
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{
			{Every: initEvery, First: time.Second, Append: p.begin},
			{Every: sampleTime, Append: p.record},
			{Every: 30 * time.Second, First: 20 * time.Second, Append: func(b []byte, _ time.Time) []byte { p.interrupt = true; return b }},
		},
		Answer: func(b, got []byte, at time.Time) []byte {
			p.out, p.now = b, at
			for _, c := range got {
				if c < 0x80 {
					heard.feed(c)
				} else {
					p.sync(c)
				}
			}
			return p.out
		},
	})
}

// playing is one Simulate.
type playing struct {
	Device
	patient   drivers.Patient
	table     []measure
	out       []byte
	now       time.Time
	begun     bool
	readyAt   time.Time // when configuration is heeded
	lastHeard time.Time
	curves    []byte // configured
	enabled   byte
	syncs     []byte
	interrupt bool // the next answer has a command inside
}

// begin asks the host to begin while there is none.
func (p *playing) begin(b []byte, at time.Time) []byte {
	if p.begun && at.Sub(p.lastHeard) < deadAfter {
		return b
	}
	p.begun, p.curves, p.enabled = false, nil, 0
	return append(b, askInit...)
}

// heard does what the host says.
func (p *playing) heard(start, code byte, data []byte) {
	p.lastHeard = p.now
	answer := func(data string) { p.out = appendFrame(p.out, startAnswer, code, data) }
	switch {
	case start == startAnswer && code == cmdInit:
		p.meet()
	case start == startAnswer && code == cmdIdentify:
		p.readyAt = p.now.Add(afterIdent)
	case start == startAnswer:
	case code == cmdInit:
		answer("")
		p.meet()
	case code == cmdIdentify:
		answer(p.ID + "'" + models[p.ID] + "'02.21:06.00")
	case !p.begun || p.now.Before(p.readyAt):
	case code == cmdCurves && !p.NoCurves:
		answer(p.offer())
	case code == cmdConfigure:
		p.curves = nil
		for ; len(data) >= 4; data = data[4:] {
			c, _ := hex2(data)
			p.curves = append(p.curves, c)
		}
		answer("")
	case code == cmdData1 || code == cmdData2:
		p.answerWithin(code, p.page(code, 4))
	case code == cmdSettings:
		answer(p.page(code, 5))
	case code == cmdTexts:
		answer(p.texts())
	case code == cmdAlarms1:
		answer(p.alarms())
	default:
		answer("")
		if code == cmdStop {
			p.begun = false
		}
	}
}

// meet asks the host who it is.
func (p *playing) meet() {
	p.begun, p.readyAt = true, p.now.Add(time.Hour)
	p.out = appendFrame(p.out, startCommand, cmdIdentify, "")
}

// answerWithin answers, now and then with a command in the middle.
func (p *playing) answerWithin(code byte, data string) {
	frame := appendFrame(nil, startAnswer, code, data)
	if !p.interrupt {
		p.out = append(p.out, frame...)
		return
	}
	p.interrupt = false
	p.out = append(p.out, frame[:len(frame)/2]...)
	p.out = appendFrame(p.out, startCommand, cmdTime, "")
	p.out = append(p.out, frame[len(frame)/2:]...)
}

func (p *playing) page(page byte, width int) string {
	var b strings.Builder
	sent := map[target]bool{}
	for _, m := range p.table {
		to := target{m.to, m.channel}
		if m.page != page || sent[to] {
			continue
		}
		v, ok := p.numeric(m.to)
		if !ok {
			continue
		}
		if s, ok := digitsOf(v/perUnit(m), width); ok {
			sent[to] = true
			fmt.Fprintf(&b, "%02X%*s", m.code, width, s)
		}
	}
	return b.String()
}

func (p *playing) numeric(c protocol.Code) (float64, bool) {
	v, ok := p.patient.Numeric(c, p.now)
	if other := likely[c]; !ok && other != 0 {
		return p.patient.Numeric(other, p.now)
	}
	return v, ok
}

// likely are signs that a patient may have under another name.
var likely = map[protocol.Code]protocol.Code{
	mdc("PRESS_BLD_ART_SYS"): protocol.ABPSystolic, mdc("PRESS_BLD_ART_DIA"): protocol.ABPDiastolic, mdc("PRESS_BLD_ART_MEAN"): protocol.ABPMean,
}

// perUnit is how many of the kept unit make one of the device's.
func perUnit(m measure) float64 {
	v, _ := protocol.Convert(protocol.Dec(1_000_000, 0), m.unit, unitOf[m.to])
	return v.Float64() / 1e6
}

// digitsOf writes v with as many places as fit, at most two.
func digitsOf(v float64, width int) (string, bool) {
	for places := 2; places >= 0; places-- {
		if s := strconv.FormatFloat(v, 'f', places, 64); len(s) <= width {
			return s, true
		}
	}
	return "", false
}

// texts are the mode, if there is a patient.
func (p *playing) texts() string {
	if _, ok := p.numeric(protocol.RespirationRate); !ok {
		return ""
	}
	all := [][2]string{{"0E", "Mode PC-BIPAP"}, {"5C", "/PS"}, {"60", "A. N."}, {"61", "Other"}}
	if p.ID >= "8" {
		all = [][2]string{{"0B", "Mode CPAP/ASB"}, {"20", "Mode Adults"}}
	}
	if p.Playing {
		all = append(all, [2]string{"62", "SIMULATION ON"})
	}
	var b strings.Builder
	for _, t := range all {
		b.WriteString(t[0] + string(rune('0'+len(t[1]))) + t[1] + "\x03")
	}
	return b.String()
}

func (p *playing) alarms() string {
	if v, ok := p.numeric(protocol.RespirationRate); !ok || v <= 40 {
		return ""
	}
	return "M90RESP RATE HI"
}

// offer is the list of curves.
func (p *playing) offer() string {
	var b strings.Builder
	for _, c := range simCurves {
		fmt.Fprintf(&b, "%02X%8d%5d%5d3E8", c.code, sampleTime.Microseconds(), int(c.low), int(c.high))
	}
	return b.String()
}

// sync takes a byte of the realtime channel from the host: it starts and stops
// the streams.
func (p *playing) sync(c byte) {
	if c >= 0xD0 {
		p.syncs = p.syncs[:0]
	}
	if p.syncs = append(p.syncs, c); len(p.syncs) == 3 && p.syncs[1] == 0xC1 {
		p.enabled = c & 15
	}
}

// record appends a record of the realtime channel. One in a hundred says that
// an inspiration starts.
func (p *playing) record(b []byte, at time.Time) []byte {
	if p.enabled == 0 || len(p.curves) == 0 {
		return b
	}
	mask, values := byte(0), []byte(nil)
	for i, code := range p.curves {
		for _, c := range simCurves {
			var v [1]float64
			t := waveTerms[code]
			if c.code != code || p.enabled>>i&1 == 0 || !p.patient.Wave(t.code, at, 50, v[:]) {
				continue
			}
			x := int(math.Round(min(max((v[0]/t.factor-c.low)/(c.high-c.low)*1000, 0), 1000)))
			mask |= 1 << i
			values = append(values, 0x80|byte(x&63), 0x80|byte(x>>6))
		}
	}
	if mask == 0 {
		return b
	}
	b = append(b, 0xD0|mask)
	if at.UnixMilli()%2000 == 0 {
		b = append(b, 0xC6, 0xC0)
	}
	return append(b, values...)
}
