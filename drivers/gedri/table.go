package gedri

import (
	"encoding/binary"
	"strconv"

	"monitorme/protocol"
)

// Subrecords of values: docs/devices/ge-dri.md, section "Values".
const (
	subSize   = 278
	auxSize   = 114
	classAt   = 276
	classes   = 4
	noNumber  = -32000 // this and below is no measurement
	invalid   = -32767
	below     = -32764
	above     = -32763
	uncalib   = -32762
	hasModule = 1 << 0
	isActive  = 1 << 1
	groupHead = 6
)

// A field is one number of a group.
type field struct {
	at   int // in the subrecord
	code protocol.Code
	exp  int8
}

// A group is a measurement with its status and label.
type group struct {
	class int
	at    int // of its header
	// fields whose code is 0 are named by the label.
	fields []field
	// name gives code and channel of field i; code 0 is that of the table.
	name func(status uint32, label uint16, i int) (protocol.Code, string)
	// value gives the number of field i if it is not simply there.
	value   func(sub []byte, status uint32, i int) int16
	channel string
	// alt is the channel for a second group of the same label.
	alt string
	// Status bits.
	doubt, calibrating, off uint32
	stateAt                 int // of the word that has the states; 0 is the status itself
	states                  []state
	// real gives the bits of states that are believed.
	real func(sub []byte, now uint32) uint32
	slot int // of the first field
}

// A state is a status bit that is an event while it is set.
type state struct {
	bit  uint
	code protocol.Code
	text string
	kind protocol.AlarmType
	prio protocol.Priority
	from protocol.Code // what it is about
}

func mdc(name string) protocol.Code           { return protocol.MustCode("MDC_" + name) }
func ours(name string) protocol.Code          { return protocol.MustCode("MONITORME_" + name) }
func f(at int, c protocol.Code, e int8) field { return field{at, c, e} }

func technical(bit uint, code protocol.Code, text string, from protocol.Code) state {
	return state{bit, code, text, protocol.AlarmTechnical, protocol.PriorityLow, from}
}

func physiological(bit uint, code protocol.Code, text string, prio protocol.Priority, from protocol.Code) state {
	return state{bit, code, text, protocol.AlarmPhysiological, prio, from}
}

var (
	pulse      = mdc("PULS_RATE")
	cuffPulse  = mdc("PULS_RATE_NON_INV")
	endTidal   = mdc("AWAY_CO2_ET")
	inspired   = mdc("CONC_AWAY_CO2_INSP")
	ambient    = ours("AMBIENT_PRESSURE")
	anyPress   = mdc("PRESS_BLD")
	anyTemp    = mdc("TEMP")
	cardiacOut = mdc("OUTPUT_CARD")
	malfunct   = mdc("EVT_MALF")
	problem    = mdc("EVT_SENSOR_PROB")
	asystole   = mdc("EVT_ECG_ASYSTOLE")
	apnoea     = mdc("EVT_APNEA")
	spirometry = mdc("AWAY_RESP_RATE")
)

