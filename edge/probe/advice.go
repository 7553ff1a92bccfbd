package probe

import (
	"fmt"
	"slices"
	"strings"
)

// Where names the line, as "9600 8N1".
func (h Heard) Where() string {
	if !h.Known {
		return "as it comes"
	}
	return h.Line.String()
}

// Silent tells that not one byte was heard.
func (r Report) Silent() bool {
	return !slices.ContainsFunc(r.Heard, func(h Heard) bool { return h.Bytes > 0 })
}

// Advice says, when there is no match, what was heard and what to do, without
// any byte of it.
func (r Report) Advice() string {
	var loud, near *Heard
	tried, lines := 0, map[string]bool{}
	for i := range r.Heard {
		h := &r.Heard[i]
		if !lines[h.Where()] && h.Asked == "" {
			lines[h.Where()] = true
			tried++
		}
		if h.Bytes > 0 && (loud == nil || h.Bytes > loud.Bytes) {
			loud = h
		}
		if h.Nearest != "" && (near == nil || h.Stats.Frames > near.Stats.Frames ||
			h.Stats.Frames == near.Stats.Frames && h.Stats.BadSums > near.Stats.BadSums) {
			near = h
		}
	}
	switch {
	case loud == nil && r.asked() != "":
		return fmt.Sprintf("silence at %d line settings, and no answer to the questions of %s: is the device on, the cable the right one (some need crossed wires) and the output switched on?", tried, r.asked())
	case loud == nil:
		return fmt.Sprintf("silence at %d line settings: is the device on, the cable the right one (some need crossed wires) and the output switched on? "+
			"A device that speaks only when asked is not found by listening: name its driver, or permit harmless questions", tried)
	case near != nil && near.Stats.Frames > 0 && 3*(near.Stats.Bytes-min(near.Stats.Skipped, near.Stats.Bytes)) >= near.Stats.Bytes: // more than chance
		return fmt.Sprintf("something like %s at %s, but too little of it: %d valid frames, %d damaged, in %d bytes: a bad cable, or a device that speaks seldom: if it is that one, name the driver",
			near.Nearest, near.Where(), near.Stats.Frames, near.Stats.BadSums, near.Bytes)
	case near != nil && near.Stats.BadSums >= 3 && near.Stats.BadSums*64 >= uint64(near.Bytes): // more than chance
		return fmt.Sprintf("something like %s at %s, but all of it damaged: %d frames in %d bytes whose checksum fails: a bad cable, a wrong speed, or another format",
			near.Nearest, near.Where(), near.Stats.BadSums, near.Bytes)
	}
	return fmt.Sprintf("bytes that no driver understands at %s, most at %s (%d in %s): is the device's output set to a format that has a driver? If so, record it and report it",
		plural(tried, "line setting"), loud.Where(), loud.Bytes, loud.Time.Round(100e6))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// asked are the drivers whose questions were put.
func (r Report) asked() string {
	var names []string
	for _, h := range r.Heard {
		if h.Asked != "" && (len(names) == 0 || names[len(names)-1] != h.Asked) {
			names = append(names, h.Asked)
		}
	}
	return strings.Join(names, ", ")
}
