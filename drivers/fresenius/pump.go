package fresenius

import (
	"bytes"

	"monitorme/protocol"
)

func ours(name string) protocol.Code { return protocol.MustCode("MONITORME_INFUSION_" + name) }

var (
	rate      = ours("RATE")
	infused   = ours("VOLUME")
	bolusRate = ours("BOLUS_RATE")
	bolus     = ours("BOLUS")
	drug      = ours("DRUG")
	state     = ours("STATE")

	malfunction = protocol.MustCode("MDC_EVT_MALF")
	absent      = protocol.MustCode("MDC_EVT_ABSENT")
	notRead     = protocol.MustCode("MONITORME_EVT_NOT_READ")
)

// A measure is a variable that is a number.
type measure struct {
	letter  byte
	code    protocol.Code
	unit    protocol.Unit
	places  int8
	quality protocol.Quality
}

// measures: the scales of a bolus are taken to be those of the infusion.
var measures = [...]measure{
	{'d', rate, "mL/h", 1, protocol.QualityGood},
	{'r', infused, "mL", 3, protocol.QualityGood},
	{'k', bolusRate, "mL/h", 1, protocol.QualityQuestionable},
	{'s', bolus, "mL", 3, protocol.QualityQuestionable},
}

// A pump is what was told of one.
type pump struct {
	decoder *decoder
	channel string

	seen    bool
	told    [len(measures)]bool             // has had a value
	last    [len(measures)]protocol.Decimal // the value
	bolused bool                            // it has spoken of a bolus, so that another one is new
	model   string
	drug    string
	mode    string
	alarm   condition
	fault   condition
	missing condition // why it is not there
	unread  condition // its alarms
}

// A condition is an event that has begun.
type condition struct {
	code     protocol.Code
	text     string // "" if it does not stand
	priority protocol.Priority
	again    bool // it is to be said again if it still stands
}

func newPump(d *decoder, channel string) pump {
	return pump{decoder: d, channel: channel, alarm: condition{code: protocol.EventAlarm}, fault: condition{code: malfunction}, missing: condition{code: absent}, unread: condition{code: notRead}}
}

// present is told that the pump is there and tells something.
func (p *pump) present() {
	p.stands(&p.missing, "", 0)
	if !p.seen {
		p.seen = true
		p.identify("")
	}
}

// inserted is told whether the base says that the pump is there.
func (p *pump) inserted(there bool) {
	switch {
	case !there && p.seen:
		p.lose()
		p.stands(&p.alarm, "", 0)
		p.stands(&p.fault, "", 0)
		p.stands(&p.unread, "", 0)
		p.stands(&p.missing, "module "+p.channel+" is removed", protocol.PriorityLow)
		p.seen, p.model = false, ""
	case there && !p.seen:
		p.present() // perhaps another one than before
	}
}

// mute is told that the pump should be there and does not answer.
func (p *pump) mute() {
	p.lose()
	p.stands(&p.missing, "module "+p.channel+" does not answer", protocol.PriorityMedium)
	p.alarm.again, p.fault.again, p.unread.again = true, true, true
}

// interrupted is told that nothing was heard for a while: what stands is to be
// said again.
func (p *pump) interrupted() {
	p.alarm.again, p.fault.again, p.missing.again, p.unread.again = true, true, true, true
}

// lose marks that the values told are no more.
func (p *pump) lose() {
	for i, m := range measures {
		if p.told[i] {
			p.number(m, protocol.Decimal{}, protocol.QualityMissing)
		}
	}
	p.told, p.bolused = [len(measures)]bool{}, false
	if p.mode != "" {
		p.decoder.word(p.channel, state, "")
	}
	if p.drug != "" {
		p.decoder.word(p.channel, drug, "")
	}
	p.mode, p.drug = "", ""
}

// noFlow is told that the pump gives neither rate nor volume now.
func (p *pump) noFlow() {
	p.told[0], p.told[1] = true, true
	p.lose()
}

