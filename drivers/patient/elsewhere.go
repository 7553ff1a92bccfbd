package patient

import (
	"math"

	"monitorme/protocol"
)

// sameAs are codes for what the body has under another one already: the same
// sign, taken elsewhere or counted from something else.
var sameAs = map[protocol.Code]protocol.Code{
	protocol.MustCode("MDC_PULS_RATE"):            protocol.PulseRate,
	protocol.MustCode("MDC_PULS_RATE_NON_INV"):    protocol.PulseRate,
	protocol.MustCode("MDC_PRESS_BLD_ART_SYS"):    protocol.ABPSystolic,
	protocol.MustCode("MDC_PRESS_BLD_ART_DIA"):    protocol.ABPDiastolic,
	protocol.MustCode("MDC_PRESS_BLD_ART_MEAN"):   protocol.ABPMean,
	protocol.MustCode("MDC_TTHOR_RESP_RATE"):      protocol.RespirationRate,
	protocol.MustCode("MDC_CO2_RESP_RATE"):        protocol.RespirationRate,
	protocol.MustCode("MDC_AWAY_RESP_RATE"):       protocol.RespirationRate,
	protocol.MustCode("MDC_VENT_RESP_RATE"):       protocol.RespirationRate,
	protocol.MustCode("MDC_TEMP"):                 protocol.BodyTemperature,
	protocol.MustCode("MDC_TEMP_ORAL"):            protocol.BodyTemperature,
	protocol.MustCode("MDC_ECG_ELEC_POTL"):        protocol.ECGLeadII,
	protocol.MustCode("MONITORME_WAVE_BREATHING"): protocol.RespirationWave,
}

// signOf is the code under which the body knows what is asked for.
func signOf(code protocol.Code) protocol.Code {
	if c, ok := sameAs[code]; ok {
		return c
	}
	return code
}

var (
	tempCore       = protocol.MustCode("MDC_TEMP_CORE")
	tempSkin       = protocol.MustCode("MDC_TEMP_SKIN")
	co2            = protocol.MustCode("MDC_AWAY_CO2")
	co2EndTidal    = protocol.MustCode("MDC_AWAY_CO2_ET")
	co2Inspired    = protocol.MustCode("MDC_CONC_AWAY_CO2_INSP")
	flow           = protocol.MustCode("MDC_FLOW_AWAY")
	volume         = protocol.MustCode("MONITORME_WAVE_VOLUME")
	tidal          = protocol.MustCode("MDC_VOL_AWAY_TIDAL")
	tidalIn        = protocol.MustCode("MDC_VOL_AWAY_TIDAL_INSP")
	tidalOut       = protocol.MustCode("MDC_VOL_AWAY_TIDAL_EXP")
	minuteVol      = protocol.MustCode("MDC_VOL_MINUTE_AWAY")
	minuteIn       = protocol.MustCode("MDC_VOL_MINUTE_AWAY_INSP")
	minuteOut      = protocol.MustCode("MDC_VOL_MINUTE_AWAY_EXP")
	bispectral     = protocol.MustCode("MONITORME_BISPECTRAL_INDEX")
	bisQuality     = protocol.MustCode("MONITORME_BIS_SIGNAL_QUALITY")
	bisSuppression = protocol.MustCode("MONITORME_SUPPRESSION_RATIO")
	bisMuscle      = protocol.MustCode("MONITORME_EMG_POWER")
	bisBursts      = protocol.MustCode("MONITORME_BURST_COUNT")
	eegEdge        = protocol.MustCode("MDC_EEG_FREQ_PWR_SPEC_CRTX_SPECTRAL_EDGE")
	eegPower       = protocol.MustCode("MDC_EEG_PWR_SPEC_TOT")
)

const (
	breathVolume = 480.0 // mL at a depth of 1
	endTidal     = 38.0  // mmHg at the rate of breathing at rest
	deadSpace    = 0.06  // of a breath: what comes out first is fresh air
)

// elsewhere gives what only some devices look for: the skin, the breath, the
// brain. False: the body does not know the code.
func (m *Model) elsewhere(code protocol.Code, at float64) (float64, bool) {
	v := m.vitalsAt(at)
	switch code {
	case tempCore:
		return v.temperature + 0.3, true
	case tempSkin:
		return v.temperature - 2.6 + 0.2*drift(m.seed, streamElectrode, at, 300), true
	case co2EndTidal:
		return m.endTidal(at), true
	case co2Inspired, bisSuppression, bisBursts:
		return 0, true
	case tidal, tidalIn, tidalOut:
		if m.respirationRate(at) == 0 {
			return 0, true
		}
		return breathVolume * v.breathDepth, true
	case minuteVol, minuteIn, minuteOut:
		return breathVolume * v.breathDepth * m.respirationRate(at) / 1000, true
	case bisQuality:
		return 95, true
	}
	stage, _ := m.sleepAt(at)
	brain, ok := brains[code]
	if !ok {
		return 0, false
	}
	return brain[stage] + 1.5*drift(m.seed, streamHeartSlow, at, 60), true
}

// brains are what an electrode on the forehead of a sleeper finds, by stage.
var brains = map[protocol.Code][rem + 1]float64{
	bispectral: {awake: 95, light: 78, deep: 58, rem: 80},
	bisMuscle:  {awake: 42, light: 32, deep: 28, rem: 27},
	eegEdge:    {awake: 22, light: 15, deep: 9, rem: 18},
	eegPower:   {awake: 58, light: 62, deep: 68, rem: 57},
}

// endTidal is the CO2 at the end of a breath in mmHg: more when there are fewer
// breaths to carry it away, none without.
func (m *Model) endTidal(at float64) float64 {
	rate := m.respirationRate(at)
	if rate == 0 {
		return 0
	}
	return min(80, max(18, endTidal*math.Sqrt(m.profile.RespirationRate/rate)))
}

// capnogram is CO2 at the airway, in mmHg: none while air goes in, and from
// the lungs a plateau that rises a little to the end of the breath.
func (m *Model) capnogram(at, rateHz float64, dst []float64) {
	end, known := 0.0, math.NaN()
	for i := range dst {
		t := at + float64(i)/rateHz
		s := m.segment(t)
		n := s.breathsAt(t - s.start)
		if second := math.Floor(t); second != known {
			end, known = m.endTidal(second), second
		}
		phase := n - math.Floor(n)
		switch out := phase - inspiration - deadSpace; {
		case s.breathsAt(t-s.start+0.2) == s.breathsAt(t-s.start-0.2): // not breathing
			dst[i] = 0
		case phase < inspiration:
			dst[i] = end * math.Exp(-phase/0.02)
		case out > 0:
			dst[i] = end * (1 - math.Exp(-out/0.035)) * (0.93 + 0.07*out/(1-inspiration-deadSpace))
		}
	}
}

// airway is the air that goes in and out: its volume in mL, or its flow in
// L/min, in is positive.
func (m *Model) airway(code protocol.Code, at, rateHz float64, dst []float64) {
	m.breathWave(dst, at, rateHz, breathVolume)
	if code == volume {
		return
	}
	const dt = 0.02 // s
	var later [1]float64
	for i := range dst {
		later[0] = 0
		m.breathWave(later[:], at+float64(i)/rateHz+dt, rateHz, breathVolume)
		dst[i] = (later[0] - dst[i]) / dt * 60 / 1000
	}
}
