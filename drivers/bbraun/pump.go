package bbraun

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// What is told of a pump in words.
const (
	wordDrug = iota
	wordState
	wordSyringe
	wordDose
	wordConcentration
	words
)

var wordCodes = [words]protocol.Code{drug, state, syringe, dose, concentration}

// A pump is what is known of the pump at one place of the rack.
type pump struct {
	place  string // "1-A": pillar and slot
	id     string
	unique bool // id is INNR, else the serial number
	model  string
	label  string // a short name of the drug
	known  uint32 // the numbers, then the words, that have had a value
	words  [words]string

	present     bool // it has told something since it came
	absent      bool // it was removed
	unreachable bool
	seen        bool // in this answer
	missed      int  // answers in turn
	running     bool
	again       bool // what stands is to be told again

	alarms uint64 // bit by alarmID
	bolus  string // counter and volume of the last one
	fault  string // the last one
}

func newPump(place int) *pump {
	const names = "123456789ABCDEFGHIJKLMNO"
	return &pump{place: string([]byte{byte('1' + place/slots), '-', names[place%slots]})}
}

// say is the beginning of an event's text: alarms are shown without channel.
func (p *pump) say(text string) string {
	if p.label != "" {
		return "pump " + p.place + " " + p.label + ": " + text
	}
	return "pump " + p.place + ": " + text
}

func (d *decoder) pumpEvent(p *pump, key string, code protocol.Code, e protocol.Event) {
	channel := p.place
	if key != "" {
		channel += " " + key
	}
	e.Text = p.say(e.Text)
	if e.Type = protocol.AlarmTechnical; e.Priority == none {
		e.Type = protocol.AlarmAdvisory
	}
	d.event(channel, code, e)
}

// leave makes everything that is known of p missing and ends its alarms: it
// is not there any more.
func (d *decoder) leave(p *pump) {
	d.blank(p)
	for id := range noAlarm {
		if p.alarms>>id&1 != 0 {
			d.alarm(p, id, protocol.PhaseEnd)
		}
	}
	*p = pump{place: p.place, absent: p.absent, unreachable: p.unreachable}
}

// blank makes every value of p missing.
func (d *decoder) blank(p *pump) {
	for i, n := range numbers {
		if p.known>>i&1 != 0 {
			d.emit(protocol.Observation{Channel: p.place, Code: n.code, Unit: unitOf[i], Kind: protocol.KindNumeric, Quality: protocol.QualityMissing})
		}
	}
	for i, code := range wordCodes {
		if p.known>>(len(numbers)+i)&1 != 0 {
			d.emit(protocol.Observation{Channel: p.place, Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityMissing})
		}
	}
	p.known = 0
}

// gone tells that p is gone if it ran or gave an alarm: that has to be seen
// by somebody.
func (d *decoder) gone(p *pump) {
	if p.running || p.grave() {
		d.pumpEvent(p, "gone", protocol.EventAlarm, protocol.Event{Phase: protocol.PhaseOnce, Priority: medium, Text: "removed from the rack, or not reached, while it ran or gave an alarm"})
	}
}

// remove handles that p is not in the rack any more.
func (d *decoder) remove(p *pump) {
	if p == nil {
		return
	}
	if d.reached(p); !p.present {
		return
	}
	d.gone(p)
	d.pumpEvent(p, "", eventAbsent, protocol.Event{Phase: protocol.PhaseStart, Text: "removed from the rack"})
	p.absent = true
	d.leave(p)
}

// grave tells whether an alarm of p stands that somebody must see to.
func (p *pump) grave() bool {
	for id := range noAlarm {
		if p.alarms>>id&1 != 0 && alarms[id].priority >= medium {
			return true
		}
	}
	return false
}

// lose handles that the rack cannot reach p. Its alarms stand as they are.
func (d *decoder) lose(p *pump) {
	p.seen = true
	switch {
	case !p.unreachable:
		p.unreachable = true
		d.link(p, protocol.PhaseStart)
	case p.again:
		d.link(p, protocol.PhaseContinue)
	}
	p.again = false
	d.blank(p)
}

