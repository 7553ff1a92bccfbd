package glucose

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// CodeFree is for the SD CodeFree, which gives no clock: the age of what it
// holds is not known, and nothing of it is ever shown as of now.
var CodeFree = drivers.Driver{
	Name:         "codefree",
	Title:        "SD Biosensor CodeFree",
	Models:       []string{"SD CodeFree"},
	Sheet:        sheet,
	Experimental: true, // control tests cannot be told from a patient's
	Line:         drivers.Line{Baud: 38400},
	Asks:         true,
	Checked:      true,
	Silence:      24 * time.Hour, // it speaks when it is switched on
	Codes:        []protocol.Code{protocol.Glucose, protocol.IdentityModel},
	NewDecoder:   func() drivers.Decoder { return makeCodeFree() },
	Run:          converse(makeCodeFree),
	Simulate:     simulateCodeFree,
}

// All that is ever sent, each once and only as the answer to a packet: any other
// command freezes the meter until it is switched off.
const (
	codeFreeReady = "\x53\x10\x04\x10\x40\x50\xAA" // "here I am"
	codeFreeFetch = "\x53\x10\x04\x10\x60\x70\xAA" // the next record; after the last one the end
)

const (
	codeFreeHead    = 3 // 53, direction, length of what follows
	codeFreeMax     = codeFreeHead + 0x20
	codeFreePatient = 3 * time.Second // with a meter that says nothing in the middle
)

type codeFree struct {
	core
	want, got int  // records
	session   bool // it has called, and may be answered
	reply     []byte
	waiting   bool
	due       time.Duration
	broken    bool // it fell silent in the middle
}

func makeCodeFree() *codeFree {
	d := &codeFree{}
	d.code = protocol.Glucose
	d.framer = framer.Framer{Max: codeFreeMax, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder. What was read until the meter fell silent
// is told, for each record stands for itself.
func (d *codeFree) Decode(p []byte, emit drivers.Emit) {
	d.core.Decode(p, emit)
	if d.broken {
		d.broken, d.emit = false, emit
		d.flush()
		d.emit = nil
	}
}

// frame handles 53, 20 (from the meter), length, message, XOR of it, AA.
func (d *codeFree) frame(b []byte) int {
	for i, want := range []byte{0x53, 0x20} {
		if len(b) > i && b[i] != want {
			return framer.Skip
		}
	}
	if len(b) < codeFreeHead {
		return framer.More
	}
	n := codeFreeHead + int(b[2])
	switch {
	case b[2] < 4 || n > codeFreeMax:
		return framer.Skip
	case len(b) < n:
		return framer.More
	case b[n-1] != 0xAA:
		return framer.Skip
	}
	message := b[codeFreeHead : n-2]
	if checksum.Xor8(message) != b[n-2] {
		return framer.BadSum
	}
	if !d.say(message) {
		return framer.Skip
	}
	return n
}

func (d *codeFree) say(m []byte) bool {
	switch {
	case string(m) == "\x10\x30": // switched on
		d.flush()
		d.session, d.want, d.got, d.newest = true, 0, 0, 0
		d.identify(protocol.IdentityModel, &d.model, "SD CodeFree")
		d.answer(codeFreeReady)
	case string(m) == "\x10\x70": // the end
		d.flush()
		d.session = false
	case m[0] == 0x30 && len(m) >= 3 && len(bytes.Trim(m[3:], "\xAA")) == 0:
		d.want, d.got = int(binary.BigEndian.Uint16(m[1:])), 0
		d.answer(codeFreeFetch)
	case len(m) >= 10:
		d.record(m)
	default:
		return false
	}
	return true
}

// answer puts an answer in line.
func (d *codeFree) answer(request string) {
	if d.session && len(d.reply) == 0 {
		d.reply = append(d.reply, request...)
	}
}

// record reads two bytes, year, month, day, hour, minute, value, meal; the newest
// record comes first.
func (d *codeFree) record(m []byte) {
	at, ok := civil(2000+int(m[2]), int(m[3]), int(m[4]), int(m[5]), int(m[6]))
	if !ok { // its clock was never set
		at = 0
	}
	if d.got++; d.got == 1 {
		d.newest = at
	}
	if meal := m[9]; meal == 0 || meal == 0x10 || meal == 0x20 { // no meal, before, after; else nobody knows what it is
		v := int(binary.BigEndian.Uint16(m[7:]))
		d.add(reading{at, protocol.Int(int64(v)), within(v, 10, 600)})
	}
	if d.got == d.want {
		d.flush()
	}
	if d.got <= d.want { // after the last one, too
		d.answer(codeFreeFetch)
	}
}

// civil is a time of a meter's clock, if there is such a day.
func civil(year, month, day, hour, minute int) (int64, bool) {
	t := time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.UTC)
	return t.Unix(), int(t.Month()) == month && t.Day() == day && t.Hour() == hour && t.Minute() == minute
}

// Ask implements drivers.Asker: it only answers, and nothing twice.
func (d *codeFree) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	switch {
	case len(d.reply) > 0:
		b = append(b, d.reply...)
		d.reply, d.waiting, d.due = d.reply[:0], true, now+codeFreePatient
	case !d.session:
		d.waiting = false
	case d.waiting && now >= d.due:
		d.waiting, d.session, d.broken = false, false, true
		return b, time.Millisecond // what there is is told by Decode
	}
	if d.waiting {
		return b, d.due - now
	}
	return b, every
}

// simulateCodeFree plays a meter that is plugged in and switched on after each
// measurement. It freezes at a command that it does not await.
func simulateCodeFree(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	m := &meter{patient: patient}
	packet := func(b []byte, message ...byte) []byte {
		b = append(b, 0x53, 0x20, byte(len(message)+2))
		return append(append(b, message...), checksum.Xor8(message), 0xAA)
	}
	var heard []byte
	next := -1 // record to be fetched; -1 awaits the first answer, -2 nothing
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{m.part(), {Every: measureEvery, First: 2 * time.Second, Append: func(b []byte, _ time.Time) []byte {
			next, heard = -1, heard[:0]
			return packet(append(b, 0), 0x10, 0x30)
		}}},
		Answer: func(b, p []byte, _ time.Time) []byte {
			for heard = append(heard, p...); len(heard) >= len(codeFreeFetch); heard = heard[len(codeFreeFetch):] {
				switch command := string(heard[:len(codeFreeFetch)]); {
				case command == codeFreeReady && next == -1:
					n := len(m.memory)
					next = 0
					b = packet(b, append([]byte{0x30, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{0xAA}, 19)...)...)
				case command == codeFreeFetch && next >= 0 && next < len(m.memory):
					r := m.memory[len(m.memory)-1-next]
					next++
					b = packet(b, 0x13, 0, byte(r.at.Year()-2000), byte(r.at.Month()), byte(r.at.Day()), byte(r.at.Hour()), byte(r.at.Minute()),
						byte(r.value>>8), byte(r.value), 0x10, 0, 0, 0, 0, 0, 0, 0)
				case command == codeFreeFetch && next == len(m.memory):
					next = -2
					b = packet(b, 0x10, 0x70)
				default:
					next = -2
				}
			}
			return b
		},
	})
}
