package intellivue

import (
	"time"

	"monitorme/protocol"
)

// Bits of the state of a measurement.
const (
	stateInvalid      = 0x8000
	stateQuestionable = 0x4000
	stateUnavailable  = 0x2000
	stateCalibrating  = 0x1000
	stateTest         = 0x0800
	stateDemo         = 0x0400
	stateEarly        = 0x0040
	stateOngoing      = 0x0020
	stateAlarmOff     = 0x0001
	stateUnusable     = 0xFF00 &^ (stateQuestionable | stateTest | stateDemo)
)

// Bits of the access of a metric.
const (
	accessPeriodic   = 0x4000
	accessEpisodic   = 0x2000
	accessContinuous = 0x1000 // set is not continuous
)

// A stamp is the monitor's own time of a measurement, as it was sent.
type stamp struct {
	abs    [8]byte
	rel    uint32
	hasAbs bool
	hasRel bool
}

var notFilledIn = [8]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}

func (s *stamp) read(id uint16, v []byte) {
	switch id {
	case attrStampAbsolute:
		if len(v) >= 8 && [8]byte(v) != notFilledIn {
			s.abs, s.hasAbs = [8]byte(v), true
		}
	case attrStampRelative:
		c := cursor{b: v}
		if t := c.u32(); !c.short {
			s.rel, s.hasRel = t, true
		}
	}
}

// A spot is the last episodic value that was emitted. The monitor repeats such
// a value every second, for hours; it is a reading once.
type spot struct {
	shown bool
	none  bool // since then the monitor has said that there is none
	stamp stamp
	state uint16
	float uint32
}

// numeric handles a NuObsValue of o.
func (m *monitor) numeric(r pollResult, o *object, b []byte, at stamp) {
	c := cursor{b: b}
	physio, state, unit, float := c.u16(), c.u16(), c.u16(), c.u32()
	if c.short {
		return
	}
	v := m.valueOf(o, physio, protocol.KindNumeric, r.time)
	obs := protocol.Observation{Code: v.target.code, Channel: v.target.channel, Kind: protocol.KindNumeric, Unit: unitOf(unit)}
	obs.Value, obs.Quality = reading(float, state)
	obs.DeviceTime = m.clock(r.time)
	m.alarmOff(v, state&stateAlarmOff != 0, obs.DeviceTime)
	if o.episodic(v) {
		if state&stateOngoing != 0 || !m.episode(v, r.time, at, state, float, &obs) {
			return
		}
	}
	m.emit(m.judge(v, obs))
}

// alarmOff tells when the monitor's own alarm for a value is switched off or on.
func (m *monitor) alarmOff(v *value, off bool, at time.Time) {
	if m.unalarmed[v.target] == off {
		return
	}
	delete(m.unalarmed, v.target)
	e := protocol.Event{Phase: protocol.PhaseEnd, Type: protocol.AlarmAdvisory, Source: v.target.code, Text: "alarm of the monitor is off"}
	if off {
		e.Phase = protocol.PhaseStart
		m.unalarmed[v.target] = true
	}
	m.emit(protocol.Observation{Code: eventAlarmOff, Channel: v.target.channel, Kind: protocol.KindEvent, Quality: m.real(protocol.QualityGood), DeviceTime: at, Event: &e})
}

var eventAlarmOff = protocol.MustCode("MDC_EVT_STAT_AL_OFF")

// episodic reports whether a value is measured now and then, as by a cuff, and
// not all the time.
func (o *object) episodic(v *value) bool {
	if o.specified {
		return o.access&accessPeriodic == 0 && o.access&(accessEpisodic|accessContinuous) != 0
	}
	return v.known && (v.term.Period == 0 || v.term.Period >= time.Hour)
}

// episode says whether an episodic value is to be emitted, and gives it its age.
func (m *monitor) episode(v *value, now uint32, at stamp, state uint16, float uint32, obs *protocol.Observation) bool {
	s := &v.spot
	if !obs.Value.Valid {
		if s.none {
			return false
		}
		s.none = true
		return true
	}
	stamped := at.hasAbs || at.hasRel
	if s.shown && s.stamp == at && (s.none && stamped || s.state == state && s.float == float) {
		return false
	}
	first := !s.shown
	*s = spot{shown: true, stamp: at, state: state, float: float}
	switch age, known := m.age(now, at); {
	case known:
		obs.Delay = age
		if taken, ok := absoluteTime(at.abs[:]); ok && at.hasAbs {
			obs.DeviceTime = taken
		} else if m.anchored {
			obs.DeviceTime = m.clock(now).Add(-age)
		}
	case stamped || first:
		// It may be hours old.
		obs.DeviceTime = time.Time{}
		if taken, ok := absoluteTime(at.abs[:]); ok && at.hasAbs {
			obs.DeviceTime = taken
		}
		if obs.Quality.HasNumber() {
			obs.Quality = protocol.QualityUnknown
		}
	}
	return true
}

