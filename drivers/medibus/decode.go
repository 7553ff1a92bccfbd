package medibus

import (
	"bytes"
	"strings"

	"monitorme/drivers"
	"monitorme/protocol"
)

// A target is a series.
type target struct {
	code    protocol.Code
	channel string
}

// An alarm is one of the device's: page and code are its identity.
type alarm struct {
	page, code, priority byte
	phrase               string
}

type decoder struct {
	slow      slow
	realtime  realtime
	emit      drivers.Emit
	sample    drivers.Emit // what realtime emits to
	heard     func(start, code byte)
	bytes     uint64
	slowBytes uint64 // of them, of the slow channel

	table  table // nil before the device has said who it is
	modes  *[256]bool
	model  string
	known  map[byte]map[target]bool // by page: has had a value
	demo   bool
	moded  bool // the mode is known
	alarms []alarm
	chosen []curve
	fresh  []target // of the answer at hand
}

const maxAlarms = 256 // of one page

func newDecoder() drivers.Decoder { return makeDecoder() }

func makeDecoder() *decoder {
	d := &decoder{known: map[byte]map[target]bool{}, heard: func(_, _ byte) {}}
	d.slow.take = d.frame
	d.sample = func(o protocol.Observation) {
		if d.demo {
			o.Quality = protocol.QualityDemo
		}
		d.emit(o)
	}
	return d
}

// Decode implements drivers.Decoder. The bytes of the realtime channel may
// stand anywhere among the others.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.bytes += uint64(len(p))
	for _, b := range p {
		if b < 0x80 {
			d.slowBytes++
			d.slow.feed(b)
		} else {
			d.realtime.feed(b, d.sample)
		}
	}
	d.emit = nil
}

// Stats implements drivers.Decoder. The realtime channel has no checksum: its
// bytes are not skipped, but no frames of it are counted.
func (d *decoder) Stats() drivers.Stats {
	a, b := d.slow.stats, d.realtime.stats
	return drivers.Stats{Bytes: d.bytes, Frames: a.Frames, Skipped: a.Skipped + b.Skipped, BadSums: a.BadSums}
}

// frame handles a whole frame of the slow channel.
func (d *decoder) frame(start, code byte, data []byte) {
	switch {
	case start == startCommand:
		if code == cmdInit || code == cmdChanged {
			d.realtime.stop()
		}
	case code == cmdIdentify:
		d.identify(data)
	case code == cmdCurves:
		d.chosen = choose(curves(data))
	case code == cmdConfigure:
		d.realtime.start(d.chosen)
	case d.table == nil: // not known what a code means
	case code == cmdData1 || code == cmdData2:
		d.numbers(code, data, 4)
	case code == cmdSettings:
		d.numbers(code, data, 5)
	case code == cmdAlarms1 || code == cmdAlarms2 || code == cmdLowAlarms3:
		d.alarmPage(code, data)
	case code == cmdTexts:
		d.texts(data)
	}
	d.heard(start, code)
}

// identify handles the device's identification: four characters, a name in
// apostrophes, the revisions of device and protocol.
func (d *decoder) identify(data []byte) {
	if len(data) < 4 {
		return
	}
	id := string(data[:4])
	d.table, d.modes = legacyTable, &legacyModes
	if id >= "5000" && id <= "6300" {
		d.table, d.modes = extendedTable, &extendedModes
	}
	model, ok := models[id]
	if !ok {
		model = "MEDIBUS device " + printable([]byte(id))
		if name := bytes.SplitN(data[4:], []byte{'\''}, 3); len(name) == 3 {
			model = printable(name[1])
		}
	}
	if d.model == model {
		return
	}
	d.model, d.known, d.moded = model, map[byte]map[target]bool{}, false
	d.word(protocol.IdentityModel, "Dräger "+model)
	if rest := data[4:]; bytes.LastIndexByte(rest, '\'') >= 0 {
		if revision := printable(rest[bytes.LastIndexByte(rest, '\'')+1:]); revision != "" {
			d.word(protocol.IdentityFirmware, revision)
		}
	}
}

func (d *decoder) word(code protocol.Code, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

// printable is a text without what is no text.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text(b))
}

// numbers handles a page of values of a fixed width. One that is not in it is
// invalid now.
func (d *decoder) numbers(page byte, data []byte, width int) {
	known := d.known[page]
	if known == nil {
		known = map[target]bool{}
		d.known[page] = known
	}
	d.fresh = d.fresh[:0]
	for ; len(data) >= 2+width; data = data[2+width:] {
		code, ok := hex2(data)
		m, has := d.table[[2]byte{page, code}]
		if !ok || !has {
			continue
		}
		to := target{m.to, m.channel}
		v, q := value(data[2:2+width], m)
		if q == protocol.QualityMissing || d.isFresh(to) { // a second range of the same value
			continue
		}
		known[to] = true
		d.fresh = append(d.fresh, to)
		d.number(to, protocol.Observation{Quality: q, Value: v})
	}
	for _, m := range d.order(page) {
		if to := (target{m.to, m.channel}); known[to] && !d.isFresh(to) {
			d.fresh = append(d.fresh, to)
			d.number(to, protocol.Observation{Quality: protocol.QualityMissing})
		}
	}
}

