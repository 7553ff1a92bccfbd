package puritanbennett

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated ventilator. Its zero value is an 840.
type Device struct {
	ID  string // field 6; "" is "840 3510012345"
	Old bool   // it knows the record of 97 fields only
}

// Simulate plays d for the patient at the far end of wire until ctx ends or
// the wire fails. Without a patient every field but clock and name is blank.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.ID == "" {
		d.ID = "840 3510012345"
	}
	v := &ventilator{Device: d, patient: patient}
	return play.Run(ctx, wire, play.Device{Answer: v.answer})
}

type ventilator struct {
	Device
	patient drivers.Patient
	heard   []byte
}

// answer takes commands, each ended by CR.
func (v *ventilator) answer(b, p []byte, at time.Time) []byte {
	v.heard = append(v.heard, p...)
	for {
		command, rest, ok := bytes.Cut(v.heard, []byte{'\r'})
		if !ok {
			if len(v.heard) > 64 {
				v.heard = nil
			}
			return b
		}
		switch string(command) + "\r" {
		case askF:
			if !v.Old {
				b = v.record(b, at, true)
			}
		case askA:
			b = v.record(b, at, false)
		}
		v.heard = rest
	}
}

// Widths of the fields that are not 6 wide.
var (
	widthsF = map[int]int{6: 18, 7: 12, 8: 9, 50: 9, 53: 18, 55: 9, 66: 9}
	widthsA = map[int]int{6: 18, 8: 12, 62: 12, 100: 9}
)

// record appends a record.
func (v *ventilator) record(b []byte, at time.Time, full bool) []byte {
	name, count, l, widths := "MISCA,706,97,", fieldsA, layoutA, widthsA
	if full {
		name, count, l, widths = "MISCF,1225,169 ,", fieldsF, layoutF, widthsF
	}
	fields := map[int]string{l.clock: at.Format("15:04"), l.id: v.ID, l.date: strings.ToUpper(at.Format("Jan 02 2006"))}
	breathing := false
	for _, n := range l.numbers {
		if x, ok := v.ask(n, at); ok && n.sort != maneuver {
			fields[n.field], breathing = x, true
		}
	}
	if breathing {
		for i, f := range l.mode {
			fields[f] = []string{"SIMV", "PC", "PS"}[i]
		}
	}
	for _, a := range l.alarms {
		fields[a.field] = "NORMAL"
		if a.text == "circuit disconnect" && !breathing {
			fields[a.field] = "HIGH"
		}
	}
	b = append(append(b, name...), stx)
	for f := firstField; f < firstField+count; f++ {
		width := widths[f]
		if width == 0 {
			width = 6
		}
		b = fmt.Appendf(b, "%-*s,", width, fields[f])
	}
	return append(b, etx, '\r')
}

// usual are the values for a body of which only the breathing rate is known.
var usual = map[protocol.Code]float64{
	code("MDC_VOL_AWAY_TIDAL_EXP"): 480, code("MDC_VOL_AWAY_TIDAL_INSP"): 490, code("MDC_VENT_PRESS_AWAY_MAX"): 22,
	code("MDC_VENT_PRESS_AWAY_MEAN"): 9, code("MDC_PRESS_AWAY_INSP_END"): 20, code("MDC_CONC_AWAY_O2_INSP"): 40,
	code("MDC_VENT_PRESS_AWAY_END_EXP_POS"): 5, code("MDC_VENT_RESP_RATE_SETTING"): 12, code("MDC_VENT_VOL_TIDAL_SETTING"): 500,
	code("MDC_CONC_AWAY_O2_INSP_SETTING"): 40, code("MDC_VENT_PRESS_AWAY_END_EXP_POS_SETTING"): 5,
}

// ask is the number of a field as it is written.
func (v *ventilator) ask(n number, at time.Time) (string, bool) {
	x, ok := v.patient.Numeric(n.code, at)
	if !ok {
		breaths, known := v.patient.Numeric(protocol.RespirationRate, at)
		if !known {
			return "", false
		}
		x, ok = usual[n.code]
		switch n.code {
		case rate:
			x, ok = breaths, true
		case minuteVolume:
			x, ok = breaths*usual[tidalOut]/1000, true
		}
	}
	format := "%.1f"
	if n.unit == "L" {
		x, format = x/1000, "%.3f"
	}
	return fmt.Sprintf(format, x), ok
}
