// Package ivy450c is the driver of the Ivy Biomedical 450C bedside monitor at
// its AnsarB export: six of the eight vital signs, ECG, breathing and pleth
// waves. docs/devices/ivy450c.md describes it. Nothing is ever sent to the
// monitor.
package ivy450c

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is the driver.
var Driver = drivers.Driver{
	Name:       "ivy450c",
	Title:      "Ivy Biomedical 450C bedside monitor",
	Models:     []string{"450C"},
	Sheet:      "docs/devices/ivy450c.md",
	Line:       drivers.Line{Baud: 9600},
	Silence:    3 * time.Second, // three messages
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        drivers.Listen(newDecoder),
	Simulate:   Device{}.Simulate,
}

// codes are all that the decoder can emit, with their units.
var codes, unitOf = func() (all []protocol.Code, units map[protocol.Code]protocol.Unit) {
	units = map[protocol.Code]protocol.Unit{}
	add := func(c protocol.Code) {
		if _, ok := units[c]; !ok {
			t, _ := protocol.Lookup(c)
			units[c] = t.Unit
			all = append(all, c)
		}
	}
	for _, p := range parameters {
		for _, c := range p.codes {
			add(c)
		}
	}
	for _, w := range waves {
		if w.code != 0 {
			add(w.code)
		}
	}
	for _, l := range leads {
		add(l.code)
	}
	for _, c := range []protocol.Code{anyECG, protocol.PulseRate, protocol.EventAlarm} {
		add(c)
	}
	return all, units
}()
