package zephyr

import (
	"encoding/binary"
	"fmt"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// The frame: docs/devices/zephyr.md.
const (
	stx      = 0x02
	etx      = 0x03
	ackEnd   = 0x06
	nakEnd   = 0x15
	maxData  = 128
	overhead = 5
)

// Messages.
const (
	general   = 0x20
	breathing = 0x21
	ecg       = 0x22
	intervals = 0x24
	motion    = 0x25
	hxm       = 0x26
	summary   = 0x2B
)

// sizes are the lengths of the payloads that are known: the sum does not cover
// id and length, so they must agree.
var sizes = map[byte]int{general: 53, breathing: 32, ecg: 88, intervals: 45, motion: 84, hxm: 55, summary: 71}

const (
	none     = 0xFFFF
	noSigned = -32768
	worn     = 20 // % of confidence from which a rate is believed
	noTrust  = 255
)

func ours(name string) protocol.Code { return protocol.MustCode("MONITORME_" + name) }

var (
	skin      = protocol.MustCode("MDC_TEMP_SKIN")
	anyECG    = protocol.MustCode("MDC_ECG_ELEC_POTL")
	posture   = ours("POSTURE")
	activity  = ours("ACTIVITY")
	peak      = ours("PEAK_ACCELERATION")
	voltage   = ours("BATTERY_VOLTAGE")
	battery   = ours("BATTERY_LEVEL")
	amplitude = ours("RESPIRATION_AMPLITUDE")
	variation = ours("HEART_RATE_VARIABILITY")
	interval  = ours("RR_INTERVAL")
	chest     = ours("WAVE_BREATHING")
)

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	only   byte // the one message that is taken; 0: all

	model   string
	off     bool // the heart rate is not to be believed: the belt may not be worn
	known   map[protocol.Code]bool
	sign    int  // of the last R-R value, 0 before the first
	beats   bool // beat is known
	beat    byte // number of the last one of an HxM
	reading int  // messages with readings so far
}

func newDecoder() drivers.Decoder { return makeDecoder() }

// newBelt is for a belt that talks by itself: a BioHarness is none, and falls
// silent when nobody tells it to go on.
func newBelt() drivers.Decoder {
	d := makeDecoder()
	d.only = hxm
	return d
}

func makeDecoder() *decoder {
	d := &decoder{known: map[protocol.Code]bool{}}
	d.framer = framer.Framer{Max: maxData + overhead, Frame: d.frame}
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

// frame handles a frame: start, id, length, payload, check, end.
func (d *decoder) frame(b []byte) int {
	if b[0] != stx || len(b) >= 2 && d.only != 0 && b[1] != d.only || len(b) >= 3 && b[2] > maxData {
		return framer.Skip
	}
	if len(b) < 3 {
		return framer.More
	}
	n, size := int(b[2]), sizes[b[1]]
	if size != 0 && n != size && n > 8 { // an answer to a command is short
		return framer.Skip
	}
	if len(b) < n+overhead {
		return framer.More
	}
	end := b[n+4]
	switch {
	case end != etx && end != ackEnd && end != nakEnd, end == etx && size != 0 && n != size:
		return framer.Skip
	case checksum.CRC8Maxim(b[3:n+3]) != b[n+3]:
		return framer.BadSum
	}
	if end == etx && size != 0 {
		d.reading++
		d.message(b[1], b[3:n+3])
	}
	return n + overhead
}

func (d *decoder) message(id byte, p []byte) {
	if id == hxm {
		d.hxm(p)
		return
	}
	d.identify("Zephyr BioHarness")
	at := clock(p)
	switch id {
	case summary:
		d.summary(p, at)
	case general:
		d.vitals(p[9:], at, noTrust, noTrust)
		d.number(voltage, -3, int(u16(p, 21)), u16(p, 21) == 0 || u16(p, 21) == none, at)
	case breathing:
		d.samples(chest, "1", 17857, protocol.Int(1), p[9:], 18, at)
	case ecg:
		d.samples(anyECG, "mV", 250_000, protocol.Dec(25, -3), p[9:], 63, at)
	case motion:
		for axis := range 3 {
			d.axis(axis, p[9:], at)
		}
	case intervals:
		d.intervals(p[9:], at)
	}
}

// clock is the belt's clock; zero if it is not set.
func clock(p []byte) time.Time {
	year := int(u16(p, 1))
	ms := binary.LittleEndian.Uint32(p[5:])
	if year < 2010 || year > 2100 || p[3] < 1 || p[3] > 12 || p[4] < 1 || p[4] > 31 || ms >= 86_400_000 {
		return time.Time{}
	}
	return time.Date(year, time.Month(p[3]), int(p[4]), 0, 0, 0, int(ms)*1_000_000, time.UTC)
}

func u16(p []byte, at int) uint16 { return binary.LittleEndian.Uint16(p[at:]) }

func (d *decoder) identify(model string) {
	if d.model != model {
		d.model = model
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: model})
	}
}

