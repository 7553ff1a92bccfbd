package phd

import (
	"fmt"
	"strconv"

	"monitorme/protocol"
)

// Classes of objects.
const (
	classEnumeration = 0x0005
	classNumeric     = 0x0006
	classSamples     = 0x0009
	classScanner     = 0x0010 // to 0x0013
	classScannerLast = 0x0013
	classStore       = 0x003D
)

// Attributes.
const (
	attrModel            = 0x0928
	attrPhysio           = 0x092B
	attrProduct          = 0x092D
	attrType             = 0x092F
	attrStatus           = 0x0947
	attrCompound         = 0x094B
	attrNumeric          = 0x0950
	attrOperational      = 0x0953
	attrSampleSpec       = 0x096D
	attrScale16          = 0x096F
	attrScale32          = 0x0970
	attrScale8           = 0x0971
	attrSystemID         = 0x0984
	attrTimeAbsolute     = 0x0987
	attrSamplePeriod     = 0x098D
	attrTimeRelative     = 0x098F
	attrStampAbsolute    = 0x0990
	attrStampRelative    = 0x0991
	attrSegmentStart     = 0x0992
	attrUnit             = 0x0996
	attrBattery          = 0x099C
	attrTimeHighResolve  = 0x09E8
	attrStampHighResolve = 0x09E9
	attrSamples          = 0x0A48
	attrOID              = 0x0A49
	attrBasic            = 0x0A4C
	attrSegmentUsage     = 0x097B
	attrMetricSpec       = 0x0A46
	attrSegmentMap       = 0x0A4E
	attrSegmentPerson    = 0x0A4F
	attrSegmentStatic    = 0x0A51
	attrHandleMap        = 0x0A53
	attrValueMap         = 0x0A55
	attrSimple           = 0x0A56
	attrPhysioPartition  = 0x0A5F
	attrSupplemental     = 0x0A61
	attrBits32           = 0x0A65
	attrBits16           = 0x0A66
	attrCompoundSimple   = 0x0A74
	attrCompoundBasic    = 0x0A75
	attrPhysioList       = 0x0A76
	attrTimeBaseOffset   = 0x0A81
	attrStampBaseOffset  = 0x0A82
)

// Codes that the driver speaks of.
var (
	nibp          = protocol.MustCode("MDC_PRESS_BLD_NONINV")
	glucoseTest   = protocol.MustCode("MDC_CONC_GLU_CONTROL")
	batteryLevel  = protocol.MustCode("MONITORME_BATTERY_LEVEL")
	sensorProblem = protocol.MustCode("MDC_EVT_SENSOR_PROB")
	malfunction   = protocol.MustCode("MDC_EVT_MALF")
	weakSignal    = protocol.MustCode("MDC_EVT_SIG_LO")
)

// Modalities of an oximeter's values, among the supplemental types of an
// object: they tell objects with the same code apart.
var modalities = map[protocol.Code]string{150580: "fast", 150584: "slow", 150588: "spot"}

// units are those of the device's unit codes that package protocol does not
// keep under a code of the standard.
var units = map[uint16]protocol.Unit{0x0500: "m", 0x0560: "[in_i]", 0x07A0: "kg/m2", 0x08C0: "h", 0x08E0: "d"}

// unitOf gives the unit of a code of the dimensions. One that is not known is
// kept by its number, as an annotation; 0 is none.
func unitOf(code uint16) protocol.Unit {
	if u, ok := protocol.UnitOf(4<<16 | protocol.Code(code)); ok {
		return u
	}
	if u, ok := units[code]; ok || code == 0 {
		return u
	}
	return protocol.Unit(fmt.Sprintf("{unit %04X}", code))
}

// What a bit of a device's status means for its measurements; the worst is last.
type effect uint8

const (
	noEffect     effect = iota
	questionable        // the device doubts it
	invalid
	sensorOff // there is no number
)

// A statusBit is one bit of a status, the most significant being 0.
type statusBit struct {
	bit    int
	code   protocol.Code // the event
	text   string
	effect effect
}

