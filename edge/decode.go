package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/edge/agent"
	"monitorme/protocol"
)

type decodeCmd struct {
	Driver string `required:"" placeholder:"NAME" help:"The driver; monitorme-edge drivers lists them."`
	File   string `arg:"" optional:"" help:"Recorded bytes; standard input if left out or -."`
}

func (c *decodeCmd) Run(s streams) error {
	d, ok := all.Find(c.Driver)
	if !ok {
		return usageError{fmt.Errorf("driver %w", agent.UnknownDriver(c.Driver))}
	}
	in := s.in
	if c.File != "" && c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		defer f.Close()
		in = f
	}
	stats, err := decode(in, s.out, d.NewDecoder())
	fmt.Fprintf(s.err, "%s: %d bytes, %d frames, %d bytes skipped, %d bad checksums\n", d.Name, stats.Bytes, stats.Frames, stats.Skipped, stats.BadSums)
	return err
}

// decode writes what d finds in the bytes of in to out. What was found is
// written after each read, so that a live stream can be watched.
func decode(in io.Reader, out io.Writer, d drivers.Decoder) (drivers.Stats, error) {
	w := bufio.NewWriter(out)
	var line []byte
	emit := func(o protocol.Observation) {
		line = append(o.AppendJSON(line[:0]), '\n')
		w.Write(line) // an error stays in w until Flush
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		d.Decode(buf[:n], emit)
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
