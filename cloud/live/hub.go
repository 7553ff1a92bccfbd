package live

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

// A Hub holds the present of all boxes. Its methods are safe for concurrent
// use; deliveries of one box must come one after another.
type Hub struct {
	locate func(protocol.BoxID) (Place, bool)
	// Contact, if set before the hub is used, is told when a box comes online
	// or goes offline: at is its first contact, or its last. It must be quick.
	Contact func(box protocol.BoxID, online bool, at time.Time)

	nextID atomic.Uint64

	boxes sync.Map // protocol.BoxID -> *box

	mu   sync.RWMutex
	subs map[protocol.UnitID][]*Subscription

	events, cut prometheus.Counter
	watching    prometheus.Gauge
}

type seriesKey struct {
	device  protocol.DeviceID
	channel string
	code    protocol.Code
}

type box struct {
	mu          sync.Mutex
	values      map[seriesKey]*Value
	state       protocol.BoxState
	lastContact time.Time
	offset      time.Duration
	offsetKnown bool
	online      bool
}

// NewHub makes an empty hub. locate tells where a box stands; it is called for
// every delivery and must be quick.
func NewHub(locate func(protocol.BoxID) (Place, bool), reg prometheus.Registerer) *Hub {
	h := &Hub{
		locate: locate,
		subs:   map[protocol.UnitID][]*Subscription{},
		events: prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_live_events_total", Help: "Events encoded for screens."}),
		cut:    prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_live_slow_subscribers_total", Help: "Screens disconnected because they could not keep up."}),
		watching: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "monitorme_cloud_live_subscribers", Help: "Screens connected now."}),
	}
	reg.MustRegister(h.events, h.cut, h.watching)
	return h
}

func (h *Hub) box(id protocol.BoxID) *box {
	if b, ok := h.boxes.Load(id); ok {
		return b.(*box)
	}
	b, _ := h.boxes.LoadOrStore(id, &box{values: map[seriesKey]*Value{}})
	return b.(*box)
}

// Observe takes a batch: it moves the latest values on and tells the unit's
// screens. Of a backfill it keeps what is newer than what it has, and tells
// only of values that still hold, as a cuff's pressure of some minutes ago.
func (h *Hub) Observe(d *Delivery) {
	b := h.box(d.Box)
	b.mu.Lock()
	cameBack := b.contact(d.Received, d.Sent)
	fresh := make([]protocol.Observation, 0, len(d.Observations))
	for i := range d.Observations {
		o := &d.Observations[i]
		switch o.Kind {
		case protocol.KindNumeric, protocol.KindEnumeration:
			if b.take(o, d.Received) && (d.Lane != protocol.LaneBackfill || holds(o, d.Received)) {
				fresh = append(fresh, *o)
			}
		case protocol.KindSamples:
			if d.Lane != protocol.LaneBackfill {
				fresh = append(fresh, *o)
			}
		}
	}
	b.mu.Unlock()

	if cameBack {
		h.contact(d.Box, true, d.Received)
	}
	place, ok := h.locate(d.Box)
	if !ok {
		return
	}
	if cameBack {
		h.publishBox(d.Box, place)
	}
	if len(fresh) == 0 {
		return
	}
	subs := h.subscribers(place.Unit)
	if len(subs) == 0 {
		return
	}
	if data := appendValues(nil, place.Bed, d.Received, fresh); data != nil {
		h.send(subs, Event{Type: "values", Bed: place.Bed, Data: data})
	}
	if !slices.ContainsFunc(subs, func(s *Subscription) bool { return s.waves }) {
		return
	}
	for i := range fresh {
		if fresh[i].Kind == protocol.KindSamples {
			h.send(subs, Event{Type: "wave", Bed: place.Bed, Data: appendWave(nil, place.Bed, &fresh[i])})
		}
	}
}

// holds reports whether a screen would still show the value as of now.
func holds(o *protocol.Observation, now time.Time) bool {
	term, _ := protocol.Lookup(o.Code)
	return term.StaleAfter == 0 || now.Sub(o.At) <= term.StaleAfter
}

// contact notes that the box was heard of, and reports whether it had been
// offline.
func (b *box) contact(received, sent time.Time) bool {
	if received.After(b.lastContact) {
		b.lastContact = received
	}
	if !sent.IsZero() {
		b.offset, b.offsetKnown = sent.Sub(received), true
	}
	was := b.online
	b.online = !b.state.Leaving
	return b.online && !was
}

// take makes o the latest of its series if it is newer. A latest value that
// lies in the future (the box's clock was ahead and has been set back) yields
// to what arrives now.
func (b *box) take(o *protocol.Observation, received time.Time) bool {
	k := seriesKey{o.Device, o.Channel, o.Code}
	v := b.values[k]
	if v == nil {
		b.values[k] = &Value{Observation: *o, Received: received}
		return true
	}
	if !o.At.After(v.At) && !(v.At.Sub(received) > 2*time.Second && !o.At.Equal(v.At)) {
		return false
	}
	v.Observation, v.Received = *o, received
	return true
}

