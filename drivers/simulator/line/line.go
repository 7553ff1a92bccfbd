// Package line is the far end of a device's wire: a pseudo-terminal that a box
// opens like a serial port, or a TCP port like that of a terminal server. It
// behaves as a real line does: a device is never held up by a host that does
// not read, and what was sent while nobody listened is lost.
//
// It knows no device; what plays on the line is a drivers.Driver's Simulate.
package line

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"monitorme/drivers"
)

// poll is how long it takes at most to notice that a host has opened the line.
const poll = 20 * time.Millisecond

// A PTY is the device's end of a pseudo-terminal, a drivers.Port. The host may
// open and close its end as often as it likes. Read and Write may be used by
// one goroutine each, the other methods by any.
type PTY struct {
	link string
	name string
	f    *os.File
	lost atomic.Uint64

	flushed bool // nobody has the other end open, and it is empty; of Write

	mu       sync.Mutex
	deadline time.Time
	closed   bool
}

// OpenPTY makes a pseudo-terminal in raw mode and a symbolic link to the end
// that the host opens. A link that is there is replaced, anything else is not.
func OpenPTY(link string) (*PTY, error) {
	p, err := openPTY(link)
	if err != nil {
		return nil, fmt.Errorf("open pseudo-terminal %s: %w", link, err)
	}
	return p, nil
}

func openPTY(link string) (*PTY, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	defer master.Close() // a copy of it that can be waited for is used
	defer slave.Close()
	if err := makeRaw(int(slave.Fd())); err != nil {
		return nil, fmt.Errorf("raw mode: %w", err)
	}
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, err
	}
	p := &PTY{link: link, name: slave.Name(), f: os.NewFile(uintptr(fd), "ptmx")}
	if err := p.makeLink(); err != nil {
		p.f.Close()
		return nil, err
	}
	return p, nil
}

// makeRaw turns off all that a terminal does to bytes.
func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

func (p *PTY) makeLink() error {
	switch fi, err := os.Lstat(p.link); {
	case err == nil && fi.Mode()&fs.ModeSymlink == 0:
		return errors.New("something that is no symbolic link has that name")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	fresh := fmt.Sprintf("%s.%s", p.link, filepath.Base(p.name))
	os.Remove(fresh)
	if err := os.Symlink(p.name, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, p.link)
}

// Name is the path that the host's end has now.
func (p *PTY) Name() string { return p.name }

// Lost is how many bytes were written that nobody took.
func (p *PTY) Lost() uint64 { return p.lost.Load() }

// AwaitHost waits until the host has opened its end, p is closed, or ctx ends,
// for a device that is to begin when somebody listens.
func (p *PTY) AwaitHost(ctx context.Context) error {
	conn, err := p.f.SyscallConn()
	if err != nil {
		return err
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		open := false
		if err := conn.Control(func(fd uintptr) { open = hostIsThere(int(fd)) }); err != nil {
			return err
		}
		if open {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// hostIsThere reports whether somebody has the other end open.
func hostIsThere(fd int) bool {
	state := []unix.PollFd{{Fd: int32(fd)}}
	_, err := unix.Poll(state, 0)
	return err == nil && state[0].Revents&unix.POLLHUP == 0
}

// Read waits for what the host sends, also across the host closing and opening
// its end, until the deadline passes.
func (p *PTY) Read(b []byte) (int, error) {
	for {
		n, err := p.f.Read(b)
		if !errors.Is(err, syscall.EIO) { // EIO: nobody has the other end open
			return n, err
		}
		p.mu.Lock()
		closed, left := p.closed, poll
		if !p.deadline.IsZero() {
			left = min(left, time.Until(p.deadline))
		}
		p.mu.Unlock()
		switch {
		case closed:
			return 0, os.ErrClosed
		case left <= 0:
			return 0, os.ErrDeadlineExceeded
		}
		time.Sleep(left)
	}
}

// Write never waits: what cannot be taken now is lost, and all of b counts as
// written. It fails only when p is closed.
func (p *PTY) Write(b []byte) (int, error) {
	conn, err := p.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	taken := 0
	err = conn.Write(func(fd uintptr) bool {
		if !hostIsThere(int(fd)) {
			if !p.flushed {
				p.flush(int(fd))
				p.flushed = true
			}
			return true
		}
		p.flushed = false
		for taken < len(b) {
			n, err := unix.Write(int(fd), b[taken:])
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n == 0 {
				break
			}
			taken += n
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	p.lost.Add(uint64(len(b) - taken))
	return len(b), nil
}

// flush drops what the host left unread: the system would keep it for the next
// one. The first ioctl empties the way there, the second the far end.
func (p *PTY) flush(fd int) {
	unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH)
	if slave, err := unix.Open(p.name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		unix.IoctlSetInt(slave, unix.TCFLSH, unix.TCIOFLUSH)
		unix.Close(slave)
	}
}

// SetReadDeadline bounds Read, also one that is under way.
func (p *PTY) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	p.deadline = t
	p.mu.Unlock()
	return p.f.SetReadDeadline(t)
}

// SetWriteDeadline is there for those who want to end a Write; none waits.
func (p *PTY) SetWriteDeadline(time.Time) error { return nil }

// Close unplugs the device: the host's reads fail, and the link is gone.
func (p *PTY) Close() error {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.mu.Unlock()
	if closed {
		return os.ErrClosed
	}
	if to, err := os.Readlink(p.link); err == nil && to == p.name {
		os.Remove(p.link)
	}
	return p.f.Close()
}

// Serve plays a device for every host that connects to ln, one beside the
// other, until ctx ends; it closes ln and returns ctx.Err(). How a connection
// ends is the business of play alone.
func Serve(ctx context.Context, ln net.Listener, play func(ctx context.Context, wire drivers.Port)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return ctx.Err()
		}
		if err != nil {
			ln.Close()
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		}
		wg.Go(func() {
			defer conn.Close()
			play(ctx, conn)
		})
	}
}