func (d *decoder) link(p *pump, phase protocol.Phase) {
	d.pumpEvent(p, "link", protocol.EventAlarm, protocol.Event{Phase: phase, Priority: medium, Text: "the rack cannot reach it"})
}

// reached handles that the rack reaches p, whose alarms are told again: they
// may have been lost with the rack meanwhile.
func (d *decoder) reached(p *pump) {
	if p.unreachable {
		p.unreachable, p.again = false, true
		d.link(p, protocol.PhaseEnd)
	}
}

// pump handles the parameters of p that stand in d.raw.
func (d *decoder) pump(p *pump) {
	d.identify(p)
	name := pDrugShort
	if noValue(d.raw[name]) {
		name = pDrug
	}
	if label := d.same(p.label, name); label != p.label {
		p.label, p.again = label, true // what stands is told in the new words
	}
	if d.reached(p); p.absent {
		p.absent = false
		d.pumpEvent(p, "", eventAbsent, protocol.Event{Phase: protocol.PhaseEnd, Text: "in the rack again"})
	}
	p.present, p.seen = true, true

	for i := range numbers {
		d.number(p, i)
	}
	if name = pDrug; noValue(d.raw[name]) {
		name = pDrugShort
	}
	d.word(p, wordDrug, d.raw[name])
	d.word(p, wordState, d.state(p))
	d.word(p, wordSyringe, d.quantity(pSyringe, "mL"))
	if off, told := d.flag(pDoseMode); told && !off {
		d.word(p, wordDose, nil)
	} else {
		d.word(p, wordDose, d.quantity(pDose, d.unit(pDoseUnit)))
	}
	d.word(p, wordConcentration, d.quantity(pConcentration, d.unit(pConcentrationUnit)))
	d.bolus(p)
	d.alarms(p)
}

// identify tells who p is when that is new. Another pump in its place begins
// with nothing known.
func (d *decoder) identify(p *pump) {
	id, unique := d.same(p.id, pID), true
	if id == "" && !p.unique {
		id, unique = d.same(p.id, pSerial), false
	}
	if id != "" && id != p.id {
		if p.id != "" && p.unique == unique {
			d.gone(p)
			d.leave(p)
		}
		p.id, p.unique = id, unique
		d.identity(p.place, protocol.IdentitySerial, id)
	}
	if model := d.same(p.model, pModel); model != "" && model != p.model {
		p.model = model
		d.identity(p.place, protocol.IdentityModel, "B. Braun "+model)
	}
}

// same gives a parameter as text, which is old if it has not changed; "" if it
// has no value.
func (d *decoder) same(old string, param param) string {
	b := bytes.TrimSpace(d.raw[param])
	switch {
	case noValue(b):
		return ""
	case string(b) == old:
		return old
	}
	return text(b)
}

const maxText = 128

