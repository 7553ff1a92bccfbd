package patient

import "math"

const (
	segmentSeconds = 300
	stepsPerSecond = 10
	steps          = segmentSeconds * stepsPerSecond
)

// A rhythm is the origin of a beat.
type rhythm uint8

const (
	sinus       rhythm = iota
	fibrillated        // out of atrial fibrillation: no P wave
	extrasystole
	ventricular // of a ventricular tachycardia
)

// A beat is one contraction.
type beat struct {
	at       float64 // s of the R peak, from the start of the segment
	rr       float64 // s since the beat before
	expected float64 // s between beats at the rate of the moment
	rhythm   rhythm
	strength float64 // stroke volume, 1 is normal
	sys, dia float64 // mmHg that a beat of strength 1 after the expected interval has
	pulse    float64 // height of the pleth pulse of a beat of strength 1
}

// A segment is five minutes of beats and breaths, made in one go from the state
// over time. Within it both phases are scaled, by a percent at most, so that a
// whole number of beats and of breaths fits: segments then join without knowing
// each other. It is immutable once made.
type segment struct {
	start   float64 // Unix seconds
	beats   []beat
	breaths [steps + 1]float32 // breaths since the start of the segment
	air     [steps + 1]float32 // how far the chest is out: 0 end of expiration, about 1 end of inspiration
	fib     [segmentSeconds + 1]bool
}

// newSegment lays out the beats and breaths of segment k.
func newSegment(m *Model, k int64) *segment {
	s := &segment{start: float64(k) * segmentSeconds}
	var v [segmentSeconds + 1]vitals
	for i := range v {
		v[i] = m.vitalsAt(s.start + float64(i))
		s.fib[i] = v[i].fib
	}
	s.breathe(v[:])
	s.beat(m, v[:], k)
	return s
}

// mix gives a field of v between whole seconds, at step i.
func mix(v []vitals, i int, field func(*vitals) float64) float64 {
	sec, frac := i/stepsPerSecond, float64(i%stepsPerSecond)/stepsPerSecond
	a := field(&v[sec])
	if frac == 0 {
		return a
	}
	return a + (field(&v[sec+1])-a)*frac
}

func (s *segment) breathe(v []vitals) {
	rate := func(v *vitals) float64 { return v.breath }
	total := 0.0
	var phase [steps + 1]float64
	for i := range steps {
		r := mix(v, i, rate)
		if r < 4 { // on the way into or out of a pause
			r = 0
		}
		total += r / 60 / stepsPerSecond
		phase[i+1] = total
	}
	scale := whole(total)
	for i := range phase {
		p := phase[i] * scale
		s.breaths[i] = float32(p)
		s.air[i] = float32(mix(v, i, func(v *vitals) float64 { return v.breathDepth }) * chest(p-math.Floor(p)))
	}
}

// whole is the factor that makes total a whole number.
func whole(total float64) float64 {
	if total < 1e-9 {
		return 0
	}
	return math.Round(total) / total
}

// chest is the excursion over one breath of phase 0 to 1: in for two fifths, out
// for three.
func chest(phase float64) float64 {
	if phase < inspiration {
		return (1 - math.Cos(math.Pi*phase/inspiration)) / 2
	}
	return (1 + math.Cos(math.Pi*(phase-inspiration)/(1-inspiration))) / 2
}

// inspiration is the part of a breath in which air goes in.
const inspiration = 0.4

// beat integrates the heart rate; a beat falls where the integral passes a half.
func (s *segment) beat(m *Model, v []vitals, k int64) {
	var phase [steps + 1]float64
	for i := range steps {
		phase[i+1] = phase[i] + s.rate(m, v, i)/60/stepsPerSecond
	}
	scale := whole(phase[steps])
	count := int(math.Round(phase[steps] * scale))
	s.beats = make([]beat, 0, count)
	i := 0
	when := func(p float64) float64 { // the time at which the phase is p
		for i < steps-1 && phase[i+1]*scale < p {
			i++
		}
		for i > 0 && phase[i]*scale > p {
			i--
		}
		x := float64(i)
		if width := (phase[i+1] - phase[i]) * scale; width > 0 {
			x += (p - phase[i]*scale) / width
		}
		return x / stepsPerSecond
	}
	last := math.NaN()
	for j := range count {
		centre := when(float64(j) + 0.5)
		state := v[min(int(centre+0.5), segmentSeconds)]
		rate := s.rate(m, v, min(int(centre*stepsPerSecond), steps-1))
		if rate < 1 {
			rate = max(state.heart, 20)
		}
		b := beat{expected: 60 / rate}
		var shift float64
		b.rhythm, shift = m.rhythm(&state, k*1024+int64(j))
		b.at = when(float64(j) + 0.5 + shift)
		b.rr = b.at - last
		if j == 0 {
			b.rr = b.expected * (1 + shift)
		}
		last = b.at
		b.fill(&state, s.airAt(b.at))
		s.beats = append(s.beats, b)
	}
}

// rate is the heart rate at step i with the waves of its regulation: one near
// 0.1 Hz and one with the breath.
func (s *segment) rate(m *Model, v []vitals, i int) float64 {
	h := mix(v, i, func(v *vitals) float64 { return v.heart })
	sec := i / stepsPerSecond
	if h < 20 || v[sec].vt || v[sec].fib {
		if h < 20 {
			return 0
		}
		return h
	}
	calm := min(1, 70/h) // a driven heart varies less
	h += m.profile.SinusArrhythmia * calm * 2 * (float64(s.air[i]) - 0.45)
	t := s.start + float64(i)/stepsPerSecond
	for _, w := range m.slowWaves {
		h += m.profile.SlowWaves * calm * w.amplitude * math.Sin(w.omega*t+w.phase)
	}
	return h
}

// rhythm decides where the nth beat of a patient comes from and by which part
// of the interval it is early (negative) or late. The shift stays below a half,
// so beats keep their order and their segment.
func (m *Model) rhythm(v *vitals, n int64) (rhythm, float64) {
	extra := func(n int64) bool { return uniform(m.seed, streamExtraBeat, n) < v.extra }
	switch {
	case v.vt:
		return ventricular, 0.02 * symmetric(m.seed, streamRhythm, n)
	case extra(n) && !extra(n-1):
		return extrasystole, -0.36 - 0.04*uniform(m.seed, streamRhythm, n)
	case v.fib:
		return fibrillated, 0.28 * (2*uniform(m.seed, streamRhythm, n) - 1)
	}
	return sinus, 0
}

// fill works out what the heart has to eject: little after a short pause.
func (b *beat) fill(v *vitals, air float64) {
	b.sys, b.dia = v.sys, v.dia
	b.pulse = v.perfusion / (v.perfusion + 0.6)
	x := b.rr / b.expected
	b.strength = 1 + 0.25*(min(x, 1.8)-1)
	if x < 1 {
		b.strength = 1 - 1.6*(1-x)
	}
	if b.rhythm == ventricular {
		b.strength = 0.6
	}
	b.strength = max(0.05, b.strength) * (1 - 0.05*(2*air-1)) // less while the chest is out
}

// airAt is how far the chest is out at t, in seconds of the segment.
func (s *segment) airAt(t float64) float64 { return lerp(s.air[:], t) }

// breathsAt is the number of breaths since the start of the segment.
func (s *segment) breathsAt(t float64) float64 { return lerp(s.breaths[:], t) }

func lerp(grid []float32, t float64) float64 {
	x := t * stepsPerSecond
	i := min(max(int(x), 0), len(grid)-2)
	return float64(grid[i]) + float64(grid[i+1]-grid[i])*(x-float64(i))
}
