package uplink

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"monitorme/edge/queue"
	"monitorme/protocol"
)

func TestEverythingArrivesOnceAndIsDeleted(t *testing.T) {
	c := newCloud(t)
	r := newRig(t, c.addr)
	for range 500 {
		r.put()
	}
	r.complete(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doubled != 0 {
		t.Errorf("%d doubled on a good network", c.doubled)
	}
	for i, lane := range c.lanes {
		if want := map[bool]protocol.Lane{true: protocol.LaneWave, false: protocol.LaneLive}[c.firsts[i].stream == protocol.StreamWave]; lane != want {
			t.Fatalf("%v came on %s, want %s", c.firsts[i], lane, want)
		}
	}
}

func TestCutsInMidStreamLoseNothing(t *testing.T) {
	c := newCloud(t)
	p := newProxy(t, c)
	r := newRig(t, p.addr())
	for i := range 3000 {
		r.put()
		if i%300 == 299 {
			time.Sleep(30 * time.Millisecond)
			p.cut()
		}
	}
	r.complete(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("%d connections, %d came twice", c.connected, c.doubled)
	if c.connected < 2 {
		t.Error("the cuts had no effect")
	}
}

func TestALinkThatDiesSilentlyIsNoticedAndLosesNothing(t *testing.T) {
	c := newCloud(t)
	p := newProxy(t, c)
	r := newRig(t, p.addr())
	for i := range 1000 {
		r.put()
		if i == 300 || i == 600 {
			poll(t, "connected", func() bool { return r.u.Status().Connected })
			p.stall()
		}
		time.Sleep(2 * time.Millisecond)
	}
	r.complete(c)
	if c.connected < 2 {
		t.Error("the stalls were not noticed")
	}
}

func TestABrokerThatDiesAndComesBack(t *testing.T) {
	c := newCloud(t)
	r := newRig(t, c.addr)
	for i := range 600 {
		r.put()
		if i == 200 {
			c.down()
			poll(t, "noticed", func() bool { return !r.u.Status().Connected && r.u.Problem() != "" })
		}
		if i == 400 {
			c.up(nil)
		}
	}
	r.complete(c)
	poll(t, "well again", func() bool { return r.u.Problem() == "" })
}

func TestAPubackDeletesNothingTheStoreDoes(t *testing.T) {
	c := newCloud(t)
	c.silent = true
	r := newRig(t, c.addr)
	for range 200 {
		r.put()
	}
	poll(t, "all is sent again", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.doubled >= 240 })
	if s := r.q.Stats(); s.Entries != 240 || s.Acked != 0 {
		t.Errorf("%+v, want all 240 entries", s)
	}
	poll(t, "the store is called a problem", func() bool { return strings.Contains(r.u.Problem(), "store acknowledges nothing") })
	// What is fresh goes out all the same: screens and alarms do not need the store.
	seen := c.distinct(protocol.StreamNumeric)
	r.put()
	poll(t, "a fresh reading is sent", func() bool { return c.distinct(protocol.StreamNumeric) > seen })
	c.set(func() { c.silent = false })
	r.complete(c)
	poll(t, "well again", func() bool { return r.u.Problem() == "" })
}

// After an outage: what is new is on its way at once, beside a backlog that
// takes long.
func TestAfterAnOutageLiveComesFirst(t *testing.T) {
	c := newCloud(t)
	c.slow = 20 * time.Millisecond
	dir := t.TempDir()
	r := &rig{t: t, q: openQueue(t, dir), stop: func() {}}
	const backlog = 20_000
	for range backlog {
		r.put()
	}
	if err := r.q.Close(); err != nil { // so that nothing of it is fresh
		t.Fatal(err)
	}
	r.q = openQueue(t, dir)
	r.put()
	fresh := uint64(r.n)
	r.start(testConfig(c.addr))
	poll(t, "the backlog has begun", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.Contains(c.lanes, protocol.LaneBackfill)
	})
	c.set(func() {
		if c.lanes[0] != protocol.LaneLive {
			t.Errorf("the first message is on %s", c.lanes[0])
		}
		if i := slices.IndexFunc(c.firsts, func(n number) bool { return n.stream == protocol.StreamNumeric && n.seq == fresh }); i < 0 || i > 2 {
			t.Errorf("the fresh reading came as number %d", i)
		}
	})
	r.put()
	during := uint64(r.n)
	r.complete(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.firsts, func(n number) bool { return n.stream == protocol.StreamNumeric && n.seq == during })
	if c.lanes[at] != protocol.LaneLive || len(c.firsts)-at < backlog/4 {
		t.Errorf("the reading made during the drain came on %s as number %d of %d", c.lanes[at], at, len(c.firsts))
	}
	last := uint64(0)
	for i, n := range c.firsts {
		if n.stream == protocol.StreamNumeric && c.lanes[i] == protocol.LaneBackfill {
			if n.seq < last {
				t.Fatalf("backlog out of order: %d after %d", n.seq, last)
			}
			last = n.seq
		}
	}
	if c.messages > backlog/10 {
		t.Errorf("%d messages for a backlog of %d readings", c.messages, backlog)
	}
}

