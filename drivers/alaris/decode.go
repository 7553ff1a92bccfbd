package alaris

import (
	"bytes"
	"strings"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

func ours(name string) protocol.Code { return protocol.MustCode("MONITORME_INFUSION_" + name) }

var (
	rate     = ours("RATE")
	infused  = ours("VOLUME")
	left     = ours("VOLUME_LEFT")
	pressure = ours("PRESSURE")
	timeLeft = ours("TIME_LEFT")
	drug     = ours("DRUG")
	state    = ours("STATE")
	syringe  = ours("SYRINGE")
)

const (
	maxLine   = 256
	maxFields = 16
	maxHeld   = 8
)

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	serial   string
	firmware string
	mode     string
	// What was told of the pump in answers that do not say which pump it is:
	// kept until the next status, which does.
	held       []protocol.Observation
	hasLeft    bool // the volume to be infused, or the syringe, was told
	hasSyringe bool
	hasDrug    bool

	alarm    string // the one that stands, "" if none
	byMark   bool   // only the mark in the status tells of it
	marks    int    // in turn, while ALARM says that there is none
	heard    bool   // an answer to ALARM has come since the last status
	again    bool   // what stands is to be said again
	answered [commands]bool
	swapped  bool
}

func newDecoder() drivers.Decoder { return makeDecoder() }

func makeDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: maxLine, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// frame handles a line: "!", text, "|", CRC. The CR that ends it may be
// missing, and is taken for the beginning of the next one.
func (d *decoder) frame(b []byte) int {
	from := 0
	for from < len(b) && (b[from] == '\r' || b[from] == '\n') {
		if from++; from > 2 {
			return framer.Skip
		}
	}
	if from == len(b) {
		return framer.More
	}
	if b[from] != '!' {
		return framer.Skip
	}
	text := b[from+1:]
	for i, c := range text {
		switch {
		case c == '|':
			if len(text) < i+5 {
				return framer.More
			}
			if !sealed(text[:i], text[i+1:i+5]) {
				return framer.BadSum
			}
			d.line(text[:i])
			return from + 1 + i + 5
		case c < ' ' || c == '!' || c == 0x7F: // ESC ends an answer that is given up
			return framer.Skip
		}
	}
	return framer.More
}

func sealed(text, digits []byte) bool {
	return string(appendHex4(make([]byte, 0, 4), checksum.CRC16CCITTFalse(text))) == string(digits)
}

func appendHex4(b []byte, v uint16) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
}

// appendLine appends text as it goes over the line.
func appendLine(b []byte, text string) []byte {
	b = append(append(append(b, '!'), text...), '|')
	return append(appendHex4(b, checksum.CRC16CCITTFalse([]byte(text))), '\r')
}

// fields are those of an answer after its name.
type fields struct {
	all [maxFields][]byte
	n   int
}

// at gives a field without blanks around it, empty if there is none.
func (f *fields) at(i int) []byte {
	if i >= f.n {
		return nil
	}
	return f.all[i]
}

// line handles a line whose CRC is right. One without fields is no answer.
func (d *decoder) line(text []byte) {
	name, rest, ok := bytes.Cut(text, []byte{'^'})
	if !ok {
		return
	}
	var f fields
	for more := true; more && f.n < maxFields; f.n++ {
		var v []byte
		v, rest, more = bytes.Cut(rest, []byte{'^'})
		f.all[f.n] = bytes.TrimSpace(v)
	}
	switch string(name) {
	case names[askSerial]:
		d.identify(f.at(0))
		d.answered[askSerial] = true
	case names[askProtocol]:
		if v := f.at(0); len(v) > 0 && string(v) != d.firmware {
			d.firmware = string(v)
			d.word(protocol.IdentityFirmware, printable(v))
		}
		d.answered[askProtocol] = true
	case names[askStatus]:
		if f.n >= 5 { // else not even the rate is there
			d.status(&f)
			d.answered[askStatus] = true
		}
	case names[askLeft]:
		d.toBeInfused(&f)
		d.answered[askLeft] = true
	case names[askSyringe]:
		d.syringe(&f)
		d.answered[askSyringe] = true
	case names[askAlarm]:
		d.alarms(&f)
		d.answered[askAlarm] = true
	}
}

