package bbraun

import (
	"fmt"

	"monitorme/protocol"
)

// A param is a parameter that is read. Those that are not here are passed over,
// and what they say goes nowhere: among them are the patient's number, weight
// and age, the nurse's number and the last barcode.
type param uint8

const (
	pModel param = iota
	pRate
	pVolume     // to be infused
	pDrug       // long name
	pDrugShort  // short name
	pSyringe    // size
	pInSyringe  // volume
	pTimeLeft   // s
	pInfused    // volume
	pBolusRate  // mL/h
	pBolus      // volume of the last one
	pBolusCount // 0 to 9
	pDoseMode
	pConcentration
	pConcentrationUnit
	pDose
	pDoseUnit
	pPressure // % of the limit
	pID
	pSerial
	pPower // 50 off, 51 on
	pReady
	pBolusActive
	pPumping
	pStandby
	pMains
	pKVO
	pSoftLow
	pSoftHigh
	pPurge
	pRunState
	pLastFault
	pAlarm1
	pAlarm2
	pPreAlarm
	pStatus
	pAlarms // INA1 to INA16 follow
	params  = pAlarms + 16
)

var byName = func() map[string]param {
	all := map[string]param{
		"GNMODEL": pModel, "GNNEW": pModel, "INRT": pRate, "INVTB": pVolume, "INSOL": pDrug, "INSOLSN": pDrugShort, "INSYR": pSyringe,
		"INVOLACT": pInSyringe, "INVOLAC": pInSyringe, "INRMT": pTimeLeft, "INVI": pInfused, "INBORT": pBolusRate, "INBOVAL": pBolus, "INBOCNT": pBolusCount,
		"INDOCAL": pDoseMode, "INDCON": pConcentration, "INDCONU": pConcentrationUnit, "INDORT": pDose, "INDORTU": pDoseUnit, "INP2": pPressure,
		"INNR": pID, "INSERNUM": pSerial, "DSSTATUS": pPower, "INM1": pReady, "INM2": pBolusActive, "INM3": pPumping, "INM6": pStandby, "INM8": pMains,
		"INM10": pKVO, "INM12": pSoftLow, "INM13": pSoftHigh, "INM14": pPurge, "RUNSTATE": pRunState, "LASTDA": pLastFault,
		"ALARM1": pAlarm1, "ALARM2": pAlarm2, "PREALARM": pPreAlarm, "PUMPSTAT": pStatus,
	}
	for i := range param(16) {
		all[fmt.Sprintf("INA%d", i+1)] = pAlarms + i
	}
	return all
}()

func ours(name string) protocol.Code { return protocol.MustCode("MONITORME_INFUSION_" + name) }

var (
	rate          = ours("RATE")
	infused       = ours("VOLUME")
	volumeLeft    = ours("VOLUME_LEFT")
	timeLeft      = ours("TIME_LEFT")
	pressure      = ours("PRESSURE_OF_LIMIT")
	inSyringe     = ours("SYRINGE_VOLUME")
	bolus         = ours("BOLUS")
	bolusRate     = ours("BOLUS_RATE")
	drug          = ours("DRUG")
	state         = ours("STATE")
	syringe       = ours("SYRINGE")
	dose          = ours("DOSE_RATE")
	concentration = ours("CONCENTRATION")
	eventOtherBed = protocol.MustCode("MONITORME_EVT_OTHER_BED")
	eventAbsent   = protocol.MustCode("MDC_EVT_ABSENT")
	eventFault    = protocol.MustCode("MDC_EVT_MALF")
	eventBattery  = protocol.MustCode("MDC_EVT_BATT_PROB")
)

// numbers are emitted with each answer, in this order.
var numbers = [...]struct {
	param param
	code  protocol.Code
	unit  protocol.Unit // of the pump
}{
	{pRate, rate, "mL/h"},
	{pVolume, volumeLeft, "mL"},
	{pInfused, infused, "mL"},
	{pTimeLeft, timeLeft, "s"},
	{pPressure, pressure, "%"},
	{pInSyringe, inSyringe, "mL"},
	{pBolusRate, bolusRate, "mL/h"},
}

