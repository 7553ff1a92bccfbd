package phd

import (
	"encoding/binary"
	"time"

	"monitorme/protocol"
)

// Bits of the status of a measurement.
const (
	statusInvalid      = 0x8000
	statusQuestionable = 0x4000
	statusUnavailable  = 0x2000
	statusCalibrating  = 0x1000
	statusTest         = 0x0800
	statusDemo         = 0x0400
	statusEarly        = 0x0040
	statusOngoing      = 0x0020
)

// sfloatOf gives an SFLOAT-Type exactly, or says why there is no number.
func sfloatOf(f uint16) (protocol.Decimal, protocol.Quality) {
	switch f & 0xFFF {
	case 0x7FF, 0x800, 0x801:
		return protocol.Decimal{}, protocol.QualityMissing
	case 0x7FE:
		return protocol.Decimal{}, protocol.QualityOverflow
	case 0x802:
		return protocol.Decimal{}, protocol.QualityUnderflow
	}
	return protocol.Dec(int64(int16(f<<4)>>4), int8(int16(f)>>12)), protocol.QualityGood
}

// floatOf gives a FLOAT-Type exactly, or says why there is no number.
func floatOf(f uint32) (protocol.Decimal, protocol.Quality) {
	switch f & 0xFFFFFF {
	case 0x7FFFFF, 0x800000, 0x800001:
		return protocol.Decimal{}, protocol.QualityMissing
	case 0x7FFFFE:
		return protocol.Decimal{}, protocol.QualityOverflow
	case 0x800002:
		return protocol.Decimal{}, protocol.QualityUnderflow
	}
	exponent, mantissa := int8(f>>24), int32(f<<8)>>8
	if exponent < -18 || exponent > 18 {
		return protocol.Decimal{}, protocol.QualityInvalid
	}
	return protocol.Dec(int64(mantissa), exponent), protocol.QualityGood
}

// worth gives number and quality of a value with its status.
func worth(value protocol.Decimal, quality protocol.Quality, status uint16) (protocol.Decimal, protocol.Quality) {
	switch {
	case status&statusCalibrating != 0:
		return protocol.Decimal{}, protocol.QualityCalibrating
	case status&statusUnavailable != 0:
		return protocol.Decimal{}, protocol.QualityMissing
	case quality != protocol.QualityGood:
		if status&statusOngoing != 0 && quality == protocol.QualityMissing {
			quality = protocol.QualityOngoing
		}
		return value, quality
	case status&statusInvalid != 0:
		return value, protocol.QualityInvalid
	case status&(statusTest|statusDemo) != 0:
		return value, protocol.QualityDemo
	case status&(statusQuestionable|statusEarly|statusOngoing) != 0:
		return value, protocol.QualityQuestionable
	}
	return value, protocol.QualityGood
}

// The clocks that a device may have.
type clockKind uint8

const (
	noClock     clockKind = iota
	absolute              // year to 1/100 s, no zone
	baseOffset            // seconds of UTC with an offset that does not matter here
	relative              // 1/8 ms, wraps after 6 days
	highResolve           // microseconds
	clockKinds
)

// A stamp is a time of one of the device's clocks, in microseconds: since 1970,
// or since the clock began.
type stamp struct {
	kind clockKind
	us   int64
}

const (
	tick       = 125 // microseconds of a RelativeTime's unit
	ntpToUnix  = 2208988800
	firstYear  = 1990
	yearBeyond = 2200
)

// stampOf reads the value of an attribute that is a time; noClock if it is
// none, or not filled in.
func stampOf(id uint16, v []byte) stamp {
	be := binary.BigEndian
	switch {
	case (id == attrStampAbsolute || id == attrTimeAbsolute) && len(v) == 8:
		if t, ok := absoluteTime(v); ok {
			return stamp{absolute, t.UnixMicro()}
		}
	case (id == attrStampBaseOffset || id == attrTimeBaseOffset) && len(v) == 8 && be.Uint32(v) != 0 && be.Uint32(v) != allOnes:
		return stamp{baseOffset, (int64(be.Uint32(v))-ntpToUnix)*1e6 + int64(be.Uint16(v[4:]))*1e6>>16}
	case (id == attrStampRelative || id == attrTimeRelative) && len(v) == 4 && be.Uint32(v) != allOnes:
		return stamp{relative, int64(be.Uint32(v)) * tick}
	case (id == attrStampHighResolve || id == attrTimeHighResolve) && len(v) == 8 && be.Uint64(v) < 1<<62:
		return stamp{highResolve, int64(be.Uint64(v))}
	}
	return stamp{}
}

