package mindray

import (
	"hash/maphash"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// Control ids (MSH-10) say what a message is.
const (
	idPhysiological = 54
	idTechnical     = 56
	idPatient       = 103
	idEcho          = 106
	idNumbers       = 204
	idValidity      = 205
	idResults       = 503
)

const (
	version = "2.3.1"
	// maxMessage is far more than a monitor's longest message.
	maxMessage = 24 << 10
)

const model = "Mindray monitor, realtime results"

// A reading is one number of a message.
type reading struct {
	at    time.Time        // the monitor's time of it, zero if none
	v     protocol.Decimal // none if the monitor has none
	unit  protocol.Unit    // as the message says, noUnit if it does not, badUnit if it cannot be read
	place int
	hot   bool // a temperature beside it can only be °F
	once  bool // a result, which is said again and again, not what is measured all the time
}

// A result is what is known of a source that measures now and then.
type result struct {
	known bool // something was heard of it: what differs is new
	fresh bool // that of at was measured while we listened
	at    time.Time
}

type decoder struct {
	Settings
	framer  hl7v2.Framer
	message hl7v2.Message
	emit    drivers.Emit
	units   [scales]protocol.Unit // as the settings say, noUnit if they do not

	told    bool         // the model
	advised [scales]bool // that a unit is not set
	batch   []reading    // of the message

	// By place. Numbers wait for their validity.
	waiting []bool
	read    []reading
	state   []int8             // validity, unsaid if there was none
	shown   []bool             // the last emission had a number
	last    []reading          // of results
	number  []protocol.Decimal // the last of last that was one
	others  int                // messages that were no validity, since a number waits
	doubts  int                // numbers of which it was never said
	results [sources]result

	alarms [2][]alarm
	text   []byte

	seed    maphash.Seed
	patient uint64 // a hash
	address uint64
	admits  bool // patient was heard of
	several bool // monitors on this connection

	asker
}

const (
	unsaid = -1
	// manyDoubts is after how many numbers without validity a monitor is taken
	// for one that never says it.
	manyDoubts = 30
)

func newDecoder(s Settings) *decoder {
	n := len(parameters)
	d := &decoder{Settings: s, waiting: make([]bool, n), read: make([]reading, n), state: make([]int8, n), shown: make([]bool, n), last: make([]reading, n),
		number: make([]protocol.Decimal, n), seed: maphash.MakeSeed()}
	for i := range n {
		d.state[i], d.last[i].place = unsaid, -1
	}
	for _, c := range s.choices() {
		d.units[c.of] = units[c.said]
	}
	d.units[difference] = d.units[temperature]
	d.forms = s.queries()
	d.framer = hl7v2.Framer{Max: maxMessage, Message: d.take}
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

// take handles a message, and says whether it is one of a monitor.
func (d *decoder) take(b []byte) bool {
	m := &d.message
	if m.Parse(b) != nil || !m.Header().Field(12).Component(1).Is(version) || !m.Is("ORU", "R01") && !m.Is("ADT", "") {
		return false
	}
	id, ok := m.ControlID().Digits()
	if !ok {
		return false
	}
	if d.foreign(id) {
		return false
	}
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: model})
	}
	if id != idNumbers && id != idValidity {
		if d.others++; d.others > 1 { // one may have come between
			d.settle()
		}
	}
	switch id {
	case idEcho:
		d.echoed = true
	case idNumbers, idResults:
		d.answered = true
		d.numbers(id == idResults)
	case idValidity:
		d.validity()
	case idPhysiological, idTechnical:
		d.snapshot(id)
	case idPatient:
		d.admission()
	}
	return true
}

// numbers takes the numbers of a message. Those that are measured all the time
// wait for their validity, which comes next; the others have their own rule.
func (d *decoder) numbers(results bool) {
	d.batch, d.others = d.batch[:0], 0
	hot := false
	for s := range d.message.Segments() {
		if r, ok := readOBX(s); ok && len(d.batch) < 2*len(parameters) {
			d.batch = append(d.batch, r)
			hot = hot || parameters[r.place].scale == temperature && warm(r.v)
		}
	}
	for _, r := range d.batch {
		if d.waiting[r.place] { // the last one's validity did not come
			d.settle()
			break
		}
	}
	for i := range d.batch {
		r := &d.batch[i]
		r.hot = hot
		if r.once = r.once || results || parameters[r.place].source != periodic; r.once {
			continue
		}
		if d.waiting[r.place], d.read[r.place] = true, *r; d.Validity == none && d.state[r.place] == unsaid {
			d.release(r.place)
		}
	}
	for of := range sources {
		d.result(of, results)
	}
}

