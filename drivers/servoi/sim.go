package servoi

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated ventilator.
type Device struct {
	// Standby is how long after the start it is in standby.
	Standby time.Duration
}

const (
	sampling  = 20 // ms
	piece     = 100 * time.Millisecond
	breathing = 4 * time.Second
)

// simChannels are its channels: number, gain, offset, unit.
var simChannels = []struct {
	number       int
	gain, offset string
	unit         int
}{
	{100, "+2713E-004", "+3333E+000", 2}, {113, "+0651E-004", "+1333E-001", 4}, {114, "+0004E-001", "+0000E+000", 1}, {119, "+0001E-001", "+0000E+000", 10},
	{200, "+0001E-001", "+0000E+000", 6}, {201, "+0001E+000", "+0000E+000", 1}, {202, "+0001E+000", "+0000E+000", 1}, {203, "+0001E-002", "+0000E+000", 8}, {204, "+0001E-002", "+0000E+000", 8},
	{205, "+0001E-001", "+0000E+000", 4}, {206, "+0001E-001", "+0000E+000", 4}, {207, "+0001E-001", "+0000E+000", 4}, {208, "+0001E-001", "+0000E+000", 4}, {209, "+0001E-001", "+0000E+000", 7},
	{210, "+0001E+000", "+0000E+000", 12}, {226, "+0001E+000", "+0000E+000", 3}, {239, "+0033E-004", "+0000E+000", 14}, {245, "+0651E-004", "+1333E-001", 4},
	{247, "+0001E-001", "+0000E+000", 6}, {248, "+0001E-002", "+0000E+000", 8}, {254, "+0651E-004", "+1333E-001", 4}, {260, "+0001E+000", "+0000E+000", 10},
	{300, "+0001E-001", "+0000E+000", 6}, {308, "+0001E-001", "+0000E+000", 4}, {310, "+0001E+000", "+0000E+000", 20}, {323, "+0001E-001", "+0000E+000", 7}, {334, "+0001E+000", "+0000E+000", 1},
	{410, "+0001E+000", "+0000E+000", 20}, {412, "+0001E+000", "+0000E+000", 20}, {435, "+0001E+000", "+0000E+000", 20},
}

// Simulate plays the ventilator for the patient at the far end of wire until
// ctx ends or the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	p := &playing{Device: d, patient: patient, start: time.Now()}
	p.config, _ = parseConfig([]byte(p.offer()))
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{{Every: piece, Append: p.stream}},
		Answer: func(b, got []byte, at time.Time) []byte {
			for _, c := range got {
				b = p.hear(b, c, at)
			}
			return b
		},
	})
}

// playing is one Simulate.
type playing struct {
	Device
	patient  drivers.Patient
	start    time.Time
	config   config
	line     []byte
	extended bool
	tables   map[byte][]channel
	running  bool
	block    []byte // the curve block that is open
	last     [4]int32
	told     []byte // the last block of settings and alarms
	nextIn   time.Time
}

// offer is the answer to RCCO.
func (p *playing) offer() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%03d;", sampling)
	for _, c := range simChannels {
		kind := map[bool]string{true: "CU", false: "BT"}[c.number < 200]
		fmt.Fprintf(&b, "%03d,%s,%s,%02d,%s,%03d;", c.number, c.gain, c.offset, c.unit, kind, c.number)
	}
	return b.String()
}

// hear takes a byte of the host. While it streams it hears nothing but ESC.
func (p *playing) hear(b []byte, c byte, at time.Time) []byte {
	switch {
	case c == escape:
		p.running, p.line = false, p.line[:0]
		return b
	case p.running:
		return b
	case c != eot:
		p.line = append(p.line, c)
		return b
	}
	text := string(p.line)
	p.line = p.line[:0]
	if n := len(text) - 2; n < 0 || line(text[:n]) != text+"\x04" {
		return append(b, line("ER18")...)
	} else {
		text = text[:n]
	}
	return p.answer(b, text, at)
}

func (p *playing) answer(b []byte, text string, at time.Time) []byte {
	switch {
	case text == askBegin:
		p.extended, p.tables = true, map[byte][]channel{}
		return append(b, line("Servo-i0")...)
	case !p.extended:
		return append(b, line("ER10")...)
	case text == askVersion:
		return append(b, line("005")...)
	case strings.HasPrefix(text, setVersion):
		p.tables = map[byte][]channel{}
		return append(b, line("*")...)
	case text == askSerial:
		return append(b, line("012345")...)
	case text == askSoftware:
		return append(b, line("V3.00.04")...)
	case text == askConfig:
		return append(b, line(p.offer())...)
	case strings.HasPrefix(text, "SDAD") && len(text)%3 == 2:
		return append(b, line(p.define(text[4], text[5:]))...)
	case text == askStream && at.Sub(p.start) < p.Standby:
		return append(b, refusal, standby, blockEnd, 0x8E)
	case text == askStream && len(p.tables) > 0:
		p.running, p.block, p.told, p.nextIn = true, nil, nil, at
		return b
	case text == askStream:
		return append(b, line("ER16")...)
	}
	return append(b, line("ER10")...)
}

