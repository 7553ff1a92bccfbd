package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Sockets: a terminal server that lost power sends nothing, so the kernel asks
// after 5 s of silence and gives up after 3 answers that did not come.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3}

// poll bounds how long a Read of a recording takes to notice a new deadline.
const poll = 20 * time.Millisecond

const (
	dialTimeout     = 5 * time.Second
	tcpWriteTimeout = 5 * time.Second
)

type tcpPort struct {
	reporter
	net.Conn
	name string
}

func openTCP(ctx context.Context, hostPort string, cfg Config) (Port, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}
	c, err := d.DialContext(ctx, "tcp", hostPort)
	if err != nil {
		return nil, fmt.Errorf("open port %s: %w: is the terminal server on and its address right?", cfg.Address, err)
	}
	return &tcpPort{reporter: reporter{cfg.Stats}, Conn: c, name: cfg.Address}, nil
}

func (p *tcpPort) Name() string { return p.name }

func (p *tcpPort) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %s: the far end hung up: %w", p.name, io.ErrUnexpectedEOF)
	}
	return n, err
}

func (p *tcpPort) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(tcpWriteTimeout)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// filePort plays recorded bytes at the pace of the line, once. Writes are
// swallowed: nobody is there.
type filePort struct {
	reporter
	name     string
	f        *os.File
	perSec   int // bytes
	start    time.Time
	played   int64
	deadline deadline
	quit     chan struct{}
	once     sync.Once
}

func openFile(path string, cfg Config) (Port, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open port %s: %w", cfg.Address, err)
	}
	baud := cfg.Line.Baud
	if baud <= 0 {
		baud = 9600
	}
	return &filePort{reporter: reporter{cfg.Stats}, name: cfg.Address, f: f, perSec: max(baud/10, 1),
		start: time.Now(), quit: make(chan struct{})}, nil
}

func (p *filePort) Name() string { return p.name }

func (p *filePort) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		select {
		case <-p.quit:
			return 0, fmt.Errorf("read %s: %w", p.name, os.ErrClosed)
		default:
		}
		turn := p.deadline.left(poll)
		if turn <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		if due := int64(time.Since(p.start).Seconds()*float64(p.perSec)) - p.played; due > 0 {
			n, err := p.f.Read(b[:min(int64(len(b)), due)])
			p.played += int64(n)
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("read %s: the recording ended: %w", p.name, io.EOF)
			}
			return n, err
		}
		select {
		case <-time.After(turn):
		case <-p.quit:
		}
	}
}

func (p *filePort) Write(b []byte) (int, error) {
	select {
	case <-p.quit:
		return 0, fmt.Errorf("write %s: %w", p.name, os.ErrClosed)
	default:
		return len(b), nil
	}
}

func (p *filePort) SetReadDeadline(t time.Time) error {
	p.deadline.set(t)
	return nil
}

func (p *filePort) Close() error {
	var err error
	p.once.Do(func() {
		close(p.quit)
		err = p.f.Close()
	})
	return err
}

// deadline is the read deadline of a recording, which is read in short turns.
type deadline struct {
	mu sync.Mutex
	at time.Time
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
}

// left is the time to the deadline, at most turn; 0 or less when it has passed.
func (d *deadline) left(turn time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() {
		return turn
	}
	return min(turn, time.Until(d.at))
}
