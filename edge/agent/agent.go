// Package agent is the box: it reads its configuration, keeps one driver
// running per device, stamps what they say, hands it to the queue, and lets
// the uplink send it.
//
// Each part fails alone. A driver's panic, an unplugged device, a disk that
// takes nothing and a network that is away are told on the status page and as
// events, and are tried again for ever; the neighbours notice nothing. Only
// what cannot get better by itself ends Run: a wrong configuration, and a
// second process on the same queue.
//
// Readings flow driver -> collector -> queue -> uplink, and parts stop in that
// order, so that stopping loses nothing.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/drivers/all"
	"monitorme/edge/clock"
	"monitorme/edge/health"
	"monitorme/edge/port"
	"monitorme/edge/probe"
	"monitorme/edge/queue"
	"monitorme/protocol"
)

// How long each group of parts has to stop; together less than 5 s unless a
// driver and the disk both stand still.
const (
	stopDevices = 1500 * time.Millisecond
	stopWriter  = time.Second
	stopDepot   = 4 * time.Second
	stopRest    = 500 * time.Millisecond
)

// Within these limits a loop must go round to be healthy. A disk may stall for
// seconds.
const (
	limitDevice = 15 * time.Second
	limitWriter = 30 * time.Second
	limitUplink = time.Minute
)

// A box is one running box.
type box struct {
	cfg     Config
	log     *slog.Logger
	reg     *renewable // of the queue and the uplink
	metrics prometheus.Gatherer
	checks  health.Checks
	clock   *clock.Clock
	collect *collector
	depot   *depot
	devices []*device
	started time.Time
	boot    uint64
	link    link

	mu     sync.Mutex
	stamps stamper // of the box's own events
}

// Run runs the box until ctx ends, then stops it in order. reg takes its
// metrics; if it can gather them too, the status page serves them. An error
// other than ctx's says what a person must change.
func Run(ctx context.Context, cfg Config, log *slog.Logger, reg prometheus.Registerer) error {
	b, err := newBox(cfg, log, reg)
	if err != nil {
		return err
	}
	return b.run(ctx)
}

func newBox(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*box, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &box{cfg: cfg, log: log, reg: &renewable{Registerer: reg}, metrics: prometheus.DefaultGatherer, started: time.Now()}
	if g, ok := reg.(prometheus.Gatherer); ok {
		b.metrics = g
	}
	var err error
	if b.clock, err = clock.New(cfg.Clock, log.With("module", "clock"), b.clockChanged); err != nil {
		return nil, err
	}
	b.boot = b.clock.Boot()
	b.depot = &depot{
		open: func() (*queue.Queue, error) {
			b.reg.renew()
			return queue.Open(cfg.Queue, queue.Identity{Box: cfg.Box, Boot: b.boot}, log.With("module", "queue"), b.reg)
		},
		uplink: b.runUplink, opened: b.queueOpened, now: b.clock.Now, log: log.With("module", "queue"), retry: reopenEvery,
	}
	b.collect = newCollector(b.depot, log.With("module", "collector"), b.checks.Loop("the writer of readings", limitWriter))
	b.collect.event = b.event
	b.link.check = b.checks.Loop("the uplink", limitUplink)
	var memory *probe.Memory // one for all devices
	for _, d := range cfg.Devices {
		if !d.on() {
			continue
		}
		dev := &device{
			id: d.ID, port: d.Port, driver: unknown, line: probe.FirstLine, open: port.Open, now: b.clock.Now, put: b.collect.put, changed: b.link.changed,
			log: log.With("device", d.ID), check: b.checks.Loop("device "+string(d.ID), limitDevice),
			status: protocol.DeviceConnecting, since: b.clock.Now().Wall,
		}
		b.devices = append(b.devices, dev)
		if d.Driver == driverAuto {
			if memory == nil {
				memory = b.openMemory()
			}
			dev.auto = &recognition{memory: memory, ask: cfg.Probe.Ask}
			continue
		}
		drv, _ := all.Find(d.Driver)
		drv, err := d.configured(drv)
		if err != nil {
			return nil, err
		}
		line, err := d.Line.over("line", drv.Line)
		if err != nil {
			return nil, err
		}
		dev.driver, dev.line = drv, line
	}
	if err := reg.Register(gauges{b}); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return b, nil
}