// groups are all that is read, in the order of the classes, but cuff pressure
// and cardiac output, which stay for hours: episodes.
var groups = []group{
	ecgGroup,
	pressureGroup(1), pressureGroup(2), pressureGroup(3), pressureGroup(4),
	temperatureGroup(0, 90, 1), temperatureGroup(0, 98, 2), temperatureGroup(0, 106, 3), temperatureGroup(0, 114, 4),
	oximeterGroup(0, 122, ""),
	carbonGroup,
	{at: 150, calibrating: 1 << 2, off: 1 << 3, fields: []field{f(156, mdc("CONC_AWAY_O2_ET"), -2), f(158, mdc("CONC_AWAY_O2_INSP"), -2)}},
	{at: 160, calibrating: 1 << 2, off: 1 << 3, fields: []field{f(166, mdc("CONC_AWAY_N2O_ET"), -2), f(168, mdc("CONC_AWAY_N2O_INSP"), -2)}},
	{at: 170, calibrating: 1 << 2, off: 1 << 3, name: nameAgent, fields: []field{f(176, 0, -2), f(178, 0, -2), f(180, ours("MAC"), -2)}},
	{at: 182, calibrating: 1<<3 | 1<<4, off: 1<<2 | 1<<7, fields: []field{
		f(188, spirometry, 0), f(190, mdc("PRESS_AWAY_INSP_MAX"), -2), f(192, mdc("PRESS_AWAY_END_EXP_POS"), -2), f(194, mdc("PRESS_RESP_PLAT"), -2),
		f(196, mdc("VOL_AWAY_TIDAL_INSP"), -1), f(198, mdc("VOL_AWAY_TIDAL_EXP"), -1), f(200, mdc("COMPL_LUNG"), -2), f(202, mdc("VOL_MINUTE_AWAY_EXP"), -2)},
		states: []state{technical(2, protocol.EventSensorOff, "spirometry disconnected", spirometry), technical(5, problem, "spirometry obstructed", spirometry), technical(6, problem, "spirometry leak", spirometry)}},
	{at: 204, fields: []field{f(212, ours("TEMP_BLOOD"), -2)}},
	{at: 218, value: relaxation, fields: []field{f(226, ours("TRAIN_OF_FOUR_RATIO"), -1), f(228, ours("TRAIN_OF_FOUR_COUNT"), 0), f(228, ours("POST_TETANIC_COUNT"), 0)}},
	{at: 236, doubt: 1<<2 | 1<<6 | 1<<8 | 1<<9, calibrating: 1 << 5, off: 1<<3 | 1<<4, fields: []field{f(242, mdc("SAT_O2_VEN"), -2)},
		states: []state{technical(3, malfunct, "SvO2 cable faulty", mdc("SAT_O2_VEN")), technical(8, problem, "check the SvO2 catheter", mdc("SAT_O2_VEN"))}},
	pressureGroup(5), pressureGroup(6),

	{class: 1, at: 4, doubt: ecgDoubt, fields: []field{f(12, ours("RR_INTERVAL"), 0), f(14, mdc("ECG_V_P_C_RATE"), 0)}, stateAt: 16, states: arrhythmia},
	{class: 1, at: 52, doubt: ecgDoubt, fields: segments("I", "II", "III", "AVL", "AVR", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")},
	pressureGroup(7), pressureGroup(8),
	oximeterGroup(1, 110, "2"),
	temperatureGroup(1, 124, 5), temperatureGroup(1, 132, 6),

	eegGroup(1), eegGroup(2), eegGroup(3), eegGroup(4),
	{class: 2, at: 100, fields: []field{f(106, ours("BISPECTRAL_INDEX"), 0), f(108, ours("BIS_SIGNAL_QUALITY"), 0), f(110, ours("EMG_POWER"), 0), f(112, ours("SUPPRESSION_RATIO"), 0)}},
	{class: 2, at: 116, channel: "entropy", fields: []field{f(122, ours("STATE_ENTROPY"), 0), f(124, ours("RESPONSE_ENTROPY"), 0), f(126, ours("SUPPRESSION_RATIO"), 0)}},
	{class: 2, at: 234, fields: []field{f(240, ours("SURGICAL_PLETH_INDEX"), 0)}},

	{class: 3, at: 4, fields: []field{f(10, ours("OXYGEN_CONSUMPTION"), -1), f(12, ours("CO2_PRODUCTION"), -1), f(16, ours("RESPIRATORY_QUOTIENT"), -3)}},
	{class: 3, at: 18, fields: []field{
		f(24, mdc("PRESS_AWAY_END_EXP_POS_INTRINSIC"), -2), f(26, mdc("VENT_PRESS_AWAY_MEAN"), -2), f(28, mdc("RES_AWAY"), -2), f(30, mdc("VOL_MINUTE_AWAY_INSP"), -2),
		f(34, ours("MINUTE_VOLUME_SPONTANEOUS"), -2), f(38, ours("INSPIRATION_TIME"), -2), f(40, ours("EXPIRATION_TIME"), -2), f(42, mdc("COMPL_LUNG_STATIC"), -2)}},
	{class: 3, at: 120, fields: []field{f(128, ours("PULSE_PRESSURE_VARIATION"), -2)}},
	{class: 3, at: 130, fields: []field{f(136, mdc("PRESS_CEREB_PERF"), -2)}},
	{class: 3, at: 138, channel: "2", fields: []field{f(144, mdc("PRESS_CEREB_PERF"), -2)}},
}

// slots is how many fields there are.
var slots = number(groups)

func number(all []group) (n int) {
	for i := range all {
		all[i].slot = n
		n += len(all[i].fields)
	}
	return n
}

// arrhythmia are the findings of the monitor in the ECG.
var arrhythmia = []state{
	rhythm(0, asystole, "asystole", protocol.PriorityHigh),
	rhythm(1, protocol.EventAlarm, "ventricular fibrillation", protocol.PriorityHigh),
	rhythm(2, tachycardia, "rapid ventricular tachycardia", protocol.PriorityHigh),
	rhythm(3, tachycardia, "ventricular tachycardia", protocol.PriorityHigh),
	rhythm(4, mdc("EVT_ECG_BRADY_EXTREME"), "extreme bradycardia", protocol.PriorityHigh),
	rhythm(5, protocol.EventAlarm, "extreme tachycardia", protocol.PriorityHigh),
	rhythm(6, protocol.EventAlarm, "run of ventricular beats", protocol.PriorityMedium),
	rhythm(7, protocol.EventAlarm, "long R-R", protocol.PriorityMedium),
	rhythm(8, protocol.EventAlarm, "triplet", protocol.PriorityLow),
	rhythm(9, protocol.EventAlarm, "couplet", protocol.PriorityLow),
	rhythm(10, protocol.EventAlarm, "R on T", protocol.PriorityLow),
	rhythm(11, protocol.EventAlarm, "idioventricular rhythm", protocol.PriorityMedium),
	rhythm(12, protocol.EventAlarm, "bigeminy", protocol.PriorityLow),
	rhythm(13, protocol.EventAlarm, "trigeminy", protocol.PriorityLow),
	rhythm(14, protocol.EventAlarm, "frequent ventricular beats", protocol.PriorityLow),
	rhythm(15, protocol.EventAlarm, "multifocal ventricular beats", protocol.PriorityLow),
	rhythm(16, protocol.EventAlarm, "supraventricular tachycardia", protocol.PriorityMedium),
	rhythm(17, protocol.EventAlarm, "frequent supraventricular beats", protocol.PriorityLow),
	rhythm(18, protocol.EventAlarm, "missing beat", protocol.PriorityLow),
	technical(20, mdc("EVT_NOISY"), "arrhythmia: noisy ECG", protocol.HeartRate),
	technical(22, mdc("EVT_SIG_LO"), "arrhythmia: low amplitude", protocol.HeartRate),
	rhythm(23, protocol.EventAlarm, "salvo", protocol.PriorityLow),
	rhythm(24, protocol.EventAlarm, "pacer does not function", protocol.PriorityMedium),
	rhythm(25, protocol.EventAlarm, "pacer does not capture", protocol.PriorityMedium),
	rhythm(27, protocol.EventAlarm, "bradycardia", protocol.PriorityLow),
	rhythm(28, protocol.EventAlarm, "tachycardia", protocol.PriorityLow),
	rhythm(29, protocol.EventAlarm, "ventricular bradycardia", protocol.PriorityMedium),
	technical(30, malfunct, "arrhythmia analysis off", protocol.HeartRate),
}

var tachycardia = mdc("EVT_ECG_V_TACHY")

func rhythm(bit uint, code protocol.Code, text string, prio protocol.Priority) state {
	return physiological(bit, code, text, prio, protocol.HeartRate)
}

const ecgDoubt = 1<<7 | 1<<8 | 1<<9 // noise, artefact, learning

// The heart rate is the ECG's where that is the monitor's source, else the one
// beside it that is always the ECG's.
var ecgGroup = group{
	at: 4, doubt: ecgDoubt,
	fields: []field{f(10, protocol.HeartRate, 0), f(12, 0, -3), f(14, 0, -3), f(16, 0, -3), f(18, mdc("TTHOR_RESP_RATE"), 0), f(10, pulse, 0)},
	name: func(_ uint32, label uint16, i int) (protocol.Code, string) {
		if i >= 1 && i <= 3 {
			return segmentOf[label>>(12-4*i)&15], ""
		}
		return 0, ""
	},
	value: func(sub []byte, status uint32, i int) int16 {
		ecg := status>>3&15 == 1 || status>>3&15 == 9
		switch {
		case i == 0 && !ecg:
			return number16(sub, 230)
		case i == 5 && ecg:
			return invalid
		}
		return number16(sub, []int{10, 12, 14, 16, 18, 10}[i])
	},
	states: []state{
		physiological(2, asystole, "asystole", protocol.PriorityHigh, protocol.HeartRate),
		technical(7, mdc("EVT_NOISY"), "ECG noise", protocol.HeartRate),
		technical(11, protocol.EventLeadsOff, "ECG channel 1 off", protocol.HeartRate),
		technical(12, protocol.EventLeadsOff, "ECG channel 2 off", protocol.HeartRate),
		technical(13, protocol.EventLeadsOff, "ECG channel 3 off", protocol.HeartRate),
	},
}

var (
	leads      = []string{1: "I", 2: "II", 3: "III", 4: "AVR", 5: "AVL", 6: "AVF"}
	segmentOf  = leadCodes("ECG_AMPL_ST_", ours("ST_V"), 0)
	ecgWaveOf  = leadCodes("ECG_ELEC_POTL_", protocol.ECGLeadV, mdc("ECG_ELEC_POTL"))
	agentNames = []string{2: "HALOTH", 3: "ENFL", 4: "ISOFL", 5: "DESFL", 6: "SEVOFL"}
)

func leadCodes(prefix string, v, none protocol.Code) (codes [16]protocol.Code) {
	for i := range codes {
		codes[i] = none
	}
	for i, l := range leads[1:] {
		codes[i+1] = mdc(prefix + l)
	}
	codes[7] = v
	return codes
}

func segments(names ...string) (fields []field) {
	for i, l := range names {
		fields = append(fields, f(58+2*i, mdc("ECG_AMPL_ST_"+l), -3)) // 0.01 mm at 10 mm/mV
	}
	return fields
}

// site is what a pressure label stands for: a compound code, followed by those
// of systolic, diastolic and mean.
type site struct {
	code    protocol.Code
	channel string
}

var sites = []site{
	{anyPress, ""}, {mdc("PRESS_BLD_ART"), ""}, {mdc("PRESS_BLD_VEN_CENT"), ""}, {mdc("PRESS_BLD_ART_PULM"), ""}, {mdc("PRESS_BLD_ATR_RIGHT"), ""},
	{ours("PRESS_RIGHT_VENTRICLE"), ""}, {mdc("PRESS_BLD_ATR_LEFT"), ""}, {mdc("PRESS_INTRA_CRAN"), ""}, {protocol.ABPWave, ""},
	{anyPress, "P1"}, {anyPress, "P2"}, {anyPress, "P3"}, {anyPress, "P4"}, {anyPress, "P5"}, {anyPress, "P6"},
	{ours("PRESS_SPECIAL"), ""}, {anyPress, "femoral"}, {mdc("PRESS_BLD_ART_UMB"), ""}, {mdc("PRESS_BLD_VEN_UMB"), ""}, {mdc("PRESS_INTRA_CRAN"), "2"},
	{anyPress, "P7"}, {anyPress, "P8"}, {ours("PRESS_FEMORAL_VEIN"), ""},
}

// siteOf gives the site of a label; one that is not known is an unnamed
// pressure of that input.
func siteOf(label uint16, input int) site {
	if label == 0 || int(label) >= len(sites) {
		return site{anyPress, inputs[input]}
	}
	return sites[label]
}

// pressureAt are class and place of the inputs.
var pressureAt = [...][2]int{1: {0, 20}, 2: {0, 34}, 3: {0, 48}, 4: {0, 62}, 5: {0, 244}, 6: {0, 258}, 7: {1, 82}, 8: {1, 96}}

func pressureGroup(input int) group {
	class, at := pressureAt[input][0], pressureAt[input][1]
	return group{
		class: class, at: at, alt: inputs[input], calibrating: 1 << 2,
		fields: []field{f(at+6, 0, -2), f(at+8, 0, -2), f(at+10, 0, -2), f(at+12, pulse, 0)},
		name: func(_ uint32, label uint16, i int) (protocol.Code, string) {
			s := siteOf(label, input)
			if i == 3 { // the pulse of each line is a series of its own
				return pulse, inputs[input]
			}
			return s.code + 1 + protocol.Code(i), s.channel
		},
	}
}

var inputs = [...]string{1: "P1", 2: "P2", 3: "P3", 4: "P4", 5: "P5", 6: "P6", 7: "P7", 8: "P8"}

var temperatures = []site{
	1: {mdc("TEMP_ESOPH"), ""}, 2: {mdc("TEMP_NASOPH"), ""}, 3: {mdc("TEMP_TYMP"), ""}, 4: {mdc("TEMP_RECT"), ""}, 5: {ours("TEMP_BLADDER"), ""},
	6: {mdc("TEMP_AXIL"), ""}, 7: {mdc("TEMP_SKIN"), ""}, 8: {mdc("TEMP_AWAY"), ""}, 9: {anyTemp, "room"}, 10: {anyTemp, "myocardium"},
	11: {anyTemp, "1"}, 12: {anyTemp, "2"}, 13: {anyTemp, "3"}, 14: {anyTemp, "4"}, 15: {mdc("TEMP_CORE"), ""}, 16: {anyTemp, "surface"}, 17: {anyTemp, "5"}, 18: {anyTemp, "6"},
}

func temperatureGroup(class, at, input int) group {
	alt := strconv.Itoa(input)
	return group{
		class: class, at: at, alt: alt, fields: []field{f(at+6, 0, -2)},
		name: func(_ uint32, label uint16, _ int) (protocol.Code, string) {
			if label == 0 || int(label) >= len(temperatures) {
				return anyTemp, alt
			}
			return temperatures[label].code, temperatures[label].channel
		},
	}
}

func oximeterGroup(class, at int, channel string) group {
	return group{
		class: class, at: at, channel: channel,
		fields: []field{f(at+6, protocol.SpO2, -2), f(at+8, protocol.PulseRate, 0), f(at+10, protocol.PerfusionIndex, -2)},
		name: func(_ uint32, label uint16, i int) (protocol.Code, string) {
			if i == 0 && label&3 == 2 {
				return mdc("SAT_O2_VEN"), "oximeter"
			}
			return 0, channel
		},
	}
}

// carbonGroup is the gas CO2, whose numbers are converted in decode.go.
var carbonGroup = group{
	at: 136, doubt: 1<<6 | 1<<9, calibrating: 1<<3 | 1<<4, off: 1 << 5,
	fields: []field{f(142, endTidal, -2), f(144, inspired, -2), f(146, mdc("CO2_RESP_RATE"), 0), f(148, ambient, -1)},
	states: []state{
		physiological(apnoeaCO2, apnoea, "apnoea (CO2)", protocol.PriorityHigh, endTidal),
		physiological(7, apnoea, "apnoea (impedance)", protocol.PriorityHigh, mdc("TTHOR_RESP_RATE")),
		technical(5, problem, "gas sampling line occluded", endTidal),
		technical(6, problem, "gas sampling air leak", endTidal),
		{apnoeaOff, protocol.EventAlarm, "apnoea alarm off at the monitor", protocol.AlarmAdvisory, protocol.PriorityNone, endTidal},
	},
	real: believedApnoea,
}

const (
	apnoeaCO2 = 2
	apnoeaOff = 8
)

// believedApnoea takes apnoea away while the monitor does not watch for it and
// counts breaths: it leaves the bit set then.
func believedApnoea(sub []byte, now uint32) uint32 {
	const unsure = 1<<3 | 1<<4 | 1<<5 // calibrating, zeroing, occluded: the rate is no news
	if now>>apnoeaOff&1 != 0 && now&isActive != 0 && now&unsure == 0 && number16(sub, 146) > 0 {
		now &^= 1 << apnoeaCO2
	}
	return now
}

func nameAgent(_ uint32, label uint16, i int) (protocol.Code, string) {
	name := "AGENT"
	if label >= 2 && int(label) < len(agentNames) {
		name = agentNames[label]
	}
	return agents[name][i], ""
}

var agents = func() map[string][3]protocol.Code {
	all := map[string][3]protocol.Code{}
	for _, n := range append([]string{"AGENT"}, agentNames[2:]...) {
		all[n] = [3]protocol.Code{mdc("CONC_AWAY_" + n + "_ET"), mdc("CONC_AWAY_" + n + "_INSP"), ours("MAC")}
	}
	return all
}()

// relaxation takes the counts out of their packed word: they hold only for the
// stimulus that was given.
func relaxation(sub []byte, status uint32, i int) int16 {
	stimulus := status >> 2 & 3
	packed := binary.LittleEndian.Uint16(sub[228:])
	some := int16(packed) > -31000
	switch {
	case i == 0 && stimulus == 0:
		return number16(sub, 226)
	case i == 1 && stimulus == 0 && some && packed>>5&15 <= 4:
		return int16(packed >> 5 & 15)
	case i == 2 && stimulus == 3 && some && packed&31 != 31:
		return int16(packed & 31)
	}
	return invalid
}

func eegGroup(n int) group {
	at := 36 + (n-1)*16
	return group{class: 2, at: 28, channel: strconv.Itoa(n), fields: []field{
		f(at+2, mdc("EEG_FREQ_PWR_SPEC_CRTX_SPECTRAL_EDGE"), -1), f(at+14, ours("SUPPRESSION_RATIO"), 0)}}
}

func number16(sub []byte, at int) int16 { return int16(binary.LittleEndian.Uint16(sub[at:])) }