const (
	oximeterStatus = protocol.Code(2<<16 | 19532)
	glucoseStatus  = protocol.Code(128<<16 | 29144)
	genericStatus  = protocol.Code(128<<16 | 20000)
)

// statuses are the enumerations that tell the state of the device.
var statuses = map[protocol.Code][]statusBit{
	oximeterStatus: {
		{0, protocol.EventSensorOff, "sensor is disconnected", sensorOff}, {1, sensorProblem, "sensor is faulty", sensorOff},
		{2, protocol.EventSensorOff, "sensor is displaced", sensorOff}, {3, sensorProblem, "sensor is of a wrong type", sensorOff},
		{4, protocol.EventSensorOff, "sensor is off the patient", sensorOff}, {5, sensorProblem, "interference at the sensor", questionable},
		{6, weakSignal, "searching for the pulse", questionable}, {7, weakSignal, "pulse is questionable", questionable},
		{8, weakSignal, "signal does not pulsate", questionable}, {9, weakSignal, "signal is erratic", questionable},
		{10, weakSignal, "low perfusion", questionable}, {11, weakSignal, "signal is poor", questionable},
		{12, weakSignal, "signal is inadequate", questionable}, {13, weakSignal, "signal is irregular", questionable},
		{14, malfunction, "oximeter is faulty", invalid},
	},
	glucoseStatus: {
		{0, protocol.EventBatteryLow, "battery is low", noEffect}, {1, sensorProblem, "sensor is faulty", noEffect},
		{2, sensorProblem, "sample is too small", noEffect}, {3, sensorProblem, "strip is inserted wrongly", noEffect},
		{4, sensorProblem, "strip is of a wrong type", noEffect}, {5, sensorProblem, "result is too high", noEffect},
		{6, sensorProblem, "result is too low", noEffect}, {7, sensorProblem, "meter is too warm", noEffect},
		{8, sensorProblem, "meter is too cold", noEffect}, {9, sensorProblem, "measurement was interrupted", noEffect},
		{10, malfunction, "meter is faulty", noEffect}, {11, sensorProblem, "temperature is out of range", noEffect},
	},
	genericStatus: {
		{5, malfunction, "device error", noEffect}, {6, malfunction, "mechanical error", noEffect}, {7, malfunction, "electronic error", noEffect},
		{8, malfunction, "software error", noEffect}, {9, protocol.MustCode("MDC_EVT_BATT_PROB"), "battery error", noEffect},
		{15, malfunction, "service is due", noEffect}, {17, sensorProblem, "calibration is due", noEffect},
		{25, protocol.EventBatteryLow, "battery is low", noEffect}, {26, protocol.EventBatteryLow, "battery is empty", noEffect},
	},
}

// oximetry reports whether the status of an oximeter's sensor speaks of c.
func oximetry(c protocol.Code) bool {
	return c == protocol.SpO2 || c == protocol.PulseRate || c == protocol.PerfusionIndex || c == protocol.Pleth
}

// A value is one number of an object.
type value struct {
	code    protocol.Code
	channel string
	term    protocol.Term
	known   bool // term is one
}

func valueOf(code protocol.Code, channel string) value {
	v := value{code: protocol.Canonical(code), channel: channel}
	v.term, v.known = protocol.Lookup(v.code)
	return v
}

// as gives code and channel for an observation of a kind. A code whose term is
// of another kind is kept where it cannot be taken for the term's.
func (v *value) as(kind protocol.Kind) protocol.Observation {
	o := protocol.Observation{Code: v.code, Channel: v.channel, Kind: kind}
	if v.known && v.term.Kind != kind {
		o.Code = partitionOther<<16 | v.code&0xFFFF
	}
	return o
}

// partitionOther is a private partition of the standard.
const partitionOther = 0x403

func numbered(channel string, n int) string {
	if channel == "" {
		return strconv.Itoa(n)
	}
	return channel + " " + strconv.Itoa(n)
}
