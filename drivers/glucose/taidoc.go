package glucose

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// TaiDoc is for TD-42xx meters with a true serial cable; their own USB socket is
// HID, and no serial line.
var TaiDoc = drivers.Driver{
	Name:       "taidoc",
	Title:      "TaiDoc TD-42xx glucose meters",
	Models:     []string{"TD-4277", "TD-4235B", "GlucoRx Nexus", "GlucoRx NexusQ", "GlucoMen Nexus", "GlucoCheck XL"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 19200},
	Asks:       true,
	Checked:    true,
	Silence:    24 * time.Hour,
	Codes:      []protocol.Code{protocol.Glucose, protocol.IdentityModel},
	NewDecoder: func() drivers.Decoder { return makeTaiDoc() },
	Run:        converse(makeTaiDoc),
	Simulate:   simulateTaiDoc,
}

// The commands that are sent: each reads. 33 would set the clock, 52 clear the
// memory.
const (
	taiConnect    = 0x22
	taiClock      = 0x23
	taiModel      = 0x24
	taiTime       = 0x25
	taiValue      = 0x26
	taiCount      = 0x2B
	taiConnected  = 0x54 // one of three answers to connect
	taiPacket     = 8
	taiFromHost   = 0xA3
	taiFromMeter  = 0xA5
	taiGlucometer = 0x42 // first two digits of the model: others measure something else
)

var taiStart = []byte{taiConnect, taiModel, taiClock, taiCount}

type taiDoc struct {
	core
	script
	asked     byte
	want, got int
	done      bool // with this read-out
	glucose   bool // it is a glucose meter
	at        int64
	timed     bool  // at is that of the record whose value comes next
	last      int64 // time of the record before
	falling   bool  // so far each record was older than the one before
}

func makeTaiDoc() *taiDoc {
	d := &taiDoc{}
	d.code = protocol.Glucose
	d.framer = framer.Framer{Max: taiPacket, Frame: d.frame}
	return d
}

func appendTaiDoc(b []byte, command byte, data [4]byte, direction byte) []byte {
	n := len(b)
	b = append(append(b, 0x51, command), data[:]...)
	b = append(b, direction)
	return append(b, checksum.Sum8(b[n:]))
}

// frame handles 51, command, four bytes, A5 (from the meter), sum.
func (d *taiDoc) frame(b []byte) int {
	if b[0] != 0x51 {
		return framer.Skip
	}
	if len(b) > 1 {
		switch b[1] {
		case taiConnect, taiClock, taiModel, taiTime, taiValue, taiCount, taiConnected:
		default:
			return framer.Skip
		}
	}
	switch {
	case len(b) < taiPacket:
		return framer.More
	case b[6] != taiFromMeter:
		return framer.Skip
	case checksum.Sum8(b[:taiPacket-1]) != b[taiPacket-1]:
		return framer.BadSum
	}
	command := b[1]
	d.answered = d.answered || command == d.asked || d.asked == taiConnect && (command == taiModel || command == taiConnected)
	d.say(command, b[2:6])
	return taiPacket
}

func (d *taiDoc) say(command byte, data []byte) {
	switch command {
	case taiModel:
		d.is(data)
	case taiClock:
		d.clock = taiDocTime(data)
	case taiCount:
		d.drop()
		d.want, d.got, d.timed, d.last, d.falling = int(binary.LittleEndian.Uint16(data)), 0, false, 0, true
		d.done = d.want == 0
	case taiTime:
		d.at, d.timed = taiDocTime(data), true
	case taiValue:
		if d.timed && !d.done && d.want > 0 {
			d.take(int(binary.LittleEndian.Uint16(data)), data[3])
		}
	}
}

// is reads the model, four digits. Meters of other things speak the same, and
// their records would be taken for glucose.
func (d *taiDoc) is(data []byte) {
	model := binary.LittleEndian.Uint16(data)
	if model == 0 { // an answer to connect
		return
	}
	d.glucose = model>>8 == taiGlucometer
	d.identify(protocol.IdentityModel, &d.model, fmt.Sprintf("TaiDoc TD-%04X", model))
}

// take handles the value of a record whose time has come: the newest comes first.
func (d *taiDoc) take(v int, meal byte) {
	d.timed = false
	if d.got++; d.got > 1 {
		d.falling = d.falling && d.at != 0 && d.at <= d.last
	}
	d.last = d.at
	if d.glucose && (meal == 0 || meal == 0x40 || meal == 0x80) { // none, before, after; else a control test or no glucose
		d.add(reading{d.at, protocol.Int(int64(v)), within(v, 20, 600)})
	}
	old := d.got > 1 && d.falling && d.clock != 0 && d.clock-d.at > int64(history/time.Second)
	if d.got == d.want || old { // what comes after it is older
		d.done = true
		d.flush()
	}
}

// taiDocTime reads year from 2000, month, day in 7, 4, 5 bits; minute; hour. 0 is
// no time.
func taiDocTime(b []byte) int64 {
	day := int(binary.LittleEndian.Uint16(b))
	at, ok := civil(2000+day>>9, day>>5&15, day&31, int(b[3]), int(b[2]))
	if !ok {
		return 0
	}
	return at
}

// Ask implements drivers.Asker. An answer does not say which record it is of: after a
// question without an answer all is read again.
func (d *taiDoc) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	return d.ask(b, now, time.Second, func(b []byte, step int) []byte {
		if d.tries > 0 {
			d.step, step = 0, 0
		}
		var data [4]byte
		record := step - len(taiStart)
		switch {
		case record < 0:
			d.asked = taiStart[step]
		case d.done || !d.glucose || record/2 >= d.want:
			d.asked = 0
			return b
		default:
			binary.LittleEndian.PutUint16(data[:], uint16(record/2))
			d.asked = taiTime + byte(record%2)
		}
		if d.asked == taiConnect {
			d.glucose, d.done, d.want = false, false, 0
		}
		return appendTaiDoc(b, d.asked, data, taiFromHost)
	})
}

// simulateTaiDoc plays a meter that is plugged in.
func simulateTaiDoc(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	m := &meter{patient: patient}
	var heard []byte
	clock := func(t time.Time) (data [4]byte) {
		binary.LittleEndian.PutUint16(data[:], uint16((t.Year()-2000)<<9|int(t.Month())<<5|t.Day()))
		data[2], data[3] = byte(t.Minute()), byte(t.Hour())
		return data
	}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{m.part()},
		Answer: func(b, p []byte, at time.Time) []byte {
			for heard = append(heard, p...); len(heard) >= taiPacket; heard = heard[taiPacket:] {
				command, i := heard[1], len(m.memory)-1-int(binary.LittleEndian.Uint16(heard[2:]))
				var data [4]byte
				switch {
				case command == taiModel:
					data = [4]byte{0x77, 0x42}
				case command == taiClock:
					data = clock(at.UTC())
				case command == taiCount:
					data[0] = byte(len(m.memory))
				case i < 0:
				case command == taiTime:
					data = clock(m.memory[i].at)
				case command == taiValue:
					binary.LittleEndian.PutUint16(data[:], uint16(m.memory[i].value))
					data[3] = 0x40
				}
				b = appendTaiDoc(b, command, data, taiFromMeter)
			}
			return b
		},
	})
}
