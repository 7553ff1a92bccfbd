package medibus

import (
	"bytes"
	"math"
	"strconv"

	"monitorme/drivers"
	"monitorme/protocol"
)

// A curve is a waveform that the device offers: its answer to command 53.
type curve struct {
	code     byte
	interval int // µs
	min, max float64
	maxBin   int
}

const (
	curveSize  = 23
	maxStreams = 4
	blockTime  = 500_000 // µs of samples in a block, at least
)

// A waveTerm is what a curve is kept as.
type waveTerm struct {
	code   protocol.Code
	factor float64 // to the unit of the term
}

const mbar = 1e6 / 980665 // cmH2O

// waveTerms are the curves that are read; CO2 in percent cannot be converted.
var waveTerms = map[byte]waveTerm{
	0x00: {mdc("PRESS_AWAY"), mbar}, 0x01: {mdc("FLOW_AWAY"), 1}, 0x06: {mdc("AWAY_CO2"), 1}, 0x07: {mdc("AWAY_CO2"), 7.500616827},
	0x02: {protocol.Pleth, 1}, 0x03: {ours("WAVE_VOLUME"), 1}, 0x05: {mdc("CONC_AWAY_O2"), 1}, 0x0A: {ours("WAVE_AGENT"), 1},
}

// wanted are the curves in the order in which they are chosen.
var wanted = []byte{0x00, 0x01, 0x06, 0x07, 0x02, 0x03, 0x05, 0x0A}

// curves reads the answer to command 53.
func curves(data []byte) (all []curve) {
	for ; len(data) >= curveSize; data = data[curveSize:] {
		code, ok := hex2(data)
		interval, err1 := strconv.Atoi(text(data[2:10]))
		low, err2 := strconv.ParseFloat(tight(data[10:15]), 64)
		high, err3 := strconv.ParseFloat(tight(data[15:20]), 64)
		bins, err4 := strconv.ParseUint(text(data[20:23]), 16, 12)
		if !ok || err1 != nil || err2 != nil || err3 != nil || err4 != nil || interval < 1000 || interval > 10_000_000 ||
			bins == 0 || !(high-low >= 0.01) || math.Abs(low) > 1e6 || math.Abs(high) > 1e6 {
			continue
		}
		all = append(all, curve{code, interval, low, high, int(bins)})
	}
	return all
}

// choose gives the curves to configure, at most as many as every device has
// streams. The host asks for the same ones that the decoder expects.
func choose(all []curve) (chosen []curve) {
	for _, code := range wanted {
		for _, c := range all {
			if c.code == code && len(chosen) < maxStreams {
				chosen = append(chosen, c)
				break
			}
		}
	}
	return chosen
}

func text(b []byte) string { return string(bytes.TrimSpace(b)) }

// tight is a number whose sign may be parted from it by blanks.
func tight(b []byte) string { return string(bytes.ReplaceAll(b, []byte(" "), nil)) }

// A stream is a curve that is sent.
type stream struct {
	curve
	term  waveTerm
	block int // samples
	raw   []int32
}

// A realtime takes samples out of the bytes of the realtime channel.
type realtime struct {
	streams []stream
	base    int // µs, the least interval
	stats   drivers.Stats

	mask    byte // of the record at hand
	open    bool
	command bool // the argument of a sync command comes next
	got     []byte
	need    int
	size    int // bytes of the record at hand
}

// start makes the streams those of chosen, in their order.
func (r *realtime) start(chosen []curve) {
	r.stop()
	r.base = 0
	for _, c := range chosen {
		r.streams = append(r.streams, stream{curve: c, term: waveTerms[c.code], block: max(1, min(blockTime/c.interval, protocol.MaxSamples))})
		if r.base == 0 || c.interval < r.base {
			r.base = c.interval
		}
	}
}

// stop forgets the streams: their configuration is lost.
func (r *realtime) stop() {
	r.abandon()
	r.streams = nil
}

// abandon gives the record at hand up.
func (r *realtime) abandon() {
	if r.open {
		r.stats.Skipped += uint64(r.size)
	}
	r.open, r.command = false, false
}

func (r *realtime) feed(b byte, emit drivers.Emit) {
	switch {
	case len(r.streams) == 0 || b >= 0xE0:
		r.abandon()
		r.stats.Skipped++
	case b >= 0xD0:
		if r.open {
			r.abandon()
			r.sample(0, nil, emit) // its place in time
		}
		r.mask, r.open, r.got, r.size, r.need = b&15, true, r.got[:0], 1, 0
		for i := range maxStreams {
			if r.mask>>i&1 != 0 {
				r.need += 2
			}
		}
		if r.mask>>len(r.streams) != 0 || r.mask == 0 { // no record of ours; after none come commands only
			r.abandon()
		}
	case !r.open:
		r.stats.Skipped++
	case b >= 0xC0:
		r.size++
		if !r.command && len(r.got) > 0 {
			r.abandon()
			return
		}
		r.command = !r.command
	case r.command:
		r.size++
		r.abandon()
	default:
		r.size++
		if r.got = append(r.got, b); len(r.got) == r.need {
			r.open = false
			r.stats.Frames++
			r.sample(r.mask, r.got, emit)
		}
	}
}

// sample appends the values of a record to the blocks. A stream of the base
// interval that is not in it has a gap.
func (r *realtime) sample(mask byte, got []byte, emit drivers.Emit) {
	for i := range r.streams {
		s := &r.streams[i]
		v := protocol.NoSample
		switch {
		case mask>>i&1 != 0:
			v = int32(got[0]&0x3F) | int32(got[1]&0x3F)<<6
			got = got[2:]
		case s.interval > r.base:
			continue
		}
		if s.raw == nil {
			s.raw = make([]int32, 0, s.block)
		}
		if s.raw = append(s.raw, v); len(s.raw) == s.block {
			emit(s.observation())
			s.raw = nil
		}
	}
}

func (s *stream) observation() protocol.Observation {
	unit, _ := protocol.Lookup(s.term.code)
	block := &protocol.Samples{
		RateMilliHz: uint32(1_000_000_000 / s.interval),
		Scale:       short((s.max - s.min) / float64(s.maxBin) * s.term.factor),
		Offset:      short(s.min * s.term.factor),
		Raw:         s.raw,
	}
	return protocol.Observation{Code: s.term.code, Unit: unit.Unit, Kind: protocol.KindSamples, Quality: protocol.QualityGood, Delay: block.Duration(), Samples: block}
}

// short is f to nine places, without the zeros at its end.
func short(f float64) protocol.Decimal {
	d := protocol.DecimalOf(f, 9)
	for d.Exponent < 0 && d.Mantissa%10 == 0 {
		d.Mantissa /= 10
		d.Exponent++
	}
	return d
}
