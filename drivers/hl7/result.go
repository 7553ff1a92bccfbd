package hl7

import (
	"bytes"
	"strings"
	"time"

	"monitorme/drivers/framer"
	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// same tells how long a cuff's numbers may be repeated, without a time of their
// own, and be those of one measurement.
const same = 5 * time.Minute

// result reads an OBX.
func (d *decoder) result(s hl7v2.Segment) {
	code := s.Field(3)
	n, _ := code.Component(1).Digits()
	if d.wave.companion(s, n) {
		return
	}
	d.wave.flush(d)
	if d.alarms {
		d.alarm.read(d, s, n)
		return
	}
	id := d.identified(code)
	if !id.known {
		d.notRead(code, "settings.codes can say what it is")
		return
	}
	channel := d.channel(id, path(s.Field(4).Component(1).Raw(), protocol.Code(n)))
	term, known := protocol.Lookup(id.code)
	kind := s.Field(2)
	switch {
	case kind.Is("NA") && (term.Kind == protocol.KindSamples || !known):
		d.wave.begin(d, s, id, channel)
	case kind.Is("NA"), kind.Is("MA"), kind.Is("ED"), kind.Is("RP"), term.Kind == protocol.KindSamples:
		if !s.Field(5).Empty() {
			d.notRead(code, "values of this type are not taken")
		}
	case term.Kind == protocol.KindEnumeration:
		d.word(s, id, channel)
	case known && term.Kind != protocol.KindNumeric:
	case known, measured(id.code) && (kind.Is("NM") || kind.Is("SN")):
		d.number(s, id, term, known, channel)
	}
}

// identified is identify, remembered.
func (d *decoder) identified(code hl7v2.Value) identifier {
	if id, ok := d.memory.ids[string(code.Raw())]; ok && d.usual {
		return id
	}
	id := d.plan.identify(code)
	if d.usual && len(code.Raw()) <= 256 && len(d.memory.ids) < maxCache {
		d.memory.ids[string(code.Raw())] = id
	}
	return id
}

// unit is the function unit, remembered.
func (d *decoder) unit(v hl7v2.Value) (protocol.Unit, bool) {
	if u, ok := d.memory.names[string(v.Raw())]; ok && d.usual {
		return u.unit, u.known
	}
	u, known := unit(v)
	if d.usual && len(v.Raw()) <= 256 && len(d.memory.names) < maxCache {
		d.memory.names[string(v.Raw())] = unitRead{u, known}
	}
	return u, known
}

// notRead tells once of a code that is not read, and what can be done.
func (d *decoder) notRead(code hl7v2.Value, why string) {
	raw := code.Raw()
	if m := d.memory.unread; m[string(raw)] || len(m) >= maxUnread || len(raw) > 256 {
		return
	}
	d.memory.unread[string(raw)] = true
	id, system := code.Component(1).Text(), code.Component(3).Text()
	if !plainName(id) || !plainName(system) || d.personal(id) || d.personal(system) {
		return
	}
	d.event(eventNotRead, protocol.Event{Phase: protocol.PhaseOnce, Type: protocol.AlarmAdvisory, Text: "code " + id + " of system " + system + " is not read: " + why})
}

// plainName tells whether s can be a code or a coding system.
func plainName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '_' || r == '-' || r == '.')
	})
}

// measured tells whether a code without a term is one of a measurement: of the
// standard's partition 2, or of that of its settings.
func measured(c protocol.Code) bool { return c.Partition() == 2 || c.Partition() == 2+256 }

// path gives the place in the device that an OBX-4 names, without the code at
// its end.
func path(b []byte, n protocol.Code) []byte {
	if b = bytes.TrimSpace(b); len(b) > 40 {
		return nil
	}
	if i := bytes.LastIndexByte(b, '.'); i > 0 {
		if last, ok := framer.Digits(b[i+1:]); ok && last == int(n) && n != 0 {
			return b[:i]
		}
	}
	return b
}

