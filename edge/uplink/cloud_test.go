package uplink

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"monitorme/edge/queue"
	"monitorme/protocol"
)

var (
	discard = slog.New(slog.DiscardHandler)
	t0      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

const (
	unit = protocol.UnitID("ward-1")
	box  = protocol.BoxID("box-1")
)

// A number names one reading.
type number struct {
	epoch  uint64
	stream protocol.Stream
	seq    uint64
}

// A cloud is a real broker with a store behind it that can be told to fail.
type cloud struct {
	broker.HookBase
	t      testing.TB
	addr   string
	server *broker.Server
	down   func()

	mu        sync.Mutex
	silent    bool          // the store acknowledges nothing
	slow      time.Duration // the store takes so long for each batch
	noAcks    bool          // the broker refuses subscriptions to acks
	seen      map[number]int
	firsts    []number // in order of arrival, without those that come again
	lanes     []protocol.Lane
	states    []protocol.BoxState
	messages  int
	doubled   int
	values    map[number]int64
	connected int
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{t: t, addr: "127.0.0.1:0", seen: map[number]int{}, values: map[number]int64{}}
	c.up(nil)
	t.Cleanup(func() { c.down() })
	return c
}

// up starts the broker, at the address that it had before.
func (c *cloud) up(cfg *tls.Config) {
	c.t.Helper()
	var l net.Listener
	var err error
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) { // the old one may linger
		if l, err = net.Listen("tcp", c.addr); err == nil || time.Since(start) > 10*time.Second {
			break
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.addr = l.Addr().String()
	if cfg != nil {
		l = tls.NewListener(l, cfg)
	}
	c.server = broker.New(&broker.Options{Logger: discard, InlineClient: true})
	c.down = sync.OnceFunc(func() { c.server.Close() })
	if err := c.server.AddHook(c, nil); err != nil {
		c.t.Fatal(err)
	}
	if err := c.server.AddListener(listeners.NewNet("test", l)); err != nil {
		c.t.Fatal(err)
	}
	if err := c.server.Serve(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (*cloud) ID() string { return "cloud" }

func (*cloud) Provides(b byte) bool {
	return b == broker.OnConnectAuthenticate || b == broker.OnACLCheck || b == broker.OnPublished || b == broker.OnWillSent
}

func (c *cloud) OnWillSent(cl *broker.Client, pk packets.Packet) { c.OnPublished(cl, pk) }

func (c *cloud) OnConnectAuthenticate(*broker.Client, packets.Packet) bool {
	c.set(func() { c.connected++ })
	return true
}

func (c *cloud) OnACLCheck(_ *broker.Client, topic string, write bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _, lane, _ := protocol.ParseTopic(topic)
	return write || !c.noAcks || lane != protocol.LaneAck
}

func (c *cloud) OnPublished(cl *broker.Client, pk packets.Packet) {
	u, b, lane, err := protocol.ParseTopic(pk.TopicName)
	if err != nil || lane == protocol.LaneAck {
		return
	}
	if u != unit || b != box {
		c.t.Errorf("topic %s", pk.TopicName)
	}
	if lane == protocol.LaneState {
		st, err := protocol.DecodeState(pk.Payload)
		if err != nil || !pk.FixedHeader.Retain {
			c.t.Errorf("state: %v, retained %v", err, pk.FixedHeader.Retain)
			return
		}
		c.set(func() { c.states = append(c.states, *st) })
		return
	}
	batch, err := protocol.DecodeBatch(pk.Payload)
	if err != nil {
		c.t.Errorf("batch: %v", err)
		return
	}
	c.store(lane, batch)
}

func (c *cloud) store(lane protocol.Lane, b *protocol.Batch) {
	c.mu.Lock()
	c.messages++
	for i := range b.Observations {
		n := number{b.Epoch, b.Stream, b.FirstSeq + uint64(i)}
		if c.seen[n]++; c.seen[n] > 1 {
			c.doubled++
		} else {
			c.firsts = append(c.firsts, n)
			c.lanes = append(c.lanes, lane)
		}
		if m := b.Observations[i].Value.Mantissa; c.seen[n] > 1 && c.values[n] != m {
			c.t.Errorf("number %v is two readings: %d and %d", n, c.values[n], m)
		} else {
			c.values[n] = m
		}
	}
	silent, slow := c.silent, c.slow
	c.mu.Unlock()
	if silent {
		return
	}
	time.Sleep(slow)
	ack, err := protocol.AppendAck(nil, &protocol.Ack{Epoch: b.Epoch, Committed: []protocol.Committed{
		{Stream: b.Stream, Range: protocol.Range{First: b.FirstSeq, Last: b.LastSeq()}}}})
	if err != nil {
		c.t.Error(err)
		return
	}
	c.server.Publish(protocol.Topic(unit, box, protocol.LaneAck), ack, false, 1)
}

func (c *cloud) distinct(s protocol.Stream) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.seen {
		if k.stream == s {
			n++
		}
	}
	return n
}

func (c *cloud) state() protocol.BoxState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.states) == 0 {
		return protocol.BoxState{}
	}
	return c.states[len(c.states)-1]
}

// A proxy stands between box and broker and plays a bad network.
type proxy struct {
	l      net.Listener
	target func() string

	mu     sync.Mutex
	refuse bool
	pairs  map[*pair]bool
	wg     sync.WaitGroup
}

type pair struct {
	a, b    net.Conn
	stalled chan struct{} // closed: nothing passes any more, and nobody is told
	once    sync.Once
}

func newProxy(t testing.TB, c *cloud) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: func() string { return c.addr }, pairs: map[*pair]bool{}}
	p.wg.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) serve() {
	for {
		a, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuse := p.refuse
		p.mu.Unlock()
		if refuse {
			a.Close()
			continue
		}
		b, err := net.Dial("tcp", p.target())
		if err != nil {
			a.Close()
			continue
		}
		pr := &pair{a: a, b: b, stalled: make(chan struct{})}
		p.mu.Lock()
		p.pairs[pr] = true
		p.mu.Unlock()
		p.wg.Go(func() { p.copy(pr, a, b) })
		p.wg.Go(func() { p.copy(pr, b, a) })
	}
}