const (
	maxAge = 366 * 24 * time.Hour
	// earlier is by how much a stamp may lie in the future: it is cut to seconds.
	earlier = 2 * time.Second
)

// age is how old a stamped value is.
func (m *monitor) age(now uint32, at stamp) (time.Duration, bool) {
	var age time.Duration
	taken, ok := absoluteTime(at.abs[:])
	switch {
	case at.hasRel:
		age = ticks(int32(now - at.rel))
	case at.hasAbs && ok && m.anchored:
		age = m.clock(now).Sub(taken)
	default:
		return 0, false
	}
	return max(age, 0), age > -earlier && age < maxAge
}

// reading gives number and quality of a FLOAT-Type with its state.
func reading(float uint32, state uint16) (protocol.Decimal, protocol.Quality) {
	value, quality := floatOf(float)
	switch {
	case state&stateCalibrating != 0:
		return protocol.Decimal{}, protocol.QualityCalibrating
	case state&stateUnavailable != 0:
		return protocol.Decimal{}, protocol.QualityMissing
	case quality != protocol.QualityGood:
		if state&stateOngoing != 0 && quality == protocol.QualityMissing {
			quality = protocol.QualityOngoing
		}
		return value, quality
	case state&stateUnusable != 0:
		return value, protocol.QualityInvalid
	case state&(stateTest|stateDemo) != 0:
		return value, protocol.QualityDemo
	case state&(stateQuestionable|stateEarly) != 0:
		return value, protocol.QualityQuestionable
	}
	return value, protocol.QualityGood
}

// Special mantissas of a FLOAT-Type; the exponent does not matter with them.
const (
	floatNaN         = 0x7FFFFF
	floatNRes        = 0x800000
	floatReserved    = 0x800001
	floatInfinity    = 0x7FFFFE
	floatNegInfinity = 0x800002
)

// floatOf gives a FLOAT-Type exactly, or says why there is no number.
func floatOf(f uint32) (protocol.Decimal, protocol.Quality) {
	switch f & 0xFFFFFF {
	case floatNaN, floatNRes, floatReserved:
		return protocol.Decimal{}, protocol.QualityMissing
	case floatInfinity:
		return protocol.Decimal{}, protocol.QualityOverflow
	case floatNegInfinity:
		return protocol.Decimal{}, protocol.QualityUnderflow
	}
	exponent, mantissa := int8(f>>24), int32(f<<8)>>8
	if exponent < -18 || exponent > 18 {
		return protocol.Decimal{}, protocol.QualityInvalid
	}
	return protocol.Dec(int64(mantissa), exponent), protocol.QualityGood
}

// judge gives a number the unit of its term, and the mark of what is no
// patient's.
func (m *monitor) judge(v *value, obs protocol.Observation) protocol.Observation {
	if obs.Code == protocol.PerfusionIndex && obs.Unit == "1" {
		obs.Unit = v.term.Unit // the monitor counts per cent and calls them dimensionless
	}
	if v.known && obs.Unit != v.term.Unit {
		if converted, ok := protocol.Convert(obs.Value, obs.Unit, v.term.Unit); ok {
			obs.Value, obs.Unit = converted, v.term.Unit
		} else if !obs.Value.Valid {
			obs.Unit = v.term.Unit // nothing has a unit
		} else {
			obs.Quality = protocol.QualityInvalid
		}
	}
	obs.Quality = m.real(obs.Quality)
	return obs
}

// real is the quality of what the monitor shows in the mode in which it is.
func (m *monitor) real(q protocol.Quality) protocol.Quality {
	switch {
	case !q.HasNumber() && q != protocol.QualityUnknown:
		return q
	case m.mode&modeDemo != 0:
		return protocol.QualityDemo
	case m.mode != 0 && m.mode&(modeMonitoring|modeUnspecified) == 0:
		return protocol.QualityInvalid // in service, in configuration or in standby
	}
	return q
}