// locate notes where in the device a code is. A place such as 1.2.3 is the same
// in each message. Anything else may be a running number, so there it takes two
// in one message.
func (d *decoder) locate(s hl7v2.Segment) {
	n, _ := s.Field(3).Component(1).Digits()
	id := d.identified(s.Field(3))
	where := path(s.Field(4).Component(1).Raw(), protocol.Code(n))
	if !id.known || id.channel != "" || len(where) == 0 {
		return
	}
	p := d.memory.paths[id.code]
	if p == nil {
		if len(d.memory.paths) < maxSeries {
			d.memory.paths[id.code] = &paths{message: d.count, last: string(where)}
		}
		return
	}
	if !p.several && p.last != string(where) {
		p.several = p.message == d.count || bytes.Count(where, []byte{'.'}) >= 2
		p.last = string(where)
	}
	p.message = d.count
}

// channel tells several values of one code apart: by the settings, or by their
// place in the device if there are several.
func (d *decoder) channel(id identifier, path []byte) string {
	p := d.memory.paths[id.code]
	if id.channel != "" || p == nil || !p.several {
		return id.channel
	}
	where := string(path)
	if !plainName(where) || !placed(where) && d.personal(where) {
		return ""
	}
	return where
}

// placed tells whether s is digits and points, as places are and nobody's name.
func placed(s string) bool {
	return strings.Trim(s, "0123456789.") == "" && strings.Contains(s, ".")
}

// track gives what was last said of a value, or nil if there are too many.
func (d *decoder) track(code protocol.Code, channel string) *series {
	key := seriesKey{code, channel}
	s := d.memory.series[key]
	if s == nil && len(d.memory.series) < maxSeries {
		s = &series{}
		d.memory.series[key] = s
	}
	return s
}

// quality reads OBX-8 and OBX-11, and whether the message is a test. The first
// that takes the number away counts most.
func (d *decoder) quality(s hl7v2.Segment) (q protocol.Quality, inhibited bool) {
	q = status(s.Field(11))
	for f := range s.Field(8).Repetitions() {
		var is protocol.Quality
		switch f = f.Component(1); {
		case f.Is("INV"):
			is = protocol.QualityInvalid
		case f.Is("QUES"), f.Is("EARLY"):
			is = protocol.QualityQuestionable
		case f.Is("NAV"), f.Is("NI"), f.Is("OFF"):
			is = protocol.QualityMissing
		case f.Is("CAL"):
			is = protocol.QualityCalibrating
		case f.Is("TEST"), f.Is("DEMO"):
			is = protocol.QualityDemo
		case f.Is("<"):
			is = protocol.QualityUnderflow
		case f.Is(">"):
			is = protocol.QualityOverflow
		case f.Is("ALINH"):
			inhibited = true
			continue
		default:
			continue
		}
		if q.HasNumber() || is >= protocol.QualityMissing && is <= protocol.QualityOngoing && q != protocol.QualityDemo {
			q = is
		}
	}
	if d.demo {
		q = protocol.QualityDemo
	}
	return q, inhibited
}

// status is OBX-11.
func status(v hl7v2.Value) protocol.Quality {
	switch {
	case v.Empty(), v.Is("F"), v.Is("R"), v.Is("C"), v.Is("U"):
		return protocol.QualityGood
	case v.Is("P"), v.Is("S"):
		return protocol.QualityQuestionable
	case v.Is("X"), v.Is("N"), v.Is("O"), v.Is("D"):
		return protocol.QualityMissing
	case v.Is("I"):
		return protocol.QualityOngoing
	case v.Is("W"):
		return protocol.QualityInvalid
	}
	return protocol.QualityUnknown
}

// number reads a numeric.
func (d *decoder) number(s hl7v2.Segment, id identifier, term protocol.Term, known bool, channel string) {
	q, inhibited := d.quality(s)
	v, is := reading(s)
	for _, mark := range d.plan.invalid {
		if v.Valid && v.Compare(mark) == 0 {
			v, is = protocol.Decimal{}, protocol.QualityMissing
		}
	}
	if v.Valid && v.Mantissa < 0 && known && term.Sign != "" && term.Low >= 0 { // -100, -999: what cannot be below zero is none
		v, is = protocol.Decimal{}, protocol.QualityMissing
	}
	switch {
	case q >= protocol.QualityMissing && q <= protocol.QualityOngoing:
		v = protocol.Decimal{}
	case is == protocol.QualityGood, q == protocol.QualityDemo:
	case is == protocol.QualityMissing && (q == protocol.QualityOverflow || q == protocol.QualityUnderflow):
	case !q.HasNumber() && (is == protocol.QualityOverflow || is == protocol.QualityUnderflow): // what is not believed is beyond nothing
	default:
		q = is
	}
	o := protocol.Observation{Channel: channel, Code: id.code, Kind: protocol.KindNumeric, Quality: q, Value: v}
	d.measure(&o, s.Field(6), id, term, known)
	own := d.stamp(s.Field(14))
	at := own
	if own.IsZero() {
		at = d.from
	}
	o.Delay, o.DeviceTime = d.age(at), at.Time
	d.say(o, own, inhibited, aperiodic(s) || known && (term.Period == 0 || term.Period >= time.Hour))
}

