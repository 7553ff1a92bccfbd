package nibp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// The only requests to a SunTech module.
const (
	askCuff   = "\x3A\x79\x05\x00\x48" // read the cuff pressure
	askResult = "\x3A\x79\x03\x00\x4A" // read the last measurement
)

const (
	cuffReply   = 5
	resultReply = 24
	// inflated is the pressure above which a measurement goes on, in mmHg.
	inflated = 10
)

type sunTech struct {
	core
	memory
	measuring bool
	readNow   bool // a measurement has ended: read it

	heard   bool // since the last Ask
	next    time.Duration
	nextRes time.Duration // when the last measurement is read even so
}

func makeSunTech() *sunTech {
	d := &sunTech{}
	d.framer = framer.Framer{Max: resultReply, Frame: d.frame}
	return d
}

func (d *sunTech) frame(b []byte) int {
	switch {
	case b[0] != 0x3E:
		return framer.Skip
	case len(b) < 2:
		return framer.More
	case b[1] != cuffReply && b[1] != resultReply:
		return framer.Skip
	case len(b) < int(b[1]):
		return framer.More
	}
	b = b[:b[1]]
	if checksum.Sum8(b) != 0 {
		return framer.BadSum
	}
	d.heard = true
	if len(b) == cuffReply {
		d.cuff(int(binary.LittleEndian.Uint16(b[2:])))
	} else {
		d.result(b)
	}
	return len(b)
}

func (d *sunTech) cuff(pressure int) {
	switch {
	case pressure > inflated:
		if !d.measuring {
			d.measuring = true
			d.running()
		}
		d.number(cuff, "mm[Hg]", pressure, protocol.QualityGood, 0)
	case d.measuring:
		d.measuring, d.readNow, d.ended = false, true, true
		d.number(cuff, "mm[Hg]", 0, protocol.QualityMissing, 0)
	}
}

// result reads systolic, diastolic, beats, status, eight internal bytes, rate,
// a spare, mean, error, two spares.
func (d *sunTech) result(b []byte) {
	// The internal bytes and the status may change by themselves.
	q, isNew := d.judge(slices.Concat(b[2:7], b[16:17], b[18:21]))
	switch code := b[20]; {
	case !isNew:
		return
	case code != 0 && q == protocol.QualityUnknown: // of some time ago
		return
	case code != 0:
		d.failed(fmt.Sprintf("measurement failed, error %d", code))
		return
	}
	d.measurement(result{sys: int(binary.LittleEndian.Uint16(b[2:])), dia: int(binary.LittleEndian.Uint16(b[4:])),
		mean: int(binary.LittleEndian.Uint16(b[18:])), rate: int(b[16])}, q)
}

const (
	cuffEvery      = time.Second
	cuffWhile      = 200 * time.Millisecond // measuring
	resultAnyway   = 30 * time.Second
	answerWithin   = time.Second
	accutorrEvery  = 2 * time.Second
	nibscanEvery   = 20 * time.Second
	nibscanPatient = 3 * time.Second
)

// Ask implements drivers.Asker: one question at a time, the next after an
// answer or a second.
func (d *sunTech) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if d.heard {
		d.heard = false
		pause := cuffEvery
		if d.readNow {
			pause = 0
		} else if d.measuring {
			pause = cuffWhile
		}
		d.next = min(d.next, now+pause)
	}
	if now < d.next {
		return b, d.next - now
	}
	d.next = now + answerWithin
	if d.readNow || now >= d.nextRes && !d.measuring {
		d.readNow, d.nextRes = false, now+resultAnyway
		return append(b, askResult...), answerWithin
	}
	return append(b, askCuff...), answerWithin
}