// ObserveState takes a box's state document. The highest session wins, so a
// last will that arrives late cannot hide a newer connection.
func (h *Hub) ObserveState(s protocol.BoxState, received time.Time) {
	b := h.box(s.Box)
	b.mu.Lock()
	if s.Session < b.state.Session {
		b.mu.Unlock()
		return
	}
	was, last := b.online, b.lastContact
	if s.Online {
		b.contact(received, s.Sent)
		b.state = s
		b.online = true
		last = received
	} else {
		devices := b.state.Devices
		b.state = s
		if len(s.Devices) == 0 {
			b.state.Devices = devices
		}
		b.online = false
	}
	now := b.online
	b.mu.Unlock()
	if now != was {
		h.contact(s.Box, now, last)
	}
	if place, ok := h.locate(s.Box); ok {
		h.publishBox(s.Box, place)
	}
}

func (h *Hub) contact(box protocol.BoxID, online bool, at time.Time) {
	if h.Contact != nil {
		h.Contact(box, online, at)
	}
}

func (h *Hub) publishBox(id protocol.BoxID, place Place) {
	if subs := h.subscribers(place.Unit); len(subs) > 0 {
		h.send(subs, Event{Type: "box", Bed: place.Bed, Data: appendBox(nil, place.Bed, h.Box(id))})
	}
}

// Box tells what is known of one box. An unknown box is offline and has no values.
func (h *Hub) Box(id protocol.BoxID) BoxNow {
	v, ok := h.boxes.Load(id)
	if !ok {
		return BoxNow{Box: id}
	}
	b := v.(*box)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := BoxNow{Box: id, Online: b.online, LastContact: b.lastContact, State: b.state,
		ClockOffset: b.offset, OffsetKnown: b.offsetKnown, Values: make([]Value, 0, len(b.values))}
	for _, v := range b.values {
		now.Values = append(now.Values, *v)
	}
	slices.SortFunc(now.Values, func(x, y Value) int {
		if c := strings.Compare(string(x.Device), string(y.Device)); c != 0 {
			return c
		}
		if c := strings.Compare(x.Channel, y.Channel); c != 0 {
			return c
		}
		return int(x.Code) - int(y.Code)
	})
	return now
}

// Boxes lists every box heard of since the process started.
func (h *Hub) Boxes() []protocol.BoxID {
	var ids []protocol.BoxID
	h.boxes.Range(func(k, _ any) bool { ids = append(ids, k.(protocol.BoxID)); return true })
	slices.Sort(ids)
	return ids
}

// Run marks boxes offline that have been silent too long, until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-t.C:
			h.boxes.Range(func(k, v any) bool {
				b := v.(*box)
				b.mu.Lock()
				lost := b.online && now.Sub(b.lastContact) > OfflineAfter
				if lost {
					b.online = false
				}
				last := b.lastContact
				b.mu.Unlock()
				if lost {
					h.contact(k.(protocol.BoxID), false, last)
					if place, ok := h.locate(k.(protocol.BoxID)); ok {
						h.publishBox(k.(protocol.BoxID), place)
					}
				}
				return true
			})
		}
	}
}

// A Subscription is one screen's share of a unit's events.
type Subscription struct {
	// C gives the events. It is closed when the subscriber fell behind or
	// called Close; Err tells which.
	C <-chan Event

	c     chan Event
	hub   *Hub
	unit  protocol.UnitID
	waves bool
	once  sync.Once
	slow  atomic.Bool
}

// ErrSlow is why a subscription that fell behind ended.
var ErrSlow = errors.New("too slow: disconnected so that others need not wait")

// Subscribe gives the events of a unit from now on, at most buffer of them
// waiting.
func (h *Hub) Subscribe(unit protocol.UnitID, waves bool, buffer int) *Subscription {
	c := make(chan Event, buffer)
	s := &Subscription{C: c, c: c, hub: h, unit: unit, waves: waves}
	h.mu.Lock()
	h.subs[unit] = append(slices.Clone(h.subs[unit]), s) // copied: senders hold the old slice
	h.mu.Unlock()
	h.watching.Inc()
	return s
}

// Err is ErrSlow after the subscription was cut off, else nil.
func (s *Subscription) Err() error {
	if s.slow.Load() {
		return ErrSlow
	}
	return nil
}

// Close ends the subscription. It may be called at any time, also twice.
func (s *Subscription) Close() {
	s.once.Do(func() {
		h := s.hub
		h.mu.Lock()
		h.subs[s.unit] = slices.DeleteFunc(slices.Clone(h.subs[s.unit]), func(x *Subscription) bool { return x == s })
		if len(h.subs[s.unit]) == 0 {
			delete(h.subs, s.unit)
		}
		close(s.c) // under the lock: no sender holds it, see send
		h.mu.Unlock()
		h.watching.Dec()
	})
}

func (h *Hub) subscribers(unit protocol.UnitID) []*Subscription {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.subs[unit]
}

// Publish gives an event made elsewhere (an alarm, a changed bed list) to the
// screens of a unit.
func (h *Hub) Publish(unit protocol.UnitID, e Event) {
	if subs := h.subscribers(unit); len(subs) > 0 {
		h.send(subs, e)
	}
}

// send hands e to subs under the read lock, so that Close cannot close a
// channel in the middle.
func (h *Hub) send(subs []*Subscription, e Event) {
	e.ID = h.nextID.Add(1)
	h.events.Inc()
	var late []*Subscription
	h.mu.RLock()
	for _, s := range subs {
		if e.Type == "wave" && !s.waves || !slices.Contains(h.subs[s.unit], s) {
			continue
		}
		select {
		case s.c <- e:
		default:
			late = append(late, s)
		}
	}
	h.mu.RUnlock()
	for _, s := range late {
		if s.slow.CompareAndSwap(false, true) {
			h.cut.Inc()
		}
		s.Close()
	}
}