// reading reads OBX-5 of a number. Without one its quality says why.
func reading(s hl7v2.Segment) (protocol.Decimal, protocol.Quality) {
	v := s.Field(5)
	switch {
	case v.Empty() || v.Null():
		return protocol.Decimal{}, protocol.QualityMissing
	case s.Field(2).Is("SN"):
		return structured(v)
	}
	text := v.Repetition(1)
	q := protocol.QualityGood
	if raw := text.Raw(); len(raw) > 1 && (raw[0] == '<' || raw[0] == '>') { // as some write what is beyond a range
		q = beyond(raw[0])
		if n, ok := decimal(raw[1:]); ok {
			return n, q
		}
	}
	if n, ok := decimal(text.Raw()); ok {
		return n, q
	}
	if len(bytes.Trim(text.Raw(), "-?. *")) == 0 { // --- and -?-
		return protocol.Decimal{}, protocol.QualityMissing
	}
	return protocol.Decimal{}, protocol.QualityInvalid
}

// structured reads a comparator and a number; ratios and ranges are no number.
func structured(v hl7v2.Value) (protocol.Decimal, protocol.Quality) {
	n, ok := decimal(v.Component(2).Raw())
	if !ok || !v.Component(3).Empty() || !v.Component(4).Empty() {
		return protocol.Decimal{}, protocol.QualityInvalid
	}
	switch c := v.Component(1); {
	case c.Empty(), c.Is("="):
		return n, protocol.QualityGood
	case begins(c, "<") && !c.Is("<>"), begins(c, ">"):
		return n, beyond(c.Raw()[0])
	}
	return protocol.Decimal{}, protocol.QualityInvalid
}

// decimal reads all of b as a number.
func decimal(b []byte) (protocol.Decimal, bool) {
	b = bytes.TrimSpace(b)
	if n, ok := framer.Number(b); ok {
		return n, true
	}
	if len(b) > 24 {
		return protocol.Decimal{}, false
	}
	n, err := protocol.ParseDecimal(string(b)) // .5 and 1.2e1
	return n, err == nil
}

func beyond(c byte) protocol.Quality {
	if c == '<' {
		return protocol.QualityUnderflow
	}
	return protocol.QualityOverflow
}

// measure brings a number into the unit that is kept. One whose unit is not
// known is kept as it is, and not shown.
func (d *decoder) measure(o *protocol.Observation, v hl7v2.Value, id identifier, term protocol.Term, known bool) {
	u, readable := d.unit(v)
	if u == "" {
		u, readable = d.assumed(id, term)
	}
	if readable && u == "%" {
		if c, ok := inPercent[o.Code]; ok {
			o.Code = c
			term, _ = protocol.Lookup(c)
		}
	}
	switch {
	case !known:
		o.Unit = d.own(u, readable)
		return
	case !o.Value.Valid:
		o.Unit = term.Unit
		return
	case readable || u == term.Unit:
		if n, ok := protocol.Convert(o.Value, u, term.Unit); ok {
			o.Value, o.Unit = n, term.Unit
			return
		}
	}
	o.Unit = d.own(u, readable)
	o.Quality = protocol.QualityInvalid
}

// inPercent are the codes of a CO2 that is no pressure.
var inPercent = map[protocol.Code]protocol.Code{
	protocol.MustCode("MDC_AWAY_CO2_ET"):        protocol.MustCode("MONITORME_CO2_ET_PERCENT"),
	protocol.MustCode("MDC_CONC_AWAY_CO2_ET"):   protocol.MustCode("MONITORME_CO2_ET_PERCENT"),
	protocol.MustCode("MDC_CONC_AWAY_CO2_INSP"): protocol.MustCode("MONITORME_CO2_INSP_PERCENT"),
}

