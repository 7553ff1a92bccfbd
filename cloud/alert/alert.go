// Package alert owns alarm state: it runs the rules of protocol/alarm for every
// box, keeps the log of every change of every alarm, and takes
// acknowledgements. It is keyed by box; the bed is joined when an alarm is
// raised, and it knows no patient, only an age.
//
// Alerting depends on nothing but memory: readings are evaluated in the
// caller's goroutine, box by box, and never wait for a disk or a screen. The
// log is written behind by one goroutine in grouped commits; when it is slow or
// broken alarms go on, and Alive says so. After a restart alarms that still
// hold go on with the same id and beginning.
package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/protocol"
	"monitorme/protocol/alarm"
)

// Config configures an Engine.
type Config struct {
	Dir string `yaml:"dir"` // holds alert.db
	// Rules is a file of rules, "" the adult start limits that are built in.
	Rules string `yaml:"rules"`
	// UnitRules are override files of single units.
	UnitRules map[protocol.UnitID]string `yaml:"unit_rules"`
	Tick      time.Duration              `yaml:"tick"`     // how often delays and silence are looked at
	Snapshot  time.Duration              `yaml:"snapshot"` // how often the state of the rules is saved
	Keep      time.Duration              `yaml:"keep"`     // age at which the log is deleted
	Queue     int                        `yaml:"queue"`    // changes that may wait for the log
}

// Default looks at the time every 500 ms, saves state every 10 s and keeps the
// log for 400 days.
func Default() Config {
	return Config{Dir: "data/cloud/alert", Tick: 500 * time.Millisecond, Snapshot: 10 * time.Second,
		Keep: 400 * 24 * time.Hour, Queue: 10_000}
}

// Validate names the first key that is wrong and what is allowed.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("alert.dir: empty, give a directory")
	case c.Tick < 100*time.Millisecond || c.Tick > time.Second:
		return fmt.Errorf("alert.tick: %s, want 100ms to 1s", c.Tick)
	case c.Snapshot < time.Second || c.Snapshot > 5*time.Minute:
		return fmt.Errorf("alert.snapshot: %s, want 1s to 5m", c.Snapshot)
	case c.Keep < 24*time.Hour:
		return fmt.Errorf("alert.keep: %s, want 24h or more", c.Keep)
	case c.Queue < 100 || c.Queue > 1_000_000:
		return fmt.Errorf("alert.queue: %d, want 100 to 1000000", c.Queue)
	}
	for unit := range c.UnitRules {
		if err := protocol.CheckID("alert.unit_rules", string(unit)); err != nil {
			return err
		}
	}
	return nil
}

// LoadRules reads and checks the rules that c names: those for every unit, and
// those of units with an override.
func (c Config) LoadRules() (*alarm.Rules, map[protocol.UnitID]*alarm.Rules, error) {
	base := alarm.Default()
	if c.Rules != "" {
		text, err := os.ReadFile(c.Rules)
		if err != nil {
			return nil, nil, fmt.Errorf("alert.rules: %w", err)
		}
		if base, err = alarm.Parse(c.Rules, text); err != nil {
			return nil, nil, fmt.Errorf("alert.rules: %w", err)
		}
	}
	units := map[protocol.UnitID]*alarm.Rules{}
	for unit, file := range c.UnitRules {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("alert.unit_rules: %s: %w", unit, err)
		}
		if units[unit], err = base.Override(file, text); err != nil {
			return nil, nil, fmt.Errorf("alert.unit_rules: %s: %w", unit, err)
		}
	}
	return base, units, nil
}

// Dependencies are what an Engine needs of others.
type Dependencies struct {
	// Locate tells where a box stands now. It is called with the box's lock
	// held: it must not block, nor call the Engine.
	Locate func(protocol.BoxID) (live.Place, bool)
	// Now is the clock, nil for time.Now.
	Now func() time.Time
}

// A Record is an alarm and the bed at which it was raised. CareUnit, Bed and
// BedLabel are "" if the box stood nowhere.
type Record struct {
	alarm.Alarm
	CareUnit protocol.UnitID
	Bed      registry.BedID
	BedLabel string
	Rules    string    // version of the rules that raised it
	Received time.Time // when the cloud first knew of it, by its clock
}

// Standing reports whether the alarm is active or latched.
func (r *Record) Standing() bool { return r.State != alarm.Ended }

// ErrNotFound says that there is no alarm of that id, ErrInvalid that a call
// lacks something.
var (
	ErrNotFound = errors.New("no such alarm")
	ErrInvalid  = errors.New("not a valid call")
)