// summary handles message 2B.
func (d *decoder) summary(p []byte, at time.Time) {
	d.vitals(p[10:], at, p[34], p[29])
	d.number(voltage, -3, int(u16(p, 22)), u16(p, 22) == 0 || u16(p, 22) == none, at)
	d.number(battery, 0, int(p[24]&0x7F), p[24]&0x7F > 100, at)
	d.number(amplitude, 0, int(u16(p, 25)), u16(p, 25) == none, at)
	d.number(variation, 0, int(u16(p, 35)), u16(p, 35) == none || u16(p, 35) == 0, at)
}

// vitals are what summary and general message have alike, with the confidence
// in the two rates in percent. A heart rate of 0 is none found.
func (d *decoder) vitals(p []byte, at time.Time, heart, breath byte) {
	d.off = heart < worn
	d.rate(protocol.HeartRate, 0, u16(p, 0), heart, at)
	d.rate(protocol.RespirationRate, -1, u16(p, 2), breath, at)
	d.signed(skin, -1, u16(p, 4), at)
	d.signed(posture, 0, u16(p, 6), at)
	d.number(activity, -2, int(u16(p, 8)), u16(p, 8) == none, at)
	d.number(peak, -2, int(u16(p, 10)), u16(p, 10) == none, at)
}

// rate emits a rate; one of low confidence is kept, but never shown.
func (d *decoder) rate(code protocol.Code, exp int8, v uint16, trust byte, at time.Time) {
	o := protocol.Observation{Code: code, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Dec(int64(v), exp), DeviceTime: at}
	switch {
	case v == none || v == 0 && code == protocol.HeartRate:
		o.Quality, o.Value = protocol.QualityMissing, protocol.Decimal{}
	case trust < worn:
		o.Quality = protocol.QualityInvalid
	}
	d.emit(o)
}

func (d *decoder) signed(code protocol.Code, exp int8, v uint16, at time.Time) {
	d.number(code, exp, int(int16(v)), int16(v) == noSigned, at)
}

// number emits a value; one that is missing only if it has been there.
func (d *decoder) number(code protocol.Code, exp int8, v int, missing bool, at time.Time) {
	o := protocol.Observation{Code: code, Unit: unitOf[code], Kind: protocol.KindNumeric, Quality: protocol.QualityMissing, DeviceTime: at}
	if !missing {
		o.Quality, o.Value = protocol.QualityGood, protocol.Dec(int64(v), exp)
	} else if !d.known[code] {
		return
	}
	d.known[code] = true
	d.emit(o)
}

// sample gives sample i of those that are packed in ten bits each, the lowest
// bits first, around 0.
func sample(p []byte, i int) int32 {
	bit := i * 10
	v := uint32(p[bit/8])
	if bit/8+1 < len(p) {
		v |= uint32(p[bit/8+1]) << 8
	}
	return int32(v>>(bit%8)&0x3FF) - 512
}