// define makes a table of channels.
func (p *playing) define(kind byte, numbers string) string {
	all := map[byte][]channel{'C': p.config.curves, 'B': p.config.breath, 'S': p.config.settings, 'E': p.config.alarm}[kind]
	var table []channel
	for ; numbers != ""; numbers = numbers[3:] {
		found := false
		for _, c := range all {
			if fmt.Sprintf("%03d", c.number) == numbers[:3] {
				table, found = append(table, c), true
			}
		}
		if !found {
			return "ER12"
		}
	}
	p.tables[kind] = table
	return "*"
}

// stream sends the samples of the last piece, and before them a breath and
// what has changed.
func (p *playing) stream(b []byte, at time.Time) []byte {
	if !p.running {
		return b
	}
	if !at.Before(p.nextIn) {
		p.nextIn = at.Add(breathing)
		b = p.close(b)
		b = p.words(b, 'B', at)
	}
	if now := p.words(p.alarms(nil, at), 'S', at); !bytes.Equal(now, p.told) {
		p.told = now
		b = append(p.close(b), now...)
	}
	return p.curves(b, at)
}

// close ends the curve block that is open.
func (p *playing) close(b []byte) []byte {
	if len(p.block) > 0 {
		b = append(b, blockEnd, checksum.Xor8(append(p.block, blockEnd)))
		p.block = p.block[:0]
	}
	return b
}

func sealed(b, block []byte) []byte {
	block = append(block, blockEnd)
	return append(append(b, block...), checksum.Xor8(block))
}

// words appends a block of breath values or settings.
func (p *playing) words(b []byte, kind byte, at time.Time) []byte {
	block := []byte{kind}
	for _, c := range p.tables[kind] {
		raw := uint16(missing)
		if v, ok := p.patient.Numeric(c.code, at); ok {
			raw = c.raw(v)
		}
		if _, ok := p.patient.Numeric(protocol.RespirationRate, at); ok && c.code == mode {
			raw = 6
		}
		block = append(block, byte(raw>>8), byte(raw))
	}
	return sealed(b, block)
}

// raw is the inverse of value, missing if it does not fit.
func (c channel) raw(v float64) uint16 {
	one, _ := protocol.Convert(protocol.Dec(1_000_000, 0), c.unit, unitOf[c.code])
	r := math.Round((v*1e6/one.Float64() + c.offset.Float64()) / c.gain.Float64())
	if r < 0 || r >= missing {
		return missing
	}
	return uint16(r)
}

// alarms appends a block of alarms: the rate above 40.
func (p *playing) alarms(b []byte, at time.Time) []byte {
	block := []byte{'E'}
	for _, c := range p.tables['E'] {
		v, ok := p.patient.Numeric(protocol.RespirationRate, at)
		on := byte(0)
		if ok && (c.number == 435 && v > 40 || c.number == 412 && v == 0) {
			on = 1
		}
		block = append(block, on)
	}
	return sealed(b, block)
}

// curves appends samples: an absolute value where there is none before, or
// where the difference is too large.
func (p *playing) curves(b []byte, at time.Time) []byte {
	table := p.tables['C']
	const count = int(piece/time.Millisecond) / sampling
	values := make([][]float64, len(table))
	on := make([]bool, len(table))
	for k, c := range table {
		values[k] = make([]float64, count)
		on[k] = p.patient.Wave(c.code, at.Add(-piece), 1000/sampling, values[k])
	}
	from := len(p.block)
	if from == 0 && len(table) > 0 {
		p.block = append(p.block, phase, 0x10)
		p.last = [4]int32{-1000, -1000, -1000, -1000}
	}
	for i := range count {
		for k, c := range table {
			v := int32(missing)
			if on[k] {
				v = int32(c.raw(values[k][i]))
			}
			if diff := v - p.last[k]; diff >= -126 && diff <= 126 && v != missing && p.last[k] != missing {
				p.block = append(p.block, byte(diff))
			} else {
				p.block = append(p.block, absolute, byte(v>>8), byte(v))
			}
			p.last[k] = v
		}
	}
	return append(b, p.block[from:]...)
}
