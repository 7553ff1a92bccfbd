package port

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"

	"monitorme/drivers"
)

const (
	// poll bounds how long a blocked Read takes to notice a new deadline or
	// Close. Bytes that arrive are not delayed by it.
	poll = 50 * time.Millisecond
	// writeGrace is what a Write may take beyond the time on the wire.
	writeGrace = 2 * time.Second
)

var (
	errGone  = errors.New("the line is gone: unplugged, or switched off: plug it in again")
	errStuck = errors.New("the adapter takes no bytes: unplug it and plug it in again")
)

// serialPort is a tty. The library's Write has no check for a closed port and
// would write into whatever file got the same descriptor, so mu is around every
// call but Read, and Close waits for Read before it closes.
type serialPort struct {
	reporter
	path string
	pty  bool     // a pseudo-terminal: no modem lines
	hold *os.File // carries the lock against other programs
	dev  serial.Port
	quit chan struct{} // closed first thing by Close
	stop sync.Once     // of quit

	reading  sync.Mutex // held by Read while it is inside dev
	deadline deadline

	mu     sync.Mutex
	baud   int
	stuck  chan struct{} // closed when a Write that was given up returned; nil: none
	closed bool
}

// openSerial locks and opens the tty at path.
func openSerial(sys tree, path string, cfg Config) (Port, error) {
	hold, pty, err := lock(sys, path)
	if err != nil {
		return nil, err
	}
	mode, err := modeOf(cfg.Line)
	if err != nil {
		hold.Close()
		return nil, err
	}
	// With no status bits asked for the library leaves both high, as the
	// kernel raises them, and asks nothing that a pseudo-terminal lacks.
	if (cfg.Line.DTRLow || cfg.Line.RTSLow) && !pty {
		mode.InitialStatusBits = &serial.ModemOutputBits{DTR: !cfg.Line.DTRLow, RTS: !cfg.Line.RTSLow}
	}
	dev, err := serial.Open(path, mode)
	if err != nil {
		hold.Close()
		return nil, openError(err)
	}
	if pty {
		// A pseudo-terminal stays exclusive after a killed process, for ever.
		// The lock on hold does without.
		unix.IoctlSetInt(int(hold.Fd()), unix.TIOCNXCL, 0)
	}
	return &serialPort{reporter: reporter{cfg.Stats}, path: path, pty: pty, hold: hold, dev: dev,
		quit: make(chan struct{}), baud: mode.BaudRate}, nil
}

// lock keeps out others: the library's TIOCEXCL does not stop root, and flock
// stops only those who ask for it, so both are used, and a process that has the
// port open without either is looked for.
func lock(sys tree, path string) (*os.File, bool, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, openError(err)
	}
	// Blocking mode keeps the file out of Go's poller: nothing is read from it.
	unix.SetNonblock(fd, false)
	hold := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		hold.Close()
		return nil, false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR {
		hold.Close()
		return nil, false, fmt.Errorf("not a serial port: a recorded file is file:%s", path)
	}
	major := unix.Major(uint64(st.Rdev))
	pty := major >= 136 && major <= 143
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		hold.Close()
		return nil, false, openError(err)
	}
	if !pty { // the far end of a pseudo-terminal may well keep this one open
		if who := sys.holder(path); who != "" && who != fmt.Sprintf("this program (pid %d)", os.Getpid()) {
			hold.Close()
			return nil, false, ErrBusy
		}
	}
	return hold, pty, nil
}

// openError maps what the kernel and the library say to what callers test for.
func openError(err error) error {
	pe, ok := errors.AsType[*serial.PortError](err)
	switch {
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EWOULDBLOCK), ok && pe.Code() == serial.PortBusy:
		return ErrBusy
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), ok && pe.Code() == serial.PermissionDenied:
		return fmt.Errorf("no permission (%w)", fs.ErrPermission)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), ok && pe.Code() == serial.PortNotFound:
		return fmt.Errorf("not there (%w)", fs.ErrNotExist)
	}
	return err
}

func modeOf(l drivers.Line) (*serial.Mode, error) {
	m := &serial.Mode{BaudRate: l.Baud, DataBits: l.DataBits}
	if m.BaudRate == 0 {
		m.BaudRate = 9600
	}
	if m.DataBits == 0 {
		m.DataBits = 8
	}
	switch l.Parity {
	case drivers.ParityNone:
	case drivers.ParityOdd:
		m.Parity = serial.OddParity
	case drivers.ParityEven:
		m.Parity = serial.EvenParity
	case drivers.ParityMark:
		m.Parity = serial.MarkParity
	case drivers.ParitySpace:
		m.Parity = serial.SpaceParity
	default:
		return nil, fmt.Errorf("parity %d: want none, odd, even, mark or space", l.Parity)
	}
	switch l.StopBits {
	case 0, 1:
	case 2:
		m.StopBits = serial.TwoStopBits
	default:
		return nil, fmt.Errorf("stop bits %d: want 1 or 2", l.StopBits)
	}
	return m, nil
}

