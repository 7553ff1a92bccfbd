package diap

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/mapping"
	"monitorme/protocol"
)

// A message: docs/devices/diap.md.
const (
	header     = "DIAP"
	textAt     = 8 // after the three digits and <
	maxText    = 2048
	trailer    = 4 + 2 // check, CR LF
	maxMessage = textAt + maxText + 1 + trailer
	relock     = 3 // messages in a row with the other check
	maxErrors  = 16
)

// A state is what is known of one value from the answers before.
type state struct {
	known bool
	last  mapping.Reading
	off   bool
}

type decoder struct {
	plan   *plan
	framer framer.Framer
	emit   drivers.Emit

	locked bool   // the start of the check is known
	lock   uint16 // that start
	other  int    // messages in a row with the other one

	fields mapping.Fields
	now    []mapping.Reading // of the command that is looked at
	states [][]state         // of each command's values
	told   bool
	failed []string // errors that were told
	misfit bool     // it was told that an answer fits no command

	asking  asking
	current *command // that was asked; nil for connect, or if nobody asked
	refused bool     // the last answer was an error
}

func (p *plan) newDecoder() *decoder {
	d := &decoder{plan: p}
	d.framer = framer.Framer{Max: maxMessage, Frame: d.frame}
	most := 0
	for _, c := range p.commands {
		most = max(most, len(c.values))
		d.states = append(d.states, make([]state, len(c.values)))
	}
	d.now = make([]mapping.Reading, most)
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

// frame handles a message: DIAP, three digits, <, text, >, four digits of the
// check, CR LF or LF.
func (d *decoder) frame(b []byte) int {
	for i, c := range b[:min(len(b), textAt)] {
		switch {
		case i < len(header) && c != header[i],
			i >= len(header) && i < textAt-1 && (c < '0' || c > '9'),
			i == textAt-1 && c != '<':
			return framer.Skip
		}
	}
	end := textAt
	for ; ; end++ {
		if end >= len(b) {
			return framer.More
		}
		if c := b[end]; c == '>' {
			break
		} else if c < ' ' || c > '~' || c == '<' || end == textAt+maxText {
			return framer.Skip
		}
	}
	n := end + 1 + 4
	if len(b) <= n {
		return framer.More
	}
	sum, err := strconv.ParseUint(string(b[end+1:n]), 16, 16)
	if b[n] == '\r' {
		if n++; len(b) == n {
			return framer.More
		}
	}
	if err != nil || b[n] != '\n' {
		return framer.Skip
	}
	if !d.checked(b[:end+1], uint16(sum)) {
		return framer.BadSum
	}
	d.answer(b[textAt:end])
	return n + 1
}

// checked tells whether the check is right. Which of two starts it has is
// learnt from the first message; another holds only if it comes three times in
// a row, as from another monitor.
func (d *decoder) checked(p []byte, sum uint16) bool {
	start := uint16(0)
	if check(p, 0xFFFF) == sum {
		start = 0xFFFF
	} else if check(p, 0) != sum {
		return false
	}
	if d.locked && start != d.lock {
		if d.other++; d.other < relock {
			return false
		}
	}
	d.locked, d.lock, d.other = true, start, 0
	return true
}

// answer handles the text of a message whose check is right.
func (d *decoder) answer(text []byte) {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: d.plan.model})
	}
	if d.refused = d.failures(text); d.refused {
		return
	}
	// An answer that could be that of two commands is believed for none.
	fits := -1
	for i := range d.plan.commands {
		if d.look(&d.plan.commands[i], text) {
			if fits >= 0 {
				d.unfit()
				return
			}
			fits = i
		}
	}
	if fits < 0 {
		d.unfit()
		return
	}
	d.look(&d.plan.commands[fits], text)
	d.say(&d.plan.commands[fits], d.states[fits])
}

// unfit tells once that the settings do not fit what the monitor answers.
func (d *decoder) unfit() {
	if d.current == nil || d.misfit { // the answer to connect means nothing
		return
	}
	d.misfit = true
	d.event("an answer does not have the form that the settings give it")
}

