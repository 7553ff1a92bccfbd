// Package drivers is the contract between the box and the device protocols:
// what a driver is, what it gets, what it must keep to. Each protocol is one
// package below this one; package drivers/all lists them.
//
// A driver is a pure incremental decoder, a small run loop, and a simulator of
// the device's side of the wire. It opens nothing, logs nothing, reads no
// clock to stamp values, and starts no goroutine that outlives Run.
// docs/DRIVERS.md walks through writing one; package drivers/drivertest is the
// test kit that every driver must pass.
package drivers

import (
	"context"
	"io"
	"time"

	"monitorme/protocol"
)

// A Driver is one device protocol.
type Driver struct {
	Name   string   // as in a configuration: "nonin"; a-z 0-9 -
	Title  string   // for people: "Nonin pulse oximeters"
	Models []string // devices known to speak it
	Sheet  string   // page in docs that describes it: "docs/devices/nonin.md"
	// Experimental marks a driver whose sheet has unverified essentials.
	Experimental bool

	// Line is how the port is opened; Alternates are other settings the family
	// uses, tried by a probe and allowed in a configuration.
	Line       Line
	Alternates []Line
	// Network is the address of a device that is reached by the network rather
	// than by a line, for people: "udp://HOST:24105". The same bytes may come
	// through a serial line, too.
	Network string
	// Asks tells that the device is silent until asked: Run writes to the port.
	Asks bool
	// Silence is how long a working device may send no valid frame.
	Silence time.Duration
	// Codes are what it can emit, for `monitorme-edge drivers` and docs.
	Codes []protocol.Code

	// The rest is for recognising a device on an unknown port; zero values are
	// always safe, and only ask for more evidence.

	// Checked tells that every frame that Stats counts was held against a
	// checksum or CRC. Two such in a row claim a port, of others it takes five.
	Checked bool
	// USB are ids of the device itself or of its own cable, as "22A3:0047", or
	// "1C3D" for all of a vendor; upper case. An adapter that serves any device
	// does not belong here. They are hints: such a driver is tried earlier.
	USB []string
	// Questions are harmless, and are put to an unknown, silent device if the
	// site permits it, on Line, in order.
	Questions []Question

	// Configure gives the driver as the settings of one device in the box's
	// configuration make it: YAML, the text below the key settings. Errors name
	// the key, the value and what is allowed. Nil: there is nothing to set. A
	// driver with settings cannot be recognised by what is heard on a port, and
	// is not tried there.
	Configure func(settings []byte) (Driver, error)

	// Fresh gives the driver as one device uses it, if what one Run has learned
	// must hold for the next, for example whose bed it reads while its device
	// calls anew for each message. Nil: Run keeps nothing, and the Driver may
	// serve any number of devices. What Configure gives is fresh.
	Fresh func() Driver

	// NewDecoder gives a fresh decoder of the device-to-host bytes.
	NewDecoder func() Decoder
	// Run talks to one device until ctx ends or the port fails, and gives what
	// it says to emit, in order, from the calling goroutine. It returns
	// ctx.Err() after ctx ended, else a non-nil error that says what failed.
	// The box closes the port after Run returned, and unblocks a Read through
	// the deadline when ctx ends. A panic in Run is that device's failure only.
	Run func(ctx context.Context, port Port, emit Emit) error
	// Simulate plays the device at the far end of the wire for the patient
	// until ctx ends or the wire fails. It is what tests and the demo ward run.
	Simulate func(ctx context.Context, wire Port, patient Patient) error
}

// A Question may be put to any device that might be at the other end: identify,
// version or status, never a start, a zero, an alarm limit, a reset or a
// setting, and nothing that another device of the port could take for one.
type Question struct {
	Send []byte
	// Answered tells whether what was heard since Send, at most 4 KiB, holds
	// the answer that only this device gives. Nil: a frame that the decoder
	// counts is the answer; that is for drivers whose frames are Checked.
	Answered func(heard []byte) bool
}

// Emit takes one observation. It never blocks for long and must not be called
// after Run returned. The box fills in Device, At and Clock.
type Emit func(protocol.Observation)

// Port is the driver's end of a serial line or socket. Read blocks until at
// least one byte is there, the deadline passes (os.ErrDeadlineExceeded) or the
// port fails; a net.Conn is a Port.
type Port interface {
	io.ReadWriter
	SetReadDeadline(t time.Time) error
}

// LineSetter is implemented by ports whose line settings can change while
// open; devices that switch speed during their handshake need it.
type LineSetter interface {
	SetLine(Line) error
}

// A Decoder turns the bytes of one device into observations. It is pure: no
// I/O, clock, log or goroutine; the same bytes cut anywhere give the same
// observations. Not safe for concurrent use.
type Decoder interface {
	// Decode consumes p and calls emit for each observation found, in order.
	// It keeps what it needs of p; the caller may reuse p.
	// After a bad frame it goes on one byte later, and never emits a value
	// from a frame that failed its check.
	Decode(p []byte, emit Emit)
	// Stats counts since the decoder was made.
	Stats() Stats
}

// Stats is what a decoder has counted.
type Stats struct {
	Bytes   uint64 // consumed
	Frames  uint64 // valid frames
	Skipped uint64 // bytes that belonged to no valid frame
	BadSums uint64 // frames whose check failed
}

// StatsSink is implemented by a Port that wants to see the decoder's counts
// while Run goes on; Listen and Run report to it after every read.
type StatsSink interface{ ReportStats(Stats) }

// Listen is the Run loop of a device that talks by itself: it reads and
// decodes until ctx ends or the port fails.
func Listen(newDecoder func() Decoder) func(context.Context, Port, Emit) error {
	return func(ctx context.Context, port Port, emit Emit) error {
		d := newDecoder()
		sink, _ := port.(StatsSink)
		buf := make([]byte, 4096)
		stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		for {
			n, err := port.Read(buf)
			d.Decode(buf[:n], emit)
			if sink != nil {
				sink.ReportStats(d.Stats())
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return err
			}
		}
	}
}

// A Patient is the body at the far end of a simulated device's sensors: pure
// functions of time, the same for the same seed. Safe for concurrent use by
// the simulators of several devices.
type Patient interface {
	// Numeric is the true value of a sign at t in the unit of its Term, or
	// false when the sensor for it is off or the sign absent.
	Numeric(code protocol.Code, t time.Time) (float64, bool)
	// Wave fills dst with the physical values of a waveform, in the unit of
	// its Term, at from, from+1/rate, …; false when its sensor is off. A caller
	// asks in order of time.
	Wave(code protocol.Code, from time.Time, rateHz float64, dst []float64) bool
	// Word is the value of an enumeration, for example SleepStatus, at t.
	Word(code protocol.Code, t time.Time) (string, bool)
}
