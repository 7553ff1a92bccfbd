package patient

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"monitorme/protocol"
)

// signalCodes are the signal names of WFDB records, in lower case.
var signalCodes = map[string]protocol.Code{
	"i": protocol.ECGLeadI, "ii": protocol.ECGLeadII, "mlii": protocol.ECGLeadII, "iii": ecgLeadIII,
	"avr": ecgLeadAVR, "avl": ecgLeadAVL, "avf": ecgLeadAVF, "v": protocol.ECGLeadV, "mcl1": protocol.ECGLeadV,
	"v1": 131331, "v2": 131332, "v3": 131333, "v4": 131334, "v5": 131335, "v6": 131336, // MDC_ECG_ELEC_POTL_V1 to _V6
	"pleth": protocol.Pleth, "ppg": protocol.Pleth, "abp": protocol.ABPWave, "art": protocol.ABPWave,
	"pap": 150044, "cvp": 150084, // MDC_PRESS_BLD_ART_PULM, MDC_PRESS_BLD_VEN_CENT
	"resp": protocol.RespirationWave,
}

// also are codes under which a recording may have what is asked for: a chest
// lead by its place, a pressure or a blood sugar whose kind is not stated.
var also = map[protocol.Code][]protocol.Code{
	protocol.ECGLeadV:      {131335, 131332, 131331},
	protocol.NIBPSystolic:  {pressureSystolic},
	protocol.NIBPDiastolic: {pressureDiast},
	protocol.NIBPMean:      {pressureMean},
	pressureSystolic:       {protocol.NIBPSystolic},
	pressureDiast:          {protocol.NIBPDiastolic},
	pressureMean:           {protocol.NIBPMean},
	protocol.Glucose:       {glucoseTissue, glucosePlasma},
	glucoseTissue:          {protocol.Glucose},
	glucosePlasma:          {protocol.Glucose},
}

// Recorded plays a recording as a drivers.Patient, again and again from Start.
// Numbers are those of the file: each is held for the usual distance of its
// column and then missing, never interpolated; an empty field is a sensor
// without a value. The pulse rate is the heart rate where the file has a
// saturation but no pulse. Waves are resampled to the rate asked for, and
// cross-faded where the loop closes and where one record follows another; pleth
// is scaled to 0…1 and respiration to ±0.5, because their units in recordings
// mean nothing. Before Start nothing is there. Safe for concurrent use.
type Recorded struct {
	start    float64
	scenario Scenario
	table    *table
	loops    map[string]*loop
	only     *loop // set if one record is played: its loop is the time of the table, too
}

// Patient makes a patient of the recording id. Of a scenario it can play the
// sensors that fall off, and nothing else.
func (r *Recordings) Patient(id string, start time.Time, scenario Scenario) (*Recorded, error) {
	if err := scenario.Validate(); err != nil {
		return nil, err
	}
	for _, e := range scenario {
		if e.Kind != SensorOff {
			return nil, fmt.Errorf("recording %s: %s cannot happen to a recorded patient, only %s", id, e.Kind, SensorOff)
		}
	}
	p := &Recorded{start: seconds(start), scenario: scenario, loops: map[string]*loop{}}
	if r.records[id] != nil {
		l, err := r.loop(id)
		if err != nil {
			return nil, err
		}
		p.only, p.loops[id], p.table = l, l, r.tables[id+"_numerics"]
		return p, nil
	}
	p.table = r.tables[id]
	if p.table == nil {
		return nil, fmt.Errorf("recording %q is not one of %s", id, strings.Join(r.IDs(), ", "))
	}
	if p.table.wave != nil {
		for _, name := range p.table.wave.words {
			l, err := r.loop(name)
			if err != nil {
				return nil, fmt.Errorf("%s: column wave: %w", p.table.path, err)
			}
			p.loops[name] = l
		}
	}
	return p, nil
}

