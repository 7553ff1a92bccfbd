package nibp

import (
	"context"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/ledger"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// Beurer is for home monitors that are read out at their USB socket. They give
// no clock: the age of what they hold is not known, and nothing of it is ever
// shown as of now.
var Beurer = drivers.Driver{
	Name:         "nibp-beurer",
	Title:        "Beurer BM58, BM65 home blood pressure monitors",
	Models:       []string{"BM58", "BM65"},
	Sheet:        sheet,
	Experimental: true, // it does not tell which of its users was measured
	Line:         drivers.Line{Baud: 4800},
	Asks:         true,
	Silence:      24 * time.Hour, // it is plugged in when there is something to read
	Codes:        []protocol.Code{protocol.NIBPSystolic, protocol.NIBPDiastolic, rate},
	NewDecoder:   func() drivers.Decoder { return makeBeurer() },
	Run: func(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
		return drivers.Converse(func() drivers.Asker {
			d := makeBeurer()
			d.told = beurerTold.At(port)
			return d
		})(ctx, port, emit)
	},
	Simulate: simulateBeurer,
}

var beurerTold ledger.Ports[beurerRecord]

// The requests to a Beurer; each reads.
const (
	beurerHello = 0xAA // answer 55
	beurerRead  = 0xA3 // and the number of a record, from 1; answer AC and eight bytes, or A9

	beurerHere  = 0x55
	beurerIs    = 0xAC
	beurerNone  = 0xA9 // no such record
	beurerSize  = 9
	beurerLast  = 250 // record; such a monitor holds 60 for each of two users
	beurerTries = 3   // for an answer
	beurerReads = 6   // of one record, until two in a row are the same

	beurerWait   = time.Second
	beurerAbsent = 30 * time.Second
	beurerEvery  = 5 * time.Minute
	// beurerHistory is how much older than the newest a measurement may be.
	beurerHistory = 24 * time.Hour
)

// A beurerRecord is systolic and diastolic less 25, pulse, month, day, hour,
// minute, year from 2000.
type beurerRecord [beurerSize - 1]byte

// time is the monitor's, as if it were UTC, if there is such a day.
func (r beurerRecord) time() (time.Time, bool) {
	t := time.Date(2000+int(r[7]), time.Month(r[3]), int(r[4]), int(r[5]), int(r[6]), 0, 0, time.UTC)
	return t, int(t.Month()) == int(r[3]) && t.Day() == int(r[4]) && t.Hour() == int(r[5]) && t.Minute() == int(r[6]) && r[7] < 100
}

func (r beurerRecord) pressures() (sys, dia int) { return int(r[0]) + 25, int(r[1]) + 25 }

type beurer struct {
	core
	told *ledger.Ledger[beurerRecord]
	now  []beurerRecord // of this read-out
	once *beurerRecord  // a record that was read once: it has no checksum, and is read again

	here, heard, same, none bool // since the last Ask: an answer to hello; a record; it was the same again; there is none
	over                    bool // the read-out broke off
	step                    int  // 0 hello, then the record
	waiting                 bool
	tries, reads            int
	due                     time.Duration
}

func makeBeurer() *beurer {
	d := &beurer{told: &ledger.Ledger[beurerRecord]{}}
	d.framer = framer.Framer{Max: beurerSize, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder. What was read until the monitor fell silent
// is told.
func (d *beurer) Decode(p []byte, emit drivers.Emit) {
	d.core.Decode(p, emit)
	if d.over {
		d.over, d.emit = false, emit
		d.flush()
		d.emit = nil
	}
}

// frame reads a record. The answers of one byte prove nothing, and are no frames.
func (d *beurer) frame(b []byte) int {
	switch {
	case b[0] == beurerHere:
		d.here = true
		return framer.Skip
	case b[0] == beurerNone:
		d.none = true
		d.flush()
		return framer.Skip
	case b[0] != beurerIs:
		return framer.Skip
	case len(b) < beurerSize:
		return framer.More
	}
	r := beurerRecord(b[1:beurerSize])
	sys, dia := r.pressures()
	if _, ok := r.time(); !ok || sys <= dia {
		return framer.Skip
	}
	d.heard = true
	if d.once == nil || *d.once != r {
		d.once = &r
		return beurerSize
	}
	d.once, d.same = nil, true
	if len(d.now) < beurerLast {
		d.now = append(d.now, r)
	}
	return beurerSize
}

// flush ends a read-out: it emits what is new, the oldest first.
func (d *beurer) flush() {
	if len(d.now) == 0 {
		return
	}
	first, _ := d.now[0].time()
	newest, _ := d.now[len(d.now)-1].time()
	if first.After(newest) { // whichever way they are sorted
		newest = first
	}
	slices.SortStableFunc(d.now, func(a, b beurerRecord) int {
		x, _ := a.time()
		y, _ := b.time()
		return x.Compare(y)
	})
	for _, r := range d.now {
		at, _ := r.time()
		// What is so old was there before the monitor came to this bed.
		if newest.Sub(at) > beurerHistory || d.told.Has(r, 1) {
			continue
		}
		d.told.Keep(r, 1)
		sys, dia := r.pressures()
		d.recall(protocol.NIBPSystolic, "mm[Hg]", sys, at)
		d.recall(protocol.NIBPDiastolic, "mm[Hg]", dia, at)
		d.recall(rate, "/min", int(r[2]), at)
	}
	d.now = d.now[:0]
}

// recall emits a value out of the memory, of which nobody knows how old it is.
func (d *beurer) recall(code protocol.Code, unit protocol.Unit, v int, at time.Time) {
	d.emit(protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: protocol.QualityUnknown, Value: protocol.Int(int64(v)), DeviceTime: at})
}

// Ask implements drivers.Asker: each record is read until it was the same twice.
func (d *beurer) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if d.waiting {
		switch {
		case d.step > 0 && d.none:
			return b, d.rest(now, beurerEvery)
		case d.step == 0 && d.here, d.step > 0 && d.same:
			d.next(now)
		case d.step > 0 && d.heard:
			if d.reads++; d.reads >= beurerReads { // it is damaged each time
				d.next(now)
			}
			d.tries, d.due = 0, now
		}
	}
	d.here, d.heard, d.same, d.none = false, false, false, false
	switch {
	case now < d.due:
		return b, d.due - now
	case d.step > beurerLast:
		return b, d.rest(now, beurerEvery)
	case d.tries == beurerTries:
		return b, d.rest(now, beurerAbsent)
	}
	d.waiting, d.due = true, now+beurerWait
	d.tries++
	if d.step == 0 {
		return append(b, beurerHello), beurerWait
	}
	return append(b, beurerRead, byte(d.step)), beurerWait
}

// next goes on to the next question.
func (d *beurer) next(now time.Duration) {
	d.step, d.tries, d.reads, d.once, d.due = d.step+1, 0, 0, nil, now
}

// rest ends a read-out, and has Decode tell what there is.
func (d *beurer) rest(now, pause time.Duration) time.Duration {
	d.step, d.tries, d.reads, d.once, d.waiting = 0, 0, 0, nil, false
	d.here, d.heard, d.same, d.none = false, false, false, false
	d.due, d.over = now+pause, true
	return time.Millisecond
}

// simulateBeurer plays a monitor that is plugged in and measures every other
// minute.
func simulateBeurer(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var memory []beurerRecord
	measure := func(b []byte, at time.Time) []byte {
		if r, on := measured(patient, at); on {
			at = at.UTC()
			less := func(pressure int) byte { return byte(min(max(pressure-25, 0), 255)) }
			memory = append(memory, beurerRecord{less(r.sys), less(r.dia), byte(r.rate),
				byte(at.Month()), byte(at.Day()), byte(at.Hour()), byte(at.Minute()), byte(at.Year() - 2000)})
			memory = memory[max(0, len(memory)-60):]
		}
		return b
	}
	reading := false
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{{Every: 2 * time.Minute, First: time.Second, Append: measure}},
		Answer: func(b, p []byte, _ time.Time) []byte {
			for _, c := range p {
				switch {
				case reading && c >= 1 && int(c) <= len(memory):
					b = append(append(b, beurerIs), memory[c-1][:]...)
				case reading:
					b = append(b, beurerNone)
				case c == beurerHello:
					b = append(b, beurerHere)
				}
				reading = !reading && c == beurerRead
			}
			return b
		},
	})
}