// An Engine raises alarms. Its methods are safe for concurrent use.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	locate func(protocol.BoxID) (live.Place, bool)
	now    func() time.Time
	rules  *alarm.Rules
	units  map[protocol.UnitID]*alarm.Rules

	mu    sync.RWMutex // guards boxes and where; never held while evaluating
	boxes map[protocol.BoxID]*box
	where map[string]*box // standing and recent alarms by id

	journal *journal
	subs    subscribers
	ticked  atomic.Int64 // µs, the last tick by our clock; 0 before Run
	resent  uint64       // journal.lost when everything was last sent to the log again; of the tick
	m       metrics
}

// A box is one box's state under its own lock.
type box struct {
	id      protocol.BoxID
	mu      sync.Mutex
	eval    *alarm.Evaluator
	unit    protocol.UnitID    // whose rules are in force
	bed     registry.BedID     // where it was last known to stand
	records map[string]*Record // standing
	recent  []*Record          // ended lately, at most maxRecent
	changes []alarm.Alarm      // scratch
	dirty   bool               // changed since the last snapshot
	saved   int64              // µs, when that was
}

// maxRecent is how many ended alarms of a box are known without the log.
const maxRecent = 64

// Open opens or makes the log under cfg.Dir and takes up the state of the last
// run. It starts nothing; see Run.
func Open(ctx context.Context, cfg Config, d Dependencies, log *slog.Logger, reg prometheus.Registerer) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Locate == nil || log == nil || reg == nil {
		return nil, errors.New("alert: Locate, the logger and the metrics must be given")
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	e := &Engine{cfg: cfg, log: log, locate: d.Locate, now: d.Now,
		boxes: map[protocol.BoxID]*box{}, where: map[string]*box{}}
	var err error
	if e.rules, e.units, err = cfg.LoadRules(); err != nil {
		return nil, err
	}
	if e.journal, err = openJournal(ctx, cfg, log, d.Now); err != nil {
		return nil, err
	}
	if err := e.m.register(reg, e); err != nil {
		e.journal.close()
		return nil, err
	}
	if err := e.restore(ctx); err != nil {
		e.journal.close()
		return nil, fmt.Errorf("alert log %s: %w", e.journal.path, err)
	}
	return e, nil
}

// Close closes the log, after Run has returned. It may be called twice.
func (e *Engine) Close() error { return e.journal.close() }

// Rules are the rules in force in a unit.
func (e *Engine) Rules(unit protocol.UnitID) *alarm.Rules {
	if r := e.units[unit]; r != nil {
		return r
	}
	return e.rules
}

// restore takes up snapshots, and then what the log knows better.
func (e *Engine) restore(ctx context.Context) error {
	now := e.now()
	snapshots, err := e.journal.snapshots(ctx)
	if err != nil {
		return err
	}
	standing, err := e.journal.standing(ctx)
	if err != nil {
		return err
	}
	for id, text := range snapshots {
		b := e.newBox(id, "")
		eval, _, err := alarm.Restore(e.Rules(b.unit), text)
		if err != nil || eval.Box() != id {
			e.log.Warn("alarm state unreadable, starting anew from the log", "box", id, "err", err)
			continue
		}
		b.eval = eval
	}
	for _, r := range standing {
		b := e.boxes[r.Box]
		if b == nil {
			b = e.newBox(r.Box, r.CareUnit)
		}
		b.records[r.ID] = r
		e.where[r.ID] = b
		b.eval.Adopt(r.Alarm)
	}
	for _, b := range e.boxes {
		if err := e.reconcile(ctx, b, now); err != nil {
			return err
		}
		b.eval.Resume(now)
	}
	return nil
}

// reconcile makes memory and log agree on the alarms of a box that has just
// been restored.
func (e *Engine) reconcile(ctx context.Context, b *box, now time.Time) error {
	known := map[string]bool{}
	for _, a := range b.eval.Alarms(nil) {
		known[a.ID] = true
		if b.records[a.ID] != nil {
			continue
		}
		r, err := e.journal.get(ctx, a.ID)
		switch {
		case err == nil && r.State == alarm.Ended: // it ended after the snapshot
			b.eval.Adopt(r.Alarm)
			delete(known, a.ID)
		case err == nil || errors.Is(err, ErrNotFound): // the log missed it
			e.take(b, a, now)
		default:
			return err
		}
	}
	for id, r := range b.records {
		if !known[id] { // its rule is gone
			a := r.Alarm
			a.State, a.Revision = alarm.Ended, a.Revision+1
			if a.Ended.IsZero() {
				a.Ended = now.UTC().Truncate(time.Microsecond)
			}
			e.log.Warn("alarm ended because its rule is gone", "box", b.id, "rule", a.Rule, "alarm", id)
			e.take(b, a, now)
		}
	}
	return nil
}

