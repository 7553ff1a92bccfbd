package warmer

import (
	"slices"
	"strings"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var (
	skin     = protocol.MustCode("MDC_TEMP_SKIN")
	air      = protocol.MustCode("MONITORME_TEMP_INCUBATOR_AIR")
	setting  = protocol.MustCode("MONITORME_TEMP_INCUBATOR_SETTING")
	heater   = protocol.MustCode("MONITORME_HEATER_POWER")
	humidity = protocol.MustCode("MONITORME_INCUBATOR_HUMIDITY")
	oxygen   = protocol.MustCode("MONITORME_INCUBATOR_OXYGEN")
	weight   = protocol.MustCode("MDC_MASS_BODY_ACTUAL")
)

// Channels of settings and of the second skin probe.
const (
	bySkin = "skin"
	byAir  = "air"
	second = "2"
)

const maxLine = 200

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	starts string // how lines of this device may begin
	sums   trust

	model, firmware string
	weight          int
	oximeter        bool // it has one
	off             [2]bool
	two             bool     // it has two skin probes
	alarms          []string // as told
}

// How lines begin. Each decoder takes only those of its device: another would be
// silent all the time for it, or not silent when it is.
const (
	warmers    = "GP" // GWRM, PWRM, PNBW
	incubators = "HI" // HYB, INC
	isolettes  = "["
	ohios      = "\x02"
)

func decoderOf(starts string) func() drivers.Decoder {
	return func() drivers.Decoder {
		d := &decoder{starts: starts}
		d.framer = framer.Framer{Max: maxLine, Frame: d.frame}
		return d
	}
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats {
	s := d.framer.Stats()
	s.BadSums += d.sums.doubtful
	return s
}

func (d *decoder) frame(b []byte) int {
	if strings.IndexByte(d.starts, b[0]) < 0 {
		return framer.Skip
	}
	read, from := d.giraffe, 0
	switch b[0] {
	case '[':
		read = d.isolette
	case ohios[0]:
		read, from = d.ohio, 1
	}
	if len(b) == from {
		return framer.More
	}
	text, n := framer.Line(b[from:])
	if n <= 0 {
		return n
	}
	if answer := read(text); answer < 0 {
		return answer
	}
	return from + n
}

// A trust learns whether a device keeps to a check that is not verified: once
// it held three times running, lines in which it does not are refused, until it
// fails three times running.
type trust struct {
	run      int // positive: held; negative: failed; so often running
	sure     bool
	doubtful uint64 // accepted, though it failed
}

const enough = 3

func (t *trust) accepts(held bool) bool {
	switch {
	case held:
		t.run = min(max(t.run, 0)+1, enough)
	default:
		t.run = max(min(t.run, 0)-1, -enough)
	}
	switch t.run {
	case enough:
		t.sure = true
	case -enough:
		t.sure = false
	}
	if !held && !t.sure {
		t.doubtful++
	}
	return held || !t.sure
}

// temperature emits a temperature, or that there is none.
func (d *decoder) temperature(code protocol.Code, channel string, v protocol.Decimal, none protocol.Quality) {
	d.number(code, channel, "Cel", v, none)
}

func (d *decoder) number(code protocol.Code, channel string, unit protocol.Unit, v protocol.Decimal, none protocol.Quality) {
	o := protocol.Observation{Code: code, Channel: channel, Unit: unit, Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: v}
	if !v.Valid {
		o.Quality = none
	}
	d.emit(o)
}

// probe emits the temperature of skin probe 0 or 1, and that it comes off. A
// second probe that was never there is not off.
func (d *decoder) probe(i int, v protocol.Decimal) {
	channel, text := "", "skin probe off"
	if i == 1 {
		if d.two = d.two || v.Valid; !d.two {
			return
		}
		channel, text = second, "skin probe 2 off"
	}
	if off := !v.Valid; off != d.off[i] {
		d.off[i] = off
		d.event(protocol.EventSensorOff, off, protocol.Event{Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: skin, Text: text})
	}
	d.temperature(skin, channel, v, protocol.QualitySensorOff)
}

func (d *decoder) event(code protocol.Code, begins bool, e protocol.Event) {
	e.Phase = protocol.PhaseEnd
	if begins {
		e.Phase = protocol.PhaseStart
	}
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// ring reports alarms that begin and end.
func (d *decoder) ring(now []string) {
	tell := func(text string, begins bool) {
		d.event(protocol.EventAlarm, begins, protocol.Event{Priority: protocol.PriorityMedium, Text: text})
	}
	for _, a := range d.alarms {
		if !slices.Contains(now, a) {
			tell(a, false)
		}
	}
	for _, a := range now {
		if !slices.Contains(d.alarms, a) {
			tell(a, true)
		}
	}
	d.alarms = now
}

// identify emits an identity, whose text is in two parts, when it is new.
func (d *decoder) identify(code protocol.Code, was *string, maker string, name []byte) {
	if n := len(maker); len(*was) == n+len(name) && (*was)[:n] == maker && (*was)[n:] == string(name) {
		return
	}
	*was = maker + string(name)
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: *was})
}
