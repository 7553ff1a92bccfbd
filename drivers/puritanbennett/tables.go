package puritanbennett

import "monitorme/protocol"

var (
	mode  = protocol.MustCode("MDC_VENT_MODE")
	ratio = protocol.MustCode("MDC_RATIO_IE")
)

// What a number is.
type sort uint8

const (
	measured sort = iota // all the time: blank is missing
	derived              // where it applies: blank is nothing
	maneuver             // once, and repeated in every record until the next
	set                  // by the operator
)

// A number is a field with a number in it.
type number struct {
	field int
	code  protocol.Code
	unit  protocol.Unit // in the record
	sort  sort
}

func code(refID string) protocol.Code { return protocol.MustCode(refID) }

// numbersF are the numbers of the record of 169 fields.
var numbersF = []number{
	{13, code("MDC_VENT_RESP_RATE_SETTING"), "/min", set},
	{14, code("MDC_VENT_VOL_TIDAL_SETTING"), "L", set},
	{15, code("MONITORME_FLOW_SETTING"), "L/min", set},
	{16, code("MDC_CONC_AWAY_O2_INSP_SETTING"), "%", set},
	{18, code("MDC_VENT_PRESS_AWAY_END_EXP_POS_SETTING"), "cm[H2O]", set},
	{20, code("MONITORME_APNEA_TIME_SETTING"), "s", set},
	{31, code("MONITORME_PRESSURE_SUPPORT_SETTING"), "cm[H2O]", set},
	{34, code("MONITORME_PRESSURE_LIMIT_SETTING"), "cm[H2O]", set},
	{45, code("MONITORME_FLOW_TRIGGER_SETTING"), "L/min", set},
	{46, code("MDC_VENT_PRESS_AWAY_DELTA_SETTING"), "cm[H2O]", set},
	{47, code("MONITORME_INSPIRATION_TIME_SETTING"), "s", set},
	{69, code("MDC_PRESS_AWAY_INSP_END"), "cm[H2O]", measured},
	{70, code("MDC_VENT_RESP_BTSD_PSAZC_RATE"), "/min", measured},
	{71, code("MDC_VOL_AWAY_TIDAL_EXP"), "L", measured},
	{72, code("MDC_VENT_VOL_MINUTE_EXP"), "L/min", measured},
	{73, code("MDC_VENT_PRESS_AWAY_MAX"), "cm[H2O]", measured},
	{74, code("MDC_VENT_PRESS_AWAY_MEAN"), "cm[H2O]", measured},
	{77, code("MDC_CONC_AWAY_O2_INSP"), "%", measured},
	{78, code("MDC_VOL_AWAY_TIDAL_INSP"), "L", derived},
	{85, code("MDC_RESP_RAPID_SHALLOW_BREATHING_INDEX"), "/min/L", derived},
	{87, code("MDC_VENT_PRESS_AWAY_END_EXP_POS"), "cm[H2O]", measured},
	{89, code("MONITORME_MINUTE_VOLUME_SPONTANEOUS"), "L/min", derived},
	{90, code("MDC_PRESS_AWAY_END_EXP_POS_INTRINSIC"), "cm[H2O]", maneuver},
	{91, code("MDC_PRESS_AWAY_END_EXP_POS_TOTAL"), "cm[H2O]", maneuver},
	{92, code("MDC_COMPL_LUNG_STATIC"), "mL/cm[H2O]", maneuver},
	{93, code("MDC_RES_AWAY"), "cm[H2O]/(L/s)", maneuver},
	{94, code("MDC_VENT_PRESS_RESP_PLAT"), "cm[H2O]", maneuver},
	{96, code("MDC_COMPL_LUNG_DYN"), "mL/cm[H2O]", derived},
	{99, code("MDC_FLOW_AWAY_EXP_MAX"), "L/min", derived},
	{100, code("MONITORME_END_EXPIRATORY_FLOW"), "L/min", derived},
	{102, code("MONITORME_NEGATIVE_INSPIRATORY_FORCE"), "cm[H2O]", maneuver},
	{103, code("MDC_VENT_PRESS_OCCL"), "cm[H2O]", maneuver},
	{154, code("MDC_VOL_AWAY_TIDAL_EXP_BTSD_PS"), "L", derived},
	{155, code("MONITORME_WORK_OF_BREATHING"), "J/L", derived},
	{157, code("MONITORME_LEAK_FRACTION"), "%", derived},
	{158, code("MDC_VENT_VOL_LEAK"), "L/min", derived},
}

// numbersA are the numbers of the record of 97 fields.
var numbersA = []number{
	{10, code("MDC_VENT_RESP_RATE_SETTING"), "/min", set},
	{11, code("MDC_VENT_VOL_TIDAL_SETTING"), "L", set},
	{12, code("MONITORME_FLOW_SETTING"), "L/min", set},
	{13, code("MDC_CONC_AWAY_O2_INSP_SETTING"), "%", set},
	{15, code("MDC_VENT_PRESS_AWAY_END_EXP_POS_SETTING"), "cm[H2O]", set},
	{21, code("MONITORME_APNEA_TIME_SETTING"), "s", set},
	{26, code("MONITORME_PRESSURE_SUPPORT_SETTING"), "cm[H2O]", set},
	{34, code("MDC_VENT_RESP_BTSD_PSAZC_RATE"), "/min", measured},
	{35, code("MDC_VOL_AWAY_TIDAL_EXP"), "L", measured},
	{36, code("MDC_VENT_VOL_MINUTE_EXP"), "L/min", measured},
	{37, code("MONITORME_MINUTE_VOLUME_SPONTANEOUS"), "L/min", derived},
	{38, code("MDC_VENT_PRESS_AWAY_MAX"), "cm[H2O]", measured},
	{39, code("MDC_VENT_PRESS_AWAY_MEAN"), "cm[H2O]", measured},
	{40, code("MDC_PRESS_AWAY_INSP_END"), "cm[H2O]", derived},
	{63, code("MDC_COMPL_LUNG_STATIC"), "mL/cm[H2O]", maneuver},
	{64, code("MDC_RES_AWAY"), "cm[H2O]/(L/s)", maneuver},
	{65, code("MDC_COMPL_LUNG_DYN"), "mL/cm[H2O]", derived},
	{67, code("MONITORME_NEGATIVE_INSPIRATORY_FORCE"), "cm[H2O]", maneuver},
}

