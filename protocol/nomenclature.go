package protocol

import (
	"fmt"
	"time"
)

// A Code is a context-free IEEE 11073-10101 code: partition*65536 + term code.
// Codes of ours lie in the manufacturer range 0xF000-0xFFFF of a partition and
// are called MONITORME_…; they are never published as standard codes.
type Code uint32

// Partition is the upper half of the code: 2 measurements, 3 events.
func (c Code) Partition() uint16 { return uint16(c >> 16) }

// Unit is a UCUM unit, case sensitive: "/min", "%", "mm[Hg]", "Cel".
type Unit string

// Codes that MonitorMe's own code speaks of. The whole table is Terms.
const (
	HeartRate        Code = 147842         // MDC_ECG_HEART_RATE
	PulseRate        Code = 149530         // MDC_PULS_OXIM_PULS_RATE
	SpO2             Code = 150456         // MDC_PULS_OXIM_SAT_O2
	PerfusionIndex   Code = 150488         // MDC_BLD_PERF_INDEX
	NIBPSystolic     Code = 150021         // MDC_PRESS_BLD_NONINV_SYS
	NIBPDiastolic    Code = 150022         // MDC_PRESS_BLD_NONINV_DIA
	NIBPMean         Code = 150023         // MDC_PRESS_BLD_NONINV_MEAN
	ABPSystolic      Code = 150037         // MDC_PRESS_BLD_ART_ABP_SYS
	ABPDiastolic     Code = 150038         // MDC_PRESS_BLD_ART_ABP_DIA
	ABPMean          Code = 150039         // MDC_PRESS_BLD_ART_ABP_MEAN
	RespirationRate  Code = 151562         // MDC_RESP_RATE
	BodyTemperature  Code = 150364         // MDC_TEMP_BODY
	Glucose          Code = 160184         // MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD
	ECGLeadI         Code = 131329         // MDC_ECG_ELEC_POTL_I
	ECGLeadII        Code = 131330         // MDC_ECG_ELEC_POTL_II
	ECGLeadV         Code = 131395         // MDC_ECG_ELEC_POTL_V
	Pleth            Code = 150452         // MDC_PULS_OXIM_PLETH
	ABPWave          Code = 150036         // MDC_PRESS_BLD_ART_ABP
	RespirationWave  Code = 151780         // MDC_IMPED_TTHOR
	SleepStatus      Code = 2<<16 | 0xF101 // MONITORME_SLEEP_STATUS: Text is awake, asleep, light, deep, rem or unknown
	IdentityModel    Code = 67880          // MDC_ATTR_ID_MODEL: Text is manufacturer and model
	IdentitySerial   Code = 67972          // MDC_ATTR_SYS_ID: Text is the device's serial number
	IdentityFirmware Code = 67885          // MDC_ATTR_ID_PROD_SPECN: Text is the firmware or product specification

	EventAlarm        Code = 196616 // MDC_EVT_ALARM
	EventHigh         Code = 196648 // MDC_EVT_HI
	EventLow          Code = 196670 // MDC_EVT_LO
	EventSensorOff    Code = 196916 // MDC_EVT_SENSOR_DISCONN
	EventLeadsOff     Code = 196882 // MDC_EVT_LEADS_OFF
	EventBatteryLow   Code = 196802 // MDC_EVT_BATT_LO
	EventDisconnected Code = 196630 // MDC_EVT_DISCONN: the box lost the device; Start and End, Text says why

	EventDropped      Code = 3<<16 | 0xF101 // MONITORME_EVT_READINGS_DROPPED: Event.From to To, Text is the reason
	EventClockChanged Code = 3<<16 | 0xF102 // MONITORME_EVT_CLOCK_CHANGED
	EventBoxOffline   Code = 3<<16 | 0xF103 // MONITORME_EVT_BOX_OFFLINE: written by the cloud
	EventQueueMoved   Code = 3<<16 | 0xF104 // MONITORME_EVT_QUEUE_SET_ASIDE: an unreadable queue was moved aside
	EventBoxStarted   Code = 3<<16 | 0xF105 // MONITORME_EVT_BOX_STARTED
)

// A Sign is one of the eight vital signs of MonitorMe, under which a screen
// groups codes.
type Sign string

const (
	SignHeartRate       Sign = "heart-rate"
	SignBloodPressure   Sign = "blood-pressure"
	SignOxygen          Sign = "oxygen"
	SignBloodSugar      Sign = "blood-sugar"
	SignRespirationRate Sign = "respiration-rate"
	SignECG             Sign = "ecg"
	SignTemperature     Sign = "temperature"
	SignSleep           Sign = "sleep"
)

// Signs are the eight vital signs in the order in which screens show them.
var Signs = []Sign{SignHeartRate, SignECG, SignOxygen, SignBloodPressure, SignRespirationRate, SignTemperature, SignBloodSugar, SignSleep}

// A Term describes one code.
type Term struct {
	Code   Code
	RefID  string // MDC_… reference id, or MONITORME_…
	Label  string // short label for a screen, for example "SpO2"
	Name   string // what it is, in plain words
	Sign   Sign   // "" if it belongs to none of the eight
	Kind   Kind
	Unit   Unit // the unit in which MonitorMe keeps it
	Places int  // decimal places shown
	// Low and High bound what is physiology; a value outside is kept with
	// QualityInvalid. Both zero: no range.
	Low, High float64
	// Period is how often a value is expected, StaleAfter when the last one may
	// no longer be shown as live. Zero: episodic, with no expectation.
	Period, StaleAfter time.Duration
	// Colour is the customary colour of the sign on a screen: green, cyan,
	// red, yellow, white, magenta, blue.
	Colour string
}

// Lookup finds the term of a code. For an unknown code it gives a Term that
// has only Code, RefID "MDC_UNKNOWN_<code>" and Label "?<code>", and false.
func Lookup(c Code) (Term, bool) {
	if t, ok := termByCode[c]; ok {
		return *t, true
	}
	return Term{Code: c, RefID: fmt.Sprintf("MDC_UNKNOWN_%d", uint32(c)), Label: fmt.Sprintf("?%d", uint32(c)), Name: "unknown code",
		Period: paceMinute.every, StaleAfter: paceMinute.stale}, false
}

// LookupRefID finds the term of a reference id such as "MDC_PULS_OXIM_SAT_O2".
func LookupRefID(refID string) (Term, bool) {
	if t, ok := termByRefID[refID]; ok {
		return *t, true
	}
	return Term{}, false
}

// MustCode is the code of a reference id, for variables of a package. It panics
// if there is no such term, which is a slip of the pen that every start shows.
func MustCode(refID string) Code {
	t, ok := termByRefID[refID]
	if !ok {
		panic("protocol: no term " + refID)
	}
	return t.Code
}
