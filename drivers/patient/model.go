package patient

import (
	"math"
	"sync"
	"time"

	"monitorme/protocol"
)

// Config is one modelled patient.
type Config struct {
	// Seed makes two patients of one profile different people.
	Seed uint64
	// Profile is the body at rest; see NamedProfile.
	Profile Profile
	// Start is the zero of the scenario's times. The body itself has neither
	// beginning nor end.
	Start time.Time
	// Zone is where the ward is, for day and night; nil is UTC.
	Zone *time.Location
	// Scenario is what happens.
	Scenario Scenario
}

// A Model is a modelled patient, a drivers.Patient. It is safe for concurrent
// use; asked far back and forth in time by several devices it stays right but
// works more.
//
// Units are those of the terms: /min, mmHg, %, °C, mg/dL, mV. Pleth has no unit
// and lies within 0 to 1; the respiration wave is the change of impedance in
// ohm, within ±1; arterial pressure is in mmHg.
type Model struct {
	seed      uint64
	profile   Profile
	start     float64 // Unix seconds
	zone      *time.Location
	scenario  Scenario
	mealShift float64 // hours
	slowWaves [5]slowWave
	heart     heart

	mu       sync.Mutex
	segments [4]*segment // the last ones used
	next     int         // the one to replace

	nightMu  sync.Mutex
	night    *night
	nextNoon float64
}

// A slowWave is one line of the spectrum of the heart rate near 0.1 Hz.
type slowWave struct{ amplitude, omega, phase float64 }

// New makes a patient, or says what in cfg is wrong.
func New(cfg Config) (*Model, error) {
	if err := cfg.Profile.Validate(); err != nil {
		return nil, err
	}
	if err := cfg.Scenario.Validate(); err != nil {
		return nil, err
	}
	m := &Model{
		seed: hash(cfg.Seed, streamTraits, 0), profile: cfg.Profile, scenario: cfg.Scenario,
		start: seconds(cfg.Start), zone: cfg.Zone,
	}
	if m.zone == nil {
		m.zone = time.UTC
	}
	trait := func(i int64, lo, hi float64) float64 { return between(m.seed, streamTraits, i, lo, hi) }
	p := &m.profile // people of one profile differ a little
	p.HeartRate *= trait(1, 0.96, 1.04)
	p.Systolic *= trait(2, 0.97, 1.03)
	p.Diastolic *= trait(3, 0.97, 1.03)
	p.RespirationRate *= trait(4, 0.95, 1.05)
	p.SpO2 = min(99.6, p.SpO2+trait(5, -0.5, 0.5))
	p.Perfusion *= trait(6, 0.8, 1.25)
	p.Temperature += trait(7, -0.12, 0.12)
	p.Glucose *= trait(8, 0.95, 1.05)
	m.mealShift = trait(9, -0.4, 0.4)
	m.heart = newHeart(trait)
	for i := range m.slowWaves {
		f := 0.1 + 0.018*(float64(i)-2) + trait(int64(20+i), -0.005, 0.005)
		weight := math.Exp(-(f - 0.1) * (f - 0.1) / (2 * 0.02 * 0.02))
		m.slowWaves[i] = slowWave{weight, 2 * math.Pi * f, trait(int64(30+i), 0, 2*math.Pi)}
	}
	return m, nil
}

// seconds are Unix seconds with their fraction, good to a microsecond.
func seconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }

// segment gives the segment that t, in Unix seconds, lies in.
func (m *Model) segment(t float64) *segment {
	k := int64(math.Floor(t / segmentSeconds))
	start := float64(k) * segmentSeconds
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.segments {
		if s != nil && s.start == start {
			return s
		}
	}
	s := newSegment(m, k)
	m.segments[m.next] = s
	m.next = (m.next + 1) % len(m.segments)
	return s
}

// beatsBetween appends to dst the beats whose R peak lies within [from, to], in
// Unix seconds; their at is made relative to origin.
func (m *Model) beatsBetween(dst []beat, from, to, origin float64) []beat {
	for t := from; ; t += segmentSeconds {
		s := m.segment(min(t, to))
		for _, b := range s.beats {
			if at := s.start + b.at; at >= from && at <= to {
				b.at += s.start - origin
				dst = append(dst, b)
			}
		}
		if s.start+segmentSeconds > to {
			return dst
		}
	}
}

