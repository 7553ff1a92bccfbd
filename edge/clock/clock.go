// Package clock gives the box its time: wall clock and a monotonic clock that
// survives suspend, whether the wall clock can be trusted, which boot this is,
// and a word to the caller when the wall clock jumps.
//
// A box without a battery clock boots in the past and jumps when a time server
// answers, so every stamp carries both clocks: wall minus mono of a later,
// synchronised stamp of the same boot corrects an earlier one. Durations and
// deadlines belong on Mono (or on time.Now's own monotonic reading), never on
// Wall. The package reads clocks only; it sets none.
package clock

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"monitorme/protocol"
)

// Trust says how the box finds out whether its wall clock is right.
type Trust string

const (
	TrustAuto   Trust = "auto"   // ask the kernel, else systemd-timesyncd
	TrustAlways Trust = "always" // somebody else keeps it right: a container, a virtual machine, a battery clock
	TrustNever  Trust = "never"  // never right; times are kept as uncertain
)

const (
	// StepLimit is how far wall minus mono may move between two looks, a
	// second apart, before it counts as a step; slewing stays far below.
	StepLimit = 250 * time.Millisecond
	// Holdover is how long after the last synchronisation the wall clock is
	// still called synchronised: a free-running Pi drifts less than 10 s in it.
	Holdover = 24 * time.Hour

	interval     = time.Second
	bootIDPath   = "/proc/sys/kernel/random/boot_id"
	timesyncPath = "/run/systemd/timesync/synchronized"
)

// Config of a Clock.
type Config struct {
	// Trust is auto, always or never.
	Trust Trust `yaml:"trust"`
}

// Default asks the kernel.
func Default() Config { return Config{Trust: TrustAuto} }

// Validate names the key, the value and what is allowed.
func (c Config) Validate() error {
	switch c.Trust {
	case TrustAuto, TrustAlways, TrustNever:
		return nil
	}
	return fmt.Errorf("clock.trust %q: want auto, always or never", c.Trust)
}

// A Stamp is one instant on both clocks.
type Stamp struct {
	Wall time.Time     // UTC
	Mono time.Duration // since boot, time asleep included
	// Quality is ClockSynced or ClockUncertain.
	Quality protocol.ClockQuality
}

// A Change is a step of the wall clock, or synchronisation won or lost.
type Change struct {
	Before, After Stamp // the same instant by the old and by the new reckoning
	Synchronised  bool  // after the change, as the system says
}

// Step is how far the wall clock jumped, 0 if only synchronisation changed.
func (c Change) Step() time.Duration { return c.After.Wall.Sub(c.Before.Wall) }

// Text says it in words, with both times, for an event.
func (c Change) Text() string {
	state := "not synchronised"
	if c.Synchronised {
		state = "synchronised"
	}
	if c.Step() == 0 {
		return "clock " + state
	}
	const layout = "2006-01-02T15:04:05.000Z"
	return fmt.Sprintf("clock stepped by %s from %s to %s, %s", c.Step().Round(time.Millisecond),
		c.Before.Wall.Format(layout), c.After.Wall.Format(layout), state)
}

// source is where a Clock reads; tests put their own in.
type source struct {
	wall   func() time.Time
	mono   func() time.Duration
	synced func() bool
}

// A Clock stamps. Its methods are safe for concurrent use.
type Clock struct {
	boot    uint64
	src     source
	log     *slog.Logger
	changed func(Change)

	mu         sync.Mutex
	offset     time.Duration // wall minus mono at the last look
	synced     bool          // what the system said at the last look
	lastSynced time.Duration // mono of the last look that said yes
	trusted    bool          // synchronised, or within Holdover of it
}

// New makes a Clock. changed, which may be nil, is called by Run, one call at a
// time, and must not block for long.
func New(cfg Config, log *slog.Logger, changed func(Change)) (*Clock, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	src := source{wall: time.Now, mono: bootTime}
	switch cfg.Trust {
	case TrustAlways:
		src.synced = func() bool { return true }
	case TrustNever:
		src.synced = func() bool { return false }
	default:
		src.synced = systemSynced
	}
	return newClock(boot, src, log, changed), nil
}

func newClock(boot uint64, src source, log *slog.Logger, changed func(Change)) *Clock {
	if changed == nil {
		changed = func(Change) {}
	}
	c := &Clock{boot: boot, src: src, log: log, changed: changed}
	wall, mono := c.read()
	c.offset = sub(wall, mono)
	c.synced = src.synced()
	c.trusted, c.lastSynced = c.synced, mono
	return c
}

// Boot identifies this boot of the box; never 0.
func (c *Clock) Boot() uint64 { return c.boot }

// Now is this instant.
func (c *Clock) Now() Stamp {
	wall, mono := c.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stamp(wall, mono)
}

// Synchronised is what the system said at the last look; Stamp.Quality goes on
// for Holdover after it was lost.
func (c *Clock) Synchronised() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced
}

// Run looks at the clock every second until ctx ends.
func (c *Clock) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			c.look()
		}
	}
}

func (c *Clock) look() {
	wall, mono := c.read()
	synced := c.src.synced()

	c.mu.Lock()
	offset := sub(wall, mono)
	step := offset - c.offset
	stepped := step > StepLimit || step < -StepLimit
	changed := stepped || synced != c.synced
	before := c.stamp(wall, mono)
	if stepped {
		before.Wall = before.Wall.Add(-step)
	}
	c.offset, c.synced = offset, synced
	switch {
	case synced:
		c.trusted, c.lastSynced = true, mono
	case stepped || mono-c.lastSynced > Holdover:
		c.trusted = false // set by hand, or left alone for too long
	}
	after := c.stamp(wall, mono)
	c.mu.Unlock()

	if changed {
		ch := Change{Before: before, After: after, Synchronised: synced}
		c.log.Info("clock changed", "step", ch.Step(), "synchronised", synced)
		c.changed(ch)
	}
}

func (c *Clock) stamp(wall time.Time, mono time.Duration) Stamp {
	s := Stamp{Wall: wall, Mono: mono, Quality: protocol.ClockUncertain}
	if c.trusted {
		s.Quality = protocol.ClockSynced
	}
	return s
}

// read takes both clocks at one instant: again if this thread was held up
// between them.
func (c *Clock) read() (time.Time, time.Duration) {
	for try := 0; ; try++ {
		before := c.src.mono()
		wall := c.src.wall()
		after := c.src.mono()
		if after-before < time.Millisecond || try == 3 {
			return wall.Round(0).UTC(), before + (after-before)/2
		}
	}
}

func sub(wall time.Time, mono time.Duration) time.Duration {
	return time.Duration(wall.UnixNano()) - mono
}

func bootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("clock: CLOCK_BOOTTIME: " + err.Error()) // in every Linux since 2.6.39
	}
	return time.Duration(ts.Nano())
}

// systemSynced asks the kernel without changing anything; where a sandbox
// forbids even that, the file that systemd-timesyncd leaves.
func systemSynced() bool {
	var tx unix.Timex // Modes 0: read only
	if _, err := unix.Adjtimex(&tx); err == nil {
		return tx.Status&unix.STA_UNSYNC == 0
	}
	_, err := os.Stat(timesyncPath)
	return err == nil
}

func bootID() (uint64, error) {
	b, err := os.ReadFile(bootIDPath)
	if err != nil {
		return 0, fmt.Errorf("read boot id: %w", err)
	}
	return hashBootID(string(b))
}

func hashBootID(s string) (uint64, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, errors.New("boot id is empty")
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	return max(h.Sum64(), 1), nil
}