// unitOf are the units in which the numbers are kept.
var unitOf = func() (all [len(numbers)]protocol.Unit) {
	for i, n := range numbers {
		t, _ := protocol.Lookup(n.code)
		all[i] = t.Unit
	}
	return all
}()

// An alarm is one kind of alarm or state of a pump that begins and ends.
type alarm struct {
	key      string // in the event's channel, so that two of a pump are two
	text     string
	code     protocol.Code
	priority protocol.Priority
	source   protocol.Code
}

type alarmID uint8

const (
	batteryEmpty alarmID = iota
	batteryLow
	batteryFault
	syringeEmpty
	syringeNearEnd
	pressureHigh
	pressureUpstream
	driveBlocked
	standbyOver
	standbyNearEnd
	ccAlarm
	volumeDone
	volumeNearEnd
	timeOver
	timeNearEnd
	syringeLoose
	doorOpen
	drops
	air
	kvoEnd
	kvoRuns
	dataLost
	clawFault
	sensorFault
	manipulated
	piggybackDone
	freeFlow
	occlusionTest
	timeLimit
	otherAlarm
	otherPreAlarm
	onBattery
	softLow
	softHigh
	noAlarm
)

const (
	none   = protocol.PriorityNone
	low    = protocol.PriorityLow
	medium = protocol.PriorityMedium
	high   = protocol.PriorityHigh
)

var alarms = [...]alarm{
	batteryEmpty:     {"battery", "battery empty", protocol.EventAlarm, high, 0},
	batteryLow:       {"battery-low", "battery nearly empty", protocol.EventBatteryLow, low, 0},
	batteryFault:     {"battery-fault", "battery missing or defective", eventBattery, medium, 0},
	syringeEmpty:     {"syringe-empty", "syringe empty", protocol.EventAlarm, high, inSyringe},
	syringeNearEnd:   {"syringe-near-end", "syringe nearly empty", protocol.EventAlarm, low, inSyringe},
	pressureHigh:     {"pressure", "pressure high", protocol.EventAlarm, high, pressure},
	pressureUpstream: {"upstream", "pressure upstream", protocol.EventAlarm, high, 0},
	driveBlocked:     {"drive", "drive blocked", eventFault, high, 0},
	standbyOver:      {"standby", "standby time over", protocol.EventAlarm, medium, 0},
	standbyNearEnd:   {"standby-near-end", "standby time nearly over", protocol.EventAlarm, low, 0},
	ccAlarm:          {"cc", "CC alarm", protocol.EventAlarm, high, 0},
	volumeDone:       {"volume", "volume infused", protocol.EventAlarm, high, volumeLeft},
	volumeNearEnd:    {"volume-near-end", "volume nearly infused", protocol.EventAlarm, low, volumeLeft},
	timeOver:         {"time", "time over", protocol.EventAlarm, high, timeLeft},
	timeNearEnd:      {"time-near-end", "time nearly over", protocol.EventAlarm, low, timeLeft},
	syringeLoose:     {"syringe", "syringe not right in its holder", protocol.EventAlarm, high, 0},
	doorOpen:         {"door", "door open", protocol.EventAlarm, high, 0},
	drops:            {"drops", "drops missing or not as they should be", protocol.EventAlarm, high, rate},
	air:              {"air", "air in the line", protocol.EventAlarm, high, 0},
	kvoEnd:           {"kvo-end", "keeping the vein open has ended", protocol.EventAlarm, high, 0},
	kvoRuns:          {"kvo", "only keeps the vein open", protocol.EventAlarm, medium, rate},
	dataLost:         {"data", "therapy or calibration data corrupt", eventFault, high, 0},
	clawFault:        {"claw", "claw faulty", eventFault, high, 0},
	sensorFault:      {"sensor", "pressure sensor faulty", eventFault, high, 0},
	manipulated:      {"manipulation", "handled by somebody not authorised", protocol.EventAlarm, medium, 0},
	piggybackDone:    {"piggyback", "piggyback infused", protocol.EventAlarm, low, 0},
	freeFlow:         {"free-flow", "danger of free flow", protocol.EventAlarm, high, 0},
	occlusionTest:    {"occlusion-test", "test for occlusion failed", protocol.EventAlarm, high, 0},
	timeLimit:        {"time-limit", "limit of time reached", protocol.EventAlarm, high, 0},
	otherAlarm:       {"other", "alarm", protocol.EventAlarm, high, 0},
	otherPreAlarm:    {"other-pre", "pre-alarm", protocol.EventAlarm, low, 0},
	onBattery:        {"on-battery", "runs on its battery", protocol.EventAlarm, none, 0},
	softLow:          {"soft-low", "below the soft limit of the drug", protocol.EventLow, none, rate},
	softHigh:         {"soft-high", "above the soft limit of the drug", protocol.EventHigh, none, rate},
}

