package port

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"

	"monitorme/drivers"
)

const (
	// readTurn bounds a Read of the library, which is asked only when bytes
	// are there.
	readTurn = 10 * time.Millisecond
	// writeGrace is what a Write may take beyond the time on the wire, and
	// abandon what one that was given up may still take in Close.
	writeGrace = 2 * time.Second
	abandon    = 50 * time.Millisecond
	// lastWords is what Close waits for what was written to go out: a driver's
	// farewell, as the STOP of MEDIBUS, is 6 bytes, 55 ms at 1200 baud.
	lastWords = 300 * time.Millisecond
)

var (
	errGone  = errors.New("the line is gone: unplugged, or switched off: plug it in again")
	errStuck = errors.New("the adapter takes no bytes: unplug it and plug it in again")
)

// serialPort is a tty. The library's Write has no check for a closed port and
// would write into whatever file got the same descriptor, so mu is around every
// call but Read, and Close waits for Read before it closes.
//
// The library can wait for bytes only in a system call that nothing but Close
// ends. So hold, a second descriptor of the line, waits with Go's own poller,
// with its deadlines; the library is asked once bytes are there.
type serialPort struct {
	reporter
	path  string
	pty   bool     // a pseudo-terminal: no modem lines
	hold  *os.File // carries the lock against other programs, and waits for bytes
	ready syscall.RawConn
	dev   serial.Port
	quit  chan struct{} // closed first thing by Close

	reading  sync.Mutex // held by Read while it is inside dev
	deadline sync.Mutex // around setting it, and closing quit

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
	ready, err := hold.SyscallConn()
	if err == nil && pty {
		// A pseudo-terminal stays exclusive after a killed process, for ever.
		// The lock on hold does without.
		err = ready.Control(func(fd uintptr) { unix.IoctlSetInt(int(fd), unix.TIOCNXCL, 0) })
	}
	err = errors.Join(err, hold.SetReadDeadline(time.Time{}), dev.SetReadTimeout(readTurn))
	if err != nil {
		dev.Close()
		hold.Close()
		return nil, err
	}
	return &serialPort{reporter: reporter{cfg.Stats}, path: path, pty: pty, hold: hold, ready: ready, dev: dev,
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
	hold := os.NewFile(uintptr(fd), path) // not blocking, so it is in Go's poller
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
		if sys.stranger(path) != "" {
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
		return errAbsent
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

// Read waits until bytes are there, then asks the library, whose timeout is
// 0, nil.
func (s *serialPort) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	for {
		err := s.ready.Read(readable)
		switch {
		case s.closing():
			return 0, fmt.Errorf("read %s: %w", s.path, os.ErrClosed)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, os.ErrDeadlineExceeded
		case err != nil:
			return 0, fmt.Errorf("read %s: %w", s.path, gone(err))
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

// readable tells whether a read would not wait: bytes are there, or the line is
// gone.
func readable(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, 0)
		if err == unix.EINTR {
			continue
		}
		return n > 0 || err != nil
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

// SetReadDeadline holds for the Read that is going on, too.
func (s *serialPort) SetReadDeadline(t time.Time) error {
	s.deadline.Lock()
	defer s.deadline.Unlock()
	if s.closing() {
		return fmt.Errorf("set deadline of %s: %w", s.path, os.ErrClosed)
	}
	return s.hold.SetReadDeadline(t)
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

// Close ends Read and Write and closes the port. What was written and does not
// get on the wire soon is thrown away: the kernel would wait for it up to 30 s.
func (s *serialPort) Close() error {
	s.quitReading()
	s.reading.Lock() // Read has noticed
	defer s.reading.Unlock()
	s.mu.Lock() // and so has Write
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.stuck != nil || !s.drained() {
		s.dev.ResetOutputBuffer() // also frees a Write that was given up; an error changes nothing
	}
	if s.stuck != nil {
		select {
		case <-s.stuck:
		case <-time.After(abandon): // it is inside the kernel, which holds the file itself
		}
	}
	return errors.Join(s.dev.Close(), s.hold.Close())
}

// drained waits until nothing written is left in the kernel, and tells whether
// that is so.
func (s *serialPort) drained() bool {
	for end := time.Now().Add(lastWords); ; time.Sleep(2 * time.Millisecond) {
		left, err := 0, error(nil)
		cerr := s.ready.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
		switch {
		case cerr != nil || err != nil || time.Now().After(end):
			return false
		case left == 0:
			return true
		}
	}
}

// quitReading wakes Read, for ever.
func (s *serialPort) quitReading() {
	s.deadline.Lock()
	defer s.deadline.Unlock()
	if !s.closing() {
		close(s.quit)
		s.hold.SetReadDeadline(time.Unix(1, 0))
	}
}
