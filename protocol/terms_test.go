package protocol

import (
	"slices"
	"strings"
	"testing"
)

func TestTermsAreUniqueAndComplete(t *testing.T) {
	codes, refIDs, labels := map[Code]bool{}, map[string]bool{}, map[string]bool{}
	colours := []string{"green", "cyan", "red", "yellow", "white", "magenta", "blue"}
	for _, term := range Terms {
		if codes[term.Code] || refIDs[term.RefID] {
			t.Errorf("%d %s is there twice", term.Code, term.RefID)
		}
		codes[term.Code], refIDs[term.RefID] = true, true
		ours := term.Code&0xFFFF >= 0xF000
		if ours != strings.HasPrefix(term.RefID, "MONITORME_") || !ours && !strings.HasPrefix(term.RefID, "MDC_") {
			t.Errorf("%d %s: a private code and a name of ours belong together", term.Code, term.RefID)
		}
		if term.Label == "" || term.Name == "" {
			t.Errorf("%s has no label or no name", term.RefID)
		}
		if term.Kind == KindNumeric || term.Kind == KindSamples {
			if labels[term.Label] {
				t.Errorf("%s: label %q is there twice", term.RefID, term.Label)
			}
			labels[term.Label] = true
			if _, ok := unitByName[term.Unit]; !ok {
				t.Errorf("%s: unit %q is not in the table of units", term.RefID, term.Unit)
			}
			if !slices.Contains(colours, term.Colour) {
				t.Errorf("%s: colour %q", term.RefID, term.Colour)
			}
		}
		if term.Low > term.High {
			t.Errorf("%s: range %v to %v", term.RefID, term.Low, term.High)
		}
		if (term.Period == 0) != (term.StaleAfter == 0) || term.StaleAfter < 2*term.Period {
			t.Errorf("%s: expected every %v, stale after %v", term.RefID, term.Period, term.StaleAfter)
		}
		if term.Sign != "" && !slices.Contains(Signs, term.Sign) {
			t.Errorf("%s: sign %q", term.RefID, term.Sign)
		}
		if got, ok := Lookup(term.Code); !ok || got != term {
			t.Errorf("Lookup(%d) = %v, %v", term.Code, got, ok)
		}
		if got, ok := LookupRefID(term.RefID); !ok || got != term {
			t.Errorf("LookupRefID(%s) = %v, %v", term.RefID, got, ok)
		}
	}
}

func TestTermsLieInThePartitionOfTheirKind(t *testing.T) {
	for _, term := range Terms {
		var want []uint16
		switch {
		case term.Kind == KindEvent:
			want = []uint16{3}
		case term.Kind == KindUnknown: // device types
			want = []uint16{1, 8}
		case term.Kind == KindEnumeration:
			want = []uint16{1, 2}
		case strings.HasSuffix(term.RefID, "_SETTING") && strings.HasPrefix(term.RefID, "MDC_"):
			want = []uint16{258}
		default:
			want = []uint16{2}
		}
		if !slices.Contains(want, term.Code.Partition()) {
			t.Errorf("%s: partition %d, want one of %v", term.RefID, term.Code.Partition(), want)
		}
	}
}

func TestEverySignHasATermThatGoesStale(t *testing.T) {
	for _, s := range Signs {
		if !slices.ContainsFunc(Terms, func(t Term) bool { return t.Sign == s && t.StaleAfter > 0 }) {
			t.Errorf("no term of sign %s", s)
		}
	}
}

