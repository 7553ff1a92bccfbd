package glucose

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// UltraEasy is for the OneTouch Ultra Easy, called Ultra Mini in some countries.
var UltraEasy = drivers.Driver{
	Name:       "onetouch-ultraeasy",
	Title:      "LifeScan OneTouch Ultra Easy",
	Models:     []string{"OneTouch Ultra Easy", "OneTouch Ultra Mini"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 9600},
	Asks:       true,
	Checked:    true,
	Silence:    24 * time.Hour,
	Codes:      codes,
	NewDecoder: func() drivers.Decoder { return makeOneTouch(&ultraEasy) },
	Run:        converse(func() *oneTouch { return makeOneTouch(&ultraEasy) }),
	Simulate:   simulateOneTouch(&ultraEasy),
}

// Verio is for the OneTouch Verio IQ.
var Verio = drivers.Driver{
	Name:       "onetouch-verio",
	Title:      "LifeScan OneTouch Verio IQ",
	Models:     []string{"OneTouch Verio IQ"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 38400},
	Asks:       true,
	Checked:    true,
	Silence:    24 * time.Hour,
	Codes:      codes,
	USB:        []string{"10C4:85A7"},
	NewDecoder: func() drivers.Decoder { return makeOneTouch(&verio) },
	Run:        converse(func() *oneTouch { return makeOneTouch(&verio) }),
	Simulate:   simulateOneTouch(&verio),
}

// A dialect is what differs between the models.
type dialect struct {
	model  string
	prefix byte
	linked bool  // with link control: counters and acknowledgements
	epoch  int64 // of its times, in Unix seconds
	start  [][]byte
	record []byte // + number, low byte first
	many   byte   // first status byte of a count: 06 is success, 0F "no such record"
	size   int    // of a record
}

// The questions. Each reads.
var (
	ultraEasy = dialect{
		model: "LifeScan OneTouch Ultra Easy", prefix: 0x05, linked: true,
		start: [][]byte{
			{}, // disconnect: both counters are 0
			{0x05, 0x0B, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0},
			{0x05, 0x20, 0x02, 0, 0, 0, 0},
			{0x05, 0x1F, 0xF5, 0x01}, // record 501: how many there are
		},
		record: []byte{0x05, 0x1F}, many: 0x0F, size: 8,
	}
	verio = dialect{
		model: "LifeScan OneTouch Verio IQ", prefix: 0x03, epoch: 946684800,
		start:  [][]byte{{0x03, 0x0B, 0x01, 0x02}, {0x03, 0x20, 0x02}, {0x03, 0x27, 0x00}},
		record: []byte{0x03, 0x21}, many: 0x06, size: 10,
	}
)

// Bits of link control.
const (
	linkS          = 0x01
	linkE          = 0x02
	linkAck        = 0x04
	linkDisconnect = 0x08
)

type oneTouch struct {
	core
	script
	*dialect
	link      byte // S and E of what is sent next
	lastLink  byte // S of the last answer
	last      []byte
	reply     []byte
	want, got int
}

func makeOneTouch(of *dialect) *oneTouch {
	d := &oneTouch{dialect: of}
	d.code = protocol.Glucose
	d.framer = framer.Framer{Max: 64, Frame: d.frame}
	return d
}

func appendPacket(b []byte, link byte, message []byte) []byte {
	n := len(b)
	b = append(b, stx, byte(len(message)+6), link)
	b = append(append(b, message...), etx)
	return binary.LittleEndian.AppendUint16(b, checksum.CRC16CCITTFalse(b[n:]))
}

func (d *oneTouch) frame(b []byte) int {
	switch {
	case b[0] != stx:
		return framer.Skip
	case len(b) < 2:
		return framer.More
	case b[1] < 6 || b[1] > 64:
		return framer.Skip
	case len(b) < int(b[1]):
		return framer.More
	}
	b = b[:b[1]]
	n := len(b)
	if b[n-3] != etx {
		return framer.Skip
	}
	if checksum.CRC16CCITTFalse(b[:n-2]) != binary.LittleEndian.Uint16(b[n-2:]) {
		return framer.BadSum
	}
	d.progress = true
	d.packet(b[2], b[3:n-3])
	return n
}

func (d *oneTouch) packet(link byte, message []byte) {
	switch {
	case !d.linked:
	case link&linkDisconnect != 0:
		d.link, d.answered = 0, d.step == 0
		d.last = d.last[:0]
		return
	case link&linkAck != 0:
		d.link ^= linkS
		return
	case link&linkS == d.lastLink && bytes.Equal(message, d.last): // our acknowledgement was lost
		d.acknowledge()
		return
	default:
		d.lastLink, d.last = link&linkS, append(d.last[:0], message...)
		d.link ^= linkE
		d.acknowledge()
	}
	if len(message) > 2 && (message[0] == d.prefix || message[0] == d.prefix+1) {
		d.answer(message[1], message[2:])
	}
}

