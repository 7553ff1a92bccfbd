package microstream

import (
	"encoding/binary"
	"strings"
	"time"

	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// What the host may say to the monitor; there are no others.
const (
	askEnable = 1
	askStart  = 4
	askAlive  = 6
)

// Codes of the monitor.
const (
	sayWave    = 0
	sayNumbers = 1
	sayID      = 4
)

const numbersLen = 27

// Fast status, with each sample of the wave.
const (
	fastInvalid      = 0x01
	fastInitialising = 0x02
	fastOcclusion    = 0x04
	fastStandby      = 0x10
	fastPurge        = 0x20
	fastLineOff      = 0x40
	fastMalfunction  = 0x80
)

// noneHere is a value that is not there.
const noneHere = 0xFF

const wavePeriod = 50 * time.Millisecond

var fastFlags = []flag{
	{fastLineOff, protocol.EventSensorOff, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "FilterLine off"},
	{fastOcclusion, eventProblem, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "FilterLine occluded"},
	{fastMalfunction, eventMalfunction, etCO2, protocol.AlarmTechnical, protocol.PriorityMedium, "CO2 malfunction"},
}

var co2Flags = []flag{
	{0x01, eventApnoea, rateCO2, protocol.AlarmPhysiological, protocol.PriorityHigh, "no breath"},
	{0x02, protocol.EventHigh, etCO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "etCO2 above the monitor's limit"},
	{0x04, protocol.EventLow, etCO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "etCO2 below the monitor's limit"},
	{0x08, protocol.EventHigh, rateCO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "respiration rate above the monitor's limit"},
	{0x10, protocol.EventLow, rateCO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "respiration rate below the monitor's limit"},
	{0x20, protocol.EventHigh, fiCO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "FiCO2 above the monitor's limit"},
}

const spo2Off = 0x20 | 0x40

var spo2Flags = []flag{
	{0x01, protocol.EventAlarm, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityHigh, "no pulse found by the oximeter"},
	{0x02, protocol.EventHigh, protocol.SpO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "SpO2 above the monitor's limit"},
	{0x04, protocol.EventLow, protocol.SpO2, protocol.AlarmPhysiological, protocol.PriorityMedium, "SpO2 below the monitor's limit"},
	{0x08, protocol.EventHigh, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityMedium, "pulse rate above the monitor's limit"},
	{0x10, protocol.EventLow, protocol.PulseRate, protocol.AlarmPhysiological, protocol.PriorityMedium, "pulse rate below the monitor's limit"},
	{0x20, protocol.EventSensorOff, protocol.SpO2, protocol.AlarmTechnical, protocol.PriorityLow, "SpO2 sensor off the patient"},
	{0x40, protocol.EventSensorOff, protocol.SpO2, protocol.AlarmTechnical, protocol.PriorityLow, "SpO2 sensor disconnected"},
}

var extendedFlags = []flag{
	{0x01, protocol.EventAlarm, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "CO2 calibration is due"},
	{0x02, eventProblem, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "check the flow of the CO2 sample"},
	{0x04, eventProblem, etCO2, protocol.AlarmTechnical, protocol.PriorityLow, "CO2 pump off"},
}

var slowFlags = []flag{
	{0x04, protocol.EventAlarm, 0, protocol.AlarmAdvisory, protocol.PriorityNone, "alarms silenced at the monitor"},
}

type monitor struct {
	core
	fast, co2, spo2, extended, slow byte
	last                            numbers
	odd                             int // frames in a row whose SpO2 is not believed

	// Of the conversation.
	known   bool // the monitor has said who it is
	started bool
	frames  uint64
	heard   time.Duration
	retry   time.Duration
	alive   time.Duration
}

// numbers are the values of one frame as sent.
type numbers struct{ et, fi, rate, spo2, pulse byte }

func newMonitor() *monitor {
	d := &monitor{}
	d.framer = framer.Framer{Max: 1 + 2*(maxLen+2), Frame: d.frame}
	return d
}

func (d *monitor) frame(b []byte) int {
	m, n := unframe(b, &d.plain)
	if n <= 0 {
		return n
	}
	switch data := m[1:]; {
	case m[0] == sayWave && len(data) == 4:
		d.identify("Capnostream 20")
		d.edges(fastFlags, &d.fast, data[3], time.Time{})
		d.sample(data, wavePeriod, d.airway(), data[3]&fastInvalid != 0)
	case m[0] == sayNumbers && len(data) >= numbersLen:
		d.identify("Capnostream 20")
		d.numbers(data)
	case m[0] == sayID:
		d.known = true
		d.identify("Capnostream 20")
		d.word(protocol.IdentityFirmware, printable(data))
	}
	return n
}

// printable is text of the device without what it is filled up with.
func printable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, string(b)))
}

