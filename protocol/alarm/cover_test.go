package alarm

import (
	"strings"
	"testing"

	"monitorme/protocol"
)

// unlimited are numbers of the vital signs without start limits, and why. A new
// term fails the test until somebody has decided.
var unlimited = map[string]string{
	"MDC_ECG_CARD_BEAT_RATE_BTB": "one beat", "MONITORME_RR_INTERVAL": "one beat",
	"MDC_ECG_V_P_C_RATE": "no limit found", "MDC_ECG_TIME_PD_QT_GL": "no limit found", "MDC_ECG_TIME_PD_QTc": "no limit found",
	"MONITORME_HEART_RATE_VARIABILITY": "no alarm value", "MONITORME_PLETH_VARIABILITY": "no alarm value",
	"MDC_PULS_OXIM_SAT_O2_DIFF": "derived", "MDC_SAT_O2_ART": "laboratory", "MDC_SAT_O2_VEN": "no limit found", "MDC_O2_TCUT": "no limit found",
	"MONITORME_SAT_CO": "no limit found", "MONITORME_SAT_MET": "no limit found", "MONITORME_TOTAL_HAEMOGLOBIN": "no limit found", "MONITORME_OXYGEN_CONTENT": "no limit found",
	"MDC_BLD_PERF_INDEX": "quality of a signal", "MONITORME_PULSE_AMPLITUDE": "quality of a signal", "MONITORME_SIGNAL_IQ": "quality of a signal",
	"MDC_PRESS_BLD_NONINV": "the cuff while it inflates", "MDC_PRESS_BLD_ART_PULM_WEDGE": "no limit found",
	"MDC_VENT_RESP_BTSD_P_RATE": "0 in controlled ventilation", "MDC_VENT_RESP_BTSD_PS_RATE": "0 in controlled ventilation",
	"MDC_AWAY_CO2_ET": "no limit found twice", "MDC_CONC_AWAY_CO2_ET": "no limit found twice", "MDC_CONC_AWAY_CO2_EXP": "no limit found twice", "MDC_CONC_AWAY_CO2_INSP": "no limit found", "MDC_AWAY_CO2_INSP_MIN": "no limit found",
	"MDC_CO2_TCUT": "no limit found", "MDC_TIME_PD_APNEA": "follows the respiration rate", "MONITORME_RESPIRATION_AMPLITUDE": "scale of the device",
	"MDC_TEMP_ART": "in a circuit", "MDC_TEMP_VEN": "in a circuit", "MDC_TEMP_AWAY": "warmed air", "MDC_TEMP_SKIN": "not of the core", "MDC_TEMP_FINGER": "not of the core", "MDC_TEMP_TOE": "not of the core", "MONITORME_TEMP_DIFFERENCE": "derived",
	"MONITORME_MOVEMENT": "no alarm value", "MONITORME_SLEEP_SCORE": "no alarm value",
}

// otherSites are those that have other limits than an artery's, none of which
// was found twice.
var otherSites = []string{"MDC_PRESS_BLD_AORT", "MDC_PRESS_BLD_ART_PULM", "MDC_PRESS_BLD_ART_UMB", "MDC_PRESS_BLD_ATR", "MDC_PRESS_BLD_VEN", "MONITORME_PRESS_",
	"MDC_ECG_AMPL_ST_", "MONITORME_ST_V"}

func TestEveryVitalSignHasALimitOrAReason(t *testing.T) {
	limited := map[protocol.Code]bool{}
	for _, r := range Default().List() {
		if r.Kind == High || r.Kind == Low {
			for _, c := range r.Codes {
				limited[c] = true
			}
		}
	}
	known := map[string]bool{}
	for _, term := range protocol.Terms {
		known[term.RefID] = true
		why := unlimited[term.RefID]
		for _, prefix := range otherSites {
			if strings.HasPrefix(term.RefID, prefix) {
				why = "no limit found"
			}
		}
		if term.Sign != "" && term.Kind == protocol.KindNumeric && limited[term.Code] == (why != "") {
			t.Errorf("%d %s: limited %v, reason for none %q; give it a rule in rules.yaml or a reason in unlimited", term.Code, term.RefID, limited[term.Code], why)
		}
	}
	for id := range unlimited {
		if !known[id] {
			t.Errorf("%s is no term", id)
		}
	}
}
