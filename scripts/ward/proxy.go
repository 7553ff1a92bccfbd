package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// A proxy is the network cable between one box and the broker. Cut it, and
// connections end and new ones are refused at once, until it is joined.
type proxy struct {
	ln     net.Listener
	target string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// newProxy listens on a free port of this machine; Run makes it work.
func newProxy(target string) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("network of a box: %w", err)
	}
	return &proxy{ln: ln, target: target, conns: map[net.Conn]bool{}}, nil
}

// Addr is where the box connects to.
func (p *proxy) Addr() string { return p.ln.Addr().String() }

// Cut pulls the cable.
func (p *proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		c.Close()
	}
}

// Join plugs the cable in again.
func (p *proxy) Join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

// keep remembers c so that it can be cut; false if it must not live.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}

// Run passes connections on until ctx ends, and returns ctx.Err().
func (p *proxy) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() {
		p.Cut()
		p.ln.Close()
	})
	defer stop()
	for {
		c, err := p.ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("network of a box: %w", err)
		}
		wg.Go(func() { p.pass(ctx, c) })
	}
}

// pass joins one connection with the target until either side ends it.
func (p *proxy) pass(ctx context.Context, near net.Conn) {
	defer p.forget(near)
	if !p.keep(near) {
		return
	}
	var d net.Dialer
	far, err := d.DialContext(ctx, "tcp", p.target)
	if err != nil {
		return
	}
	defer p.forget(far)
	if !p.keep(far) {
		return
	}
	var wg sync.WaitGroup
	one := func(to, from net.Conn) {
		io.Copy(to, from)
		to.Close()
		from.Close()
	}
	wg.Go(func() { one(far, near) })
	one(near, far)
	wg.Wait()
}
