package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/drivers/capture"
	"monitorme/edge/agent"
	"monitorme/edge/port"
	"monitorme/protocol"
)

type recordCmd struct {
	Port     string        `arg:"" help:"The port, as in a configuration."`
	Driver   string        `placeholder:"NAME" help:"Run this driver, as the box would: it may ask the device. Without one nothing is sent."`
	Settings string        `placeholder:"YAML" help:"A file with what stands below the key settings of the device, for drivers that have some."`
	Line     string        `placeholder:"LINE" help:"The line, as \"19200 7E1\"; the driver's, else 9600 8N1."`
	Out      string        `short:"o" placeholder:"FILE" help:"Where to write; a new file named after port and time, - for standard output."`
	For      time.Duration `placeholder:"TIME" help:"Stop after this long, as 90s; else with Ctrl-C."`
}

func (c *recordCmd) Run(ctx context.Context, s streams) error {
	head := capture.Header{Program: fmt.Sprintf("monitorme-edge %s %s/%s", versionText(), runtime.GOOS, runtime.GOARCH), Port: c.Port, Started: time.Now()}
	driver, err := c.driver(&head)
	if err != nil {
		return usageError{err}
	}
	p, err := port.Open(ctx, port.Config{Address: c.Port, Line: head.Line})
	if err != nil {
		return err
	}
	defer p.Close()
	info, _ := port.Find(p.Name())
	head.Port, head.USB = p.Name(), usbIDs(info)
	if _, ok := drivers.Port(p).(drivers.LineSetter); !ok {
		head.Line = drivers.Line{} // a socket's line is not known here
	}
	out, name, err := c.create(s, head)
	if err != nil {
		return err
	}
	counted := &counter{w: out}
	w, err := capture.NewWriter(counted, head)
	if err == nil {
		fmt.Fprintf(s.err, "Recording %s to %s; Ctrl-C ends it.\nNote: %s.\n", head.Port, name, capture.Warning)
		err = c.record(ctx, p, w, head.Started, driver)
	}
	if f, ok := out.(*os.File); ok && name != "-" {
		err = errors.Join(err, f.Sync(), f.Close())
	}
	fmt.Fprintf(s.err, "%s: %d bytes of recording in %s\n", name, counted.n.Load(), time.Since(head.Started).Round(100*time.Millisecond))
	return err
}

// driver finds the driver and the line.
func (c *recordCmd) driver(head *capture.Header) (d drivers.Driver, err error) {
	if err := port.Check(c.Port); err != nil {
		return d, err
	}
	if c.For < 0 {
		return d, fmt.Errorf("--for %s: want 0 or more", c.For)
	}
	head.Line = drivers.Line{Baud: 9600}
	if c.Driver != "" {
		ok := false
		if d, ok = all.Find(c.Driver); !ok {
			return d, fmt.Errorf("driver %w", agent.UnknownDriver(c.Driver))
		}
		if d, err = withSettings(d, c.Settings); err != nil {
			return d, err
		}
		head.Driver = d.Name
		if d.Line.Baud > 0 {
			head.Line = d.Line
		}
	}
	if c.Driver == "" && c.Settings != "" {
		return d, errors.New("--settings are those of a driver: name it with --driver")
	}
	if c.Line != "" {
		head.Line, err = drivers.ParseLine(c.Line)
	}
	return d, err
}

// create makes the file; none is ever overwritten.
func (c *recordCmd) create(s streams, head capture.Header) (io.Writer, string, error) {
	name := c.Out
	switch name {
	case "-":
		return s.out, name, nil
	case "":
		what := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
				return r
			}
			return '_'
		}, filepath.Base(head.Port))
		name = fmt.Sprintf("%s-%s.capture", what, head.Started.Format("20060102-150405"))
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("record: %w", err)
	}
	return f, name, nil
}

// record runs the driver, or only listens, and notes how it ended.
func (c *recordCmd) record(ctx context.Context, p port.Port, w *capture.Writer, start time.Time, d drivers.Driver) error {
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() { p.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	run := d.Run
	if run == nil {
		run = drivers.Listen(func() drivers.Decoder { return deaf{} })
	}
	err := run(ctx, capture.Wrap(p, w, start), func(protocol.Observation) {})
	why := "stopped"
	if ctx.Err() == nil {
		why = fmt.Sprint(err)
	}
	werr := w.Write(capture.Entry{At: time.Since(start), Kind: capture.Remark, Text: why})
	if ctx.Err() != nil || errors.Is(err, io.EOF) { // a recording that is recorded ends, too
		return werr
	}
	return errors.Join(err, werr)
}

// deaf is a decoder that finds nothing.
type deaf struct{}

func (deaf) Decode([]byte, drivers.Emit) {}
func (deaf) Stats() drivers.Stats        { return drivers.Stats{} }

// counter counts what is written.
type counter struct {
	w io.Writer
	n atomic.Int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n.Add(int64(n))
	return n, err
}
