package drivertest

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// play runs the simulator against the run loop. Each test is a bubble: it
// fails by itself if a goroutine is left behind.
func (s stream) play(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"values match the patient, also after a change and after a sensor was off", s.follows},
		{"a patient without any sensor gives no number", s.nobody},
		{"a stalled line is waited for, and left at once when told", s.stalls},
		{"a line that breaks inside a frame ends Run, and a new Run works", s.breaks},
		{"the simulator ends though nobody reads", s.unread},
	} {
		t.Run(c.name, func(t *testing.T) { synctest.Test(t, c.test) })
	}
}

// A session is one Run against one Simulate.
type session struct {
	stream
	t            *testing.T
	host, device *End
	stopRun      context.CancelFunc
	stopSim      context.CancelFunc
	run, sim     chan error

	mu       sync.Mutex
	got      []protocol.Observation
	running  bool
	reported drivers.Stats
}

// port is the host's end; it counts what Run reports.
type port struct {
	*End
	s *session
}

func (p port) ReportStats(st drivers.Stats) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.reported = st
}

func (s stream) start(t *testing.T, p drivers.Patient) *session {
	se := &session{stream: s, t: t, run: make(chan error, 1), sim: make(chan error, 1), running: true}
	se.host, se.device = NewWire()
	var runCtx, simCtx context.Context
	runCtx, se.stopRun = context.WithCancel(t.Context())
	simCtx, se.stopSim = context.WithCancel(t.Context())
	go func() { se.sim <- s.d.Simulate(simCtx, se.device, p) }()
	go func() {
		err := s.d.Run(runCtx, port{se.host, se}, se.emit)
		se.mu.Lock()
		se.running = false
		se.mu.Unlock()
		se.run <- err
	}()
	return se
}

func (se *session) emit(o protocol.Observation) {
	se.mu.Lock()
	defer se.mu.Unlock()
	if !se.running {
		se.t.Error("emit was called after Run returned")
	}
	if err := Check(o); err != nil {
		se.t.Error(err)
	}
	if !se.opts.AnyCode && !slices.Contains(se.d.Codes, o.Code) {
		se.t.Errorf("%s: the code is not in Driver.Codes", show(o))
	}
	se.got = append(se.got, o)
}

// take gives what was emitted since the last take.
func (se *session) take() []protocol.Observation {
	synctest.Wait()
	se.mu.Lock()
	defer se.mu.Unlock()
	got := se.got
	se.got = nil
	return got
}

// during gives what is emitted in the next d.
func (se *session) during(d time.Duration) []protocol.Observation {
	se.take()
	time.Sleep(d)
	return se.take()
}

// promptly gives what ch has once everything has come to rest.
func promptly(t *testing.T, who string, ch chan error) error {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ch:
		return err
	default:
		t.Fatalf("%s has not returned", who)
		return nil
	}
}

// end stops both sides and checks what they return.
func (se *session) end() {
	se.t.Helper()
	se.stopRun()
	if err := promptly(se.t, "Run after ctx ended", se.run); !errors.Is(err, context.Canceled) {
		se.t.Errorf("Run after ctx ended: %v, want ctx.Err()", err)
	}
	se.endSim()
	se.device.Close()
}

// endSim leaves a device that neither says nor hears anything: what the host
// writes goes nowhere, as on a line without flow control.
func (se *session) endSim() {
	se.t.Helper()
	se.stopSim()
	if err := promptly(se.t, "Simulate after ctx ended", se.sim); !errors.Is(err, context.Canceled) {
		se.t.Errorf("Simulate after ctx ended: %v, want ctx.Err()", err)
	}
	se.device.SetReadDeadline(time.Time{})
	go io.Copy(io.Discard, se.device) // until the device is closed
}

func (s stream) follows(t *testing.T) {
	p := NewPatient()
	se := s.start(t, p)
	defer se.end()

	s.matches(t, "at first", p, se.during(s.opts.Span))
	se.mu.Lock()
	if se.reported.Frames == 0 {
		t.Error("Run has reported no valid frames to the port's StatsSink")
	}
	se.mu.Unlock()

	p.change(s.opts.Expect)
	time.Sleep(s.opts.Settle)
	s.matches(t, "after a change", p, se.during(s.opts.Span))

	p.AllOff(true)
	early := se.during(s.opts.Settle)
	late := se.during(s.opts.Span)
	if o, ok := firstValue(late); ok {
		t.Errorf("%v after all sensors came off: %s", s.opts.Settle, show(o))
	}
	if !s.opts.SilentWhenOff && !slices.ContainsFunc(append(early, late...), saysOff) {
		t.Error("nothing says that the sensors are off")
	}

	p.AllOff(false)
	time.Sleep(s.opts.Settle)
	s.matches(t, "after the sensors are on again", p, se.during(s.opts.Span))
}