func (b *box) run(ctx context.Context) error {
	err := b.depot.tryOpen()
	if errors.Is(err, queue.ErrLocked) {
		return err
	}
	if err != nil { // monitoring goes on without a disk
		b.log.Error("queue cannot be opened; tried again", "err", err, "retry_in", reopenEvery.String())
	}
	b.event(protocol.EventBoxStarted, protocol.Event{Phase: protocol.PhaseOnce, Type: protocol.AlarmAdvisory,
		Text: cut(fmt.Sprintf("version %s, %d devices", b.cfg.Version, len(b.devices)))})
	b.log.Info("box started", "box", b.cfg.Box, "unit", b.cfg.Unit, "version", b.cfg.Version, "devices", len(b.devices))

	var rest, depot, writer, devices stage
	rest.start(ctx, func(ctx context.Context) { b.clock.Run(ctx) })
	rest.start(ctx, b.servePage)
	rest.start(ctx, b.link.watch)
	depot.start(ctx, func(ctx context.Context) { b.depot.Run(ctx) })
	writer.start(ctx, func(ctx context.Context) {
		if err := b.collect.Run(ctx); err != nil {
			b.log.Error("readings lost in stopping", "err", err)
		}
	})
	for _, d := range b.devices {
		devices.start(ctx, d.attend)
	}

	// Returns when ctx ends, having told systemd that the box is stopping.
	health.Notify(ctx, &b.checks, b.statusLine, b.log)

	b.log.Info("box stopping")
	b.stop("devices", &devices, stopDevices)
	b.stop("writer", &writer, stopWriter)
	b.stop("queue and uplink", &depot, stopDepot)
	b.stop("status page", &rest, stopRest)
	b.log.Info("box stopped")
	return ctx.Err()
}

func (b *box) stop(name string, s *stage, limit time.Duration) {
	if !s.end(limit) {
		b.log.Error("did not stop in time and is left behind", "what", name, "limit", limit.String())
	}
}

// servePage serves the status page; one that cannot be served is no reason to
// stop monitoring.
func (b *box) servePage(ctx context.Context) {
	h := health.Handler(b.status, &b.checks, b.metrics)
	for said := ""; ctx.Err() == nil; {
		err := health.Serve(ctx, b.cfg.Health, h)
		if ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			said = err.Error()
			b.log.Warn("no status page; tried again", "err", err)
		}
		select {
		case <-time.After(reopenEvery):
		case <-ctx.Done():
		}
	}
}

// event emits an event of the box itself.
func (b *box) event(code protocol.Code, e protocol.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := protocol.Observation{Code: code, Kind: protocol.KindEvent, Event: &e}
	b.stamps.stamp(&o, b.clock.Now())
	b.collect.put(o)
}

func (b *box) clockChanged(c clock.Change) {
	b.event(protocol.EventClockChanged, protocol.Event{Phase: protocol.PhaseOnce, Type: protocol.AlarmTechnical, Text: cut(c.Text())})
}

// queueOpened tells of a queue that had to be moved aside: what it held is
// still on the disk, but not on its way to the cloud.
func (b *box) queueOpened(q *queue.Queue) {
	if r, ok := q.Recovered(); ok {
		b.event(protocol.EventQueueMoved, protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical,
			Text: cut(fmt.Sprintf("the queue could not be read and was moved to %s: %v", r.Aside, r.Reason))})
	}
}

// statusLine is what systemctl status shows.
func (b *box) statusLine() string {
	words := make([]string, 0, len(b.devices)+2)
	for _, d := range b.devices {
		words = append(words, fmt.Sprintf("%s %s", d.id, d.state().Status))
	}
	up := b.uplinkStatus()
	if up.Connected {
		words = append(words, "connected")
	} else {
		words = append(words, "not connected")
	}
	if p := b.collect.Problem(); p != "" {
		words = append(words, "readings cannot be stored: "+p)
	}
	return strings.Join(words, ", ")
}

// A stage is goroutines that are stopped together.
type stage struct {
	cancels []context.CancelFunc
	wg      sync.WaitGroup
}

// start runs f with a context that ends with the stage, not with ctx.
func (s *stage) start(ctx context.Context, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancels = append(s.cancels, cancel)
	s.wg.Go(func() { f(ctx) })
}

// end stops the stage and waits; false when the limit passed.
func (s *stage) end(limit time.Duration) bool {
	for _, cancel := range s.cancels {
		cancel()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.wg.Wait()
	}()
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}
