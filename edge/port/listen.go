package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// callers are the addresses that may call a listening port.
type callers []netip.Prefix

func (c callers) allow(a netip.Addr) bool {
	return slices.ContainsFunc(c, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// parseListen reads ADDR:PORT?from=IP-or-CIDR,… Whoever may call speaks for a
// patient, so it has to be said who that is, unless only this machine can.
func parseListen(s string) (hostPort string, from callers, err error) {
	hostPort, query, hasQuery := strings.Cut(s, "?")
	host, p, err := net.SplitHostPort(hostPort)
	if err != nil || host == "" || p == "" {
		return "", nil, errors.New("no ADDR:PORT after listen://")
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", nil, fmt.Errorf("%q is no IP address of this box; 0.0.0.0 is any", host)
	}
	list, ok := strings.CutPrefix(query, "from=")
	switch {
	case hasQuery && (!ok || list == ""):
		return "", nil, fmt.Errorf("%q after ?: want from= and the addresses that may call, with commas between", query)
	case !hasQuery && !ip.IsLoopback():
		return "", nil, errors.New("who may call is missing: add ?from= and the address of the device")
	case !hasQuery:
		return hostPort, callers{netip.PrefixFrom(ip, ip.BitLen())}, nil
	}
	for _, one := range strings.Split(list, ",") {
		p, err := netip.ParsePrefix(one)
		if err != nil {
			ip, ierr := netip.ParseAddr(one)
			if ierr != nil || ip.Zone() != "" {
				return "", nil, fmt.Errorf("from=%s: want an IP address or a network such as 10.2.0.0/24", one)
			}
			p = netip.PrefixFrom(ip, ip.BitLen())
		}
		if p.Addr().Is4In6() {
			return "", nil, fmt.Errorf("from=%s: write it as an IPv4 address", one)
		}
		from = append(from, p.Masked())
	}
	return hostPort, from, nil
}

// ErrHungUp is in the chain of the error of a Read at a listening port whose
// caller has gone. The port is still good: the next Read waits for a new call.
var ErrHungUp = errors.New("the caller hung up")

// listenPort waits for a device that calls the box, as monitors that send HL7
// do. It takes one call and no other until that has ended, and says when it
// has, so that a driver never takes two calls for one. While nobody has called,
// nothing can be read and what is written is lost, as on a line whose far end
// is open.
type listenPort struct {
	reporter
	name, hostPort string
	from           callers
	notice         func(string)

	reading sync.Mutex // held by Read
	mu      sync.Mutex
	until   time.Time
	l       *net.TCPListener // nil during a call: the kernel refuses others, and they see it
	call    net.Conn         // nil: nobody has called
	closed  bool
}

func openListen(hostPort string, from callers, cfg Config) (Port, error) {
	p := &listenPort{reporter: reporter{cfg.Stats}, name: cfg.Address, hostPort: hostPort, from: from, notice: cfg.Notice}
	if p.notice == nil {
		p.notice = func(string) {}
	}
	if err := p.listen(); err != nil {
		return nil, fmt.Errorf("open port %s: %w: it must be an address of this box that no other program or device listens at", cfg.Address, err)
	}
	return p, nil
}

// listen opens the listener; p.mu is held, or p not shared yet.
func (p *listenPort) listen() error {
	l, err := (&net.ListenConfig{KeepAliveConfig: keepAlive}).Listen(context.Background(), "tcp", p.hostPort)
	if err != nil {
		return err
	}
	p.l = l.(*net.TCPListener)
	return p.l.SetDeadline(p.until)
}

func (p *listenPort) Name() string { return p.name }

func (p *listenPort) Read(b []byte) (int, error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	p.mu.Lock()
	c := p.call
	p.mu.Unlock()
	for c == nil {
		var err error
		if c, err = p.take(); err != nil {
			return 0, fmt.Errorf("wait for a call at %s: %w", p.name, err)
		}
	}
	n, err := c.Read(b)
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return n, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return n, fmt.Errorf("read %s: %w", p.name, net.ErrClosed)
	}
	c.Close()
	p.call = nil
	return n, fmt.Errorf("read %s: %w (%w)", p.name, ErrHungUp, err)
}

// take waits for a call; nil, nil is one that was refused.
func (p *listenPort) take() (net.Conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, net.ErrClosed
	}
	if p.l == nil {
		if err := p.listen(); err != nil {
			p.mu.Unlock()
			return nil, err
		}
	}
	l := p.l
	p.mu.Unlock()
	c, err := l.Accept()
	if err != nil {
		return nil, err
	}
	caller, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	if !p.from.allow(caller.Addr()) {
		c.Close()
		p.notice(fmt.Sprintf("a call from %s was refused: from= does not name it", caller.Addr().Unmap()))
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	p.l.Close()
	p.l, p.call = nil, c
	return c, c.SetReadDeadline(p.until)
}

func (p *listenPort) Write(b []byte) (int, error) {
	p.mu.Lock()
	c, closed := p.call, p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return 0, fmt.Errorf("write %s: %w", p.name, net.ErrClosed)
	case c == nil:
		return len(b), nil
	}
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Write(b)
}

// SetReadDeadline holds for the Read that is going on, too.
func (p *listenPort) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = t
	switch {
	case p.closed:
		return fmt.Errorf("set deadline of %s: %w", p.name, net.ErrClosed)
	case p.call != nil:
		return p.call.SetReadDeadline(t)
	case p.l != nil:
		return p.l.SetDeadline(t)
	}
	return nil
}

func (p *listenPort) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	switch {
	case p.call != nil:
		return p.call.Close()
	case p.l != nil:
		return p.l.Close()
	}
	return nil
}
