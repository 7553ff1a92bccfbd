package glucose

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

// FreeStyle is for Abbott FreeStyle meters with a jack.
var FreeStyle = drivers.Driver{
	Name:       "freestyle",
	Title:      "Abbott FreeStyle Lite, Freedom Lite, Mini",
	Models:     []string{"FreeStyle Lite", "FreeStyle Freedom Lite", "FreeStyle Mini"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 19200},
	Asks:       true,
	Silence:    24 * time.Hour,
	Codes:      codes,
	USB:        []string{"1A61:3410"}, // its cable
	NewDecoder: func() drivers.Decoder { return makeFreeStyle(lite) },
	Run:        converse(func() *freeStyle { return makeFreeStyle(lite) }),
	Simulate:   simulateFreeStyle(lite, "00"),
}

// Precision is for the FreeStyle Optium, called Precision Xtra in some countries.
var Precision = drivers.Driver{
	Name:       "freestyle-optium",
	Title:      "Abbott FreeStyle Optium, Precision Xtra",
	Models:     []string{"FreeStyle Optium", "Precision Xtra"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 19200},
	Asks:       true,
	Silence:    24 * time.Hour,
	Codes:      codes,
	USB:        []string{"1A61:3420"},
	NewDecoder: func() drivers.Decoder { return makeFreeStyle(optium) },
	Run:        converse(func() *freeStyle { return makeFreeStyle(optium) }),
	Simulate:   simulateFreeStyle(optium, "G"),
}

// A freeStyleModel is what differs: the name, and the only question.
type freeStyleModel struct{ name, question string }

var (
	lite   = freeStyleModel{"Abbott FreeStyle", "mem\r\n"}
	optium = freeStyleModel{"Abbott FreeStyle Optium", "$xmem\r\n"}
)

// The lines of an answer come in this order; none counts before the sum of all.
const (
	lineSerial = iota
	lineVersion
	lineClock
	lineCount
	lineRecord
)

type freeStyle struct {
	core
	script
	of    freeStyleModel
	line  int
	sum   uint16
	want  int
	names [2]string // serial number and version, until the sum was right
	at    int64     // the meter's clock, likewise
}

func makeFreeStyle(of freeStyleModel) *freeStyle {
	d := &freeStyle{of: of}
	d.code = protocol.Glucose
	d.framer = framer.Framer{Max: 80, Frame: d.frame}
	return d
}

// frame reads a line that begins after the end of another one, for the sum
// counts those ends too.
func (d *freeStyle) frame(b []byte) int {
	if b[0] != '\r' && b[0] != '\n' {
		return d.lose()
	}
	text, n := framer.Line(b)
	if n == framer.More {
		return framer.More
	}
	if n < 0 {
		return d.lose()
	}
	line := string(text)
	if strings.HasSuffix(line, "Log Empty END") {
		d.lose()
		d.answered = true
		return n
	}
	if rest, ok := strings.CutPrefix(line, "0x"); ok && d.line == lineRecord && strings.HasSuffix(rest, "END") {
		lead := checksum.Sum16(b[:n-1-len(text)])
		if len(b) == n { // the LF belongs to this answer, not to the next
			return framer.More
		}
		if b[n] == '\n' {
			n++
		}
		return d.end(strings.TrimSpace(strings.TrimSuffix(rest, "END")), lead, n)
	}
	begin := d.line <= lineVersion && isSerial(line)
	if begin { // again, if the answer before broke off
		d.line = lineSerial
	}
	if !d.read(line) {
		return d.lose()
	}
	if begin { // whatever stood before it, the answer begins with CR LF
		d.sum = '\r' + '\n' + checksum.Sum16(b[n-1-len(text):n])
	} else {
		d.sum += checksum.Sum16(b[:n])
	}
	d.progress = true
	return n
}

// lose gives up an answer.
func (d *freeStyle) lose() int {
	d.line = lineSerial
	d.drop()
	return framer.Skip
}

