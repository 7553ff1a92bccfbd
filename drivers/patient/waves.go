package patient

import (
	"math"
	"time"

	"monitorme/protocol"
)

// Wave fills dst with the wave of code; see drivers.Patient. Which instants are
// asked for in one call does not change the samples.
func (m *Model) Wave(code protocol.Code, from time.Time, rateHz float64, dst []float64) bool {
	at := seconds(from)
	if code = signOf(code); !(rateHz > 0) || m.scenario.off(code, at-m.start) {
		return false
	}
	clear(dst)
	switch code {
	case protocol.Pleth:
		m.pleth(at, rateHz, dst)
	case protocol.ABPWave:
		m.arterial(at, rateHz, dst)
	case protocol.RespirationWave:
		m.breathWave(dst, at, rateHz, 1)
		for i := range dst {
			dst[i] -= 0.4
		}
	case co2:
		m.capnogram(at, rateHz, dst)
	case flow, volume:
		m.airway(code, at, rateHz, dst)
	default:
		w, ok := leads[code]
		if !ok {
			return false
		}
		m.ecg(w, uint64(code), at, rateHz, dst)
	}
	return true
}

// bump adds height*exp(-(t-centre)²/(2*width²)) to dst, whose sample i lies at
// t = i*dt. It needs two multiplications a sample.
func bump(dst []float64, dt, centre, width, height float64) {
	reach := 4.5 * width
	lo, hi := max(0, int(math.Ceil((centre-reach)/dt))), min(len(dst)-1, int(math.Floor((centre+reach)/dt)))
	if lo > hi {
		return
	}
	x := float64(lo)*dt - centre
	s := 1 / (2 * width * width)
	g := height * math.Exp(-x*x*s)
	ratio := math.Exp(-(2*x*dt + dt*dt) * s)
	shrink := math.Exp(-2 * dt * dt * s)
	for i := lo; i <= hi; i++ {
		dst[i] += g
		g *= ratio
		ratio *= shrink
	}
}

// breathWave adds gain times the excursion of the chest.
func (m *Model) breathWave(dst []float64, at, rateHz, gain float64) {
	for i := 0; i < len(dst); {
		s := m.segment(at + float64(i)/rateHz)
		local := at - s.start
		for more := true; more && i < len(dst); i++ {
			t := local + float64(i)/rateHz
			dst[i] += gain * s.airAt(t)
			more = t < segmentSeconds-1/rateHz
		}
	}
}

// A heart is how one person's electrocardiogram differs from the template.
type heart struct{ p, qrs, t, wander float64 }

func newHeart(trait func(i int64, lo, hi float64) float64) heart {
	return heart{p: trait(40, 0.8, 1.2), qrs: trait(41, 0.8, 1.25), t: trait(42, 0.75, 1.25), wander: trait(43, 0.6, 1.4)}
}

// A projection is how strongly a lead sees each event of a beat, in mV.
type projection struct{ p, q, r, s, t float64 }

var (
	leadI  = projection{p: 0.07, q: -0.05, r: 0.55, s: -0.07, t: 0.17}
	leadII = projection{p: 0.13, q: -0.08, r: 1.05, s: -0.17, t: 0.28}
	leadV  = projection{p: 0.08, q: -0.09, r: 1.35, s: -0.38, t: 0.36}
)

// leads: by Einthoven's and Goldberger's definitions all limb leads follow from
// I and II.
var leads = map[protocol.Code]projection{
	protocol.ECGLeadI:  leadI,
	protocol.ECGLeadII: leadII,
	protocol.ECGLeadV:  leadV,
	ecgLeadIII:         combine(-1, 1),
	ecgLeadAVR:         combine(-0.5, -0.5),
	ecgLeadAVL:         combine(1, -0.5),
	ecgLeadAVF:         combine(-0.5, 1),
}

func combine(i, ii float64) projection {
	return projection{
		p: i*leadI.p + ii*leadII.p, q: i*leadI.q + ii*leadII.q, r: i*leadI.r + ii*leadII.r,
		s: i*leadI.s + ii*leadII.s, t: i*leadI.t + ii*leadII.t,
	}
}

