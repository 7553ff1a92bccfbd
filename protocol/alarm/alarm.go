// Package alarm is the pure alarm logic that the cloud runs for every patient
// and a box runs while it is cut off: rules, and a state machine that turns
// observations and the passing of time into alarms. It has no clock, store or
// I/O: the same inputs give the same alarms, live, replayed or on a second
// replica, with the same ids.
//
// Words are those of IEC 60601-1-8 and IEEE 11073-10207 (BICEPS). Absence of
// data never ends an alarm.
package alarm

import (
	"time"

	"monitorme/protocol"
)

// State is where one alarm condition stands.
type State string

const (
	Active State = "active" // the condition holds
	// Latched: the condition ended, but nobody acknowledged it yet and its
	// rule latches.
	Latched State = "latched"
	Ended   State = "ended"
)

// An Alarm is one occurrence of an alarm condition, from the reading that
// raised it to its end. It is a value; a change makes a new value with the
// same ID and a higher Revision.
type Alarm struct {
	ID       string // deterministic: of box, rule, device, channel, code and Started
	Revision int    // grows with every change
	Box      protocol.BoxID
	Device   protocol.DeviceID // "" if it is about the box itself
	Channel  string            // site or sub-channel, as in protocol.Observation
	Code     protocol.Code     // what was measured, or the event; 0 if about the box itself
	Source   protocol.Code     // of a device's event: the measurement it is about, 0 if none
	Rule     string            // id of the rule
	Priority protocol.Priority
	Type     protocol.AlarmType
	Text     string           // for people, without the patient: "SpO2 low"
	Said     string           // of a device's event: its own words, by which it is told from others of its code
	Value    protocol.Decimal // latest offending value, no value if not about a number
	Limit    protocol.Decimal // the limit in force when raised
	Unit     protocol.Unit
	Night    bool // the night limit was in force
	State    State
	Started  time.Time // when the condition began, by the measured-at time
	Declared time.Time // when the delay had passed and the alarm was raised
	Ended    time.Time // zero while it holds
	// Hidden: a higher alarm of the same family is active. A screen leaves this
	// one out; it is shown again, unacknowledged, when the higher one ends and
	// this one still holds.
	Hidden bool
	// Missed marks a condition found in late data: recorded, never rung, never
	// Active. One that is Latched tells people of all those of its rule or
	// family, until somebody acknowledges it.
	Missed bool

	AcknowledgedBy string // user name, "" if nobody
	AcknowledgedAt time.Time
}
