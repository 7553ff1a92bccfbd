package hl7

import (
	"hash/maphash"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

type decoder struct {
	plan    *plan
	memory  *memory
	framer  hl7v2.Framer
	emit    drivers.Emit
	message hl7v2.Message
	long    uint64

	answering bool          // it runs at a port
	now       time.Time     // for the answers
	arrived   time.Duration // since the memory began
	replier   hl7v2.Replier
	answers   []byte

	// Of the message that is read.
	count  uint64        // its number
	sent   stamp         // MSH-7
	late   time.Duration // how much later than others it came
	demo   bool          // it is a test
	usual  bool          // its delimiters
	alarms bool          // it is an ORU^R40
	mine   []bool        // of each patient of the message
	from   stamp         // OBR-7
	wave   wave          // that has begun
	alarm  alarm         // likewise
	people people        // whom it speaks of
}

// A stamp is a time of a message.
type stamp struct {
	time.Time
	zoned bool // it had an offset
}

func (p *plan) newDecoder(m *memory) *decoder {
	d := &decoder{plan: p, memory: m}
	d.framer = hl7v2.Framer{Max: maxMessage, Message: d.read}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	d.emit = emit
	d.framer.Feed(p)
	if n := d.framer.TooLong(); n != d.long {
		d.long = n
		d.event(eventNotRead, protocol.Event{Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical,
			Text: "a message of more than 1 MiB was given up: let the device send less at once"})
	}
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

// read handles one message: first all that it says, then the answer. Only
// messages of this bed count as frames: others are no sign that its monitor
// works.
func (d *decoder) read(raw []byte) bool {
	if err := d.message.Parse(raw); err != nil {
		d.answer(hl7v2.Rejected, "the header cannot be read")
		return false
	}
	m := &d.message
	switch {
	case m.Is("ORU", ""):
	case m.Is("ACK", ""), m.Is("ADT", ""):
		d.answer(hl7v2.Accepted, "")
		return false
	case m.Header().Field(9).Empty():
		d.answer(hl7v2.Failed, "MSH-9, the type of the message, is missing")
		return false
	default:
		d.answer(hl7v2.Rejected, "messages of this type are not taken here, only ORU")
		return false
	}
	dated := !m.Header().Field(7).Empty() && !m.ControlID().Empty()
	hash := maphash.Bytes(d.memory.seed, raw) | 1
	ours := dated && d.memory.repeated(hash)
	if !ours {
		if ours = d.results(); ours && dated {
			d.memory.remember(hash)
		}
	}
	d.answer(hl7v2.Accepted, "")
	return ours
}

func (d *decoder) answer(o hl7v2.Outcome, text string) {
	if d.answering {
		d.answers = d.replier.Append(d.answers, &d.message, o, text, d.now)
	}
}

// results reads an ORU. It looks at the message twice: first whose it is, and
// which codes there are several of.
func (d *decoder) results() bool {
	m := &d.message
	d.memory.messages++
	d.count = d.memory.messages
	mode := m.Header().Field(11).Component(1)
	d.demo = mode.Is("T") || mode.Is("D")
	d.usual = m.Delimiters() == hl7v2.Usual
	d.alarms = m.Header().Field(9).Component(2).Is("R40")
	d.sent = d.stamp(m.Header().Field(7))
	d.late, d.from = 0, stamp{}
	d.people = people{names: d.people.names[:0]}
	ours, others := d.survey()
	if ours {
		d.late = d.lateness()
		d.identity()
	}
	d.tally(ours, others)
	var g groups
	for s := range m.Segments() {
		who := g.of(s)
		switch {
		case s.Is("PID"), s.Is("PV1"), s.Is("OBR"):
			d.finish()
			if d.from = (stamp{}); s.Is("OBR") {
				d.from = d.stamp(s.Field(7))
			}
		case s.Is("OBX") && d.mine[who]:
			d.result(s)
		}
	}
	d.finish()
	return ours
}

// lateness is how much later than others of its sender the message came. Each
// sender behind a gateway may have a clock of its own.
func (d *decoder) lateness() time.Duration {
	h, m := d.message.Header(), d.memory
	if !d.answering || d.sent.IsZero() || len(h.Field(7).Raw()) < len("20060102150405") {
		return 0
	}
	sender := maphash.Bytes(m.seed, h.Field(3).Raw())
	p := m.paces[sender]
	if p == nil {
		if len(m.paces) >= maxSenders {
			return 0
		}
		p = &pace{}
		m.paces[sender] = p
	}
	return p.late(d.arrived, d.sent.Time)
}

// groups numbers the parts of a message that are of one patient at one place:
// a PID begins one, and a PV1 after results, for a gateway may leave the PID out.
type groups struct {
	n       int
	results bool
}

// of gives the number of the group of the next segment.
func (g *groups) of(s hl7v2.Segment) int {
	switch {
	case s.Is("PID"), s.Is("PV1") && g.results:
		g.n++
		g.results = false
	case s.Is("OBR"), s.Is("OBX"):
		g.results = true
	}
	return g.n
}

// survey tells whether there are results of this bed, and of others.
func (d *decoder) survey() (ours, others bool) {
	d.mine = d.mine[:0]
	var patient, location hl7v2.Value
	var g groups
	end := func(results bool) {
		mine := results && d.ours(location, patient)
		ours, others = ours || mine, others || results && !mine
		d.mine = append(d.mine, mine)
	}
	for s := range d.message.Segments() {
		if results := g.results; g.of(s) > len(d.mine) {
			end(results)
			patient, location = hl7v2.Value{}, hl7v2.Value{}
		}
		switch {
		case s.Is("PID"):
			patient = s.Field(3).Repetition(1)
		case s.Is("PV1"):
			location = s.Field(3)
		}
	}
	end(g.results)
	if d.alarms { // there the places are those of what is said of an alarm
		return ours, others
	}
	g = groups{}
	for s := range d.message.Segments() {
		if who := g.of(s); s.Is("OBX") && d.mine[who] {
			d.locate(s)
		}
	}
	return ours, others
}

// finish says what is still waiting for what belongs to it.
func (d *decoder) finish() {
	d.wave.flush(d)
	d.alarm.flush(d)
}

// identity says what the sender calls itself, when that is new.
func (d *decoder) identity() {
	from := d.message.Header().Field(3)
	d.tell(&d.memory.model, protocol.IdentityModel, from.Component(1))
	if begins(from.Component(3), "EUI-64") {
		d.tell(&d.memory.serial, protocol.IdentitySerial, from.Component(2))
	}
}

func (d *decoder) tell(last *string, code protocol.Code, v hl7v2.Value) {
	if v.Empty() || v.Null() {
		return
	}
	text := strings.TrimSpace(clip(v.Text()))
	if text == *last {
		return
	}
	*last = text
	if text != "" && !d.personal(text) {
		d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
	}
}

// event emits an event of the driver itself.
func (d *decoder) event(code protocol.Code, e protocol.Event) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// clip keeps a text short.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

func (d *decoder) stamp(v hl7v2.Value) stamp {
	if v.Empty() {
		return stamp{}
	}
	t, zoned, _ := v.Time(d.plan.zone)
	return stamp{t, zoned}
}

// age is how long before its message arrived t was, as far as that can be told:
// how long before the message was sent, and how late that came.
func (d *decoder) age(t stamp) time.Duration {
	if !d.aged(t) {
		return d.late
	}
	return min(max(d.sent.Sub(t.Time), 0)+d.late, 366*24*time.Hour)
}

// aged tells whether it can be told how long before its message t was.
func (d *decoder) aged(t stamp) bool {
	return !t.IsZero() && !d.sent.IsZero() && (t.zoned == d.sent.zoned || d.plan.zoned)
}
