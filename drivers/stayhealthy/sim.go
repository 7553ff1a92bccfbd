package stayhealthy

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// A Device is a simulated sensor or hub. The zero value is a hub with all
// eight signs and a lead II electrocardiogram in one block a second.
type Device struct {
	Model  string // "" is "Hub"
	Serial string // "" is "SH-0001"
	// Signs are what it measures; nil is all eight. SignECG adds the waves.
	Signs []protocol.Sign
	// Waves are what it draws: ECG leads, Pleth, RespirationWave, ABPWave; nil
	// is lead II. Waves only come with SignECG.
	Waves []protocol.Code
	// ECGRateHz is the sample rate of ECG leads; 0 is 250. At most 500.
	ECGRateHz int
	// SlowRateHz is the sample rate of pleth and respiration; 0 is 75 and 25. At
	// most 500.
	SlowRateHz int
	// BlocksPerSecond is how often a block of each wave is sent, 1 to 4; 0 is 1.
	BlocksPerSecond int
	// TimeScale shortens the periods of 5 s and more by that factor, for demos;
	// 0 is 1.
	TimeScale float64
}

// Devices as they are sold. Each is ready to Simulate.
var (
	Hub          = Device{}
	HeartPatch   = Device{Model: "Heart", Serial: "SH-0101", Signs: []protocol.Sign{protocol.SignHeartRate, protocol.SignECG, protocol.SignRespirationRate}, BlocksPerSecond: 4}
	OxygenClip   = Device{Model: "Oxygen", Serial: "SH-0201", Signs: []protocol.Sign{protocol.SignOxygen}}
	Cuff         = Device{Model: "Cuff", Serial: "SH-0301", Signs: []protocol.Sign{protocol.SignBloodPressure}}
	Thermo       = Device{Model: "Thermo", Serial: "SH-0401", Signs: []protocol.Sign{protocol.SignTemperature}}
	GlucosePatch = Device{Model: "Glucose", Serial: "SH-0501", Signs: []protocol.Sign{protocol.SignBloodSugar}}
	SleepBand    = Device{Model: "Sleep", Serial: "SH-0601", Signs: []protocol.Sign{protocol.SignSleep}}
)

// Validate says what in d cannot be simulated.
func (d Device) Validate() error {
	for _, s := range d.Signs {
		if !slices.Contains(protocol.Signs, s) {
			return fmt.Errorf("sign %q: want one of %v", s, protocol.Signs)
		}
	}
	for _, w := range d.Waves {
		if _, ok := waveOf(w, 250); !ok {
			return fmt.Errorf("wave %d: want an ECG lead, pleth, respiration or arterial pressure", w)
		}
	}
	switch {
	case d.ECGRateHz < 0 || d.ECGRateHz > 500:
		return fmt.Errorf("ECG rate %d/s: want 1 to 500", d.ECGRateHz)
	case d.SlowRateHz < 0 || d.SlowRateHz > 500:
		return fmt.Errorf("pleth and respiration rate %d/s: want 1 to 500", d.SlowRateHz)
	case d.BlocksPerSecond < 0 || d.BlocksPerSecond > 4:
		return fmt.Errorf("%d blocks per second: want 1 to 4", d.BlocksPerSecond)
	case d.TimeScale < 0 || d.TimeScale > 3600:
		return fmt.Errorf("time scale %v: want up to 3600", d.TimeScale)
	}
	return nil
}

// A reading is what one sign sends in one numeric frame.
type reading struct {
	sign   protocol.Sign
	period time.Duration
	off    protocol.Code // the event while its sensor is off
	parts  []part
}

type part struct {
	code     protocol.Code
	unit     protocol.Unit
	exponent int8
}

var readings = []reading{
	{protocol.SignHeartRate, 500 * time.Millisecond, protocol.EventLeadsOff, []part{{protocol.HeartRate, "/min", 0}}},
	{protocol.SignRespirationRate, time.Second, protocol.EventLeadsOff, []part{{protocol.RespirationRate, "/min", 0}}},
	{protocol.SignOxygen, 5 * time.Second, protocol.EventSensorOff, []part{{protocol.SpO2, "%", 0}, {protocol.PulseRate, "/min", 0}}},
	{protocol.SignBloodSugar, 2 * time.Minute, protocol.EventSensorOff, []part{{protocol.Glucose, "mg/dL", 0}}},
	{protocol.SignTemperature, 5 * time.Minute, protocol.EventSensorOff, []part{{protocol.BodyTemperature, "Cel", -1}}},
	{protocol.SignBloodPressure, time.Hour, protocol.EventSensorOff, []part{{protocol.NIBPSystolic, "mm[Hg]", 0}, {protocol.NIBPDiastolic, "mm[Hg]", 0}, {protocol.NIBPMean, "mm[Hg]", 0}}},
}

const sleepPeriod = 2 * time.Minute

// A wave is one drawn signal.
type wave struct {
	code        protocol.Code
	unit        protocol.Unit
	rateMilliHz int64
	step        scale // of one count
}

