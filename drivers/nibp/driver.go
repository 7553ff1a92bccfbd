// Package nibp is the drivers of blood pressure modules and monitors with a
// cuff: SunTech Advantage, ASCII modules of the NIBScan family, Datascope
// Accutorr 3, Beurer BM58. docs/devices/nibp.md describes them.
//
// They only listen to measurements that somebody else starts, or read what was
// measured. What can be sent is a few fixed questions, each of which only reads:
// an unknown byte could inflate a cuff on a patient. Never add a command here that does not read.
package nibp

import (
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var (
	cuff = protocol.MustCode("MDC_PRESS_BLD_NONINV")
	rate = protocol.MustCode("MDC_PULS_RATE_NON_INV")
)

const sheet = "docs/devices/nibp.md"

// SunTech is for the Advantage modules.
var SunTech = drivers.Driver{
	Name:       "nibp-suntech",
	Title:      "SunTech Advantage blood pressure modules",
	Models:     []string{"Advantage OEM", "Advantage Mini"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 9600},
	Asks:       true,
	Checked:    true,
	Silence:    5 * time.Second,
	Codes:      []protocol.Code{protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, rate, cuff, protocol.EventAlarm},
	NewDecoder: func() drivers.Decoder { return makeSunTech() },
	Run:        drivers.Converse(func() drivers.Asker { return makeSunTech() }),
	Simulate:   SunTechDevice{}.Simulate,
}

// NIBScan is for the ASCII modules, whose status text is partly unverified.
var NIBScan = drivers.Driver{
	Name:         "nibp-nibscan",
	Title:        "ASCII blood pressure modules (NIBScan, ABATON)",
	Models:       []string{"NIBScan OEM", "ABATON"},
	Sheet:        sheet,
	Experimental: true,
	Line:         drivers.Line{Baud: 4800},
	Asks:         true,
	Silence:      time.Minute,
	Codes:        []protocol.Code{protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, rate, protocol.EventAlarm},
	NewDecoder:   func() drivers.Decoder { return makeNIBScan() },
	Run:          drivers.Converse(func() drivers.Asker { return makeNIBScan() }),
	Simulate:     NIBScanDevice{}.Simulate,
}

// Accutorr is for the Accutorr 3.
var Accutorr = drivers.Driver{
	Name:         "nibp-accutorr",
	Title:        "Datascope Accutorr 3",
	Models:       []string{"Accutorr 3"},
	Sheet:        sheet,
	Experimental: true,
	Line:         drivers.Line{Baud: 9600},
	Alternates:   []drivers.Line{{Baud: 1200}, {Baud: 2400}, {Baud: 4800}},
	Asks:         true,
	Silence:      15 * time.Second,
	Codes: []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean,
		protocol.EventSensorOff, protocol.EventAlarm},
	NewDecoder: func() drivers.Decoder { return makeAccutorr() },
	Run:        drivers.Converse(func() drivers.Asker { return makeAccutorr() }),
	Simulate:   simulateAccutorr,
}

// core is what the decoders share.
type core struct {
	framer framer.Framer
	emit   drivers.Emit
}

// Decode implements drivers.Decoder.
func (d *core) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *core) Stats() drivers.Stats { return d.framer.Stats() }

// A result is one measurement; 0 is no number.
type result struct{ sys, dia, mean, rate int }

func (d *core) number(code protocol.Code, unit protocol.Unit, v int, q protocol.Quality, age time.Duration) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: q, Delay: age}
	switch {
	case !q.HasNumber() && q != protocol.QualityUnknown:
	case v == 0:
		o.Quality = protocol.QualityMissing
	default:
		o.Value = protocol.Int(int64(v))
	}
	d.emit(o)
}

// pressures emits the three pressures of a measurement.
func (d *core) pressures(r result, q protocol.Quality, age time.Duration) {
	d.number(protocol.NIBPSystolic, "mm[Hg]", r.sys, q, age)
	d.number(protocol.NIBPDiastolic, "mm[Hg]", r.dia, q, age)
	d.number(protocol.NIBPMean, "mm[Hg]", r.mean, q, age)
}

// measurement emits all of a measurement.
func (d *core) measurement(r result, q protocol.Quality) {
	d.pressures(r, q, 0)
	d.number(rate, "/min", r.rate, q, 0)
}

// running tells that a measurement has begun: what was measured before is no
// longer the newest.
func (d *core) running() { d.measurement(result{}, protocol.QualityOngoing) }

func (d *core) event(code protocol.Code, e protocol.Event) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// failed tells that a measurement gave nothing.
func (d *core) failed(text string) {
	d.measurement(result{}, protocol.QualityMissing)
	d.event(protocol.EventAlarm, protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: protocol.NIBPMean, Text: text})
}

// A memory tells new results from those that were read before.
type memory struct {
	known bool   // one was read
	last  string // its bytes
	ended bool   // a measurement has ended since
}

// judge says how much a result that was read is worth now, and whether it is
// new at all. The first one may be of any age.
func (m *memory) judge(raw []byte) (q protocol.Quality, isNew bool) {
	isNew = m.ended || !m.known || m.last != string(raw)
	q = protocol.QualityGood
	if !m.known && !m.ended {
		q = protocol.QualityUnknown
	}
	if isNew {
		m.last = string(raw)
	}
	m.known, m.ended = true, false
	return q, isNew
}
