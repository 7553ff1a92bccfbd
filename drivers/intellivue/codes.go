package intellivue

import (
	"fmt"

	"monitorme/protocol"
)

// A target is the code and channel under which a physiological id is kept.
type target struct {
	code    protocol.Code
	channel string
}

const (
	firstPrivate = 0xE000 // physiological ids from here on are the manufacturer's
	// partitionPhysio holds the ids below; what is private and has no term is
	// kept in a partition of its own, where it cannot be taken for anything else.
	partitionPhysio  protocol.Code = 2 << 16
	partitionPrivate protocol.Code = 0x402 << 16
	// settings is added for what the monitor or a device at it is set to.
	settings protocol.Code = 256 << 16
)

// targets are the ids that are not their own code.
var targets = map[uint16]target{
	0x4261: {protocol.MustCode("MDC_ECG_V_P_C_RATE"), ""},
	0x4822: {protocol.PulseRate, ""},
	0xE014: {protocol.MustCode("MONITORME_TEMP_BLOOD"), ""},
	0xE018: {protocol.MustCode("MONITORME_TEMP_DIFFERENCE"), ""},
	0xF049: {protocol.MustCode("MONITORME_STROKE_VOLUME_VARIATION"), ""},
	0xF04A: {protocol.MustCode("MONITORME_SUPPRESSION_RATIO"), ""},
	0xF04D: {protocol.MustCode("MONITORME_BIS_SIGNAL_QUALITY"), ""},
	0xF04E: {protocol.MustCode("MONITORME_BISPECTRAL_INDEX"), ""},
	0xF05D: {protocol.MustCode("MONITORME_MAC"), ""},
	0xF05E: {protocol.MustCode("MONITORME_MAC_ET"), ""},
	0xF06B: {protocol.MustCode("MONITORME_AMBIENT_PRESSURE"), ""},
	0xF08A: {protocol.PerfusionIndex, "left"},
	0xF08B: {protocol.PerfusionIndex, "right"},
	0xF08C: {protocol.Pleth, "right"},
	0xF08D: {protocol.Pleth, "left"},
	0xF091: {protocol.MustCode("MONITORME_MINUTE_VOLUME_SPONTANEOUS"), ""},
	0xF093: {protocol.MustCode("MDC_MASS_BODY_ACTUAL"), ""},
	0xF094: {protocol.MustCode("MDC_LEN_BODY_ACTUAL"), ""},
	0xF099: {protocol.MustCode("MONITORME_MAC"), "agent"},
	0xF09B: {protocol.Pleth, "telemetry"},
	0xF09C: {protocol.SpO2, "telemetry"},
	0xF09D: {protocol.PulseRate, "telemetry"},
	0xF0A1: {protocol.NIBPSystolic, "telemetry"},
	0xF0A2: {protocol.NIBPDiastolic, "telemetry"},
	0xF0A3: {protocol.NIBPMean, "telemetry"},
	0xF0C4: {protocol.MustCode("MONITORME_TEMP_BLADDER"), ""},
	0xF0C7: {protocol.MustCode("MDC_TEMP"), "1"},
	0xF0C8: {protocol.MustCode("MDC_TEMP"), "2"},
	0xF0C9: {protocol.MustCode("MDC_TEMP"), "3"},
	0xF0CA: {protocol.MustCode("MDC_TEMP"), "4"},
	0xF0DF: {protocol.MustCode("MONITORME_WAVE_VOLUME"), ""},
	0xF0E0: {protocol.MustCode("MDC_VOL_AWAY_TIDAL_INSP"), ""},
	0xF0E1: {protocol.MustCode("MDC_VOL_AWAY_TIDAL_EXP"), ""},
	0xF0E2: {protocol.MustCode("MDC_AWAY_RESP_RATE"), "spirometry"},
	0xF0E3: {protocol.MustCode("MONITORME_PULSE_PRESSURE_VARIATION"), ""},
	0xF0E5: {protocol.MustCode("MDC_PULS_RATE_NON_INV"), ""},
	0xF0F1: {protocol.MustCode("MONITORME_RESP_RATE_MANDATORY"), ""},
	0xF108: {protocol.MustCode("MDC_TEMP_ORAL"), ""},
	0xF10C: {protocol.MustCode("MDC_TEMP_AXIL"), ""},
	0xF12A: {protocol.MustCode("MONITORME_TEMP_INCUBATOR_AIR"), ""},
	0xF12C: {protocol.PerfusionIndex, "telemetry"},
	0xF1C0: {protocol.MustCode("MDC_PULS_OXIM_SAT_O2_PRE_DUCTAL"), ""},
	0xF1D4: {protocol.MustCode("MDC_PULS_OXIM_SAT_O2_POST_DUCTAL"), ""},
	0xF1DC: {protocol.PerfusionIndex, "post-ductal"},
	0xF966: {protocol.MustCode("MDC_TEMP_CORE"), "1"},
	0xF967: {protocol.MustCode("MDC_TEMP_CORE"), "2"},

	0x51D8: {protocol.MustCode("MONITORME_WAVE_AGENT"), "desflurane"},
	0x51DC: {protocol.MustCode("MONITORME_WAVE_AGENT"), "enflurane"},
	0x51E0: {protocol.MustCode("MONITORME_WAVE_AGENT"), "halothane"},
	0x51E4: {protocol.MustCode("MONITORME_WAVE_AGENT"), "sevoflurane"},
	0x51E8: {protocol.MustCode("MONITORME_WAVE_AGENT"), "isoflurane"},
	0x51F0: {protocol.MustCode("MONITORME_WAVE_N2O"), ""},
	0x5388: {protocol.MustCode("MONITORME_WAVE_AGENT"), ""},
}

