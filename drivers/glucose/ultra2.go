package glucose

import (
	"bytes"
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

// Ultra2 is for the OneTouch Ultra2.
var Ultra2 = drivers.Driver{
	Name:       "onetouch-ultra2",
	Title:      "LifeScan OneTouch Ultra2",
	Models:     []string{"OneTouch Ultra2"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 9600},
	Asks:       true,
	Checked:    true,
	Silence:    24 * time.Hour, // it is plugged in when there is something to read
	Codes:      codes,
	NewDecoder: func() drivers.Decoder { return makeUltra2() },
	Run:        converse(makeUltra2),
	Simulate:   simulateUltra2,
}

// The questions to an Ultra2; the first wakes it.
var ultra2Asks = []string{"\x11\rDM@\r", "\x11\rDM?\r", "\x11\rDMF\r", "\x11\rDMP\r"}

type ultra2 struct {
	core
	script
	want, got int // records
}

func makeUltra2() *ultra2 {
	d := &ultra2{}
	d.code = protocol.Glucose
	d.framer = framer.Framer{Max: 120, Frame: d.frame}
	return d
}

// frame reads a line: text, blank, sum of the text in four hex digits.
func (d *ultra2) frame(b []byte) int {
	switch b[0] {
	case '\r', '\n', '@', '?', 'F', 'P':
	default:
		return framer.Skip
	}
	line, n := framer.Line(b)
	if n <= 0 {
		return n
	}
	at := len(line) - 5
	if at < 1 || line[at] != ' ' {
		return framer.Skip
	}
	text := line[:at]
	switch text[0] {
	case '@', '?', 'F', 'P':
	default:
		return framer.Skip
	}
	if fmt.Sprintf("%04X", checksum.Sum16(text)) != string(line[at+1:]) {
		if b[0] == '\r' || b[0] == '\n' { // to be counted where the text begins
			return framer.Skip
		}
		return framer.BadSum
	}
	d.progress = true
	d.say(string(text))
	return n
}

func (d *ultra2) say(text string) {
	f := strings.Split(strings.ReplaceAll(text[1:], `"`, ""), ",")
	switch {
	case text[0] == '@':
		d.identify(protocol.IdentityModel, &d.model, "LifeScan OneTouch Ultra2")
		d.identify(protocol.IdentitySerial, &d.serial, strings.TrimSpace(f[0]))
		d.answered = true
	case text[0] == '?':
		version, _, _ := strings.Cut(f[0], " ")
		d.identify(protocol.IdentityFirmware, &d.firmware, version)
		d.answered = true
	case text[0] == 'F' && len(f) == 3:
		if d.clock = ultra2Time(f[1], f[2]); d.clock != 0 {
			d.answered = true
		}
	case text[0] == 'P' && len(f) == 3: // the heading of the records
		d.drop()
		d.want, _ = strconv.Atoi(strings.TrimSpace(f[0]))
		d.got = 0
		d.answered = d.want == 0
	case text[0] == 'P' && len(f) == 7:
		d.record(f)
	}
}

// record reads day, date, time, value, meal, comment.
func (d *ultra2) record(f []string) {
	d.got++
	if v := f[3]; len(v) == 6 && v[0] != 'C' && v[5] != '?' {
		if n, ok := framer.Digits([]byte(v[2:5])); ok {
			d.add(reading{ultra2Time(f[1], f[2]), protocol.Int(int64(n)), within(n, 20, 600)})
		}
	}
	if d.got == d.want {
		d.flush()
		d.answered = true
	}
}

// within is the quality of a value that a meter shows from low to high.
func within(v, low, high int) protocol.Quality {
	switch {
	case v < low:
		return protocol.QualityUnderflow
	case v > high:
		return protocol.QualityOverflow
	}
	return protocol.QualityGood
}

func ultra2Time(date, clock string) int64 {
	t, err := time.Parse("01/02/06 15:04:05", date+" "+strings.TrimSpace(clock))
	if err != nil {
		return 0
	}
	return t.Unix()
}

// Ask implements drivers.Asker.
func (d *ultra2) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	return d.ask(b, now, 2*time.Second, func(b []byte, step int) []byte {
		if step < len(ultra2Asks) {
			b = append(b, ultra2Asks[step]...)
		}
		return b
	})
}

// simulateUltra2 plays a meter that is plugged in.
func simulateUltra2(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	m := &meter{patient: patient}
	var command []byte
	const layout = `"01/02/06","15:04:05   "`
	line := func(b []byte, text string) []byte {
		return fmt.Appendf(b, "%s %04X\r\n", text, checksum.Sum16([]byte(text)))
	}
	day := func(t time.Time) string { return strings.ToUpper(t.Format("Mon")) }
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{m.part()},
		Answer: func(b, p []byte, at time.Time) []byte {
			for _, c := range p {
				if command = append(command, c); c != '\r' {
					continue
				}
				switch at = at.UTC(); string(bytes.Trim(command, "\x11\r")) {
				case "DM@":
					b = line(b, `@ "ABC1234XY"`)
				case "DM?":
					b = line(b, "?P02.00.00 25/05/07")
				case "DMF":
					b = line(b, `F "`+day(at)+`",`+at.Format(layout))
				case "DMP":
					b = line(b, fmt.Sprintf(`P %03d,"ABC1234XY","MG/DL "`, len(m.memory)))
					for i := range m.memory {
						r := m.memory[len(m.memory)-1-i]
						b = line(b, fmt.Sprintf(`P "%s",%s,"  %03d ","N","00", 00`, day(r.at), r.at.Format(layout), r.value))
					}
				}
				command = command[:0]
			}
			return b
		},
	})
}
