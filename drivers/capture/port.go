package capture

import (
	"time"

	"monitorme/drivers"
)

// A port notes what passes.
type port struct {
	drivers.Port
	w     *Writer
	start time.Time
}

// settable is a port whose line can change.
type settable struct {
	port
	set drivers.LineSetter
}

// Wrap gives a port that is p and writes to w what passes; it is a
// drivers.LineSetter if p is one, and a drivers.StatsSink. What the driver
// reads it reads after it was written, so that a failure inside the driver
// loses nothing. start is when the capture began. If the capture cannot be
// written, Read and Write fail.
func Wrap(p drivers.Port, w *Writer, start time.Time) drivers.Port {
	plain := port{p, w, start}
	if set, ok := p.(drivers.LineSetter); ok {
		return settable{plain, set}
	}
	return plain
}

func (p port) note(e Entry) error {
	e.At = time.Since(p.start)
	return p.w.Write(e)
}

func (p port) Read(b []byte) (int, error) {
	n, err := p.Port.Read(b)
	if n > 0 {
		if werr := p.note(Entry{Kind: FromDevice, Bytes: b[:n]}); werr != nil {
			return n, werr
		}
	}
	return n, err
}

func (p port) Write(b []byte) (int, error) {
	n, err := p.Port.Write(b)
	if n > 0 {
		if werr := p.note(Entry{Kind: ToDevice, Bytes: b[:n]}); werr != nil {
			return n, werr
		}
	}
	return n, err
}

// ReportStats implements drivers.StatsSink.
func (p port) ReportStats(s drivers.Stats) {
	if sink, ok := p.Port.(drivers.StatsSink); ok {
		sink.ReportStats(s)
	}
}

// SetLine implements drivers.LineSetter.
func (p settable) SetLine(l drivers.Line) error {
	err := p.set.SetLine(l)
	if err == nil {
		err = p.note(Entry{Kind: LineSet, Line: l})
	}
	return err
}