// flagged are the alarms INA1 to INA16.
var flagged = [16]alarmID{
	batteryEmpty, syringeEmpty, pressureHigh, standbyNearEnd, standbyOver, ccAlarm, volumeDone, timeOver,
	syringeLoose, noAlarm, batteryLow, syringeNearEnd, doorOpen, drops, air, kvoEnd,
}

// The bits of the fields of alarms.
var (
	alarm1Bits = [32]alarmID{
		noAlarm, dataLost, batteryEmpty, dataLost, dataLost, batteryEmpty, batteryFault, batteryEmpty,
		batteryFault, syringeEmpty, pressureHigh, driveBlocked, standbyOver, volumeDone, timeOver, clawFault,
		sensorFault, syringeLoose, syringeLoose, kvoEnd, pressureUpstream, noAlarm, drops, drops,
		drops, drops, freeFlow, drops, air, air, air, air,
	}
	alarm2Bits = [32]alarmID{
		noAlarm, manipulated, timeLimit, otherAlarm, otherAlarm, otherAlarm, otherAlarm, freeFlow,
		otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm,
		otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm,
		otherAlarm, otherAlarm, otherAlarm, otherAlarm, otherAlarm, occlusionTest, doorOpen, syringeLoose,
	}
	preAlarmBits = [32]alarmID{
		noAlarm, syringeNearEnd, volumeNearEnd, timeNearEnd, batteryLow, kvoRuns, manipulated, otherPreAlarm,
		piggybackDone, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, batteryFault,
		otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm,
		otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm, otherPreAlarm,
	}
)

// Bits of RUNSTATE and PUMPSTAT.
const (
	runs       = 1 << 1
	runAlarm   = 1 << 2
	runKVO     = 1 << 3
	runPre     = 1 << 5
	statOn     = 1 << 0
	statMains  = 1 << 1
	statStand  = 1 << 2
	statReady  = 1 << 6
	statRuns   = 1 << 7
	statManual = 1 << 10
	statVolume = 1 << 11
	statKVO    = 1 << 13
)

