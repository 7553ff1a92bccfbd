package intellivue

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// The network's captures are in a place of their own: the kit gives a driver
// all that it finds in testdata.
const networkTests = "testdata/network"

var networkOptions = drivertest.Options{
	AnyCode:   true,
	Expect:    options.Expect,
	Unchecked: []string{"*"}, // UDP checks
	Joined:    []string{"*"}, // a cut PDU takes its missing bytes from the next
}

func TestNetworkDriver(t *testing.T) {
	t.Chdir(networkTests)
	d := often(Network, Device{Network: true, MTU: 1456})
	drivertest.Record(t, "testdata/session.hex", "An association over the network.", d, drivertest.NewPatient(),
		drivertest.Act{For: 1310 * time.Millisecond, What: "all sensors on"})
	drivertest.Run(t, d, networkOptions)
}

func TestDriverWithoutWaves(t *testing.T) {
	drivertest.Play(t, often(Numerics, Device{}), options)
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Device{})
		defer b.end()
		for _, o := range b.run(Numerics, wait(time.Minute)) {
			if o.Kind == protocol.KindSamples {
				t.Fatal("waves on a slow line")
			}
		}
	})
}

func FuzzNetworkDecoder(f *testing.F) {
	wire := drivertest.Load(f, networkTests+"/testdata/session.hex")
	f.Add(wire[:600], 7)
	f.Fuzz(func(t *testing.T, wire []byte, step int) {
		step = max(1, min(step, 64))
		whole, pieces := newNetworkDecoder(), newNetworkDecoder()
		want := drivertest.Decode(whole, wire)
		for _, o := range want {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
		}
		n := 0
		for ; len(wire) > 0; wire = wire[min(step, len(wire)):] {
			n += len(drivertest.Decode(pieces, wire[:min(step, len(wire))]))
		}
		if n != len(want) || whole.Stats() != pieces.Stats() {
			t.Errorf("in pieces of %d: %d observations, %+v; whole: %d, %+v", step, n, pieces.Stats(), len(want), whole.Stats())
		}
	})
}

func BenchmarkNetworkDecoder(b *testing.B) {
	drivertest.Bench(b, Network, drivertest.Load(b, networkTests+"/testdata/session.hex"))
}

func TestPDUsTellTheirLength(t *testing.T) {
	long := append([]byte{pduAssociated, 0xFF, 0x01, 0x04, 0x05}, make([]byte, 259)...)
	for _, pdu := range [][]byte{newSession(true).ask, releaseRequest, releaseResponse, abort, refusal, created(1), getWaves(1), long,
		appendLinked(1, 1, 7, make([]byte, 50)), appendOp(nil, opError, 1, 9, nil)} {
		var got []byte
		f := datagrams(func(p []byte) { got = p })
		if n := f(append(pdu[:len(pdu):len(pdu)], 0xE1, 0, 0)); n != len(pdu) || len(got) != n {
			t.Errorf("% X: length %d, want %d", pdu, n, len(pdu))
		}
		for cut := 1; cut < len(pdu); cut++ {
			if n := f(pdu[:cut]); n != framer.More {
				t.Fatalf("% X cut after %d: %d, want more", pdu, cut, n)
			}
		}
	}
}

// A relay that carries what a simulated monitor says as datagrams.
func TestOverUDP(t *testing.T) {
	monitor, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal("loopback:", err)
	}
	defer monitor.Close()
	host, err := net.Dial("udp", monitor.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()

	far := &datagramPort{PacketConn: monitor}
	sim, run := make(chan error, 1), make(chan error, 1)
	go func() { sim <- Network.Simulate(t.Context(), far, drivertest.NewPatient()) }()
	seen := map[protocol.Code]bool{}
	got := make(chan protocol.Observation, 4096)
	go func() { run <- Network.Run(t.Context(), host, func(o protocol.Observation) { got <- o }) }()
	deadline := time.After(30 * time.Second)
	for !seen[protocol.HeartRate] || !seen[protocol.ECGLeadII] || !seen[protocol.IdentitySerial] {
		select {
		case o := <-got:
			seen[o.Code] = true
		case <-deadline:
			t.Fatalf("in 30 s only %v", seen)
		}
	}
	host.Close()
	monitor.Close()
	go func() { // Run may be at an emit
		for range got {
		}
	}()
	<-run
	<-sim
	close(got)
}

// A datagramPort is the monitor's socket: it answers whoever has spoken last,
// each PDU in a datagram of its own.
type datagramPort struct {
	net.PacketConn
	mu sync.Mutex
	to net.Addr
}

var _ drivers.Port = (*datagramPort)(nil)

func (p *datagramPort) Read(b []byte) (int, error) {
	n, from, err := p.ReadFrom(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.to = from
	}
	return n, err
}

func (p *datagramPort) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := 0
	for rest := b; len(rest) > 0; {
		n := pduLength(rest)
		if n <= 0 || n > len(rest) {
			return done, errors.New("not a PDU")
		}
		if _, err := p.WriteTo(rest[:n], p.to); err != nil {
			return done, io.ErrClosedPipe
		}
		done, rest = done+n, rest[n:]
	}
	return done, nil
}