func (d *decoder) samples(code protocol.Code, unit protocol.Unit, rate uint32, scale protocol.Decimal, p []byte, n int, at time.Time) {
	s := &protocol.Samples{RateMilliHz: rate, Scale: scale, Offset: protocol.Int(0), Raw: make([]int32, n)}
	for i := range s.Raw {
		s.Raw[i] = sample(p, i)
	}
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindSamples, Quality: protocol.QualityGood, Delay: s.Duration(), DeviceTime: at, Samples: s}
	if d.off {
		o.Quality = protocol.QualityQuestionable
	}
	d.emit(o)
}

var axes = [...]string{"x", "y", "z"}

// axis emits one axis of the acceleration: one g is about 20.75 counts.
func (d *decoder) axis(axis int, p []byte, at time.Time) {
	s := &protocol.Samples{RateMilliHz: 50_000, Scale: protocol.Dec(48193, -6), Offset: protocol.Int(0), Raw: make([]int32, 20)}
	for i := range s.Raw {
		s.Raw[i] = sample(p, 3*i+axis)
	}
	d.emit(protocol.Observation{Code: ours("WAVE_ACCELERATION"), Channel: axes[axis], Unit: "[g]", Kind: protocol.KindSamples, Quality: protocol.QualityGood,
		Delay: s.Duration(), DeviceTime: at, Samples: s})
}

// intervals handles message 24: the value of the last interval, whose sign
// changes with each beat.
func (d *decoder) intervals(p []byte, at time.Time) {
	const count, period = 18, 56 * time.Millisecond
	for i := range count {
		v := int(int16(u16(p, 2*i)))
		sign := 1
		if v < 0 {
			sign = -1
		}
		if v == 0 || v == noSigned || sign == d.sign {
			continue
		}
		if d.sign != 0 {
			d.beatInterval(v*sign, time.Duration(count-1-i)*period, at)
		}
		d.sign = sign
	}
}

func (d *decoder) beatInterval(ms int, ago time.Duration, at time.Time) {
	o := protocol.Observation{Code: interval, Unit: "ms", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(ms)), Delay: ago, DeviceTime: at}
	if d.off {
		o.Quality = protocol.QualityQuestionable
	}
	d.emit(o)
}

// hxm handles the one message of the HxM, which has no clock.
func (d *decoder) hxm(p []byte) {
	if d.model == "" {
		d.identify("Zephyr HxM")
		d.emit(protocol.Observation{Code: protocol.IdentityFirmware, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: fmt.Sprintf("%d %s", u16(p, 0), version(p[2:4]))})
	}
	d.number(battery, 0, int(p[8]), p[8] > 100, time.Time{})
	d.off = p[9] == 0 || p[9] == noTrust
	o := protocol.Observation{Code: protocol.HeartRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(p[9]))}
	switch {
	case d.off:
		o.Quality, o.Value = protocol.QualityMissing, protocol.Decimal{}
	case p[9] < 30 || p[9] > 240:
		o.Quality = protocol.QualityInvalid
	}
	d.emit(o)
	const stamps = 15 // of the last beats, the newest first
	fresh := min(int(p[10]-d.beat), stamps-1)
	if d.beats && !d.off {
		for i := fresh - 1; i >= 0; i-- {
			newest, this, before := u16(p, 11), u16(p, 11+2*i), u16(p, 13+2*i)
			if gap := this - before; gap > 0 {
				d.beatInterval(int(gap), time.Duration(newest-this)*time.Millisecond, time.Time{})
			}
		}
	}
	d.beats, d.beat = true, p[10]
}

// version is two characters, if they are such.
func version(p []byte) string {
	for _, c := range p {
		if c <= ' ' || c > '~' {
			return fmt.Sprintf("%02X%02X", p[0], p[1])
		}
	}
	return string(p)
}