// pressures are private pressures without terms of their own: the wave, then
// systolic, diastolic and mean.
var pressures = map[uint16]target{
	0xF0A4: {protocol.MustCode("MDC_PRESS_BLD"), "1"},
	0xF0A8: {protocol.MustCode("MDC_PRESS_BLD"), "2"},
	0xF0AC: {protocol.MustCode("MDC_PRESS_BLD"), "3"},
	0xF0B0: {protocol.MustCode("MDC_PRESS_BLD"), "4"},
	0xF0B4: {protocol.MustCode("MDC_PRESS_INTRA_CRAN"), "1"},
	0xF0B8: {protocol.MustCode("MDC_PRESS_INTRA_CRAN"), "2"},
	0xF0BC: {protocol.MustCode("MDC_PRESS_BLD"), "femoral"},
	0xF0C0: {protocol.MustCode("MDC_PRESS_BLD"), "brachial"},
}

// sources are the labels by which pulse rates are told apart, which all have
// the same physiological id.
var sources = map[uint32]string{
	0x80035401: "P", 0x80035402: "ABP", 0x80035403: "ART", 0x80035404: "Ao", 0x80035405: "PAP", 0x80035406: "CVP",
	0x80035407: "RAP", 0x80035408: "LAP", 0x80035409: "ICP", 0x8003540A: "UAP", 0x8003540B: "UVP",
	0x80035422: "P1", 0x80035425: "P2", 0x80035428: "P3", 0x8003542B: "P4", 0x8003542E: "IC1", 0x80035431: "IC2",
	0x80035434: "femoral", 0x80035437: "brachial",
	0x80155401: "left", 0x80155402: "right", 0x8015543D: "pre-ductal", 0x80155440: "post-ductal",
}

// targetOf gives what a physiological id is kept as, when it is of that kind.
func targetOf(physio uint16, kind protocol.Kind, setting bool) target {
	t, ok := targets[physio]
	if p, is := pressures[physio&^3]; is {
		t, ok = target{p.code + protocol.Code(physio&3), p.channel}, true
	}
	if !ok && physio < firstPrivate {
		t.code = protocol.Canonical(partitionPhysio + protocol.Code(physio))
		ok = true
	} else if !ok {
		// Private ids that are the standard's too are below those of ours.
		t.code = partitionPhysio + protocol.Code(physio)
		_, ok = protocol.Lookup(t.code)
		ok = ok && physio < 0xF000
	}
	if setting && ok {
		t.code += settings
	}
	if term, known := protocol.Lookup(t.code); !ok || known && term.Kind != kind {
		t = target{code: partitionPrivate + protocol.Code(physio)}
		if setting {
			t.code += settings
		}
	}
	return t
}

// units are those of the monitor's unit codes that package protocol does not
// keep under a code of the standard.
var units = map[uint16]protocol.Unit{
	0x09C0: "Hz", 0x09E0: "/min", 0x0B20: "L/min/m2", 0x0BE0: "L/s", 0x1912: "mL/dL", 0x1920: "dB", 0xF00A: "mL/s", 0xF152: "mL/mbar",
}

// unitOf gives the unit of a code of the dimensions. One that is not known is
// kept by its number, as an annotation.
func unitOf(code uint16) protocol.Unit {
	if u, ok := protocol.UnitOf(4<<16 | protocol.Code(code)); ok {
		return u
	}
	if u, ok := units[code]; ok {
		return u
	}
	return protocol.Unit(fmt.Sprintf("{unit %04X}", code))
}
