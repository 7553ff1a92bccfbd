package gedri

import (
	"encoding/binary"
	"fmt"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// Main types of records.
const (
	mainValues = 0
	mainWaves  = 1
	mainAlarms = 4
	mainEvent  = 8
)

// Types of subrecords of values; a trend is kept beside the displayed value
// under a channel of its own.
const (
	displayed = 1
	auxiliary = 4
)

var trends = [...]string{2: "10 s trend", 3: "60 s trend"}

type decoder struct {
	framer   framer.Framer
	deframer deframer
	emit     drivers.Emit

	level    byte      // of the last record, 0 before the first
	waves    int       // wave records so far
	named    bool      // ecg and pressure are known
	ambient  int16     // 0.1 mmHg; 0 is not known
	ecg      uint16    // label of the ECG
	pressure [9]uint16 // labels of the pressures, from 1
	slots    []slot    // what the displayed fields were last
	told     []uint32  // states of the groups that are set
	fresh    []site    // what has a number in this record
	cuff     episode
	output   episode
	wedge    episode
	taken    auxTimes
	alarms   alarmList
	trend    string // channel of the record at hand
}

// A slot is under which name a field was last emitted, and whether it ever
// had a number there: only then is it worth telling that it has none.
type slot struct {
	site
	known bool
}

// auxTimes are when things were measured that stay on the screen for hours, in
// the monitor's clock; zero if it has not said or it has been used.
type auxTimes struct{ cuff, output, wedge time.Time }

func newDecoder() drivers.Decoder { return makeDecoder() }

func makeDecoder() *decoder {
	d := &decoder{slots: make([]slot, slots), told: make([]uint32, len(groups))}
	d.deframer.take = d.record
	d.framer = framer.Framer{Max: maxFrame, Frame: d.deframer.frame}
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

// record handles a whole record: its list of subrecords ends with type FF.
func (d *decoder) record(r []byte) {
	kind := binary.LittleEndian.Uint16(r[14:])
	if r[3] != d.level {
		d.level = r[3]
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood,
			Text: fmt.Sprintf("GE Datex-Ohmeda monitor, DRI level %d", r[3])})
	}
	at := clock(r[6:])
	data := r[headerSize:]
	d.fresh = d.fresh[:0]
	for i := 16; i+3 <= headerSize && r[i+2] != 0xFF; i += 3 {
		offset := int(int16(binary.LittleEndian.Uint16(r[i:])))
		if offset < 0 || offset >= len(data) {
			continue
		}
		switch sub := data[offset:]; kind {
		case mainValues:
			d.values(sub, r[i+2])
		case mainWaves:
			d.wave(sub, r[i+2], at)
		case mainAlarms:
			if r[i+2] == 1 && len(sub) >= alarmSize {
				d.alarmRecord(sub[:alarmSize], at)
			}
		}
	}
}

// clock is the monitor's clock, which knows no zone; zero if it is not set.
func clock(b []byte) time.Time {
	s := binary.LittleEndian.Uint32(b)
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}

// values handles the subrecord of values at the start of sub.
func (d *decoder) values(sub []byte, kind byte) {
	switch {
	case kind == auxiliary && len(sub) >= auxSize:
		d.taken = auxTimes{cuff: clock(sub), output: clock(sub[6:]), wedge: clock(sub[10:])}
		return
	case kind < displayed || kind > 3 || len(sub) < subSize:
		return
	}
	sub = sub[:subSize]
	at := clock(sub)
	class := int(binary.LittleEndian.Uint16(sub[classAt:]) >> 8 & 15)
	d.trend = ""
	if kind != displayed {
		d.trend = trends[kind]
	} else {
		d.remember(sub, class)
		if class == 0 {
			d.episodes(sub, at)
		}
	}
	for i := range groups {
		if groups[i].class == class {
			d.group(&groups[i], i, sub, at)
		}
	}
}

// remember keeps what the waves need to know.
func (d *decoder) remember(sub []byte, class int) {
	for input, p := range pressureAt {
		if input > 0 && p[0] == class {
			d.pressure[input] = binary.LittleEndian.Uint16(sub[p[1]+4:])
		}
	}
	if class != 0 {
		return
	}
	d.named = true
	d.ecg = binary.LittleEndian.Uint16(sub[8:])
	if amb := number16(sub, 148); amb > 0 && sub[136]&hasModule != 0 {
		d.ambient = amb
	}
}

