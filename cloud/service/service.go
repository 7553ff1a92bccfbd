// Package service composes the modules of the cloud: it reads the
// configuration, starts the chosen modules in order, keeps each running by
// itself, answers for their health, and stops them in reverse order.
//
// A module that fails is started again with growing pauses; the others go on.
// A series store that cannot be opened does not keep alarms and screens from
// working: boxes keep their readings until it can.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"monitorme/cloud/api"
	"monitorme/cloud/broker"
	"monitorme/cloud/ingest"
	"monitorme/cloud/live"
	"monitorme/cloud/peer"
	"monitorme/cloud/pki"
	"monitorme/cloud/series"
	"monitorme/protocol"
)

// A Service is the modules of one process.
type Service struct {
	cfg     Config
	log     *slog.Logger
	reg     *prometheus.Registry
	version string

	parts    []part
	closers  []func() error
	internal *http.ServeMux
	public   http.Handler

	ca       *pki.Authority
	registry api.Registry
	store    series.Store
	alerts   alarmModule
	hub      *live.Hub
	feed     *live.Feed
	broker   *broker.Broker
	ingest   *ingest.Ingest

	mu        sync.Mutex
	addresses map[string]string
}

// A part is something that runs until its context ends.
type part struct {
	name  string
	run   func(context.Context) error
	check func() error // nil, or what is wrong; may be nil

	mu   sync.Mutex
	down error // why it is not running now
}

// New opens what the configuration asks for and starts nothing. Close must be
// called, after Run has returned.
func New(ctx context.Context, cfg Config, log *slog.Logger, version string) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data_dir: %w", err)
	}
	s := &Service{cfg: cfg, log: log, reg: prometheus.NewRegistry(), version: version,
		internal: http.NewServeMux(), addresses: map[string]string{}}
	s.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, start := range []func(context.Context) error{
		s.openCertificates, s.openRegistry, s.openSeries, s.openAlert, s.openIngest, s.openAPI, s.openListeners,
	} {
		if err := start(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Close closes the stores, in the reverse order of their opening.
func (s *Service) Close() error {
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		errs = append(errs, c())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Address is where a listener listens: "http", "internal" or "broker"; "" if it does not.
func (s *Service) Address(listener string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses[listener]
}

func (s *Service) add(name string, run func(context.Context) error, check func() error) {
	s.parts = append(s.parts, part{name: name, run: run, check: check})
}

// stopWithin bounds how long one part may take to stop.
const stopWithin = 3 * time.Second

// Run runs the modules until ctx ends, then stops them in reverse order.
func (s *Service) Run(ctx context.Context) error {
	type running struct {
		cancel context.CancelFunc
		done   chan struct{}
	}
	started := make([]running, len(s.parts))
	for i := range s.parts {
		partCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := running{cancel, make(chan struct{})}
		started[i] = r
		go func() {
			defer close(r.done)
			s.parts[i].keep(partCtx, s.log)
		}()
	}
	<-ctx.Done()
	for i, r := range slices.Backward(started) {
		r.cancel()
		select {
		case <-r.done:
		case <-time.After(stopWithin):
			s.log.Error("part did not stop in time", "part", s.parts[i].name)
		}
	}
	return ctx.Err()
}

// keep runs a part, again and again with growing pauses, until ctx ends.
func (p *part) keep(ctx context.Context, log *slog.Logger) {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		began := time.Now()
		err := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		p.setDown(err)
		log.Error("part failed; starting it again", "part", p.name, "err", err, "in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		p.setDown(nil)
	}
}

func (p *part) once(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return p.run(ctx)
}

func (p *part) setDown(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = err
}

func (p *part) health() error {
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if down != nil {
		return fmt.Errorf("failed and is being started again: %w", down)
	}
	if p.check != nil {
		return p.check()
	}
	return nil
}

// locate tells where a box stands now.
func (s *Service) locate(box protocol.BoxID) (live.Place, bool) {
	p, ok := s.registry.Current().PlacementOf(box)
	if !ok {
		return live.Place{}, false
	}
	return live.Place{Unit: p.Unit, Bed: p.Bed, Label: p.Label}, true
}

// peerClient makes the client for a module in another process.
func (s *Service) peerClient(module string) (*peer.Client, error) {
	return peer.NewClient(module, s.cfg.Peers.Config, s.log, s.reg)
}

// source is where ingest takes messages from.
type source interface {
	run(ctx context.Context, handle func(topic string, payload []byte)) error
	publish(topic string, payload []byte) error
	check() error // nil, or why no messages arrive
}
