package stayhealthy

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// quietFrames is how many frames pass after a report of lost frames before the
// next, so that a bad line does not fill the event log.
const quietFrames = 256

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	counted  bool   // a frame has been seen
	counter  uint16 // of the last frame
	uptime   uint32 // of the last frame, ms
	lost     int    // frames not yet reported
	since    int    // frames since the last report
	foreign  bool   // another version has been reported
	misused  bool   // a code of another kind has been reported
	clock    time.Time
	clockAt  uint32             // the uptime at which the device's clock said clock
	identity [3]string          // what was last emitted
	named    [256]protocol.Unit // units of the channel table, by its row
	rows     []protocol.Code    // codes of the channel table that have such a unit
}

func newDecoder() drivers.Decoder {
	d := &decoder{since: quietFrames}
	d.framer = framer.Framer{Max: maxFrame, Frame: d.frame}
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

// frame handles the frame at the start of b: sheet, section "Frame".
func (d *decoder) frame(b []byte) int {
	switch {
	case b[0] != start0:
		return framer.Skip
	case len(b) >= 2 && b[1] != start1:
		return framer.Skip
	case len(b) < headerLen:
		return framer.More
	case checksum.CRC8Maxim(b[:8]) != b[8]:
		return framer.Skip
	}
	size := int(binary.LittleEndian.Uint16(b[4:]))
	if size > maxPayload {
		return framer.Skip
	}
	n := headerLen + size + sumLen
	if len(b) < n {
		return framer.More
	}
	if checksum.CRC16CCITTFalse(b[:n-sumLen]) != binary.LittleEndian.Uint16(b[n-sumLen:]) {
		return framer.BadSum
	}
	if b[2] != version {
		d.otherVersion(b[2])
		return n
	}
	p := b[headerLen : n-sumLen]
	handle := d.handler(b[3], p)
	if handle == nil {
		return framer.Skip
	}
	d.count(binary.LittleEndian.Uint16(b[6:]), binary.LittleEndian.Uint32(p))
	handle(d, p)
	return n
}

// handler gives what handles a payload, nil if the payload is not well formed.
func (d *decoder) handler(typ byte, p []byte) func(*decoder, []byte) {
	if len(p) < 4 {
		return nil
	}
	var fits bool
	var handle func(*decoder, []byte)
	switch typ {
	case typeIdentity:
		fits, handle = wellFormedIdentity(p), (*decoder).identify
	case typeNumeric:
		fits, handle = len(p) >= 6 && p[5] >= numberLen && len(p) >= 6+int(p[4])*int(p[5]), (*decoder).numbers
	case typeSamples:
		fits, handle = len(p) > blockLen && unpack(p[blockLen:], p[33], int(binary.LittleEndian.Uint16(p[34:])), nil), (*decoder).samples
	case typeWord:
		fits, handle = len(p) >= 15 && len(p) >= 15+int(p[14]), (*decoder).word
	case typeEvent:
		fits, handle = len(p) >= 21 && len(p) >= 21+int(p[20]), (*decoder).event
	case typeStatus:
		fits, handle = len(p) >= 14, (*decoder).status
	default: // of a newer device: valid, and nothing to say
		return func(*decoder, []byte) {}
	}
	if !fits {
		return nil
	}
	return handle
}

// count sees lost frames and restarts.
func (d *decoder) count(counter uint16, uptime uint32) {
	gap := counter - d.counter - 1
	switch {
	case !d.counted:
	case int32(uptime-d.uptime) < -1000: // the device's clock went back: it has started anew
		d.technical("the device has restarted", protocol.PriorityNone)
		d.clock = time.Time{}
	case gap < 1<<15: // anything else is a frame that came twice
		d.lost += int(gap)
	}
	d.counted, d.counter, d.uptime = true, counter, uptime
	if d.since++; d.lost > 0 && d.since > quietFrames {
		d.technical(strconv.Itoa(d.lost)+" frames lost between device and box", protocol.PriorityNone)
		d.lost, d.since = 0, 0
	}
}

func (d *decoder) otherVersion(v byte) {
	if !d.foreign {
		d.foreign = true
		d.technical(fmt.Sprintf("the device speaks version %d of its protocol, the box reads version %d: update the box", v, version), protocol.PriorityMedium)
	}
}

func (d *decoder) technical(text string, priority protocol.Priority) {
	d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
		Event: &protocol.Event{Phase: protocol.PhaseOnce, Priority: priority, Type: protocol.AlarmTechnical, Text: text}})
}

// fits reports whether code may be sent as kind. What does not fit its term is
// not handed on, for nothing could make sense of it, but reported once.
func (d *decoder) fits(code protocol.Code, kind protocol.Kind) bool {
	term, known := protocol.Lookup(code)
	if code == 0 || known && term.Kind != kind {
		if !d.misused {
			d.misused = true
			d.technical(fmt.Sprintf("the device sends code %d as %s, want %s: the value is not kept", code, kind, term.Kind), protocol.PriorityLow)
		}
		return false
	}
	return true
}