// identify tells what the pump is; its type is "" if it is not known.
func (p *pump) identify(kind string) {
	model := "Fresenius pump"
	if kind != "" {
		model += ", type " + kind
	}
	if model != p.model {
		p.model = model
		p.decoder.word(p.channel, protocol.IdentityModel, model)
	}
}

// infuses tells the drug's name, "" for none.
func (p *pump) infuses(name string) {
	if name != "" || p.drug != "" {
		p.decoder.word(p.channel, drug, name)
	}
	p.drug = name
}

func (p *pump) noDrug() { p.infuses("") }

// quiet is told that rate and volume can be read of the pump, and nothing else.
func (p *pump) quiet() {
	what := "the pump"
	if p.channel != "" {
		what = "module " + p.channel
	}
	p.stands(&p.unread, "alarms of "+what+" cannot be read", protocol.PriorityLow)
}

// variables handles letters with their values. What is neither a hexadecimal
// number nor a sign for none is no variable.
func (p *pump) variables(data []byte) {
	for len(data) > 0 {
		var part []byte
		part, data, _ = bytes.Cut(data, []byte{';'})
		if len(part) == 0 || part[0] < 'a' || part[0] > 'z' {
			continue
		}
		text := part[1:]
		v, ok := hexNumber(text)
		if !ok && len(bytes.Trim(text, "- ")) > 0 {
			continue
		}
		p.present()
		switch letter := part[0]; {
		case letter == 'a' && ok:
			p.stands(&p.unread, "", 0)
			p.stands(&p.alarm, named("alarm ", text, v), protocol.PriorityMedium)
		case letter == 'e' && ok:
			p.stands(&p.fault, named("error ", text, v), protocol.PriorityMedium)
		case letter == 'm' && ok:
			if len(p.mode) != 5+len(text) || p.mode[5:] != string(text) {
				p.mode = "mode " + string(text)
			}
			p.decoder.word(p.channel, state, p.mode)
		default:
			p.measured(letter, text, v, ok)
		}
	}
}

// named is the text of an alarm or error, "" for none.
func named(what string, text []byte, v int64) string {
	if v == 0 {
		return ""
	}
	return what + string(text)
}

func (p *pump) measured(letter byte, text []byte, v int64, ok bool) {
	for i, m := range measures {
		switch {
		case m.letter != letter:
		case !ok || len(text) >= 4 && len(bytes.Trim(text, "F")) == 0: // all ones is no number
			p.number(m, protocol.Decimal{}, protocol.QualityMissing)
			p.told[i] = false
		default:
			value := protocol.Dec(v, -m.places)
			switch {
			case m.code != bolus || p.bolused && (!p.told[i] || value != p.last[i]): // a bolus is told once
				p.number(m, value, m.quality)
			case !p.bolused: // it may be hours old
				p.number(m, value, protocol.QualityUnknown)
			}
			p.told[i], p.last[i] = true, value
		}
	}
	p.bolused = p.bolused || letter == 's'
}

func (p *pump) number(m measure, v protocol.Decimal, q protocol.Quality) {
	p.decoder.emit(protocol.Observation{Channel: p.channel, Code: m.code, Unit: m.unit, Kind: protocol.KindNumeric, Quality: q, Value: v})
}

// stands is told the text of a condition that stands now, "" for none. One
// ends before the next begins.
func (p *pump) stands(c *condition, text string, priority protocol.Priority) {
	if text == c.text && (!c.again || text == "") {
		return
	}
	if c.text != "" && text != c.text {
		p.event(c, protocol.PhaseEnd)
	}
	if c.text, c.again = text, false; text != "" {
		c.priority = priority
		p.event(c, protocol.PhaseStart)
	}
}

func (p *pump) event(c *condition, phase protocol.Phase) {
	p.decoder.emit(protocol.Observation{Channel: p.channel, Code: c.code, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
		Event: &protocol.Event{Phase: phase, Priority: c.priority, Type: protocol.AlarmTechnical, Text: c.text}})
}
