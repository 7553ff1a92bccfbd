package drivertest

import (
	"maps"
	"math"
	"sync"
	"time"

	"monitorme/protocol"
)

// A Patient is a body whose values stay as they are set. Its zero value has no
// sensor on. Safe for concurrent use.
type Patient struct {
	mu     sync.Mutex
	values map[protocol.Code]float64
	words  map[protocol.Code]string
	off    map[protocol.Code]bool
	allOff bool
	rest   bool // codes that were not set have a value too
}

// NewPatient is an adult at rest who has a value for every code: the usual
// signs as named here, any other the middle of its term's range.
func NewPatient() *Patient {
	return &Patient{
		rest: true,
		values: map[protocol.Code]float64{
			protocol.HeartRate: 72, protocol.PulseRate: 72, protocol.SpO2: 97, protocol.PerfusionIndex: 4,
			protocol.NIBPSystolic: 121, protocol.NIBPDiastolic: 78, protocol.NIBPMean: 92,
			protocol.ABPSystolic: 118, protocol.ABPDiastolic: 74, protocol.ABPMean: 89,
			protocol.RespirationRate: 14, protocol.BodyTemperature: 36.8, protocol.Glucose: 104,
		},
		words: map[protocol.Code]string{protocol.SleepStatus: "awake"},
	}
}

// Set gives a code another value.
func (p *Patient) Set(code protocol.Code, v float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.values == nil {
		p.values = map[protocol.Code]float64{}
	}
	p.values[code] = v
}

// Say gives an enumeration another word.
func (p *Patient) Say(code protocol.Code, w string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.words == nil {
		p.words = map[protocol.Code]string{}
	}
	p.words[code] = w
}

// Off takes the sensors of some codes off, or puts them on again.
func (p *Patient) Off(off bool, codes ...protocol.Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off == nil {
		p.off = map[protocol.Code]bool{}
	}
	for _, c := range codes {
		p.off[c] = off
	}
}

// AllOff takes every sensor off, or puts back those that Off has not taken.
func (p *Patient) AllOff(off bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allOff = off
}

// Numeric implements drivers.Patient.
func (p *Patient) Numeric(code protocol.Code, _ time.Time) (float64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.numeric(code)
}

func (p *Patient) numeric(code protocol.Code) (float64, bool) {
	if p.allOff || p.off[code] {
		return 0, false
	}
	if v, ok := p.values[code]; ok || !p.rest {
		return v, ok
	}
	t, _ := protocol.Lookup(code)
	return math.Round((t.Low + t.High) / 2), true
}

// Wave implements drivers.Patient: one rise and fall for each heart beat, from
// 0 to 1 in the unit of the term, pressures between diastole and systole.
func (p *Patient) Wave(code protocol.Code, from time.Time, rateHz float64, dst []float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.allOff || p.off[code] || !p.rest {
		return false
	}
	beat := 60 / max(1, p.values[protocol.HeartRate])
	low, high := 0.0, 1.0
	if code == protocol.ABPWave {
		low, high = p.values[protocol.ABPDiastolic], p.values[protocol.ABPSystolic]
	}
	start := float64(from.UnixMicro()%3_600_000_000) / 1e6
	for i := range dst {
		_, phase := math.Modf((start + float64(i)/rateHz) / beat)
		dst[i] = low + (high-low)*(1-math.Cos(2*math.Pi*phase))/2
	}
	return true
}

// Word implements drivers.Patient.
func (p *Patient) Word(code protocol.Code, _ time.Time) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.words[code]
	return w, ok && !p.allOff && !p.off[code]
}

// change moves every value by a little, so that a test sees which is old.
func (p *Patient) change(codes []protocol.Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	moved := maps.Clone(p.values)
	if moved == nil {
		moved = map[protocol.Code]float64{}
	}
	for _, c := range codes {
		v, ok := p.numeric(c)
		if step := math.Max(1, math.Round(v*0.04)); ok {
			moved[c] = v - step
		}
	}
	p.values = moved
}
