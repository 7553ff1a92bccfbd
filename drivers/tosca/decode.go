package tosca

import (
	"bytes"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// maxLine is the longest text in brackets that is read, with them.
const maxLine = 64

var carbon = protocol.MustCode("MDC_CO2_TCUT")

// A sign is what a name means, and the units it may have.
type sign struct {
	code  protocol.Code
	unit  protocol.Unit
	units []spelled
}

// A spelled is a unit as the device writes it.
type spelled struct {
	text []byte
	unit protocol.Unit
}

var (
	saturation = sign{protocol.SpO2, "%", []spelled{{[]byte("PERCNT"), "%"}, {[]byte("PERCENT"), "%"}}}
	pulse      = sign{protocol.PulseRate, "/min", []spelled{{[]byte("BPM"), "/min"}}}
	gas        = sign{carbon, "mm[Hg]", []spelled{{[]byte("MMHG"), "mm[Hg]"}, {[]byte("KPA"), "kPa"}}}
)

// named gives the sign of a name; nil if none is known. What the device calls
// the carbon dioxide is not certain, but its unit is one of pressure in any
// case.
func named(name []byte) *sign {
	switch {
	case bytes.EqualFold(name, []byte("SPO2")):
		return &saturation
	case bytes.EqualFold(name, []byte("PR")):
		return &pulse
	case len(name) >= 3 && bytes.EqualFold(name[len(name)-3:], []byte("CO2")):
		return &gas
	}
	return nil
}

// from gives the unit that text spells; "" if it is none of the sign's.
func (s *sign) from(text []byte) protocol.Unit {
	for _, u := range s.units {
		if bytes.EqualFold(text, u.text) {
			return u.unit
		}
	}
	return ""
}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	told     bool
	unitTold bool

	asked bool
	next  time.Duration
}

func makeDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: maxLine, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// frame handles [NAME…=valueUNIT]. There is no check: the form must be right.
func (d *decoder) frame(b []byte) int {
	if b[0] != '[' {
		return framer.Skip
	}
	for i, c := range b[1:] {
		switch {
		case c == ']':
			if !d.line(b[1 : 1+i]) {
				return framer.Skip
			}
			return i + 2
		case c < ' ' || c > '~' || c == '[':
			return framer.Skip
		}
	}
	return framer.More
}

// line reads what is between the brackets; false if it has another form.
func (d *decoder) line(b []byte) bool {
	name, text, ok := bytes.Cut(b, []byte{'='})
	if !ok {
		return false
	}
	for i, c := range name {
		if !letter(c) && (c < '0' || c > '9') {
			name = name[:i]
			break
		}
	}
	text = bytes.Trim(text, " ")
	from := len(text) // of the unit
	for from > 0 && letter(text[from-1]) {
		from--
	}
	unit, text := text[from:], bytes.TrimRight(text[:from], " ")
	number, numeric := framer.Number(text)
	if len(name) == 0 || !letter(name[0]) || !numeric && len(bytes.Trim(text, "-.?*")) > 0 {
		return false
	}
	d.value(named(name), unit, number)
	return true
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// value emits a value; 0 or no number is none.
func (d *decoder) value(s *sign, unit []byte, v protocol.Decimal) {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "Radiometer TOSCA"})
	}
	if s == nil {
		return
	}
	o := protocol.Observation{Code: s.code, Unit: s.unit, Kind: protocol.KindNumeric, Quality: protocol.QualityMissing}
	if v.Valid && v.Mantissa != 0 {
		from := s.from(unit)
		if from == "" {
			d.unknownUnit(s)
			return
		}
		if kept, ok := protocol.Convert(v, from, s.unit); ok {
			o.Quality, o.Value = protocol.QualityGood, kept
		}
	}
	d.emit(o)
}

// unknownUnit tells once why a value is not there.
func (d *decoder) unknownUnit(s *sign) {
	if d.unitTold {
		return
	}
	d.unitTold = true
	d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
		Event: &protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: s.code, Text: "the device sends a unit that is not known"}})
}
