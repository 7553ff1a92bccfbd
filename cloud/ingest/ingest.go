// Package ingest is the way in: it takes what boxes publish, checks that
// topic and payload agree, decodes, refuses what nobody can read into a
// quarantine, and hands every batch on: to the alarm engine and the screens at
// once, to the series store through a bounded queue. When the store has
// committed a batch, and only then, the box is told that it may delete it.
//
// A batch that cannot be stored now is simply not acknowledged: the box keeps
// it and sends it again. The queues of the live lanes and of the backfill are
// apart, so that a flood of old readings never delays fresh ones, and neither
// delays an alarm.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"monitorme/cloud/live"
	"monitorme/cloud/series"
	"monitorme/protocol"
)

// Config is the ingest's part of the configuration.
type Config struct {
	LiveQueue       int           `yaml:"live_queue"`       // batches waiting for the store; more are left to be sent again
	BackfillQueue   int           `yaml:"backfill_queue"`   // the same for the backfill lane
	LiveWriters     int           `yaml:"live_writers"`     // appends to the store at once
	BackfillWriters int           `yaml:"backfill_writers"` // the same for the backfill lane
	AckInterval     time.Duration `yaml:"ack_interval"`     // acknowledgements of a box are gathered this long
	StoreTimeout    time.Duration `yaml:"store_timeout"`    // one append
	QuarantineBytes int64         `yaml:"quarantine_bytes"` // most that is kept of unreadable messages
}

// Default suits a hospital of 500 beds on one server.
func Default() Config {
	return Config{LiveQueue: 8192, BackfillQueue: 1024, LiveWriters: 256, BackfillWriters: 32,
		AckInterval: 100 * time.Millisecond, StoreTimeout: 15 * time.Second, QuarantineBytes: 256 << 20}
}

// Validate names the key, the value and what is allowed.
func (c Config) Validate() error {
	var errs []error
	between := func(key string, v, lo, hi int) {
		if v < lo || v > hi {
			errs = append(errs, fmt.Errorf("ingest.%s: %d, want %d to %d", key, v, lo, hi))
		}
	}
	between("live_queue", c.LiveQueue, 16, 1<<20)
	between("backfill_queue", c.BackfillQueue, 16, 1<<20)
	between("live_writers", c.LiveWriters, 1, 4096)
	between("backfill_writers", c.BackfillWriters, 1, 4096)
	if c.AckInterval < 10*time.Millisecond || c.AckInterval > 5*time.Second {
		errs = append(errs, fmt.Errorf("ingest.ack_interval: %v, want 10ms to 5s", c.AckInterval))
	}
	if c.StoreTimeout < time.Second || c.StoreTimeout > 5*time.Minute {
		errs = append(errs, fmt.Errorf("ingest.store_timeout: %v, want 1s to 5m", c.StoreTimeout))
	}
	if c.QuarantineBytes < 1<<20 {
		errs = append(errs, fmt.Errorf("ingest.quarantine_bytes: %d, want at least %d", c.QuarantineBytes, 1<<20))
	}
	return errors.Join(errs...)
}

// Parts are what ingest hands on to.
type Parts struct {
	// Alerts is given every batch first, from the box's own goroutine.
	Alerts interface {
		Observe(d live.Delivery)
		BoxContact(box protocol.BoxID, at time.Time)
		BoxState(s protocol.BoxState, received time.Time)
	}
	// Live is given every batch second.
	Live interface {
		Observe(*live.Delivery)
		ObserveState(protocol.BoxState, time.Time)
	}
	// Store keeps the readings; ingest uses only Append.
	Store interface {
		Append(ctx context.Context, box protocol.BoxID, obs []protocol.Observation) error
	}
	// Publish sends an acknowledgement down.
	Publish func(topic string, payload []byte) error
	// Quarantine keeps what cannot be read or stored.
	Quarantine *Quarantine
}

// An Ingest takes messages from any number of goroutines; those of one box one
// after another.
type Ingest struct {
	cfg     Config
	parts   Parts
	log     *slog.Logger
	live    chan job
	backlog chan job
	acks    *acknowledger
	m       *metrics
	now     func() time.Time

	mu       sync.Mutex
	problems map[string]string // box -> last refusal, so that a repeated one is logged once
	storeErr string
}

type job struct {
	delivery *live.Delivery
	payload  []byte
}

// New makes an Ingest that hands on to parts. It starts nothing: see Run.
func New(cfg Config, parts Parts, log *slog.Logger, reg prometheus.Registerer) (*Ingest, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	in := &Ingest{cfg: cfg, parts: parts, log: log, now: time.Now,
		live: make(chan job, cfg.LiveQueue), backlog: make(chan job, cfg.BackfillQueue),
		problems: map[string]string{}}
	in.m = newMetrics(reg, in)
	in.acks = newAcknowledger(parts.Publish, in.m)
	return in, nil
}

// Handle takes one message. It returns when alarms and screens have it; the
// store gets it later.
//
// A panic on the way is this message's failure only: it is quarantined, and
// the connection that carried it goes on.
func (in *Ingest) Handle(topic string, payload []byte) {
	received := in.now()
	defer func() {
		if r := recover(); r != nil {
			in.log.Error("panic while handling a message", "topic", topic, "panic", r, "stack", string(debug.Stack()))
			in.refuse("", "panic", topic, payload, fmt.Errorf("panic: %v", r))
		}
	}()
	unit, box, lane, err := protocol.ParseTopic(topic)
	if err != nil {
		in.refuse("", "topic", topic, payload, err)
		return
	}
	switch lane {
	case protocol.LaneState:
		in.handleState(box, topic, payload, received)
	case protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill:
		in.handleBatch(unit, box, lane, topic, payload, received)
	default: // ack and command flow down; seeing our own is normal on a shared broker
	}
}