// newBox makes the state of a box. Its unit is where it stands, else the unit
// in whose name it sends.
func (e *Engine) newBox(id protocol.BoxID, sends protocol.UnitID) *box {
	unit, bed := sends, registry.BedID("")
	if p, ok := e.locate(id); ok {
		unit, bed = p.Unit, p.Bed
	}
	b := &box{id: id, unit: unit, bed: bed, eval: alarm.NewEvaluator(id, e.Rules(unit)), records: map[string]*Record{}}
	e.boxes[id] = b
	return b
}

// box finds or makes the state of a box.
func (e *Engine) box(id protocol.BoxID, sends protocol.UnitID) *box {
	e.mu.RLock()
	b := e.boxes[id]
	e.mu.RUnlock()
	if b != nil {
		return b
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if b = e.boxes[id]; b == nil {
		b = e.newBox(id, sends)
	}
	return b
}

// all is every box, in no order.
func (e *Engine) all() []*box {
	e.mu.RLock()
	defer e.mu.RUnlock()
	boxes := make([]*box, 0, len(e.boxes))
	for _, b := range e.boxes {
		boxes = append(boxes, b)
	}
	return boxes
}

// Observe evaluates a batch. Batches of one box must come one after another,
// those of different boxes may come at the same time. A batch delivered again
// changes nothing.
func (e *Engine) Observe(d live.Delivery) {
	b := e.box(d.Box, d.Unit)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes = b.eval.Observe(&d.Batch, d.Lane == protocol.LaneBackfill, d.Received, b.changes[:0])
	b.dirty = true
	e.takeAll(b, d.Received)
}

// BoxContact notes a sign of life of a box, by the cloud's clock.
func (e *Engine) BoxContact(id protocol.BoxID, at time.Time) { e.contact(id, at, true) }

// BoxState notes what a box says of itself. One that is online is a sign of
// life; the last will is none, so that silence counts from the last one.
func (e *Engine) BoxState(s protocol.BoxState, received time.Time) {
	e.contact(s.Box, received, s.Online)
}

func (e *Engine) contact(id protocol.BoxID, at time.Time, online bool) {
	b := e.box(id, "")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes = b.eval.Contact(at, online, b.changes[:0])
	e.takeAll(b, at)
}

// Expect says which boxes stand at beds now, all of them: the silence of these
// is an alarm, even of one never heard of; of others it is none any more.
func (e *Engine) Expect(_ context.Context, placed []protocol.BoxID, at time.Time) error {
	expected := make(map[protocol.BoxID]bool, len(placed))
	for _, id := range placed {
		expected[id] = true
		b := e.box(id, "")
		b.mu.Lock()
		e.moved(b, at)
		b.eval.Expect(at)
		b.dirty = true
		b.mu.Unlock()
	}
	for _, b := range e.all() {
		if expected[b.id] {
			continue
		}
		b.mu.Lock()
		b.changes = b.eval.Release(at, b.changes[:0])
		b.dirty = true
		e.takeAll(b, at)
		b.mu.Unlock()
	}
	return nil
}

// Patient says how old the patient at a box is in years, or alarm.UnknownAge, if
// nobody lies there or the birth is not known. It is all that alerts know of a
// patient.
func (e *Engine) Patient(_ context.Context, id protocol.BoxID, age int) error {
	b := e.box(id, "")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.eval.Patient(age)
	b.dirty = true
	return nil
}

// moved notes the bed at which a box stands now, whose patient is another, and
// changes to the rules of its unit.
func (e *Engine) moved(b *box, at time.Time) {
	p, ok := e.locate(b.id)
	if !ok {
		return
	}
	if b.bed != "" && p.Bed != b.bed {
		b.eval.Since(at)
	}
	b.bed = p.Bed
	if p.Unit == b.unit {
		return
	}
	was := e.Rules(b.unit)
	b.unit = p.Unit
	if e.Rules(p.Unit) == was {
		return
	}
	text, err := b.eval.Snapshot()
	if err == nil {
		var eval *alarm.Evaluator
		if eval, b.changes, err = alarm.Restore(e.Rules(p.Unit), text); err == nil {
			b.eval = eval
			e.takeAll(b, e.now())
			return
		}
	}
	e.log.Error("box keeps the rules of the unit that it left", "box", b.id, "unit", p.Unit, "err", err)
}

// Stop ends monitoring of a box in a user's name, as when the patient leaves
// the bed: every alarm ends and every reading is forgotten.
func (e *Engine) Stop(_ context.Context, id protocol.BoxID, user string, at time.Time) error {
	if user == "" {
		return fmt.Errorf("%w: stop monitoring: no user named", ErrInvalid)
	}
	b := e.box(id, "")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes = b.eval.Stop(user, at, b.changes[:0])
	b.dirty = true
	e.takeAll(b, at)
	return nil
}