// text is b as a text that can be sent. Drugs may have signs of the maker's own
// in their names; they are kept.
func text(b []byte) string {
	s := strings.ToValidUTF8(string(b), "�")
	for len(s) > maxText {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// noValue tells whether a parameter was not told, or told to have no value.
func noValue(b []byte) bool {
	return len(b) == 0 || string(b) == "_NV" || string(b) == "_NA"
}

const longer = "65535" // of the time left: not known, or longer

func (d *decoder) number(p *pump, i int) {
	n := &numbers[i]
	o := protocol.Observation{Channel: p.place, Code: n.code, Unit: unitOf[i], Kind: protocol.KindNumeric, Quality: protocol.QualityMissing}
	raw := bytes.TrimSpace(d.raw[n.param])
	if noValue(raw) || n.param == pTimeLeft && string(raw) == longer {
		if p.known>>i&1 == 0 {
			return
		}
	} else if v, ok := framer.Number(raw); !ok {
		o.Quality = protocol.QualityInvalid
	} else if v, ok = protocol.Convert(v, n.unit, o.Unit); ok {
		o.Value, o.Quality = v, protocol.QualityGood
	}
	p.known |= 1 << i
	d.emit(o)
}

// word emits a text, or that there is none if there was one.
func (d *decoder) word(p *pump, i int, b []byte) {
	o := protocol.Observation{Channel: p.place, Code: wordCodes[i], Kind: protocol.KindEnumeration, Quality: protocol.QualityMissing}
	bit := uint32(1) << (len(numbers) + i)
	if b = bytes.TrimSpace(b); !noValue(b) {
		if p.words[i] != string(b) {
			p.words[i] = text(b)
		}
		o.Quality, o.Text = protocol.QualityGood, p.words[i]
	} else if p.known&bit == 0 {
		return
	}
	p.known |= bit
	d.emit(o)
}

// quantity is a number with its unit, nil without both.
func (d *decoder) quantity(param param, unit string) []byte {
	raw := bytes.TrimSpace(d.raw[param])
	if _, ok := framer.Number(raw); !ok || unit == "" {
		return nil
	}
	d.scratch = append(append(append(d.scratch[:0], raw...), ' '), unit...)
	return d.scratch
}

// unit gives a unit by its number; one that has no name is called by that.
func (d *decoder) unit(param param) string {
	raw := bytes.TrimSpace(d.raw[param])
	n, ok := framer.Digits(raw)
	switch {
	case !ok:
		return ""
	case n < len(units) && units[n] != "":
		return units[n]
	}
	return "(unit " + string(raw) + ")"
}

// flag reads a parameter that is 0 or 1, with any zeros before.
func (d *decoder) flag(param param) (on, told bool) {
	v, told := d.bits(param)
	return v == 1, told && v <= 1
}

// bits reads a field of bits.
func (d *decoder) bits(param param) (v uint64, told bool) {
	raw := d.raw[param]
	if len(raw) == 0 || len(raw) > 10 {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}

// state is what p does, in one word; nil if it does not say.
func (d *decoder) state(p *pump) []byte {
	run, runTold := d.bits(pRunState)
	status, statusTold := d.bits(pStatus)
	power := bytes.TrimLeft(d.raw[pPower], "0")
	is := func(flag param, inRun, inStatus uint64) bool {
		on, _ := d.flag(flag)
		return on || run&inRun != 0 || status&inStatus != 0
	}
	purges, bolus, kvo := is(pPurge, 0, 0), is(pBolusActive, 0, statManual|statVolume), is(pKVO, runKVO, statKVO)
	infuses, standby, ready := is(pPumping, runs, statRuns), is(pStandby, 0, statStand), is(pReady, 0, statReady)
	_, told := d.flag(pPumping)
	told = told || runTold || statusTold
	word := "stopped"
	p.running = true
	switch {
	case string(power) == "50" || statusTold && status&statOn == 0:
		word, p.running = "off", false
	case purges:
		word = "purging"
	case bolus:
		word = "bolus"
	case kvo:
		word = "KVO"
	case infuses:
		word = "infusing"
	case standby:
		word, p.running = "standby", false
	default:
		if p.running = false; !told { // that it does not pump
			return nil
		}
		if ready {
			word = "ready"
		}
	}
	d.scratch = append(d.scratch[:0], word...)
	return d.scratch
}

// bolus tells of a bolus when its counter or its volume has changed. The first
// one that is heard of may be hours old.
func (d *decoder) bolus(p *pump) {
	raw := bytes.TrimSpace(d.raw[pBolus])
	v, ok := framer.Number(raw)
	if !ok {
		return
	}
	d.scratch = append(append(append(d.scratch[:0], d.raw[pBolusCount]...), ' '), raw...)
	if string(d.scratch) == p.bolus {
		return
	}
	o := protocol.Observation{Channel: p.place, Code: bolus, Unit: "mL", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: v}
	if p.bolus == "" {
		o.Quality = protocol.QualityUnknown
	}
	p.bolus = string(d.scratch)
	d.emit(o)
}
