package diap

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated monitor. Commands and form of its answers are
// invented, for those of real ones are not known: hr answers hr=72, and so on.
type Device struct {
	// Start is the start of its check: 0 or FFFF.
	Start uint16
}

// invented are the commands of the simulated monitor.
var invented = map[string]protocol.Code{
	"hr": protocol.HeartRate, "spo2": protocol.SpO2, "pr": protocol.PulseRate, "rr": protocol.RespirationRate, "t1": protocol.MustCode("MDC_TEMP"),
	"nibps": protocol.NIBPSystolic, "nibpd": protocol.NIBPDiastolic, "nibpm": protocol.NIBPMean,
}

// Simulate plays the monitor for the patient at the far end of wire until ctx
// ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	p := &playing{Device: d, patient: patient}
	return play.Run(ctx, wire, play.Device{Answer: p.heard})
}

// playing is one Simulate.
type playing struct {
	Device
	patient   drivers.Patient
	line      []byte
	connected bool
}

func (p *playing) heard(b, got []byte, at time.Time) []byte {
	for _, c := range got {
		if c != '\n' {
			if len(p.line) < maxRequest {
				p.line = append(p.line, c)
			}
			continue
		}
		b = appendMessage(b, p.answer(p.line, at), p.Start)
		p.line = p.line[:0]
	}
	return b
}

func (p *playing) answer(line []byte, at time.Time) string {
	body, sum, ok := bytes.Cut(line, []byte{'>'})
	if !ok || !bytes.HasPrefix(line, []byte("DIAP000<")) {
		return "ERR:BAD MSG HEADER"
	}
	if want, err := strconv.ParseUint(string(sum), 16, 16); err != nil || uint16(want) != check(line[:len(body)+1], p.Start) {
		return "ERR:BAD CRC"
	}
	var said []string
	for _, word := range strings.Split(strings.ToLower(string(body[textAt:])), ";") {
		code, ok := invented[word]
		switch {
		case word == connect:
			p.connected = true
			said = append(said, connect)
		case !p.connected:
			return "%NOT CONNECTED"
		case !ok:
			return "%UNKNOWN COMMAND"
		default:
			said = append(said, word+"="+p.number(code, at))
		}
	}
	return strings.Join(said, ";")
}

func (p *playing) number(code protocol.Code, at time.Time) string {
	v, ok := p.patient.Numeric(code, at)
	if !ok {
		return "---"
	}
	term, _ := protocol.Lookup(code)
	return protocol.DecimalOf(v, term.Places).String()
}
