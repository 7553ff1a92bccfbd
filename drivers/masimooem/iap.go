package masimooem

import (
	"encoding/binary"
	"fmt"
	"time"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// A frame of the data port: sheet, section "IAP". Longer ones, with a length of
// three bytes, hold nothing that is read.
const (
	iapStart = 0xC3
	iapEnd   = 0xC6
	maxLen   = 250
	overhead = 4
)

// Requests and answers.
const (
	codeAck       = 0x01
	codeNak       = 0x02
	codeRevision  = 0x10
	codeKeepAlive = 0x11
	codeGroup     = 0x20 // data group
	codePeriodic  = 0x21
	codeWave      = 0x35
	codeOff       = 0x60
	codeWaveData  = 0xE0
)

// All that is ever sent.
var (
	keepAlive   = appendFrame(nil, codeKeepAlive)
	askRevision = appendFrame(nil, codeRevision)
)

const (
	aliveEvery    = 2 * time.Second
	revisionEvery = 10 * time.Second
)

// A group is a data group with a number. It is asked for at the start, and
// again when it has not come for a while: a port that was switched on after
// the box has heard nothing of it.
type group struct {
	id        byte
	code      protocol.Code
	unit      protocol.Unit
	dimension uint16 // MDC code of the unit
	again     time.Duration
}

var groups = [...]group{
	{0x0A, protocol.SpO2, "%", 544, 5 * time.Second},
	{0x10, haemoglobin, "g/dL", 2112, time.Minute}, // an option that few have
}

func appendFrame(b []byte, payload ...byte) []byte {
	b = append(b, iapStart, byte(len(payload)))
	b = append(b, payload...)
	return append(b, checksum.Sum8(payload), iapEnd)
}

// A port is the decoder of the data port, and asks it.
type port struct {
	core
	told struct{ model, revision string }

	nextAlive, nextRevision time.Duration
	nextGroup               [len(groups)]time.Duration
	heard                   [len(groups)]bool // since the last look
	shown                   [len(groups)]bool // a number was emitted last
}

func newPort() *port {
	d := &port{}
	d.framer = framer.Framer{Max: maxLen + overhead, Frame: d.frame}
	return d
}

// Ask implements drivers.Asker.
func (d *port) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if now >= d.nextAlive {
		b, d.nextAlive = append(b, keepAlive...), now+aliveEvery
	}
	if d.told.revision == "" && now >= d.nextRevision {
		b, d.nextRevision = append(b, askRevision...), now+revisionEvery
	}
	for i, g := range groups {
		if now < d.nextGroup[i] {
			continue
		}
		if d.nextGroup[i] = now + g.again; !d.heard[i] {
			b = appendFrame(b, codePeriodic, g.id, 1)
		}
		d.heard[i] = false
	}
	return b, d.nextAlive - now // the others are looked at then too
}

func (d *port) frame(b []byte) int {
	if b[0] != iapStart {
		return framer.Skip
	}
	if len(b) < 2 {
		return framer.More
	}
	n := int(b[1]) + overhead
	switch {
	case b[1] == 0 || b[1] > maxLen:
		return framer.Skip
	case len(b) < n:
		return framer.More
	case b[n-1] != iapEnd:
		return framer.Skip
	}
	payload := b[2 : n-2]
	if checksum.Sum8(payload) != b[n-2] {
		return framer.BadSum
	}
	if !known(payload[0]) {
		return framer.Skip
	}
	d.take(payload)
	return n
}

// known tells whether the data port says that.
func known(code byte) bool {
	switch code {
	case codeAck, codeNak, codeRevision, codeGroup, codeWave, codeOff, codeWaveData:
		return true
	}
	return false
}

func (d *port) take(p []byte) {
	switch p[0] {
	case codeRevision:
		if s := fmt.Sprintf("IAP revision %X", p[1:]); len(p) == 3 && s != d.told.revision {
			d.told.revision = s
			d.word(protocol.IdentityFirmware, s)
		}
	case codeGroup:
		for i := range groups {
			if len(p) > 2 && p[1] == groups[i].id {
				d.group(i, p[2:])
			}
		}
	case codeOff:
		d.event(protocol.EventAlarm, protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Text: "the oximeter is switched off"})
		for i, g := range groups {
			if d.shown[i] { // it is not of now any more
				d.shown[i] = false
				d.number(g.code, g.unit, protocol.Decimal{}, protocol.QualityMissing)
			}
		}
	}
}

// Exceptions of a number.
const (
	lowSignal    = 1 << 0
	lowPerfusion = 1 << 1
	noValue      = 1 << 2
	startingUp   = 1 << 4
)

// group emits the number of a data group: value, divisor, exceptions, …, and at
// the end the code of the unit, which also tells the byte order.
func (d *port) group(i int, b []byte) {
	g := groups[i]
	const short, long = 22, 23 // with or without a byte that says how SpHb is rounded
	if len(b) != short && len(b) != long {
		return
	}
	var order binary.ByteOrder = binary.BigEndian
	if unit := b[len(b)-2:]; order.Uint16(unit) != g.dimension {
		if order = binary.LittleEndian; order.Uint16(unit) != g.dimension {
			d.number(g.code, g.unit, protocol.Decimal{}, protocol.QualityUnknown) // in another unit
			d.heard[i], d.shown[i] = true, false
			return
		}
	}
	if d.told.model == "" {
		d.told.model = "Masimo oximeter, IAP"
		d.word(protocol.IdentityModel, d.told.model)
	}
	v, ok := quotient(int32(order.Uint32(b)), order.Uint16(b[4:]))
	exc := order.Uint16(b[6:])
	q := protocol.QualityGood
	switch {
	case exc&startingUp != 0:
		q = protocol.QualityCalibrating
	case exc&noValue != 0:
		q = protocol.QualityMissing
	case !ok || exc&^(lowSignal|lowPerfusion) != 0:
		q, v = protocol.QualityUnknown, protocol.Decimal{}
	case exc != 0:
		q = protocol.QualityQuestionable
	}
	d.heard[i], d.shown[i] = true, q.HasNumber()
	d.number(g.code, g.unit, v, q)
}

// quotient is value/divisor, if that is exact in the digits the port gives.
func quotient(value int32, divisor uint16) (protocol.Decimal, bool) {
	e := int8(0)
	for ; divisor > 1 && divisor%10 == 0; divisor /= 10 {
		e--
	}
	return protocol.Dec(int64(value), e), divisor == 1 && value >= 0
}