// Codes as they stand in public tables, so that a slip of the pen in the
// formulas shows.
func TestCodesAreThoseOfTheStandard(t *testing.T) {
	for refID, code := range map[string]Code{
		"MDC_ECG_HEART_RATE": 147842, "MDC_PULS_OXIM_PULS_RATE": 149530, "MDC_PULS_RATE_NON_INV": 149546, "MDC_PULS_RATE": 149514,
		"MDC_PULS_OXIM_SAT_O2": 150456, "MDC_BLD_PERF_INDEX": 150488,
		"MDC_PRESS_BLD_NONINV_SYS": 150021, "MDC_PRESS_BLD_NONINV_DIA": 150022, "MDC_PRESS_BLD_NONINV_MEAN": 150023,
		"MDC_PRESS_BLD_ART_SYS": 150033, "MDC_PRESS_BLD_ART_ABP_SYS": 150037, "MDC_PRESS_BLD_ART_ABP_MEAN": 150039,
		"MDC_PRESS_BLD_SYS": 150017, "MDC_PRESS_BLD_ART_PULM_MEAN": 150047, "MDC_PRESS_BLD_VEN_CENT_MEAN": 150087,
		"MDC_PRESS_INTRA_CRAN": 153608, "MDC_PRESS_INTRA_CRAN_MEAN": 153611,
		"MDC_RESP_RATE": 151562, "MDC_TTHOR_RESP_RATE": 151578, "MDC_CO2_RESP_RATE": 151594, "MDC_AWAY_RESP_RATE": 151570, "MDC_PULS_OXIM_PLETH_RESP_RATE": 151658,
		"MDC_AWAY_CO2_ET": 151728, "MDC_CONC_AWAY_CO2_ET": 151708, "MDC_CONC_AWAY_CO2_INSP": 151716, "MDC_CONC_AWAY_CO2_EXP": 151712, "MDC_CONC_AWAY_O2_INSP": 152196,
		"MDC_TEMP": 150344, "MDC_TEMP_BODY": 150364, "MDC_TEMP_CORE": 150368, "MDC_TEMP_ESOPH": 150372, "MDC_TEMP_NASOPH": 150380,
		"MDC_TEMP_SKIN": 150388, "MDC_TEMP_TYMP": 150392, "MDC_TEMP_RECT": 188420, "MDC_TEMP_ORAL": 188424, "MDC_TEMP_AXIL": 188496,
		"MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD": 160184, "MDC_CONC_GLU_GEN": 160020, "MDC_CONC_GLU_UNDETERMINED_PLASMA": 160368,
		"MDC_MASS_BODY_ACTUAL": 188736, "MDC_LEN_BODY_ACTUAL": 188740, "MDC_ECG_V_P_C_RATE": 148066, "MDC_ECG_TIME_PD_QT_GL": 147232,
		"MDC_ECG_ELEC_POTL": 131328, "MDC_ECG_ELEC_POTL_I": 131329, "MDC_ECG_ELEC_POTL_II": 131330, "MDC_ECG_ELEC_POTL_III": 131389,
		"MDC_ECG_ELEC_POTL_AVR": 131390, "MDC_ECG_ELEC_POTL_AVL": 131391, "MDC_ECG_ELEC_POTL_AVF": 131392,
		"MDC_ECG_ELEC_POTL_V1": 131331, "MDC_ECG_ELEC_POTL_V6": 131336, "MDC_ECG_ELEC_POTL_V": 131395, "MDC_ECG_ELEC_POTL_MCL": 131403,
		"MDC_ECG_AMPL_ST_I": 131841, "MDC_ECG_AMPL_ST_II": 131842, "MDC_ECG_AMPL_ST_III": 131901, "MDC_ECG_AMPL_ST_AVR": 131902,
		"MDC_ECG_AMPL_ST_AVF": 131904, "MDC_ECG_AMPL_ST_V1": 131843, "MDC_ECG_AMPL_ST_V6": 131848,
		"MDC_PULS_OXIM_PLETH": 150452, "MDC_IMPED_TTHOR": 151780, "MDC_AWAY_CO2": 151724, "MDC_CONC_AWAY_CO2": 151700,
		"MDC_EVT_ALARM": 196616, "MDC_EVT_HI": 196648, "MDC_EVT_LO": 196670, "MDC_EVT_APNEA": 199680, "MDC_EVT_ECG_ASYSTOLE": 199684,
		"MDC_EVT_ECG_V_TACHY": 199832, "MDC_EVT_DESAT": 199854, "MDC_EVT_LEADS_OFF": 196882, "MDC_EVT_SENSOR_DISCONN": 196916,
		"MDC_EVT_DISCONN": 196630, "MDC_EVT_BATT_LO": 196802, "MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS": 69965,
		"MDC_VENT_PRESS_AWAY_END_EXP_POS": 151976, "MDC_PRESS_RESP_PLAT": 151784, "MDC_VOL_MINUTE_AWAY": 151880, "MDC_VOL_AWAY_TIDAL": 151868,
		"MDC_VENT_RESP_RATE": 151586, "MDC_RATIO_IE": 151832, "MDC_RES_AWAY": 151840, "MDC_COMPL_LUNG": 151688, "MDC_VENT_VOL_TIDAL_SETTING": 16929196,
	} {
		if got, ok := LookupRefID(refID); !ok || got.Code != code {
			t.Errorf("%s is %d, want %d", refID, got.Code, code)
		}
	}
}