func (p *proxy) copy(pr *pair, dst, src net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := src.Read(buf)
		select {
		case <-pr.stalled:
			if err != nil {
				return // the far end goes on thinking that it is connected
			}
			continue
		default:
		}
		if err == nil {
			_, err = dst.Write(buf[:n])
		}
		if err != nil {
			pr.close()
			p.mu.Lock()
			delete(p.pairs, pr)
			p.mu.Unlock()
			return
		}
	}
}

func (pr *pair) close() { pr.once.Do(func() { pr.a.Close(); pr.b.Close() }) }

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pr := range p.pairs {
		pr.close()
	}
}

// stall lets nothing through on the connections there are; new ones work.
func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pr := range p.pairs {
		select {
		case <-pr.stalled:
		default:
			close(pr.stalled)
		}
	}
}

func (p *proxy) setRefuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = yes
}

// A rig is a box: a real queue and an uplink.
type rig struct {
	t    testing.TB
	q    *queue.Queue
	u    *Uplink
	stop func()
	n    int64

	state protocol.BoxState // of the box
}

func openQueue(t testing.TB, dir string) *queue.Queue {
	t.Helper()
	cfg := queue.Default()
	cfg.Dir, cfg.MinFreeBytes = dir, 8<<20
	q, err := queue.Open(cfg, queue.Identity{Box: box, Boot: 7}, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func testConfig(addr string) Config {
	cfg := Default()
	cfg.Broker, cfg.Unit, cfg.Box, cfg.AckTimeout = "tcp://"+addr, unit, box, 2*time.Second
	return cfg
}

func newRig(t testing.TB, addr string) *rig {
	t.Helper()
	r := &rig{t: t, q: openQueue(t, t.TempDir())}
	r.start(testConfig(addr))
	return r
}

// start runs an uplink until r.stop.
func (r *rig) start(cfg Config) {
	r.t.Helper()
	u, err := New(cfg, r.q, func() protocol.BoxState {
		st := r.state
		st.Boot, st.Version = 7, "test"
		return st
	}, discard, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	u.timing = timing{heartbeat: 200 * time.Millisecond, answer: time.Second, store: 3 * time.Second}
	r.u = u
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := u.Run(ctx); ctx.Err() == nil {
			r.t.Errorf("Run: %v", err)
		}
	}()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(r.stop)
}

// put appends one group: a numeric, and each tenth time a wave and an event.
func (r *rig) put() {
	r.t.Helper()
	at := t0.Add(time.Duration(r.n) * time.Millisecond)
	obs := []protocol.Observation{{Device: "d", Code: 2<<16 | 16770, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood,
		At: at, Clock: protocol.ClockSynced, Value: protocol.Int(r.n)}}
	if r.n%10 == 0 {
		obs = append(obs, protocol.Observation{Device: "d", Code: 2<<16 | 256, Unit: "mV", Kind: protocol.KindSamples, Quality: protocol.QualityGood,
			At: at, Clock: protocol.ClockSynced, Samples: &protocol.Samples{RateMilliHz: 250_000, Scale: protocol.Dec(5, -3), Raw: make([]int32, 60)}},
			protocol.Observation{Device: "d", Code: 3<<16 | 500, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
				At: at, Clock: protocol.ClockSynced, Event: &protocol.Event{Phase: protocol.PhaseOnce}})
	}
	stamp := queue.Stamp{Wall: at, Mono: time.Hour + time.Duration(r.n)*time.Millisecond, Quality: protocol.ClockSynced}
	if err := r.q.Append(stamp, obs); err != nil {
		r.t.Fatal(err)
	}
	r.n++
}

// complete waits until the store has everything and the queue is empty, and
// checks the numbers: all there, none that was never appended.
func (r *rig) complete(c *cloud) {
	r.t.Helper()
	n := int(r.n)
	rare := (n + 9) / 10
	poll(r.t, "all is in the store and gone from the queue", func() bool {
		return r.q.Stats().Entries == 0 && c.distinct(protocol.StreamNumeric) >= n
	})
	for s, want := range map[protocol.Stream]int{protocol.StreamNumeric: n, protocol.StreamWave: rare, protocol.StreamEvent: rare} {
		if got := c.distinct(s); got != want {
			r.t.Errorf("%s: %d different readings, want %d", s, got, want)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.seen {
		if k.stream == protocol.StreamNumeric && k.seq > uint64(n) || k.epoch != r.q.Epoch() {
			r.t.Errorf("a reading that was never appended: %+v", k)
		}
	}
}

func poll(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