// order gives what may be known of a page, in a fixed order.
func (d *decoder) order(page byte) []measure {
	if len(d.known[page]) == len(d.fresh) {
		return nil
	}
	if d.modes == &extendedModes {
		return extendedOrder
	}
	return legacyOrder
}

var (
	legacyOrder   = append(append([]measure(nil), both...), legacy...)
	extendedOrder = append(append([]measure(nil), both...), extended...)
)

func (d *decoder) isFresh(to target) bool {
	for _, t := range d.fresh {
		if t == to {
			return true
		}
	}
	return false
}

func (d *decoder) number(to target, o protocol.Observation) {
	o.Code, o.Channel, o.Kind = to.code, to.channel, protocol.KindNumeric
	o.Unit = unitOf[to.code]
	if d.demo && o.Value.Valid {
		o.Quality = protocol.QualityDemo
	}
	d.emit(o)
}

// value reads the characters of a value and converts it to the unit kept.
func value(b []byte, m measure) (protocol.Decimal, protocol.Quality) {
	b = bytes.TrimSpace(b)
	if len(b) > 0 && (b[0] == '+' || b[0] == '*') && len(bytes.Trim(b, "+*")) == 0 {
		return protocol.Decimal{}, protocol.QualityOverflow
	}
	v, ok := parse(b)
	if ok {
		v, ok = protocol.Convert(v, m.unit, unitOf[m.to])
	}
	if !ok {
		return protocol.Decimal{}, protocol.QualityMissing
	}
	return v, protocol.QualityGood
}

// parse reads a number of at most five characters: digits, perhaps a minus
// that blanks may part from them, perhaps a point.
func parse(b []byte) (v protocol.Decimal, ok bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = bytes.TrimLeft(b[1:], " ")
	}
	point := false
	for _, c := range b {
		switch {
		case c == '.' && !point:
			point = true
		case c >= '0' && c <= '9':
			v.Mantissa, ok = v.Mantissa*10+int64(c-'0'), true
			if point {
				v.Exponent--
			}
		default:
			return protocol.Decimal{}, false
		}
	}
	if neg {
		v.Mantissa = -v.Mantissa
	}
	v.Valid = ok
	return v, ok
}

// alarmPage compares the alarms of a page with the last ones: it is a
// snapshot.
func (d *decoder) alarmPage(page byte, data []byte) {
	var now []alarm
	for ; len(data) >= 15 && len(now) < maxAlarms; data = data[15:] {
		code, ok := hex2(data[1:])
		if priority := data[0] - '0'; ok && priority >= 1 && priority <= 31 {
			now = append(now, alarm{page, code, priority, phrase(data[3:15])})
		}
	}
	kept := d.alarms[:0]
	for _, a := range d.alarms {
		if a.page == page && !has(now, a) {
			d.event(a, protocol.PhaseEnd)
			continue
		}
		kept = append(kept, a)
	}
	d.alarms = kept
	for _, a := range now {
		if !has(d.alarms, a) {
			d.alarms = append(d.alarms, a)
			d.event(a, protocol.PhaseStart)
		}
	}
}

func has(all []alarm, a alarm) bool {
	for _, b := range all {
		if a == b {
			return true
		}
	}
	return false
}

// phrase is the text of an alarm, with the three signs of old devices in words.
func phrase(b []byte) string {
	return printable([]byte(phrases.Replace(string(b))))
}

var phrases = strings.NewReplacer("$&", "LOW", `"#`, "HIGH", "'@", "ALARM")

// event tells an alarm. Whether it is about the patient the device does not say.
func (d *decoder) event(a alarm, phase protocol.Phase) {
	e := protocol.Event{Phase: phase, Priority: protocol.PriorityLow, Text: a.phrase}
	switch {
	case a.priority >= 25:
		e.Priority = protocol.PriorityHigh
	case a.priority >= 10:
		e.Priority = protocol.PriorityMedium
	}
	d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// texts handles the texts, whose presence says that a state is true: the mode,
// and whether the device only plays.
func (d *decoder) texts(data []byte) {
	var words []byte
	demo := false
	for len(data) >= 3 {
		code, ok := hex2(data)
		n := int(data[2]) - '0'
		if !ok || n < 1 || len(data) < 3+n {
			break
		}
		demo = demo || code == simulation && d.modes == &extendedModes
		if d.modes[code] {
			w := bytes.TrimPrefix(bytes.TrimSpace(data[3:3+n]), []byte("Mode "))
			if len(words) > 0 && len(w) > 0 && w[0] != '/' {
				words = append(words, ", "...)
			}
			words = append(words, w...)
		}
		data = bytes.TrimPrefix(data[3+n:], []byte{etx})
	}
	d.demo = demo
	switch {
	case len(words) > 0:
		d.moded = true
		d.word(mode, printable(words))
	case d.moded:
		d.moded = false
		d.emit(protocol.Observation{Code: mode, Kind: protocol.KindEnumeration, Quality: protocol.QualityMissing})
	}
}
