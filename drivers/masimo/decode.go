package masimo

import (
	"bytes"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// maxLine is more than the longest line with every option.
const maxLine = 400

// Exceptions, the bits of EXC. 800 is set in good data.
const (
	excNoSensor     = 0x001
	excDefective    = 0x002
	excLowPerfusion = 0x004
	excSearch       = 0x008
	excInterference = 0x010
	excOffPatient   = 0x020
	excLight        = 0x040
	excUnrecognised = 0x080
	excLowSIQ       = 0x400

	excOff   = excNoSensor | excDefective | excOffPatient | excUnrecognised
	excDoubt = excLowPerfusion | excSearch | excInterference | excLight | excLowSIQ
)

// An extra is a value that depends on model and options.
type extra struct {
	key  string
	code protocol.Code
	unit protocol.Unit
}

var extras = [...]extra{
	{"PI", protocol.PerfusionIndex, "%"},
	{"SPCO", protocol.MustCode("MONITORME_SAT_CO"), "%"},
	{"SPMET", protocol.MustCode("MONITORME_SAT_MET"), "%"},
	{"SPHB", protocol.MustCode("MONITORME_TOTAL_HAEMOGLOBIN"), "g/dL"},
	{"SPOC", protocol.MustCode("MONITORME_OXYGEN_CONTENT"), "mL/dL"},
	{"PVI", protocol.MustCode("MONITORME_PLETH_VARIABILITY"), "%"},
}

// A value is one token of a line: absent, without a number, or with one.
type value struct {
	here bool
	v    protocol.Decimal
}

// A reading is what one line says.
type reading struct {
	at         time.Time // the device's clock
	serial     []byte
	spo2, rate value
	extras     [len(extras)]value
	hasExc     bool
	exc        int
	alarm      int
	memory     bool // a line of a trend download, of some time ago
}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	told   struct {
		model  bool
		serial string
		off    bool
		alarm  int
	}
}

func newDecoder() drivers.Decoder {
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

func (d *decoder) frame(b []byte) int {
	if !begins(b) {
		return framer.Skip
	}
	text, n := framer.Line(b)
	if n <= 0 {
		return n
	}
	r, ok := parse(text)
	if !ok {
		return framer.Skip
	}
	d.say(&r)
	return n
}

// begins reports whether b may be the beginning of a line: its date, perhaps
// after the end of the line before. Not all that is digits is looked at further.
func begins(b []byte) bool {
	b = bytes.TrimLeft(b, "\r\n")
	for i, c := range b[:min(len(b), 3)] {
		if i == 2 && c != '/' || i < 2 && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// say emits what a line says.
func (d *decoder) say(r *reading) {
	d.identify(r)
	if !r.memory {
		d.states(r)
	}
	d.number(r, protocol.SpO2, "%", r.spo2)
	d.number(r, protocol.PulseRate, "/min", r.rate)
	for i, x := range r.extras {
		if x.here {
			d.number(r, extras[i].code, extras[i].unit, x)
		}
	}
}

func (d *decoder) number(r *reading, code protocol.Code, unit protocol.Unit, x value) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, DeviceTime: r.at}
	switch {
	case r.exc&excOff != 0:
		o.Quality = protocol.QualitySensorOff
	case !x.v.Valid:
		o.Quality = protocol.QualityMissing
	case r.memory:
		o.Quality, o.Value = protocol.QualityUnknown, x.v
	case r.exc&excDoubt != 0:
		o.Quality, o.Value = protocol.QualityQuestionable, x.v
	default:
		o.Quality, o.Value = protocol.QualityGood, x.v
	}
	d.emit(o)
}

// identify emits model and serial number when they are new.
func (d *decoder) identify(r *reading) {
	word := func(code protocol.Code, text string) {
		d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
	}
	if !d.told.model {
		d.told.model = true
		word(protocol.IdentityModel, "Masimo oximeter, ASCII 1")
	}
	if len(r.serial) > 0 && string(r.serial) != d.told.serial {
		d.told.serial = string(r.serial)
		word(protocol.IdentitySerial, d.told.serial)
	}
}

// alarms are the bits of ALARM that have been seen to mean this.
var alarms = [...]struct {
	bit    int
	code   protocol.Code
	source protocol.Code
	kind   protocol.AlarmType
	prio   protocol.Priority
	text   string
}{
	{0x01, protocol.EventHigh, protocol.SpO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "SpO2 above the oximeter's limit"},
	{0x02, protocol.EventLow, protocol.SpO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "SpO2 below the oximeter's limit"},
	{0x04, protocol.EventHigh, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityMedium, "pulse rate above the oximeter's limit"},
	{0x08, protocol.EventLow, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityMedium, "pulse rate below the oximeter's limit"},
	{0x20, protocol.EventAlarm, 0, protocol.AlarmAdvisory, protocol.PriorityNone, "alarms silenced at the oximeter"},
}

// states emits what begins and ends.
func (d *decoder) states(r *reading) {
	if off := r.exc&excOff != 0; off != d.told.off {
		d.told.off = off
		d.event(r, protocol.EventSensorOff, off, protocol.Event{Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: protocol.SpO2, Text: "no sensor on the patient"})
	}
	for _, a := range alarms {
		if is := r.alarm&a.bit != 0; is != (d.told.alarm&a.bit != 0) {
			d.event(r, a.code, is, protocol.Event{Priority: a.prio, Type: a.kind, Source: a.source, Text: a.text})
		}
	}
	d.told.alarm = r.alarm
}

func (d *decoder) event(r *reading, code protocol.Code, begins bool, e protocol.Event) {
	e.Phase = protocol.PhaseEnd
	if begins {
		e.Phase = protocol.PhaseStart
	}
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, DeviceTime: r.at, Event: &e})
}
