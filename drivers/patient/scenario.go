package patient

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"monitorme/protocol"
)

// A Kind is what happens to a body, or to a sensor on it.
type Kind string

const (
	Desaturation  Kind = "desaturation"  // oxygen falls; the heart and the breath quicken
	Tachycardia   Kind = "tachycardia"   // a fast sinus rhythm
	Bradycardia   Kind = "bradycardia"   // a slow sinus rhythm
	Hypotension   Kind = "hypotension"   // pressure falls; the heart quickens, fingers go cold
	Fever         Kind = "fever"         // temperature rises; heart and breath with it
	Apnoea        Kind = "apnoea"        // breathing stops; oxygen follows after a delay
	AtrialFib     Kind = "afib"          // irregular rhythm without P waves
	VentricTachy  Kind = "vt"            // a run of wide beats; the pulse weakens
	ExtraBeats    Kind = "pvc"           // many ventricular extra beats
	Asystole      Kind = "asystole"      // no beat at all
	Hypoglycaemia Kind = "hypoglycaemia" // blood sugar falls
	Deterioration Kind = "sepsis"        // everything turns worse over the whole duration
	SensorOff     Kind = "sensor-off"    // the sensor of Sign gives no value
)

// Kinds are all kinds of episodes.
var Kinds = []Kind{Desaturation, Tachycardia, Bradycardia, Hypotension, Fever, Apnoea, AtrialFib, VentricTachy,
	ExtraBeats, Asystole, Hypoglycaemia, Deterioration, SensorOff}

// An Episode happens After the start of the patient and Lasts so long; with
// Every it happens again at that distance. The body reacts with its own delays
// and needs a while to recover.
type Episode struct {
	Kind     Kind          `yaml:"kind"`
	Sign     protocol.Sign `yaml:"sign"` // of SensorOff
	After    time.Duration `yaml:"after"`
	Lasts    time.Duration `yaml:"lasts"`
	Every    time.Duration `yaml:"every"`    // 0: once; at least Lasts and 5 s
	Severity float64       `yaml:"severity"` // above 0, at most 1; 0 means 0.7
}

// A Scenario is the episodes of one patient, in any order.
type Scenario []Episode

// Validate says which episode is wrong and what is allowed.
func (s Scenario) Validate() error {
	for i, e := range s {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("episode %d: %w", i+1, err)
		}
	}
	return nil
}

// shortest is the least distance at which an episode comes again.
const shortest = 5 * time.Second

// Validate says what is wrong with the episode and what is allowed.
func (e Episode) Validate() error {
	switch {
	case !slices.Contains(Kinds, e.Kind):
		return fmt.Errorf("kind %q is not one of %s", e.Kind, joined(Kinds))
	case e.Kind == SensorOff && !slices.Contains(protocol.Signs, e.Sign):
		return fmt.Errorf("%s: sign %q is not one of %s", e.Kind, e.Sign, joined(protocol.Signs))
	case e.Kind != SensorOff && e.Sign != "":
		return fmt.Errorf("%s takes no sign, got %q", e.Kind, e.Sign)
	case e.After < 0:
		return fmt.Errorf("%s: after is %v, want 0 or more", e.Kind, e.After)
	case e.Lasts <= 0:
		return fmt.Errorf("%s: lasts is %v, want more than 0", e.Kind, e.Lasts)
	case e.Every != 0 && e.Every < max(e.Lasts, shortest):
		return fmt.Errorf("%s: every is %v, want at least %v and the %v that it lasts", e.Kind, e.Every, shortest, e.Lasts)
	case math.IsNaN(e.Severity) || e.Severity < 0 || e.Severity > 1:
		return fmt.Errorf("%s: severity is %g, want 0 to 1", e.Kind, e.Severity)
	}
	return nil
}

func joined[T ~string](list []T) string {
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(v))
	}
	return b.String()
}

// ParseEpisode reads "kind[:sign]@+after/lasts[,every=d][,severity=x]", for
// example "desaturation@+60s/120s" or "sensor-off:oxygen@+90s/45s,every=10m".
func ParseEpisode(text string) (Episode, error) {
	e, err := parseEpisode(text)
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		return Episode{}, fmt.Errorf("episode %q: %w (want kind@+60s/120s, sensor-off:oxygen@+60s/120s, then ,every=10m ,severity=0.7 if wanted)", text, err)
	}
	return e, nil
}

