package protocol

import "time"

// BoxID names a box: the common name of its client certificate, its MQTT
// client id and its level in the topic. 1 to 64 characters of A-Z a-z 0-9 . _ -
type BoxID string

// UnitID names a care unit (a ward). Same alphabet as BoxID.
type UnitID string

// DeviceID names one configured device at its box, for example "monitor" or
// "oximeter-1". Same alphabet as BoxID. The empty id is the box itself.
type DeviceID string

// Kind says what an Observation carries.
type Kind uint8

const (
	KindUnknown     Kind = iota // not set, or set by a newer peer; kept, never evaluated
	KindNumeric                 // Value
	KindSamples                 // Samples: a block of a waveform
	KindEnumeration             // Text: one word out of a set, as "asleep"; or identity text
	KindEvent                   // Event: something began, ended or happened
)

// Quality says how far a value can be trusted. The zero value is
// QualityUnknown: only a value of QualityGood or QualityQuestionable may be
// shown as a number, and only QualityGood raises physiological alarms.
// The words are those of BICEPS MeasurementValidity (IEEE 11073-10207).
type Quality uint8

const (
	QualityUnknown      Quality = iota // the device did not say
	QualityGood                        // valid
	QualityQuestionable                // shown, marked; the device doubts it (artefact, low perfusion, averaging)
	QualityInvalid                     // the device or the plausible range rejects it; never shown as a number
	QualityMissing                     // the device says it has no value
	QualitySensorOff                   // no value because the sensor is off, disconnected or faulty
	QualityCalibrating                 // no value: calibrating, zeroing, warming up
	QualityOngoing                     // no value yet: a measurement is running (cuff inflating)
	QualityOverflow                    // above what the device can measure; Value is its bound if Value.Valid
	QualityUnderflow                   // below what the device can measure; likewise
	QualityDemo                        // the device says it simulates; never a patient's value
)

// HasNumber reports whether a value of quality q may be shown as a number.
func (q Quality) HasNumber() bool { return q == QualityGood || q == QualityQuestionable }

// ClockQuality says how the measured-at time of an observation was found.
type ClockQuality uint8

const (
	ClockUnknown   ClockQuality = iota // not said
	ClockSynced                        // the box's clock was synchronised when the value arrived
	ClockCorrected                     // stamped before synchronisation, corrected later in the same boot
	ClockUncertain                     // never synchronised in that boot: order is right, time may be years off
)

// An Observation is one thing a device said at one instant: a number, a block
// of samples, a word or an event. It is a plain value; copies share Samples
// and Event, which must not be changed once emitted.
type Observation struct {
	Device  DeviceID // filled in by the box
	Channel string   // site or sub-channel where a device has several of one code ("left", "1"); "" is the usual one
	Code    Code     // what was measured; unknown codes are kept
	Unit    Unit     // UCUM; "" for enumerations and events
	Kind    Kind
	Quality Quality

	At    time.Time    // measured at, UTC, microseconds; for Samples the instant of the first one. Filled in by the box.
	Clock ClockQuality // filled in by the box

	// Delay is how long before the arrival of its last byte the value was
	// measured, as the device's manual says; a driver sets it, the box uses it
	// to compute At. Not on the wire.
	Delay time.Duration
	// DeviceTime is the device's own timestamp, zero if it sent none.
	DeviceTime time.Time

	Value   Decimal  // KindNumeric
	Samples *Samples // KindSamples
	Text    string   // KindEnumeration
	Event   *Event   // KindEvent
}

// NoSample marks a missing sample inside a block.
const NoSample int32 = -1 << 31

// Samples is a block of equidistant raw samples.
// Physical value = Offset + Scale*Raw[i] in the observation's unit.
type Samples struct {
	RateMilliHz uint32  // samples per 1000 s, so that 62.5/s is exact; 1 to 100_000_000
	Scale       Decimal // not zero
	Offset      Decimal
	Raw         []int32 // at most MaxSamples; NoSample where the device had none
}

// RateHz is the sample rate in samples per second.
func (s *Samples) RateHz() float64 { return float64(s.RateMilliHz) / 1000 }

// Duration is the time the block covers.
func (s *Samples) Duration() time.Duration {
	if s.RateMilliHz == 0 {
		return 0
	}
	return time.Duration(len(s.Raw)) * time.Second * 1000 / time.Duration(s.RateMilliHz)
}

// Phase says whether an event begins, ends, goes on or just happened.
// The words are those of IHE ACM (MDC_ATTR_EVENT_PHASE).
type Phase uint8

const (
	PhaseUnknown Phase = iota
	PhaseStart
	PhaseContinue
	PhaseEnd
	PhaseOnce // has no duration
)

// Priority is an alarm priority by IEC 60601-1-8. The zero value is
// PriorityNone (information).
type Priority uint8

const (
	PriorityNone Priority = iota
	PriorityLow
	PriorityMedium
	PriorityHigh
)

// AlarmType tells an alarm about the patient from one about equipment.
type AlarmType uint8

const (
	AlarmUnknown       AlarmType = iota
	AlarmPhysiological           // about the patient
	AlarmTechnical               // about equipment or the data path
	AlarmAdvisory                // information
)

// Event is the payload of a KindEvent observation: a device's own alarm, a
// technical state, or something the box saw (a device lost, readings dropped).
// The observation's Code says which (partition 3, or a code of ours).
type Event struct {
	Phase    Phase
	Priority Priority
	Type     AlarmType
	Source   Code   // the measurement it is about, 0 if none
	Text     string // what the device or the box says, in its words; no patient data
	// From and To bound the stretch the event speaks of where it is about the
	// past (readings dropped); zero otherwise.
	From, To time.Time
}
