package mindray

import "monitorme/protocol"

// A scale is what the unit of a parameter depends on.
type scale uint8

const (
	fixed       scale = iota // always the unit of the term
	pressure                 // as the monitor is set
	temperature              // likewise, and so on
	difference               // of two temperatures
	segment                  // ST
	carbon                   // CO2
	oxygen
	agents
	scales
)

// A source is how a parameter comes.
type source uint8

const (
	periodic source = iota // measured all the time
	cuff                   // measured now and then: the last result may be hours old
	output                 // likewise, cardiac output
	sources
)

// A parameter is a number that the monitor sends, by its id; names are in the
// language of the monitor.
type parameter struct {
	id      int
	module  int
	code    protocol.Code
	channel string
	scale   scale
	source  source
	percent protocol.Code // under which percents are kept, where the code counts pressures
}

var (
	mdc  = func(name string) protocol.Code { return protocol.MustCode("MDC_" + name) }
	ours = func(name string) protocol.Code { return protocol.MustCode("MONITORME_" + name) }

	breathing = mdc("TTHOR_RESP_RATE")
	temp      = mdc("TEMP")
)

// parameters: sheet, section "Numbers". The order is that of asking.
var parameters = []parameter{
	{id: 101, module: 2101, code: protocol.HeartRate},
	{id: 151, module: 2102, code: breathing},
	{id: 160, module: 2103, code: protocol.SpO2},
	{id: 161, module: 2103, code: protocol.PulseRate},
	{id: 162, module: 2103, code: protocol.PerfusionIndex},
	{id: 170, module: 2105, code: protocol.NIBPSystolic, scale: pressure, source: cuff},
	{id: 171, module: 2105, code: protocol.NIBPDiastolic, scale: pressure, source: cuff},
	{id: 172, module: 2105, code: protocol.NIBPMean, scale: pressure, source: cuff},
	{id: 173, module: 2105, code: mdc("PULS_RATE_NON_INV"), source: cuff},
	{id: 200, module: 2104, code: temp, channel: "T1", scale: temperature},
	{id: 201, module: 2104, code: temp, channel: "T2", scale: temperature},
	{id: 202, module: 2104, code: ours("TEMP_DIFFERENCE"), scale: difference},
	{id: 600, module: 2115, code: mdc("PULS_RATE")},
	{id: 500, module: 2116, code: mdc("PRESS_BLD_ART_SYS"), scale: pressure},
	{id: 501, module: 2116, code: mdc("PRESS_BLD_ART_MEAN"), scale: pressure},
	{id: 502, module: 2116, code: mdc("PRESS_BLD_ART_DIA"), scale: pressure},
	{id: 587, module: 2116, code: ours("PULSE_PRESSURE_VARIATION")},
	{id: 503, module: 2117, code: mdc("PRESS_BLD_ART_PULM_SYS"), scale: pressure},
	{id: 504, module: 2117, code: mdc("PRESS_BLD_ART_PULM_MEAN"), scale: pressure},
	{id: 505, module: 2117, code: mdc("PRESS_BLD_ART_PULM_DIA"), scale: pressure},
	{id: 506, module: 2130, code: mdc("PRESS_BLD_AORT_SYS"), scale: pressure},
	{id: 507, module: 2130, code: mdc("PRESS_BLD_AORT_MEAN"), scale: pressure},
	{id: 508, module: 2130, code: mdc("PRESS_BLD_AORT_DIA"), scale: pressure},
	{id: 515, module: 2133, code: mdc("PRESS_BLD_SYS"), channel: "FAP", scale: pressure},
	{id: 516, module: 2133, code: mdc("PRESS_BLD_MEAN"), channel: "FAP", scale: pressure},
	{id: 517, module: 2133, code: mdc("PRESS_BLD_DIA"), channel: "FAP", scale: pressure},
	{id: 250, module: 2106, code: mdc("AWAY_CO2_ET"), scale: carbon, percent: ours("CO2_ET_PERCENT")},
	{id: 251, module: 2106, code: mdc("CONC_AWAY_CO2_INSP"), scale: carbon, percent: ours("CO2_INSP_PERCENT")},
	{id: 253, module: 2106, code: mdc("CONC_AWAY_O2_ET"), scale: oxygen},
	{id: 254, module: 2106, code: mdc("CONC_AWAY_O2_INSP"), scale: oxygen},
	{id: 256, module: 2106, code: mdc("CONC_AWAY_N2O_ET"), scale: agents},
	{id: 257, module: 2106, code: mdc("CONC_AWAY_N2O_INSP"), scale: agents},
	{id: 268, module: 2106, code: mdc("CONC_AWAY_ISOFL_ET"), scale: agents},
	{id: 269, module: 2106, code: mdc("CONC_AWAY_ISOFL_INSP"), scale: agents},
	{id: 280, module: 2106, code: mdc("AWAY_RESP_RATE")},
	{id: 281, module: 2106, code: ours("MAC")},
	{id: 210, module: 2108, code: mdc("OUTPUT_CARD"), source: output},
	{id: 212, module: 2108, code: mdc("OUTPUT_CARD_INDEX"), source: output},
	{id: 213, module: 2108, code: ours("TEMP_BLOOD"), scale: temperature},
	{id: 102, module: 2101, code: mdc("ECG_V_P_C_RATE")},
	{id: 105, module: 2101, code: mdc("ECG_AMPL_ST_I"), scale: segment},
	{id: 106, module: 2101, code: mdc("ECG_AMPL_ST_II"), scale: segment},
	{id: 107, module: 2101, code: mdc("ECG_AMPL_ST_III"), scale: segment},
	{id: 108, module: 2101, code: mdc("ECG_AMPL_ST_AVR"), scale: segment},
	{id: 109, module: 2101, code: mdc("ECG_AMPL_ST_AVL"), scale: segment},
	{id: 110, module: 2101, code: mdc("ECG_AMPL_ST_AVF"), scale: segment},
	{id: 111, module: 2101, code: mdc("ECG_AMPL_ST_V1"), scale: segment},
	{id: 112, module: 2101, code: mdc("ECG_AMPL_ST_V2"), scale: segment},
	{id: 113, module: 2101, code: mdc("ECG_AMPL_ST_V3"), scale: segment},
	{id: 114, module: 2101, code: mdc("ECG_AMPL_ST_V4"), scale: segment},
	{id: 115, module: 2101, code: mdc("ECG_AMPL_ST_V5"), scale: segment},
	{id: 116, module: 2101, code: mdc("ECG_AMPL_ST_V6"), scale: segment},
	{id: 117, module: 2101, code: ours("ST_V"), scale: segment},
}

// core is how many of parameters a monitor is asked for that ignores the rest.
const core = 16

// place finds a parameter by its id; -1 if it is not read.
var place = func() func(id int) int {
	byID := map[int]int{}
	for i, p := range parameters {
		byID[p.id] = i
	}
	return func(id int) int {
		if i, ok := byID[id]; ok {
			return i
		}
		return -1
	}
}()

// unitOf are the units of the terms of parameters.
var unitOf = func() (all []protocol.Unit) {
	for _, p := range parameters {
		t, _ := protocol.Lookup(p.code)
		all = append(all, t.Unit)
	}
	return all
}()
