package protocol

import "slices"

var heartTerms = slices.Concat([]Term{
	numeric(HeartRate, "MDC_ECG_HEART_RATE", "HR", "heart rate from the ECG", SignHeartRate, "/min", 0, 0, 350, paceBeat, "green"),
	numeric(147850, "MDC_ECG_CARD_BEAT_RATE_BTB", "HR btb", "heart rate, beat to beat", SignHeartRate, "/min", 0, 0, 350, paceSlow, "green"),
	// A pulse of 0 is no pulse found, not asystole: only the ECG can say 0.
	numeric(PulseRate, "MDC_PULS_OXIM_PULS_RATE", "PR", "pulse rate from the oximeter", SignHeartRate, "/min", 0, 1, 350, paceSlow, "cyan"),
	numeric(149546, "MDC_PULS_RATE_NON_INV", "PR cuff", "pulse rate from the cuff", SignHeartRate, "/min", 0, 1, 350, paceCuff, "magenta"),
	numeric(149514, "MDC_PULS_RATE", "Pulse", "pulse rate, source unknown", SignHeartRate, "/min", 0, 1, 350, paceSlow, "cyan"),
	numeric(148066, "MDC_ECG_V_P_C_RATE", "PVC", "ventricular ectopic beats per minute", SignECG, "/min", 0, 0, 300, paceSlow, "green"),
	numeric(147232, "MDC_ECG_TIME_PD_QT_GL", "QT", "QT interval", SignECG, "ms", 0, 100, 1000, paceMinute, "green"),
	numeric(147236, "MDC_ECG_TIME_PD_QTc", "QTc", "QT interval corrected for the heart rate", SignECG, "ms", 0, 100, 1000, paceMinute, "green"),
}, segments("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF"), []Term{
	numeric(private(0xF110), "MONITORME_HEART_RATE_VARIABILITY", "HRV", "heart rate variability, standard deviation of the beat intervals", SignHeartRate, "ms", 0, 0, 1000, paceMinute, "green"),
	numeric(private(0xF111), "MONITORME_RR_INTERVAL", "R-R", "interval between two beats", SignHeartRate, "ms", 0, 100, 6000, paceSlow, "green"),
	numeric(private(0xF112), "MONITORME_ST_V", "ST V", "ST level of the single chest lead", SignECG, "mV", 2, -2, 2, paceSlow, "green"),
})

