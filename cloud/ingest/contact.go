package ingest

import (
	"context"
	"log/slog"
	"time"

	"monitorme/protocol"
)

// Contacts writes into the history when a box was out of touch, so that a gap
// there has its reason. A box's silence is an alarm elsewhere; this is only
// the record of it.
type Contacts struct {
	append func(context.Context, protocol.BoxID, []protocol.Observation) error
	queue  chan contact
	log    *slog.Logger
}

type contact struct {
	box    protocol.BoxID
	online bool
	at     time.Time
}

// NewContacts writes through the Append of a series store.
func NewContacts(append func(context.Context, protocol.BoxID, []protocol.Observation) error, log *slog.Logger) *Contacts {
	return &Contacts{append: append, queue: make(chan contact, 4096), log: log}
}

// Changed notes that a box came online or went offline. It never blocks; when
// thousands of changes wait for a store that does not answer, more are dropped
// and logged: the silence itself was alarmed.
func (c *Contacts) Changed(box protocol.BoxID, online bool, at time.Time) {
	select {
	case c.queue <- contact{box, online, at}:
	default:
		c.log.Warn("contact change not recorded: too many wait for the store", "box", box, "online", online)
	}
}

// Run writes until ctx ends, trying again while the store does not answer.
func (c *Contacts) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case change := <-c.queue:
			for c.append(ctx, change.box, []protocol.Observation{change.observation()}) != nil {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
				}
			}
		}
	}
}

func (c contact) observation() protocol.Observation {
	phase, text := protocol.PhaseStart, "the service hears nothing of the box"
	if c.online {
		phase, text = protocol.PhaseEnd, "the box is in touch"
	}
	return protocol.Observation{Code: protocol.EventBoxOffline, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
		At: c.at.Truncate(time.Microsecond), Clock: protocol.ClockSynced,
		Event: &protocol.Event{Phase: phase, Type: protocol.AlarmTechnical, Text: text}}
}
