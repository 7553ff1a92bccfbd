package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"monitorme/drivers/all"
	"monitorme/edge/port"
	"monitorme/edge/probe"
	"monitorme/protocol"
)

// linger is how long probe goes on once it knows, to hear who and what.
const linger = 3 * time.Second

type probeCmd struct {
	Port string `arg:"" help:"The port: a path, a name below /dev/serial, usb:VID:PID, tcp://HOST:PORT or file:PATH."`
	Ask  bool   `help:"If all is silent, ask harmless questions. Only with nothing at the port but a device that has a driver."`
}

var errUnrecognised = errors.New("not recognised")

func (c *probeCmd) Run(ctx context.Context, s streams) error {
	if err := port.Check(c.Port); err != nil {
		return usageError{err}
	}
	p, err := port.Open(ctx, port.Config{Address: c.Port, Line: probe.FirstLine})
	if err != nil {
		return err
	}
	defer p.Close()
	info, _ := port.Find(p.Name())
	cfg := probe.Config{Drivers: all.Drivers, USB: usbIDs(info), Ask: c.Ask, Linger: linger, Progress: func(h probe.Heard) { showHeard(s.out, h) }}
	sends := "nothing is sent"
	if c.Ask {
		sends = "questions are sent if all is silent"
	}
	fmt.Fprintf(s.out, "Listening on %s; %s.\n", describePort(p.Name(), info), sends)
	r, err := probe.Run(ctx, p, cfg)
	for _, name := range r.Broken {
		fmt.Fprintf(s.err, "driver %s failed inside on what was heard: report this with a recording\n", name)
	}
	if err != nil && !errors.Is(err, io.EOF) { // a recording ends
		return err
	}
	if r.Match == nil {
		showNothing(s.out, c.Port, r)
		return errUnrecognised
	}
	showMatch(s.out, r.Match)
	showConfig(s.out, c.Port, info, r.Match)
	return nil
}

// usbIDs are those of the adapter, "0403:6001"; "" if it has none.
func usbIDs(i port.Info) string {
	if i.VID == "" {
		return ""
	}
	return i.VID + ":" + i.PID
}

func describePort(name string, i port.Info) string {
	words := []string{name}
	if i.VID != "" {
		words = append(words, strings.Join(strings.Fields("usb "+usbIDs(i)+" "+i.Serial+" "+i.Manufacturer+" "+i.Product), " "))
	}
	if i.ByPath != "" {
		words = append(words, "socket "+i.ByPath)
	}
	return strings.Join(words, ", ")
}

// showHeard prints a line when listening at one setting is over.
func showHeard(w io.Writer, h probe.Heard) {
	if h.Time == 0 {
		return
	}
	what := fmt.Sprintf("%d bytes", h.Bytes)
	switch {
	case h.Bytes == 0:
		what = "silence"
	case h.Nearest != "":
		what += fmt.Sprintf("; most like %s: %d frames, %d with a wrong checksum", h.Nearest, h.Stats.Frames, h.Stats.BadSums)
	default:
		what += "; no driver understands them"
	}
	where := h.Where()
	if h.Asked != "" {
		where += ", asked whether it is " + h.Asked
	}
	fmt.Fprintf(w, "  %-12s %4.1f s  %s\n", where, h.Time.Seconds(), what)
}

func showNothing(w io.Writer, address string, r probe.Report) {
	fmt.Fprintf(w, "\nNot recognised: %s.\n", r.Advice())
	for _, h := range r.Heard {
		if h.Bytes > 0 {
			fmt.Fprintf(w, "  %-12s begins with % X %q\n", h.Where(), h.Sample[:min(24, len(h.Sample))], h.Sample[:min(24, len(h.Sample))])
		}
	}
	if !r.Silent() {
		fmt.Fprintf(w, "For a report: monitorme-edge record %s\n", address)
	}
}

func showMatch(w io.Writer, m *probe.Match) {
	fmt.Fprintf(w, "\nRecognised: %s, %s\n  why     %s\n", m.Driver.Name, m.Driver.Title, m.Why)
	if m.Line.Baud > 0 {
		fmt.Fprintf(w, "  line    %s\n", m.Line)
	}
	if id := strings.Join(strings.Fields(m.Model+" "+m.Serial+" "+m.Firmware), " "); id != "" {
		fmt.Fprintf(w, "  device  %s\n", id)
	}
	for i, o := range m.Values {
		label := "        "
		if i == 0 {
			label = "  values"
		}
		t, _ := protocol.Lookup(o.Code)
		value := o.Text
		if o.Kind == protocol.KindNumeric {
			value = strings.TrimSpace(o.Value.String() + " " + string(o.Unit))
		}
		fmt.Fprintf(w, "%s  %s %s\n", label, t.Label, value)
	}
	if len(m.Also) > 0 {
		fmt.Fprintf(w, "  fits too: %s\n", strings.Join(m.Also, ", "))
	}
	if m.Driver.Experimental {
		fmt.Fprintln(w, "  This driver is experimental: hold its values against the device's display.")
	}
}

// showConfig prints what belongs in the configuration.
func showConfig(w io.Writer, address string, info port.Info, m *probe.Match) {
	if info.Path != "" {
		address = info.Address()
	}
	fmt.Fprintf(w, "\n  - id: %s-1\n    driver: %s\n    port: %q\n", path.Base(m.Driver.Name), m.Driver.Name, address)
	if l := m.Line; l.Baud > 0 && l != m.Driver.Line {
		fmt.Fprintf(w, "    line: {%s}\n", lineYAML(m))
	}
}

// lineYAML is what differs from the driver's line.
func lineYAML(m *probe.Match) string {
	var keys []string
	l, d := m.Line, m.Driver.Line
	if l.Baud != d.Baud {
		keys = append(keys, fmt.Sprintf("baud: %d", l.Baud))
	}
	if bits := bitsOf(l.DataBits, 8); bits != bitsOf(d.DataBits, 8) {
		keys = append(keys, fmt.Sprintf("data_bits: %d", bits))
	}
	if l.Parity != d.Parity {
		keys = append(keys, "parity: "+[]string{"none", "odd", "even", "mark", "space"}[l.Parity])
	}
	if stop := bitsOf(l.StopBits, 1); stop != bitsOf(d.StopBits, 1) {
		keys = append(keys, fmt.Sprintf("stop_bits: %d", stop))
	}
	return strings.Join(keys, ", ")
}

func bitsOf(n, usual int) int {
	if n == 0 {
		return usual
	}
	return n
}
