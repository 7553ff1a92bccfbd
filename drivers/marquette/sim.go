package marquette

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
)

// A Device is a simulated monitor with ECG, breathing, one invasive pressure,
// oximeter and cuff. It answers both forms of request.
type Device struct {
	// Cuff is how often the cuff measures; 0 is 1 min.
	Cuff time.Duration
}

// Simulate plays the monitor for the patient at the far end of wire until ctx
// ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if d.Cuff == 0 {
		d.Cuff = time.Minute
	}
	p := &playing{patient: patient, cuff: [3]int16{missing, missing, missing}}
	return play.Run(ctx, wire, play.Device{
		Parts:  []play.Part{{Every: d.Cuff, Append: p.measure}},
		Answer: p.heard,
	})
}

const (
	missing = -32767
	failed  = -32761
)

// playing is one Simulate.
type playing struct {
	patient  drivers.Patient
	request  []byte
	cuff     [3]int16
	sequence uint16
}

// measure plays a measurement of the cuff. A cuff that is off keeps its result
// on the screen, as monitors do.
func (p *playing) measure(b []byte, at time.Time) []byte {
	var result [3]int16
	for i, code := range cuff.codes {
		v, ok := p.patient.Numeric(code, at)
		if !ok {
			return b
		}
		result[i] = int16(math.Round(v))
	}
	p.cuff = result
	return b
}

// heard answers each request header.
func (p *playing) heard(b, got []byte, at time.Time) []byte {
	for _, c := range got {
		if p.request = append(p.request, c); len(p.request) < headerSize {
			continue
		}
		if p.request[0] == 0x40 && bytes.Equal(p.request[functionAt:functionAt+4], requestFunction) {
			b = p.answer(b, at)
			p.request = p.request[:0]
			continue
		}
		p.request = p.request[:copy(p.request, p.request[1:])]
	}
	return b
}

func (p *playing) answer(b []byte, at time.Time) []byte {
	list := []struct {
		parameter
		kind, code, port byte
		none             int16
	}{
		{heart, 1, 1, 0, missing},
		{breathing, 8, 34, 0, missing},
		{pressure, 2, 77, 1, missing},
		{oximeter, 11, 45, 0, failed},
		{cuff, 10, 1, 0, missing},
	}
	data := []byte{0, 0, 0, 1, byte(len(list)), 0}
	for i, l := range list {
		raw := [3]int16{missing, missing, missing}
		for k, code := range l.codes {
			if v, ok := p.patient.Numeric(code, at); ok {
				raw[k] = int16(math.Round(v))
			} else {
				raw[k] = l.none
			}
		}
		if l.episodic {
			raw = p.cuff
		}
		data = appendParameter(data, l.kind, l.code, byte(i), l.port, raw)
	}
	p.sequence++
	return appendAnswer(b, p.sequence, data)
}

// appendParameter appends a parameter with these values and nothing else.
func appendParameter(b []byte, kind, code, position, port byte, raw [3]int16) []byte {
	at := len(b)
	b = append(b, make([]byte, parameterSize)...)
	for i, v := range raw {
		binary.BigEndian.PutUint16(b[at+valuesAt+2*i:], uint16(v))
	}
	copy(b[at+listedAt:], []byte{kind, code, position, port})
	return b
}

// appendAnswer appends an answer; its check is not known and is zero.
func appendAnswer(b []byte, sequence uint16, data []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, headerSize)...)
	b[at] = 0x40
	copy(b[at+functionAt:], answerFunction)
	binary.BigEndian.PutUint16(b[at+18:], sequence)
	b[at+21] = 1
	binary.BigEndian.PutUint16(b[at+countAt:], uint16(len(data)))
	return append(append(b, data...), make([]byte, crcSize)...)
}
