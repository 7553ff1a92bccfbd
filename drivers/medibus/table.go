package medibus

import "monitorme/protocol"

// A measure is what a code of a data page is kept as.
type measure struct {
	page    byte // the command that asks for it
	code    byte
	to      protocol.Code
	unit    protocol.Unit // of the device
	channel string
}

// Commands, and codes of answers.
const (
	cmdLowAlarms3 = 0x23
	cmdData1      = 0x24
	cmdAlarms1    = 0x27
	cmdSettings   = 0x29
	cmdTexts      = 0x2A
	cmdData2      = 0x2B
	cmdAlarms2    = 0x2E
	cmdNop        = 0x30
	cmdTime       = 0x49
	cmdInit       = 0x51
	cmdIdentify   = 0x52
	cmdCurves     = 0x53
	cmdConfigure  = 0x54
	cmdStop       = 0x55
	cmdChanged    = 0x56
	nak           = 0x15
)

func mdc(name string) protocol.Code  { return protocol.MustCode("MDC_" + name) }
func ours(name string) protocol.Code { return protocol.MustCode("MONITORME_" + name) }

var (
	mode      = mdc("VENT_MODE")
	rapid     = mdc("RESP_RAPID_SHALLOW_BREATHING_INDEX")
	tidalExp  = mdc("VOL_AWAY_TIDAL_EXP")
	tidalInsp = mdc("VOL_AWAY_TIDAL_INSP")
	spontMV   = ours("MINUTE_VOLUME_SPONTANEOUS")
	carbonEt  = mdc("AWAY_CO2_ET")
	carbonIn  = mdc("CONC_AWAY_CO2_INSP")
)

// both are the codes that mean the same in MEDIBUS and in MEDIBUS.X.
var both = []measure{
	{cmdData1, 0x08, mdc("RES_AWAY"), "mbar/(L/s)", ""},
	{cmdData1, 0x09, ours("CO2_PRODUCTION"), "mL/min", ""},
	{cmdData1, 0x71, mdc("PRESS_AWAY_MIN"), "mbar", ""},
	{cmdData1, 0x72, mdc("VENT_PRESS_OCCL"), "mbar", ""},
	{cmdData1, 0x73, mdc("VENT_PRESS_AWAY_MEAN"), "mbar", ""},
	{cmdData1, 0x74, mdc("VENT_PRESS_RESP_PLAT"), "mbar", ""},
	{cmdData1, 0x76, mdc("FLOW_AWAY_INSP_MAX"), "mL/s", ""},
	{cmdData1, 0x78, mdc("VENT_PRESS_AWAY_END_EXP_POS"), "mbar", ""},
	{cmdData1, 0x79, mdc("PRESS_AWAY_END_EXP_POS_INTRINSIC"), "mbar", ""},
	{cmdData1, 0x7D, mdc("PRESS_AWAY_INSP_MAX"), "mbar", ""},
	{cmdData1, 0x81, mdc("VENT_VOL_LUNG_TRAPD"), "mL", ""},
	{cmdData1, 0x8D, ours("NEGATIVE_INSPIRATORY_FORCE"), "mbar", ""},
	{cmdData1, 0xB5, mdc("VENT_RESP_BTSD_PS_RATE"), "/min", ""},
	{cmdData1, 0xB7, spontMV, "L/min", ""},
	{cmdData1, 0xB9, mdc("VOL_MINUTE_AWAY"), "L/min", ""},
	{cmdData1, 0xC1, mdc("TEMP_AWAY"), "Cel", ""},
	{cmdData1, 0xC6, ours("BATTERY_LEVEL"), "%", ""},
	{cmdData1, 0xC9, rapid, "/min/L", ""},
	{cmdData1, 0xD5, mdc("CO2_RESP_RATE"), "/min", ""},
	{cmdData1, 0xD6, protocol.RespirationRate, "/min", ""},
	{cmdData1, 0xDA, ours("CO2_INSP_PERCENT"), "%", ""},
	{cmdData1, 0xDB, ours("CO2_ET_PERCENT"), "%", ""},
	{cmdData1, 0xE1, protocol.PulseRate, "/min", ""},
	{cmdData1, 0xE3, carbonEt, "kPa", ""},
	{cmdData1, 0xE5, carbonIn, "mm[Hg]", ""},
	{cmdData1, 0xE6, carbonEt, "mm[Hg]", ""},
	{cmdData1, 0xEB, protocol.SpO2, "%", ""},
	{cmdData1, 0xF0, mdc("CONC_AWAY_O2_INSP"), "%", ""},
	{cmdData1, 0xFF, carbonIn, "kPa", ""},
	{cmdSettings, 0x01, mdc("CONC_AWAY_O2_INSP_SETTING"), "%", ""},
	{cmdSettings, 0x02, ours("FLOW_SETTING"), "L/min", ""},
	{cmdSettings, 0x04, mdc("VENT_VOL_TIDAL_SETTING"), "L", ""},
	{cmdSettings, 0x05, ours("INSPIRATION_TIME_SETTING"), "s", ""},
	{cmdSettings, 0x09, mdc("VENT_RESP_RATE_SETTING"), "/min", ""},
	{cmdSettings, 0x0B, mdc("VENT_PRESS_AWAY_END_EXP_POS_SETTING"), "mbar", ""},
	{cmdSettings, 0x11, ours("APNEA_TIME_SETTING"), "s", ""},
	{cmdSettings, 0x12, ours("PRESSURE_SUPPORT_SETTING"), "mbar", ""},
	{cmdSettings, 0x13, ours("PRESSURE_LIMIT_SETTING"), "mbar", ""},
	{cmdSettings, 0x29, ours("FLOW_TRIGGER_SETTING"), "L/min", ""},
}

