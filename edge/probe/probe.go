// Package probe finds out which device is at an open port. It listens first, at
// each line setting that a driver uses, with every driver's decoder beside the
// others, and sends nothing. Only if all was silent, and only if that is
// permitted, it puts the harmless questions that drivers offer: an unknown byte
// can inflate a cuff.
//
// A driver claims the port by evidence: two frames in a row that were held
// against a checksum, or five without one whose values can be a living
// patient's; the first kind wins. Memory keeps what was recognised.
//
// The package opens and closes nothing and does not log. What it heard while
// it listened is not decoded again.
package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"monitorme/drivers"
)

// FirstLine is where listening begins, and how a port is best opened.
var FirstLine = drivers.Line{Baud: 9600}

// How long to listen at the first line, at each other one, and again at the
// lines where bytes came that nobody claimed, of which there may be many when
// the speed is wrong. A line where a driver understands nearly all gets patience
// more: some devices send every five seconds only.
const (
	first    = 3 * time.Second
	each     = 2 * time.Second
	again    = 10 * time.Second
	patience = 35 * time.Second
	wait     = time.Second           // for the answer to a question
	stale    = 20 * time.Millisecond // what still arrives at the line before
	relisten = 3                     // lines
)

// sampleBytes is how much of what was heard a Report keeps of each line.
const sampleBytes = 64

// Config says what may be found, and how.
type Config struct {
	Drivers []drivers.Driver // those with settings of their own are left out
	// USB are the ids of the adapter, "0403:6001"; "" if unknown.
	USB string
	// Likely is what was recognised here before; its line is tried second and
	// it wins a tie. The zero value is nothing.
	Likely Known
	// Linger is how long to go on listening once a driver has claimed the port,
	// so that the device may say who it is and some values.
	Linger time.Duration
	// Ask permits the harmless questions of drivers to a silent device.
	Ask bool
	// Progress, if not nil, is called when listening or asking begins (Time is
	// 0) and when it ends, from the goroutine of Run.
	Progress func(Heard)
}

// Heard is what was heard at one line.
type Heard struct {
	Line   drivers.Line
	Known  bool   // false: a socket or file, whose line is not ours to set
	Asked  string // the driver whose questions were put; "" if only listened
	Time   time.Duration
	Bytes  int
	Sample []byte // the first of them, at most 64
	// Nearest is the driver with most frames, or else with most failed checks;
	// "" if no driver saw either.
	Nearest string
	Stats   drivers.Stats // of Nearest
}

// Report is what a probe found.
type Report struct {
	Match *Match // nil if no driver claimed the port
	Heard []Heard
	// Broken are drivers whose decoder failed inside on what was heard.
	Broken []string
}