// stamp is the device's own time at an uptime, zero if its clock is not set.
func (d *decoder) stamp(uptime uint32, age time.Duration) time.Time {
	if d.clock.IsZero() {
		return time.Time{}
	}
	return d.clock.Add(time.Duration(int32(uptime-d.clockAt))*time.Millisecond - age)
}

func site(n byte) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

func millis(p []byte) time.Duration {
	return time.Duration(binary.LittleEndian.Uint32(p)) * time.Millisecond
}

func quality(b byte) protocol.Quality {
	if q := protocol.Quality(b); q <= protocol.QualityDemo {
		return q
	}
	return protocol.QualityUnknown
}

// unit gives the unit that the device names, and that in which MonitorMe keeps
// the code: the same one if the code is not known.
func (d *decoder) unit(code protocol.Code, number byte) (named, kept protocol.Unit) {
	var u protocol.Unit
	switch {
	case int(number) < len(units):
		u = units[number]
	case number == unitNamed:
		for i, c := range d.rows {
			if c == code {
				u = d.named[i]
			}
		}
	}
	if term, known := protocol.Lookup(code); known {
		return u, term.Unit
	}
	return u, u
}

func (d *decoder) numbers(p []byte) {
	le := binary.LittleEndian
	uptime := le.Uint32(p)
	count, size := int(p[4]), int(p[5])
	for p = p[6:]; count > 0; count, p = count-1, p[size:] {
		o := protocol.Observation{Code: protocol.Code(le.Uint32(p)), Kind: protocol.KindNumeric,
			Channel: site(p[12]), Quality: quality(p[15]), Delay: millis(p[8:])}
		if !d.fits(o.Code, o.Kind) {
			continue
		}
		o.DeviceTime = d.stamp(uptime, o.Delay)
		named, kept := d.unit(o.Code, p[13])
		value(&o, int32(le.Uint32(p[4:])), int8(p[14]))
		if o.Unit = kept; o.Value.Valid && named != kept {
			o.Unit, o.Quality = named, protocol.QualityInvalid
		}
		d.emit(o)
	}
}

// value puts a number into o if there is one and its quality allows it.
func value(o *protocol.Observation, mantissa int32, exponent int8) {
	switch {
	case o.Quality >= protocol.QualityMissing && o.Quality <= protocol.QualityOngoing:
		return
	case mantissa == noValue && (o.Quality.HasNumber() || o.Quality == protocol.QualityUnknown):
		o.Quality = protocol.QualityMissing
		return
	case mantissa == noValue:
		return
	case exponent < -9 || exponent > 9:
		o.Quality = protocol.QualityInvalid
		return
	}
	o.Value = protocol.Dec(int64(mantissa), exponent)
}

func (d *decoder) samples(p []byte) {
	le := binary.LittleEndian
	s := &protocol.Samples{RateMilliHz: le.Uint32(p[8:]),
		Scale:  protocol.Dec(int64(int32(le.Uint32(p[20:]))), int8(p[28])),
		Offset: protocol.Dec(int64(int32(le.Uint32(p[24:]))), int8(p[29]))}
	o := protocol.Observation{Code: protocol.Code(le.Uint32(p[4:])), Kind: protocol.KindSamples,
		Channel: site(p[31]), Quality: quality(p[32]), Delay: time.Duration(le.Uint32(p[16:])) * time.Microsecond, Samples: s}
	count := int(le.Uint16(p[34:]))
	bad := func(e int8) bool { return e < -18 || e > 18 }
	if !d.fits(o.Code, o.Kind) || count == 0 || s.Scale.Mantissa == 0 || bad(s.Scale.Exponent) || bad(s.Offset.Exponent) ||
		s.RateMilliHz == 0 || s.RateMilliHz > 100_000_000 {
		return
	}
	s.Raw = make([]int32, count)
	unpack(p[blockLen:], p[33], count, s.Raw)
	o.DeviceTime = d.stamp(le.Uint32(p), o.Delay)
	var kept protocol.Unit
	if o.Unit, kept = d.unit(o.Code, p[30]); o.Unit != kept {
		o.Quality = protocol.QualityInvalid
	}
	d.emit(o)
}

// unpack reads n samples from p into dst, or only checks that they are there
// if dst is nil.
func unpack(p []byte, encoding byte, n int, dst []int32) bool {
	if encoding == plain {
		if len(p) < 2*n {
			return false
		}
		for i := range dst {
			dst[i] = sample(int16(binary.LittleEndian.Uint16(p[2*i:])))
		}
		return true
	}
	if encoding != delta {
		return false
	}
	var last int16
	for i := range n {
		switch {
		case i > 0 && len(p) >= 1 && p[0] != escape:
			last += int16(int8(p[0]))
			p = p[1:]
		case i == 0 && len(p) >= 2:
			last = int16(binary.LittleEndian.Uint16(p))
			p = p[2:]
		case i > 0 && len(p) >= 3:
			last = int16(binary.LittleEndian.Uint16(p[1:]))
			p = p[3:]
		default:
			return false
		}
		if dst != nil {
			dst[i] = sample(last)
		}
	}
	return true
}