// end compares the sum of the answer with that in its last line; lead is the
// sum of what stands before it.
func (d *freeStyle) end(sum string, lead uint16, n int) int {
	want, err := strconv.ParseUint(sum, 16, 16)
	if err != nil || uint16(want) != d.sum+lead {
		d.lose()
		return framer.BadSum
	}
	d.line, d.answered, d.clock = lineSerial, true, d.at
	d.identify(protocol.IdentityModel, &d.model, d.of.name)
	d.identify(protocol.IdentitySerial, &d.serial, d.names[0])
	d.identify(protocol.IdentityFirmware, &d.firmware, d.names[1])
	d.flush()
	return n
}

// read takes a line in its turn.
func (d *freeStyle) read(line string) bool {
	f := strings.Fields(line)
	switch {
	case len(f) == 0:
		return false
	case d.line == lineSerial:
		d.drop()
		if !isSerial(line) {
			return false
		}
		d.names[0] = line
	case d.line == lineVersion:
		d.names[1] = line
	case d.line == lineClock:
		if len(f) != 4 {
			return false
		}
		d.at = freeStyleTime(f, "15:04:05")
	case d.line == lineCount:
		n, ok := framer.Digits([]byte(f[0]))
		if d.want = n; !ok || len(f) != 1 || n > maxReadings-1 {
			return false
		}
	default:
		return d.record(f)
	}
	d.line++
	return true
}

func isSerial(line string) bool {
	return len(line) >= 8 && len(line) <= 20 && strings.Trim(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// record reads value, month, day, year, time, type, flags.
func (d *freeStyle) record(f []string) bool {
	if len(f) != 7 || len(d.now) >= d.want {
		return false
	}
	flags, err := strconv.ParseUint(f[6], 0, 8)
	if err != nil {
		return false
	}
	r := reading{at: freeStyleTime(f[1:5], "15:04"), quality: protocol.QualityGood}
	switch n, ok := framer.Digits([]byte(f[0])); {
	case f[0] == "HI":
		r.quality = protocol.QualityOverflow
	case f[0] == "LO":
		r.quality = protocol.QualityUnderflow
	case ok:
		r.value = protocol.Int(int64(n))
	default:
		return false
	}
	if flags&1 == 0 && f[5] != "K" { // no control test, no ketone
		d.add(r)
	}
	return true
}

// freeStyleTime reads month, day, year, time; June and July are written in full.
func freeStyleTime(f []string, layout string) int64 {
	month := f[0]
	t, err := time.Parse("Jan 2 2006 "+layout, month[:min(3, len(month))]+" "+strings.Join(f[1:4], " "))
	if err != nil {
		return 0
	}
	return t.Unix()
}

// Ask implements drivers.Asker.
func (d *freeStyle) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	return d.ask(b, now, 3*time.Second, func(b []byte, step int) []byte {
		if step == 0 {
			b = append(b, d.of.question...)
		}
		return b
	})
}

// simulateFreeStyle plays a meter that is plugged in; kind is the type of each record.
func simulateFreeStyle(of freeStyleModel, kind string) func(context.Context, drivers.Port, drivers.Patient) error {
	return func(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
		m := &meter{patient: patient}
		var heard []byte
		month := func(t time.Time) string {
			if t.Month() == time.June || t.Month() == time.July {
				return t.Month().String()
			}
			return t.Format("Jan ")
		}
		return play.Run(ctx, wire, play.Device{
			Parts: []play.Part{m.part()},
			Answer: func(b, p []byte, at time.Time) []byte {
				if heard = append(heard, p...); !strings.HasSuffix(string(heard), of.question) {
					return b
				}
				heard = heard[:0]
				n := len(b)
				at = at.UTC()
				b = fmt.Appendf(b, "\r\nCAGE123-A4567\r\n1.43       -P\r\n%s %s\r\n%03d\r\n\n", month(at), at.Format("02 2006 15:04:05"), len(m.memory))
				for i := range m.memory {
					r := m.memory[len(m.memory)-1-i]
					b = fmt.Appendf(b, "%03d  %s %s %s 0x00\r\n", r.value, month(r.at), r.at.Format("02 2006 15:04"), kind)
				}
				return fmt.Appendf(b, "0x%04X  END\r\n", checksum.Sum16(b[n:]))
			},
		})
	}
}
