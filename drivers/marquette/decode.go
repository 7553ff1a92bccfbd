package marquette

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// The answer: docs/devices/marquette.md.
const (
	functionAt    = 12
	countAt       = 58
	headerSize    = 60
	fixedSize     = 6 // of the data, before the parameters
	parametersAt  = headerSize + 4
	parameterSize = 68
	maxParameters = 24
	crcSize       = 2
	maxAnswer     = headerSize + fixedSize + maxParameters*parameterSize + crcSize

	valuesAt = 4 // in a parameter
	listedAt = 64
)

var answerFunction = []byte{0x00, 0xC9, 0x00, 0x14}

// A parameter is what is known of a type of parameter.
type parameter struct {
	codes    []protocol.Code // of its values, in order
	sited    bool            // there may be several, told apart by their port
	episodic bool            // measured now and then, and repeated until the next
}

var (
	anyPressure = protocol.MustCode("MDC_PRESS_BLD_MEAN")
	heart       = parameter{codes: []protocol.Code{protocol.HeartRate}}
	breathing   = parameter{codes: []protocol.Code{protocol.RespirationRate}}
	pressure    = parameter{codes: []protocol.Code{anyPressure, protocol.MustCode("MDC_PRESS_BLD_SYS"), protocol.MustCode("MDC_PRESS_BLD_DIA")}, sited: true}
	oximeter    = parameter{codes: []protocol.Code{protocol.SpO2, protocol.PulseRate}}
	cuff        = parameter{codes: []protocol.Code{protocol.NIBPMean, protocol.NIBPSystolic, protocol.NIBPDiastolic}, episodic: true}
)

// known gives the parameter of a type and a code; nil if its meaning is not known.
func known(kind, code byte) *parameter {
	switch {
	case kind == 1, kind == 45:
		return &heart
	case kind == 8 && code == 34:
		return &breathing
	case kind == 2 && code == 77:
		return &pressure
	case (kind == 11 || kind == 28 || kind == 43 || kind == 44) && code == 45:
		return &oximeter
	case kind == 10, kind == 57:
		return &cuff
	}
	return nil
}

// The lowest values are marks.
var marks = map[int16]protocol.Quality{
	-32768: protocol.QualityInvalid,
	-32767: protocol.QualityMissing,
	-32766: protocol.QualityInvalid,     // blood is drawn through the line
	-32765: protocol.QualityInvalid,     // the line is flushed
	-32764: protocol.QualityCalibrating, // zero
	-32763: protocol.QualityCalibrating,
	-32762: protocol.QualityMissing, // no pulse in the pressure
	-32761: protocol.QualitySensorOff,
}

const lastMark = -32761

// A listed is the type, code and port of a parameter of an answer.
type listed [3]byte

// A series is one code of one channel, and what is known of it.
type series struct {
	code    protocol.Code
	channel string
	seen    bool // in this answer
	here    bool // in the one before
	off     bool
	raw     [3]int16 // what was last said of a cuff, at its first code
	result  [3]int16 // likewise, its last result
}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	began bool
	list  [maxParameters]listed // of the last answer
	count int
	told  bool
	all   []series
	alarm standing

	request    []byte
	asked      bool
	next       time.Duration
	unanswered int  // requests
	lapsed     bool // the monitor was silent, and nothing was believed since
}

