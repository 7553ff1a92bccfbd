package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/edge/health"
	"monitorme/protocol"
)

// shelf is a store that can refuse.
type shelf struct {
	mu     sync.Mutex
	err    error
	groups [][]protocol.Observation
	when   []time.Time
}

func (s *shelf) Append(obs []protocol.Observation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.groups = append(s.groups, slices.Clone(obs))
	s.when = append(s.when, time.Now())
	return nil
}

func (s *shelf) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) all() []protocol.Observation { return slices.Concat(s.groups...) }

// collecting runs a collector on a shelf.
func collecting(t *testing.T) (*collector, *shelf, func() error) {
	s := &shelf{}
	var checks health.Checks
	c := newCollector(s, quiet, checks.Loop("writer", time.Minute))
	c.event = func(code protocol.Code, e protocol.Event) {
		c.put(protocol.Observation{Code: code, Kind: protocol.KindEvent, Event: &e, At: time.Now()})
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	synctest.Wait()
	return c, s, func() error {
		cancel()
		return <-done
	}
}

func TestIdleCollectorStoresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, stop := collecting(t)
		time.Sleep(time.Second)
		start := time.Now()
		c.put(pulse(70))
		synctest.Wait()
		if len(s.groups) != 1 || !s.when[0].Equal(start) {
			t.Errorf("stored in %d groups at %v, put at %v", len(s.groups), s.when, start)
		}
		stop()
	})
}

func TestBusyCollectorStoresInGroupsOf20ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, stop := collecting(t)
		const n = 1000
		for i := range n {
			c.put(pulse(i))
			time.Sleep(time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if g := len(s.groups); g > n/20+2 {
			t.Errorf("%d groups in a second", g)
		}
		for i := range s.when[1:] {
			if gap := s.when[i+1].Sub(s.when[i]); gap < groupEvery && i+2 < len(s.when) {
				t.Errorf("group %d came %s after the one before", i+1, gap)
			}
		}
		if got := s.all(); len(got) != n || !slices.IsSortedFunc(got, func(a, b protocol.Observation) int { return a.Value.Compare(b.Value) }) {
			t.Errorf("%d of %d stored, or out of order", len(got), n)
		}
	})
}

func TestStoppingStoresWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, stop := collecting(t)
		for i := range 3 * groupMax {
			c.put(pulse(i))
		}
		if err := stop(); err != nil || len(s.all()) != 3*groupMax {
			t.Errorf("%d stored, %v", len(s.all()), err)
		}
	})
}

func TestARefusingStoreLosesNothingThatFitsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, stop := collecting(t)
		s.refuse(errors.New("disk is full"))
		for i := range 500 {
			c.put(pulse(i))
			time.Sleep(10 * time.Millisecond)
		}
		if c.Problem() != "disk is full" {
			t.Errorf("problem %q", c.Problem())
		}
		s.refuse(nil)
		time.Sleep(3 * time.Second)
		if c.Problem() != "" || c.waiting() != 0 {
			t.Errorf("problem %q, %d waiting after the disk came back", c.Problem(), c.waiting())
		}
		stop()
		var numbers, alarms []protocol.Observation
		for _, o := range s.all() {
			if o.Kind == protocol.KindEvent {
				alarms = append(alarms, o)
			} else {
				numbers = append(numbers, o)
			}
		}
		if len(numbers) != 500 || !slices.IsSortedFunc(numbers, func(a, b protocol.Observation) int { return a.Value.Compare(b.Value) }) {
			t.Errorf("%d of 500 stored, or out of order", len(numbers))
		}
		if len(alarms) != 2 || alarms[0].Event.Phase != protocol.PhaseStart || !strings.Contains(alarms[0].Event.Text, "disk is full") ||
			alarms[0].Event.Type != protocol.AlarmTechnical || alarms[1].Event.Phase != protocol.PhaseEnd {
			t.Errorf("alarms %+v", alarms)
		}
	})
}

func TestFullMemoryDropsWavesThenNumbersNeverEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, stop := collecting(t)
		s.refuse(errors.New("disk is full"))
		start := time.Now()
		w := wave()
		put := func(o protocol.Observation, i int) {
			o.At = start.Add(time.Duration(i) * time.Millisecond)
			c.put(o)
		}
		waves := bufferBytes/weigh(&w) + 100
		for i := range waves {
			put(w, i)
		}
		for i := range 100 {
			put(pulse(i), i)
			put(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Event: &protocol.Event{Text: "x"}}, i)
		}
		if dw, dn, de := c.dropped(); dw < 100 || dn != 0 || de != 0 {
			t.Errorf("dropped %d waves, %d numbers, %d events", dw, dn, de)
		}
		p := pulse(0)
		for i := range bufferBytes / weigh(&p) {
			put(p, 100+i)
		}
		synctest.Wait()
		c.mu.Lock()
		bytes := c.bytes
		c.mu.Unlock()
		dw, dn, de := c.dropped()
		if dw != uint64(waves) || dn == 0 || de != 0 || bytes > bufferBytes {
			t.Errorf("dropped %d of %d waves, %d numbers, %d events; %d bytes kept", dw, waves, dn, de, bytes)
		}
		s.refuse(nil)
		time.Sleep(5 * time.Second)
		stop()
		told := map[string]protocol.Event{}
		for _, o := range s.all() {
			if o.Code == protocol.EventDropped {
				told[strings.TrimLeft(strings.Split(o.Event.Text, " dropped")[0], "0123456789 ")] = *o.Event
			}
		}
		if e := told["waveform blocks"]; !e.From.Equal(start) || !e.To.Equal(start.Add(time.Duration(waves-1)*time.Millisecond+time.Second)) {
			t.Errorf("waves were told as %+v", e)
		}
		if e := told["readings"]; !e.From.Equal(start) || e.To.IsZero() {
			t.Errorf("numbers were told as %+v", e)
		}
	})
}

func TestAReadingPutWhileTheStoreIsSlowDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var checks health.Checks
		c := newCollector(appendFunc(func([]protocol.Observation) error {
			<-release
			return nil
		}), quiet, checks.Loop("writer", 30*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		c.put(pulse(1))
		synctest.Wait()
		start := time.Now()
		for i := range 100 {
			c.put(pulse(i))
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("waited %s", d)
		}
		time.Sleep(31 * time.Second)
		if late := checks.Late(); len(late) != 1 {
			t.Errorf("a stuck writer counts as healthy: %v", late)
		}
		close(release)
		cancel()
		<-done
	})
}

type appendFunc func([]protocol.Observation) error

func (f appendFunc) Append(obs []protocol.Observation) error { return f(obs) }
