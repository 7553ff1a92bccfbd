package puritanbennett

import (
	"math/big"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// A decoder reads records, and knows what to ask for.
type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	fields [][]byte
	asking asking
	full   bool // the last record had 169 fields

	told     map[protocol.Code]string // identity
	alarms   map[string]protocol.Priority
	maneuver map[protocol.Code]string // the last that was emitted
	begun    bool                     // a record was read
}

func newDecoder() *decoder {
	d := &decoder{told: map[protocol.Code]string{}, alarms: map[string]protocol.Priority{}, maneuver: map[protocol.Code]string{}}
	d.framer = framer.Framer{Max: maxFrame, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// frame handles the record at the start of b.
func (d *decoder) frame(b []byte) int {
	h, fields, n := split(b, d.fields)
	if n <= 0 {
		return n
	}
	d.fields = fields
	switch {
	case h.full && len(fields) == fieldsF:
		d.full = true
		d.record(fields, layoutF)
	case !h.full && len(fields) == fieldsA:
		d.full = false
		d.record(fields, layoutA)
	default:
		return framer.Skip
	}
	return n
}

// A layout says what stands where in a record.
type layout struct {
	numbers         []number
	alarms          []alarm
	clock, id, date int
	mode            []int
	ratioE          int
}

var (
	layoutF = layout{numbers: numbersF, alarms: alarmsF, clock: 5, id: 6, date: 7, mode: []int{9, 10, 11}, ratioE: 76}
	layoutA = layout{numbers: numbersA, alarms: alarmsA, clock: 5, id: 6, date: 8, mode: []int{9}, ratioE: 101}
)

// A record is one answer of the ventilator.
type record struct {
	fields [][]byte
	at     time.Time // its clock
}

func (r record) field(n int) string { return string(r.fields[n-firstField]) }

func (d *decoder) record(fields [][]byte, l layout) {
	r := record{fields: fields}
	r.at = clock(r.field(l.date), r.field(l.clock))
	d.identify(r.field(l.id))
	d.say(r, mode, modeWords(r, l.mode))
	for _, n := range l.numbers {
		d.number(r, n)
	}
	d.ratio(r, r.field(l.ratioE))
	for _, a := range l.alarms {
		d.alarm(r, a)
	}
	d.begun = true
}

// number emits the number of a field.
func (d *decoder) number(r record, n number) {
	text := r.field(n.field)
	term, _ := protocol.Lookup(n.code)
	o := protocol.Observation{Code: n.code, Kind: protocol.KindNumeric, Unit: term.Unit, Quality: protocol.QualityGood, DeviceTime: r.at}
	value, err := protocol.ParseDecimal(text)
	switch {
	case text == "" && n.sort == measured:
		o.Quality = protocol.QualityMissing
	case text == "", text == "OFF":
		delete(d.maneuver, n.code)
		return
	case err != nil:
		o.Quality = protocol.QualityInvalid
	default:
		if o.Value, _ = protocol.Convert(value, n.unit, term.Unit); !o.Value.Valid {
			o.Value, o.Unit, o.Quality = value, n.unit, protocol.QualityInvalid
		}
	}
	if n.sort == maneuver {
		if d.maneuver[n.code] == text {
			return
		}
		d.maneuver[n.code] = text
		if !d.begun && o.Quality.HasNumber() { // made before the box listened: nobody says when
			o.Quality, o.DeviceTime = protocol.QualityUnknown, time.Time{}
		}
	}
	d.emit(o)
}

// ratio emits I:E, which is written 1:5.00, as the quotient.
func (d *decoder) ratio(r record, text string) {
	if text == "" {
		return
	}
	o := protocol.Observation{Code: ratio, Kind: protocol.KindNumeric, Unit: "1", Quality: protocol.QualityInvalid, DeviceTime: r.at}
	in, out, ok := strings.Cut(text, ":")
	i, iOK := new(big.Rat).SetString(strings.TrimSpace(in))
	e, eOK := new(big.Rat).SetString(strings.TrimSpace(out))
	if ok && iOK && eOK && e.Sign() > 0 && i.Sign() > 0 {
		f, _ := i.Quo(i, e).Float64()
		if v := protocol.DecimalOf(f, 3); v.Valid {
			o.Value, o.Quality = v, protocol.QualityGood
		}
	}
	d.emit(o)
}

// modeWords joins mode, mandatory and spontaneous type as the ventilator calls them.
func modeWords(r record, fields []int) string {
	var words []string
	for _, f := range fields {
		if w := r.field(f); w != "" && w != "NONE" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// say emits a word.
func (d *decoder) say(r record, c protocol.Code, text string) {
	o := protocol.Observation{Code: c, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text, DeviceTime: r.at}
	if text == "" {
		o.Quality = protocol.QualityMissing
	}
	d.emit(o)
}

// identify emits model and serial number when they are new.
func (d *decoder) identify(id string) {
	model, serial, _ := strings.Cut(id, " ")
	for _, w := range []struct {
		code protocol.Code
		text string
	}{{protocol.IdentityModel, model}, {protocol.IdentitySerial, strings.TrimSpace(serial)}} {
		text := w.text
		if text == "" || d.told[w.code] == text {
			continue
		}
		d.told[w.code] = text
		if w.code == protocol.IdentityModel {
			text = "Puritan Bennett " + text
		}
		d.emit(protocol.Observation{Code: w.code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
	}
}

// urgencies are the states of an alarm that is on. Older records do not say
// how urgent one is: it is taken for the most urgent.
var urgencies = map[string]protocol.Priority{
	"LOW": protocol.PriorityLow, "MEDIUM": protocol.PriorityMedium, "HIGH": protocol.PriorityHigh, "ALARM": protocol.PriorityHigh,
}

// alarm emits an event when an alarm begins, ends or changes its urgency. One
// that is over but not yet reset has ended. A word that is not known changes nothing.
func (d *decoder) alarm(r record, a alarm) {
	state := r.field(a.field)
	now, on := urgencies[state]
	before, was := d.alarms[a.text]
	off := state == "NORMAL" || state == "RESET" || state == ""
	e := protocol.Event{Priority: now, Type: protocol.AlarmTechnical, Source: a.source, Text: a.text}
	switch {
	case on && !was:
		e.Phase = protocol.PhaseStart
	case on && now != before:
		e.Phase = protocol.PhaseContinue
	case off && was:
		e.Phase, e.Priority = protocol.PhaseEnd, before
	default:
		return
	}
	if d.alarms[a.text] = now; !on {
		delete(d.alarms, a.text)
	}
	if a.source != 0 {
		e.Type = protocol.AlarmPhysiological
	}
	channel := ""
	if a.code == protocol.EventAlarm || a.code == malfunction {
		channel = a.text
	}
	d.emit(protocol.Observation{Code: a.code, Channel: channel, Kind: protocol.KindEvent, Quality: protocol.QualityGood, DeviceTime: r.at, Event: &e})
}

// clock is the ventilator's clock, without seconds and zone, as UTC; zero if it
// cannot be read.
func clock(date, hour string) time.Time {
	month, rest, _ := strings.Cut(date, " ")
	if len(month) == 3 {
		month = month[:1] + strings.ToLower(month[1:])
	}
	t, err := time.Parse("Jan 02 2006 15:04", month+" "+rest+" "+hour)
	if err != nil || t.Year() < 1990 || t.Year() >= 2200 {
		return time.Time{}
	}
	return t
}
