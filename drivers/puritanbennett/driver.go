// Package puritanbennett is the driver of Puritan Bennett 840 and 980
// ventilators at their DCI port: measured values, settings and alarm states,
// asked for every 2 s. docs/devices/puritanbennett.md describes it.
//
// It sends three commands, none of which changes anything at the ventilator:
// two ask for a record, one clears what the ventilator has heard so far.
package puritanbennett

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is for the DCI port.
var Driver = drivers.Driver{
	Name:       "puritanbennett",
	Title:      "Puritan Bennett 840 and 980 ventilators",
	Models:     []string{"840", "980"},
	Sheet:      "docs/devices/puritanbennett.md",
	Line:       drivers.Line{Baud: 9600},
	Alternates: []drivers.Line{{Baud: 38400}, {Baud: 19200}, {Baud: 4800}, {Baud: 2400}, {Baud: 1200}, {Baud: 9600, DataBits: 7, Parity: drivers.ParityEven}, {Baud: 9600, DataBits: 7, Parity: drivers.ParityOdd}},
	Asks:       true,
	Silence:    10 * time.Second,
	Codes:      codes(),
	NewDecoder: func() drivers.Decoder { return newDecoder() },
	Run:        drivers.Converse(func() drivers.Asker { return newDecoder() }),
	Simulate:   Device{}.Simulate,
}

// codes are what the tables name.
func codes() []protocol.Code {
	all := []protocol.Code{mode, ratio, protocol.IdentityModel, protocol.IdentitySerial}
	seen := map[protocol.Code]bool{}
	for _, table := range [][]number{numbersF, numbersA} {
		for _, n := range table {
			if !seen[n.code] {
				seen[n.code] = true
				all = append(all, n.code)
			}
		}
	}
	for _, table := range [][]alarm{alarmsF, alarmsA} {
		for _, a := range table {
			if !seen[a.code] {
				seen[a.code] = true
				all = append(all, a.code)
			}
		}
	}
	return all
}

// The commands: all that is ever written.
const (
	askF  = "SNDF\r" // for a record of 169 fields
	askA  = "SNDA\r" // for one of 97, which older software has
	reset = "RSET\r" // clears the ventilator's receive buffer
)

const (
	every      = 2 * time.Second
	patience   = 3 * time.Second // from the last byte: a record takes 10 s at 1200 baud
	afterReset = 200 * time.Millisecond
	tries      = 3  // without an answer before the other record is asked for
	oldEvery   = 30 // records of the older kind after which the newer one is tried again
)

// An asking is where the conversation stands.
type asking struct {
	waiting       bool
	asked, heard  time.Duration
	next          time.Duration
	frames, bytes uint64
	failed        int // requests without answer in a row
	old           int // answers of the older kind in a row
}

// Ask implements drivers.Asker: one request at a time.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	a, st := &d.asking, d.framer.Stats()
	if st.Bytes != a.bytes {
		a.bytes, a.heard = st.Bytes, now
	}
	if st.Frames != a.frames {
		a.frames, a.failed, a.waiting = st.Frames, 0, false
		a.next = max(now, a.asked+every)
		if a.old++; d.full {
			a.old = 0
		}
	}
	switch late := max(a.asked, a.heard) + patience; {
	case a.waiting && now < late:
		return b, late - now
	case a.waiting:
		a.waiting, a.next = false, now+afterReset
		a.failed++
		return append(b, reset...), afterReset
	case now < a.next:
		return b, a.next - now
	}
	a.waiting, a.asked, a.heard = true, now, now
	if old := a.old > 0 && a.old%oldEvery != 0 && a.failed == 0; old || a.failed/tries%2 == 1 {
		return append(b, askA...), patience
	}
	return append(b, askF...), patience
}