// assumed is the unit of a value that comes without one: as settings say, or
// the one that is kept where no monitor counts in another.
func (d *decoder) assumed(id identifier, term protocol.Term) (protocol.Unit, bool) {
	if id.unit != "" {
		return id.unit, true
	}
	if u, ok := d.plan.units[id.code]; ok {
		return u, true
	}
	switch term.Unit {
	case "/min", "%", "1", "Cel", "ms": // a Fahrenheit is no plausible Celsius
		return term.Unit, true
	}
	return "", false
}

// own is the unit of the device as it may be kept.
func (d *decoder) own(u protocol.Unit, readable bool) protocol.Unit {
	s := string(u)
	if readable {
		return u
	}
	if len(s) > 20 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) || d.personal(s) {
		return ""
	}
	return u
}

// aperiodic tells whether an OBX is marked as measured once: by OBX-17, or by
// OBX-13 as Mindray did it.
func aperiodic(s hl7v2.Segment) bool {
	return bytes.Contains(s.Field(17).Raw(), []byte("APERIODIC")) || s.Field(13).Is("APERIODIC")
}

// say emits a number, unless it is one of those that monitors repeat for as
// long as they show it. One of these whose age is not known is of now only if
// it was not there before, while we listened.
func (d *decoder) say(o protocol.Observation, own stamp, inhibited, once bool) {
	s := d.track(o.Code, o.Channel)
	if s == nil {
		if once && o.Quality.HasNumber() { // perhaps a repetition
			o.Quality = protocol.QualityUnknown
		}
		d.emit(o)
		return
	}
	if s.alarmOff != inhibited {
		s.alarmOff = inhibited
		e := protocol.Event{Phase: protocol.PhaseEnd, Type: protocol.AlarmAdvisory, Source: o.Code, Text: "the monitor's own alarm is off"}
		if inhibited {
			e.Phase = protocol.PhaseStart
		}
		d.emit(protocol.Observation{Channel: o.Channel, Code: eventAlarmOff, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
			Delay: o.Delay, DeviceTime: o.DeviceTime, Event: &e})
	}
	gap := d.sent.Sub(s.seen) > same
	repeated := once && s.said && s.quality == o.Quality && s.value == o.Value && s.measured.Equal(own.Time) && (!own.IsZero() || !gap)
	old := once && !d.aged(own) && (!s.said || s.repeats && (gap || own.IsZero() && s.number == o.Value))
	s.repeats = s.repeats || repeated
	s.said, s.value, s.quality, s.measured, s.seen = true, o.Value, o.Quality, own.Time, d.sent.Time
	if o.Value.Valid {
		s.number = o.Value
	}
	if old && o.Quality.HasNumber() { // perhaps of hours ago
		o.Quality = protocol.QualityUnknown
	}
	if !repeated {
		s.shown = once && o.Quality.HasNumber()
		d.emit(o)
	}
}

// word reads the text of an enumeration, or the name of a coded value. Texts
// are taken for known codes only: others may speak of the patient.
func (d *decoder) word(s hl7v2.Segment, id identifier, channel string) {
	v := s.Field(5)
	text := v
	if kind := s.Field(2); kind.Is("CE") || kind.Is("CWE") || kind.Is("CNE") {
		if text = v.Component(2); text.Empty() {
			text = v.Component(1)
		}
	}
	q, _ := d.quality(s)
	said := clip(text.Text())
	switch {
	case said == "" || text.Null() || d.personal(said):
		said = ""
		if q.HasNumber() {
			q = protocol.QualityMissing
		}
	case q >= protocol.QualityMissing && q <= protocol.QualityOngoing:
		said = ""
	}
	if term, _ := protocol.Lookup(id.code); term.Period == 0 { // what the device is: told when it is new
		last := d.track(id.code, channel)
		if last == nil || last.said && last.text == said && last.quality == q {
			return
		}
		last.said, last.text, last.quality = true, said, q
	}
	at := d.stamp(s.Field(14))
	if at.IsZero() {
		at = d.from
	}
	d.emit(protocol.Observation{Channel: channel, Code: id.code, Kind: protocol.KindEnumeration, Quality: q, Text: said,
		Delay: d.age(at), DeviceTime: at.Time})
}
