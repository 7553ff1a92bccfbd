package ivy450c

import (
	"bytes"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// The message: docs/devices/ivy450c.md.
const (
	start      = "\xFFANSAR-B "
	textAt     = 409
	messageEnd = 0xFE
	cr         = 0x0D
	maxMessage = 2048
	noWave     = 0xFB // a wave of these only has no transducer
)

// A wave is a stretch of samples of the last second.
type wave struct {
	at, rate      int
	code          protocol.Code
	scale, offset protocol.Decimal
}

// Zero and scale are those that the known program uses. The two pressure waves
// are left out: theirs have no unit.
var waves = []wave{
	{9, 200, 0, protocol.Dec(2, -2), protocol.Dec(-200, -2)},
	{209, 50, mustCode("MONITORME_WAVE_BREATHING"), protocol.Int(1), protocol.Int(0)},
	{259, 50, protocol.Pleth, protocol.Dec(4, -3), protocol.Dec(-344, -3)},
}

var mustCode = protocol.MustCode

// A parameter is a line that is read: its name, and what its values are.
type parameter struct {
	name    string
	codes   []protocol.Code
	channel string
}

var (
	anyTemp    = mustCode("MDC_TEMP")
	anyPress   = mustCode("MDC_PRESS_BLD")
	cuffPulse  = mustCode("MDC_PULS_RATE_NON_INV")
	carbon     = mustCode("MDC_AWAY_CO2_ET")
	anyECG     = mustCode("MDC_ECG_ELEC_POTL")
	parameters = []parameter{
		{"HR", []protocol.Code{protocol.HeartRate}, ""},
		{"RR", []protocol.Code{protocol.RespirationRate}, ""},
		{"ETCO2", []protocol.Code{carbon}, ""},
		{"SPO2", []protocol.Code{protocol.SpO2}, ""},
		{"NIBP", []protocol.Code{protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, cuffPulse}, ""},
		{"P1", []protocol.Code{anyPress + 1, anyPress + 2, anyPress + 3}, "P1"},
		{"P2", []protocol.Code{anyPress + 1, anyPress + 2, anyPress + 3}, "P2"},
		{"T1", []protocol.Code{anyTemp}, "1"},
		{"T2", []protocol.Code{anyTemp}, "2"},
	}
	leads = []struct {
		label string
		code  protocol.Code
	}{{"ECG-III-", mustCode("MDC_ECG_ELEC_POTL_III")}, {"ECG-II-", protocol.ECGLeadII}, {"ECG-I-", protocol.ECGLeadI}}
)

const (
	cuff   = 4 // in parameters
	oxygen = 3
)

// A line is what the message says of a parameter.
type line struct {
	there  bool
	values [4][]byte
	label  []byte
	alarm  []byte
}

// A state is what was last said of a parameter.
type state struct {
	known bool // it has had a value
	alarm string
	cuff  string // the values of the cuff
}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	lines  [9]line
	states [9]state
	pulse  bool // the pulse has had a value
	began  bool // a message has been read
}

func newDecoder() drivers.Decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: maxMessage, Frame: d.frame}
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

// frame handles a message. There is no check: start, end and each line must
// have their form. In the waves any byte may stand.
func (d *decoder) frame(b []byte) int {
	if n := min(len(b), len(start)); string(b[:n]) != start[:n] {
		return framer.Skip
	}
	if len(b) <= textAt {
		return framer.More
	}
	for i, c := range b[textAt:] {
		switch {
		case c == messageEnd:
			if !d.read(b[textAt : textAt+i]) {
				return framer.Skip
			}
			d.tell(b)
			return textAt + i + 1
		case c != cr && (c < ' ' || c > '~'):
			return framer.Skip
		}
	}
	return framer.More
}

// read takes the lines apart; false if one has not its form.
func (d *decoder) read(text []byte) bool {
	d.lines = [9]line{}
	some := false
	for l := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte{cr}), []byte{cr}) {
		name, rest, ok := bytes.Cut(l, []byte{'='})
		if !ok {
			return false
		}
		for i := range parameters {
			if string(name) == parameters[i].name {
				if d.lines[i].there || !d.lines[i].parse(rest, len(parameters[i].codes)) {
					return false
				}
				some = true
			}
		}
	}
	return some
}

// parse reads how many values there are, the values, a label and an alarm,
// which may be left out.
func (l *line) parse(rest []byte, n int) bool {
	if len(rest) < 2 || int(rest[0])-'0' != n || rest[1] != ';' {
		return false
	}
	fields := bytes.Split(rest[2:], []byte{';'})
	if len(fields) != n+1 && len(fields) != n+2 {
		return false
	}
	l.there = true
	for i := range n {
		l.values[i] = bytes.TrimSpace(fields[i])
		if _, ok := number(l.values[i]); !ok && len(l.values[i]) > 0 {
			return false
		}
	}
	l.label = bytes.TrimSpace(fields[n])
	if len(fields) == n+2 {
		l.alarm = bytes.TrimSpace(fields[n+1])
	}
	return true
}