// units are those of concentrations and dose rates in UCUM, by their number.
// What is empty has none that is certain.
var units = [...]string{
	1: "mL/h", 2: "mL", 6: "mm", 7: "nL", 8: "deg", 9: "N", 10: "mbar", 11: "mm2", 12: "mA", 13: "ms", 15: "%", 16: "mV", 17: "Cel", 18: "mA.h", 19: "m",
	22: "kg", 23: "ng", 24: "mg", 25: "ug", 26: "g", 27: "mmol", 28: "meq", 29: "[IU]",
	30: "ng/mL", 31: "mg/mL", 32: "ug/mL", 33: "g/mL", 34: "mmol/mL", 35: "meq/mL", 36: "[IU]/mL",
	37: "ng/kg", 38: "mg/kg", 39: "ug/kg", 40: "g/kg", 41: "mmol/kg", 42: "meq/kg", 43: "[IU]/kg",
	44: "ng/min", 45: "ng/h", 46: "ng/d", 47: "mg/min", 48: "mg/h", 49: "mg/d", 50: "ug/min", 51: "ug/h", 52: "ug/d", 53: "g/min", 54: "g/h", 55: "g/d",
	56: "mmol/min", 57: "mmol/h", 58: "mmol/d", 59: "meq/min", 60: "meq/h", 61: "meq/d", 62: "[IU]/min", 63: "[IU]/h", 64: "[IU]/d",
	65: "ng/kg/min", 66: "ng/kg/h", 67: "ng/kg/d", 68: "mg/kg/min", 69: "mg/kg/h", 70: "mg/kg/d", 71: "ug/kg/min", 72: "ug/kg/h", 73: "ug/kg/d",
	74: "g/kg/min", 75: "g/kg/h", 76: "g/kg/d", 77: "mmol/kg/min", 78: "mmol/kg/h", 79: "mmol/kg/d", 80: "meq/kg/min", 81: "meq/kg/h", 82: "meq/kg/d",
	83: "[IU]/kg/min", 84: "[IU]/kg/h", 85: "[IU]/kg/d", 86: "mm[Hg]", 87: "kPa", 88: "[lb_av]", 89: "mmol/L", 90: "mg/dL", 94: "h", 95: "cm", 96: "[in_i]",
	97: "ng/m2", 98: "ng/m2/min", 99: "ng/m2/h", 100: "ng/m2/d", 101: "ug/m2", 102: "ug/m2/min", 103: "ug/m2/h", 104: "ug/m2/d",
	105: "mg/m2", 106: "mg/m2/min", 107: "mg/m2/h", 108: "mg/m2/d", 109: "g/m2", 110: "g/m2/min", 111: "g/m2/h", 112: "g/m2/d",
	113: "[IU]/m2", 114: "[IU]/m2/min", 115: "[IU]/m2/h", 116: "[IU]/m2/d", 117: "m[IU]", 118: "m[IU]/mL", 119: "m[IU]/kg", 120: "m[IU]/m2",
	121: "m[IU]/min", 122: "m[IU]/h", 123: "m[IU]/d", 124: "m[IU]/kg/min", 125: "m[IU]/kg/h", 126: "m[IU]/kg/d", 127: "m[IU]/m2/min", 128: "m[IU]/m2/h", 129: "m[IU]/m2/d",
	130: "k[IU]", 131: "k[IU]/mL", 132: "k[IU]/kg", 133: "k[IU]/h", 134: "k[IU]/d", 135: "k[IU]/kg/h", 136: "k[IU]/kg/d",
	137: "M[IU]", 138: "M[IU]/mL", 139: "M[IU]/kg", 140: "M[IU]/h", 141: "M[IU]/d", 142: "M[IU]/kg/h", 143: "M[IU]/kg/d",
	144: "meq/m2", 145: "meq/m2/min", 146: "meq/m2/h", 147: "meq/m2/d", 148: "kcal", 149: "kcal/kg", 150: "kcal/mL", 151: "kcal/d", 152: "kcal/kg/d",
	153: "mL/kg", 154: "mL/mL", 155: "mL/kg/h",
}

// codes are all that the decoder can emit.
var codes = func() []protocol.Code {
	all := []protocol.Code{protocol.IdentityModel, protocol.IdentitySerial, protocol.IdentityFirmware, drug, state, syringe, dose, concentration, bolus,
		protocol.EventAlarm, protocol.EventBatteryLow, protocol.EventLow, protocol.EventHigh, eventAbsent, eventFault, eventBattery, eventOtherBed}
	for _, n := range numbers {
		all = append(all, n.code)
	}
	return all
}()