func sample(v int16) int32 {
	if v == noSample {
		return protocol.NoSample
	}
	return int32(v)
}

// text gives a length byte's string and what follows it.
func text(p []byte) (s, rest []byte) { return p[1 : 1+int(p[0])], p[1+int(p[0]):] }

func clean(b []byte) string { return strings.ToValidUTF8(string(b), "?") }

// sleepWords are the words of protocol.SleepStatus.
var sleepWords = map[string]string{"awake": "awake", "asleep": "asleep", "light": "light", "deep": "deep", "rem": "rem", "unknown": "unknown"}

func (d *decoder) word(p []byte) {
	o := protocol.Observation{Code: protocol.Code(binary.LittleEndian.Uint32(p[4:])), Kind: protocol.KindEnumeration,
		Channel: site(p[12]), Quality: quality(p[13]), Delay: millis(p[8:])}
	if !d.fits(o.Code, o.Kind) {
		return
	}
	o.DeviceTime = d.stamp(binary.LittleEndian.Uint32(p), o.Delay)
	w, _ := text(p[14:])
	known := true
	if o.Code == protocol.SleepStatus {
		o.Text, known = sleepWords[string(w)]
	}
	if o.Text == "" {
		o.Text = clean(w)
	}
	switch {
	case o.Quality >= protocol.QualityMissing && o.Quality <= protocol.QualityOngoing:
		o.Text = ""
	case o.Text == "" && o.Quality.HasNumber():
		o.Quality = protocol.QualityMissing
	case !known:
		o.Quality = protocol.QualityInvalid
	}
	d.emit(o)
}

func (d *decoder) event(p []byte) {
	le := binary.LittleEndian
	t, _ := text(p[20:])
	e := &protocol.Event{Source: protocol.Code(le.Uint32(p[8:])), Text: clean(t)}
	if v := protocol.Phase(p[16]); v <= protocol.PhaseOnce {
		e.Phase = v
	}
	if v := protocol.AlarmType(p[18]); v <= protocol.AlarmAdvisory {
		e.Type = v
	}
	e.Priority = min(protocol.Priority(p[17]), protocol.PriorityHigh)
	o := protocol.Observation{Code: protocol.Code(le.Uint32(p[4:])), Kind: protocol.KindEvent, Quality: protocol.QualityGood,
		Channel: site(p[19]), Delay: millis(p[12:]), Event: e}
	if term, known := protocol.Lookup(o.Code); o.Code.Partition() != 3 || known && term.Kind != protocol.KindEvent { // never lose what a device has to say
		e.Text = strings.TrimSpace(fmt.Sprintf("event %d %s", o.Code, e.Text))
		o.Code = protocol.EventAlarm
	}
	o.DeviceTime = d.stamp(le.Uint32(p), o.Delay)
	d.emit(o)
}

// status sets the device's clock; times that no calendar of ours has are none.
func (d *decoder) status(p []byte) {
	d.clock = time.Time{}
	const from, to = 946_684_800_000, 4_102_444_800_000 // the years 2000 to 2099
	if ms := binary.LittleEndian.Uint64(p[4:]); ms >= from && ms < to {
		d.clock = time.UnixMilli(int64(ms)).UTC()
		d.clockAt = binary.LittleEndian.Uint32(p)
	}
}

func wellFormedIdentity(p []byte) bool {
	p = p[4:]
	for range 4 {
		if len(p) < 1 || len(p) < 1+int(p[0]) {
			return false
		}
		_, p = text(p)
	}
	if len(p) < 1 {
		return false
	}
	rows := int(p[0])
	for p = p[1:]; rows > 0; rows-- {
		if len(p) < 1 || p[0] < channelLen || len(p) < 1+int(p[0]) {
			return false
		}
		_, p = text(p)
	}
	return true
}

func (d *decoder) identify(p []byte) {
	var s [4]string
	p = p[4:]
	for i := range s {
		var t []byte
		t, p = text(p)
		s[i] = clean(t)
	}
	now := [3]string{strings.TrimSpace(s[0] + " " + s[1]), strings.TrimSpace(s[2]), strings.TrimSpace(s[3])}
	for i, code := range [3]protocol.Code{protocol.IdentityModel, protocol.IdentitySerial, protocol.IdentityFirmware} {
		if now[i] != "" && now[i] != d.identity[i] {
			d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: now[i]})
		}
	}
	d.identity = now
	d.rows = d.rows[:0]
	rows := int(p[0])
	for p = p[1:]; rows > 0; rows-- {
		var row []byte
		row, p = text(p)
		if name := clean(row[channelLen:]); row[6] == unitNamed && len(name) <= protocol.MaxName && !strings.ContainsFunc(name, unicode.IsControl) {
			d.named[len(d.rows)] = protocol.Unit(name)
			d.rows = append(d.rows, protocol.Code(binary.LittleEndian.Uint32(row)))
		}
	}
}
