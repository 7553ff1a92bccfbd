package uplink

import (
	"time"

	"monitorme/protocol"
)

// A message is on its way: sent, not yet acknowledged by the store.
type message struct {
	lane  protocol.Lane
	epoch uint64
	what  protocol.Committed
	left  []protocol.Range // of what, not yet acknowledged
	bytes int
	sent  time.Time
}

func (m *message) names() protocol.Ack {
	return protocol.Ack{Epoch: m.epoch, Committed: []protocol.Committed{m.what}}
}

// acknowledge takes c out of what is left and tells whether nothing is.
func (m *message) acknowledge(c protocol.Committed) bool {
	if c.Stream != m.what.Stream || c.Last < m.what.First || m.what.Last < c.First {
		return false
	}
	var left []protocol.Range
	for _, r := range m.left {
		if c.Last < r.First || r.Last < c.First {
			left = append(left, r)
			continue
		}
		if r.First < c.First {
			left = append(left, protocol.Range{First: r.First, Last: c.First - 1})
		}
		if c.Last < r.Last {
			left = append(left, protocol.Range{First: c.Last + 1, Last: r.Last})
		}
	}
	m.left = left
	return len(left) == 0
}

// The windows. Those of live and wave hold what a bed says in an ack timeout
// many times over: they only bound the memory.
const (
	maxFreshMessages = 4096
	maxFreshBytes    = 8 << 20

	// MaxPayload is the largest message made of a backlog.
	MaxPayload = 128 << 10

	minBulk  = 16 << 10
	maxBulk  = 1 << 20
	fastAck  = 250 * time.Millisecond
	slowAck  = time.Second
	maxPause = time.Minute
)

// flight is everything on its way on one connection.
type flight struct {
	messages []*message // in order of sending
	count    map[protocol.Lane]int
	bytes    map[protocol.Lane]int

	bulk   int // window of the backlog in bytes
	pause  time.Duration
	resume time.Time // the backlog waits until then: nothing acknowledges it
}

func newFlight() *flight {
	return &flight{count: map[protocol.Lane]int{}, bytes: map[protocol.Lane]int{}, bulk: 4 * minBulk}
}

// room is how large the next message on a lane may be; 0: it must wait.
func (f *flight) room(lane protocol.Lane, now time.Time) int {
	if lane != protocol.LaneBackfill {
		if f.count[lane] >= maxFreshMessages || f.bytes[lane] >= maxFreshBytes {
			return 0
		}
		return MaxPayload
	}
	if f.bytes[lane] >= f.bulk || now.Before(f.resume) {
		return 0
	}
	return min(MaxPayload, max(f.bulk/4, minBulk/2))
}

func (f *flight) add(m *message) {
	m.left = []protocol.Range{m.what.Range}
	f.messages = append(f.messages, m)
	f.count[m.lane]++
	f.bytes[m.lane] += m.bytes
}

// take removes the messages for which gone is true, calling done for each.
func (f *flight) take(gone func(*message) bool, done func(*message)) {
	keep := f.messages[:0]
	for _, m := range f.messages {
		if !gone(m) {
			keep = append(keep, m)
			continue
		}
		f.count[m.lane]--
		f.bytes[m.lane] -= m.bytes
		done(m)
	}
	clear(f.messages[len(keep):])
	f.messages = keep
}

// ack takes out what a covers.
func (f *flight) ack(a *protocol.Ack, now time.Time, done func(*message)) {
	f.take(func(m *message) bool {
		if m.epoch != a.Epoch {
			return false
		}
		whole := false
		for _, c := range a.Committed {
			whole = m.acknowledge(c) || whole
		}
		return whole
	}, func(m *message) {
		if m.lane == protocol.LaneBackfill {
			f.adapt(now.Sub(m.sent), m.bytes)
		}
		done(m)
	})
}

// adapt widens the window of the backlog by a message that was acknowledged
// fast, and halves it for a slow one.
func (f *flight) adapt(took time.Duration, bytes int) {
	f.pause = 0
	switch {
	case took < fastAck:
		f.bulk = min(maxBulk, f.bulk+bytes)
	case took > slowAck:
		f.bulk = max(minBulk, f.bulk/2)
	}
}

// expire takes out what was sent before limit. A backlog that nobody
// acknowledges is tried again less and less often.
func (f *flight) expire(limit, now time.Time, base time.Duration, done func(*message)) {
	if len(f.messages) == 0 || !f.messages[0].sent.Before(limit) {
		return
	}
	bulk := false
	f.take(func(m *message) bool { return m.sent.Before(limit) }, func(m *message) {
		bulk = bulk || m.lane == protocol.LaneBackfill
		done(m)
	})
	if bulk {
		f.bulk = minBulk
		f.pause = min(max(2*f.pause, base/2), maxPause)
		f.resume = now.Add(f.pause)
	}
}