// Run listens on p, and asks if it may, until a driver claims it or all was
// tried. It sets lines and deadlines of p, and leaves p at the line of the
// match, without a deadline. The error is ctx's or the port's.
func Run(ctx context.Context, p drivers.Port, cfg Config) (Report, error) {
	stop := context.AfterFunc(ctx, func() { p.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	cfg.Drivers = slices.DeleteFunc(slices.Clone(cfg.Drivers), func(d drivers.Driver) bool { return d.NewDecoder == nil || d.Configure != nil })
	r := &prober{Config: cfg, port: p}
	r.set, _ = p.(drivers.LineSetter)
	err := r.run(ctx)
	if err == nil && r.report.Match != nil && r.set != nil {
		err = r.set.SetLine(r.report.Match.Line)
	}
	if err == nil {
		err = p.SetReadDeadline(time.Time{})
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return r.report, err
}

type prober struct {
	Config
	port   drivers.Port
	set    drivers.LineSetter // nil: the line is not ours to set
	report Report
}

func (r *prober) run(ctx context.Context) error {
	lines, base := plan(r.Config), first
	if r.set == nil {
		lines, base = []drivers.Line{{}}, again
	}
	for _, l := range lines {
		if err := r.listen(ctx, l, base); err != nil || r.report.Match != nil {
			return err
		}
		base = each
	}
	if r.set != nil {
		for _, h := range r.promising() {
			if err := r.listen(ctx, h.Line, again); err != nil || r.report.Match != nil {
				return err
			}
		}
	}
	if r.Ask && r.report.Silent() {
		return r.ask(ctx)
	}
	return nil
}

// promising are the lines to listen at again: those where a driver understood
// most of what came, or where it was text.
func (r *prober) promising() []Heard {
	var l []Heard
	for _, h := range r.report.Heard {
		if h.Bytes > 0 {
			l = append(l, h)
		}
	}
	slices.SortStableFunc(l, func(a, b Heard) int { return b.promise() - a.promise() })
	return l[:min(len(l), relisten)]
}

// promise is, in percent, the part of the bytes that the nearest driver
// understood, or that is text if it is nearly all: noise is not.
func (h Heard) promise() int {
	understood, text := 0, 0
	if h.Stats.Bytes > 0 {
		understood = int(100 * (h.Stats.Bytes - min(h.Stats.Skipped, h.Stats.Bytes)) / h.Stats.Bytes)
	}
	for _, c := range h.Sample {
		if c >= ' ' && c <= '~' || c == '\r' || c == '\n' {
			text++
		}
	}
	if text = 100 * text / max(len(h.Sample), 1); text < 90 {
		text = 0
	}
	return max(understood, text)
}

// listen listens at a line for base, longer while valid frames come, and fills
// in the match.
func (r *prober) listen(ctx context.Context, l drivers.Line, base time.Duration) error {
	if r.set != nil {
		if err := r.set.SetLine(l); err != nil {
			return err
		}
		if err := r.drain(ctx); err != nil {
			return err
		}
	}
	field := newField(r.Drivers, r.Config, l)
	h := Heard{Line: l, Known: r.set != nil}
	var claimed time.Time // when the first driver did
	return r.hear(ctx, &h, field, func(since time.Duration) bool {
		best := field.best()
		if best == nil {
			return since >= base && (since >= base+patience || !field.hopeful())
		}
		if claimed.IsZero() {
			claimed = time.Now()
		}
		held := time.Since(claimed)
		if best.driver.Checked {
			return held >= r.Linger
		}
		return since >= base && held >= max(each, r.Linger) // one with a check had its time, too
	})
}

// drain throws away what had arrived at another line.
func (r *prober) drain(ctx context.Context) error {
	buf := make([]byte, 4096)
	for range 16 { // one that never pauses is heard, too
		if err := r.port.SetReadDeadline(time.Now().Add(stale)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_, err := r.port.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hear reads until enough says so and notes what was heard.
func (r *prober) hear(ctx context.Context, h *Heard, field *field, enough func(since time.Duration) bool) error {
	r.tell(*h)
	start := time.Now()
	buf := make([]byte, 4096)
	var failed error
	for failed == nil && !enough(time.Since(start)) {
		if err := r.port.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := r.port.Read(buf)
		field.feed(buf[:n])
		h.Bytes += n
		h.Sample = append(h.Sample, buf[:min(n, sampleBytes-len(h.Sample))]...)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			failed = err
		}
	}
	h.Time = max(time.Since(start), 1)
	h.Nearest, h.Stats = field.nearest()
	r.report.Heard = append(r.report.Heard, *h)
	for _, name := range field.broken() {
		if !slices.Contains(r.report.Broken, name) {
			r.report.Broken = append(r.report.Broken, name)
		}
	}
	if best := field.best(); best != nil {
		r.report.Match, failed = field.match(best, *h), nil
	}
	r.tell(*h)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return failed
}

func (r *prober) tell(h Heard) {
	if r.Progress != nil {
		r.Progress(h)
	}
}

// ask puts the questions of each driver that has some, one protocol at a time,
// until anything is heard: a device that speaks is not asked in other tongues.
func (r *prober) ask(ctx context.Context) error {
	for _, d := range byHint(r.Config) {
		if len(d.Questions) == 0 || r.set != nil && d.Line.Baud == 0 {
			continue
		}
		if r.set != nil {
			if err := r.set.SetLine(d.Line); err != nil {
				return err
			}
		}
		for _, q := range d.Questions {
			if err := r.put(ctx, d, q); err != nil || !r.report.Silent() {
				return err
			}
		}
	}
	return nil
}

// put puts one question and waits for its answer.
func (r *prober) put(ctx context.Context, d drivers.Driver, q drivers.Question) error {
	if _, err := r.port.Write(q.Send); err != nil {
		return fmt.Errorf("ask whether it is %s: %w", d.Name, err)
	}
	field := newField([]drivers.Driver{d}, r.Config, d.Line)
	field.question = &q
	h := Heard{Line: d.Line, Known: r.set != nil, Asked: d.Name}
	return r.hear(ctx, &h, field, func(since time.Duration) bool { return since >= wait || field.best() != nil })
}