// identify is told the serial number of the pump that speaks. If it is another
// one than before, nothing that the old one said holds any more.
func (d *decoder) identify(serial []byte) {
	if len(serial) == 0 || string(serial) == d.serial {
		return
	}
	if d.serial != "" {
		d.forget()
		d.swapped = true
	}
	d.serial = string(serial)
	d.word(protocol.IdentityModel, model)
	d.word(protocol.IdentitySerial, printable(serial))
}

const model = "Alaris Asena syringe pump"

// forget ends what the pump has said.
func (d *decoder) forget() {
	d.held, d.firmware, d.mode = d.held[:0], "", ""
	if d.alarm != "" {
		d.event(protocol.PhaseEnd, d.alarm)
	}
	d.alarm, d.byMark, d.marks, d.heard, d.again = "", false, 0, false, false
	if d.hasLeft {
		d.emit(missing(left, "mL"))
	}
	if d.hasSyringe {
		d.word(syringe, "")
	}
	if d.hasDrug {
		d.word(drug, "")
	}
	d.hasLeft, d.hasSyringe, d.hasDrug = false, false, false
}

// interrupted is told that the pump has not answered for a while: another one
// may be there now, and what stands is to be said again.
func (d *decoder) interrupted() {
	d.held = d.held[:0]
	d.heard, d.again = false, true
}

// status handles the status, which alone says whose it is.
func (d *decoder) status(f *fields) {
	d.identify(f.at(0))
	for _, o := range d.held {
		d.emit(o)
		d.hasLeft = d.hasLeft || o.Code == left
		d.hasSyringe = d.hasSyringe || o.Code == syringe
	}
	d.held = d.held[:0]
	d.mark(f.at(1))
	if v := f.at(2); string(v) != d.mode {
		d.mode = printable(v)
	}
	d.word(state, d.mode)
	d.emit(number(rate, f.at(3), f.at(4), "mL/h"))
	if v := f.at(5); len(v) > 0 || d.hasDrug {
		d.wordOr(drug, printable(v), protocol.QualityQuestionable) // never seen with a text
		d.hasDrug = len(v) > 0
	}
	d.emit(number(infused, f.at(6), f.at(7), "mL"))
	d.emit(number(pressure, f.at(8), f.at(9), "mm[Hg]"))
	d.emit(remaining(f.at(10)))
}

// hold keeps an observation until the next status.
func (d *decoder) hold(o protocol.Observation) {
	for i := range d.held {
		if d.held[i].Code == o.Code {
			d.held[i] = o
			return
		}
	}
	if len(d.held) < maxHeld {
		d.held = append(d.held, o)
	}
}

// toBeInfused handles state, volume, unit and what follows at its end.
func (d *decoder) toBeInfused(f *fields) {
	o := missing(left, "mL")
	if s := f.at(0); string(s) != "DEACT" {
		if o = number(left, f.at(1), f.at(2), "mL"); string(s) != "ACTIV" && o.Quality == protocol.QualityGood {
			o.Quality = protocol.QualityQuestionable
		}
	}
	d.hold(o)
}

// syringe handles name, size in mL and whether somebody has confirmed it.
func (d *decoder) syringe(f *fields) {
	o := protocol.Observation{Code: syringe, Kind: protocol.KindEnumeration, Quality: protocol.QualityMissing}
	if name := f.at(0); len(name) > 0 {
		o.Text, o.Quality = printable(name), protocol.QualityGood
		if size := f.at(1); len(size) > 0 {
			o.Text += " " + printable(size) + " ml"
		}
		if string(f.at(2)) != "CONF" {
			o.Text, o.Quality = o.Text+", not confirmed", protocol.QualityQuestionable
		}
	}
	d.hold(o)
}

func (d *decoder) word(code protocol.Code, text string) { d.wordOr(code, text, protocol.QualityGood) }

// wordOr emits a word, or that there is none.
func (d *decoder) wordOr(code protocol.Code, text string, q protocol.Quality) {
	if text = strings.TrimSpace(text); text == "" {
		q = protocol.QualityMissing
	}
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: q, Text: text})
}

// printable is a text in which what is not ASCII is shown as such.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(b))
}
