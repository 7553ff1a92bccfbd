package intellivue

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// A bed is a simulated monitor and its line; each Run of the driver on it is a
// connect.
type bed struct {
	t            *testing.T
	host, device *drivertest.End
	stopSim      context.CancelFunc
	sim          chan error
	mu           sync.Mutex
	got          []protocol.Observation
	written      [][]byte // PDUs of the host
	framer       framer.Framer
}

func newBed(t *testing.T, d Device) *bed {
	b := &bed{t: t, sim: make(chan error, 1)}
	b.framer = framer.Framer{Max: maxFrame, Frame: (&serial{take: func(pdu []byte) { b.written = append(b.written, bytes.Clone(pdu)) }}).frame}
	b.host, b.device = drivertest.NewWire()
	ctx, stop := context.WithCancel(t.Context())
	b.stopSim = stop
	go func() { b.sim <- d.Simulate(ctx, b.device, drivertest.NewPatient()) }()
	return b
}

// Write and the other methods make b the driver's port.
func (b *bed) Write(p []byte) (int, error) {
	b.mu.Lock()
	b.framer.Feed(p)
	b.mu.Unlock()
	return b.host.Write(p)
}
func (b *bed) Read(p []byte) (int, error)        { return b.host.Read(p) }
func (b *bed) SetReadDeadline(t time.Time) error { return b.host.SetReadDeadline(t) }

// run lets the driver run for a while and gives what it emits.
func (b *bed) run(d drivers.Driver, acts ...func()) []protocol.Observation {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	b.host.SetReadDeadline(time.Time{})
	go func() {
		done <- d.Run(ctx, b, func(o protocol.Observation) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.got = append(b.got, o)
		})
	}()
	for _, act := range acts {
		act()
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		b.t.Errorf("Run: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

func (b *bed) end() {
	b.stopSim()
	<-b.sim
	b.device.Close()
}

func wait(d time.Duration) func() { return func() { time.Sleep(d) } }

// rates counts heart rates that are good.
func rates(all []protocol.Observation) (n int) {
	for _, o := range all {
		if o.Code == protocol.HeartRate && o.Quality == protocol.QualityGood {
			n++
		}
	}
	return n
}

func events(all []protocol.Observation) (found []string) {
	for _, o := range all {
		if o.Kind == protocol.KindEvent {
			found = append(found, words([]protocol.Observation{o})...)
		}
	}
	return found
}

func TestAnAssociationLastsForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Device{})
		defer b.end()
		got := b.run(Driver, wait(2*time.Hour))
		if e := events(got); len(e) != 0 {
			t.Errorf("events: %q", e)
		}
		if n, want := rates(got), 7200*1000/1024; n < want-5 || n > want+100 {
			t.Errorf("%d heart rates in 2 h, want about %d", n, want)
		}
		asked := 0
		for _, pdu := range b.written {
			if pdu[0] == pduAssociate {
				asked++
			}
		}
		if asked != 1 {
			t.Errorf("asked for %d associations, want 1", asked)
		}
	})
}

func TestAfterAReleaseTheNextRunIsHeardAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Device{})
		defer b.end()
		for range 3 {
			got := b.run(Driver, wait(3*time.Second))
			if e := events(got); len(e) != 0 || rates(got) < 2 {
				t.Errorf("%d heart rates, events %q", rates(got), e)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestAMonitorThatAbortsIsAskedAgainAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Device{})
		defer b.end()
		var before int
		got := b.run(Driver, wait(5*time.Second), func() {
			b.device.Write(appendFrame(nil, abort)) // it still holds its side, and aborts once more when asked
			synctest.Wait()
			b.mu.Lock()
			before = rates(b.got)
			b.mu.Unlock()
		}, wait(10*time.Second))
		if before == 0 || rates(got) < before+4 {
			t.Errorf("%d heart rates, %d before the abort", rates(got), before)
		}
		e := events(got)
		if len(e) < 2 || e[0] != `Alarm@data export start medium technical "the monitor has ended data export"` ||
			e[len(e)-1] != `Alarm@data export end medium technical "the monitor exports again"` {
			t.Errorf("events %q, want that export ended and went on", e)
		}
	})
}

func TestAMonitorThatRefusesIsAskedAgainAfterAWhile(t *testing.T) {
	start := time.Now()
	s := newSession(true)
	s.tick(start)
	if pdu := s.toSend(start); pdu == nil || pdu[0] != pduAssociate {
		t.Fatalf("first sent % X, want an association request", pdu)
	}
	s.heard(refusal, start)
	s.tick(start.Add(afterRefusal - 1))
	if pdu := s.toSend(start.Add(afterRefusal - 1)); pdu != nil {
		t.Errorf("sent % X before %v", pdu, afterRefusal)
	}
	s.tick(start.Add(afterRefusal))
	if pdu := s.toSend(start.Add(afterRefusal)); pdu == nil || pdu[0] != pduAssociate {
		t.Errorf("sent % X after a refusal, want an association request", pdu)
	}
	d := newDecoder()
	same(t, drivertest.Decode(d, appendFrame(appendFrame(nil, refusal), refusal)),
		`Alarm@data export start medium technical "the monitor refuses data export: is another computer connected to it?"`)
}

