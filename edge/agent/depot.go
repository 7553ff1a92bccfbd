package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/edge/clock"
	"monitorme/edge/queue"
	"monitorme/protocol"
)

// A depot keeps a queue open and an uplink running on it. A queue that breaks
// is closed and opened again; while none is open Append says why, and the
// readings wait in the collector.
type depot struct {
	open   func() (*queue.Queue, error)
	uplink func(context.Context, *queue.Queue) error // drains until ctx ends or the queue fails
	opened func(*queue.Queue)                        // called after each open
	now    func() clock.Stamp
	log    *slog.Logger
	retry  time.Duration

	mu     sync.Mutex
	queue  *queue.Queue // nil: none
	why    error        // why there is none
	broken chan struct{}
}

const reopenEvery = 5 * time.Second

// Append stores observations in the open queue.
func (d *depot) Append(obs []protocol.Observation) error {
	d.mu.Lock()
	q, why := d.queue, d.why
	d.mu.Unlock()
	if q == nil {
		return why
	}
	err := q.Append(queue.Stamp(d.now()), obs)
	if err != nil && !errors.Is(err, queue.ErrFull) {
		d.breaks()
	}
	return err
}

// current gives the open queue, or nil.
func (d *depot) current() *queue.Queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue
}

// tryOpen opens the queue. Its error has been noted.
func (d *depot) tryOpen() error {
	q, err := d.open()
	d.mu.Lock()
	d.queue, d.why, d.broken = q, err, make(chan struct{}, 1)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	d.opened(q)
	return nil
}

// Run holds the queue, which tryOpen may have opened, until ctx ends.
func (d *depot) Run(ctx context.Context) error {
	defer d.close(errors.New("the box is stopping"))
	for {
		if q := d.current(); q != nil {
			d.serve(ctx, q)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-time.After(d.retry):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := d.tryOpen(); err == nil {
			d.log.Info("queue opened again")
		} // else the collector says so with its next Append
	}
}

// serve runs the queue and the uplink on it until ctx ends or the queue breaks,
// which closes it.
func (d *depot) serve(ctx context.Context, q *queue.Queue) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{q.Run, func(ctx context.Context) error { return d.uplink(ctx, q) }} {
		wg.Go(func() {
			if err := run(ctx); ctx.Err() == nil {
				d.log.Error("queue broke; it is opened again", "err", err)
				d.breaks()
			}
		})
	}
	select {
	case <-ctx.Done():
		wg.Wait()
	case <-d.broken: // made by tryOpen, which only Run calls while it runs
		cancel()
		wg.Wait()
		d.close(errors.New("the queue broke and is being opened again"))
	}
}

// breaks says that the open queue is of no use any more.
func (d *depot) breaks() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case d.broken <- struct{}{}: // once is enough
	default:
	}
}

func (d *depot) close(why error) {
	d.mu.Lock()
	q := d.queue
	d.queue, d.why = nil, why
	d.mu.Unlock()
	if q == nil {
		return
	}
	if err := q.Close(); err != nil {
		d.log.Error("queue did not close well", "err", err)
	}
}

// renewable is a Registerer that can take back what was registered on it, so
// that a part that is made again can register again.
type renewable struct {
	prometheus.Registerer
	mu  sync.Mutex
	has []prometheus.Collector
}

func (r *renewable) Register(c prometheus.Collector) error {
	if err := r.Registerer.Register(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.has = append(r.has, c)
	return nil
}

func (r *renewable) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(fmt.Sprintf("agent: %v", err)) // two metrics of ours with one name
		}
	}
}

func (r *renewable) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.has {
		r.Registerer.Unregister(c)
	}
	r.has = nil
}