// legacy are the other codes of MEDIBUS.
var legacy = []measure{
	{cmdData1, 0x06, mdc("COMPL_LUNG"), "mL/mbar", ""}, // L/bar is the same
	{cmdData1, 0x07, mdc("COMPL_LUNG"), "mL/mbar", ""},
	{cmdData1, 0x0B, mdc("RES_AWAY"), "mbar/(L/s)", ""},
	{cmdData1, 0x6F, ours("INSPIRATION_TIME"), "s", ""},
	{cmdData1, 0x7A, spontMV, "L/min", ""},
	{cmdData1, 0x82, tidalExp, "L", ""},
	{cmdData1, 0x88, tidalExp, "mL", ""},
	{cmdData1, 0xB8, mdc("VOL_MINUTE_AWAY"), "L/min", ""},
}

// extended are the other codes of MEDIBUS.X.
var extended = []measure{
	{cmdData1, 0x03, mdc("VOL_MINUTE_AWAY_EXP"), "L/min", ""},
	{cmdData1, 0x06, mdc("VENT_VOL_MINUTE_INSP"), "L/min", ""},
	{cmdData1, 0x07, mdc("COMPL_LUNG_DYN"), "mL/mbar", ""},
	{cmdData1, 0x0A, spontMV, "L/min", ""},
	{cmdData1, 0x31, mdc("PRESS_BLD_DIA"), "mm[Hg]", "P1"}, {cmdData1, 0x32, mdc("PRESS_BLD_SYS"), "mm[Hg]", "P1"}, {cmdData1, 0x33, mdc("PRESS_BLD_MEAN"), "mm[Hg]", "P1"},
	{cmdData1, 0x34, mdc("PRESS_BLD_DIA"), "mm[Hg]", "P2"}, {cmdData1, 0x35, mdc("PRESS_BLD_SYS"), "mm[Hg]", "P2"}, {cmdData1, 0x36, mdc("PRESS_BLD_MEAN"), "mm[Hg]", "P2"},
	{cmdData1, 0x2E, ours("PRESS_RIGHT_VENTRICLE_DIA"), "mm[Hg]", ""}, {cmdData1, 0x2F, ours("PRESS_RIGHT_VENTRICLE_SYS"), "mm[Hg]", ""}, {cmdData1, 0x30, ours("PRESS_RIGHT_VENTRICLE_MEAN"), "mm[Hg]", ""},
	{cmdData1, 0x37, mdc("PRESS_INTRA_CRAN_MEAN"), "mm[Hg]", ""},
	{cmdData1, 0x38, mdc("PRESS_CEREB_PERF"), "mm[Hg]", ""},
	{cmdData1, 0x39, mdc("PRESS_BLD_ATR_LEFT_MEAN"), "mm[Hg]", ""},
	{cmdData1, 0x65, mdc("TEMP_SKIN"), "Cel", "peripheral"}, {cmdData1, 0x66, mdc("TEMP_SKIN"), "Cel", "central"},
	{cmdData1, 0x6B, ours("AMBIENT_PRESSURE"), "mbar", ""},
	{cmdData1, 0x6D, ours("TEMP_INCUBATOR_AIR"), "Cel", ""},
	{cmdData1, 0x6E, ours("HEATER_POWER"), "%", ""},
	{cmdData1, 0x7B, ours("RESP_RATE_MANDATORY"), "/min", ""},
	{cmdData1, 0x84, mdc("VOL_AWAY_TIDAL_EXP_BTSD_PS"), "mL", ""},
	{cmdData1, 0x88, mdc("VOL_AWAY_TIDAL"), "mL", ""},
	{cmdData1, 0x8B, tidalInsp, "mL", ""},
	{cmdData1, 0xA1, mdc("PRESS_BLD_ART_PULM_DIA"), "mm[Hg]", ""}, {cmdData1, 0xA6, mdc("PRESS_BLD_ART_PULM_MEAN"), "mm[Hg]", ""}, {cmdData1, 0xAB, mdc("PRESS_BLD_ART_PULM_SYS"), "mm[Hg]", ""},
	{cmdData1, 0xA5, mdc("PRESS_BLD_VEN_CENT_MEAN"), "mm[Hg]", ""},
	{cmdData1, 0xA7, mdc("PRESS_BLD_ATR_RIGHT_MEAN"), "mm[Hg]", ""},
	{cmdData1, 0xC8, mdc("PRESS_BLD_ART_DIA"), "mm[Hg]", ""}, {cmdData1, 0xCD, mdc("PRESS_BLD_ART_MEAN"), "mm[Hg]", ""}, {cmdData1, 0xD2, mdc("PRESS_BLD_ART_SYS"), "mm[Hg]", ""},
	{cmdData1, 0xAD, ours("MAC_ET"), "1", ""},
	{cmdData1, 0xAE, mdc("CONC_AWAY_DESFL_INSP"), "%", ""}, {cmdData1, 0xAF, mdc("CONC_AWAY_DESFL_ET"), "%", ""},
	{cmdData1, 0xB0, mdc("CONC_AWAY_SEVOFL_INSP"), "%", ""}, {cmdData1, 0xB1, mdc("CONC_AWAY_SEVOFL_ET"), "%", ""},
	{cmdData1, 0xE9, mdc("CONC_AWAY_AGENT_INSP"), "%", ""}, {cmdData1, 0xEA, mdc("CONC_AWAY_AGENT_ET"), "%", ""},
	{cmdData1, 0xF4, mdc("CONC_AWAY_HALOTH_INSP"), "%", ""}, {cmdData1, 0xF5, mdc("CONC_AWAY_HALOTH_ET"), "%", ""},
	{cmdData1, 0xF6, mdc("CONC_AWAY_ENFL_INSP"), "%", ""}, {cmdData1, 0xF7, mdc("CONC_AWAY_ENFL_ET"), "%", ""},
	{cmdData1, 0xF8, mdc("CONC_AWAY_ISOFL_INSP"), "%", ""}, {cmdData1, 0xF9, mdc("CONC_AWAY_ISOFL_ET"), "%", ""},
	{cmdData1, 0xFB, mdc("CONC_AWAY_N2O_INSP"), "%", ""}, {cmdData1, 0xFC, mdc("CONC_AWAY_N2O_ET"), "%", ""},
	{cmdData1, 0xB3, ours("LEAK_FRACTION"), "%", ""},
	{cmdData1, 0xBE, mdc("TEMP"), "Cel", "2"}, {cmdData1, 0xC3, mdc("TEMP"), "Cel", "1"},
	{cmdData1, 0xCE, protocol.PerfusionIndex, "%", ""},
	{cmdData1, 0xD7, mdc("AWAY_RESP_RATE"), "/min", ""},
	{cmdData1, 0xD9, mdc("VENT_RESP_RATE"), "/min", ""},
	{cmdData1, 0xDC, protocol.HeartRate, "/min", ""},
	{cmdData1, 0xEF, mdc("CONC_AWAY_O2_ET"), "%", ""},
	{cmdData2, 0x0A, mdc("COMPL_LUNG_STATIC"), "mL/mbar", ""},
	{cmdData2, 0x0E, ours("TRAIN_OF_FOUR_RATIO"), "%", ""}, {cmdData2, 0x0F, ours("POST_TETANIC_COUNT"), "1", ""}, {cmdData2, 0x12, ours("TRAIN_OF_FOUR_COUNT"), "1", ""},
	{cmdData2, 0x13, ours("BISPECTRAL_INDEX"), "1", ""}, {cmdData2, 0x14, ours("EMG_POWER"), "dB", ""}, {cmdData2, 0x15, ours("BIS_SIGNAL_QUALITY"), "%", ""},
	{cmdData2, 0x16, ours("SUPPRESSION_RATIO"), "%", ""}, {cmdData2, 0x17, mdc("EEG_FREQ_PWR_SPEC_CRTX_SPECTRAL_EDGE"), "Hz", ""}, {cmdData2, 0x18, ours("BURST_COUNT"), "/min", ""},
	{cmdData2, 0x21, tidalExp, "mL", ""}, {cmdData2, 0x22, tidalInsp, "mL", ""},
	{cmdData2, 0x23, mdc("PRESS_AWAY_INSP_END"), "mbar", ""},
	{cmdData2, 0x37, mdc("VENT_VOL_LEAK"), "L/min", ""},
	{cmdData2, 0x38, ours("INSPIRATION_TIME"), "s", ""},
	{cmdSettings, 0x1A, ours("TEMP_INCUBATOR_SETTING"), "Cel", "air"}, {cmdSettings, 0x1B, ours("TEMP_INCUBATOR_SETTING"), "Cel", "skin"},
	{cmdSettings, 0x40, mdc("VENT_VOL_TIDAL_SETTING"), "mL", ""},
}

