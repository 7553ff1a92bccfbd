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
	port    string       // as configured
	auto    *recognition // nil: the driver is configured
	open    func(context.Context, port.Config) (port.Port, error)
	now     func() clock.Stamp
	put     func(protocol.Observation)
	changed func() // its state did
	log     *slog.Logger
	check   *health.Check

	mu       sync.Mutex
	driver   drivers.Driver
	line     drivers.Line
	end      context.CancelCauseFunc // stops the driver; nil while no port is open
	plug     port.Plug               // what was opened
	stamps   stamper
	status   protocol.DeviceStatus
	since    time.Time
	problem  string
	name     string                 // of the open port
	socket   string                 // where it is plugged in
	model    string                 // as the device says
	clock    *int64                 // the device's clock minus ours, s; nil if it tells no time
	standing []protocol.Observation // events of the driver that began and have not ended
	remark   string                 // what the port said a person should know, while no valid frame comes
	heard    time.Time              // the last valid frame, or when waiting for one began
	lost     bool                   // an EventDisconnected has started
	received bool                   // valid frames came since the port was opened
	frames   uint64                 // of the running decoder at its last report
	junk     uint64                 // bytes skipped when the last valid frame came
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
		if errors.Is(err, errAnother) { // told as silent already
			d.log.Info("another device is looked for", "port", d.port)
			continue
		}
		if d.failed(err) && time.Since(opened) >= worked {
			retry = firstRetry
		}
		if errors.Is(err, errMoved) {
			d.log.Info("port leads to another adapter now", "port", d.port)
			continue
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

// Why the driver was stopped although the box goes on.
var (
	errMoved   = errors.New("its adapter was plugged in anew, or another one in its place")
	errAnother = errors.New("this is another device")
)

// serve opens the port and runs the driver on it once.
func (d *device) serve(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	d.mu.Lock()
	line := d.line
	d.mu.Unlock()
	plug := port.Plugged(d.port) // before opening: what comes later is noticed
	p, err := d.open(ctx, port.Config{Address: d.port, Line: line, Stats: d.counted, Notice: d.noted})
	if err != nil {
		return err
	}
	d.opened(p.Name(), plug, end)
	returned, unblocked := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(unblocked)
		p.SetReadDeadline(time.Unix(1, 0)) // wakes the driver, which looks at ctx
		select {
		case <-returned:
		case <-time.After(obey):
			d.log.Error("driver goes on after it was told to stop; its port is closed", "driver", d.state().Driver)
			p.Close()
		}
	})
	for {
		err = d.drive(ctx, p)
		if ctx.Err() != nil || !errors.Is(err, port.ErrHungUp) {
			break
		}
		d.mu.Lock() // no loss: it may call for each message. The silence goes on.
		d.recount()
		d.standing = nil
		d.mu.Unlock()
	}
	close(returned)
	if !stop() {
		<-unblocked
	}
	d.mu.Lock()
	d.end = nil
	d.mu.Unlock()
	if cerr := p.Close(); cerr != nil && ctx.Err() == nil {
		d.log.Warn("port did not close well", "err", cerr)
	}
	if cause := context.Cause(ctx); errors.Is(cause, errMoved) || errors.Is(cause, errAnother) {
		return cause
	}
	return err
}

