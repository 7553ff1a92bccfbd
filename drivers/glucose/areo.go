package glucose

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// GlucoMen is for the GlucoMen Areo, which gives no clock: the age of what it
// holds is not known, and nothing of it is ever shown as of now.
var GlucoMen = drivers.Driver{
	Name:         "glucomen",
	Title:        "Menarini GlucoMen Areo",
	Models:       []string{"GlucoMen Areo"},
	Sheet:        sheet,
	Experimental: true, // how it marks control tests is not known
	Line:         drivers.Line{Baud: 9600, Parity: drivers.ParityOdd},
	Asks:         true,
	Silence:      24 * time.Hour,
	Codes:        codes,
	NewDecoder:   func() drivers.Decoder { return makeAreo() },
	Run:          converse(makeAreo),
	Simulate:     simulateAreo,
}

// The questions: what it is, and all readings. C2 A1 would set the clock.
var areoAsks = []string{"\xA2", "\x80"}

const (
	areoOpen  = "[\r\n"
	areoEmpty = "\x90\x3D" // instead of lines, when there is no reading
	areoLine  = 80
)

// The place in an answer: [, lines, sum, ].
type areoPlace uint8

const (
	areoOutside areoPlace = iota
	areoLines
	areoSummed
)

type areo struct {
	core
	script
	place areoPlace
	sum   byte
	empty bool      // so far nothing but the bracket
	names [2]string // serial number and version, until the sum was right
}

func makeAreo() *areo {
	d := &areo{}
	d.code = protocol.Glucose
	d.framer = framer.Framer{Max: areoLine, Frame: d.frame}
	return d
}

// frame handles a line that ends with CR LF.
func (d *areo) frame(b []byte) int {
	if d.place == areoOutside && b[0] != '[' {
		return framer.Skip
	}
	end := bytes.IndexByte(b, '\r')
	if end < 0 {
		end = len(b)
	}
	if !areoText(b[:end]) {
		return d.lose()
	}
	switch {
	case end >= len(b)-1 && len(b) < areoLine:
		return framer.More
	case end >= len(b)-1 || b[end+1] != '\n':
		return d.lose()
	}
	return d.line(b[:end], b[:end+2])
}

// areoText tells whether b may stand in a line.
func areoText(b []byte) bool {
	for i, c := range b {
		if (c < ' ' || c > '~') && (i > 0 || c != areoEmpty[0]) {
			return false
		}
	}
	return true
}

// lose gives up an answer.
func (d *areo) lose() int {
	d.place = areoOutside
	d.drop()
	return framer.Skip
}

// line handles a line in its place; whole is with its end.
func (d *areo) line(text, whole []byte) int {
	switch {
	case string(text) == "[": // again, if the answer before broke off
		d.drop()
		d.place, d.empty, d.names = areoLines, true, [2]string{}
		d.sum = checksum.CRC8Maxim(whole)
	case d.place == areoSummed && string(text) == "]":
		d.place, d.answered = areoOutside, true
	case d.place != areoLines:
		return d.lose()
	case d.empty && string(text) == areoEmpty:
		d.place = areoSummed
	case len(text) == 2:
		if fmt.Sprintf("%02X", d.sum) != string(text) {
			d.lose()
			return framer.BadSum
		}
		d.place = areoSummed
		d.accept()
	case !d.read(text):
		return d.lose()
	default:
		d.empty, d.sum = false, checksum.CRC8MaximOn(d.sum, whole)
	}
	d.progress = true
	return len(whole)
}

// accept tells what stood in an answer whose sum is right.
func (d *areo) accept() {
	if d.names[0] != "" {
		d.identify(protocol.IdentityModel, &d.model, "Menarini GlucoMen Areo")
		d.identify(protocol.IdentitySerial, &d.serial, d.names[0])
		d.identify(protocol.IdentityFirmware, &d.firmware, d.names[1])
	}
	if n := len(d.now); n > 0 { // whichever way they are sorted
		d.newest = max(d.now[0].at, d.now[n-1].at)
	}
	d.flush()
}

// read takes n,n,n,serial,version or type,value,unit,mark,date,time.
func (d *areo) read(text []byte) bool {
	f := bytes.Split(text, []byte{','})
	switch {
	case len(f) == 5:
		d.names = [2]string{string(bytes.TrimSpace(f[3])), string(bytes.TrimSpace(f[4]))}
		return d.names[0] != ""
	case len(f) != 6 || len(d.now) >= maxReadings-1:
		return false
	case string(f[0]) != "Glu":
		return true
	}
	switch string(f[3]) {
	case "00", "01", "02", "04", "08": // no mark, check mark, before and after a meal, exercise
	default: // nobody knows what it is
		return true
	}
	r := reading{quality: protocol.QualityGood}
	if t, err := time.Parse("0601021504", string(f[4])+string(f[5])); err == nil {
		r.at = t.Unix()
	}
	v, ok := framer.Number(f[1])
	switch {
	case string(f[1]) == "HI":
		r.quality = protocol.QualityOverflow
	case string(f[1]) == "LO":
		r.quality = protocol.QualityUnderflow
	case !ok || v.Mantissa < 0:
		return false
	default:
		if r.value, ok = milligrams(v, protocol.Unit(f[2])); !ok {
			return false
		}
	}
	d.add(r)
	return true
}

// Ask implements drivers.Asker.
func (d *areo) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	return d.ask(b, now, 3*time.Second, func(b []byte, step int) []byte {
		if step < len(areoAsks) {
			b = append(b, areoAsks[step]...)
		}
		return b
	})
}

// simulateAreo plays a meter that is plugged in and shows mmol/L.
func simulateAreo(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	m := &meter{patient: patient}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{m.part()},
		Answer: func(b, p []byte, _ time.Time) []byte {
			for _, c := range p {
				n := len(b)
				switch {
				case c == areoAsks[0][0]:
					b = append(b, areoOpen+"1,2,3,  AB1234567,  1.07\r\n"...)
				case c != areoAsks[1][0]:
					continue
				case len(m.memory) == 0:
					b = append(b, areoOpen+areoEmpty+"\r\n]\r\n"...)
					continue
				default:
					b = append(b, areoOpen...)
					for _, r := range slices.Backward(m.memory) {
						b = fmt.Appendf(b, "Glu,%.1f,mmol/L,02,%s\r\n", float64(r.value)/18.016, r.at.Format("060102,1504"))
					}
				}
				b = fmt.Appendf(b, "%02X\r\n]\r\n", checksum.CRC8Maxim(b[n:]))
			}
			return b
		},
	})
}
