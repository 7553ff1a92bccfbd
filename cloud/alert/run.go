package alert

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stall is how long we may have done nothing before silence of the boxes is
// counted anew.
const stall = 5 * time.Second

// Run lets time pass for every box and writes the log, until ctx ends; then it
// saves all state. It returns nil.
func (e *Engine) Run(ctx context.Context) error {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { e.journal.run(stop) })
	e.resume(e.now())
	e.tick()
	t := time.NewTicker(e.cfg.Tick)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-t.C:
			e.tick()
		case <-ctx.Done():
		}
	}
	for _, b := range e.all() {
		b.mu.Lock()
		e.save(b, e.now())
		b.mu.Unlock()
	}
	close(stop)
	wg.Wait()
	e.subs.closeAll()
	return nil
}

// resume tells every box's rules that we listen only since at.
func (e *Engine) resume(at time.Time) {
	for _, b := range e.all() {
		b.mu.Lock()
		b.eval.Resume(at)
		b.mu.Unlock()
	}
}

// tick lets time pass for every box, and saves the state of some.
func (e *Engine) tick() {
	now := e.now()
	if last := e.ticked.Load(); last != 0 && now.Sub(time.UnixMicro(last)) > stall {
		e.log.Error("alerting stood still", "for", now.Sub(time.UnixMicro(last)))
		e.resume(now)
	}
	resend := e.journal.behind(&e.resent)
	for _, b := range e.all() {
		b.mu.Lock()
		if resend {
			e.resend(b, now)
		}
		b.changes = b.eval.Advance(now, b.changes[:0])
		e.takeAll(b, now)
		if b.dirty && now.UnixMicro()-b.saved >= e.cfg.Snapshot.Microseconds() {
			e.save(b, now)
		}
		b.mu.Unlock()
	}
	e.ticked.Store(now.UnixMicro())
}

// resend gives the log all that memory knows of a box, after the log's queue
// had been full. What it knows already is not written twice.
func (e *Engine) resend(b *box, now time.Time) {
	for _, r := range b.recent {
		e.journal.add(entry{record: r, what: "resent", at: now})
	}
	for _, r := range b.records {
		e.journal.add(entry{record: r, what: "resent", at: now})
	}
}

// save queues the state of a box for the log.
func (e *Engine) save(b *box, now time.Time) {
	text, err := b.eval.Snapshot()
	if err != nil {
		e.log.Error("alarm state not saved", "box", b.id, "err", err)
		return
	}
	if len(e.journal.queue) > cap(e.journal.queue)/2 {
		return // alarms first; the next tick tries again
	}
	if e.journal.add(entry{box: b.id, state: text, at: now}) {
		b.dirty, b.saved = false, now.UnixMicro()
	}
}

// Alive tells whether alarms are being raised and logged, and if not what is
// wrong.
func (e *Engine) Alive() (ok bool, detail string) {
	last := e.ticked.Load()
	if last == 0 {
		return false, "alerting has not started"
	}
	if age := e.now().Sub(time.UnixMicro(last)); age > stall {
		return false, fmt.Sprintf("alerting stands still since %s", age.Round(time.Second))
	}
	if p := e.journal.problem.Load(); p != nil {
		return false, "alarms are raised, but the alarm log cannot be written: " + *p
	}
	if n := len(e.journal.queue); n > cap(e.journal.queue)/2 {
		return false, fmt.Sprintf("alarms are raised, but the alarm log is %d changes behind", n)
	}
	return true, ""
}

// metrics of the engine.
type metrics struct {
	raised *prometheus.CounterVec
}

func (m *metrics) register(reg prometheus.Registerer, e *Engine) error {
	m.raised = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "monitorme_cloud_alarms_raised_total",
		Help: "Alarms raised, by rule and priority; late ones as missed."}, []string{"rule", "priority"})
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	counter := func(name, help string, f func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	for _, c := range []prometheus.Collector{m.raised,
		gauge("monitorme_cloud_alarms_standing", "Alarms that are active or latched.", func() float64 { return float64(len(e.active(Filter{Hidden: true}))) }),
		gauge("monitorme_cloud_alarm_log_waiting", "Changes that wait for the alarm log.", func() float64 { return float64(len(e.journal.queue)) }),
		gauge("monitorme_cloud_alerting_tick_age_seconds", "Time since the rules last looked at the clock.", func() float64 {
			return e.now().Sub(time.UnixMicro(e.ticked.Load())).Seconds()
		}),
		counter("monitorme_cloud_alarm_log_written_total", "Entries written to the alarm log.", e.journal.written.Load),
		counter("monitorme_cloud_alarm_log_lost_total", "Changes that the full queue of the alarm log refused.", e.journal.lost.Load),
		counter("monitorme_cloud_alarm_log_refused_total", "Entries that the alarm log can never take.", e.journal.refused.Load),
		counter("monitorme_cloud_alarm_readings_refused_total", "Readings not evaluated because a box has too many series.", e.refused),
		counter("monitorme_cloud_alarm_subscribers_cut_total", "Subscribers cut off because they were too slow.", e.subs.cut.Load),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("alert metrics: %w", err)
		}
	}
	return nil
}

func (m *metrics) count(was, r *Record) {
	switch {
	case was != nil, r.Missed && r.Standing():
	case r.Missed:
		m.raised.WithLabelValues(r.Rule, "missed").Inc()
	default:
		m.raised.WithLabelValues(r.Rule, r.Priority.String()).Inc()
	}
}

func (e *Engine) refused() (n uint64) {
	for _, b := range e.all() {
		b.mu.Lock()
		n += b.eval.Refused()
		b.mu.Unlock()
	}
	return n
}
