package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"monitorme/drivers"
	"monitorme/edge/clock"
	"monitorme/edge/health"
	"monitorme/edge/port"
	"monitorme/protocol"
)

const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 30 * time.Second
	worked     = 10 * time.Second // of valid frames start the back-off anew
	obey       = time.Second      // a driver has, once ctx ended, before its port is closed
)

// A device is one configured device: its driver, kept running, and what is
// known of it now.
type device struct {
	id      protocol.DeviceID
	port    string // as configured
	driver  drivers.Driver
	line    drivers.Line
	open    func(context.Context, port.Config) (port.Port, error)
	now     func() clock.Stamp
	put     func(protocol.Observation)
	changed func() // its state did
	log     *slog.Logger
	check   *health.Check

	mu       sync.Mutex
	stamps   stamper
	status   protocol.DeviceStatus
	since    time.Time
	problem  string
	name     string    // of the open port
	socket   string    // where it is plugged in
	model    string    // as the device says
	heard    time.Time // the last valid frame, or when waiting for one began
	lost     bool      // an EventDisconnected has started
	received bool      // valid frames came since the port was opened
	frames   uint64    // of the running decoder at its last report
	stats    drivers.Stats
	before   drivers.Stats // of the decoders before it
	refused  uint64        // observations that the wire format cannot carry
	openings uint64
	panics   uint64
	latest   map[series]reading
}

// A reading is an observation with the instant of its arrival on a clock that
// does not jump, so that its age is right whatever happens to the wall clock.
type reading struct {
	protocol.Observation
	arrived time.Time
}

// attend keeps the driver running until ctx ends.
func (d *device) attend(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { d.watch(ctx) })

	retry, said := firstRetry, ""
	for ctx.Err() == nil {
		opened := time.Now()
		err := d.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if d.failed(err) && time.Since(opened) >= worked {
			retry = firstRetry
		}
		pause := retry/2 + rand.N(retry/2)
		if err.Error() != said { // a retry is logged when its reason changes
			said = err.Error()
			d.log.Warn("device lost", "err", err, "retry_in", pause.String())
		}
		if port.Wait(ctx, d.port, pause, errors.Is(err, fs.ErrNotExist)) {
			retry = firstRetry
		} else {
			retry = min(2*retry, lastRetry)
		}
	}
}

// serve opens the port and runs the driver on it once.
func (d *device) serve(ctx context.Context) error {
	p, err := d.open(ctx, port.Config{Address: d.port, Line: d.line, Stats: d.counted})
	if err != nil {
		return err
	}
	d.opened(p.Name())
	returned, unblocked := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(unblocked)
		p.SetReadDeadline(time.Unix(1, 0)) // wakes the driver, which looks at ctx
		select {
		case <-returned:
		case <-time.After(obey):
			d.log.Error("driver goes on after it was told to stop; its port is closed", "driver", d.driver.Name)
			p.Close()
		}
	})
	err = d.drive(ctx, p)
	close(returned)
	if !stop() {
		<-unblocked
	}
	if cerr := p.Close(); cerr != nil && ctx.Err() == nil {
		d.log.Warn("port did not close well", "err", cerr)
	}
	return err
}

// drive runs the driver and holds the only recover of the program: a panic is
// this device's failure and nobody else's.
func (d *device) drive(ctx context.Context, p port.Port) (err error) {
	defer func() {
		if r := recover(); r != nil {
			d.mu.Lock()
			d.panics++
			d.mu.Unlock()
			d.log.Error("driver panicked", "driver", d.driver.Name, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("driver %s failed inside (%v): it is started again; report this with the log", d.driver.Name, r)
		}
	}()
	if err := d.driver.Run(ctx, p, d.emit); err != nil {
		return err
	}
	return errors.New("driver " + d.driver.Name + " stopped without a reason")
}

// emit takes an observation of the driver.
func (d *device) emit(o protocol.Observation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.valid()
	d.send(o)
}

// send completes an observation and hands it on; d.mu is held, so that what is
// stamped first is handed on first.
func (d *device) send(o protocol.Observation) {
	o.Device = d.id
	judge(&o, port.Recorded(d.port))
	d.stamps.stamp(&o, d.now())
	if err := o.Check(); err != nil {
		// One that cannot be carried must not hold up the others.
		if d.refused++; d.refused == 1 {
			d.log.Error("driver emitted an observation that cannot be carried; this and later ones are counted only", "driver", d.driver.Name, "err", err)
		}
		return
	}
	d.remember(o)
	d.put(o)
}

// remember keeps what the status page shows.
func (d *device) remember(o protocol.Observation) {
	switch {
	case o.Code == protocol.IdentityModel:
		d.model = cut(o.Text)
	case o.Code == protocol.IdentitySerial, o.Code == protocol.IdentityFirmware:
	case o.Kind == protocol.KindNumeric, o.Kind == protocol.KindEnumeration:
		if d.latest == nil || len(d.latest) >= maxSeries {
			d.latest = make(map[series]reading)
		}
		d.latest[series{o.Channel, o.Code}] = reading{o, time.Now()}
	}
}

// counted takes the decoder's counts, from the goroutine that runs the driver.
func (d *device) counted(s drivers.Stats) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats = s
	if s.Frames > d.frames {
		d.frames = s.Frames
		d.valid()
	}
}

