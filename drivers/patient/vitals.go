package patient

import (
	"math"
	"time"
)

// vitals is the state towards which a body regulates at one instant, before
// beats and breaths are laid out.
type vitals struct {
	heart       float64 // beats per minute without breath-to-breath variation
	sys, dia    float64 // mmHg
	breath      float64 // breaths per minute, 0 while it does not breathe
	breathDepth float64 // 0 to about 1.5
	spo2        float64 // %
	perfusion   float64 // %
	temperature float64 // °C
	glucose     float64 // mg/dL
	extra       float64 // probability that a beat is an extra beat
	fib, vt     bool
}

// vitalsAt works out the state at t, in Unix seconds.
func (m *Model) vitalsAt(t float64) vitals {
	p := &m.profile
	hour := m.hourOfDay(t)
	stage, dip := m.sleepAt(t)
	v := vitals{
		heart: p.HeartRate*(1+0.025*daily(hour, 16))*(1-p.NightDip*dip) +
			p.HeartRate*(0.016*drift(m.seed, streamHeartFast, t, 41)+0.016*drift(m.seed, streamHeartSlow, t, 420)),
		breath:      p.RespirationRate * (1 - 0.1*dip),
		breathDepth: 1 - 0.1*dip + 0.08*drift(m.seed, streamBreathDepth, t, 17),
		spo2:        p.SpO2 - 1.1*dip + 0.35*drift(m.seed, streamOxygen, t, 53),
		perfusion:   p.Perfusion * (1 + 0.12*drift(m.seed, streamPerfusion, t, 37)),
		temperature: p.Temperature + 0.32*daily(hour, 17.5) + 0.05*drift(m.seed, streamTemperature, t, 900),
		glucose:     m.glucoseAt(hour) + 2.5*drift(m.seed, streamGlucose, t, 1500),
		extra:       p.ExtraBeats,
		fib:         p.AtrialFib,
	}
	irregular := 0.05
	if stage == rem {
		irregular = 0.13
	}
	v.breath *= 1 + irregular*drift(m.seed, streamBreathFast, t, 9) + 0.04*drift(m.seed, streamBreathSlow, t, 160)
	pressure := (1 + 0.02*daily(hour, 15)) * (1 - 0.8*p.NightDip*dip) * (1 + 0.02*drift(m.seed, streamPressure, t, 240))
	v.sys, v.dia = p.Systolic*pressure, p.Diastolic*pressure

	since := t - m.start
	for i := range m.scenario {
		v.undergo(&m.scenario[i], since)
	}
	v.bound()
	return v
}

// daily is a swing of ±1 over the day that peaks at the given hour.
func daily(hour, peak float64) float64 { return math.Cos(2 * math.Pi * (hour - peak) / 24) }

// undergo lets an episode act on v; t is in seconds since the patient's start.
func (v *vitals) undergo(e *Episode, t float64) {
	s := e.severity()
	switch e.Kind {
	case Desaturation:
		x := e.level(t, 18, 15)
		v.spo2 -= x * (6 + 18*s)
		v.heart += x * (6 + 14*s)
		v.breath += x * (4 + 8*s)
		v.perfusion *= 1 - 0.3*x
	case Tachycardia:
		x := e.level(t, 8, 15)
		v.heart += x * (max(v.heart, 80+90*s) - v.heart)
		v.sys -= x * 10 * s
		v.perfusion *= 1 - 0.2*x
	case Bradycardia:
		x := e.level(t, 8, 12)
		v.heart += x * (min(v.heart, 60-28*s) - v.heart)
		v.sys -= x * 14 * s
	case Hypotension:
		x := e.level(t, 25, 30)
		v.sys *= 1 - x*0.48*s
		v.dia *= 1 - x*0.42*s
		v.heart += x * 26 * s
		v.perfusion *= 1 - 0.6*x*s
	case Fever:
		lasts := e.Lasts.Seconds()
		x := e.level(t, lasts/5, lasts/5)
		v.warm(x * (1.2 + 1.9*s))
	case Apnoea:
		v.holdBreath(e, t, s)
	case AtrialFib:
		v.fib = v.fib || e.on(t)
		v.heart += e.level(t, 3, 5) * (12 + 42*s)
	case VentricTachy:
		v.vt = v.vt || e.on(t)
		x := e.level(t, 0.4, 0.4)
		v.heart += x * (max(v.heart, 130+60*s) - v.heart)
		v.sys -= x * s * 0.5 * v.sys
		v.dia -= x * s * 0.35 * v.dia
	case ExtraBeats:
		if e.on(t) {
			v.extra = max(v.extra, 0.08+0.3*s)
		}
	case Asystole:
		if e.on(t) {
			v.heart = 0
		}
		v.spo2 -= e.lagged(t, 15, 40, 20) * 40
	case Hypoglycaemia:
		lasts := e.Lasts.Seconds()
		x := e.level(t, lasts/5, lasts/5)
		v.glucose += x * (min(v.glucose, 68-28*s) - v.glucose)
		v.heart += x * 14 * s
		v.perfusion *= 1 - 0.3*x*s
	case Deterioration:
		x := e.ramp(t, e.Lasts.Seconds()/10) * s
		v.warm(2.2 * x)
		v.heart += 28 * x
		v.breath += 14 * x
		v.sys *= 1 - 0.36*x
		v.dia *= 1 - 0.36*x
		v.spo2 -= 9 * x
		v.glucose += 60 * x
		v.perfusion *= 1 - 0.7*x
	}
}