// readOBX reads a number. A name in a language that is not ours may contain
// what looks like a separator: what follows it must be in its place.
func readOBX(s hl7v2.Segment) (r reading, ok bool) {
	if !s.Is("OBX") || !s.Field(2).Is("NM") {
		return r, false
	}
	id, ok := s.Field(3).Component(1).Digits()
	if r.place = place(id); !ok || r.place < 0 {
		return r, false
	}
	if _, ok := s.Field(4).Digits(); !ok {
		return r, false
	}
	switch status := s.Field(11); {
	case status.Is("F"):
		if v, ok := s.Field(5).Number(); ok && !invalid(v) {
			r.v = v
		}
	case !status.Is("X"):
		return r, false
	}
	r.unit, r.once = unitText(s.Field(6)), s.Field(13).Is("APERIODIC")
	if at, _, ok := s.Field(14).Time(time.UTC); ok {
		r.at = at
	}
	return r, true
}

// invalid tells whether v is -100, which stands where the monitor has no number.
func invalid(v protocol.Decimal) bool {
	m := v.Mantissa
	for ; v.Exponent < 0 && m%10 == 0; v.Exponent++ {
		m /= 10
	}
	return m == -100 && v.Exponent == 0
}

// validity takes which of the numbers are valid.
func (d *decoder) validity() {
	for s := range d.message.Segments() {
		if !s.Is("OBX") || !s.Field(2).Is("CE") || !s.Field(3).Component(1).Is("2037") || !s.Field(11).Is("F") {
			continue
		}
		id, ok := s.Field(4).Component(1).Digits()
		state, said := s.Field(5).Component(1).Digits()
		i := place(id)
		if !ok || !said || i < 0 || state > 9 {
			continue
		}
		d.state[i] = int8(state)
		switch {
		case d.waiting[i]:
			d.release(i)
		case d.shown[i] && state != valid && parameters[i].source == periodic: // what was said before is no longer so
			d.say(reading{place: i}, protocol.QualityMissing)
		}
	}
}

// States of validity.
const (
	noValue = 2
	valid   = 3
)

// settle ends the waiting for validity: a monitor says it with each number, or
// when it changes.
func (d *decoder) settle() {
	for i, waits := range d.waiting {
		if waits {
			d.release(i)
		}
	}
}

// release emits the number that waits.
func (d *decoder) release(i int) {
	d.waiting[i] = false
	q := protocol.QualityUnknown
	switch d.state[i] {
	case valid:
		q = protocol.QualityGood
	case noValue:
		q = protocol.QualityMissing
	case unsaid:
		if d.Validity == none {
			q = protocol.QualityGood
		} else if d.doubts++; d.doubts == manyDoubts {
			d.advise(protocol.AlarmAdvisory, protocol.PriorityLow, "values are not shown because the monitor does not say whether they are valid: see validity in the settings of this device")
		}
	}
	d.say(d.read[i], q)
}

// result takes from the batch what one source has measured. The monitor says it
// again and again, and when it is asked: only what differs from what it said
// before was measured now. Of the first nobody knows how old it is.
func (d *decoder) result(of source, results bool) {
	var newest time.Time
	changed, number, other, here := false, false, false, false
	for _, r := range d.batch {
		if !r.once || parameters[r.place].source != of {
			continue
		}
		here = true
		changed = changed || differs(r, d.last[r.place])
		if r.v.Valid {
			number, other = true, other || r.v != d.number[r.place]
			if r.at.After(newest) {
				newest = r.at
			}
		}
	}
	s := &d.results[of]
	switch {
	case !here || !changed:
		s.known = s.known || here
		return
	case !number:
	case newest.IsZero():
		s.fresh = s.known && other && !results // with a result comes its time: without it, it is none of now
	case newest.Before(s.at): // the monitor's clock was changed, or it is an old one
		s.fresh, s.at = false, newest
	case newest.After(s.at):
		s.fresh, s.at = s.known, newest
	}
	s.known = true
	for _, r := range d.batch {
		if !r.once || parameters[r.place].source != of || !newest.IsZero() && !differs(r, d.last[r.place]) {
			continue
		}
		if d.last[r.place] = r; r.v.Valid {
			d.number[r.place] = r.v
		}
		q := protocol.QualityUnknown
		if s.fresh && (r.at.Equal(s.at) || newest.IsZero()) {
			q = protocol.QualityGood
		}
		d.say(r, q)
	}
}

func differs(now, last reading) bool {
	return now.place != last.place || now.v != last.v || !now.at.Equal(last.at)
}

// say emits a reading of a quality that does not yet heed its unit.
func (d *decoder) say(r reading, q protocol.Quality) {
	p := &parameters[r.place]
	o := protocol.Observation{Code: p.code, Channel: p.channel, Unit: unitOf[r.place], Kind: protocol.KindNumeric, Quality: q, DeviceTime: r.at}
	if d.units[p.scale] == "%" && p.percent != 0 {
		o.Code, o.Unit = p.percent, "%"
	}
	switch {
	case !r.v.Valid:
		o.Quality = protocol.QualityMissing
	case q.HasNumber() || q == protocol.QualityUnknown:
		d.measure(&o, r)
	}
	d.shown[r.place] = o.Quality.HasNumber()
	d.emit(o)
}