// failures tells the errors of an answer, and whether it has nothing else.
func (d *decoder) failures(text []byte) bool {
	all := true
	for more := true; more; {
		var part []byte
		part, text, more = bytes.Cut(text, []byte{';'})
		part = bytes.TrimSpace(part)
		switch {
		case bytes.HasPrefix(part, []byte{'%'}), bytes.HasPrefix(part, []byte("ERR:")):
			d.failure(string(part))
		case len(part) > 0:
			all = false
		}
	}
	return all
}

// failure tells each error once. Its words are the monitor's, if they are
// plain ones.
func (d *decoder) failure(text string) {
	if len(text) > 64 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:%_- ") != "" {
		text = "an error"
	}
	if slices.Contains(d.failed, text) || len(d.failed) == maxErrors {
		return
	}
	d.failed = append(d.failed, text)
	d.event("the monitor answers: " + text)
}

func (d *decoder) event(text string) {
	d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
		Event: &protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Text: text}})
}

// look reads an answer as that of a command, and tells whether it is one: it
// has the form, at least one of the values, and all of them can be read.
func (d *decoder) look(c *command, text []byte) bool {
	if !d.split(c, text) {
		return false
	}
	found := false
	for i := range c.values {
		r, ok := d.read(c, &c.values[i])
		if !ok {
			return false
		}
		d.now[i], found = r, found || r.Here
	}
	return found
}

// split cuts an answer into its fields.
func (d *decoder) split(c *command, text []byte) bool {
	f := d.fields[:0]
	defer func() { d.fields = f }()
	rest, ok := bytes.CutPrefix(text, []byte(c.prefix))
	if !ok {
		return false
	}
	if c.match != nil {
		f, ok = f.Groups(c.match, rest)
		return ok
	}
	for more := true; more && len(f) < mapping.MaxFields; {
		var part []byte
		part, rest, more = bytes.Cut(rest, []byte{c.separator})
		part = bytes.TrimSpace(part)
		if c.byColumn {
			f = append(f, mapping.Field{Text: part})
		} else if i := bytes.IndexAny(part, "=:"); i > 0 {
			f = append(f, mapping.Field{Name: bytes.TrimSpace(part[:i]), Text: bytes.TrimSpace(part[i+1:])})
		}
	}
	return c.columns == 0 || len(f) == c.columns
}

// read reads one value. Not ok is an answer of another form.
func (d *decoder) read(c *command, v *value) (mapping.Reading, bool) {
	r, text, ok := v.Read(d.fields, c.marks, d.plan.missing)
	if text == nil {
		return r, ok
	}
	if r.Number, ok = framer.Number(bytes.TrimSuffix(text, []byte{'%'})); ok {
		r.Number, r.Quality = v.Number(r.Number, r.Quality)
	}
	return r, ok
}

// say emits what the answer said. Values that are measured now and then are
// said together when one of them is another; how old the first are nobody says.
func (d *decoder) say(c *command, states []state) {
	changed, first := false, true
	for i := range c.values {
		if c.values[i].episodic && d.now[i].Here {
			changed = changed || !states[i].known || d.now[i] != states[i].last
			first = first && !states[i].known
		}
	}
	for i := range c.values {
		v, r, s := &c.values[i], d.now[i], &states[i]
		if !r.Here || v.episodic && !changed {
			continue
		}
		s.known, s.last = true, r
		if v.episodic && first && r.Quality.HasNumber() {
			r.Quality = protocol.QualityUnknown
		}
		d.edge(v, s, r.Quality == protocol.QualitySensorOff)
		d.emit(protocol.Observation{Channel: v.Channel, Code: v.Code, Unit: v.Unit, Kind: protocol.KindNumeric, Quality: r.Quality, Value: r.Number})
	}
}

// edge emits the event of a sensor that comes off or is on again.
func (d *decoder) edge(v *value, s *state, off bool) {
	if s.off != off {
		s.off = off
		d.emit(v.SensorOff(off))
	}
}