// warm raises the temperature by degrees, and heart and breath with it.
func (v *vitals) warm(degrees float64) {
	v.temperature += degrees
	v.heart += 9 * degrees
	v.breath += 2 * degrees
}

// holdBreath is apnoea: the stores of the lungs last a while, then saturation
// falls evenly; what the finger shows comes late at both ends.
func (v *vitals) holdBreath(e *Episode, t, s float64) {
	const delay = 22 // s from the lungs to the finger, and until it shows
	if e.on(t) {
		v.breath, v.breathDepth = 0, 0
	}
	lasts := e.Lasts.Seconds()
	v.spo2 -= e.sum(t, delay+100, func(since float64) float64 {
		fall := (0.18 + 0.3*s) * min(since-delay, lasts, 45+60*s)
		if since < delay {
			return 0
		}
		return fall * math.Exp(-max(0, since-delay-lasts)/14)
	})
	v.heart *= 1 - 0.16*e.lagged(t, 15, 15, 6)
	gasp := min(1, e.sum(t, 60, func(since float64) float64 { // the deep breaths afterwards
		if since < lasts {
			return 0
		}
		return math.Exp(-(since - lasts) / 10)
	}))
	v.breathDepth *= 1 + 0.5*gasp
	v.breath *= 1 + 0.3*gasp
	v.heart += 12 * gasp
}

// bound keeps what several episodes at once have made of v within what a living
// body can be.
func (v *vitals) bound() {
	if v.heart > 0 {
		v.heart = min(max(v.heart, 22), 230)
	}
	if v.breath > 0 {
		v.breath = min(max(v.breath, 4), 60)
	}
	v.breathDepth = min(max(v.breathDepth, 0), 1.6)
	v.sys = min(max(v.sys, 40), 250)
	v.dia = min(max(v.dia, 22), v.sys-12, 150)
	v.spo2 = min(max(v.spo2, 45), 100)
	v.perfusion = min(max(v.perfusion, 0.05), 20)
	v.temperature = min(max(v.temperature, 32), 42)
	v.glucose = min(max(v.glucose, 25), 550)
	v.extra = min(max(v.extra, 0), 0.5)
}

// glucoseAt is the blood sugar of an ordinary day: three meals, and a low
// around three at night if the profile has one.
func (m *Model) glucoseAt(hour float64) float64 {
	g := m.profile.Glucose
	for _, meal := range [...]float64{8, 12.5, 18.25} {
		since := math.Mod(hour-meal-m.mealShift+48, 24)
		const peak = 0.9 // hours after the meal
		g += m.profile.MealRise * since / peak * math.Exp(1-since/peak)
	}
	low := math.Mod(hour-3-m.mealShift+36, 24) - 12
	return g - m.profile.NightLow*math.Exp(-low*low/(2*1.3*1.3))
}

// hourOfDay is the local time of the ward at t, 0 to 24.
func (m *Model) hourOfDay(t float64) float64 {
	_, offset := time.Unix(int64(t), 0).In(m.zone).Zone()
	return math.Mod((t+float64(offset))/3600, 24)
}

// sleepAt gives the stage and the depth of sleep at t.
func (m *Model) sleepAt(t float64) (stage, float64) {
	m.nightMu.Lock()
	defer m.nightMu.Unlock()
	if m.night == nil || t < m.night.noon || t >= m.nextNoon {
		local := time.Unix(int64(math.Floor(t)), 0).In(m.zone)
		day := local.Day()
		if local.Hour() < 12 {
			day--
		}
		noon := time.Date(local.Year(), local.Month(), day, 12, 0, 0, 0, m.zone)
		next := time.Date(local.Year(), local.Month(), day+1, 12, 0, 0, 0, m.zone)
		m.night, m.nextNoon = newNight(m.seed, noon, m.profile.RestlessNights), float64(next.Unix())
	}
	return m.night.at(t)
}