func TestUnknownCodeIsNamedByItsNumber(t *testing.T) {
	got, ok := Lookup(131072)
	if ok || got.RefID != "MDC_UNKNOWN_131072" || got.Label != "?131072" || got.Code != 131072 {
		t.Errorf("Lookup = %+v, %v", got, ok)
	}
	defer func() {
		if recover() == nil || MustCode("MDC_PULS_OXIM_SAT_O2") != SpO2 {
			t.Error("MustCode took a name that is not there, or not one that is")
		}
	}()
	defer MustCode("MDC_NONE")
	if _, ok := LookupRefID("MDC_NONE"); ok {
		t.Error("LookupRefID found what is not there")
	}
}

func TestAliasesLeadToTermsInOneStep(t *testing.T) {
	for from, to := range aliases {
		if _, ok := Lookup(from); ok {
			t.Errorf("%d is an alias and a term", from)
		}
		if _, ok := Lookup(to); !ok || Canonical(from) != to || Canonical(to) != to {
			t.Errorf("alias %d leads to %d", from, to)
		}
	}
	if Canonical(HeartRate) != HeartRate {
		t.Error("the canonical code of the heart rate is another one")
	}
}

func TestPlausibleKnowsTheRangeInTheUnit(t *testing.T) {
	for _, c := range []struct {
		code Code
		v    Decimal
		unit Unit
		want bool
	}{
		{HeartRate, Int(0), "/min", true}, // asystole
		{PulseRate, Int(0), "/min", false},
		{HeartRate, Int(351), "/min", false},
		{SpO2, Int(100), "%", true},
		{SpO2, Int(127), "%", false},
		{BodyTemperature, Dec(368, -1), "Cel", true},
		{BodyTemperature, Dec(986, -1), "[degF]", true},
		{BodyTemperature, Dec(986, -1), "Cel", false},
		{BodyTemperature, Int(5), "K", true}, // a unit nobody knows: nothing is said
		{Glucose, Dec(55, -1), "mmol/L", true},
		{Glucose, Dec(55, 0), "mmol/L", false},
		{ABPMean, Int(-40), "mm[Hg]", true},
		{PerfusionIndex, Dec(1, -2), "%", false},
		{SpO2, Decimal{}, "%", true},
		{12345, Int(-5), "", true},
	} {
		term, _ := Lookup(c.code)
		if got := term.Plausible(c.v, c.unit); got != c.want {
			t.Errorf("%s of %v %s: plausible %v, want %v", term.RefID, c.v, c.unit, got, c.want)
		}
	}
}

func TestAnUnknownCodeIsNeverLiveForEver(t *testing.T) {
	if term, known := Lookup(7<<16 | 4711); known || term.StaleAfter <= 0 {
		t.Errorf("known %v, stale after %v: an old number would be shown as a live one", known, term.StaleAfter)
	}
}