// An alarm is a field with the state of an alarm.
type alarm struct {
	field  int
	code   protocol.Code
	source protocol.Code
	text   string
}

var (
	minuteVolume = code("MDC_VENT_VOL_MINUTE_EXP")
	tidalOut     = code("MDC_VOL_AWAY_TIDAL_EXP")
	tidalIn      = code("MDC_VOL_AWAY_TIDAL_INSP")
	tidalSpont   = code("MDC_VOL_AWAY_TIDAL_EXP_BTSD_PS")
	oxygen       = code("MDC_CONC_AWAY_O2_INSP")
	peak         = code("MDC_VENT_PRESS_AWAY_MAX")
	rate         = code("MDC_VENT_RESP_BTSD_PSAZC_RATE")
	apnea        = code("MDC_EVT_APNEA")
	malfunction  = code("MDC_EVT_MALF")
)

// alarmsF are the alarms of the record of 169 fields.
var alarmsF = []alarm{
	{106, apnea, rate, "apnoea ventilation"},
	{107, protocol.EventHigh, minuteVolume, "high exhaled minute volume"},
	{108, protocol.EventHigh, tidalOut, "high exhaled tidal volume"},
	{109, protocol.EventHigh, oxygen, "high delivered O2"},
	{110, protocol.EventHigh, peak, "high peak pressure"},
	{111, protocol.EventAlarm, 0, "high ventilator pressure"},
	{112, protocol.EventHigh, rate, "high respiratory rate"},
	{113, protocol.EventAlarm, 0, "AC power loss"},
	{114, code("MDC_EVT_BATT_PROB"), 0, "inoperative battery"},
	{115, protocol.EventBatteryLow, 0, "low battery"},
	{116, protocol.EventAlarm, 0, "loss of power"},
	{117, protocol.EventLow, tidalOut, "low exhaled mandatory tidal volume"},
	{118, protocol.EventLow, minuteVolume, "low exhaled minute volume"},
	{119, protocol.EventLow, tidalSpont, "low exhaled spontaneous tidal volume"},
	{120, protocol.EventLow, oxygen, "low delivered O2"},
	{121, protocol.EventAlarm, 0, "low air supply"},
	{122, protocol.EventAlarm, 0, "low O2 supply"},
	{123, protocol.EventAlarm, 0, "compressor inoperative"},
	{124, protocol.EventAlarm, 0, "circuit disconnect"},
	{125, protocol.EventAlarm, 0, "severe occlusion"},
	{126, protocol.EventAlarm, 0, "inspiration too long"},
	{127, protocol.EventAlarm, 0, "procedure error"},
	{128, protocol.EventAlarm, 0, "compliance limited tidal volume"},
	{129, protocol.EventAlarm, 0, "high inspired spontaneous tidal volume"},
	{130, protocol.EventHigh, tidalIn, "high inspired mandatory tidal volume"},
	{131, protocol.EventAlarm, 0, "high compensation pressure"},
	{132, protocol.EventAlarm, 0, "PAV start-up too long"},
	{133, protocol.EventAlarm, 0, "PAV resistance and compliance not assessed"},
	{134, protocol.EventAlarm, 0, "volume not delivered, VC+"},
	{135, protocol.EventAlarm, 0, "volume not delivered, VS"},
	{136, protocol.EventLow, peak, "low peak pressure"},
	{137, malfunction, 0, "technical malfunction A5"},
	{138, malfunction, 0, "technical malfunction A10"},
	{139, malfunction, 0, "technical malfunction A15"},
	{140, malfunction, 0, "technical malfunction A20"},
	{141, malfunction, 0, "technical malfunction A25"},
	{142, malfunction, 0, "technical malfunction A30"},
	{143, malfunction, 0, "technical malfunction A35"},
	{144, malfunction, 0, "technical malfunction A40"},
	{145, malfunction, 0, "technical malfunction A45"},
	{146, malfunction, 0, "technical malfunction A50"},
	{147, malfunction, 0, "technical malfunction A55"},
	{148, malfunction, 0, "technical malfunction A60"},
	{149, malfunction, 0, "technical malfunction A65"},
	{150, malfunction, 0, "technical malfunction A70"},
	{151, malfunction, 0, "technical malfunction A75"},
	{152, malfunction, 0, "technical malfunction A80"},
	{153, malfunction, 0, "technical malfunction A85"},
}

// alarmsA are the alarms of the record of 97 fields.
var alarmsA = []alarm{
	{48, protocol.EventHigh, peak, "high peak pressure"},
	{51, protocol.EventLow, tidalOut, "low exhaled tidal volume"},
	{52, protocol.EventLow, minuteVolume, "low exhaled minute volume"},
	{53, protocol.EventHigh, rate, "high respiratory rate"},
	{54, protocol.EventAlarm, 0, "low O2 supply"},
	{55, protocol.EventAlarm, 0, "low air supply"},
	{57, apnea, rate, "apnoea ventilation"},
	{95, protocol.EventAlarm, 0, "occlusion or disconnect"},
}