// ecg adds every event of every beat near the block, then what disturbs it.
func (m *Model) ecg(w projection, lead uint64, at, rateHz float64, dst []float64) {
	dt := 1 / rateHz
	end := at + float64(len(dst))*dt
	var few [64]beat
	for _, b := range m.beatsBetween(few[:0], at-1.2, end+0.6, at) {
		m.heart.draw(dst, dt, &b, w)
	}
	m.breathWave(dst, at, rateHz, 0.09*m.heart.wander*w.r)
	m.disturb(w, m.seed^lead<<40, at, rateHz, dst)
}

// disturb adds the slow drift of the electrode, the noise of muscles, and the
// flicker of fibrillating atria.
func (m *Model) disturb(w projection, seed uint64, at, rateHz float64, dst []float64) {
	const knots = 8 // per second, straight lines between
	var a, b float64
	var fib bool
	last := math.NaN()
	for i := range dst {
		t := at + float64(i)/rateHz
		k := math.Floor(t * knots)
		if k != last {
			a, b = 0.03*drift(seed, streamElectrode, k/knots, 2.3), 0.03*drift(seed, streamElectrode, (k+1)/knots, 2.3)
			s := m.segment(k / knots)
			fib = s.fib[int(k/knots-s.start)]
			last = k
		}
		dst[i] += a + (b-a)*(t*knots-k) + 0.006*symmetric(seed, streamMuscle, int64(math.Round(t*4000)))
		if fib {
			dst[i] += 0.05 * w.p / leadII.p * (math.Sin(2*math.Pi*6.1*t) + 0.6*math.Sin(2*math.Pi*5.3*t+1) + 0.5*math.Sin(2*math.Pi*7.7*t+2))
		}
	}
}

// draw adds one beat. The distances of P and T from R, and the width of T,
// shrink with the square root of the interval.
func (h *heart) draw(dst []float64, dt float64, b *beat, w projection) {
	root := math.Sqrt(min(max(b.rr, 0.28), 1.5))
	if b.rhythm == extrasystole || b.rhythm == ventricular { // from one side of the heart to the other: wide, T the other way
		wide := min(1, root/0.62)
		bump(dst, dt, b.at, 0.034*wide, 1.15*h.qrs*w.r)
		bump(dst, dt, b.at+0.085*wide, 0.036*wide, -0.55*h.qrs*w.r)
		bump(dst, dt, b.at+0.27*min(root, 0.9), 0.055*wide, -1.25*h.t*w.t)
		return
	}
	if b.rhythm == sinus {
		bump(dst, dt, b.at-0.165*min(root, 1.1), 0.021, h.p*w.p)
	}
	bump(dst, dt, b.at-0.027, 0.0085, h.qrs*w.q)
	bump(dst, dt, b.at, 0.0105, h.qrs*w.r)
	bump(dst, dt, b.at+0.028, 0.0095, h.qrs*w.s)
	bump(dst, dt, b.at+0.245*root, 0.055*root, 0.55*h.t*w.t) // T rises slowly
	bump(dst, dt, b.at+0.285*root, 0.036*root, 0.6*h.t*w.t)  // and falls faster
}

const (
	plethDelay    = 0.27 // s from the R peak to the top of the finger's pulse, without the stretch of a slow heart
	pressureDelay = 0.15 // s from the R peak to the foot of the pressure wave
)

// pleth is the light lost in the finger: a systolic and a reflected wave for
// each beat with the notch between, on a level that moves with the breath.
func (m *Model) pleth(at, rateHz float64, dst []float64) {
	dt := 1 / rateHz
	end := at + float64(len(dst))*dt
	m.breathWave(dst, at, rateHz, 0.035)
	var few [64]beat
	for _, b := range m.beatsBetween(few[:0], at-2.5, end+0.6, at) {
		root := math.Sqrt(min(max(b.expected, 0.3), 1.4))
		top := b.at + plethDelay + 0.03*root
		height := 0.62 * b.pulse * min(b.strength, 1.15)
		bump(dst, dt, top, 0.075*root, height)
		bump(dst, dt, top+0.14*root, 0.1*root, 0.42*height)
		bump(dst, dt, top+0.31*root, 0.085*root, 0.34*height)
	}
	for i := range dst {
		dst[i] = min(max(dst[i]+0.1+0.0015*symmetric(m.seed^1, streamMuscle, int64(math.Round((at+float64(i)*dt)*4000))), 0), 1)
	}
}

