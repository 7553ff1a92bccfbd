package ivy450c

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

// A Device is a simulated monitor.
type Device struct {
	// Cuff is how often the cuff measures; 0 is 5 min. The first time is 10 s
	// after it is put on.
	Cuff time.Duration
	// Fahrenheit is how it shows temperature.
	Fahrenheit bool
}

const firstCuff = 10 * time.Second

// Simulate plays the monitor for the patient at the far end of wire until ctx
// ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.Cuff == 0 {
		d.Cuff = 5 * time.Minute
	}
	p := &playing{Device: d, patient: patient, next: time.Now().Add(firstCuff)}
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second, Append: p.message}}})
}

// playing is one Simulate.
type playing struct {
	Device
	patient drivers.Patient
	next    time.Time // of the cuff
	cuff    [4]string
}

func (p *playing) message(b []byte, at time.Time) []byte {
	b = append(b, start...)
	for _, w := range waves {
		b = p.wave(b, w, at)
	}
	for range 100 { // no pressure transducers
		b = append(b, noWave)
	}
	return append(p.text(b, at), messageEnd)
}

func (p *playing) wave(b []byte, w wave, at time.Time) []byte {
	values := make([]float64, w.rate)
	code := w.code
	switch {
	case code == 0:
		code = protocol.ECGLeadII
	case w.at == 209: // of its own scale
		code, w.scale, w.offset = protocol.RespirationWave, protocol.Dec(1, -2), protocol.Int(-1)
	}
	on := p.patient.Wave(code, at.Add(-time.Second), float64(w.rate), values)
	for _, v := range values {
		raw := math.Round((v - w.offset.Float64()) / w.scale.Float64())
		if !on {
			raw = noWave
		}
		b = append(b, byte(min(max(raw, 0), 255)))
	}
	return b
}

func (p *playing) text(b []byte, at time.Time) []byte {
	p.measure(at)
	for i, l := range parameters {
		var values []string
		for _, c := range l.codes {
			v := p.value(c, at)
			if l.name[0] == 'P' {
				v = ""
			}
			values = append(values, v)
		}
		label, alarm := "", ""
		switch {
		case l.name == "HR":
			label = "ECG-II-MON"
			if values[0] == "" {
				alarm = "LEAD FAIL"
			}
		case i == cuff:
			values = p.cuff[:]
		case i == oxygen:
			if rate := p.value(protocol.PulseRate, at); rate != "" {
				label = "PR=" + rate + " "
			} else {
				alarm = "PROBE OFF"
			}
		case l.name[0] == 'P':
			label = "NO TRANSDUCER"
		case l.name == "T2":
			values[0] = ""
		}
		b = fmt.Appendf(b, "%s=%d;%s;%s;%s\r", l.name, len(l.codes), strings.Join(values, ";"), label, alarm)
	}
	return b
}

// measure plays a cuff that measures by itself; without an arm it shows nothing.
func (p *playing) measure(at time.Time) {
	switch {
	case p.value(protocol.NIBPSystolic, at) == "":
		p.cuff, p.next = [4]string{}, at.Add(firstCuff)
	case !at.Before(p.next):
		p.next = at.Add(p.Cuff)
		for i, c := range parameters[cuff].codes {
			p.cuff[i] = p.value(c, at)
		}
	}
}

func (p *playing) value(c protocol.Code, at time.Time) string {
	v, ok := p.patient.Numeric(c, at)
	if c == anyTemp && !ok {
		v, ok = p.patient.Numeric(protocol.BodyTemperature, at)
	}
	switch {
	case !ok:
		return ""
	case c == anyTemp && p.Fahrenheit:
		return strconv.FormatFloat(v*9/5+32, 'f', 1, 64)
	case c == anyTemp:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.Itoa(int(math.Round(v)))
}
