package capnostat

import (
	"fmt"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// Commands that are sent; there are no others. An item of cmdItem without a
// value is a question.
const (
	cmdWave = 0x80
	cmdItem = 0x84

	itemUnit   = 0x07
	itemSerial = 0x14
)

// Blocks of a wave packet.
const (
	blockStatus = 1
	blockET     = 2
	blockRate   = 3
	blockInsp   = 4
	blockBreath = 5
)

const (
	noBreath        = 0x40 // in S1
	samplesPerBlock = 25   // a quarter of a second
	maxBytes        = 66   // more than the longest packet
)

// appendPacket appends a packet of bytes below 80h.
func appendPacket(b []byte, cmd byte, data ...byte) []byte {
	from := len(b)
	b = append(append(b, cmd, byte(len(data)+1)), data...)
	return append(b, checksum.Neg7(b[from:]))
}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	told    bool
	serial  uint64
	hasUnit bool
	unit    byte
	known   bool // the status has come
	status  byte // its priority message
	apnoea  bool
	latched bool // a breath came, and the flag still stands

	wave  [samplesPerBlock]int32
	drawn int
	sync  byte
	worth protocol.Quality // of the samples in wave

	frames  uint64
	heard   time.Duration
	retry   time.Duration
	asked   time.Duration
	started bool
}

func newDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: maxBytes, Frame: d.frame}
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

// frame reads a packet: only its first byte has bit 7.
func (d *decoder) frame(b []byte) int {
	if !isCommand(b[0]) {
		return framer.Skip
	}
	if len(b) < 2 {
		return framer.More
	}
	n := int(b[1]) + 2
	if n < 3 || n > maxBytes {
		return framer.Skip
	}
	for _, c := range b[1:min(len(b), n)] {
		if c >= 0x80 {
			return framer.Skip
		}
	}
	if len(b) < n {
		return framer.More
	}
	if checksum.Neg7(b[:n-1]) != b[n-1] {
		return framer.BadSum
	}
	switch data := b[2 : n-1]; {
	case b[0] == cmdWave && len(data) >= 3:
		d.identify()
		d.sample(data[0], int32(data[1])<<7|int32(data[2]))
		if len(data) > 3 {
			d.block(data[3], data[4:])
		}
	case b[0] == cmdItem && len(data) == 2 && data[0] == itemUnit:
		d.flush(0)
		d.hasUnit, d.unit = true, data[1]
	case b[0] == cmdItem && len(data) == 6 && data[0] == itemSerial:
		d.number(data[1:])
	}
	return n
}

// isCommand tells whether c begins a packet of a module: wave, zero, item, refusal,
// stop, revision, no-breath reset, extended, reset.
func isCommand(c byte) bool {
	switch c {
	case cmdWave, 0x82, cmdItem, 0xC8, 0xC9, 0xCA, 0xCC, 0xF2, 0xF8:
		return true
	}
	return false
}

func (d *decoder) identify() {
	if !d.told {
		d.told = true
		d.word(protocol.IdentityModel, "Capnostat or LoFlo CO2 module")
	}
}

func (d *decoder) word(code protocol.Code, text string) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

// number is the serial number, in pieces of seven bits.
func (d *decoder) number(b []byte) {
	var n uint64
	for _, c := range b {
		n = n<<7 | uint64(c)
	}
	if n != d.serial {
		d.serial = n
		d.word(protocol.IdentitySerial, fmt.Sprint(n))
	}
}

// block handles what a wave packet carries beside its sample.
func (d *decoder) block(code byte, data []byte) {
	pair := func() (int64, bool) {
		if len(data) != 2 {
			return 0, false
		}
		return int64(data[0])<<7 | int64(data[1]), true
	}
	switch code {
	case blockStatus:
		if len(data) == 5 {
			d.state(data[0], data[4])
		}
	case blockET:
		if v, ok := pair(); ok && d.quality().HasNumber() {
			d.gas(etCO2, v, d.quality())
		}
	case blockRate:
		if v, ok := pair(); ok && d.quality().HasNumber() {
			d.value(rateCO2, "/min", protocol.Int(v), d.quality())
		}
	case blockInsp:
		if v, ok := pair(); ok && d.quality().HasNumber() {
			d.gas(fiCO2, v, d.quality())
		}
	case blockBreath:
		if d.apnoea {
			d.latched = true
			d.setApnoea(false)
		}
	}
}

// A standing is what a priority message means for the values.
type standing struct {
	quality protocol.Quality
	code    protocol.Code // of its event
	text    string
}

// standings are the priority messages; 0 and 3 are none. The sheet does not say
// surely of 3 what it means.
var standings = map[byte]standing{
	0x01: {protocol.QualitySensorOff, eventProblem, "CO2 sensor over temperature"},
	0x02: {protocol.QualitySensorOff, eventProblem, "CO2 sensor faulty"},
	0x04: {protocol.QualityMissing, eventProblem, "CO2 sensor sleeping"},
	0x05: {protocol.QualityCalibrating, 0, ""},
	0x06: {protocol.QualityCalibrating, 0, ""},
	0x07: {protocol.QualityCalibrating, eventProblem, "CO2 sensor must be zeroed"},
	0x08: {protocol.QualityMissing, eventProblem, "CO2 out of range"},
	0x09: {protocol.QualitySensorOff, protocol.EventSensorOff, "check the CO2 airway adapter"},
	0x0A: {protocol.QualitySensorOff, protocol.EventSensorOff, "check the CO2 sampling line"},
}

