package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"monitorme/edge/health"
	"monitorme/protocol"
)

const (
	groupEvery = 20 * time.Millisecond // between two appends under load
	retryStore = time.Second           // after the store refused
	tickEvery  = time.Second           // the collector's sign of life when nothing comes
	groupMax   = protocol.MaxObservations
	// bufferBytes bounds what waits in memory: 20 minutes of a busy monitor's
	// numbers, or the first 2 seconds of a disk that takes nothing, waves included.
	bufferBytes = 6 << 20
)

// store is where the collector puts observations, in order, whole groups.
type store interface {
	Append(obs []protocol.Observation) error
}

// A collector stands between the drivers and the store, so that a driver never
// waits for a disk. What waits is bounded: when it is full the oldest waves go
// first, then the oldest numbers, and events only when nothing else is left.
// Each loss is counted and becomes an event that says which stretch is missing.
type collector struct {
	store store
	log   *slog.Logger
	check *health.Check
	event func(protocol.Code, protocol.Event) // emits an event of the box, through put
	wake  chan struct{}

	mu      sync.Mutex
	lanes   [3]lane // by order of what is dropped: waves, numbers, events
	bytes   int
	problem string // why the store refuses; "" when it does not
}

// lane is the observations of one stream that wait.
type lane struct {
	waiting []protocol.Observation
	lost    loss
	dropped uint64 // ever
}

// loss is what was dropped and not reported yet.
type loss struct {
	count    int
	from, to time.Time
}

var laneNames = [...]string{"waveform blocks", "readings", "events"}

func laneOf(k protocol.Kind) int {
	switch protocol.StreamOf(k) {
	case protocol.StreamWave:
		return 0
	case protocol.StreamEvent:
		return 2
	}
	return 1
}

func newCollector(s store, log *slog.Logger, check *health.Check) *collector {
	return &collector{store: s, log: log, check: check, wake: make(chan struct{}, 1)}
}

// weigh is about the memory that an observation takes.
func weigh(o *protocol.Observation) int {
	n := 256 + len(o.Text)
	if o.Samples != nil {
		n += 64 + 4*len(o.Samples.Raw)
	}
	if o.Event != nil {
		n += 128 + len(o.Event.Text)
	}
	return n
}

// put takes an observation. It never waits for the store.
func (c *collector) put(o protocol.Observation) {
	c.mu.Lock()
	l := &c.lanes[laneOf(o.Kind)]
	l.waiting = append(l.waiting, o)
	c.bytes += weigh(&o)
	c.shrink()
	c.mu.Unlock()
	c.rouse()
}

// rouse has Run look again.
func (c *collector) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// shrink drops until what waits is within its bound.
func (c *collector) shrink() {
	for i := range c.lanes {
		l := &c.lanes[i]
		for c.bytes > bufferBytes && len(l.waiting) > 0 {
			o := &l.waiting[0]
			if l.lost.count == 0 || o.At.Before(l.lost.from) {
				l.lost.from = o.At
			}
			if end := endOf(o); end.After(l.lost.to) {
				l.lost.to = end
			}
			l.lost.count++
			l.dropped++
			c.bytes -= weigh(o)
			*o = protocol.Observation{}
			l.waiting = l.waiting[1:]
		}
	}
}

func endOf(o *protocol.Observation) time.Time {
	if o.Samples != nil {
		return o.At.Add(o.Samples.Duration())
	}
	return o.At
}

// take removes the next group: events first, then numbers, then waves.
func (c *collector) take() []protocol.Observation {
	c.mu.Lock()
	defer c.mu.Unlock()
	var group []protocol.Observation
	for i := len(c.lanes) - 1; i >= 0; i-- {
		l := &c.lanes[i]
		n := min(len(l.waiting), groupMax-len(group))
		group = append(group, l.waiting[:n]...)
		clear(l.waiting[:n])
		if l.waiting = l.waiting[n:]; len(l.waiting) == 0 {
			l.waiting = nil
		}
	}
	for i := range group {
		c.bytes -= weigh(&group[i])
	}
	return group
}

