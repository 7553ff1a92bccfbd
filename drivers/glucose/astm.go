package glucose

import (
	"bytes"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// ASTM is for Contour meters with a serial cable and others that send E1394
// records in E1381 frames by themselves.
var ASTM = drivers.Driver{
	Name:       "glucose-astm",
	Title:      "Glucose meters with ASTM E1381/E1394, Bayer and Ascensia Contour",
	Models:     []string{"Contour 7150", "Contour 7160", "Contour 7220", "ASTM E1394 senders"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 9600},
	Alternates: []drivers.Line{{Baud: 19200}, {Baud: 4800}},
	Asks:       true,
	Checked:    true,
	Silence:    24 * time.Hour, // it speaks when there is a result
	Codes:      codes,
	USB:        []string{"1A79:6001"}, // the cable of the Contour
	NewDecoder: func() drivers.Decoder { return makeASTM() },
	Run:        converse(makeASTM),
	Simulate:   simulateASTM,
}

const (
	stx = 0x02
	etx = 0x03
	eot = 0x04
	enq = 0x05
	ack = 0x06
	nak = 0x15
	etb = 0x17

	maxText   = 240
	maxRecord = 4096
	// maxReplies bounds the answers that wait to be sent.
	maxReplies = 16
)

type astm struct {
	core
	number  byte   // of the last frame, 0 after ENQ
	text    []byte // of the last frame, which may come again
	record  []byte // begun, and not ended
	lost    bool   // the rest of a record whose beginning was lost
	session bool
	reply   []byte
	wake    time.Duration
	awake   bool // it was told to wake up at all
}

func makeASTM() *astm {
	d := &astm{}
	d.code = protocol.Glucose
	d.framer = framer.Framer{Max: 1 + 1 + maxText + 1 + 4, Frame: d.frame}
	return d
}

func (d *astm) frame(b []byte) int {
	switch b[0] {
	case enq: // bytes that mean much, and prove nothing: no frames
		d.begin()
		return framer.Skip
	case eot:
		d.end()
		return framer.Skip
	case stx:
	default:
		return framer.Skip
	}
	if len(b) < 2 {
		return framer.More
	}
	if b[1] < '0' || b[1] > '7' {
		return framer.Skip
	}
	end := slices.IndexFunc(b[2:], func(c byte) bool { return c < ' ' && c != '\r' })
	if end < 0 {
		return framer.More
	}
	end += 2
	if b[end] != etb && b[end] != etx {
		return framer.Skip
	}
	n := end + 5
	for i, c := range b[end+1 : min(len(b), n)] {
		if i == 2 && c != '\r' || i == 3 && c != '\n' {
			return framer.Skip
		}
	}
	if len(b) < n {
		return framer.More
	}
	if sum := checksum.ASTM(b[1 : end+1]); sum != [2]byte{b[end+1], b[end+2]} {
		d.answer(nak)
		return framer.BadSum
	}
	d.answer(ack)
	d.take(b[1]-'0', b[2:end], b[end] == etx)
	return n
}

// answer puts an answer in line; a sender waits for each.
func (d *astm) answer(c byte) {
	if len(d.reply) < maxReplies {
		d.reply = append(d.reply, c)
	}
}

func (d *astm) begin() {
	d.end()
	d.number, d.session = 0, true
	d.text = d.text[:0]
	d.answer(ack)
}

// end is the end of a transmission.
func (d *astm) end() {
	d.session, d.lost = false, false
	d.record = d.record[:0]
	d.flush()
}

// take handles the text of a good frame.
func (d *astm) take(number byte, text []byte, last bool) {
	if number == d.number && bytes.Equal(text, d.text) {
		return // our acknowledgement was lost
	}
	if number != (d.number+1)&7 && len(d.record) > 0 {
		d.record, d.lost = d.record[:0], true
	}
	d.number, d.text = number, append(d.text[:0], text...)
	for len(text) > 0 {
		part, rest, ended := bytes.Cut(text, []byte{'\r'})
		text = rest
		if len(d.record)+len(part) > maxRecord {
			d.record, d.lost = d.record[:0], true
		}
		if !d.lost {
			d.record = append(d.record, part...)
		}
		if ended {
			d.finish()
		}
	}
	if last {
		d.finish()
	}
}

// finish handles a whole record.
func (d *astm) finish() {
	var f [32][]byte
	n := 0
	for field := range bytes.SplitSeq(d.record, []byte{'|'}) {
		if n < len(f) {
			f[n] = field
			n++
		}
	}
	if !d.lost {
		switch string(f[0]) {
		case "H":
			d.header(f[:n])
		case "R":
			d.result(f[:n])
		case "L":
			d.flush()
		}
	}
	d.record, d.lost = d.record[:0], false
}

// header reads product^version^serial and the meter's clock.
func (d *astm) header(f [][]byte) {
	d.clock = 0
	if at, ok := when(f); ok {
		d.clock = at
	}
	if len(f) < 5 {
		return
	}
	product := bytes.Split(f[4], []byte{'^'})
	d.identify(protocol.IdentityModel, &d.model, string(product[0]))
	if len(product) > 2 {
		d.identify(protocol.IdentityFirmware, &d.firmware, string(product[1]))
		d.identify(protocol.IdentitySerial, &d.serial, string(product[2]))
	}
}

// when finds the last field that is a date and time: YYYYMMDDHHMM[SS].
func when(f [][]byte) (at int64, ok bool) {
	for _, field := range slices.Backward(f) {
		layout := "20060102150405"
		if len(field) == 12 {
			layout = layout[:12]
		}
		if t, err := time.Parse(layout, string(field)); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// result reads R|seq|^^^Glucose|value|unit^method||markers||…time.
func (d *astm) result(f [][]byte) {
	if len(f) < 5 || !bytes.Contains(bytes.ToLower(f[2]), []byte("glucose")) {
		return
	}
	unit, _, _ := bytes.Cut(f[4], []byte{'^'})
	v, isNumber := framer.Number(f[3])
	r := reading{quality: protocol.QualityGood}
	if isNumber && v.Mantissa >= 0 {
		if r.value, isNumber = milligrams(v, protocol.Unit(unit)); !isNumber {
			return
		}
	}
	if len(f) > 6 {
		for marker := range bytes.SplitSeq(f[6], []byte{'/'}) {
			switch string(marker) {
			case "E": // a control test: no patient's
				return
			case "<":
				r.quality = protocol.QualityUnderflow
			case ">":
				r.quality = protocol.QualityOverflow
			case "T": // temperature out of range
				if r.quality == protocol.QualityGood {
					r.quality = protocol.QualityQuestionable
				}
			}
		}
	}
	if !r.value.Valid && r.quality.HasNumber() {
		return
	}
	r.at, _ = when(f[5:])
	d.add(r)
}

// Ask implements drivers.Asker: it answers each frame, and wakes a meter that
// is plugged in and silent with EOT, which asks for nothing.
func (d *astm) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	b = append(b, d.reply...)
	if len(d.reply) > 0 {
		d.wake, d.reply = now+every, d.reply[:0]
	} else if !d.awake || now >= d.wake {
		b = append(b, eot)
		d.awake, d.wake = true, now+every
	}
	return b, d.wake - now
}
