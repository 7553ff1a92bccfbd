package nellcor

import (
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var (
	amplitude = protocol.MustCode("MONITORME_PULSE_AMPLITUDE")
	noisy     = protocol.MustCode("MDC_EVT_NOISY")
)

// maxLine is more than the longest heading.
const maxLine = 200

// A code is what the status column says, as "MO".
type code [2]byte

// codeInfo is what a code means. The codes SD and SO, which are one state
// here, are not among them.
type codeInfo struct {
	event  protocol.Code
	source protocol.Code
	kind   protocol.AlarmType
	prio   protocol.Priority
	text   string
}

var codeInfos = map[code]codeInfo{
	{'S', 'H'}: {protocol.EventHigh, protocol.SpO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "SpO2 above the oximeter's limit"},
	{'S', 'L'}: {protocol.EventLow, protocol.SpO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "SpO2 below the oximeter's limit"},
	{'P', 'H'}: {protocol.EventHigh, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityMedium, "pulse rate above the oximeter's limit"},
	{'P', 'L'}: {protocol.EventLow, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityMedium, "pulse rate below the oximeter's limit"},
	{'L', 'P'}: {protocol.EventAlarm, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityHigh, "loss of pulse"},
	{'L', 'M'}: {protocol.EventAlarm, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityHigh, "loss of pulse with motion or interference"},
	{'M', 'O'}: {noisy, protocol.SpO2, protocol.AlarmTechnical, protocol.PriorityLow, "motion or interference"},
	{'P', 'S'}: {protocol.EventAlarm, protocol.SpO2, protocol.AlarmAdvisory, protocol.PriorityNone, "pulse search"},
	{'L', 'B'}: {protocol.EventBatteryLow, 0, protocol.AlarmTechnical, protocol.PriorityLow, "battery low"},
	{'B', 'U'}: {protocol.EventAlarm, 0, protocol.AlarmAdvisory, protocol.PriorityNone, "on battery"},
	{'A', 'O'}: {protocol.EventAlarm, 0, protocol.AlarmAdvisory, protocol.PriorityNone, "audible alarms off at the oximeter"},
	{'A', 'S'}: {protocol.EventAlarm, 0, protocol.AlarmAdvisory, protocol.PriorityNone, "alarms silenced at the oximeter"},
}

func (c code) info() codeInfo {
	if i, ok := codeInfos[c]; ok {
		return i
	}
	return codeInfo{protocol.EventAlarm, 0, protocol.AlarmAdvisory, protocol.PriorityNone, "status " + string(c[:])}
}

// maxCodes bounds the status column; four have been seen.
const maxCodes = 8

// A reading is what one line says.
type reading struct {
	at                    time.Time // the device's clock
	spo2, rate, amplitude protocol.Decimal
	off                   bool // sensor off or disconnected
	lost                  bool // no pulse: what stands there is no value
	doubt                 bool
	codes                 [maxCodes]code // without SD and SO
	n                     int
}

func (r *reading) add(c code) bool {
	switch c {
	case code{'S', 'D'}, code{'S', 'O'}:
		r.off = true
		return true
	case code{'L', 'P'}, code{'L', 'M'}:
		r.lost = true
	case code{'M', 'O'}, code{'P', 'S'}:
		r.doubt = true
	}
	if r.n == maxCodes {
		return false
	}
	r.codes[r.n] = c
	r.n++
	return true
}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	n200   bool // the computer format, and no other

	model, firmware string
	off             bool
	codes           [maxCodes]code // as last told
	n               int
}

func newDecoder() drivers.Decoder { return makeDecoder(false) }

// newN200 takes nothing but the computer format, and newDecoder nothing of it: an
// N-200 sends so seldom that it would be silent all the time for the other.
func newN200() drivers.Decoder { return makeDecoder(true) }

func makeDecoder(n200 bool) *decoder {
	d := &decoder{n200: n200}
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

func (d *decoder) frame(b []byte) int {
	c := b[0]
	atStart := c == '\r' || c == '\n'
	switch {
	case d.n200 && c == stx:
		return d.old(b)
	case d.n200:
		return framer.Skip
	}
	if !atStart && (c < '0' || c > '3') {
		return framer.Skip
	}
	text, n := framer.Line(b)
	if n <= 0 {
		return n
	}
	if r, ok := parse(text); ok {
		d.say(&r)
		return n
	}
	// A heading counts only from the beginning of its line: the end of one
	// would give a wrong model.
	if atStart && d.heading(text) {
		return n
	}
	return framer.Skip
}

// say emits what a line says.
func (d *decoder) say(r *reading) {
	d.states(r)
	d.number(r, protocol.SpO2, "%", r.spo2)
	d.number(r, protocol.PulseRate, "/min", r.rate)
	d.number(r, amplitude, "1", r.amplitude)
}

func (d *decoder) number(r *reading, c protocol.Code, unit protocol.Unit, v protocol.Decimal) {
	o := protocol.Observation{Code: c, Unit: unit, Kind: protocol.KindNumeric, DeviceTime: r.at}
	switch {
	case r.off:
		o.Quality = protocol.QualitySensorOff
	case r.lost, !v.Valid, v.Mantissa == 0 && c != amplitude: // a 0 of a search for the pulse is no measurement
		o.Quality = protocol.QualityMissing
	case r.doubt:
		o.Quality, o.Value = protocol.QualityQuestionable, v
	default:
		o.Quality, o.Value = protocol.QualityGood, v
	}
	d.emit(o)
}

// states emits what begins and ends.
func (d *decoder) states(r *reading) {
	if r.off != d.off {
		d.off = r.off
		d.event(r, codeInfo{protocol.EventSensorOff, protocol.SpO2, protocol.AlarmTechnical, protocol.PriorityLow, "sensor off or disconnected"}, r.off)
	}
	was, is := d.codes[:d.n], r.codes[:r.n]
	if slices.Equal(was, is) {
		return
	}
	for _, c := range was {
		if !slices.Contains(is, c) {
			d.event(r, c.info(), false)
		}
	}
	for _, c := range is {
		if !slices.Contains(was, c) {
			d.event(r, c.info(), true)
		}
	}
	d.codes, d.n = r.codes, r.n
}

func (d *decoder) event(r *reading, i codeInfo, begins bool) {
	phase := protocol.PhaseEnd
	if begins {
		phase = protocol.PhaseStart
	}
	d.emit(protocol.Observation{Code: i.event, Kind: protocol.KindEvent, Quality: protocol.QualityGood, DeviceTime: r.at,
		Event: &protocol.Event{Phase: phase, Priority: i.prio, Type: i.kind, Source: i.source, Text: i.text}})
}

// identify emits an identity when it is new.
func (d *decoder) identify(c protocol.Code, was *string, text []byte) {
	if string(text) == *was {
		return
	}
	*was = string(text)
	d.emit(protocol.Observation{Code: c, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: *was})
}
