package microstream

import (
	"time"

	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// What the host may say to a module; there are no others.
const (
	askMode       = 0x01 // which one
	setMode       = 0x00 // only with modeMeasure, and only out of standby
	askVersion    = 0x04
	askExtended   = 0x0C
	setOutput     = 0x0D // only with outputBreath, 1
	askOutput     = 0x0E // only with outputWave
	modeMeasure   = 1
	modeStandby   = 2
	outputBreath  = 0x03
	outputWave    = 0x06
	outputVersion = 0x3D
)

// Codes of the module.
const (
	podWave     = 0x00
	podBreath   = 0x01
	podMode     = 0x03
	podExtended = 0x0C
	podConfig   = 0x0D
)

// Wave status of the module.
const (
	podInvalid     = 0x01
	podInit        = 0x02
	podOverRange   = 0x04
	podDue         = 0x08
	podCalibrating = 0x10
	podPurging     = 0x20
	podLineOff     = 0x40
	podFault       = 0x80
)

var podFlags = []flag{
	{podLineOff, protocol.EventSensorOff, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "FilterLine off"},
	{podDue, protocol.EventAlarm, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "CO2 calibration is due"},
	{podFault, eventMalfunction, etCO2, protocol.AlarmTechnical, protocol.PriorityMedium, "CO2 malfunction"},
}

var podExtendedFlags = []flag{
	{0x02, eventProblem, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "check the flow of the CO2 sample"},
	{0x04, eventProblem, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "FilterLine occluded"},
	{0x08, eventProblem, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "temperature of the CO2 module out of range"},
}

var pumpFlags = []flag{{0x01, eventProblem, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "CO2 pump off"}}

type module struct {
	core
	status, extended, pump byte
	worth                  protocol.Quality // of CO2, as last told
	period                 time.Duration    // of the wave; 0 until the module has said it

	frames  uint64
	heard   time.Duration
	hello   time.Duration // when to introduce ourselves again
	check   time.Duration // when to ask for the extended status
	standby bool
}

func newModule() *module {
	d := &module{worth: protocol.QualityGood}
	d.framer = framer.Framer{Max: 1 + 2*(maxLen+2), Frame: d.frame}
	return d
}

func (d *module) frame(b []byte) int {
	m, n := unframe(b, &d.plain)
	if n <= 0 {
		return n
	}
	switch data := m[1:]; {
	case m[0] == podWave && len(data) == 4:
		d.identify("Microstream module")
		d.edges(podFlags, &d.status, data[3], time.Time{})
		d.state()
		if d.period > 0 {
			d.sample(data, d.period, d.airway(), data[3]&podInvalid != 0)
		}
	case m[0] == podBreath && len(data) == 3:
		d.identify("Microstream module")
		d.breath(data)
	case m[0] == podMode && len(data) >= 1:
		d.standby = data[0] == modeStandby
	case m[0] == podExtended && len(data) >= 2:
		d.edges(podExtendedFlags, &d.extended, data[0], time.Time{})
		d.edges(pumpFlags, &d.pump, data[1], time.Time{})
	case m[0] == podConfig && len(data) >= 3 && data[0] == outputWave && data[1] == 0:
		d.flush(max(d.period, time.Millisecond), 0)
		d.period = map[byte]time.Duration{1: 25 * time.Millisecond, 2: 50 * time.Millisecond}[data[2]]
	case m[0] == outputVersion:
		d.identify("Microstream module")
		d.word(protocol.IdentityFirmware, printable(data))
	}
	return n
}

// airway is what CO2 is worth by the status of the wave.
func (d *module) airway() protocol.Quality {
	switch s := d.status; {
	case s&(podLineOff|podFault) != 0:
		return protocol.QualitySensorOff
	case s&(podInit|podCalibrating|podPurging) != 0:
		return protocol.QualityCalibrating
	case s&(podInvalid|podOverRange|podDue) != 0:
		return protocol.QualityQuestionable
	}
	return protocol.QualityGood
}

// state takes the numbers back as soon as they are worth nothing, for the next
// breath may never come.
func (d *module) state() {
	q := d.airway()
	if q == d.worth {
		return
	}
	if d.worth = q; !q.HasNumber() {
		d.number(etCO2, "mm[Hg]", 0, q)
		d.number(fiCO2, "mm[Hg]", 0, q)
		d.number(rateCO2, "/min", 0, q)
	}
}

func (d *module) number(code protocol.Code, unit protocol.Unit, v byte, q protocol.Quality) {
	d.numeric(protocol.Observation{Code: code, Unit: unit, Quality: q, Value: protocol.Int(int64(v))})
}

// breath emits the numbers of one breath. 255 and 151 are no CO2 value; a rate
// of 255 makes the whole message invalid.
func (d *module) breath(m []byte) {
	q := d.airway()
	each := func(v byte) protocol.Quality {
		if q.HasNumber() && (m[2] == noneHere || v == noneHere || v == 151) {
			return protocol.QualityMissing
		}
		return q
	}
	d.number(etCO2, "mm[Hg]", m[0], each(m[0]))
	d.number(fiCO2, "mm[Hg]", m[1], each(m[1]))
	rate := q
	if q.HasNumber() && m[2] == noneHere {
		rate = protocol.QualityMissing
	}
	d.number(rateCO2, "/min", m[2], rate)
}

// Ask implements drivers.Asker. At first, and after five seconds of silence, it
// asks who is there, in which mode and how fast the wave is, and has a message
// sent for each breath. A module in standby is told to measure.
func (d *module) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if n := d.framer.Stats().Frames; n != d.frames {
		d.frames, d.heard = n, now
	}
	if now-d.heard > 5*time.Second || d.period == 0 {
		if now >= d.hello {
			d.hello = now + 5*time.Second
			b = appendFrame(b, askMode)
			b = appendFrame(b, askVersion)
			b = appendFrame(b, askOutput, outputWave)
			b = appendFrame(b, setOutput, outputBreath, 0, 1)
		}
	}
	if d.standby {
		d.standby = false
		b = appendFrame(b, setMode, modeMeasure)
		b = appendFrame(b, askMode)
	}
	if now >= d.check {
		d.check = now + 30*time.Second
		b = appendFrame(b, askExtended)
	}
	return b, time.Second
}
