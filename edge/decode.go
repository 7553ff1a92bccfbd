package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/drivers/capture"
	"monitorme/edge/agent"
	"monitorme/protocol"
)

type decodeCmd struct {
	Driver   string `placeholder:"NAME" help:"The driver; monitorme-edge drivers lists them. A recording may name its own."`
	Settings string `placeholder:"YAML" help:"A file with what stands below the key settings of the device, for drivers that have some."`
	File     string `arg:"" optional:"" help:"A recording or plain bytes; standard input if left out or -."`
}

func (c *decodeCmd) Run(s streams) error {
	in := s.in
	if c.Driver != "" { // before anything is opened
		if _, err := findDriver(c.Driver); err != nil {
			return err
		}
	}
	if c.File != "" && c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		defer f.Close()
		in = f
	}
	source, driver, err := open(bufio.NewReaderSize(in, 32<<10), c.Driver)
	if err != nil {
		return err
	}
	d, err := findDriver(driver)
	if err != nil {
		return err
	}
	if d, err = withSettings(d, c.Settings); err != nil {
		return err
	}
	stats, err := decode(source, s.out, d.NewDecoder())
	fmt.Fprintf(s.err, "%s: %d bytes, %d frames, %d bytes skipped, %d bad checksums\n", d.Name, stats.Bytes, stats.Frames, stats.Skipped, stats.BadSums)
	return err
}

func findDriver(name string) (drivers.Driver, error) {
	if name == "" {
		return drivers.Driver{}, usageError{errors.New("missing flag --driver=NAME: the input does not name one")}
	}
	d, ok := all.Find(name)
	if !ok {
		return d, usageError{fmt.Errorf("driver %w", agent.UnknownDriver(name))}
	}
	return d, nil
}

// withSettings gives the driver as a file of settings makes it; "" is none.
func withSettings(d drivers.Driver, file string) (drivers.Driver, error) {
	if file == "" {
		return d, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return d, fmt.Errorf("read settings: %w", err)
	}
	if d.Configure == nil {
		return d, usageError{fmt.Errorf("--settings %s: driver %q has no settings: leave the flag out", file, d.Name)}
	}
	c, err := d.Configure(text)
	if err != nil {
		return d, fmt.Errorf("settings %s: %w", file, err)
	}
	return c, nil
}

// A source gives the bytes of a device, with the instant of their arrival if
// it is known.
type source func() ([]byte, time.Time, error)

// open tells a recording from plain bytes. The driver is the one asked for,
// else that of the recording.
func open(in *bufio.Reader, driver string) (source, string, error) {
	if begin, _ := in.Peek(capture.Prefix); !capture.Is(begin) {
		buf := make([]byte, 32<<10)
		return func() ([]byte, time.Time, error) {
			n, err := in.Read(buf)
			return buf[:n], time.Time{}, err
		}, driver, nil
	}
	r, err := capture.NewReader(in)
	if err != nil {
		return nil, "", fmt.Errorf("decode: %w", err)
	}
	if driver == "" {
		driver = r.Header().Driver
	}
	started := r.Header().Started
	return func() ([]byte, time.Time, error) {
		for {
			e, err := r.Next()
			if err != nil || e.Kind == capture.FromDevice {
				var at time.Time
				if !started.IsZero() {
					at = started.Add(e.At)
				}
				return e.Bytes, at, err
			}
		}
	}, driver, nil
}

// decode writes what d finds in the bytes of in to out. What was found is
// written after each read, so that a live stream can be watched. Of a recording
// it is known when a value was measured.
func decode(in source, out io.Writer, d drivers.Decoder) (drivers.Stats, error) {
	w := bufio.NewWriter(out)
	var line []byte
	var arrived time.Time
	emit := func(o protocol.Observation) {
		if !arrived.IsZero() {
			o.At = arrived.Add(-max(o.Delay, 0))
		}
		line = append(o.AppendJSON(line[:0]), '\n')
		w.Write(line) // an error stays in w until Flush
	}
	for {
		p, at, err := in()
		arrived = at
		d.Decode(p, emit)
		if err := w.Flush(); err != nil {
			return d.Stats(), fmt.Errorf("decode: write: %w", err)
		}
		if errors.Is(err, io.EOF) {
			return d.Stats(), nil
		}
		if err != nil {
			return d.Stats(), fmt.Errorf("decode: read: %w", err)
		}
	}
}