const (
	upstroke = 0.11 // s from the foot to the top of a pressure wave
	runOff   = 0.3  // how far below diastolic the pressure runs off to, in pulse pressures: it sets the mean at 0.4 of the way up
	emptied  = 9.0  // mmHg at which an artery ends when nothing flows in
	draining = 2.5  // s, time constant of the fall to emptied when a beat is overdue
)

// run is the pressure since seconds after the foot of b's wave, if it stood at
// foot then: a steep rise and an exponential run-off that reaches the diastolic
// pressure after the expected interval, and drains after that.
func (b *beat) run(foot, since float64) float64 {
	top := b.top(foot)
	if since < upstroke {
		return foot + (top-foot)*(1-math.Cos(math.Pi*since/upstroke))/2
	}
	low := b.dia - runOff*(b.sys-b.dia)
	full := max(b.expected-upstroke, 0.12)
	if since -= upstroke; since < full {
		return low + (top-low)*math.Exp(-since/full*math.Log((1+runOff)/runOff))
	}
	end := low + (top-low)*runOff/(1+runOff)
	return emptied + (end-emptied)*math.Exp(-(since-full)/draining)
}

func (b *beat) top(foot float64) float64 {
	return max(b.dia+(b.sys-b.dia)*b.strength, foot+2)
}

// notch is what closing the valve adds to run.
func (b *beat) notch(foot, since float64) float64 {
	root := math.Sqrt(min(max(b.expected, 0.3), 1.4))
	height := 0.1 * (b.top(foot) - foot)
	gauss := func(centre, width float64) float64 {
		x := (since - centre*root) / (width * root)
		return math.Exp(-x * x / 2)
	}
	return height * (0.7*gauss(0.37, 0.035) - gauss(0.3, 0.025))
}

// mean is the mean pressure over an interval that starts at foot.
func (b *beat) mean(foot, interval float64) float64 {
	const n = 32
	sum := 0.0
	for i := range n {
		t := interval * (float64(i) + 0.5) / n
		sum += b.run(foot, t) + b.notch(foot, t)
	}
	return sum / n
}

// arterial is the pressure in the line: each wave starts where the one before
// has run off to.
func (m *Model) arterial(at, rateHz float64, dst []float64) {
	dt := 1 / rateHz
	var few [64]beat
	beats := m.beatsBefore(few[:0], at, at+float64(len(dst))*dt)
	j := 0
	for i := range dst {
		t := float64(i)*dt - pressureDelay
		for j+1 < len(beats) && beats[j+1].at <= t {
			j++
		}
		dst[i] = emptied
		if len(beats) > 0 && beats[j].at <= t {
			foot := beats[j].foot(beats, j)
			dst[i] = beats[j].run(foot, t-beats[j].at) + beats[j].notch(foot, t-beats[j].at)
		}
	}
}

// foot is the pressure at which the wave of beats[j] starts.
func (b *beat) foot(beats []beat, j int) float64 {
	if j == 0 {
		return b.dia
	}
	before := &beats[j-1]
	return before.run(before.dia, b.at-before.at)
}

// beatsBefore gives the beats up to to and at least two from before from, where
// the last ten minutes have them; times are relative to from.
func (m *Model) beatsBefore(dst []beat, from, to float64) []beat {
	for back := 4.0; ; back *= 6 {
		beats := m.beatsBetween(dst, from-back, to, from)
		if back > 600 || len(beats) >= 2 && beats[1].at <= -pressureDelay {
			return beats
		}
	}
}

// line gives what a monitor reads from the arterial pressure: means over the
// waves that ended within the last six seconds, or the level if there is none.
func (m *Model) line(at float64) (sys, dia, mean float64) {
	var few [64]beat
	beats := m.beatsBefore(few[:0], at, at)
	n := 0.0
	for j := 1; j+1 < len(beats); j++ {
		b, next := &beats[j], &beats[j+1]
		if next.at < -6 || next.at > -pressureDelay {
			continue
		}
		foot := b.foot(beats, j)
		sys += b.top(foot)
		dia += b.run(foot, next.at-b.at)
		mean += b.mean(foot, next.at-b.at)
		n++
	}
	if n == 0 {
		var level [1]float64
		m.arterial(at, 1, level[:])
		return level[0], level[0], level[0]
	}
	return sys / n, dia / n, mean / n
}