func parseEpisode(text string) (e Episode, err error) {
	head, options, _ := strings.Cut(text, ",")
	kind, times, ok := strings.Cut(head, "@")
	after, lasts, ok2 := strings.Cut(times, "/")
	if !ok || !ok2 {
		return e, fmt.Errorf("no start and duration")
	}
	kind, sign, _ := strings.Cut(kind, ":")
	e.Kind, e.Sign = Kind(kind), protocol.Sign(sign)
	if e.After, err = time.ParseDuration(strings.TrimPrefix(after, "+")); err != nil {
		return e, err
	}
	if e.Lasts, err = time.ParseDuration(lasts); err != nil {
		return e, err
	}
	for o := range strings.SplitSeq(options, ",") {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "":
		case "every":
			e.Every, err = time.ParseDuration(value)
		case "severity":
			e.Severity, err = strconv.ParseFloat(value, 64)
		default:
			err = fmt.Errorf("unknown option %q", o)
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

// severity is Severity with its default.
func (e Episode) severity() float64 {
	if e.Severity == 0 {
		return 0.7
	}
	return e.Severity
}

// sum adds f over the occurrences that began before t and ended, or reached the
// end of their tail, not before it. f gets the seconds since the onset. t is
// in seconds since the start of the patient.
func (e Episode) sum(t, tail float64, f func(since float64) float64) float64 {
	after, lasts, every := e.After.Seconds(), e.Lasts.Seconds(), e.Every.Seconds()
	if t < after {
		return 0
	}
	if every == 0 {
		if t-after >= lasts+tail {
			return 0
		}
		return f(t - after)
	}
	total := 0.0
	for since := math.Mod(t-after, every); since < lasts+tail && since <= t-after+1e-9; since += every {
		total += f(since)
	}
	return total
}

// on reports whether an occurrence lasts at t.
func (e Episode) on(t float64) bool {
	return e.sum(t, 0, func(float64) float64 { return 1 }) > 0
}

// level is how far the body has gone along with the episode, 0 to 1: it nears 1
// with the time constant rise and returns with fall, both in seconds.
func (e Episode) level(t, rise, fall float64) float64 {
	return e.lagged(t, 0, rise, fall)
}

// lagged is level with a dead time before the body notices onset and end.
func (e Episode) lagged(t, delay, rise, fall float64) float64 {
	lasts := e.Lasts.Seconds()
	return min(1, e.sum(t, delay+7*fall, func(since float64) float64 {
		since -= delay
		switch {
		case since <= 0:
			return 0
		case since <= lasts:
			return 1 - math.Exp(-since/rise)
		}
		return (1 - math.Exp(-lasts/rise)) * math.Exp(-(since-lasts)/fall)
	}))
}

// ramp grows evenly to 1 over the whole episode and returns with fall.
func (e Episode) ramp(t, fall float64) float64 {
	lasts := e.Lasts.Seconds()
	return min(1, e.sum(t, 7*fall, func(since float64) float64 {
		if since <= lasts {
			return since / lasts
		}
		return math.Exp(-(since - lasts) / fall)
	}))
}

// off reports whether a sensor-off episode takes the value of code away.
func (s Scenario) off(code protocol.Code, t float64) bool {
	for _, e := range s {
		if e.Kind == SensorOff && e.on(t) && slices.Contains(sensors[e.Sign], code) {
			return true
		}
	}
	return false
}

// Codes that the protocol package has no name for.
const (
	ecgLeadIII       protocol.Code = 131389 // MDC_ECG_ELEC_POTL_III
	ecgLeadAVR       protocol.Code = 131390 // MDC_ECG_ELEC_POTL_AVR
	ecgLeadAVL       protocol.Code = 131391 // MDC_ECG_ELEC_POTL_AVL
	ecgLeadAVF       protocol.Code = 131392 // MDC_ECG_ELEC_POTL_AVF
	pressureSystolic protocol.Code = 150017 // MDC_PRESS_BLD_SYS
	pressureDiast    protocol.Code = 150018 // MDC_PRESS_BLD_DIA
	pressureMean     protocol.Code = 150019 // MDC_PRESS_BLD_MEAN
	glucosePlasma    protocol.Code = 160196 // MDC_CONC_GLU_VENOUS_PLASMA
	glucoseTissue    protocol.Code = 160212 // MDC_CONC_GLU_ISF
)

// sensors are what is lost when the sensor of a sign falls off. The oximeter's
// clip gives the pulse, too; electrodes give rate and leads.
var sensors = map[protocol.Sign][]protocol.Code{
	protocol.SignHeartRate: electrodes,
	protocol.SignECG:       electrodes,
	protocol.SignOxygen:    {protocol.SpO2, protocol.PulseRate, protocol.PerfusionIndex, protocol.Pleth},
	protocol.SignBloodPressure: {protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, protocol.ABPSystolic, protocol.ABPDiastolic,
		protocol.ABPMean, protocol.ABPWave, pressureSystolic, pressureDiast, pressureMean},
	protocol.SignRespirationRate: {protocol.RespirationRate, protocol.RespirationWave, co2, co2EndTidal, co2Inspired},
	protocol.SignTemperature:     {protocol.BodyTemperature, tempCore, tempSkin},
	protocol.SignBloodSugar:      {protocol.Glucose, glucosePlasma, glucoseTissue},
	protocol.SignSleep:           {protocol.SleepStatus},
}

var electrodes = []protocol.Code{protocol.HeartRate, protocol.ECGLeadI, protocol.ECGLeadII, protocol.ECGLeadV, ecgLeadIII, ecgLeadAVR, ecgLeadAVL, ecgLeadAVF}