// valid notes a valid frame; d.mu is held. The first one after a loss, and the
// first since the box started, ends the loss for the cloud: it may know of one
// that began before this process.
func (d *device) valid() {
	d.heard = time.Now()
	if d.status == protocol.DeviceReceiving {
		return
	}
	d.become(protocol.DeviceReceiving, "")
	d.received, d.lost = true, false
	d.log.Info("device received", "port", d.name)
	d.send(disconnected(protocol.PhaseEnd, "valid data arrives"))
}

func disconnected(phase protocol.Phase, text string) protocol.Observation {
	e := &protocol.Event{Phase: phase, Type: protocol.AlarmTechnical, Text: cut(text)}
	if phase == protocol.PhaseStart {
		e.Priority = protocol.PriorityMedium
	}
	return protocol.Observation{Code: protocol.EventDisconnected, Kind: protocol.KindEvent, Event: e}
}

// become changes the status; d.mu is held.
func (d *device) become(s protocol.DeviceStatus, problem string) {
	problem = cut(problem)
	if d.status == s && d.problem == problem {
		return
	}
	if d.status != s {
		d.status, d.since = s, d.now().Wall
	}
	d.problem = problem
	d.changed()
}

// opened starts the wait for the first valid frame.
func (d *device) opened(name string) {
	info, _ := port.Find(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.name, d.socket = name, info.ByPath
	d.heard, d.received, d.frames = time.Now(), false, 0
	d.openings++
	d.before = d.total()
	d.stats = drivers.Stats{}
	d.become(protocol.DeviceConnecting, "")
}

// failed notes that the port or the driver failed, and tells whether valid
// frames had come.
func (d *device) failed(err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.become(protocol.DeviceFailed, err.Error())
	d.lose(err.Error())
	return d.received
}

// lose starts the loss for the cloud, once; d.mu is held.
func (d *device) lose(why string) {
	if !d.lost {
		d.lost = true
		d.send(disconnected(protocol.PhaseStart, why))
	}
}

// watch notices silence, and shows that the device is looked after.
func (d *device) watch(ctx context.Context) {
	tick := time.NewTicker(min(max(d.driver.Silence/4, 50*time.Millisecond), time.Second))
	defer tick.Stop()
	for {
		d.check.In()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.look()
		}
	}
}

func (d *device) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	waits := d.status == protocol.DeviceReceiving || d.status == protocol.DeviceConnecting
	if !waits || d.driver.Silence <= 0 || time.Since(d.heard) <= d.driver.Silence {
		return
	}
	why := fmt.Sprintf("no valid data for %s: is the device on, its cable in, and its output set to %s?", d.driver.Silence, d.driver.Title)
	if t := d.total(); t.Skipped > d.before.Skipped && !d.received {
		why = fmt.Sprintf("what arrives is not %s: check the driver, the baud rate and the device's output setting", d.driver.Title)
	}
	d.become(protocol.DeviceSilent, why)
	d.log.Warn("device silent", "port", d.name, "silence", d.driver.Silence.String(), "skipped_bytes", d.stats.Skipped)
	d.lose(why)
}

// total is what all decoders of the device have counted; d.mu is held.
func (d *device) total() drivers.Stats {
	return drivers.Stats{
		Bytes:   d.before.Bytes + d.stats.Bytes,
		Frames:  d.before.Frames + d.stats.Frames,
		Skipped: d.before.Skipped + d.stats.Skipped,
		BadSums: d.before.BadSums + d.stats.BadSums,
	}
}

// cut bounds a text to what the wire format carries, at a whole character.
func cut(s string) string {
	const limit = protocol.MaxText
	if len(s) <= limit {
		return s
	}
	n := limit - len("…")
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