func TestAnUplinkThatIsStoppedInTheMiddleLosesNothing(t *testing.T) {
	c := newCloud(t)
	c.slow = time.Millisecond
	r := newRig(t, c.addr)
	for i := range 1000 {
		r.put()
		if i%250 == 249 {
			r.stop()
			r.start(testConfig(c.addr))
		}
	}
	r.complete(c)
}

func TestNothingGoesOnAfterRun(t *testing.T) {
	c := newCloud(t)
	p := newProxy(t, c)
	r := &rig{t: t, q: openQueue(t, t.TempDir())}
	before := goleak.IgnoreCurrent()
	for range 3 {
		r.start(testConfig(p.addr()))
		poll(t, "connected", func() bool { return r.u.Status().Connected })
		p.cut()
		poll(t, "connected again", func() bool { return r.u.Status().Connected && r.u.Problem() == "" })
		r.put()
		r.stop()
	}
	var leaked error
	poll(t, "all goroutines have ended", func() bool {
		p.cut() // ends the proxy's and the broker's
		leaked = goleak.Find(before)
		return leaked == nil
	})
}

func TestTheStateIsRetainedTheSessionGrowsAndGoodbyeIsSaid(t *testing.T) {
	c := newCloud(t)
	p := newProxy(t, c)
	r := newRig(t, p.addr())
	online := func(session uint64) func() bool {
		return func() bool { s := c.state(); return s.Online && s.Session > session }
	}
	poll(t, "online", online(0))
	first := c.state()
	if first.Box != box || first.Boot != 7 || first.Version != "test" || first.Sent.IsZero() {
		t.Errorf("state %+v", first)
	}
	states := func() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.states) }
	n := states()
	poll(t, "heartbeats", func() bool { return states() > n+3 })
	p.setRefuse(true)
	p.cut()
	poll(t, "the will", func() bool { s := c.state(); return !s.Online && !s.Leaving && s.Session == first.Session })
	p.setRefuse(false)
	poll(t, "online with a higher session", online(first.Session))
	r.stop()
	if s := c.state(); s.Online || !s.Leaving {
		t.Errorf("after the stop %+v", s)
	}
}

func TestAStateThatCannotBeEncodedDoesNotKeepReadingsBack(t *testing.T) {
	c := newCloud(t)
	r := &rig{t: t, q: openQueue(t, t.TempDir())}
	r.state.Devices = []protocol.DeviceState{{Device: "d", Problem: strings.Repeat("x", 10_000)}}
	r.start(testConfig(c.addr))
	r.put()
	r.complete(c)
	poll(t, "online", func() bool { return c.state().Online })
}

func TestSessionsGrowWhenTheClockGoesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session")
	ahead := uint64(time.Now().Add(1000 * time.Hour).UnixMilli())
	if err := os.WriteFile(path, strconv.AppendUint(nil, ahead, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(3) {
		u := &Uplink{cfg: Config{SessionFile: path}, log: discard}
		if got := u.nextSession(); got != ahead+1+i {
			t.Errorf("session %d, want %d", got, ahead+1+i)
		}
	}
}

func TestARefusedSubscriptionIsAProblem(t *testing.T) {
	c := newCloud(t)
	c.noAcks = true
	r := newRig(t, c.addr)
	poll(t, "told", func() bool { return strings.Contains(r.u.Problem(), "refuses the subscription") })
	if r.u.Status().Connected {
		t.Error("connected without acknowledgements")
	}
	r.put()
	c.set(func() { c.noAcks = false })
	r.complete(c)
}

func TestTwoBoxesWithOneNameSaySo(t *testing.T) {
	c := newCloud(t)
	a, b := newRig(t, c.addr), newRig(t, c.addr)
	poll(t, "told", func() bool {
		return strings.Contains(a.u.Problem()+b.u.Problem(), "another box uses this name")
	})
}

func TestNobodyListens(t *testing.T) {
	c := newCloud(t)
	c.down()
	r := newRig(t, c.addr)
	poll(t, "told", func() bool { return r.u.Problem() == "nobody listens at "+c.addr })
}

func TestWithoutABrokerReadingsStay(t *testing.T) {
	r := &rig{t: t, q: openQueue(t, t.TempDir())}
	cfg := testConfig("")
	cfg.Broker = ""
	r.start(cfg)
	r.put()
	poll(t, "told", func() bool { return strings.Contains(r.u.Problem(), "no broker") })
	r.stop()
	if r.q.Stats().Entries != 3 {
		t.Error("readings are gone")
	}
}

func TestAQueueThatFailsEndsTheUplink(t *testing.T) {
	c := newCloud(t)
	q := openQueue(t, t.TempDir())
	u, err := New(testConfig(c.addr), q, func() protocol.BoxState { return protocol.BoxState{} }, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
	if err := u.Run(t.Context()); err != queue.ErrClosed {
		t.Errorf("Run: %v", err)
	}
}

func TestBackoffHasFullJitterWithinBounds(t *testing.T) {
	for failed := range 40 {
		low, high := time.Duration(math.MaxInt64), time.Duration(0)
		for range 1000 {
			d := backoff(failed)
			low, high = min(low, d), max(high, d)
		}
		limit := min(minBackoff<<min(failed, 10), maxBackoff)
		if high > limit+minBackoff/8 || low > limit/2 {
			t.Errorf("after %d failures: %v to %v", failed, low, high)
		}
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	good := testConfig("127.0.0.1:1")
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Config){
		"uplink.unit":        func(c *Config) { c.Unit = "" },
		"uplink.box":         func(c *Config) { c.Box = "a/b" },
		"uplink.ack_timeout": func(c *Config) { c.AckTimeout = 0 },
		"tcp is only for":    func(c *Config) { c.Broker = "tcp://192.0.2.1:1883" },
		"scheme \"ws\"":      func(c *Config) { c.Broker = "ws://h:1" },
		"want tls://":        func(c *Config) { c.Broker = "tls://h" },
		"uplink.cert_file":   func(c *Config) { c.Broker = "tls://h:8883" },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

func TestMetricsAreSharedByTheUplinksOfAProcess(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	for range 2 {
		u, err := New(testConfig("127.0.0.1:1"), nil, nil, discard, reg)
		if err != nil {
			t.Fatal(err)
		}
		u.count.sessions.Inc()
	}
	got, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got {
		if f.GetName() == "monitorme_edge_uplink_sessions_total" && f.Metric[0].Counter.GetValue() == 2 {
			return
		}
	}
	t.Error("no sessions_total of 2")
}

func TestAMessageIsAcknowledgedInParts(t *testing.T) {
	f := newFlight()
	ack := func(epoch, first, last uint64) (done int) {
		f.ack(&protocol.Ack{Epoch: epoch, Committed: []protocol.Committed{{Stream: protocol.StreamNumeric, Range: protocol.Range{First: first, Last: last}}}},
			time.Now(), func(*message) { done++ })
		return done
	}
	f.add(&message{lane: protocol.LaneBackfill, epoch: 1, what: protocol.Committed{Stream: protocol.StreamNumeric, Range: protocol.Range{First: 10, Last: 20}}, bytes: 5})
	if ack(2, 10, 20)+ack(1, 1, 9)+ack(1, 21, 99)+ack(1, 12, 14)+ack(1, 16, 30)+ack(1, 10, 11) != 0 {
		t.Error("done too early")
	}
	if ack(1, 15, 15) != 1 || len(f.messages) != 0 || f.bytes[protocol.LaneBackfill] != 0 {
		t.Errorf("not done: %+v", f)
	}
}

func TestTheWindowOfTheBacklogFollowsTheStore(t *testing.T) {
	f := newFlight()
	now := time.Now()
	start := f.bulk
	f.adapt(time.Millisecond, MaxPayload)
	if f.bulk != start+MaxPayload {
		t.Errorf("window %d after a fast acknowledgement", f.bulk)
	}
	for range 100 {
		f.adapt(time.Millisecond, MaxPayload)
	}
	if f.bulk != maxBulk || f.room(protocol.LaneBackfill, now) != MaxPayload {
		t.Errorf("window %d, want %d", f.bulk, maxBulk)
	}
	for range 100 {
		f.adapt(2*time.Second, MaxPayload)
	}
	if f.bulk != minBulk || f.room(protocol.LaneBackfill, now) < minBulk/2 {
		t.Errorf("window %d, want %d", f.bulk, minBulk)
	}
	for i, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
		f.add(&message{lane: protocol.LaneBackfill, sent: now.Add(-time.Hour)})
		f.expire(now, now, 10*time.Second, func(*message) {})
		if f.resume.Sub(now) != want*time.Second || f.room(protocol.LaneBackfill, now) != 0 || f.room(protocol.LaneLive, now) == 0 {
			t.Errorf("timeout %d: the backlog waits %v, want %ds", i, f.resume.Sub(now), want)
		}
	}
}