// quality is what CO2 and rate are worth now.
func (d *decoder) quality() protocol.Quality {
	switch s, bad := standings[d.status]; {
	case !d.known:
		return protocol.QualityUnknown
	case bad:
		return s.quality
	case d.apnoea:
		return protocol.QualityMissing
	}
	return protocol.QualityGood
}

// state takes the status block. While it is bad, it says the values, so that
// none stays on a screen.
func (d *decoder) state(s1, priority byte) {
	if priority != d.status {
		d.standingEvent(d.status, protocol.PhaseEnd)
		d.standingEvent(priority, protocol.PhaseStart)
		d.status = priority
	}
	d.known = true
	if flag := s1&noBreath != 0; !flag {
		d.latched = false
		d.setApnoea(false)
	} else if !d.latched {
		d.setApnoea(true)
	}
	if q := d.quality(); !q.HasNumber() {
		d.value(etCO2, "mm[Hg]", protocol.Decimal{}, q)
		d.value(fiCO2, "mm[Hg]", protocol.Decimal{}, q)
		d.value(rateCO2, "/min", protocol.Decimal{}, q)
	}
}

func (d *decoder) standingEvent(priority byte, phase protocol.Phase) {
	if s := standings[priority]; s.code != 0 {
		d.event(s.code, protocol.Event{Phase: phase, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: etCO2, Text: s.text})
	}
}

func (d *decoder) setApnoea(is bool) {
	if d.apnoea == is {
		return
	}
	d.apnoea = is
	e := protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityHigh, Type: protocol.AlarmPhysiological, Source: rateCO2, Text: "no breath"}
	if is {
		e.Phase = protocol.PhaseStart
	}
	d.event(eventApnoea, e)
}

func (d *decoder) event(code protocol.Code, e protocol.Event) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// value emits a number; 0 is none.
func (d *decoder) value(code protocol.Code, unit protocol.Unit, v protocol.Decimal, q protocol.Quality) {
	if q.HasNumber() && v.Mantissa == 0 {
		q, v = protocol.QualityMissing, protocol.Decimal{}
	}
	d.emit(protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: q, Value: v})
}

// gas emits a CO2 value in tenths of the module's unit. One in a unit that has
// not been said yet is kept, but not shown; so is a percentage, which cannot be
// converted without the air pressure.
func (d *decoder) gas(code protocol.Code, tenths int64, q protocol.Quality) {
	v := protocol.Dec(tenths, -1)
	switch {
	case tenths == 0:
		d.value(code, "mm[Hg]", v, q)
	case !d.hasUnit:
		d.value(code, "mm[Hg]", protocol.Decimal{}, protocol.QualityUnknown)
	case d.unit == 1:
		v, _ = protocol.Convert(v, "kPa", "mm[Hg]")
		d.value(code, "mm[Hg]", v, q)
	case d.unit == 2:
		d.value(code, "%", v, protocol.QualityInvalid)
	default:
		d.value(code, "mm[Hg]", v, q)
	}
}

// sample takes a sample, in hundredths of the unit from -10.
func (d *decoder) sample(sync byte, raw int32) {
	q := d.quality()
	if _, bad := standings[d.status]; d.apnoea && !bad { // no breath is a wave too
		q = protocol.QualityGood
	}
	if d.drawn > 0 && (sync != (d.sync+1)&0x7F || q != d.worth) {
		d.flush(1)
	}
	d.sync, d.worth = sync, q
	d.wave[d.drawn] = raw
	// Blocks end at every 25th number, so that a lost packet shifts no other.
	if d.drawn++; sync%samplesPerBlock == samplesPerBlock-1 || sync == 127 {
		d.flush(0)
	}
}

// flush emits the block, after the last sample of which later others came.
func (d *decoder) flush(later int) {
	if d.drawn == 0 {
		return
	}
	o := protocol.Observation{Code: waveCO2, Unit: "mm[Hg]", Kind: protocol.KindSamples, Quality: d.worth,
		Delay:   time.Duration(d.drawn-1+later) * 10 * time.Millisecond,
		Samples: &protocol.Samples{RateMilliHz: 100_000, Scale: protocol.Dec(1, -2), Offset: protocol.Int(-10), Raw: slices.Clone(d.wave[:d.drawn])}}
	d.drawn = 0
	switch {
	case !d.hasUnit: // of an unknown unit
		return
	case d.unit == 1: // 1 kPa is 7.500616827 mmHg
		o.Samples.Scale, o.Samples.Offset = protocol.Dec(7500616827, -11), protocol.Dec(-7500616827, -8)
	case d.unit == 2:
		o.Unit, o.Quality = "%", protocol.QualityInvalid
	}
	d.emit(o)
}

// Ask implements drivers.Asker: start the wave while nothing comes, and ask for
// the unit until it is known.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if n := d.framer.Stats().Frames; n != d.frames {
		d.frames, d.heard, d.started = n, now, true
	}
	if (!d.started || now-d.heard > 2*time.Second) && now >= d.retry {
		d.retry = now + 2*time.Second
		d.hasUnit = false // it may be another module
		b = appendPacket(b, cmdWave, 0)
	}
	if !d.hasUnit && now >= d.asked {
		d.asked = now + 2*time.Second
		b = appendPacket(b, cmdItem, itemUnit)
		b = appendPacket(b, cmdItem, itemSerial)
	}
	return b, time.Second
}
