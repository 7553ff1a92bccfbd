package drivertest

import (
	"io"
	"os"
	"sync"
	"time"

	"monitorme/drivers"
)

// NewWire is a serial line between a box and a device: each direction holds
// 4 KiB, as the kernel does, and a Write beyond that blocks. It works in a
// synctest bubble.
func NewWire() (host, device *End) {
	a, b := newQueue(), newQueue()
	return &End{in: a, out: b}, &End{in: b, out: a}
}

// An End is one end of a Wire. It is a drivers.Port and a drivers.LineSetter.
// Safe for concurrent use.
type End struct {
	in, out *queue
	mu      sync.Mutex
	most    int
	line    drivers.Line
}

// Read blocks for at least one byte, the deadline, or the far end's Close,
// after which it gives io.EOF.
func (e *End) Read(p []byte) (int, error) {
	e.mu.Lock()
	if e.most > 0 && len(p) > e.most {
		p = p[:e.most]
	}
	e.mu.Unlock()
	return e.in.read(p)
}

// Write blocks until all of p is in the line's buffer.
func (e *End) Write(p []byte) (int, error) { return e.out.write(p) }

// SetReadDeadline implements drivers.Port.
func (e *End) SetReadDeadline(t time.Time) error { e.in.setDeadline(&e.in.readBy, t); return nil }

// SetWriteDeadline makes a Write that still blocks at t fail.
func (e *End) SetWriteDeadline(t time.Time) error { e.out.setDeadline(&e.out.writeBy, t); return nil }

// Close unplugs the line for both ends.
func (e *End) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

// ReadAtMost makes each Read give at most n bytes; 0 takes that back.
func (e *End) ReadAtMost(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.most = n
}

// SetLine remembers the settings; bytes pass whatever they are.
func (e *End) SetLine(l drivers.Line) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.line = l
	return nil
}

// Line is what was last set.
func (e *End) Line() drivers.Line {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.line
}

// queue is one direction.
type queue struct {
	mu              sync.Mutex
	changed         *sync.Cond
	buf             []byte
	closed          bool
	readBy, writeBy time.Time
}

const lineBuffer = 4096

func newQueue() *queue {
	q := &queue{}
	q.changed = sync.NewCond(&q.mu)
	return q
}

func (q *queue) read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case passed(q.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(q.buf) > 0:
			n := copy(p, q.buf)
			q.buf = q.buf[:copy(q.buf, q.buf[n:])]
			q.changed.Broadcast()
			return n, nil
		case q.closed:
			return 0, io.EOF
		}
		q.changed.Wait()
	}
}

func (q *queue) write(p []byte) (done int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed:
			return done, io.ErrClosedPipe
		case passed(q.writeBy):
			return done, os.ErrDeadlineExceeded
		}
		n := min(len(p), lineBuffer-len(q.buf))
		q.buf = append(q.buf, p[:n]...)
		done, p = done+n, p[n:]
		q.changed.Broadcast()
		if len(p) == 0 {
			return done, nil
		}
		q.changed.Wait()
	}
}

func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (q *queue) setDeadline(which *time.Time, t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*which = t
	q.changed.Broadcast()
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		time.AfterFunc(wait, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.changed.Broadcast()
		})
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}
