package hl7

import (
	"bytes"
	"math"
	"time"

	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// The attributes that follow the samples of a wave, by number and name.
const (
	resolution    = 2327   // MDC_ATTR_NU_MSMT_RES: what one count is worth
	waveInop      = 262196 // MDC_EVT_INOP: the sample that means "none"
	waveInopEvent = 196660 // the same, as others number it
)

// blockLength is how long the blocks are into which samples are cut, maxWave
// how many samples a wave has in one message.
const (
	blockLength = time.Second
	maxWave     = 1 << 16
)

// A wave is an OBX of type NA, held until what belongs to it has been read.
type wave struct {
	held    bool
	id      identifier
	channel string
	code    hl7v2.Value // OBX-3
	place   hl7v2.Value // OBX-4
	samples hl7v2.Value
	unit    hl7v2.Value
	quality protocol.Quality
	rate    uint32           // in samples per 1000 s, 0 is not said
	step    protocol.Decimal // of one count, not valid is not said
	none    []int64          // samples that mean "none"
	dead    bool             // no sample means anything
}

func (w *wave) begin(d *decoder, s hl7v2.Segment, id identifier, channel string) {
	q, _ := d.quality(s)
	*w = wave{held: true, id: id, channel: channel, code: s.Field(3), place: s.Field(4), samples: s.Field(5), unit: s.Field(6), quality: q,
		none: append(w.none[:0], 32767, -32768, 0x7FFFFF)}
}

// companion reads an OBX that says more of the wave, and tells whether it is one.
func (w *wave) companion(s hl7v2.Segment, n int) bool {
	name := s.Field(3).Component(2)
	rate := name.Is("MDC_ATTR_SAMP_RATE")
	if !s.Field(3).Component(3).Is("MDC") { // a vendor's number
		n = 0
	}
	step := n == resolution || name.Is("MDC_ATTR_NU_MSMT_RES")
	inop := n == waveInop || n == waveInopEvent || name.Is("MDC_EVT_INOP")
	if !rate && !step && !inop && !begins(name, "MDC_ATTR_") {
		return false
	}
	place, of := s.Field(4).Raw(), w.place.Raw()
	if !w.held || len(place) > 0 && (!bytes.HasPrefix(place, of) || len(place) <= len(of) || place[len(of)] != '.') {
		return rate || step || inop // of a wave that is not read
	}
	v, ok := decimal(s.Field(5).Raw())
	switch {
	case rate:
		if f := v.Float64() * 1000; ok && f >= 1000 && f <= 10_000_000 { // 1 to 10000 Hz
			w.rate = uint32(math.Round(f))
		}
	case step:
		if ok && v.Mantissa != 0 {
			w.step = v
		}
		if !s.Field(6).Empty() {
			w.unit = s.Field(6)
		}
	case inop && ok && v.Exponent == 0 && len(w.none) < 16:
		w.none = append(w.none, v.Mantissa)
	case inop && !ok:
		w.dead = true
	}
	return true
}

// flush emits the wave that is held, in blocks.
func (w *wave) flush(d *decoder) {
	if !w.held {
		return
	}
	w.held = false
	code, unit, scale, ok := w.scaled(d)
	if !ok {
		if !w.samples.Empty() {
			d.notRead(w.code, "a rate, or a unit that can be kept, is missing with its samples")
		}
		return
	}
	raw, places := w.read()
	if len(raw) == 0 || scale.Exponent < int8(places)-18 {
		if !w.samples.Empty() {
			d.notRead(w.code, "its samples are too many or too fine")
		}
		return
	}
	scale.Exponent -= int8(places)
	whole := length(len(raw), w.rate)
	first := whole + d.late
	if old := d.age(d.from); old > first+2*time.Second {
		first = old
	}
	block := min(int(w.rate/1000*uint32(blockLength/time.Second)), protocol.MaxSamples)
	for i := 0; i < len(raw); i += block {
		part := raw[i:min(i+block, len(raw)):min(i+block, len(raw))]
		o := protocol.Observation{Channel: w.channel, Code: code, Unit: unit, Kind: protocol.KindSamples, Quality: w.worth(part),
			Delay:   first - length(i, w.rate),
			Samples: &protocol.Samples{RateMilliHz: w.rate, Scale: scale, Offset: protocol.Int(0), Raw: part}}
		if !d.from.IsZero() {
			o.DeviceTime = d.from.Add(length(i, w.rate))
		}
		d.emit(o)
	}
}

// length is how long n samples last.
func length(n int, rate uint32) time.Duration {
	return time.Duration(n) * 1000 * time.Second / time.Duration(max(rate, 1))
}

// worth is the quality of a block.
func (w *wave) worth(part []int32) protocol.Quality {
	if !w.quality.HasNumber() && w.quality != protocol.QualityUnknown && w.quality != protocol.QualityDemo {
		for i := range part {
			part[i] = protocol.NoSample
		}
	}
	if w.quality != protocol.QualityGood {
		return w.quality
	}
	for _, v := range part {
		if v != protocol.NoSample {
			return protocol.QualityGood
		}
	}
	return protocol.QualityMissing
}

// scaled gives the code, the unit and what one count is worth. A wave without a
// scale that can be read is kept in the device's own, where there is a code for
// that.
func (w *wave) scaled(d *decoder) (code protocol.Code, unit protocol.Unit, scale protocol.Decimal, ok bool) {
	if w.rate == 0 {
		return 0, "", scale, false
	}
	term, known := protocol.Lookup(w.id.code)
	unit, readable := d.unit(w.unit)
	if unit == "" {
		unit, readable = d.assumed(w.id, term)
	}
	scale = w.step
	if !scale.Valid {
		scale = protocol.Int(1)
	}
	switch lead := term.Sign == protocol.SignECG; {
	case !known:
		return w.id.code, d.own(unit, readable), scale, measured(w.id.code)
	case readable && w.step.Valid && unit == term.Unit, term.Unit == "1":
		return w.id.code, term.Unit, scale, true
	case readable && w.step.Valid && unit == "uV" && term.Unit == "mV" && scale.Exponent >= -15:
		scale.Exponent -= 3
		return w.id.code, term.Unit, scale, true
	case lead && term.Unit == "mV":
		if w.channel == "" {
			w.channel = term.Label
		}
		return ecgOwnScale, "1", scale, true
	case w.id.code == protocol.RespirationWave:
		return breathing, "1", scale, true
	}
	return 0, "", scale, false
}

// read gives the samples as whole numbers of 10^-places.
func (w *wave) read() (raw []int32, places int) {
	n := 0
	for v := range w.samples.Repetition(1).Components() {
		n++
		if i := bytes.IndexByte(v.Raw(), '.'); i >= 0 {
			places = max(places, len(bytes.TrimSpace(v.Raw()[i+1:])))
		}
	}
	if places > 6 || n > maxWave {
		return nil, 0
	}
	raw = make([]int32, 0, n)
	for v := range w.samples.Repetition(1).Components() {
		raw = append(raw, w.sample(v, places))
	}
	return raw, places
}

// most bounds samples, so that differences fit 32 bits.
const most = 1 << 29

func (w *wave) sample(v hl7v2.Value, places int) int32 {
	n, ok := v.Number()
	if !ok || w.dead {
		return protocol.NoSample
	}
	m := n.Mantissa
	if n.Exponent == 0 {
		for _, none := range w.none {
			if m == none {
				return protocol.NoSample
			}
		}
	}
	for range places + int(n.Exponent) {
		if m > most || m < -most {
			return protocol.NoSample
		}
		m *= 10
	}
	if m > most || m < -most {
		return protocol.NoSample
	}
	return int32(m)
}