func waveOf(code protocol.Code, ecgHz int) (wave, bool) {
	switch {
	case code >= protocol.ECGLeadI && code <= protocol.ECGLeadI+7, code >= 131389 && code <= protocol.ECGLeadV:
		return wave{code, "mV", int64(ecgHz) * 1000, scale{2, -3}}, true
	case code == protocol.Pleth:
		return wave{code, "1", 75_000, scale{1, -3}}, true
	case code == protocol.RespirationWave:
		return wave{code, "Ohm", 25_000, scale{1, -3}}, true
	case code == protocol.ABPWave:
		return wave{code, "mm[Hg]", 125_000, scale{1, -1}}, true
	}
	return wave{}, false
}

// playing is one Simulate.
type playing struct {
	Device
	encoder
	patient drivers.Patient
	start   time.Time
	waves   []wave
	off     map[protocol.Code]bool // by the first code of a reading, or of sleep
}

// Simulate plays d for the patient at the far end of wire until ctx ends or
// the wire fails.
func (d Device) Simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	if err := d.Validate(); err != nil {
		return err
	}
	p := &playing{Device: d.withDefaults(), patient: patient, start: time.Now(), off: map[protocol.Code]bool{}}
	if p.has(protocol.SignECG) {
		for _, c := range p.Waves {
			w, _ := waveOf(c, p.ECGRateHz)
			if p.SlowRateHz > 0 && (c == protocol.Pleth || c == protocol.RespirationWave) {
				w.rateMilliHz = int64(p.SlowRateHz) * 1000
			}
			p.waves = append(p.waves, w)
		}
	}
	return play.Run(ctx, wire, play.Device{Parts: p.parts()})
}

func (d Device) withDefaults() Device {
	if d.Model == "" {
		d.Model = "Hub"
	}
	if d.Serial == "" {
		d.Serial = "SH-0001"
	}
	if d.Signs == nil {
		d.Signs = protocol.Signs
	}
	if d.Waves == nil {
		d.Waves = []protocol.Code{protocol.ECGLeadII}
	}
	d.ECGRateHz = max(d.ECGRateHz, 0)
	if d.ECGRateHz == 0 {
		d.ECGRateHz = 250
	}
	d.BlocksPerSecond = max(d.BlocksPerSecond, 1)
	if d.TimeScale == 0 {
		d.TimeScale = 1
	}
	return d
}

func (d Device) has(s protocol.Sign) bool { return slices.Contains(d.Signs, s) }

// period is how often a sign with that standard period is sent.
func (d Device) period(standard time.Duration) time.Duration {
	if standard < 5*time.Second {
		return standard
	}
	return max(time.Duration(float64(standard)/d.TimeScale), 500*time.Millisecond)
}

// parts are what p sends, identity and clock first.
func (p *playing) parts() []play.Part {
	parts := []play.Part{
		{Every: 10 * time.Second, Append: p.introduce},
		{Every: time.Second, Append: p.alive},
	}
	for _, r := range readings {
		if p.has(r.sign) {
			parts = append(parts, play.Part{Every: p.period(r.period), Append: func(b []byte, at time.Time) []byte { return p.read(b, at, r) }})
		}
	}
	if p.has(protocol.SignSleep) {
		parts = append(parts, play.Part{Every: p.period(sleepPeriod), Append: p.sleep})
	}
	every := time.Second / time.Duration(p.BlocksPerSecond)
	for _, w := range p.waves {
		parts = append(parts, play.Part{Every: every, First: every, Append: func(b []byte, at time.Time) []byte { return p.draw(b, at, every, w) }})
	}
	return append(parts, play.Part{Every: time.Second, Append: p.watch})
}

func (p *playing) uptime(at time.Time) uint32 { return uint32(at.Sub(p.start).Milliseconds()) }

// introduce sends the identity, and which sensors are still off.
func (p *playing) introduce(b []byte, at time.Time) []byte {
	id := identity{manufacturer: "StayHealthy", model: p.Model, serial: p.Serial, firmware: "1.0.0"}
	for _, r := range readings {
		if p.has(r.sign) {
			for _, q := range r.parts {
				id.channels = append(id.channels, channel{code: q.code, kind: protocol.KindNumeric, unit: unitNumber(q.unit), exponent: q.exponent, period: uint32(p.period(r.period).Milliseconds())})
			}
		}
	}
	if p.has(protocol.SignSleep) {
		id.channels = append(id.channels, channel{code: protocol.SleepStatus, kind: protocol.KindEnumeration, period: uint32(p.period(sleepPeriod).Milliseconds())})
	}
	for _, w := range p.waves {
		id.channels = append(id.channels, channel{code: w.code, kind: protocol.KindSamples, unit: unitNumber(w.unit), period: uint32(1000 / p.BlocksPerSecond), rateMilliHz: uint32(w.rateMilliHz), scale: w.step})
	}
	b = p.identity(b, p.uptime(at), id)
	for _, r := range readings {
		if p.off[r.parts[0].code] {
			b = p.sensor(b, at, r.off, r.parts[0].code, protocol.PhaseContinue)
		}
	}
	if p.off[protocol.SleepStatus] {
		b = p.sensor(b, at, protocol.EventSensorOff, protocol.SleepStatus, protocol.PhaseContinue)
	}
	return b
}