func makeDecoder(request []byte) *decoder {
	d := &decoder{request: request}
	d.framer = framer.Framer{Max: maxAnswer, Frame: d.frame}
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

// size is the size of the answer at the start of b, framer.More while that is
// open, or framer.Skip if none begins there.
func size(b []byte) int {
	for i, c := range answerFunction {
		if functionAt+i < len(b) && b[functionAt+i] != c {
			return framer.Skip
		}
	}
	if len(b) < headerSize {
		return framer.More
	}
	data := int(binary.BigEndian.Uint16(b[countAt:]))
	n := (data - fixedSize) / parameterSize
	if data != fixedSize+n*parameterSize || n < 0 || n > maxParameters {
		return framer.Skip
	}
	if len(b) <= parametersAt {
		return framer.More
	}
	if int(b[parametersAt]) != n {
		return framer.Skip
	}
	return headerSize + data + crcSize
}

// frame takes an answer. Its check is not known, so its form must be right in
// all that is.
func (d *decoder) frame(b []byte) int {
	n := size(b)
	switch {
	case n < 0:
		return n
	case n == 0 || len(b) < n:
		return framer.More
	case cut(b[:n]):
		return framer.Skip
	}
	d.answer(b[headerSize : n-crcSize])
	return n
}

// cut tells whether another answer begins inside this one, of which the end is
// lost then.
func cut(b []byte) bool {
	for from := headerSize; ; {
		i := bytes.Index(b[from:], answerFunction)
		if i < 0 {
			return false
		}
		from += i
		if rest := b[from-functionAt:]; len(rest) > parametersAt && size(rest) > 0 {
			return true
		}
		from++
	}
}

// answer takes the data of an answer. It is believed if it lists the same
// parameters as the answer before: a byte that was lost or added moves them.
func (d *decoder) answer(data []byte) {
	if d.unanswered >= lapse {
		d.lapsed, d.began = true, false
		for i := range d.all {
			d.all[i].here = false
		}
	}
	d.unanswered = 0
	n := int(data[4])
	same := d.began && n == d.count
	for i := range n {
		p := data[fixedSize+i*parameterSize+listedAt:]
		now := listed{p[0], p[1], p[3]}
		same = same && now == d.list[i]
		d.list[i] = now
	}
	d.began, d.count = true, n
	if !same {
		return
	}
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: model})
	}
	d.tellAlarms(data[0], data[1], data[3])
	for i := range n {
		if k := known(d.list[i][0], d.list[i][1]); k != nil {
			d.parameter(k, d.list[i][2], data[fixedSize+i*parameterSize+valuesAt:])
		}
	}
	d.gone()
	d.lapsed = false
}

// parameter emits the values of one: those of a cuff when they change.
func (d *decoder) parameter(k *parameter, port byte, b []byte) {
	var raw [3]int16
	for i := range raw {
		raw[i] = int16(binary.BigEndian.Uint16(b[2*i:]))
	}
	channel := ""
	if k.sited {
		channel = strconv.Itoa(int(port))
	}
	first := d.find(k.codes[0], channel)
	again, good := k.episodic && first.here && raw == first.raw, protocol.QualityGood
	if k.episodic && (!first.here || raw == first.result) {
		good = protocol.QualityUnknown // nobody says how old it is
	}
	if first.raw = raw; slices.Max(raw[:]) > lastMark {
		first.result = raw
	}
	channel = first.channel
	for i, code := range k.codes {
		s := d.find(code, channel)
		s.seen = true
		if !again {
			d.value(s, raw[i], good)
		}
	}
}

// find gives the series of a code. A second one of an answer gets a channel of
// its own.
func (d *decoder) find(code protocol.Code, channel string) *series {
	name := channel
	for turn := 2; ; turn++ {
		i := 0
		for i < len(d.all) && (d.all[i].code != code || d.all[i].channel != name) {
			i++
		}
		if i == len(d.all) {
			d.all = append(d.all, series{code: code, channel: name})
		}
		if !d.all[i].seen {
			return &d.all[i]
		}
		name = strconv.Itoa(turn)
		if channel != "" {
			name = channel + "-" + name
		}
	}
}

// value emits a number, or what stands for it.
func (d *decoder) value(s *series, raw int16, good protocol.Quality) {
	o := protocol.Observation{Code: s.code, Channel: s.channel, Unit: unit(s.code), Kind: protocol.KindNumeric, Quality: good}
	if raw <= lastMark {
		o.Quality = marks[raw]
	} else {
		o.Value = protocol.Int(int64(raw))
	}
	d.sensor(s, o.Quality == protocol.QualitySensorOff)
	d.emit(o)
}

func unit(code protocol.Code) protocol.Unit {
	switch code {
	case protocol.HeartRate, protocol.RespirationRate, protocol.PulseRate:
		return "/min"
	case protocol.SpO2:
		return "%"
	}
	return "mm[Hg]"
}

// sensor reports a sensor that fails or works again.
func (d *decoder) sensor(s *series, off bool) {
	if s.off == off && !(off && d.lapsed) {
		return
	}
	e := protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: s.code, Text: "sensor failure"}
	switch {
	case off && s.off:
		e.Phase = protocol.PhaseContinue
	case off:
		e.Phase = protocol.PhaseStart
	}
	s.off = off
	d.emit(protocol.Observation{Code: protocol.EventSensorOff, Channel: s.channel, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// gone tells once that values are missing which the monitor no longer lists.
func (d *decoder) gone() {
	kept := d.all[:0]
	for _, s := range d.all {
		if !s.seen {
			d.value(&s, -32767, protocol.QualityGood)
			continue
		}
		s.seen, s.here = false, true
		kept = append(kept, s)
	}
	d.all = kept
}