// time gives the stamp of a clock that knows the date.
func (s stamp) time() time.Time {
	if s.kind != absolute && s.kind != baseOffset {
		return time.Time{}
	}
	if t := time.UnixMicro(s.us).UTC(); t.Year() >= firstYear && t.Year() < yearBeyond {
		return t
	}
	return time.Time{}
}

// since is how long after t the stamp s of the same clock is.
func (s stamp) since(t stamp) time.Duration {
	if s.kind == relative {
		return time.Duration(int32(uint32(s.us/tick)-uint32(t.us/tick))) * tick * time.Microsecond
	}
	const most = int64(200 * 366 * 24 * time.Hour / time.Microsecond)
	return time.Duration(max(min(s.us-t.us, most), -most)) * time.Microsecond
}

// absoluteTime reads an AbsoluteTime; false if it is not filled in or no time.
func absoluteTime(v []byte) (time.Time, bool) {
	var d [8]int
	for i, b := range v[:8] {
		if b>>4 > 9 || b&15 > 9 {
			return time.Time{}, false
		}
		d[i] = int(b>>4)*10 + int(b&15)
	}
	year, month, day := d[0]*100+d[1], time.Month(d[2]), d[3]
	t := time.Date(year, month, day, d[4], d[5], d[6], d[7]*10_000_000, time.UTC)
	ok := year >= firstYear && year < yearBeyond && t.Month() == month && t.Day() == day && d[4] < 24 && d[5] < 60 && d[6] < 60
	return t, ok
}

// A clockwork is what is known of the device's clocks: what each showed when it
// was asked last.
type clockwork struct {
	shown  [clockKinds]stamp
	heard  [clockKinds]time.Duration
	now    time.Duration // since the conversation began
	runs   bool          // now is kept
	asked  bool          // the device has said its clocks
	doubts bool          // a time did not fit: the clock may have been changed
}

// set notes what a clock shows now.
func (c *clockwork) set(s stamp) {
	if s.kind != noClock {
		c.shown[s.kind], c.heard[s.kind] = s, c.now
	}
}

// forget is for a new association: another device, or another clock.
func (c *clockwork) forget() { *c = clockwork{now: c.now, runs: c.runs} }

const (
	maxAge = 366 * 24 * time.Hour
	// ahead is how far a stamp may lie in the future: it is cut to seconds, and
	// asking takes its time.
	ahead = 5 * time.Second
	// late is from when on a report is late enough to ask for the clock again.
	late = time.Minute
)

// age is how old something stamped s is, which an event of the time at has
// brought; false if that cannot be told. The event may have waited itself: its
// time says only the least.
func (c *clockwork) age(s stamp, at uint32) (time.Duration, bool) {
	least, known := time.Duration(0), false
	if s.kind == relative && at != 0 && at != allOnes {
		if age := (stamp{relative, int64(at) * tick}).since(s); age > -ahead && age < 24*time.Hour {
			least, known = max(age, 0), true
		}
	}
	if c.shown[s.kind].kind == noClock {
		return least, known
	}
	age := c.shown[s.kind].since(s) + c.now - c.heard[s.kind]
	c.doubts = c.doubts || age > late || age < -ahead
	if age < -ahead && c.runs || age > maxAge {
		return least, known
	}
	return max(age, least), true
}

// date is the device's own time of something of an age.
func (c *clockwork) date(s stamp, age time.Duration, known bool) time.Time {
	if t := s.time(); !t.IsZero() || !known {
		return t
	}
	for _, kind := range []clockKind{baseOffset, absolute} {
		if t := c.shown[kind].time(); !t.IsZero() {
			return t.Add(c.now - c.heard[kind] - age)
		}
	}
	return time.Time{}
}