// alive sends the clock.
func (p *playing) alive(b []byte, at time.Time) []byte {
	return p.status(b, p.uptime(at), uint64(at.UnixMilli()), true, 255)
}

// watch sends at once what a sensor says that came off or is on again, however
// long its period.
func (p *playing) watch(b []byte, at time.Time) []byte {
	for _, r := range readings {
		if _, on := p.patient.Numeric(r.parts[0].code, at); p.has(r.sign) && on == p.off[r.parts[0].code] {
			b = p.read(b, at, r)
		}
	}
	if _, on := p.patient.Word(protocol.SleepStatus, at); p.has(protocol.SignSleep) && on == p.off[protocol.SleepStatus] {
		b = p.sleep(b, at)
	}
	return b
}

// notice sends the event of a sensor that came off or is on again.
func (p *playing) notice(b []byte, at time.Time, code, source protocol.Code, on bool) []byte {
	if p.off[source] != on {
		return b
	}
	p.off[source] = !on
	if on {
		return p.sensor(b, at, code, source, protocol.PhaseEnd)
	}
	return p.sensor(b, at, code, source, protocol.PhaseStart)
}

func (p *playing) sensor(b []byte, at time.Time, code, source protocol.Code, phase protocol.Phase) []byte {
	return p.event(b, p.uptime(at), event{code: code, source: source, phase: phase, priority: protocol.PriorityLow, kind: protocol.AlarmTechnical, text: "sensor off"})
}

func (p *playing) read(b []byte, at time.Time, r reading) []byte {
	_, on := p.patient.Numeric(r.parts[0].code, at)
	b = p.notice(b, at, r.off, r.parts[0].code, on)
	var numbers [3]number
	for i, q := range r.parts {
		n := number{code: q.code, unit: unitNumber(q.unit), exponent: q.exponent, mantissa: noValue, quality: protocol.QualitySensorOff}
		if v, ok := p.patient.Numeric(q.code, at); ok {
			n.mantissa, n.quality = int32(math.Round(v*math.Pow10(-int(q.exponent)))), protocol.QualityGood
		}
		numbers[i] = n
	}
	return p.numbers(b, p.uptime(at), numbers[:len(r.parts)]...)
}

func (p *playing) sleep(b []byte, at time.Time) []byte {
	w, on := p.patient.Word(protocol.SleepStatus, at)
	b = p.notice(b, at, protocol.EventSensorOff, protocol.SleepStatus, on)
	q := protocol.QualityGood
	if !on {
		w, q = "unknown", protocol.QualitySensorOff
	}
	return p.word(b, p.uptime(at), protocol.SleepStatus, 0, 0, q, w)
}

// draw sends the samples of the stretch of time that ends at at.
func (p *playing) draw(b []byte, at time.Time, stretch time.Duration, w wave) []byte {
	first, end := samplesIn(at.Add(-stretch).Sub(p.start), w.rateMilliHz), samplesIn(at.Sub(p.start), w.rateMilliHz)
	from := p.start.Add(timeOf(first, w.rateMilliHz))
	values := make([]float64, end-first)
	k := block{code: w.code, rateMilliHz: uint32(w.rateMilliHz), first: uint32(first), delay: uint32(at.Sub(from).Microseconds()),
		scale: w.step, unit: unitNumber(w.unit), quality: protocol.QualityGood, samples: make([]int16, end-first)}
	if !p.patient.Wave(w.code, from, float64(w.rateMilliHz)/1000, values) {
		k.quality = protocol.QualitySensorOff
		for i := range values {
			values[i] = math.NaN()
		}
	}
	per := protocol.Dec(int64(w.step.mantissa), w.step.exponent).Float64()
	for i, v := range values {
		k.samples[i] = noSample
		if !math.IsNaN(v) {
			k.samples[i] = int16(math.Round(min(max(v/per, -32767), 32767)))
		}
	}
	return p.samples(b, p.uptime(at), k)
}

// samplesIn is how many samples lie in the first d, exact for years.
func samplesIn(d time.Duration, rateMilliHz int64) int64 {
	s, ns := int64(d/time.Second), int64(d%time.Second)
	return (s*rateMilliHz + ns*rateMilliHz/int64(time.Second)) / 1000
}

// timeOf is when sample n is taken, at or before the microsecond.
func timeOf(n, rateMilliHz int64) time.Duration {
	s := n * 1000 / rateMilliHz
	rest := n*1000 - s*rateMilliHz
	return time.Duration(s)*time.Second + time.Duration(rest*1_000_000/rateMilliHz)*time.Microsecond
}