// drive runs the driver, once it is known which, and holds the only recover of
// the program around one: a panic is this device's failure and nobody else's.
func (d *device) drive(ctx context.Context, p port.Port) (err error) {
	defer func() {
		if r := recover(); r != nil {
			d.mu.Lock()
			d.panics++
			name := d.driver.Name
			d.mu.Unlock()
			d.log.Error("driver panicked", "driver", name, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("driver %s failed inside (%v): it is started again; report this with the log", name, r)
		}
	}()
	if d.auto != nil {
		if err := d.recognise(ctx, p); err != nil {
			return err
		}
	}
	d.mu.Lock()
	driver := d.driver
	d.mu.Unlock()
	if err := driver.Run(ctx, p, d.emit); err != nil {
		return err
	}
	return errors.New("driver " + driver.Name + " stopped without a reason")
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
	d.compare(o)
	d.stand(o)
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
	d.heard, d.junk, d.remark = time.Now(), d.total().Skipped, ""
	if d.status == protocol.DeviceReceiving {
		return
	}
	d.become(protocol.DeviceReceiving, "")
	d.received, d.lost = true, false
	d.log.Info("device received", "port", d.name)
	d.send(disconnected(protocol.PhaseEnd, "valid data arrives"))
	d.retell()
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
func (d *device) opened(name string, plug port.Plug, end context.CancelCauseFunc) {
	info, _ := port.Find(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.name, d.socket, d.plug, d.end = name, info.ByPath, plug, end
	d.clock, d.standing = nil, nil // it may be another device, and its driver begins anew
	d.openings++
	d.expect()
	if d.auto == nil || d.status != protocol.DeviceSilent { // what is unknown stays so until it is recognised
		d.become(protocol.DeviceConnecting, "")
	}
}

// expect starts the wait for the first valid frame of a new decoder; d.mu is
// held.
func (d *device) expect() {
	d.heard, d.received = time.Now(), false
	d.recount()
	d.junk = d.before.Skipped
}

// recount begins the counts of a new decoder; d.mu is held.
func (d *device) recount() {
	d.before = d.total()
	d.stats, d.frames = drivers.Stats{}, 0
}

// noted takes what the port says that a person should know.
func (d *device) noted(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.remark != text {
		d.remark = text
		d.log.Warn("port remarks", "port", d.name, "remark", text)
	}
}

// failed notes that the port or the driver failed, and tells whether valid
// frames had come.
func (d *device) failed(err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	why := err.Error()
	if errors.Is(err, fs.ErrNotExist) && d.socket != "" {
		why += "; it was last plugged into " + d.socket
	}
	d.become(protocol.DeviceFailed, why)
	d.lose(why)
	return d.received
}

// lose starts the loss for the cloud, once; d.mu is held.
func (d *device) lose(why string) {
	if !d.lost {
		d.lost = true
		d.send(disconnected(protocol.PhaseStart, why))
	}
}

// watch notices silence and a moved adapter, and shows that the device is
// looked after.
func (d *device) watch(ctx context.Context) {
	tick := time.NewTicker(d.lookEvery())
	defer tick.Stop()
	for {
		d.check.In()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.look(port.Plugged(d.port))
		}
	}
}

func (d *device) lookEvery() time.Duration {
	if d.auto != nil {
		return 250 * time.Millisecond // whatever its driver will be
	}
	return min(max(d.driver.Silence/4, 50*time.Millisecond), time.Second)
}

// look is given what the port's address leads to now.
func (d *device) look(plug port.Plug) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.end == nil {
		return
	}
	switch {
	case plug == port.Plug{}: // gone: the open port will say so
	case d.plug == port.Plug{}:
		d.plug = plug
	case d.plug != plug:
		d.end(errMoved)
		return
	}
	if d.doubts() {
		d.lose(d.silence())
		d.auto.doubted = true
		d.end(errAnother)
	}
	if d.driver.Silence <= 0 || time.Since(d.heard) <= d.driver.Silence {
		return
	}
	if d.status == protocol.DeviceReceiving || d.status == protocol.DeviceConnecting {
		why := d.silence()
		d.become(protocol.DeviceSilent, why)
		d.log.Warn("device silent", "port", d.name, "silence", d.driver.Silence.String(), "skipped_bytes", d.stats.Skipped)
		d.lose(why)
	}
}

// silence says which device is silent and what may be wrong; d.mu is held.
func (d *device) silence() string {
	from := ""
	if d.socket != "" {
		from = " from socket " + d.socket
	}
	if d.remark != "" {
		return fmt.Sprintf("no valid data for %s: %s", d.driver.Silence, d.remark)
	}
	if t := d.total(); t.Skipped > d.before.Skipped && !d.received {
		return fmt.Sprintf("what arrives%s is not %s: check the driver, the baud rate and the device's output setting", from, d.driver.Title)
	}
	return fmt.Sprintf("no valid data for %s%s: is the device on, its cable in, and its output set to %s?", d.driver.Silence, from, d.driver.Title)
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
