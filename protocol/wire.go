package protocol

import (
	"time"
)

// Version is the wire format version written by this code. Decoders read it
// and the one before it; before 1 there is none.
const Version = 1

// Limits of the wire format. A message beyond them is refused whole.
const (
	MaxMessageBytes = 256 << 10 // MQTT payload
	MaxDecodedBytes = 4 << 20   // after decompression
	MaxObservations = 4096      // in one batch
	MaxSamples      = 4096      // in one block
	MaxName         = 64        // bytes of a channel or a unit
	MaxText         = 1024      // bytes of any other text
	MaxRanges       = 1024      // in one acknowledgement
	MaxDevices      = 256       // in one state
)

// A Stream is one of the numbered logs of a box. Each numbers its observations
// from 1 without holes, per epoch.
type Stream uint8

const (
	StreamUnknown Stream = iota
	StreamEvent          // events: never dropped
	StreamNumeric        // numerics and enumerations: the oldest are dropped when the disk is full
	StreamWave           // sample blocks: dropped first
)

// StreamOf is the stream in which an observation of kind k travels.
func StreamOf(k Kind) Stream {
	switch k {
	case KindEvent:
		return StreamEvent
	case KindSamples:
		return StreamWave
	default:
		return StreamNumeric
	}
}

// A Batch is a run of observations of one stream of one box, numbered
// FirstSeq, FirstSeq+1, … Its clock fields apply to all of them, so that a
// batch stamped before the box knew the time is corrected by moving Base.
type Batch struct {
	Box      BoxID
	Epoch    uint64
	Stream   Stream
	FirstSeq uint64
	Base     time.Time // microseconds
	Clock    ClockQuality
	Boot     uint64
	Sent     time.Time // zero until published
	// Observations have absolute times; encoding makes them relative to Base.
	Observations []Observation
}

// LastSeq is the number of the last observation of b.
func (b *Batch) LastSeq() uint64 { return b.FirstSeq + uint64(len(b.Observations)) - 1 }

// A Range is a run of sequence numbers, both inclusive.
type Range struct{ First, Last uint64 }

// An Ack tells a box what the store has committed; the box may delete exactly
// that.
type Ack struct {
	Epoch     uint64
	Committed []Committed
}

// Committed is one run of committed observations.
type Committed struct {
	Stream Stream
	Range
}

// DeviceStatus is what the box knows of one device.
type DeviceStatus uint8

const (
	DeviceUnknown    DeviceStatus = iota
	DeviceConnecting              // opening the port, or waiting for the first frame
	DeviceReceiving               // valid frames arrive
	DeviceSilent                  // the port is open, but no valid frame arrives
	DeviceFailed                  // the port cannot be opened, or the driver failed; retried with back-off
)

// DeviceState is one device in a BoxState.
type DeviceState struct {
	Device       DeviceID     `json:"device"`
	Driver       string       `json:"driver"`
	Status       DeviceStatus `json:"status"`
	Since        time.Time    `json:"since"`
	Problem      string       `json:"problem,omitempty"` // what is wrong and what to do
	Port         string       `json:"port"`
	Model        string       `json:"model,omitempty"`
	SkippedBytes uint64       `json:"skipped_bytes"`
	// ClockOffset is the device's clock minus the box's in seconds, nil if the
	// device tells no time. A clock in another time zone is off by hours.
	ClockOffset *int64 `json:"clock_offset_s,omitempty"`
}

// QueueState is the queue in a BoxState.
type QueueState struct {
	Entries  uint64    `json:"entries"`
	Bytes    uint64    `json:"bytes"`
	MaxBytes uint64    `json:"max_bytes"`
	Oldest   time.Time `json:"oldest,omitzero"`
	Dropped  uint64    `json:"dropped"`
}

// BoxState is the retained document on the state lane, and with Online false
// the last will.
type BoxState struct {
	Box     BoxID         `json:"box"`
	Online  bool          `json:"online"`
	Leaving bool          `json:"leaving,omitempty"` // offline on purpose
	Session uint64        `json:"session"`           // grows with each connection; the higher one wins
	Boot    uint64        `json:"boot"`
	Epoch   uint64        `json:"epoch"`
	Version string        `json:"version"`
	Sent    time.Time     `json:"sent,omitzero"`
	Clock   ClockQuality  `json:"clock"`
	Devices []DeviceState `json:"devices"`
	Queue   QueueState    `json:"queue"`
}
