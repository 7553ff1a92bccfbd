package masimooem

import (
	"encoding/binary"
	"fmt"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// A frame of the board: sheet, section "Board".
const (
	boardStart = 0x02
	boardEnd   = 0x03
	boardLen   = 14
)

// What the number of a frame is. The board goes through all of them in order,
// about once a second.
const (
	seqSpO2       = 0x00
	seqRate       = 0x01
	seqPerfusion  = 0x02
	seqExceptions = 0x07 // exceptions 2
	seqProduct    = 0x09
	seqDSP        = 0x0A
	seqMCU        = 0x0B
	seqFailure    = 0x3E // also the last one of a round

	numbers = seqPerfusion + 1
)

// Bits of exceptions 2; those below 0x1000 are the ones of EXC in the text
// output of Masimo's own oximeters.
const (
	excNoSensor     = 1 << 0
	excDefective    = 1 << 1
	excLowPerfusion = 1 << 2
	excSearch       = 1 << 3
	excInterference = 1 << 4
	excOffPatient   = 1 << 5
	excLight        = 1 << 6
	excUnrecognised = 1 << 7
	excLowSIQ       = 1 << 10
	excActive       = 1 << 11
	excNoCable      = 1 << 12
	excNoAdhesive   = 1 << 13
	excDemo         = 1 << 14

	excOff     = excNoSensor | excOffPatient | excNoCable | excNoAdhesive
	excProblem = excDefective | excUnrecognised
	excDoubt   = excLowPerfusion | excSearch | excInterference | excLight | excLowSIQ
)

// A measure is one of the first frames of a round.
type measure struct {
	code        protocol.Code
	unit        protocol.Unit
	exponent    int8
	least, most uint16 // what is taken for a number
	unsure      bool   // recorded, not shown
}

// measures are by SEQ. A board that said 97 for 97 % could not be told from one
// that says 9.7 %: such a number is not believed.
var measures = [numbers]measure{
	seqSpO2:      {code: protocol.SpO2, unit: "%", exponent: -1, least: 101, most: 1000},
	seqRate:      {code: protocol.PulseRate, unit: "/min", least: 1, most: 350},
	seqPerfusion: {code: protocol.PerfusionIndex, unit: "%", exponent: -3, least: 1, most: 20000, unsure: true},
}

type board struct {
	core
	last int // SEQ of the frame before
	raw  [numbers]uint16
	here [numbers]bool // raw has a number of this round that waits
	dsp  int           // firmware, -1 before it was said

	told struct {
		product, dsp, mcu    int
		off, problem, failed bool
	}
}

func newBoard() drivers.Decoder {
	d := &board{last: -2, dsp: -1}
	d.told.product, d.told.dsp, d.told.mcu = -1, -1, -1
	d.framer = framer.Framer{Max: boardLen, Frame: d.frame}
	return d
}

func (d *board) frame(b []byte) int {
	switch {
	case b[0] != boardStart, len(b) > 1 && b[1] > seqFailure:
		return framer.Skip
	case len(b) < boardLen:
		return framer.More
	case b[boardLen-1] != boardEnd:
		return framer.Skip
	case checksum.Sum8(b[1:boardLen-2]) != b[boardLen-2]:
		return framer.BadSum
	}
	d.take(int(b[1]), binary.BigEndian.Uint16(b[2:]))
	return boardLen
}

// take handles a frame. What its numbers are worth the board says later in the
// same round: they wait for it, and are worth nothing if a frame between is lost.
func (d *board) take(seq int, v uint16) {
	again := seq == d.last
	if seq != d.last+1 && (seq != 0 || d.last != seqFailure) {
		d.release(0, false)
	}
	d.last = seq
	d.failure(again && seq == seqFailure)
	switch seq {
	case seqSpO2, seqRate, seqPerfusion:
		d.raw[seq], d.here[seq] = v, true
	case seqExceptions:
		d.states(v)
		d.release(v, true)
	case seqProduct:
		if d.told.product != int(v) {
			d.told.product = int(v)
			d.word(protocol.IdentityModel, fmt.Sprintf("Masimo SET OEM board, product %04X", v))
		}
	case seqDSP:
		d.dsp = int(v)
	case seqMCU:
		if d.dsp >= 0 && (d.told.dsp != d.dsp || d.told.mcu != int(v)) {
			d.told.dsp, d.told.mcu = d.dsp, int(v)
			d.word(protocol.IdentityFirmware, fmt.Sprintf("DSP %04X, MCU %04X", d.dsp, v))
		}
	}
}

// release emits the numbers that wait, with the exceptions of their round.
func (d *board) release(exc uint16, known bool) {
	for i, m := range measures {
		if !d.here[i] {
			continue
		}
		d.here[i] = false
		q, v := protocol.QualityUnknown, protocol.Decimal{}
		if known {
			q = quality(exc, d.raw[i])
		}
		if q.HasNumber() || q == protocol.QualityDemo {
			if d.raw[i] < m.least || d.raw[i] > m.most {
				q = protocol.QualityUnknown
			} else if v = protocol.Dec(int64(d.raw[i]), m.exponent); q.HasNumber() && m.unsure {
				q = protocol.QualityUnknown
			}
		}
		d.number(m.code, m.unit, v, q)
	}
}

// quality is what a number is worth.
func quality(exc, raw uint16) protocol.Quality {
	switch {
	case exc&(excOff|excProblem) != 0: // whatever stands there
		return protocol.QualitySensorOff
	case raw == 0:
		return protocol.QualityMissing
	case exc&excDemo != 0:
		return protocol.QualityDemo
	case exc&excActive == 0: // it may be one of before
		return protocol.QualityUnknown
	case exc&excDoubt != 0:
		return protocol.QualityQuestionable
	}
	return protocol.QualityGood
}

// states emits what begins and ends.
func (d *board) states(exc uint16) {
	d.edge(&d.told.off, exc&excOff != 0, protocol.EventSensorOff, protocol.Event{Priority: protocol.PriorityLow, Source: protocol.SpO2, Text: "no sensor on the patient"})
	d.edge(&d.told.problem, exc&excProblem != 0, eventProblem, protocol.Event{Priority: protocol.PriorityLow, Source: protocol.SpO2, Text: "sensor defective or not recognised"})
}

// failure handles that the board repeats its failure code instead of its round.
func (d *board) failure(is bool) {
	was := d.told.failed
	d.edge(&d.told.failed, is, eventBoardBad, protocol.Event{Priority: protocol.PriorityHigh, Source: protocol.SpO2, Text: "the board reports a failure"})
	if !is || was {
		return
	}
	for _, m := range measures { // nothing comes any more: what was shown is taken back
		d.number(m.code, m.unit, protocol.Decimal{}, protocol.QualityMissing)
	}
}

func (d *board) edge(was *bool, is bool, code protocol.Code, e protocol.Event) {
	if *was == is {
		return
	}
	*was = is
	e.Phase = protocol.PhaseEnd
	if is {
		e.Phase = protocol.PhaseStart
	}
	d.event(code, e)
}