// matches checks values against the patient's, and that the expected came.
func (s stream) matches(t *testing.T, when string, p *Patient, got []protocol.Observation) {
	t.Helper()
	seen := map[protocol.Code]bool{}
	wrong := map[protocol.Code]bool{}
	for _, o := range got {
		if !o.Quality.HasNumber() {
			continue
		}
		seen[o.Code] = true
		ok := true
		switch o.Kind {
		case protocol.KindNumeric:
			want, has := p.Numeric(o.Code, time.Now())
			ok = has && math.Abs(o.Value.Float64()-want) <= s.tolerance(o)
			if !ok && !wrong[o.Code] {
				t.Errorf("%s: %s, the patient has %v", when, show(o), want)
			}
		case protocol.KindEnumeration:
			want, has := p.Word(o.Code, time.Now())
			ok = !has || o.Text == want
			if !ok && !wrong[o.Code] {
				t.Errorf("%s: %s, the patient has %q", when, show(o), want)
			}
		}
		wrong[o.Code] = wrong[o.Code] || !ok
	}
	for _, c := range s.opts.Expect {
		if !seen[c] {
			term, _ := protocol.Lookup(c)
			t.Errorf("%s: no value of %d (%s) in %v", when, c, term.RefID, s.opts.Span)
		}
	}
}

func (s stream) tolerance(o protocol.Observation) float64 {
	if tol, ok := s.opts.Tolerance[o.Code]; ok {
		return tol
	}
	return 1.001 * math.Pow10(int(o.Value.Exponent))
}

// firstValue finds something that could be shown as measured.
func firstValue(got []protocol.Observation) (protocol.Observation, bool) {
	for _, o := range got {
		if !o.Quality.HasNumber() || o.Kind == protocol.KindEvent || identity(o.Code) {
			continue
		}
		if o.Kind == protocol.KindSamples && !slices.ContainsFunc(o.Samples.Raw, func(v int32) bool { return v != protocol.NoSample }) {
			continue
		}
		return o, true
	}
	return protocol.Observation{}, false
}

// identity reports whether c speaks of the device and not of the patient.
func identity(c protocol.Code) bool {
	return c == protocol.IdentityModel || c == protocol.IdentitySerial || c == protocol.IdentityFirmware || c.Partition() == 1
}

func saysOff(o protocol.Observation) bool {
	return o.Quality == protocol.QualityMissing || o.Quality == protocol.QualitySensorOff ||
		o.Kind == protocol.KindEvent && (o.Code == protocol.EventSensorOff || o.Code == protocol.EventLeadsOff)
}

func (s stream) nobody(t *testing.T) {
	se := s.start(t, &Patient{})
	defer se.end()
	if o, ok := firstValue(se.during(time.Minute)); ok {
		t.Errorf("no sensor is on: %s", show(o))
	}
}

func (s stream) stalls(t *testing.T) {
	se := s.start(t, NewPatient())
	defer se.device.Close()
	time.Sleep(s.opts.Settle)
	se.endSim()
	time.Sleep(time.Second)
	for _, o := range se.during(10 * s.d.Silence) {
		if o.Kind == protocol.KindNumeric && o.Quality.HasNumber() {
			t.Errorf("the device is silent: %s", show(o))
			break
		}
	}
	if s.opts.Reconnects {
		if err := promptly(t, "Run after the device was silent for long", se.run); err == nil || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Run after the device was silent for long: %v, want an error that says so", err)
		}
		return
	}
	select {
	case err := <-se.run:
		t.Errorf("Run gave up on a silent device: %v (that is the box's decision)", err)
		return
	default:
	}
	se.stopRun()
	if err := promptly(t, "Run after ctx ended on a stalled line", se.run); !errors.Is(err, context.Canceled) {
		t.Errorf("Run after ctx ended: %v, want ctx.Err()", err)
	}
}

func (s stream) breaks(t *testing.T) {
	wire := captures(t)[0].wire
	for _, left := range []int{len(wire) - 1, 1, 0} {
		se := s.start(t, NewPatient())
		time.Sleep(s.opts.Settle)
		se.endSim()
		se.take()
		if len(wire) <= lineBuffer {
			se.device.SetWriteDeadline(time.Now().Add(time.Second))
			se.device.Write(wire[:left])
		}
		se.device.Close()
		err := promptly(t, "Run after the line broke", se.run)
		if err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("Run after the line broke: %v, want an error that says so", err)
		}
		se.stopRun()
	}
	again := s.start(t, NewPatient())
	defer again.end()
	again.host.ReadAtMost(1)
	if got := again.during(s.opts.Span); len(got) == 0 {
		t.Error("a new Run emits nothing")
	}
}

func (s stream) unread(t *testing.T) {
	_, device := NewWire()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	sim := make(chan error, 1)
	go func() { sim <- s.d.Simulate(ctx, device, NewPatient()) }()
	time.Sleep(10 * time.Minute)
	stop()
	if err := promptly(t, "Simulate with nobody reading", sim); err == nil {
		t.Error("Simulate with nobody reading: no error")
	}

	host, device := NewWire()
	go func() { sim <- s.d.Simulate(t.Context(), device, NewPatient()) }()
	time.Sleep(time.Second)
	host.Close()
	time.Sleep(10 * time.Minute)
	if err := promptly(t, "Simulate after the line broke", sim); err == nil {
		t.Error("Simulate after the line broke: no error")
	}
}