// giveBack puts a refused group in front of what came meanwhile.
func (c *collector) giveBack(group []protocol.Observation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var back [len(c.lanes)][]protocol.Observation
	for _, o := range group {
		i := laneOf(o.Kind)
		back[i] = append(back[i], o)
		c.bytes += weigh(&o)
	}
	for i := range c.lanes {
		c.lanes[i].waiting = append(back[i], c.lanes[i].waiting...)
	}
	c.shrink()
}

// Run appends what was put: at once when idle, every 20 ms under load, and
// what is left when ctx ends.
func (c *collector) Run(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		c.check.In()
		select {
		case <-c.wake:
		case <-tick.C: // a sign of life; what was refused has its own pace
			continue
		case <-ctx.Done():
			return c.last()
		}
		pause := groupEvery
		if !c.flush() {
			pause = retryStore
			c.rouse()
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// last appends what is left after the drivers stopped.
func (c *collector) last() error {
	for c.waiting() > 0 { // the store's coming back makes events of its own
		if !c.flush() {
			return fmt.Errorf("%d observations could not be stored before stopping: %s", c.waiting(), c.Problem())
		}
	}
	return nil
}

// flush appends all that waits; false if the store refused.
func (c *collector) flush() bool {
	for {
		group := c.take()
		if len(group) == 0 {
			return true
		}
		err := c.store.Append(group)
		c.check.In()
		c.outcome(err)
		if err != nil {
			c.giveBack(group)
			return false
		}
		c.report()
		if len(group) < groupMax {
			return true
		}
	}
}

// outcome notes whether the store takes readings, and says so once.
func (c *collector) outcome(err error) {
	c.mu.Lock()
	was := c.problem
	c.problem = ""
	if err != nil {
		c.problem = err.Error()
	}
	c.mu.Unlock()
	const what = "the box cannot store readings; monitoring goes on, the newest are kept in memory: "
	switch {
	case err != nil && was == "":
		c.log.Error("readings cannot be stored", "err", err)
		c.event(protocol.EventAlarm, protocol.Event{Phase: protocol.PhaseStart, Priority: protocol.PriorityMedium,
			Type: protocol.AlarmTechnical, Text: cut(what + err.Error())})
	case err != nil && was != err.Error():
		c.log.Error("readings cannot be stored", "err", err)
	case err == nil && was != "":
		c.log.Info("readings are stored again")
		c.event(protocol.EventAlarm, protocol.Event{Phase: protocol.PhaseEnd, Type: protocol.AlarmTechnical, Text: "readings are stored again"})
	}
}

// report makes an event of each loss, now that the store takes it.
func (c *collector) report() {
	c.mu.Lock()
	var lost [len(c.lanes)]loss
	for i := range c.lanes {
		lost[i], c.lanes[i].lost = c.lanes[i].lost, loss{}
	}
	c.mu.Unlock()
	for i, l := range lost {
		if l.count == 0 {
			continue
		}
		c.log.Error("readings were dropped", "what", laneNames[i], "count", l.count, "from", l.from, "to", l.to)
		c.event(protocol.EventDropped, protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical,
			From: l.from, To: l.to, Text: fmt.Sprintf("%d %s dropped: the disk took none and the memory was full", l.count, laneNames[i])})
	}
}

// Problem says why the store refuses, "" when it does not.
func (c *collector) Problem() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}

// dropped gives how many of each lane were ever dropped.
func (c *collector) dropped() (waves, numbers, events uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lanes[0].dropped, c.lanes[1].dropped, c.lanes[2].dropped
}

// waiting gives how many observations wait.
func (c *collector) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for i := range c.lanes {
		n += len(c.lanes[i].waiting)
	}
	return n
}
