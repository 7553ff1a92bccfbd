package protocol

import (
	"slices"
	"time"
)

// Terms is the whole nomenclature, grouped. It must not be changed.
//
// Codes and reference ids are those of IEEE 11073-10101, each seen in at least
// one public source; ranges are what a value may be and still be physiology.
// Where no standard code is certain, a MONITORME_ code is used: the private
// ones stand together at the end of each group.
var Terms = slices.Concat(heartTerms, oxygenTerms, pressureTerms, breathTerms, ventilationTerms, gasTerms,
	temperatureTerms, laboratoryTerms, brainTerms, pumpTerms, otherTerms, waveTerms, identityTerms, eventTerms, deviceTerms)

var (
	termByCode  = make(map[Code]*Term, len(Terms))
	termByRefID = make(map[string]*Term, len(Terms))
)

func init() {
	for i := range Terms {
		termByCode[Terms[i].Code] = &Terms[i]
		termByRefID[Terms[i].RefID] = &Terms[i]
	}
}

// aliases are codes that mean what another one means. Devices of two makers
// call the same cuff pressure 150301 and 150021.
var aliases = map[Code]Code{
	150300: 150020, 150301: NIBPSystolic, 150302: NIBPDiastolic, 150303: NIBPMean, // MDC_PRESS_CUFF…
	150448: PerfusionIndex,  // MDC_PULS_OXIM_PERF_REL
	151920: 152196,          // MDC_VENT_CONC_AWAY_O2_INSP, replaced in the standard
	160920: 152196,          // the same in the table of Philips
	151960: 152424,          // MDC_VENT_PRESS_PLAT, deprecated for MDC_VENT_PRESS_RESP_PLAT
	188452: 188496,          // MDC_TEMP_AXILLA of personal health devices
	151552: RespirationWave, // NOM_RESP of Philips, the impedance wave
}

// Canonical is the code under which MonitorMe keeps c: c itself unless c is
// another name for the same measurement. Drivers and receivers of foreign data
// apply it, so that one measurement is one series.
func Canonical(c Code) Code {
	if to, ok := aliases[c]; ok {
		return to
	}
	return c
}

// Plausible tells whether v, in unit u, can be physiology. A value outside is
// kept with QualityInvalid. Where the term has no range, or u cannot be
// converted to the term's unit, nothing is said against v. No value is not
// implausible, only missing.
func (t Term) Plausible(v Decimal, u Unit) bool {
	if !v.Valid || t.Low == 0 && t.High == 0 {
		return true
	}
	if u != t.Unit {
		var ok bool
		if v, ok = Convert(v, u, t.Unit); !ok {
			return true
		}
	}
	f := v.Float64()
	return f >= t.Low && f <= t.High
}

// How often a value is expected, and when the last one may no longer be shown
// as live. A value from a device that speaks per breath may be 12 s apart.
type pace struct{ every, stale time.Duration }

var (
	paceBeat     = pace{500 * time.Millisecond, 3 * time.Second}
	paceSecond   = pace{time.Second, 5 * time.Second}
	paceSlow     = pace{5 * time.Second, 15 * time.Second}
	paceMinute   = pace{time.Minute, 3 * time.Minute}
	paceGlucose  = pace{2 * time.Minute, 6 * time.Minute}
	paceWarmth   = pace{5 * time.Minute, 15 * time.Minute}
	paceCuff     = pace{time.Hour, 2*time.Hour + 10*time.Minute}
	paceEpisodic = pace{}
)

// numeric is a term of a number kept in unit with places decimals, plausible
// from low to high.
func numeric(c Code, refID, label, name string, s Sign, u Unit, places int, low, high float64, p pace, colour string) Term {
	return Term{Code: c, RefID: refID, Label: label, Name: name, Sign: s, Kind: KindNumeric, Unit: u, Places: places,
		Low: low, High: high, Period: p.every, StaleAfter: p.stale, Colour: colour}
}

// wave is a term of a waveform.
func wave(c Code, refID, label, name string, s Sign, u Unit, colour string) Term {
	return Term{Code: c, RefID: refID, Label: label, Name: name, Sign: s, Kind: KindSamples, Unit: u, Places: 2,
		Period: paceSecond.every, StaleAfter: paceSecond.stale, Colour: colour}
}

// enumeration is a term of an enumeration.
func enumeration(c Code, refID, label, name string, s Sign, p pace, colour string) Term {
	return Term{Code: c, RefID: refID, Label: label, Name: name, Sign: s, Kind: KindEnumeration, Period: p.every, StaleAfter: p.stale, Colour: colour}
}

func event(c Code, refID, label, name string) Term {
	return Term{Code: c, RefID: refID, Label: label, Name: name, Kind: KindEvent}
}

func device(c Code, refID, name string) Term {
	return Term{Code: c, RefID: refID, Label: name, Name: name}
}

// pressures gives the systolic, diastolic and mean terms that follow the
// compound code c: c+1, c+2, c+3.
func pressures(c Code, refID, label, name string, low, high float64, p pace, colour string) []Term {
	return []Term{
		numeric(c+1, refID+"_SYS", label+" sys", name+", systolic", SignBloodPressure, "mm[Hg]", 0, low, high, p, colour),
		numeric(c+2, refID+"_DIA", label+" dia", name+", diastolic", SignBloodPressure, "mm[Hg]", 0, low, high, p, colour),
		numeric(c+3, refID+"_MEAN", label+" mean", name+", mean", SignBloodPressure, "mm[Hg]", 0, low, high, p, colour),
	}
}

// setting is the code of the value that a device is set to, as against what it
// measures: the standard puts them in the partition 256 higher.
func setting(c Code) Code { return c + 256<<16 }

// private is a code of ours in the measurements.
func private(n uint16) Code { return 2<<16 | Code(n) }
