// Package live owns the present: the latest value of every series, which boxes
// are in touch, and the fan-out of what changes to the screens. It keeps
// nothing on disk; after a restart it is filled by what arrives.
package live

import (
	"time"

	"monitorme/protocol"
)

// A Delivery is a batch that ingest has authorised and decoded, as alert and
// live are given it. Read-only: several modules share it.
type Delivery struct {
	Unit     protocol.UnitID
	Lane     protocol.Lane // LaneLive, LaneWave or LaneBackfill; a backfill never rings
	Received time.Time     // by the cloud's clock
	protocol.Batch
}
