package nonin

import (
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// A format is a continuous data format of the sheet. Spot checks (format 13)
// and text lines stand for themselves and need no lock.
type format uint8

const (
	unlocked format = iota
	format1
	format2
	format7
	format8
)

// models are what is known of a device from its format.
var models = [...]string{
	format1: "Nonin oximeter, data format 1",
	format2: "Nonin oximeter, data format 2",
	format7: "Nonin oximeter, data format 7",
	format8: "Nonin oximeter, data format 8",
}

const (
	modelSpot = "Nonin oximeter, spot checks"
	modelText = "Nonin oximeter, text output"
)

// lockRun is how many good frames in a row lock a format: sheet, section
// "Resynchronisation". relockRun holds for a format without checksum that was
// the last one locked, so that a soiled byte does not cost 5 s.
const (
	lockRun   = 5
	relockRun = 2
)

// maxBytes is more than the longest thing looked at: a text line, a spot check
// or a run of frames.
const maxBytes = 96

const (
	noRate = 511
	noSpO2 = 127
)

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	locked format
	last   format        // the last one locked
	behind time.Duration // how long ago the next message of format 8 or 1 came
	packet packet
	told   told
	spots  int           // spot checks so far, each to be acknowledged
	spot   [spotKey]byte // the last spot check, which comes again if not acknowledged
}

func newDecoder() drivers.Decoder { return makeDecoder() }