// A table is what one of the two languages says, by page and code.
type table map[[2]byte]measure

var legacyTable, extendedTable = tableOf(legacy), tableOf(extended)

func tableOf(special []measure) table {
	t := table{}
	for _, m := range append(append([]measure(nil), both...), special...) {
		t[[2]byte{m.page, m.code}] = m
	}
	return t
}

// Texts that are read: the modes of ventilation and what is added to them. No
// other text is kept; two of them are the patient's names.
var (
	legacyModes   = texts(0x01, 0x02, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x11, 0x12, 0x18, 0x19, 0x1A, 0x1E, 0x2D, 0x2E, 0x2F, 0x30, 0x31, 0x32, 0x33, 0x35, 0x47, 0x55)
	extendedModes = texts(0x01, 0x02, 0x06, 0x0A, 0x0C, 0x0D, 0x0E, 0x11, 0x12, 0x18, 0x1A, 0x1B, 0x1E, 0x2B, 0x35, 0x36, 0x3E, 0x47, 0x54, 0x55, 0x58, 0x5C, 0x5E, 0x63, 0x69, 0x6A, 0x6B, 0x6D, 0x74, 0x75, 0x87, 0x8E)
)

const simulation = 0x62 // MEDIBUS.X: the device plays a patient

func texts(codes ...byte) (set [256]bool) {
	for _, c := range codes {
		set[c] = true
	}
	return set
}

// models are the devices by the four characters of their identification.
var models = map[string]string{
	"8200": "Evita 2", "8210": "Evita", "8230": "Evita 2 dura", "8240": "Evita 4", "8250": "Savina", "8260": "EvitaXL", "8300": "Capnosat",
	"5000": "Evita Infinity V500", "5001": "Babylog VN500", "5002": "Evita V300", "5004": "Evita V600", "5005": "Babylog VN600", "5006": "Evita V800", "5007": "Babylog VN800",
	"5030": "Savina 300", "5040": "Carina", "5050": "Oxylog 3000 plus", "5051": "Oxylog VE300",
	"5500": "Perseus A500", "5501": "Zeus Infinity Empowered", "5510": "Primus", "5511": "Primus Infinity Empowered", "5512": "Apollo", "5555": "Atlan",
	"5599": "Fabius GS", "5600": "Fabius GS Premium", "5601": "Fabius OS", "5602": "Fabius Tiro", "5603": "Fabius MRI", "5604": "Fabius plus", "5605": "Fabius plus XL",
	"5700": "Babyleo TN500", "5701": "Isolette 8000 plus", "5702": "Babyroo TN300", "6300": "BiliLux",
}
