package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/patient"
	"monitorme/drivers/simulator/line"
)

// run is the demo from its first to its last process.
func run(ctx context.Context, o options, t *teller) error {
	var beds []*bed
	var err error
	if o.ward == wardOfPatients {
		beds, err = plan(o.beds)
	} else {
		beds, err = deviceBeds(o.ward)
	}
	if err != nil {
		return err
	}
	var recordings *patient.Recordings
	if o.recordings != "" {
		if recordings, err = patient.OpenRecordings(o.recordings); err != nil {
			return err
		}
	}
	if err := setup(ctx, o, beds); err != nil {
		return fmt.Errorf("set up the demo: %w", err)
	}
	w := &ward{options: o, teller: t, beds: beds, start: time.Now()}
	if err := w.furnish(recordings); err != nil {
		return err
	}
	w.crew = newCrew(o.logs(), t.say)
	defer w.crew.Close()
	return w.open(ctx)
}

// A ward is the running demo.
type ward struct {
	options
	*teller
	beds    []*bed
	start   time.Time
	crew    *crew
	sockets []*socket
	proxies map[int]*proxy // by bed
}

// furnish makes patients, sockets and cables, and writes the boxes'
// configurations.
func (w *ward) furnish(recordings *patient.Recordings) error {
	w.proxies = map[int]*proxy{}
	played := 0
	for _, b := range w.beds {
		person, err := b.person(w.seed, w.start, recordings)
		if err != nil {
			return fmt.Errorf("bed %d: %w", b.number, err)
		}
		if _, ok := person.(*patient.Recorded); ok {
			played++
		}
		for _, d := range b.devices {
			w.sockets = append(w.sockets, &socket{bed: b, device: d, link: w.pty(b.box(), d.id), patient: person, plugged: make(chan struct{})})
		}
		broker := w.broker
		if b.cut != nil {
			p, err := newProxy(w.broker)
			if err != nil {
				return err
			}
			w.proxies[b.number], broker = p, p.Addr()
		}
		if err := writeBoxConfig(w.options, b, broker); err != nil {
			return fmt.Errorf("box of bed %d: %w", b.number, err)
		}
	}
	if recordings != nil {
		w.say("%d of %d beds are recordings of %s", played, len(w.beds), w.recordings)
	}
	return nil
}

// open runs everything until ctx ends. The boxes stop before the cloud, so that
// it still takes what they have.
func (w *ward) open(ctx context.Context) error {
	cloudCtx, stopCloud := context.WithCancel(context.WithoutCancel(ctx))
	var cloud, rest sync.WaitGroup
	defer cloud.Wait()
	defer stopCloud()
	alive, died := context.WithCancel(context.Background())
	program := w.cloudChild()
	program.ended = died
	cloud.Go(func() { w.crew.run(cloudCtx, program) })
	if err := awaitReady(ctx, alive, "http://"+w.addr+"/readyz"); err != nil {
		return fmt.Errorf("%w%s", err, w.crew.tail("cloud"))
	}
	failed := make(chan error, len(w.sockets)+len(w.proxies))
	inner, stop := context.WithCancel(ctx)
	defer rest.Wait()
	defer stop()
	for _, s := range w.sockets {
		rest.Go(func() { failed <- s.run(inner) })
	}
	for _, p := range w.proxies {
		rest.Go(func() { failed <- p.Run(inner) })
	}
	for _, b := range w.beds {
		rest.Go(func() { w.crew.run(inner, w.boxChild(b.box())) })
	}
	w.plain(w.greeting())
	for _, e := range w.timetable() {
		rest.Go(func() { e.keep(inner, w.start) })
	}
	select {
	case <-ctx.Done():
		w.say("stopping")
		return ctx.Err()
	case err := <-failed:
		return err
	}
}

