package api

import (
	"context"
	"slices"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"
)

// backlogFrom is how old the oldest reading in a box's queue must be to count
// as backlog: a box that is up to date always has some that are on their way.
const backlogFrom = 15 * time.Second

// boxCauses are the reasons for silence that are on record for one box: its
// own under "", and those of its devices.
type boxCauses struct {
	of map[protocol.DeviceID][]gap
	// unheard: the box was not heard of since the service started, so that
	// nobody knows since when it is away.
	unheard bool
}

// explain are the causes for a series with these holes.
func (c *boxCauses) explain(device protocol.DeviceID, holes []gap, now time.Time) []gap {
	out := slices.Clone(c.of[""])
	if device != "" {
		out = append(out, c.of[device]...)
	}
	if n := len(holes); c.unheard && n > 0 && now.Sub(holes[n-1].To) < time.Minute {
		out = append(out, gap{holes[n-1].From, now, gapPending, "the box was not heard of since the service started; what it read comes when it is back"})
	}
	return out
}

// causes gathers what is on record about why a box or its devices were silent.
func (s *Server) causes(ctx context.Context, rv *review, box protocol.BoxID) (*boxCauses, error) {
	out := map[protocol.DeviceID][]gap{}
	now := s.now()
	begin := rv.from.Add(-eventsBack)
	keys, err := s.Series.Keys(ctx, box, begin, now)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		reason := causeReasons[k.Code]
		if reason == "" || k.Kind != protocol.KindEvent {
			continue
		}
		var events eventGaps
		if err := s.Series.Points(ctx, k.Key, begin, now, func(p *series.Point) bool { events.add(p, reason); return true }); err != nil {
			return nil, err
		}
		out[k.Device] = append(out[k.Device], events.until(now)...)
	}
	b := s.Hub.Box(box)
	if !b.Online && !b.LastContact.IsZero() {
		out[""] = append(out[""], gap{b.LastContact, now, gapPending, "the box is offline since then; what it read comes when it is back"})
	} else if q := b.State.Queue; b.Online && q.Entries > 0 && !q.Oldest.IsZero() && b.State.Sent.Sub(q.Oldest) > backlogFrom {
		out[""] = append(out[""], gap{q.Oldest, b.State.Sent, gapPending, "the box is sending what it kept"})
	}
	return &boxCauses{out, !b.Online && b.LastContact.IsZero()}, nil
}

var causeReasons = map[protocol.Code]string{
	protocol.EventDisconnected: gapDeviceLost, protocol.EventDropped: gapDropped, protocol.EventBoxOffline: gapBoxOffline,
}

// eventGaps turns the events of one series into stretches: from start to end,
// or what an event says of the past.
type eventGaps struct {
	done []gap
	open *gap
}

func (e *eventGaps) add(p *series.Point, reason string) {
	ev := p.Event
	if ev == nil {
		return
	}
	if !ev.From.IsZero() && ev.To.After(ev.From) {
		e.done = append(e.done, gap{ev.From, ev.To, reason, ev.Text})
		return
	}
	switch ev.Phase {
	case protocol.PhaseStart, protocol.PhaseContinue:
		if e.open == nil {
			e.open = &gap{From: p.At, Reason: reason, Detail: ev.Text}
		}
	case protocol.PhaseEnd:
		if e.open != nil {
			e.open.To = p.At
			e.done = append(e.done, *e.open)
			e.open = nil
		}
	}
}

func (e *eventGaps) until(now time.Time) []gap {
	if e.open != nil {
		e.open.To = now
		e.done = append(e.done, *e.open)
		e.open = nil
	}
	return e.done
}
