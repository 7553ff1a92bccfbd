// Package live owns the present: the latest value of every series, which boxes
// are in touch, and the fan-out of what changes to the screens. It keeps
// nothing on disk; after a restart it is filled by what arrives.
//
// It knows boxes and beds, never patients. Nothing here waits for a screen: a
// subscriber whose buffer is full is cut off and told so.
package live

import (
	"time"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// A Delivery is a batch that ingest has authorised and decoded, as alert and
// live are given it. Read-only: several modules share it.
type Delivery struct {
	Unit     protocol.UnitID
	Lane     protocol.Lane // LaneLive, LaneWave or LaneBackfill: late
	Received time.Time     // by the cloud's clock
	protocol.Batch
}

// A Value is the latest reading of one series.
type Value struct {
	protocol.Observation
	Received time.Time
}

// A BoxNow is what is known of one box now.
type BoxNow struct {
	Box protocol.BoxID
	// Online is true while the box is connected and was heard of less than
	// OfflineAfter ago.
	Online      bool
	LastContact time.Time // zero: never since this process started
	State       protocol.BoxState
	// ClockOffset is the box's clock minus ours, as far as the delay of the
	// network allows to say; OffsetKnown tells whether it was measured.
	ClockOffset time.Duration
	OffsetKnown bool
	Values      []Value // by device, channel, code
}

// An Event is one encoded server-sent event of a unit, shared by all its
// subscribers.
type Event struct {
	ID   uint64
	Type string // values, wave, alert, box, beds
	Bed  registry.BedID
	Data []byte // JSON
}

// OfflineAfter is how long a box may say nothing before it counts as offline.
const OfflineAfter = 10 * time.Second

// A Place is where a box stands now.
type Place struct {
	Unit  protocol.UnitID
	Bed   registry.BedID
	Label string
}
