package phd

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"monitorme/protocol"
)

// A timing is what is known of when a reading was taken, besides its stamp.
type timing struct {
	event     uint32        // time of the event that brought it
	held      time.Duration // how long the event was kept
	buffered  bool          // it was collected over some time
	stored    bool          // it comes from the device's memory
	confirmed bool          // it is sent again if the answer is lost

	stamp stamp
	delay time.Duration
	date  time.Time
	known bool // the delay is right
}

// fresh is up to when a reading is one of now: stamps are cut to seconds.
const fresh = 3 * time.Second

// of completes t for a reading. It is false for one that is too old.
func (t *timing) of(a *agent, o *object, of *reading) bool {
	t.stamp = of.stamp
	if !of.stamped {
		t.delay, t.known = t.held, !t.stored
		return true
	}
	age, known := time.Duration(0), false
	if t.stamp.kind != noClock {
		age, known = a.clocks.age(t.stamp, t.event)
	}
	if !known && o.live && !t.stored {
		age, known = t.held, true
	}
	if known && age > a.settings.History {
		a.tellOld(t.stored)
		return false
	}
	t.known = known
	t.date = a.clocks.date(t.stamp, age, known)
	if t.delay = age; age < fresh && !t.buffered && !t.stored {
		t.delay = 0
	}
	return true
}

// values emits what was told at once of an object.
func (a *agent) values(o *object, of *reading, t timing) {
	if of.n == 0 || !t.of(a, o, of) {
		return
	}
	if !o.settled {
		a.config.settle(o)
	}
	if len(o.values) == 0 {
		a.blind = true
		return
	}
	for _, w := range of.values[:of.n] {
		c := cursor{b: w.v}
		switch w.id {
		case attrBasic:
			d, q := sfloatOf(c.u16())
			a.single(o, of, c, d, q, t)
		case attrSimple:
			d, q := floatOf(c.u32())
			a.single(o, of, c, d, q, t)
		case attrCompoundBasic, attrCompoundSimple:
			a.compound(o, of, c, w.id == attrCompoundSimple, t)
		case attrNumeric:
			a.complete(o, of, c, t)
		case attrCompound:
			count, items := c.list()
			for range count {
				if one := items.bytes(10); one != nil {
					a.complete(o, of, cursor{b: one}, t)
				}
			}
		case attrSamples:
			if !t.stored {
				a.samples(o, of, w.v, t)
			}
		case attrOID, attrBits16, attrBits32:
			a.word(o, w.id, w.v, t)
		}
	}
}

// single emits the one number of an object.
func (a *agent) single(o *object, of *reading, c cursor, d protocol.Decimal, q protocol.Quality, t timing) {
	if !c.done() {
		a.blind = true
		return
	}
	d, q = worth(d, q, of.status)
	if len(o.values) == 1 {
		a.tell(&o.values[0], o.unit, d, q, t)
		return
	}
	v := unnamed(o, 0)
	a.tell(&v, o.unit, d, q, t)
}

// unnamed is for a number of which the configuration does not say what it is.
func unnamed(o *object, i int) value {
	return value{code: partitionOther<<16 | o.typ()&0xFFFF, channel: strconv.Itoa(i + 1)}
}

// compound emits the numbers of an object of several.
func (a *agent) compound(o *object, of *reading, c cursor, wide bool, t timing) {
	count, items := c.list()
	width := 2
	if wide {
		width = 4
	}
	if !c.done() || len(items.b) != count*width {
		a.blind = true
		return
	}
	for i := range count {
		var d protocol.Decimal
		var q protocol.Quality
		if wide {
			d, q = floatOf(items.u32())
		} else {
			d, q = sfloatOf(items.u16())
		}
		d, q = worth(d, q, of.status)
		if count == len(o.values) {
			a.tell(&o.values[i], o.unit, d, q, t)
			continue
		}
		v := unnamed(o, i)
		a.tell(&v, o.unit, d, q, t)
	}
}

// complete emits a number that carries what it is, its status and unit.
func (a *agent) complete(o *object, of *reading, c cursor, t timing) {
	physio, status, unit := c.u16(), c.u16(), c.u16()
	d, q := floatOf(c.u32())
	code := protocol.Canonical(protocol.Code(o.physioPartition(o.partition))<<16 | protocol.Code(physio))
	if !c.done() || code == 0 {
		a.blind = true
		return
	}
	d, q = worth(d, q, status|of.status)
	for i := range o.values {
		if o.values[i].code == code {
			a.tell(&o.values[i], unitOf(unit), d, q, t)
			return
		}
	}
	v := valueOf(code, "")
	if a.config.taken(o, &v) {
		v.channel = numbered("", int(o.handle))
	}
	a.tell(&v, unitOf(unit), d, q, t)
}

