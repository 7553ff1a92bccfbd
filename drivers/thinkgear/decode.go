package thinkgear

import (
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// A packet: docs/devices/thinkgear.md.
const (
	sync       = 0xAA
	maxPayload = 169
	extended   = 0x55

	codeSignal     = 0x02
	codeHeartRate  = 0x03
	codeAttention  = 0x04
	codeMeditation = 0x05
	codeRaw        = 0x80
	codeBands      = 0x83

	contactECG = 200 // the electrodes are on
	noEEG      = 200 // and the least that means off in an EEG headset

	rateHz   = 512
	blockLen = 128
)

var (
	attention  = protocol.MustCode("MONITORME_ATTENTION")
	meditation = protocol.MustCode("MONITORME_MEDITATION")
	eegWave    = protocol.MustCode("MDC_EEG_ELEC_POTL_CRTX")
	ecgWave    = protocol.MustCode("MONITORME_WAVE_ECG_OWN_SCALE")
)

// A kind is what a chip measures; each says so once a second by what it sends.
type kind uint8

const (
	unknown kind = iota
	eeg
	ecg
)

var models = [...]string{eeg: "NeuroSky ThinkGear, EEG", ecg: "NeuroSky ThinkGear, ECG"}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	kind    kind
	contact protocol.Quality // of what is measured: good, questionable or sensor off
	off     bool
	drawn   int
	wave    [blockLen]int32
}

func newDecoder() drivers.Decoder {
	d := &decoder{contact: protocol.QualityQuestionable}
	d.framer = framer.Framer{Max: 4 + maxPayload, Frame: d.frame}
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

// frame handles a packet: AA AA, length, payload, inverted sum of the payload.
func (d *decoder) frame(b []byte) int {
	n := d.whole(b)
	switch {
	case n > 0:
		d.packet(b[3 : n-1])
	case n != framer.More:
		d.flush() // samples may be lost here
	}
	return n
}

func (d *decoder) whole(b []byte) int {
	switch {
	case b[0] != sync, len(b) > 1 && b[1] != sync, len(b) > 2 && (b[2] == 0 || b[2] > maxPayload):
		return framer.Skip
	case len(b) < 3 || len(b) < 4+int(b[2]):
		return framer.More
	}
	n := 4 + int(b[2])
	payload := b[3 : n-1]
	if checksum.Not8(payload) != b[n-1] {
		return framer.BadSum
	}
	for len(payload) > 0 {
		var ok bool
		if _, payload, ok = next(payload); !ok {
			return framer.Skip
		}
	}
	return n
}

// A row is one value of a packet.
type row struct {
	code  byte
	value []byte
}

// next gives the first row of a payload and what follows it. A row of an
// extended level has code 0, which is none.
func next(p []byte) (r row, rest []byte, ok bool) {
	level := 0
	for len(p) > 0 && p[0] == extended {
		level, p = level+1, p[1:]
	}
	if len(p) < 2 {
		return r, nil, false
	}
	r.code, p = p[0], p[1:]
	n := 1
	if r.code >= 0x80 {
		n, p = int(p[0]), p[1:]
	}
	if len(p) < n || level == 0 && (r.code == codeRaw && n != 2 || r.code == codeBands && n != 24) {
		return r, nil, false
	}
	if r.value = p[:n]; level > 0 {
		r.code = 0
	}
	return r, p[n:], true
}

// packet handles a payload that is good: first what the chip is and how good
// the contact, then what it has measured.
func (d *decoder) packet(payload []byte) {
	kind, signal := d.kind, -1
	for rest := payload; len(rest) > 0; {
		var r row
		r, rest, _ = next(rest)
		switch r.code {
		case codeSignal:
			signal = int(r.value[0])
		case codeAttention, codeMeditation, codeBands:
			kind = eeg
		case codeHeartRate:
			kind = ecg
		}
	}
	d.become(kind)
	if signal >= 0 {
		d.signal(byte(signal))
	}
	for rest := payload; len(rest) > 0; {
		var r row
		r, rest, _ = next(rest)
		switch {
		case r.code == codeRaw:
			d.sample(int32(int16(uint16(r.value[0])<<8 | uint16(r.value[1]))))
		case r.code == codeHeartRate && d.kind == ecg:
			d.number(protocol.HeartRate, "/min", r.value[0])
		case r.code == codeAttention && d.kind == eeg:
			d.number(attention, "1", r.value[0])
		case r.code == codeMeditation && d.kind == eeg:
			d.number(meditation, "1", r.value[0])
		}
	}
}

// become notes what the chip is.
func (d *decoder) become(k kind) {
	if k == d.kind {
		return
	}
	d.flush()
	d.kind = k
	d.contactIs(protocol.QualityQuestionable) // until it says
	d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: models[k]})
}

// signal takes the quality of the signal, which the two kinds count the
// opposite way.
func (d *decoder) signal(v byte) {
	q := protocol.QualityQuestionable
	switch {
	case d.kind == eeg && v == 0, d.kind == ecg && v == contactECG:
		q = protocol.QualityGood
	case d.kind == eeg && v >= noEEG, d.kind == ecg && v == 0:
		q = protocol.QualitySensorOff
	}
	d.contactIs(q)
}

func (d *decoder) contactIs(q protocol.Quality) {
	if q == d.contact {
		return
	}
	d.flush()
	d.contact = q
	if off := q == protocol.QualitySensorOff; off != d.off {
		d.off = off
		e := &protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Text: "electrodes off"}
		if off {
			e.Phase = protocol.PhaseStart
		}
		d.emit(protocol.Observation{Code: protocol.EventLeadsOff, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: e})
	}
}

// number emits a number; 0 is none yet.
func (d *decoder) number(code protocol.Code, unit protocol.Unit, v byte) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: d.contact}
	switch {
	case d.contact == protocol.QualitySensorOff:
	case v == 0:
		o.Quality = protocol.QualityMissing
	default:
		if o.Value = protocol.Int(int64(v)); unit == "1" && v > 100 {
			o.Quality = protocol.QualityInvalid
		}
	}
	d.emit(o)
}

// sample takes one sample of the wave. What a wave is, is not known before the
// chip has said what it is.
func (d *decoder) sample(v int32) {
	if d.kind == unknown {
		return
	}
	if d.contact == protocol.QualitySensorOff {
		v = protocol.NoSample
	}
	d.wave[d.drawn] = v
	if d.drawn++; d.drawn == blockLen {
		d.flush()
	}
}

// microvolts is what one count of an EEG chip is: 1.8 V / 4096 / 2000.
var microvolts = protocol.Dec(2197265625, -10)

// flush emits the samples collected so far.
func (d *decoder) flush() {
	n := d.drawn
	if n == 0 {
		return
	}
	d.drawn = 0
	o := protocol.Observation{Code: ecgWave, Unit: "1", Kind: protocol.KindSamples, Quality: d.contact, Delay: time.Duration(n-1) * time.Second / rateHz}
	scale := protocol.Int(1)
	if d.kind == eeg {
		o.Code, o.Unit, scale = eegWave, "uV", microvolts
	}
	o.Samples = &protocol.Samples{RateMilliHz: rateHz * 1000, Scale: scale, Offset: protocol.Int(0), Raw: slices.Clone(d.wave[:n])}
	d.emit(o)
}