func (d *oneTouch) acknowledge() {
	if len(d.reply) < 8 {
		d.reply = appendPacket(d.reply, linkAck|d.link, nil)
	}
}

// answer handles an answer; what it is shows its length.
func (d *oneTouch) answer(status byte, data []byte) {
	switch {
	case status == d.many && len(data) == 2:
		d.drop()
		d.want, d.got, d.answered = int(binary.LittleEndian.Uint16(data)), 0, true
	case status != 0x06:
	case len(data) == 4:
		d.clock, d.answered = d.time(data), true
	case len(data) >= 9 && len(bytes.Trim(data[:9], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")) == 0:
		d.identify(protocol.IdentityModel, &d.store.model, d.dialect.model)
		d.identify(protocol.IdentitySerial, &d.serial, strings.TrimRight(string(data), "\x00"))
		d.answered = true
	case len(data) == d.size:
		d.take(data)
	}
}

func (d *oneTouch) time(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) + d.epoch }

// take handles a record: time, value, and in a Verio control and meal.
func (d *oneTouch) take(b []byte) {
	d.got++
	d.answered = true
	v, control := int(binary.LittleEndian.Uint16(b[4:])), false
	if d.size == 10 {
		control = b[6] != 0
	} else if b[6]|b[7] != 0 {
		v = 0xFFFF
	}
	if !control {
		d.add(reading{d.time(b), protocol.Int(int64(v)), within(v, 20, 600)})
	}
	if d.got == d.want {
		d.flush()
	}
}

// Ask implements drivers.Asker: it acknowledges, and asks from the beginning
// after a question without an answer.
func (d *oneTouch) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	b = append(b, d.reply...)
	d.reply = d.reply[:0]
	return d.ask(b, now, time.Second, func(b []byte, step int) []byte {
		if d.tries > 0 {
			d.step, step = 0, 0
		}
		switch record := step - len(d.start); {
		case step == 0 && d.linked:
			d.link = 0
			return appendPacket(b, linkDisconnect, nil)
		case record < 0:
			return appendPacket(b, d.link, d.start[step])
		case record < d.want:
			return appendPacket(b, d.link, binary.LittleEndian.AppendUint16(append([]byte(nil), d.record...), uint16(record)))
		}
		return b
	})
}

// simulateOneTouch plays a meter that is plugged in.
func simulateOneTouch(of *dialect) func(context.Context, drivers.Port, drivers.Patient) error {
	return func(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
		m := &meter{patient: patient}
		link := byte(0)
		seconds := func(t time.Time) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(t.Unix()-of.epoch)) }
		good := func(data ...[]byte) []byte { return append([]byte{of.prefix, 0x06}, bytes.Join(data, nil)...) }
		answer := func(message []byte, at time.Time) []byte {
			switch {
			case bytes.Equal(message, of.start[len(of.start)-1]):
				n := binary.LittleEndian.AppendUint16(nil, uint16(len(m.memory)))
				return append([]byte{of.prefix, of.many}, n...)
			case bytes.HasPrefix(message, of.record) && len(message) == 4:
				i := int(binary.LittleEndian.Uint16(message[2:]))
				if i >= len(m.memory) {
					return []byte{of.prefix, 0x07}
				}
				r := m.memory[len(m.memory)-1-i]
				value := binary.LittleEndian.AppendUint32(nil, uint32(r.value))
				return good(seconds(r.at), append(value, make([]byte, of.size-8)...))
			case len(message) > 2 && message[1] == 0x20:
				return good(seconds(at))
			}
			return good([]byte("ABC1234XY"), make([]byte, 1-int(of.prefix>>2&1)))
		}
		var out []byte
		var now time.Time
		heard := framer.Framer{Max: 255, Frame: func(b []byte) int {
			switch {
			case b[0] != stx || len(b) > 1 && b[1] < 6:
				return framer.Skip
			case len(b) < 2 || len(b) < int(b[1]):
				return framer.More
			}
			n := int(b[1])
			if checksum.CRC16CCITTFalse(b[:n-2]) != binary.LittleEndian.Uint16(b[n-2:]) {
				return framer.BadSum
			}
			switch {
			case b[2]&linkDisconnect != 0:
				link = 0
				out = appendPacket(out, linkDisconnect|linkAck, nil)
			case b[2]&linkAck != 0:
				link ^= linkS
			default:
				if of.linked {
					link ^= linkE
					out = appendPacket(out, linkAck|link, nil)
				}
				out = appendPacket(out, link, answer(b[3:n-3], now))
			}
			return n
		}}
		return play.Run(ctx, wire, play.Device{
			Parts: []play.Part{m.part()},
			Answer: func(b, p []byte, at time.Time) []byte {
				out, now = b, at
				heard.Feed(p)
				return out
			},
		})
	}
}
