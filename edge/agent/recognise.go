package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/edge/port"
	"monitorme/edge/probe"
	"monitorme/protocol"
)

// driverAuto in a configuration means: find out.
const driverAuto = "auto"

// unknown stands for the driver until it is known.
var unknown = drivers.Driver{Name: driverAuto, Title: "Device not recognised yet"}

// Within these a recognised device must be heard, or another is looked for:
// one that stays quiet, and one that sends bytes its driver does not
// understand. While all is silent the driver that was here before gets most of
// the time, so that its device is read at once when it is switched on.
const (
	quietFirst = 5 * time.Second  // and no less than the driver's Silence
	quietLater = 10 * time.Second // and no less than twice as long
	quietLong  = time.Minute      // after a round in which nothing was heard at all
	junkAfter  = 5 * time.Second
	junkBytes  = 64
)

// ProbeConfig is how devices of driver auto are recognised.
type ProbeConfig struct {
	// Ask permits harmless questions to a device that says nothing.
	Ask bool `yaml:"ask"`
	// MemoryFile is where is kept what was recognised; "" is the file
	// probe.json in the directory of the queue.
	MemoryFile string `yaml:"memory_file"`
}

// openMemory reads the memory of what was recognised.
func (b *box) openMemory() *probe.Memory {
	path := b.cfg.Probe.MemoryFile
	if path == "" {
		path = filepath.Join(b.cfg.Queue.Dir, "probe.json")
	}
	m, err := probe.OpenMemory(path)
	if err != nil {
		b.log.Warn("devices are recognised anew", "err", err)
	}
	return m
}

// A recognition finds the driver of one device. All but memory and ask is
// under the device's mu.
type recognition struct {
	memory *probe.Memory
	ask    bool

	doubted   bool          // the last driver did not prove right: listen before it is believed again
	why       string        // how the running driver was recognised; "" while none runs
	patience  time.Duration // how long it may stay quiet
	listening string        // what is tried now
	rounds    uint64
}

// recognise makes d's driver the one of the device at p, and sets its line. It
// returns when that is so, when ctx ends or when the port fails.
func (d *device) recognise(ctx context.Context, p port.Port) error {
	info, _ := port.Find(p.Name())
	key := probe.Key(p.Name(), info)
	before := d.asBefore(key)
	if before != nil && !d.doubted() {
		return d.settle(p, *before, quietFirst, true)
	}
	cfg := probe.Config{Drivers: all.Drivers, Ask: d.auto.ask, Progress: d.listening}
	cfg.Likely, _ = d.auto.memory.Find(key)
	if info.VID != "" {
		cfg.USB = info.VID + ":" + info.PID
	}
	for {
		d.unsure()
		r, err := probe.Run(ctx, p, cfg)
		if err != nil {
			return err
		}
		if len(r.Broken) > 0 {
			d.log.Error("drivers failed inside while listening; report this with a recording", "drivers", r.Broken)
		}
		if m := r.Match; m != nil {
			d.log.Info("device recognised", "driver", m.Driver.Name, "line", m.Line.String(), "why", m.Why, "also", m.Also)
			k := probe.Known{Driver: m.Driver.Name, Line: m.Line, Model: cut(m.Model), At: d.now().Wall}
			if err := d.auto.memory.Keep(key, k); err != nil {
				d.log.Warn("it will be recognised anew after a restart", "err", err)
			}
			return d.settle(p, *m, quietLater, true)
		}
		d.unrecognised(r.Advice())
		if before != nil && r.Silent() {
			return d.settle(p, *before, quietLong, false)
		}
	}
}

// asBefore is what was recognised at this port, if it may be believed without
// listening: a driver that writes must not meet another device.
func (d *device) asBefore(key string) *probe.Match {
	known, _ := d.auto.memory.Find(key)
	drv, ok := all.Find(known.Driver)
	if !ok || drv.Asks || drv.Configure != nil {
		return nil
	}
	return &probe.Match{Driver: drv, Line: known.Line, Model: known.Model, Why: "as it was here at " + known.At.UTC().Format("2006-01-02 15:04 UTC")}
}

// doubted takes back, and tells, whether the last driver did not prove right.
func (d *device) doubted() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.auto.doubted
	d.auto.doubted = false
	return was
}

// unsure says that nobody knows which device it is.
func (d *device) unsure() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.driver, d.auto.why = unknown, ""
	d.auto.rounds++
	if d.status != protocol.DeviceSilent {
		d.become(protocol.DeviceConnecting, "listening to find out which device it is")
	}
}

// listening notes what is tried, for the page only: it changes every two
// seconds.
func (d *device) listening(h probe.Heard) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case h.Time > 0:
		d.auto.listening = ""
	case h.Asked != "":
		d.auto.listening = "asking whether it is " + h.Asked
	default:
		d.auto.listening = "listening at " + h.Where()
	}
}

// unrecognised tells what was heard instead.
func (d *device) unrecognised(advice string) {
	why := "not recognised: " + advice
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.socket != "" {
		why += " (socket " + d.socket + ")"
	}
	if d.status != protocol.DeviceSilent {
		d.log.Warn("device not recognised", "port", d.name, "err", advice)
	}
	d.become(protocol.DeviceSilent, why)
	d.lose(why)
}

// settle makes m's driver that of the device, to be heard within patience.
// fresh tells that it is likely to be there now.
func (d *device) settle(p port.Port, m probe.Match, patience time.Duration, fresh bool) error {
	if set, ok := p.(drivers.LineSetter); ok && m.Line.Baud > 0 {
		if err := set.SetLine(m.Line); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.driver.Name != m.Driver.Name { // values of another device are not this one's
		d.latest = nil
	}
	d.driver, d.model, d.auto.why, d.auto.patience = m.Driver, cut(m.Model), m.Why, patience
	d.expect()
	if fresh {
		d.become(protocol.DeviceConnecting, "")
	}
	return nil
}

// doubts tells whether another device may be there by now; d.mu is held.
func (d *device) doubts() bool {
	if d.auto == nil || d.auto.why == "" {
		return false
	}
	quiet, limit := time.Since(d.heard), max(d.auto.patience, d.driver.Silence)
	if d.received {
		limit = max(quietLater, 2*d.driver.Silence)
	}
	return quiet > limit || quiet > junkAfter && d.total().Skipped-d.junk >= junkBytes
}

// recognised says for the page which device it is and why, or what is tried;
// d.mu is held.
func (d *device) recognised() string {
	switch {
	case d.auto == nil:
		return ""
	case d.auto.why != "":
		return fmt.Sprintf("recognised as %s: %s", d.driver.Name, d.auto.why)
	}
	return d.auto.listening
}