func (in *Ingest) handleState(box protocol.BoxID, topic string, payload []byte, received time.Time) {
	if len(payload) == 0 { // a cleared retained message
		return
	}
	state, err := protocol.DecodeState(payload)
	if err == nil && state.Box != box {
		err = fmt.Errorf("state of box %q on the topic of box %q", state.Box, box)
	}
	if err != nil {
		in.refuse(box, "state", topic, payload, err)
		return
	}
	in.m.messages.WithLabelValues("state").Inc()
	in.parts.Alerts.BoxState(*state, received)
	in.parts.Live.ObserveState(*state, received)
}

func (in *Ingest) handleBatch(unit protocol.UnitID, box protocol.BoxID, lane protocol.Lane, topic string, payload []byte, received time.Time) {
	batch, err := protocol.DecodeBatch(payload)
	if err == nil && batch.Box != box {
		err = fmt.Errorf("batch of box %q on the topic of box %q", batch.Box, box)
	}
	if err != nil {
		in.refuse(box, "batch", topic, payload, err)
		return
	}
	in.m.messages.WithLabelValues(string(lane)).Inc()
	in.m.readings.WithLabelValues(string(lane)).Add(float64(len(batch.Observations)))
	in.settled(box)
	for i := range batch.Observations {
		reject(&batch.Observations[i])
	}
	d := &live.Delivery{Unit: unit, Lane: lane, Received: received, Batch: *batch}

	in.parts.Alerts.Observe(*d)
	in.parts.Live.Observe(d)
	in.m.delay.WithLabelValues(string(lane)).Observe(in.now().Sub(received).Seconds())

	if in.acks.alreadyCommitted(d) {
		in.m.duplicates.Inc()
		return
	}
	queue := in.live
	if lane == protocol.LaneBackfill {
		queue = in.backlog
	}
	select {
	case queue <- job{d, payload}:
	default: // the box still has it and sends it again
		in.m.deferred.WithLabelValues(string(lane)).Inc()
	}
}

// reject marks what is no physiology, in case a box did not: such a value is
// kept, but never shown or judged as a number.
func reject(o *protocol.Observation) {
	if o.Kind != protocol.KindNumeric || !o.Quality.HasNumber() {
		return
	}
	if term, ok := protocol.Lookup(o.Code); ok && !term.Plausible(o.Value, o.Unit) {
		o.Quality = protocol.QualityInvalid
	}
}

// refuse keeps what cannot be read, and says so once for each box and reason.
func (in *Ingest) refuse(box protocol.BoxID, what, topic string, payload []byte, err error) {
	in.m.refused.WithLabelValues(what).Inc()
	kept, qerr := in.parts.Quarantine.Keep(topic, payload, err)
	if qerr != nil {
		in.log.Error("quarantine failed", "err", qerr)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.problems) > 10_000 { // names come from topics: bound what a bad broker can make us remember
		clear(in.problems)
	}
	if in.problems[string(box)] != err.Error() {
		in.problems[string(box)] = err.Error()
		in.log.Warn("message refused", "box", box, "topic", topic, "bytes", len(payload), "err", err, "kept_in", kept)
	}
}

// settled forgets that a box sent something unreadable, so that the next time
// is logged again.
func (in *Ingest) settled(box protocol.BoxID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.problems) > 0 {
		delete(in.problems, string(box))
	}
}

// Run stores and acknowledges until ctx ends.
func (in *Ingest) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range in.cfg.LiveWriters {
		g.Go(func() error { return in.write(ctx, in.live) })
	}
	for range in.cfg.BackfillWriters {
		g.Go(func() error { return in.write(ctx, in.backlog) })
	}
	g.Go(func() error { return in.acks.run(ctx, in.cfg.AckInterval) })
	return g.Wait()
}

func (in *Ingest) write(ctx context.Context, queue <-chan job) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case j := <-queue:
			in.store(ctx, j)
		}
	}
}

func (in *Ingest) store(ctx context.Context, j job) {
	ctx, cancel := context.WithTimeout(ctx, in.cfg.StoreTimeout)
	defer cancel()
	err := in.parts.Store.Append(ctx, j.delivery.Box, j.delivery.Observations)
	switch {
	case errors.Is(err, series.ErrRefused):
		in.m.refused.WithLabelValues("store").Inc()
		topic := protocol.Topic(j.delivery.Unit, j.delivery.Box, j.delivery.Lane)
		kept, qerr := in.parts.Quarantine.Keep(topic, j.payload, err)
		in.log.Error("readings refused by the store", "box", j.delivery.Box, "readings", len(j.delivery.Observations), "err", err, "kept_in", kept)
		if qerr != nil { // kept nowhere: the box must keep it
			in.log.Error("quarantine failed", "err", qerr)
			return
		}
	case err != nil:
		in.m.storeErrors.Inc()
		if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
			in.storeFailed(err)
		}
		return
	default:
		in.storeFailed(nil)
	}
	in.m.stored.Add(float64(len(j.delivery.Observations)))
	in.acks.committed(j.delivery)
}

// storeFailed logs when the store begins to fail, fails otherwise, or works again.
func (in *Ingest) storeFailed(err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.storeErr == now {
		return
	}
	if err != nil {
		in.log.Error("series store does not take readings; boxes keep them", "err", err)
	} else {
		in.log.Info("series store takes readings again")
	}
	in.storeErr = now
}

// Check says whether readings get stored: nil, or what is wrong.
func (in *Ingest) Check() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.storeErr != "" {
		return fmt.Errorf("series store does not take readings: %s", in.storeErr)
	}
	return nil
}