// group handles one measurement.
func (d *decoder) group(g *group, n int, sub []byte, at time.Time) {
	status, label := binary.LittleEndian.Uint32(sub[g.at:]), binary.LittleEndian.Uint16(sub[g.at+4:])
	if d.trend == "" {
		d.states(g, n, sub, status, at)
	}
	all := protocol.QualityGood
	switch {
	case status&hasModule == 0:
		all = protocol.QualityMissing
	case status&g.calibrating != 0:
		all = protocol.QualityCalibrating
	case status&g.off != 0:
		all = protocol.QualitySensorOff
	case status&isActive == 0:
		all = protocol.QualityMissing
	case status&g.doubt != 0:
		all = protocol.QualityQuestionable
	}
	for i := range g.fields {
		f := &g.fields[i]
		to := site{f.code, g.channel}
		if g.name != nil {
			if to.code, to.channel = g.name(status, label, i); to.code == 0 {
				to.code = f.code
			}
		}
		raw := int16(0)
		if g.value != nil {
			raw = g.value(sub, status, i)
		} else {
			raw = number16(sub, f.at)
		}
		q, v := worth(raw, f.exp, all)
		if g.at == carbonGroup.at && i < 2 && v.Valid {
			if v = d.partial(raw); !v.Valid {
				q = protocol.QualityMissing
			}
		}
		d.put(g, g.slot+i, to, protocol.Observation{Quality: q, Value: v, DeviceTime: at})
	}
}

// worth gives quality and value of a number in a group of quality all.
func worth(raw int16, exp int8, all protocol.Quality) (protocol.Quality, protocol.Decimal) {
	switch {
	case !all.HasNumber():
		return all, protocol.Decimal{}
	case raw > noNumber:
		return all, protocol.Dec(int64(raw), exp)
	case raw == below:
		return protocol.QualityUnderflow, protocol.Decimal{}
	case raw == above:
		return protocol.QualityOverflow, protocol.Decimal{}
	case raw == uncalib:
		return protocol.QualityCalibrating, protocol.Decimal{}
	}
	return protocol.QualityMissing, protocol.Decimal{}
}

// partial is the pressure in mmHg of 0.01 % at ambient pressure, to 0.1 mmHg.
func (d *decoder) partial(raw int16) protocol.Decimal {
	if d.ambient <= 0 {
		return protocol.Decimal{}
	}
	x := int64(raw) * int64(d.ambient) // 1e-5 mmHg
	if x < 0 {
		return protocol.Dec((x-5000)/10000, -1)
	}
	return protocol.Dec((x+5000)/10000, -1)
}

// put emits a field. What has never had a number and is missing is not
// mentioned: it is not measured.
func (d *decoder) put(g *group, n int, to site, o protocol.Observation) {
	if d.trend != "" {
		if o.Value.Valid && to.code != 0 {
			if to.channel != "" {
				to.channel += ", "
			}
			to.channel += d.trend
			d.number(to, o)
		}
		return
	}
	s := &d.slots[n]
	if o.Value.Valid && d.isFresh(to) { // a second one of this name
		if g.alt == "" {
			return
		}
		to.channel = g.alt
	}
	if s.site != to {
		if s.known && !d.isFresh(s.site) {
			d.number(s.site, protocol.Observation{Quality: protocol.QualityMissing, DeviceTime: o.DeviceTime})
		}
		*s = slot{site: to}
	}
	if to.code == 0 || o.Quality == protocol.QualityMissing && (!s.known || d.isFresh(to)) {
		return
	}
	if o.Value.Valid {
		s.known = true
		d.fresh = append(d.fresh, to)
	}
	d.number(to, o)
}

func (d *decoder) isFresh(to site) bool {
	for i := range d.fresh {
		if d.fresh[i].code == to.code && d.fresh[i].channel == to.channel {
			return true
		}
	}
	return false
}

func (d *decoder) number(to site, o protocol.Observation) {
	o.Code, o.Channel, o.Kind = to.code, to.channel, protocol.KindNumeric
	o.Unit = unitOf[to.code]
	d.emit(o)
}

// unitOf are the units of all that is emitted, which are the terms'.
var unitOf = func() map[protocol.Code]protocol.Unit {
	units := map[protocol.Code]protocol.Unit{}
	for _, c := range codes {
		t, _ := protocol.Lookup(c)
		units[c] = t.Unit
	}
	return units
}()

// states emits the states that begin or end.
func (d *decoder) states(g *group, n int, sub []byte, status uint32, at time.Time) {
	if len(g.states) == 0 {
		return
	}
	now := status
	if g.stateAt > 0 {
		now = binary.LittleEndian.Uint32(sub[g.stateAt:])
	}
	if status&hasModule == 0 {
		now = 0
	}
	if g.real != nil {
		now = g.real(sub, now)
	}
	changed := now ^ d.told[n]
	d.told[n] = now
	if changed == 0 {
		return
	}
	for _, s := range g.states {
		if changed>>s.bit&1 == 0 {
			continue
		}
		e := protocol.Event{Phase: protocol.PhaseEnd, Priority: s.prio, Type: s.kind, Source: s.from, Text: s.text}
		if now>>s.bit&1 != 0 {
			e.Phase = protocol.PhaseStart
		}
		d.event(s.code, e, at)
	}
}

func (d *decoder) event(code protocol.Code, e protocol.Event, at time.Time) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, DeviceTime: at, Event: &e})
}