func (s *serialPort) Name() string { return s.path }

func (s *serialPort) closing() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

// Read waits in short turns, because a timeout of the library is 0, nil, and
// nothing but Close wakes it. The timeout is set by the reading goroutine only:
// the library reads it without a lock.
func (s *serialPort) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	for {
		if s.closing() {
			return 0, fmt.Errorf("read %s: %w", s.path, os.ErrClosed)
		}
		turn := s.deadline.left(poll)
		if turn <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		if err := s.dev.SetReadTimeout(turn); err != nil {
			return 0, fmt.Errorf("read %s: %w", s.path, err)
		}
		n, err := s.dev.Read(p)
		if err != nil {
			return n, fmt.Errorf("read %s: %w", s.path, gone(err))
		}
		if n > 0 {
			return n, nil
		}
	}
}

// gone puts plain words in front of what an unplugged adapter reports; which
// of these it is depends on the kernel's driver.
func gone(err error) error {
	pe, ok := errors.AsType[*serial.PortError](err)
	if ok && pe.Code() == serial.PortClosed || errors.Is(err, unix.EIO) || errors.Is(err, unix.ENXIO) ||
		errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EBADF) {
		return fmt.Errorf("%w (%w)", errGone, err)
	}
	return err
}

func (s *serialPort) SetReadDeadline(t time.Time) error {
	if s.closing() {
		return fmt.Errorf("set deadline of %s: %w", s.path, os.ErrClosed)
	}
	s.deadline.set(t)
	return nil
}

// Write gives up after the time that the bytes need on the wire and two
// seconds more. The library cannot cancel a write: once given up, the port
// takes no more until it is opened again.
func (s *serialPort) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.closing() {
		return 0, fmt.Errorf("write %s: %w", s.path, os.ErrClosed)
	}
	if s.stuck != nil {
		return 0, fmt.Errorf("write %s: %w", s.path, errStuck)
	}
	var n int
	var err error
	done := make(chan struct{})
	own := bytes.Clone(p) // the caller may reuse p although the write goes on
	go func() {
		defer close(done)
		for n < len(own) && err == nil {
			var m int
			if m, err = s.dev.Write(own[n:]); m == 0 && err == nil {
				err = io.ErrShortWrite
			}
			n += m
		}
	}()
	limit := time.NewTimer(writeGrace + time.Duration(len(p)*11)*time.Second/time.Duration(max(s.baud, 1)))
	defer limit.Stop()
	select {
	case <-done:
		if err != nil {
			return n, fmt.Errorf("write %s: %w", s.path, gone(err))
		}
		return n, nil
	case <-limit.C:
		err := fmt.Errorf("write %s: %w (%w)", s.path, errStuck, os.ErrDeadlineExceeded)
		s.stuck = done
		return 0, err
	case <-s.quit:
		s.stuck = done
		return 0, fmt.Errorf("write %s: %w", s.path, os.ErrClosed)
	}
}

// SetLine changes the line while it is open.
func (s *serialPort) SetLine(l drivers.Line) error {
	m, err := modeOf(l)
	if err != nil {
		return fmt.Errorf("set line of %s: %w", s.path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("set line of %s: %w", s.path, os.ErrClosed)
	}
	err = s.dev.SetMode(m)
	if err == nil && !s.pty {
		err = errors.Join(s.dev.SetDTR(!l.DTRLow), s.dev.SetRTS(!l.RTSLow))
	}
	if err != nil {
		return fmt.Errorf("set line of %s to %d baud: %w", s.path, m.BaudRate, gone(err))
	}
	s.baud = m.BaudRate
	return nil
}

// Close ends Read and Write and closes the port. What was written and is not
// on the wire yet is thrown away: the kernel would wait for it up to 30 s.
func (s *serialPort) Close() error {
	s.stop.Do(func() { close(s.quit) })
	s.reading.Lock() // Read has noticed
	defer s.reading.Unlock()
	s.mu.Lock() // and so has Write
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.dev.ResetOutputBuffer() // also frees a Write that was given up; an error changes nothing
	if s.stuck != nil {
		select {
		case <-s.stuck:
		case <-time.After(poll): // it is inside the kernel, which holds the file itself
		}
	}
	return errors.Join(s.dev.Close(), s.hold.Close())
}

// deadline is the read deadline of a port that is read in short turns.
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
