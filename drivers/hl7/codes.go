package hl7

import (
	"strings"

	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

var (
	ecgWave           = protocol.ECGLeadII
	ecgOwnScale       = protocol.MustCode("MONITORME_WAVE_ECG_OWN_SCALE")
	breathing         = protocol.MustCode("MONITORME_WAVE_BREATHING")
	eventAlarmOff     = protocol.MustCode("MDC_EVT_STAT_AL_OFF")
	eventOtherBed     = protocol.MustCode("MONITORME_EVT_OTHER_BED")
	eventOtherPatient = protocol.MustCode("MONITORME_EVT_OTHER_PATIENT")
	eventNotRead      = protocol.MustCode("MONITORME_EVT_NOT_READ")
)

// loinc are the LOINC codes of the usual vital signs. The general codes of a
// blood pressure are taken for the cuff.
var loinc = map[string]protocol.Code{
	"8867-4": protocol.HeartRate, "76282-3": protocol.HeartRate, "8889-8": protocol.PulseRate,
	"2708-6": protocol.SpO2, "59408-5": protocol.SpO2, "61006-3": protocol.PerfusionIndex,
	"8480-6": protocol.NIBPSystolic, "8462-4": protocol.NIBPDiastolic, "8478-0": protocol.NIBPMean,
	"76534-7": protocol.NIBPSystolic, "76535-4": protocol.NIBPDiastolic, "76536-2": protocol.NIBPMean,
	"76215-3": protocol.ABPSystolic, "76213-8": protocol.ABPDiastolic, "76214-6": protocol.ABPMean,
	"60985-9": protocol.MustCode("MDC_PRESS_BLD_VEN_CENT_MEAN"),
	"9279-1":  protocol.RespirationRate, "19891-1": protocol.MustCode("MDC_AWAY_CO2_ET"),
	"8310-5": protocol.BodyTemperature, "41653-7": protocol.Glucose, "2339-0": protocol.MustCode("MDC_CONC_GLU_GEN"),
	"15074-8": protocol.MustCode("MDC_CONC_GLU_GEN"), "29463-7": protocol.MustCode("MDC_MASS_BODY_ACTUAL"), "8302-2": protocol.MustCode("MDC_LEN_BODY_ACTUAL"),
}

// unitNames are units by their MDC reference id without MDC_DIM_, and as
// people write them, in lower case.
var unitNames = map[string]protocol.Unit{
	"dimless": "1", "percent": "%", "beat_per_min": "/min", "resp_per_min": "/min", "puls_per_min": "/min", "per_min": "/min", "mmhg": "mm[Hg]",
	"kilo_pascal": "kPa", "cm_h2o": "cm[H2O]", "sec": "s", "milli_sec": "ms", "per_sec": "/s", "milli_volt": "mV", "micro_volt": "uV",
	"milli_m": "mm", "centi_m": "cm", "degc": "Cel", "fahr": "[degF]", "milli_g_per_dl": "mg/dL", "milli_mole_per_l": "mmol/L", "kilo_g": "kg", "lb": "[lb_av]",
	"x_l_per_min": "L/min", "l_per_min": "L/min", "milli_l": "mL", "x_l": "L", "ohm": "Ohm", "min": "min",
	"bpm": "/min", "rpm": "/min", "brpm": "/min", "1/min": "/min", "{beats}/min": "/min", "{beat}/min": "/min", "{breaths}/min": "/min",
	"{breath}/min": "/min", "beats/min": "/min", "breaths/min": "/min", "/min": "/min", "%": "%", "mm hg": "mm[Hg]", "mm[hg]": "mm[Hg]", "kpa": "kPa",
	"cmh2o": "cm[H2O]", "cm[h2o]": "cm[H2O]", "cel": "Cel", "°c": "Cel", "℃": "Cel", "deg c": "Cel", "[degf]": "[degF]", "degf": "[degF]", "°f": "[degF]", "℉": "[degF]",
	"mg/dl": "mg/dL", "mmol/l": "mmol/L", "l/min": "L/min", "hz": "/s", "/s": "/s", "1/s": "/s", "mv": "mV", "uv": "uV", "µv": "uV", "ω": "Ohm", "1": "1",
}

// unit reads OBX-6. Known is a unit that can be converted; a unit that is only
// named is given as it is, and "" if nothing is there.
func unit(v hl7v2.Value) (u protocol.Unit, known bool) {
	if v.Empty() {
		return "", false
	}
	for _, at := range []int{1, 4} { // the alternative identifier stands fourth
		id := v.Component(at)
		if n, ok := id.Digits(); ok && n > 1 {
			if u, ok := protocol.UnitOf(protocol.Code(n)); ok {
				return u, true
			}
		}
		for _, name := range []hl7v2.Value{id, v.Component(at + 1)} {
			if name.Empty() {
				continue
			}
			s := name.Text()
			if system := v.Component(at + 2); s == "1" && !system.Empty() && !system.Is("UCUM") { // a vendor's number
				continue
			}
			if code := protocol.Unit(s).Code(); code != 0 { // UCUM, which tells mM from mm
				return protocol.Unit(s), true
			}
			if u, ok := unitNames[strings.TrimPrefix(strings.ToLower(s), "mdc_dim_")]; ok {
				return u, true
			}
		}
	}
	return protocol.Unit(v.Component(1).Text()), false
}

// An identifier is an OBX-3 that has been read.
type identifier struct {
	meaning
	known bool
}

// identify reads OBX-3: what settings say, MDC, LOINC; the alternative
// identifier if the first says nothing.
func (p *plan) identify(v hl7v2.Value) identifier {
	for _, at := range []int{1, 4} {
		id, text, system := v.Component(at), v.Component(at+1), v.Component(at+2)
		if m, ok := p.lookup(id, system); ok {
			return identifier{m, true}
		}
		switch {
		case system.Is("LN"), system.Is("LOINC"):
			if c, ok := loinc[string(id.Raw())]; ok {
				return identifier{meaning{code: c}, true}
			}
		case system.Is("MDC"), system.Empty() && (begins(text, "MDC_") || begins(id, "MDC_")):
			if c, ok := mdc(id, text); ok {
				return identifier{meaning{code: c}, true}
			}
		}
	}
	return identifier{}
}

func (p *plan) lookup(id, system hl7v2.Value) (meaning, bool) {
	if len(p.mapped) == 0 || id.Empty() {
		return meaning{}, false
	}
	key := idKey{id.Text(), system.Text()}
	m, ok := p.mapped[key]
	if !ok {
		m, ok = p.mapped[idKey{id: key.id}]
	}
	return m, ok
}

func begins(v hl7v2.Value, s string) bool { return strings.HasPrefix(string(v.Raw()), s) }

// mdc reads a context-free code, or its reference id where there is none. A
// number and a name that mean two different things mean nothing.
func mdc(id, text hl7v2.Value) (protocol.Code, bool) {
	n, numbered := id.Digits()
	name := text
	if !numbered {
		name = id
	}
	named, hasName := protocol.LookupRefID(string(name.Raw()))
	switch {
	case !numbered || n < 1<<16: // 0, or a code without its partition
		return named.Code, hasName
	case hasName && named.Code != protocol.Canonical(protocol.Code(n)) && named.Code != protocol.Code(n):
		return 0, false
	}
	return protocol.Canonical(protocol.Code(n)), true
}
