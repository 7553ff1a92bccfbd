package probe

import (
	"slices"
	"strings"

	"monitorme/drivers"
)

// usual is the order of lines after the first: what devices at beds use most.
var usual = []drivers.Line{{Baud: 115200}, {Baud: 19200}, {Baud: 57600}, {Baud: 38400}, {Baud: 4800}}

// plan is the lines to listen at, each once: the first, the one that was right
// here before, those of drivers that the USB ids hint at, the usual ones as far
// as a driver uses them, all others.
func plan(cfg Config) []drivers.Line {
	used := map[drivers.Line]bool{}
	var all, hints []drivers.Line
	for _, d := range cfg.Drivers {
		for _, l := range append([]drivers.Line{d.Line}, d.Alternates...) {
			if l.Baud == 0 { // it is at a socket
				continue
			}
			if l = hearing(l); !used[l] {
				used[l] = true
				all = append(all, l)
			}
			if hinted(d, cfg.USB) {
				hints = append(hints, l)
			}
		}
	}
	lines := []drivers.Line{FirstLine}
	add := func(l drivers.Line) {
		if !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	if cfg.Likely.Line.Baud > 0 {
		add(hearing(cfg.Likely.Line))
	}
	for _, l := range hints {
		add(l)
	}
	for _, l := range usual {
		if used[l] {
			add(l)
		}
	}
	for _, l := range all {
		add(l)
	}
	return lines
}

// hearing is the line at which one hears a device of line l: a second stop bit
// and a parity bit that is always one look like a longer pause, and DTR and RTS
// stay high, as opening leaves them.
func hearing(l drivers.Line) drivers.Line {
	h := drivers.Line{Baud: l.Baud, Parity: l.Parity}
	if l.DataBits != 8 {
		h.DataBits = l.DataBits
	}
	if l.Parity == drivers.ParityMark {
		h.Parity = drivers.ParityNone
	}
	return h
}

// lineOf is the line of the driver's family that fits what was heard.
func lineOf(d drivers.Driver, h Heard) drivers.Line {
	if !h.Known || h.Asked != "" {
		return d.Line
	}
	for _, l := range append([]drivers.Line{d.Line}, d.Alternates...) {
		if hearing(l) == hearing(h.Line) {
			return l
		}
	}
	return h.Line
}

// hinted tells whether the ids of the adapter are those of the driver's devices.
func hinted(d drivers.Driver, usb string) bool {
	return usb != "" && slices.ContainsFunc(d.USB, func(id string) bool {
		return strings.EqualFold(id, usb) || len(id) == 4 && len(usb) > 4 && strings.EqualFold(id+":", usb[:5])
	})
}

// byHint is the drivers in the order of asking: the one that was here before,
// those that the USB ids hint at, the others.
func byHint(cfg Config) []drivers.Driver {
	rank := func(d drivers.Driver) int {
		switch {
		case d.Name == cfg.Likely.Driver:
			return 0
		case hinted(d, cfg.USB):
			return 1
		}
		return 2
	}
	list := slices.Clone(cfg.Drivers)
	slices.SortStableFunc(list, func(a, b drivers.Driver) int { return rank(a) - rank(b) })
	return list
}