// leads are the lead numbers of the standard: a wave is 2<<16 + 256 + number.
var leads = map[string]Code{"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64, "V": 67, "MCL": 75}

var leadRefIDs = map[string]string{"aVR": "AVR", "aVL": "AVL", "aVF": "AVF"}

func leadRefID(lead string) string {
	if id, ok := leadRefIDs[lead]; ok {
		return id
	}
	return lead
}

// segments are the ST levels per lead: 2<<16 + 768 + lead number.
func segments(names ...string) (terms []Term) {
	for _, l := range names {
		terms = append(terms, numeric(2<<16+768+leads[l], "MDC_ECG_AMPL_ST_"+leadRefID(l), "ST "+l, "ST level of lead "+l, SignECG, "mV", 2, -2, 2, paceSlow, "green"))
	}
	return terms
}

var oxygenTerms = []Term{
	numeric(SpO2, "MDC_PULS_OXIM_SAT_O2", "SpO2", "oxygen saturation by pulse oximetry", SignOxygen, "%", 0, 0, 100, paceSlow, "cyan"),
	numeric(160296, "MDC_PULS_OXIM_SAT_O2_PRE_DUCTAL", "SpO2 pre", "oxygen saturation, pre-ductal", SignOxygen, "%", 0, 0, 100, paceSlow, "cyan"),
	numeric(160300, "MDC_PULS_OXIM_SAT_O2_POST_DUCTAL", "SpO2 post", "oxygen saturation, post-ductal", SignOxygen, "%", 0, 0, 100, paceSlow, "cyan"),
	numeric(150472, "MDC_PULS_OXIM_SAT_O2_ART_LEFT", "SpO2 left", "oxygen saturation, left", SignOxygen, "%", 0, 0, 100, paceSlow, "cyan"),
	numeric(150476, "MDC_PULS_OXIM_SAT_O2_ART_RIGHT", "SpO2 right", "oxygen saturation, right", SignOxygen, "%", 0, 0, 100, paceSlow, "cyan"),
	numeric(150468, "MDC_PULS_OXIM_SAT_O2_DIFF", "ΔSpO2", "difference of two oxygen saturations", SignOxygen, "%", 0, -100, 100, paceSlow, "cyan"),
	numeric(150324, "MDC_SAT_O2_ART", "SaO2", "oxygen saturation of arterial blood", SignOxygen, "%", 0, 0, 100, paceMinute, "red"),
	numeric(150332, "MDC_SAT_O2_VEN", "SvO2", "oxygen saturation of mixed venous blood", SignOxygen, "%", 0, 0, 100, paceSlow, "blue"),
	numeric(PerfusionIndex, "MDC_BLD_PERF_INDEX", "PI", "perfusion index", SignOxygen, "%", 2, 0.02, 20, paceSlow, "cyan"),
	numeric(151760, "MDC_O2_TCUT", "tcpO2", "oxygen partial pressure through the skin", SignOxygen, "mm[Hg]", 0, 0, 800, paceSlow, "cyan"),
	numeric(private(0xF120), "MONITORME_SAT_CO", "SpCO", "carboxyhaemoglobin by pulse oximetry", SignOxygen, "%", 0, 0, 100, paceSlow, "cyan"),
	numeric(private(0xF121), "MONITORME_SAT_MET", "SpMet", "methaemoglobin by pulse oximetry", SignOxygen, "%", 1, 0, 100, paceSlow, "cyan"),
	numeric(private(0xF122), "MONITORME_TOTAL_HAEMOGLOBIN", "SpHb", "total haemoglobin by pulse oximetry", SignOxygen, "g/dL", 1, 0, 25, paceSlow, "cyan"),
	numeric(private(0xF123), "MONITORME_OXYGEN_CONTENT", "SpOC", "oxygen content by pulse oximetry", SignOxygen, "mL/dL", 1, 0, 35, paceSlow, "cyan"),
	numeric(private(0xF124), "MONITORME_PLETH_VARIABILITY", "PVI", "pleth variability index", SignOxygen, "%", 0, 0, 100, paceSlow, "cyan"),
	numeric(private(0xF125), "MONITORME_PULSE_AMPLITUDE", "PA", "pulse amplitude in the device's own scale", SignOxygen, "1", 0, 0, 0, paceSlow, "cyan"),
	numeric(private(0xF126), "MONITORME_SIGNAL_IQ", "SIQ", "oximeter signal quality", SignOxygen, "%", 0, 0, 100, paceSlow, "cyan"),
}

var pressureTerms = slices.Concat([]Term{
	numeric(NIBPSystolic, "MDC_PRESS_BLD_NONINV_SYS", "NIBP sys", "cuff pressure, systolic", SignBloodPressure, "mm[Hg]", 0, 30, 300, paceCuff, "magenta"),
	numeric(NIBPDiastolic, "MDC_PRESS_BLD_NONINV_DIA", "NIBP dia", "cuff pressure, diastolic", SignBloodPressure, "mm[Hg]", 0, 10, 250, paceCuff, "magenta"),
	numeric(NIBPMean, "MDC_PRESS_BLD_NONINV_MEAN", "NIBP mean", "cuff pressure, mean", SignBloodPressure, "mm[Hg]", 0, 20, 270, paceCuff, "magenta"),
	numeric(150020, "MDC_PRESS_BLD_NONINV", "NIBP", "cuff pressure while inflating", SignBloodPressure, "mm[Hg]", 0, 0, 330, paceEpisodic, "magenta"),
},
	pressures(150036, "MDC_PRESS_BLD_ART_ABP", "ABP", "arterial pressure", -50, 360, paceSecond, "red"),
	pressures(150032, "MDC_PRESS_BLD_ART", "ART", "arterial pressure, second line", -50, 360, paceSecond, "red"),
	pressures(150016, "MDC_PRESS_BLD", "IBP", "invasive pressure, site unknown", -50, 360, paceSecond, "red"),
	pressures(150028, "MDC_PRESS_BLD_AORT", "Ao", "aortic pressure", -50, 360, paceSecond, "red"),
	pressures(150044, "MDC_PRESS_BLD_ART_PULM", "PAP", "pulmonary artery pressure", -50, 360, paceSecond, "yellow"),
	pressures(150056, "MDC_PRESS_BLD_ART_UMB", "UAP", "umbilical artery pressure", -50, 360, paceSecond, "red"),
	pressures(150064, "MDC_PRESS_BLD_ATR_LEFT", "LAP", "left atrial pressure", -50, 360, paceSecond, "blue"),
	pressures(150068, "MDC_PRESS_BLD_ATR_RIGHT", "RAP", "right atrial pressure", -50, 360, paceSecond, "blue"),
	pressures(150084, "MDC_PRESS_BLD_VEN_CENT", "CVP", "central venous pressure", -20, 50, paceSecond, "blue"),
	pressures(150088, "MDC_PRESS_BLD_VEN_UMB", "UVP", "umbilical venous pressure", -20, 50, paceSecond, "blue"),
	pressures(private(0xF134), "MONITORME_PRESS_RIGHT_VENTRICLE", "RVP", "right ventricular pressure", -50, 200, paceSecond, "blue"),
	pressures(private(0xF138), "MONITORME_PRESS_SPECIAL", "SP", "pressure of a special site, as the monitor calls it", -50, 360, paceSecond, "white"),
	pressures(private(0xF13C), "MONITORME_PRESS_FEMORAL_VEIN", "FEMV", "femoral venous pressure", -20, 100, paceSecond, "blue"),
	[]Term{
		numeric(150052, "MDC_PRESS_BLD_ART_PULM_WEDGE", "PAWP", "pulmonary artery wedge pressure", SignBloodPressure, "mm[Hg]", 0, -20, 100, paceEpisodic, "yellow"),
		numeric(150276, "MDC_OUTPUT_CARD", "CO", "cardiac output", "", "L/min", 1, 0, 30, paceMinute, "white"),
		numeric(150492, "MDC_OUTPUT_CARD_CTS", "CCO", "cardiac output, continuous", "", "L/min", 1, 0, 30, paceMinute, "white"),
		numeric(149772, "MDC_OUTPUT_CARD_INDEX", "CI", "cardiac index", "", "L/min/m2", 1, 0, 20, paceMinute, "white"),
		numeric(150404, "MDC_VOL_BLD_STROKE", "SV", "stroke volume", "", "mL", 0, 0, 300, paceMinute, "white"),
		numeric(private(0xF130), "MONITORME_STROKE_VOLUME_VARIATION", "SVV", "stroke volume variation", "", "%", 0, 0, 100, paceMinute, "white"),
		numeric(private(0xF131), "MONITORME_PULSE_PRESSURE_VARIATION", "PPV", "pulse pressure variation", "", "%", 0, 0, 100, paceMinute, "white"),
	})

var temperatureTerms = []Term{
	temperature(150344, "MDC_TEMP", "Temp", "temperature, site unknown"),
	temperature(BodyTemperature, "MDC_TEMP_BODY", "T body", "body temperature"),
	temperature(150352, "MDC_TEMP_ART", "T art", "arterial blood temperature"),
	temperature(150356, "MDC_TEMP_AWAY", "T airway", "airway temperature"),
	temperature(150368, "MDC_TEMP_CORE", "T core", "core temperature"),
	temperature(150372, "MDC_TEMP_ESOPH", "T esoph", "oesophageal temperature"),
	temperature(150380, "MDC_TEMP_NASOPH", "T naso", "nasopharyngeal temperature"),
	temperature(150388, "MDC_TEMP_SKIN", "T skin", "skin temperature"),
	temperature(150392, "MDC_TEMP_TYMP", "T tymp", "ear temperature"),
	temperature(150396, "MDC_TEMP_VEN", "T ven", "venous blood temperature"),
	temperature(188420, "MDC_TEMP_RECT", "T rect", "rectal temperature"),
	temperature(188424, "MDC_TEMP_ORAL", "T oral", "oral temperature"),
	temperature(188496, "MDC_TEMP_AXIL", "T axil", "axillary temperature"),
	temperature(188428, "MDC_TEMP_EAR", "T outer ear", "temperature of the outer ear"),
	temperature(188432, "MDC_TEMP_FINGER", "T finger", "finger temperature"),
	temperature(188448, "MDC_TEMP_TOE", "T toe", "toe temperature"),
	temperature(188456, "MDC_TEMP_GIT", "T gut", "temperature in the gut"),
	temperature(private(0xF140), "MONITORME_TEMP_BLADDER", "T bladder", "bladder temperature"),
	temperature(private(0xF141), "MONITORME_TEMP_BLOOD", "T blood", "blood temperature at the catheter"),
	numeric(private(0xF142), "MONITORME_TEMP_INCUBATOR_AIR", "T air", "air temperature in the incubator", "", "Cel", 1, 10, 50, paceMinute, "white"),
	numeric(private(0xF143), "MONITORME_TEMP_INCUBATOR_SETTING", "T set", "temperature that the incubator or warmer is set to", "", "Cel", 1, 10, 50, paceMinute, "white"),
	numeric(private(0xF144), "MONITORME_HEATER_POWER", "Heater", "heater power of the incubator or warmer", "", "%", 0, 0, 100, paceMinute, "white"),
	numeric(private(0xF145), "MONITORME_TEMP_DIFFERENCE", "ΔT", "difference of two temperatures", SignTemperature, "Cel", 1, -40, 40, paceWarmth, "white"),
	numeric(private(0xF146), "MONITORME_INCUBATOR_HUMIDITY", "Humidity", "relative humidity in the incubator", "", "%", 0, 0, 100, paceMinute, "white"),
	numeric(private(0xF147), "MONITORME_INCUBATOR_OXYGEN", "O2 inc", "oxygen in the incubator", "", "%", 0, 0, 100, paceMinute, "white"),
}

func temperature(c Code, refID, label, name string) Term {
	low := 10.0 // what probes measure; skin and ambient may be cool
	if c == BodyTemperature {
		low = 25
	}
	high := 50.0
	if c == BodyTemperature {
		high = 45
	}
	return numeric(c, refID, label, name, SignTemperature, "Cel", 1, low, high, paceWarmth, "white")
}

var laboratoryTerms = []Term{
	numeric(Glucose, "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD", "Glucose", "blood glucose, capillary", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160020, "MDC_CONC_GLU_GEN", "Glucose gen", "glucose, sample unknown", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160188, "MDC_CONC_GLU_CAPILLARY_PLASMA", "Glucose cap pl", "glucose in capillary plasma", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160192, "MDC_CONC_GLU_VENOUS_WHOLEBLOOD", "Glucose ven", "blood glucose, venous", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160196, "MDC_CONC_GLU_VENOUS_PLASMA", "Glucose ven pl", "glucose in venous plasma", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160200, "MDC_CONC_GLU_ARTERIAL_WHOLEBLOOD", "Glucose art", "blood glucose, arterial", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160204, "MDC_CONC_GLU_ARTERIAL_PLASMA", "Glucose art pl", "glucose in arterial plasma", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160364, "MDC_CONC_GLU_UNDETERMINED_WHOLEBLOOD", "Glucose wb", "blood glucose, sample unknown", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160368, "MDC_CONC_GLU_UNDETERMINED_PLASMA", "Glucose pl", "glucose in plasma", SignBloodSugar, "mg/dL", 0, 10, 600, paceGlucose, "white"),
	numeric(160208, "MDC_CONC_GLU_CONTROL", "Glucose control", "glucose in a control solution, nobody's", "", "mg/dL", 0, 0, 0, paceEpisodic, "white"),
	numeric(160212, "MDC_CONC_GLU_ISF", "Glucose cgm", "glucose under the skin, continuous", SignBloodSugar, "mg/dL", 0, 10, 600, pace{5 * paceMinute.every, 5 * paceMinute.stale}, "white"),
}

var otherTerms = []Term{
	numeric(188736, "MDC_MASS_BODY_ACTUAL", "Weight", "body weight", "", "kg", 1, 0.2, 500, paceEpisodic, "white"),
	numeric(188740, "MDC_LEN_BODY_ACTUAL", "Height", "body height", "", "cm", 0, 20, 260, paceEpisodic, "white"),
	enumeration(SleepStatus, "MONITORME_SLEEP_STATUS", "Sleep", "awake, asleep, light, deep, rem or unknown", SignSleep, paceGlucose, "blue"),
	enumeration(private(0xF102), "MONITORME_PRESENCE", "In bed", "present, absent or unknown", SignSleep, paceMinute, "blue"),
	numeric(private(0xF103), "MONITORME_MOVEMENT", "Movement", "body movement in the device's own scale", SignSleep, "1", 0, 0, 0, paceMinute, "blue"),
	numeric(private(0xF104), "MONITORME_SLEEP_SCORE", "Sleep score", "sleep score in the device's own scale", SignSleep, "1", 0, 0, 0, paceEpisodic, "blue"),
	numeric(private(0xF160), "MONITORME_POSTURE", "Posture", "angle of the upper body from the vertical", "", "deg", 0, -180, 180, paceSlow, "white"),
	numeric(private(0xF161), "MONITORME_ACTIVITY", "Activity", "activity in the device's own scale", "", "1", 2, 0, 0, paceSlow, "white"),
	numeric(private(0xF162), "MONITORME_PEAK_ACCELERATION", "Peak acc", "peak acceleration", "", "[g]", 2, -20, 20, paceSlow, "white"),
	numeric(private(0xF163), "MONITORME_STEPS", "Steps", "steps counted since switched on", "", "1", 0, 0, 0, paceMinute, "white"),
	numeric(private(0xF164), "MONITORME_BATTERY_LEVEL", "Battery", "battery of the device", "", "%", 0, 0, 100, paceMinute, "white"),
	numeric(private(0xF165), "MONITORME_BATTERY_VOLTAGE", "Battery V", "battery voltage of the device", "", "V", 2, 0, 60, paceMinute, "white"),
	numeric(private(0xF166), "MONITORME_TRAIN_OF_FOUR_RATIO", "TOF %", "fourth to first answer of a train of four", "", "%", 0, 0, 200, paceMinute, "white"),
	numeric(private(0xF167), "MONITORME_TRAIN_OF_FOUR_COUNT", "TOF", "answers to a train of four", "", "1", 0, 0, 4, paceMinute, "white"),
	numeric(private(0xF168), "MONITORME_POST_TETANIC_COUNT", "PTC", "answers after a tetanic stimulus", "", "1", 0, 0, 30, paceMinute, "white"),
}