func TestLostFramesOfTheHandshakeAreMadeUpFor(t *testing.T) {
	for first := range 14 {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Device{})
			defer b.end()
			// Cut the line for the bytes of the monitor's n-th read.
			lossy := &lossyPort{bed: b, lose: first}
			var mu sync.Mutex
			n := 0
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- Driver.Run(ctx, lossy, func(o protocol.Observation) {
					mu.Lock()
					defer mu.Unlock()
					n += rates([]protocol.Observation{o})
				})
			}()
			time.Sleep(time.Minute)
			mu.Lock()
			if n < 20 {
				t.Errorf("read %d lost: %d heart rates in a minute", first, n)
			}
			mu.Unlock()
			stop()
			<-done
		})
	}
}

// A lossyPort loses what one of the reads has read.
type lossyPort struct {
	*bed
	lose int
}

func (p *lossyPort) Read(b []byte) (int, error) {
	n, err := p.bed.Read(b)
	if err == nil {
		if p.lose--; p.lose == -1 {
			clear(b[:n])
		}
	}
	return n, err
}

func TestAMonitorWithoutExtendedPollsIsPolled(t *testing.T) {
	drivertest.Play(t, often(Driver, Device{OldPolls: true}), options)
}

func TestAMonitorWithShortPDUsIsUnderstood(t *testing.T) {
	drivertest.Play(t, often(Driver, Device{MTU: 300}), options)
}

func TestADemonstrationIsNeverAPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Device{Demo: true})
		defer b.end()
		values := 0
		for _, o := range b.run(Driver, wait(10*time.Second)) {
			if o.Kind != protocol.KindNumeric && o.Kind != protocol.KindSamples {
				continue
			}
			if values++; o.Quality.HasNumber() {
				t.Fatalf("%s", words([]protocol.Observation{o}))
			}
		}
		if values < 50 {
			t.Errorf("%d values", values)
		}
	})
}

// Nothing but these may ever be written to a monitor.
func TestAllThatIsWrittenOnlyReads(t *testing.T) {
	allowed := map[string]func(c cursor) bool{
		"poll": func(c cursor) bool { // action: a poll of either kind, on the monitor itself
			kind := c.u16()
			return kind == actionPoll || kind == actionExtendedPoll
		},
		"get":  func(cursor) bool { return true },
		"list": func(c cursor) bool { c.bytes(6); return c.u16() == attrWaveList }, // which waves are exported
	}
	for _, d := range []Device{{}, {OldPolls: true}, {Demo: true}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, d)
			defer b.end()
			b.run(Driver, wait(5*time.Second), func() { b.device.Write(appendFrame(nil, abort)) }, wait(5*time.Minute))
			if len(b.written) < 100 {
				t.Errorf("%d PDUs written", len(b.written))
			}
			ask := newSession(true).ask
			for _, pdu := range b.written {
				if slices.ContainsFunc([][]byte{ask, releaseRequest, abort}, func(a []byte) bool { return bytes.Equal(a, pdu) }) {
					continue
				}
				m, ok := parseMessage(pdu)
				c := cursor{b: m.body}
				head := c.bytes(10)
				mds := len(head) == 10 && bytes.Equal(head, argument())
				switch {
				case !ok:
				case m.op == opInvoke && m.command == commandAction && mds && allowed["poll"](c),
					m.op == opInvoke && m.command == commandGet && mds && allowed["get"](c),
					m.op == opInvoke && m.command == commandConfirmedSet && mds && allowed["list"](c),
					m.op == opResult && bytes.Equal(pdu, created(m.invoke)):
					continue
				}
				t.Fatalf("wrote % X", pdu)
			}
		})
	}
}

func TestRequestsKeepTheirDistance(t *testing.T) {
	start := time.Now()
	s := newSession(true)
	s.begin(start)
	var sent []time.Duration
	for at := time.Duration(0); at < 3*time.Second; at += time.Millisecond {
		s.tick(start.Add(at))
		if s.toSend(start.Add(at)) != nil {
			sent = append(sent, at)
		}
	}
	for i := 4; i < len(sent); i++ {
		if sent[i]-sent[i-4] < 128*time.Millisecond {
			t.Errorf("requests at %v: at most 4 in 128 ms", sent[i-4:i+1])
		}
	}
	if len(sent) < 6 {
		t.Errorf("sent at %v", sent)
	}
}

func TestAMonitorThatStopsStreamingIsAskedAgainThenLeft(t *testing.T) {
	start := time.Now()
	s := newSession(true)
	s.begin(start)
	var log []string
	for at := time.Duration(0); at < 40*time.Second; at += 10 * time.Millisecond {
		s.tick(start.Add(at))
		switch pdu := s.toSend(start.Add(at)); {
		case pdu == nil:
		case bytes.Equal(pdu, abort):
			log = append(log, "abort")
		case pdu[0] == pduAssociate:
			log = append(log, "associate")
		case bytes.Contains(pdu, []byte{0xF1, 0x3B}) && bytes.Contains(pdu, []byte{0x01, 0x01, 0, 1, 0, 6}):
			log = append(log, "poll")
		}
	}
	if got := strings.Join(log, " "); !strings.HasPrefix(got, "poll poll abort associate associate") {
		t.Errorf("sent %s", got)
	}
}
