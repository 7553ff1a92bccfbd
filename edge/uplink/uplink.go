package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

const (
	minBackoff = 250 * time.Millisecond
	maxBackoff = 15 * time.Second
	soundAfter = 10 * time.Second // a connection that lasted so long was a good one
	maxShort   = 4                // connections in a row that did not: somebody ends them
)

// A Queue is where the readings are, as package queue has it. Ready is sent to
// when Next may have something; Next claims until Release or Ack.
type Queue interface {
	Ready() <-chan struct{}
	Next(lane protocol.Lane, maxBytes int, sent time.Time) ([]byte, protocol.Ack, error)
	Ack(protocol.Ack) error
	Release(protocol.Ack)
}

// Status of an Uplink, for the page of the box.
type Status struct {
	Connected bool
	Since     time.Time // of Connected or not
	// Problem is what is wrong and what to do; "" while all is well.
	Problem string
	LastAck time.Time // when the store last acknowledged anything
}

// An Uplink is made by New. Its methods are safe for concurrent use.
type Uplink struct {
	cfg    Config
	broker *url.URL
	queue  Queue
	state  func() protocol.BoxState
	log    *slog.Logger
	count  *metrics
	nudge  chan struct{}
	timing timing

	mu     sync.Mutex
	status Status
	last   uint64 // session
}

// timing is what tests shorten.
type timing struct {
	heartbeat time.Duration // between two states of the box
	answer    time.Duration // for the broker to answer a packet
	store     time.Duration // for the store to acknowledge anything, before it counts as a problem
}

// New makes an Uplink. state gives what the box knows of itself, except Online,
// Leaving, Session and Sent; it is called often, from one goroutine, and must
// not block. reg may be nil.
func New(cfg Config, q Queue, state func() protocol.BoxState, log *slog.Logger, reg prometheus.Registerer) (*Uplink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u := &Uplink{cfg: cfg, queue: q, state: state, log: log, nudge: make(chan struct{}, 1), status: Status{Since: time.Now()},
		timing: timing{heartbeat: 5 * time.Second, answer: 10 * time.Second, store: 30 * time.Second}}
	if cfg.Broker != "" {
		u.broker, _ = url.Parse(cfg.Broker) // Validate has
	}
	var err error
	if u.count, err = newMetrics(reg); err != nil {
		return nil, err
	}
	return u, nil
}

// StateChanged has the state of the box told now, not at the next heartbeat.
func (u *Uplink) StateChanged() {
	select {
	case u.nudge <- struct{}{}:
	default:
	}
}

// Problem is what is wrong and what to do; "" while all is well.
func (u *Uplink) Problem() string { return u.Status().Problem }

// Status is how the uplink is now.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

// Run keeps a connection until ctx ends, for ever trying again. It returns
// another error only if the queue has failed.
func (u *Uplink) Run(ctx context.Context) error {
	if u.broker == nil {
		u.problem("no broker is configured: readings stay on this box")
		<-ctx.Done()
		return ctx.Err()
	}
	short := 0 // connections in a row that did not last
	failed := 0
	for {
		began := time.Now()
		connected, err := u.session(ctx)
		u.disconnected()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var q *queueError
		if errors.As(err, &q) {
			return q.err
		}
		switch {
		case !connected:
			failed++
		case time.Since(began) >= soundAfter:
			short, failed = 0, 0
		default:
			short++
			failed++
			if short >= maxShort {
				err = errKicked
			}
		}
		u.count.lost.Inc()
		u.problem(explain(err, u.broker.Host))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(backoff(failed)):
		}
	}
}

// backoff is a random time up to a bound that doubles with each failure, so
// that a ward does not come back in step.
func backoff(failed int) time.Duration {
	limit := min(minBackoff<<min(failed, 10), maxBackoff)
	return minBackoff/8 + rand.N(limit)
}

// problem notes what is wrong, and logs it when that changes.
func (u *Uplink) problem(text string) {
	u.mu.Lock()
	changed := u.status.Problem != text
	u.status.Problem = text
	u.mu.Unlock()
	if !changed {
		return
	}
	if text == "" {
		u.log.Info("uplink is well")
	} else {
		u.log.Warn("uplink has a problem", "problem", text)
	}
}

func (u *Uplink) setConnected(yes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.status.Connected != yes {
		u.status.Connected, u.status.Since = yes, time.Now()
	}
}

func (u *Uplink) disconnected() {
	u.setConnected(false)
	u.count.connected.Set(0)
}

// A queueError ends Run.
type queueError struct{ err error }

func (e *queueError) Error() string { return e.err.Error() }

// nextSession is a number above all earlier ones: milliseconds since 1970, or
// one more than the last if the clock went back.
func (u *Uplink) nextSession() uint64 {
	n := uint64(max(time.Now().UnixMilli(), 1))
	if u.cfg.SessionFile != "" {
		if b, err := os.ReadFile(u.cfg.SessionFile); err == nil {
			if v, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && v < 1<<62 {
				u.last = max(u.last, v)
			}
		}
	}
	u.last = max(n, u.last+1)
	if u.cfg.SessionFile != "" {
		if err := writeFile(u.cfg.SessionFile, fmt.Appendf(nil, "%d\n", u.last)); err != nil {
			u.log.Warn("session number not kept", "err", err)
		}
	}
	return u.last
}

// writeFile replaces a file by write, sync, rename.
func writeFile(path string, b []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