// Numeric gives the true value of code at t; see drivers.Patient. Rates are
// counted from the beats and breaths of the last seconds, as a monitor would.
func (m *Model) Numeric(code protocol.Code, t time.Time) (float64, bool) {
	at := seconds(t)
	if code = signOf(code); m.scenario.off(code, at-m.start) {
		return 0, false
	}
	switch code {
	case protocol.HeartRate:
		return m.heartRate(at), true
	case protocol.PulseRate:
		return m.pulseRate(at)
	case protocol.SpO2:
		_, pulsating := m.pulseRate(at)
		return m.vitalsAt(at).spo2, pulsating
	case protocol.PerfusionIndex:
		_, pulsating := m.pulseRate(at)
		return m.vitalsAt(at).perfusion, pulsating
	case protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, pressureSystolic, pressureDiast, pressureMean:
		return m.cuff(code, at)
	case protocol.ABPSystolic, protocol.ABPDiastolic, protocol.ABPMean:
		sys, dia, mean := m.line(at)
		switch code {
		case protocol.ABPSystolic:
			return sys, true
		case protocol.ABPDiastolic:
			return dia, true
		}
		return mean, true
	case protocol.RespirationRate:
		return m.respirationRate(at), true
	case protocol.BodyTemperature:
		return m.vitalsAt(at).temperature, true
	case protocol.Glucose, glucosePlasma, glucoseTissue:
		return m.vitalsAt(at).glucose, true
	}
	return m.elsewhere(code, at)
}

// Word gives the sleep status at t: awake, light, deep or rem.
func (m *Model) Word(code protocol.Code, t time.Time) (string, bool) {
	at := seconds(t)
	if code != protocol.SleepStatus || m.scenario.off(code, at-m.start) {
		return "", false
	}
	s, _ := m.sleepAt(at)
	return stageWords[s], true
}

const (
	rateWindow = 10.0 // s over which beats are counted
	pause      = 4.0  // s without a beat that are asystole
)

// heartRate is counted over the beats of the last ten seconds. A pause lowers
// it while it lasts; after four seconds without a beat it is 0.
func (m *Model) heartRate(at float64) float64 {
	var few [48]beat
	beats := m.beatsBetween(few[:0], at-rateWindow, at, at)
	return ratePerMinute(beats)
}

// ratePerMinute counts beats whose at is relative to now.
func ratePerMinute(beats []beat) float64 {
	n := len(beats)
	if n == 0 || beats[n-1].at < -pause {
		return 0
	}
	last := beats[n-1]
	if n == 1 {
		return 60 / max(last.rr, -last.at)
	}
	span := last.at - beats[0].at
	mean := span / float64(n-1)
	if -last.at > 1.5*mean { // the next one is overdue
		return 60 * float64(n) / (span - last.at)
	}
	return 60 / mean
}

// pulseRate counts the beats strong enough to reach the finger; false if none
// arrived for eight seconds.
func (m *Model) pulseRate(at float64) (float64, bool) {
	const felt, delay = 0.45, 0.3
	var few [48]beat
	beats := m.beatsBetween(few[:0], at-rateWindow-delay, at-delay, at-delay)
	strong := beats[:0]
	for _, b := range beats {
		if b.strength >= felt {
			strong = append(strong, b)
		}
	}
	if n := len(strong); n == 0 || strong[n-1].at < -8 {
		return 0, false
	}
	if last := strong[len(strong)-1]; last.at < -pause { // it holds the last rate for a moment
		return 60 / last.rr, true
	}
	return ratePerMinute(strong), true
}

// respirationRate is counted over the last 15 seconds, 0 after a pause as long.
func (m *Model) respirationRate(at float64) float64 {
	const window = 15
	s := m.segment(at)
	breaths := s.breathsAt(at - s.start)
	if before := m.segment(at - window); before == s {
		breaths -= s.breathsAt(at - window - s.start)
	} else {
		breaths += float64(before.breaths[steps]) - before.breathsAt(at-window-before.start)
	}
	return max(0, breaths) * 60 / window
}

// cuff is the pressure that a cuff would find, without a beat-to-beat swing;
// false when there is too little pulse to find one.
func (m *Model) cuff(code protocol.Code, at float64) (float64, bool) {
	if _, pulsating := m.pulseRate(at); !pulsating {
		return 0, false
	}
	v := m.vitalsAt(at)
	switch code {
	case protocol.NIBPSystolic, pressureSystolic:
		return v.sys, true
	case protocol.NIBPDiastolic, pressureDiast:
		return v.dia, true
	}
	rr := 60 / max(v.heart, 30)
	b := beat{rr: rr, expected: rr, strength: 1, sys: v.sys, dia: v.dia}
	return b.mean(v.dia, rr), true
}