// tell emits a number.
func (a *agent) tell(v *value, unit protocol.Unit, d protocol.Decimal, q protocol.Quality, t timing) {
	obs := v.as(protocol.KindNumeric)
	obs.Delay, obs.DeviceTime, obs.Unit = t.delay, t.date, unit
	if v.known && obs.Code == v.code && unit != v.term.Unit {
		converted, ok := protocol.Convert(d, unit, v.term.Unit)
		switch {
		case ok:
			d, obs.Unit = converted, v.term.Unit
		case !d.Valid:
			obs.Unit = v.term.Unit // nothing has a unit
		default:
			q = protocol.QualityInvalid
		}
	}
	if t.stamp.kind != noClock && a.again(readingKey{a.systemID, obs.Code, obs.Channel, t.stamp, t.known, d, q}, t) {
		return
	}
	t.known = a.inOrder(obs.Code, obs.Channel, t)
	obs.Value, obs.Quality = d, a.judge(v.code, q, t)
	if obs.Quality == protocol.QualitySensorOff {
		obs.Value = protocol.Decimal{}
	}
	a.emit(obs)
}

// A series is what the box keeps in order of time.
type series struct {
	code    protocol.Code
	channel string
}

// maxSeries bounds what is remembered of series.
const maxSeries = 1024

// inOrder reports whether the time of a reading is known and not before that of
// one that was emitted already. The box would give an earlier one the time of
// the last, so that an old number would be shown as live.
func (a *agent) inOrder(code protocol.Code, channel string, t timing) bool {
	k, taken := series{code, channel}, a.clocks.now
	if t.known {
		taken -= t.delay
	}
	newest, ok := a.newest[k]
	if !ok && len(a.newest) >= maxSeries {
		clear(a.newest)
	}
	if !ok || taken > newest {
		a.newest[k] = taken
	}
	return t.known && (!ok || taken > newest-fresh)
}

// judge lowers the quality of a number by what else is known.
func (a *agent) judge(code protocol.Code, q protocol.Quality, t timing) protocol.Quality {
	if oximetry(code) && !t.stored && q != protocol.QualityDemo {
		switch {
		case a.sensor == sensorOff:
			return protocol.QualitySensorOff
		case a.sensor == invalid && q.HasNumber():
			return protocol.QualityInvalid
		case a.sensor == questionable && q == protocol.QualityGood:
			q = protocol.QualityQuestionable
		}
	}
	switch {
	case !q.HasNumber():
		return q
	case code == glucoseTest:
		return protocol.QualityDemo
	case !t.known: // of some time ago, nobody knows when
		return protocol.QualityUnknown
	}
	return q
}

// samples emits a block of a wave.
func (a *agent) samples(o *object, of *reading, v []byte, t timing) {
	raw := o.wave.counts(v)
	if raw == nil || !o.wave.settle(o.unit, &o.values[0]) {
		a.blind = true
		return
	}
	w := &o.values[0]
	s := &protocol.Samples{RateMilliHz: o.wave.rate(), Scale: o.wave.scale, Offset: o.wave.offset, Raw: raw}
	obs := w.as(protocol.KindSamples)
	obs.Samples, obs.Unit, obs.DeviceTime = s, o.wave.unit, t.date
	if obs.Delay = t.delay; t.stamp.kind == noClock || t.delay < s.Duration() { // the stamp is that of the first one
		obs.Delay = t.held + s.Duration()
	}
	_, q := worth(protocol.Int(0), protocol.QualityGood, of.status)
	if obs.Quality = a.judge(w.code, q, t); w.known && obs.Code == w.code && obs.Unit != w.term.Unit {
		obs.Quality = protocol.QualityInvalid
	}
	switch obs.Quality {
	case protocol.QualitySensorOff, protocol.QualityMissing, protocol.QualityCalibrating:
		for i := range raw {
			raw[i] = protocol.NoSample
		}
	}
	a.emit(obs)
}

// word emits a code or bits that are no state of the device.
func (a *agent) word(o *object, id uint16, v []byte, t timing) {
	if _, status := statuses[o.typ()]; status {
		return
	}
	var text string
	switch {
	case id == attrOID && len(v) == 2:
		text = strconv.Itoa(int(binary.BigEndian.Uint16(v)))
	case id == attrBits16 && len(v) == 2, id == attrBits32 && len(v) == 4:
		text = fmt.Sprintf("bits %X", v)
	default:
		a.blind = true
		return
	}
	obs := o.values[0].as(protocol.KindEnumeration)
	obs.Delay, obs.DeviceTime, obs.Text = t.delay, t.date, text
	obs.Quality = a.judge(obs.Code, protocol.QualityGood, t)
	a.emit(obs)
}

// A readingKey is a reading as the device tells it, with its time.
type readingKey struct {
	device  string
	code    protocol.Code
	channel string
	stamp   stamp
	known   bool // its age
	value   protocol.Decimal
	quality protocol.Quality
}

// maxResent bounds what is remembered of one report.
const maxResent = 256

// again reports whether a reading was emitted before: a device sends its last
// report again whose answer was lost, and its memory each time.
func (a *agent) again(k readingKey, t timing) bool {
	if t.confirmed && !t.stored {
		if len(a.last) < maxResent {
			a.last = append(a.last, k)
		}
		for i, r := range a.resent {
			if r == k {
				a.resent[i] = a.resent[len(a.resent)-1]
				a.resent = a.resent[:len(a.resent)-1]
				return true
			}
		}
	}
	if !t.stored && !a.stores {
		return false
	}
	if a.seen.Has(k, 1) {
		return t.stored
	}
	a.seen.Keep(k, 1)
	return false
}
