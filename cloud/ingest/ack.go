package ingest

import (
	"context"
	"slices"
	"sync"
	"time"

	"monitorme/cloud/live"
	"monitorme/protocol"
)

// maxRuns bounds what is remembered of one stream above its contiguous part.
const maxRuns = 64

// An acknowledger remembers what the store has committed of each box, tells
// the box in gathered messages, and recognises what comes a second time.
// Losing its memory in a restart is harmless: what comes again is stored again
// without effect and acknowledged again.
type acknowledger struct {
	publish func(topic string, payload []byte) error
	m       *metrics

	mu      sync.Mutex
	boxes   map[protocol.BoxID]*committedBox
	pending map[protocol.BoxID]*committedBox // with something to say
}

type committedBox struct {
	unit  protocol.UnitID
	epoch uint64
	done  [4][]protocol.Range // by stream: disjoint, ascending
	say   []protocol.Committed
}

func newAcknowledger(publish func(string, []byte) error, m *metrics) *acknowledger {
	return &acknowledger{publish: publish, m: m, boxes: map[protocol.BoxID]*committedBox{}, pending: map[protocol.BoxID]*committedBox{}}
}

// alreadyCommitted reports whether the store has all of d, and if so
// acknowledges it once more: the first acknowledgement was lost.
func (a *acknowledger) alreadyCommitted(d *live.Delivery) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.boxes[d.Box]
	if b == nil || b.epoch != d.Epoch || int(d.Stream) >= len(b.done) {
		return false
	}
	if !slices.ContainsFunc(b.done[d.Stream], func(r protocol.Range) bool { return r.First <= d.FirstSeq && d.LastSeq() <= r.Last }) {
		return false
	}
	b.unit = d.Unit
	a.note(d.Box, b, d.Stream, protocol.Range{First: d.FirstSeq, Last: d.LastSeq()})
	return true
}

// committed notes that the store has d.
func (a *acknowledger) committed(d *live.Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.boxes[d.Box]
	if b == nil || b.epoch != d.Epoch {
		b = &committedBox{epoch: d.Epoch}
		a.boxes[d.Box] = b
	}
	b.unit = d.Unit
	r := protocol.Range{First: d.FirstSeq, Last: d.LastSeq()}
	if int(d.Stream) < len(b.done) {
		b.done[d.Stream] = addRange(b.done[d.Stream], r)
		if n := len(b.done[d.Stream]); n > maxRuns { // forget the oldest: at worst it is stored twice, without effect
			b.done[d.Stream] = slices.Delete(b.done[d.Stream], 0, n-maxRuns)
		}
	}
	a.note(d.Box, b, d.Stream, r)
}

func (a *acknowledger) note(box protocol.BoxID, b *committedBox, s protocol.Stream, r protocol.Range) {
	if n := len(b.say); n > 0 && b.say[n-1].Stream == s && b.say[n-1].Last+1 == r.First {
		b.say[n-1].Last = r.Last
	} else {
		b.say = append(b.say, protocol.Committed{Stream: s, Range: r})
	}
	a.pending[box] = b
}

// run publishes what has gathered, every interval, until ctx ends.
func (a *acknowledger) run(ctx context.Context, interval time.Duration) error {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			a.flush()
			return ctx.Err()
		case <-t.C:
			a.flush()
		}
	}
}

func (a *acknowledger) flush() {
	a.mu.Lock()
	type message struct {
		topic string
		ack   protocol.Ack
	}
	var out []message
	for box, b := range a.pending {
		out = append(out, message{protocol.Topic(b.unit, box, protocol.LaneAck), protocol.Ack{Epoch: b.epoch, Committed: b.say}})
		b.say = nil
	}
	clear(a.pending)
	a.mu.Unlock()
	for _, m := range out {
		payload, err := protocol.AppendAck(nil, &m.ack)
		if err == nil {
			err = a.publish(m.topic, payload)
		}
		if err != nil { // the box sends again and is acknowledged then
			a.m.ackErrors.Inc()
			continue
		}
		a.m.acks.Inc()
	}
}

// addRange adds r to disjoint ascending runs, joining those that touch.
func addRange(runs []protocol.Range, r protocol.Range) []protocol.Range {
	i, _ := slices.BinarySearchFunc(runs, r.First, func(x protocol.Range, first uint64) int {
		if x.Last+1 < first {
			return -1
		}
		return 1
	})
	j := i
	for j < len(runs) && runs[j].First <= r.Last+1 {
		r.First, r.Last = min(r.First, runs[j].First), max(r.Last, runs[j].Last)
		j++
	}
	return slices.Replace(runs, i, j, r)
}