// loop loads a record.
func (r *Recordings) loop(name string) (*loop, error) {
	rec := r.records[name]
	if rec == nil {
		return nil, fmt.Errorf("there is no record %q", name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := rec.load(); err != nil {
		return nil, err
	}
	return newLoop(rec, r.loops[name])
}

// row is the time in the table at t, counted from its first row.
func (p *Recorded) row(at float64) float64 {
	since := at - p.start
	if since < 0 || p.table == nil {
		return -1
	}
	if p.only != nil {
		return p.only.position(since) - p.table.times[0]
	}
	return math.Mod(since, p.table.length())
}

// Numeric gives what the recording has at t; see drivers.Patient.
func (p *Recorded) Numeric(code protocol.Code, t time.Time) (float64, bool) {
	at := seconds(t)
	if p.scenario.off(code, at-p.start) || p.table == nil {
		return 0, false
	}
	row := p.row(at)
	if v, ok := p.table.at(p.table.numbers[code], row); ok {
		return v, true
	}
	for _, other := range also[code] {
		if v, ok := p.table.at(p.table.numbers[other], row); ok {
			return v, true
		}
	}
	if code == protocol.PulseRate && p.table.numbers[code] == nil {
		if _, ok := p.table.at(p.table.numbers[protocol.SpO2], row); ok {
			return p.table.at(p.table.numbers[protocol.HeartRate], row)
		}
	}
	return 0, false
}

// Word gives the recorded sleep status at t.
func (p *Recorded) Word(code protocol.Code, t time.Time) (string, bool) {
	at := seconds(t)
	if code != protocol.SleepStatus || p.table == nil || p.scenario.off(code, at-p.start) {
		return "", false
	}
	return p.table.word(p.table.sleep, p.row(at))
}

// playing is the loop whose waves are shown since seconds after the start.
func (p *Recorded) playing(since float64) *loop {
	if p.only != nil || since < 0 {
		return p.only
	}
	name, _ := p.table.word(p.table.wave, math.Mod(since, p.table.length()))
	return p.loops[name]
}

// Wave fills dst with the recorded wave; see drivers.Patient. Where single
// samples are missing the one before is held.
func (p *Recorded) Wave(code protocol.Code, from time.Time, rateHz float64, dst []float64) bool {
	at := seconds(from)
	since := at - p.start
	if !(rateHz > 0) || since < 0 || p.scenario.off(code, since) {
		return false
	}
	now := p.playing(since)
	length := float64(len(dst)) / rateHz
	steady := p.only != nil || p.playing(since-fade) == now && p.playing(since+length) == now && length < p.table.step
	last := math.NaN()
	for i := range dst {
		t := since + float64(i)/rateHz
		var v float64
		if steady {
			v = now.sample(code, t)
		} else {
			v = p.sample(code, t)
		}
		if math.IsNaN(v) {
			v = last
		}
		dst[i], last = v, v
	}
	first := slices.IndexFunc(dst, func(v float64) bool { return !math.IsNaN(v) })
	if first < 0 {
		return false
	}
	for i := range first {
		dst[i] = dst[first]
	}
	return true
}

// sample is the wave of a table's patient at t seconds after the start, faded
// over where another record has just begun; NaN if there is none.
func (p *Recorded) sample(code protocol.Code, t float64) float64 {
	now := p.playing(t)
	v := now.sample(code, t)
	if before := p.playing(t - fade); before != now {
		if old := before.sample(code, t); !math.IsNaN(old) && !math.IsNaN(v) {
			w := p.sinceSwitch(t, now) / fade
			return old + (v-old)*min(1, w)
		}
	}
	return v
}

// sinceSwitch is for how long now has been playing, looked for within fade.
func (p *Recorded) sinceSwitch(t float64, now *loop) float64 {
	lo, hi := 0.0, fade
	for range 12 {
		if mid := (lo + hi) / 2; p.playing(t-mid) == now {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