// airway is what CO2 is worth by the fast status.
func (d *monitor) airway() protocol.Quality {
	switch s := d.fast; {
	case s&(fastLineOff|fastMalfunction) != 0:
		return protocol.QualitySensorOff
	case s&(fastInitialising|fastPurge) != 0:
		return protocol.QualityCalibrating
	case s&(fastStandby|fastOcclusion) != 0:
		return protocol.QualityMissing
	case s&fastInvalid != 0:
		return protocol.QualityQuestionable
	}
	return protocol.QualityGood
}

func (d *monitor) numbers(data []byte) {
	var at time.Time
	if s := binary.BigEndian.Uint32(data); s != 0 {
		at = time.Unix(int64(s), 0).UTC()
	}
	now := numbers{data[4], data[5], data[6], data[7], data[8]}
	d.edges(co2Flags, &d.co2, data[13], at)
	d.edges(spo2Flags, &d.spo2, data[14], at)
	d.edges(extendedFlags, &d.extended, data[26], at)
	d.edges(slowFlags, &d.slow, data[9], at)

	air := d.airway()
	d.gas(etCO2, now.et, data[25], air, at)
	d.gas(fiCO2, now.fi, data[25], air, at)
	d.value(rateCO2, "/min", now.rate, air, at)
	finger := protocol.QualityGood
	switch {
	case data[14]&spo2Off != 0:
		finger = protocol.QualitySensorOff
	case d.shifted(now):
		finger = protocol.QualityInvalid
	}
	d.value(protocol.SpO2, "%", now.spo2, finger, at)
	d.value(protocol.PulseRate, "/min", now.pulse, finger, at)
	if finger != protocol.QualityInvalid {
		d.last = now
	}
}

// leastJump is what SpO2 cannot fall in a second.
const leastJump = 15

// shifted recognises the monitor's fault of sending, now and then, the
// respiration rate once more in place of SpO2: a jump to it while CO2 stays the
// same. What stays so for long is not it.
func (d *monitor) shifted(now numbers) bool {
	l := d.last
	if now.spo2 == noneHere || l.spo2 == noneHere || now.spo2 != l.rate || int(l.spo2)-int(now.spo2) < leastJump || now.et != l.et || now.fi != l.fi {
		d.odd = 0
		return false
	}
	d.odd++
	return d.odd <= 5
}

func (d *monitor) value(code protocol.Code, unit protocol.Unit, v byte, q protocol.Quality, at time.Time) {
	o := protocol.Observation{Code: code, Unit: unit, Quality: q, Value: protocol.Int(int64(v)), DeviceTime: at}
	if v == noneHere && q != protocol.QualitySensorOff && q != protocol.QualityCalibrating {
		o.Quality = protocol.QualityMissing
	}
	d.numeric(o)
}

// gas gives a CO2 value in mmHg. A concentration cannot be converted without
// the air pressure: it is kept as sent, but not shown.
func (d *monitor) gas(code protocol.Code, v, unit byte, q protocol.Quality, at time.Time) {
	if v == noneHere || unit == 1 || !q.HasNumber() {
		d.value(code, "mm[Hg]", v, q, at)
		return
	}
	o := protocol.Observation{Code: code, Unit: "%", Quality: protocol.QualityInvalid, Value: protocol.Dec(int64(v), -1), DeviceTime: at}
	switch unit {
	case 2:
		o.Unit, o.Quality = "mm[Hg]", q
		o.Value, _ = protocol.Convert(o.Value, "kPa", "mm[Hg]")
	case 3:
	default: // a unit that nobody knows
		o.Unit, o.Quality, o.Value = "mm[Hg]", protocol.QualityMissing, protocol.Decimal{}
	}
	d.numeric(o)
}

// Ask implements drivers.Asker: enable until the monitor says who it is, start,
// and say every five seconds that the link is alive.
func (d *monitor) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if n := d.framer.Stats().Frames; n != d.frames {
		d.frames, d.heard = n, now
	}
	if now-d.heard > 3*time.Second {
		d.known, d.started = false, false
	}
	if d.known && !d.started {
		d.started, d.alive = true, now+5*time.Second
		b = appendFrame(appendFrame(b, askStart), askAlive)
	}
	if !d.started && now >= d.retry {
		d.retry = now + 2*time.Second
		b = appendFrame(b, askEnable)
	}
	if d.started && now >= d.alive {
		d.alive = now + 5*time.Second
		b = appendFrame(b, askAlive)
	}
	if d.started {
		return b, min(d.alive-now, time.Second)
	}
	return b, d.retry - now
}