// number reads digits with perhaps a minus and a point, at most seven.
func number(b []byte) (v protocol.Decimal, ok bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) > 7 {
		return v, false
	}
	point := false
	for _, c := range b {
		switch {
		case c == '.' && !point:
			point = true
		case c >= '0' && c <= '9':
			v.Mantissa, v.Valid = v.Mantissa*10+int64(c-'0'), true
			if point {
				v.Exponent--
			}
		default:
			return protocol.Decimal{}, false
		}
	}
	if !v.Valid {
		return protocol.Decimal{}, false
	}
	if neg {
		v.Mantissa = -v.Mantissa
	}
	return v, true
}

// tell emits what a message says.
func (d *decoder) tell(b []byte) {
	d.samples(b)
	for i := range parameters {
		l, s, p := &d.lines[i], &d.states[i], &parameters[i]
		if !l.there {
			continue
		}
		d.alarm(s, string(l.alarm), p.codes[0])
		if i == cuff {
			d.measured(l, s)
			continue
		}
		for k, code := range p.codes {
			d.number(&s.known, code, p.channel, l.values[k])
		}
		if rate, ok := bytes.CutPrefix(l.label, []byte("PR=")); i == oxygen {
			if _, is := number(bytes.TrimSpace(rate)); !ok || !is {
				rate = nil
			}
			d.number(&d.pulse, protocol.PulseRate, "", bytes.TrimSpace(rate))
		}
	}
	d.began = true
}

// number emits a value; one that is not there only if it has been.
func (d *decoder) number(known *bool, code protocol.Code, channel string, text []byte) {
	o := protocol.Observation{Code: code, Channel: channel, Unit: unitOf[code], Kind: protocol.KindNumeric, Quality: protocol.QualityGood}
	v, ok := number(text)
	switch {
	case !ok && !*known:
		return
	case !ok:
		o.Quality = protocol.QualityMissing
	case code == anyTemp:
		o.Value, o.Quality = celsius(v)
	default:
		o.Value = v
	}
	*known = true
	d.emit(o)
}

// celsius tells the unit by the value: the monitor does not say it.
func celsius(v protocol.Decimal) (protocol.Decimal, protocol.Quality) {
	switch f := v.Float64(); {
	case f >= 25 && f <= 45:
		return v, protocol.QualityGood
	case f >= 77 && f <= 113:
		v, _ = protocol.Convert(v, "[degF]", "Cel")
		return v, protocol.QualityGood
	}
	return protocol.Decimal{}, protocol.QualityInvalid
}

// measured emits the result of the cuff when it is another one. How old the
// first one heard is nobody says.
func (d *decoder) measured(l *line, s *state) {
	text := string(bytes.Join(l.values[:], []byte{';'}))
	if text == s.cuff {
		return
	}
	s.cuff = text
	for k, code := range parameters[cuff].codes {
		v, ok := number(l.values[k])
		o := protocol.Observation{Code: code, Unit: unitOf[code], Kind: protocol.KindNumeric, Value: v, Quality: protocol.QualityGood}
		switch {
		case !ok && !s.known:
			continue
		case !ok:
			o.Quality = protocol.QualityMissing
		case !d.began:
			o.Quality = protocol.QualityUnknown
		}
		d.emit(o)
	}
	s.known = s.known || strings.Trim(text, ";") != ""
}

// alarm tells that the alarm of a parameter begins or ends.
func (d *decoder) alarm(s *state, text string, source protocol.Code) {
	if text == s.alarm {
		return
	}
	d.event(protocol.PhaseEnd, s.alarm, source)
	d.event(protocol.PhaseStart, text, source)
	s.alarm = text
}

func (d *decoder) event(phase protocol.Phase, text string, source protocol.Code) {
	if text != "" {
		d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
			Event: &protocol.Event{Phase: phase, Priority: protocol.PriorityMedium, Source: source, Text: text}})
	}
}

// samples emits the waves of the last second.
func (d *decoder) samples(b []byte) {
	for _, w := range waves {
		all := b[w.at : w.at+w.rate]
		if bytes.Count(all, []byte{noWave}) == w.rate {
			continue
		}
		if w.code == 0 {
			w.code = anyECG
			for _, l := range leads {
				if bytes.HasPrefix(d.lines[0].label, []byte(l.label)) {
					w.code = l.code
				}
			}
		}
		s := &protocol.Samples{RateMilliHz: uint32(w.rate) * 1000, Scale: w.scale, Offset: w.offset, Raw: make([]int32, w.rate)}
		for i, c := range all {
			s.Raw[i] = int32(c)
		}
		d.emit(protocol.Observation{Code: w.code, Unit: unitOf[w.code], Kind: protocol.KindSamples, Quality: protocol.QualityGood, Delay: time.Second, Samples: s})
	}
}