// greeting says what runs and where to look.
func (w *ward) greeting() string {
	var g strings.Builder
	fmt.Fprintf(&g, "\nMonitorMe demo ward: one cloud, %d boxes, %d devices, people of seed %d.\n\n", len(w.beds), len(w.sockets), w.seed)
	fmt.Fprintf(&g, "  station    http://%s/\n", w.addr)
	fmt.Fprintf(&g, "  log in as  %s\n", logins)
	fmt.Fprintf(&g, "  API        http://%s/docs\n", w.addr)
	fmt.Fprintf(&g, "  metrics    http://%s/metrics, of box 1 http://127.0.0.1:%d/metrics\n", w.addr, firstHealthPort)
	fmt.Fprintf(&g, "  logs       %s\n\n", w.logs())
	if w.ward == wardOfPatients {
		g.WriteString("Things happen at the odd beds within the first two minutes, and again later. ")
	} else {
		g.WriteString("Each bed is named for the driver that reads its device; the patients are calm. ")
	}
	g.WriteString("Ctrl-C stops all.\n\n")
	return g.String()
}

// timetable is what happens, by the same times as the patients' scenarios.
func (w *ward) timetable() []entry {
	var list []entry
	for _, b := range w.beds {
		if b.story != "" {
			for _, e := range b.scenario {
				list = append(list, entry{after: e.After, lasts: e.Lasts, every: e.Every,
					begin: func() { w.say("bed %d %s for %v", b.number, b.story, e.Lasts) }})
			}
		}
		if c := b.cut; c != nil {
			p := w.proxies[b.number]
			list = append(list, entry{after: c.after, lasts: c.lasts, every: c.every,
				begin: func() { p.Cut(); w.say("bed %d: the box has no network for %v", b.number, c.lasts) },
				end:   func() { p.Join(); w.say("bed %d: the network is back", b.number) }})
		}
		if u := b.unplug; u != nil {
			s := w.socketOf(b)
			list = append(list, entry{after: u.after, lasts: u.lasts, every: u.every,
				begin: func() { s.unplug(); w.say("bed %d: the %s is unplugged for %v", b.number, s.device.id, u.lasts) },
				end:   func() { s.plug(); w.say("bed %d: the %s is plugged in again", b.number, s.device.id) }})
		}
	}
	return list
}

func (w *ward) socketOf(b *bed) *socket {
	for _, s := range w.sockets {
		if s.bed == b {
			return s
		}
	}
	panic("ward: a bed without a device")
}

// A socket is where one device is plugged in.
type socket struct {
	bed     *bed
	device  device
	link    string
	patient drivers.Patient

	mu      sync.Mutex
	pulled  bool
	cancel  context.CancelFunc // of the device that plays
	plugged chan struct{}      // closed when it is plugged in again
}

// unplug closes the pseudo-terminal, as pulling a USB plug does.
func (s *socket) unplug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pulled = true
	if s.cancel != nil {
		s.cancel()
	}
}

// plug brings the device back.
func (s *socket) plug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pulled {
		s.pulled = false
		close(s.plugged)
		s.plugged = make(chan struct{})
	}
}

// run plays the device whenever it is plugged in, until ctx ends.
func (s *socket) run(ctx context.Context) error {
	for {
		s.mu.Lock()
		pulled, plugged := s.pulled, s.plugged
		playing, cancel := context.WithCancel(ctx)
		s.cancel = cancel
		s.mu.Unlock()
		if pulled {
			cancel()
			select {
			case <-plugged:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := s.play(playing)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("device %s of bed %d: %w", s.device.id, s.bed.number, err)
		}
	}
}

func (s *socket) play(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(s.link), 0o700); err != nil {
		return err
	}
	wire, err := line.OpenPTY(s.link)
	if err != nil {
		return err
	}
	defer wire.Close()
	if err := wire.AwaitHost(ctx); err != nil { // so that its first readings, a cuff's above all, are seen
		return err
	}
	return s.device.simulate(ctx, wire, s.patient)
}
