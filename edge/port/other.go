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

	"monitorme/drivers/capture"
)

// Sockets: a terminal server that lost power sends nothing, so the kernel asks
// after 5 s of silence and gives up after 3 answers that did not come.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3}

// poll bounds how long a Read of a recording takes to notice a new deadline.
const poll = 20 * time.Millisecond

const (
	dialTimeout  = 5 * time.Second
	writeTimeout = 5 * time.Second
)

type socketPort struct {
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
	return &socketPort{reporter: reporter{cfg.Stats}, Conn: c, name: cfg.Address}, nil
}

// openUDP gives a port of datagrams to and from one address: a Read gives one,
// cut to its buffer, a Write sends one. Whether anybody is there shows only
// when something is sent.
func openUDP(ctx context.Context, hostPort string, cfg Config) (Port, error) {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "udp", hostPort)
	if err != nil {
		return nil, fmt.Errorf("open port %s: %w: is the address of the device right?", cfg.Address, err)
	}
	return &socketPort{reporter: reporter{cfg.Stats}, Conn: c, name: cfg.Address}, nil
}

func (p *socketPort) Name() string { return p.name }

func (p *socketPort) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %s: the far end hung up: %w", p.name, io.ErrUnexpectedEOF)
	}
	return n, err
}

func (p *socketPort) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// filePort plays a recording once: a capture with its timing, other files at
// the pace of the line. Writes are swallowed: nobody is there.
type filePort struct {
	reporter
	name     string
	f        *os.File
	start    time.Time
	play     func(b []byte) (int, error) // what is due now; 0, nil: nothing yet
	deadline deadline
	quit     chan struct{}
	once     sync.Once
}

func openFile(path string, cfg Config) (Port, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open port %s: %w", cfg.Address, err)
	}
	p := &filePort{reporter: reporter{cfg.Stats}, name: cfg.Address, f: f, start: time.Now(), quit: make(chan struct{})}
	begin := make([]byte, capture.Prefix)
	n, _ := io.ReadFull(f, begin)
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		p.play = p.atPace(cfg.Line.Baud)
		if capture.Is(begin[:n]) {
			var r *capture.Reader
			r, err = capture.NewReader(f)
			p.play = p.asCaptured(r)
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open port %s: %w", cfg.Address, err)
	}
	return p, nil
}

// atPace gives the bytes of a file as a line of that speed would carry them.
func (p *filePort) atPace(baud int) func([]byte) (int, error) {
	if baud <= 0 {
		baud = 9600
	}
	perSec, played := float64(max(baud/10, 1)), int64(0)
	return func(b []byte) (int, error) {
		due := int64(time.Since(p.start).Seconds()*perSec) - played
		if due <= 0 {
			return 0, nil
		}
		n, err := p.f.Read(b[:min(int64(len(b)), due)])
		played += int64(n)
		return n, err
	}
}

// asCaptured gives the bytes of the device when they came.
func (p *filePort) asCaptured(r *capture.Reader) func([]byte) (int, error) {
	var next capture.Entry
	return func(b []byte) (int, error) {
		for len(next.Bytes) == 0 || next.Kind != capture.FromDevice {
			var err error
			if next, err = r.Next(); err != nil {
				return 0, err
			}
		}
		if time.Since(p.start) < next.At {
			return 0, nil
		}
		n := copy(b, next.Bytes)
		next.Bytes = next.Bytes[n:]
		return n, nil
	}
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
		n, err := p.play(b)
		switch {
		case errors.Is(err, io.EOF):
			return n, fmt.Errorf("read %s: the recording ended: %w", p.name, io.EOF)
		case err != nil:
			return n, fmt.Errorf("read %s: %w", p.name, err)
		case n > 0:
			return n, nil
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