func makeDecoder() *decoder {
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

// frame handles what stands at the start of b.
func (d *decoder) frame(b []byte) int {
	if d.locked == unlocked {
		return d.search(b)
	}
	n := d.next(b)
	if n >= 0 {
		return n
	}
	d.unlock()
	if n == framer.Skip { // another format may begin here
		return d.search(b)
	}
	return n
}

// next reads a frame of the locked format, or says that there is none.
func (d *decoder) next(b []byte) int {
	size := d.locked.size()
	if !d.locked.begins(b) {
		return framer.Skip
	}
	if len(b) < size {
		return framer.More
	}
	if !d.locked.good(b[:size]) {
		if d.locked == format2 || d.locked == format7 {
			return framer.BadSum
		}
		return framer.Skip
	}
	switch d.locked {
	case format2:
		d.waveFrame(b[1], uint16(b[2]), b[3])
	case format7:
		d.waveFrame(b[0], uint16(b[1])<<8|uint16(b[2]), b[3])
	default:
		d.message(b[:size])
	}
	return size
}

// search looks for the beginning of any format. The first byte tells them
// apart; only 7, 8 and 1 begin alike, and the checksum of 7 decides.
func (d *decoder) search(b []byte) int {
	switch {
	case b[0] == 0x00:
		return d.spotCheck(b)
	case b[0] == 'S', b[0] >= '0' && b[0] <= '9':
		return d.line(b)
	case b[0] == 0x01:
		return d.try(b, format2)
	case b[0]&0x80 != 0:
		n := d.try(b, format7)
		if n != framer.Skip {
			return n
		}
		if n = d.try(b, format8); n != framer.Skip {
			return n
		}
		return d.try(b, format1)
	}
	return framer.Skip
}

// try locks f if enough good frames of it stand in a row.
func (d *decoder) try(b []byte, f format) int {
	need := lockRun
	if f == d.last && (f == format1 || f == format8) {
		need = relockRun
	}
	size := f.size()
	for i := range need {
		rest := b[i*size:]
		if len(rest) > 0 && !f.begins(rest) {
			return framer.Skip
		}
		if len(rest) < size {
			return framer.More
		}
		if !f.good(rest[:size]) {
			return framer.Skip
		}
	}
	d.locked, d.last = f, f
	d.packet.restart()
	d.behind = time.Duration(need-1) * time.Second
	d.identify(protocol.IdentityModel, models[f])
	return d.next(b)
}

// unlock ends a run of frames; what was collected of the wave is kept.
func (d *decoder) unlock() {
	d.flush()
	d.packet.restart()
	d.locked = unlocked
}

func (f format) size() int {
	switch f {
	case format1:
		return 3
	case format8:
		return 4
	}
	return 5
}

// begins reports whether the bytes of b that are here could begin a frame.
func (f format) begins(b []byte) bool {
	if f == format2 {
		return b[0] == 0x01 && (len(b) < 2 || b[1]&0x80 != 0)
	}
	if b[0]&0x80 == 0 {
		return false
	}
	if f == format7 {
		return true
	}
	for _, v := range b[1:min(len(b), f.size())] {
		if v&0x80 != 0 {
			return false
		}
	}
	return true
}

// good checks a whole frame that begins well.
func (f format) good(b []byte) bool {
	if f == format2 || f == format7 {
		return b[4] == checksum.Sum8(b[:4])
	}
	rate, spo2 := int(b[0]&3)<<7|int(b[1]), b[2]
	return (rate == noRate || rate >= 18 && rate <= 321) && (spo2 == noSpO2 || spo2 <= 100)
}

// message handles a message of format 8 or 1.
func (d *decoder) message(b []byte) {
	s := state{
		off:   b[0]&0x40 != 0,
		doubt: b[0]&0x34 != 0, // out of track, low perfusion, artefact
		rate:  int(b[0]&3)<<7 | int(b[1]),
		spo2:  int(b[2]),
	}
	if len(b) == 4 {
		s.off = s.off || b[3]&0x08 != 0
		d.flags(b[3]&0x20 != 0, b[3]&0x01 != 0)
	}
	d.values(s, observed{delay: d.behind})
	d.behind = max(0, d.behind-time.Second)
}

// state is what a device says of the patient at one instant.
type state struct {
	off   bool // the sensor is off, disconnected or faulty
	doubt bool // artefact, out of track, low perfusion
	rate  int  // noRate if missing
	spo2  int  // noSpO2 if missing
}

// observed is when it was.
type observed struct {
	delay  time.Duration
	device time.Time
	memory bool // from the device's memory: of some time ago, not known when by our clock
}

// values emits the two numbers, and the event of a sensor that comes off or on.
func (d *decoder) values(s state, at observed) {
	d.edge(&d.told.off, s.off, protocol.EventSensorOff, protocol.SpO2, "sensor off", at)
	d.number(protocol.SpO2, "%", s.spo2, s.spo2 == noSpO2, s.spo2 > 100, s, at)
	d.number(protocol.PulseRate, "/min", s.rate, s.rate == noRate, s.rate == 0, s, at)
}

func (d *decoder) number(code protocol.Code, unit protocol.Unit, v int, missing, impossible bool, s state, at observed) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Delay: at.delay, DeviceTime: at.device}
	switch {
	case s.off:
		o.Quality = protocol.QualitySensorOff
	case missing:
		o.Quality = protocol.QualityMissing
	case at.memory:
		o.Quality, o.Value = protocol.QualityUnknown, protocol.Int(int64(v))
	case impossible:
		o.Quality, o.Value = protocol.QualityInvalid, protocol.Int(int64(v))
	default:
		if o.Value = protocol.Int(int64(v)); s.doubt {
			o.Quality = protocol.QualityQuestionable
		}
	}
	d.emit(o)
}

// told is what has been emitted and is repeated only when it changes.
type told struct {
	off, battery, smart bool
	model               string
	firmware            int // revision + 1
}

// flags reports the edges of SmartPoint and of the battery.
func (d *decoder) flags(smart, battery bool) {
	if smart && !d.told.smart {
		d.event(protocol.EventAlarm, protocol.Event{Phase: protocol.PhaseOnce, Type: protocol.AlarmAdvisory, Source: protocol.SpO2, Text: "SmartPoint: high-quality measurement reached"}, observed{})
	}
	d.told.smart = smart
	d.edge(&d.told.battery, battery, protocol.EventBatteryLow, 0, "battery low", observed{})
}

// edge reports a technical state that begins or ends.
func (d *decoder) edge(was *bool, is bool, code, source protocol.Code, text string, at observed) {
	if *was == is {
		return
	}
	*was = is
	e := protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: source, Text: text}
	if is {
		e.Phase = protocol.PhaseStart
	}
	d.event(code, e, at)
}

func (d *decoder) event(code protocol.Code, e protocol.Event, at observed) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Delay: at.delay, DeviceTime: at.device, Event: &e})
}

// identify emits an identity when it is new.
func (d *decoder) identify(code protocol.Code, text string) {
	if code == protocol.IdentityModel {
		if d.told.model == text {
			return
		}
		d.told.model = text
	}
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}
