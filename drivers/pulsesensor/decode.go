package pulsesensor

import (
	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	maxEnds  = 2
	maxLine  = 1 + 5 // a letter and up to five digits
	lockRun  = 5     // lines in a row are believed
	leastBPM = 30
	mostBPM  = 240
	leastIBI = 200 // ms
	mostIBI  = 2500
)

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	locked bool
	told   bool
	rate   int  // of a B just before; 0 is none
	beat   bool // a Q came just before
	beats  int  // pairs so far
}

func makeDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: lockRun * (maxEnds + maxLine + 1), Frame: d.frame}
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

// frame takes a line. There is no check: the first is believed if four more
// follow it.
func (d *decoder) frame(b []byte) int {
	letter, v, n := line(b)
	if n == framer.More {
		return n
	}
	if n < 0 {
		d.locked, d.rate, d.beat = false, 0, false
		return n
	}
	for i, at := 1, n; i < lockRun && !d.locked; i++ {
		_, _, more := line(b[at:])
		if more <= 0 {
			return more
		}
		at += more
	}
	d.locked = true
	d.take(letter, v)
	return n
}

// line reads the line at the start of b, and says how many bytes it takes, or
// framer.More or framer.Skip.
func line(b []byte) (letter byte, v, n int) {
	from := 0
	for from < len(b) && from < maxEnds && (b[from] == '\r' || b[from] == '\n') {
		from++
	}
	for i, c := range b[from:] {
		switch {
		case i == 0 && (c == 'S' || c == 'B' || c == 'Q'), i > 0 && i < maxLine && c >= '0' && c <= '9':
			continue
		case i < 2 || c != '\r' && c != '\n':
			return 0, 0, framer.Skip
		}
		v, _ := framer.Digits(b[from+1 : from+i])
		return b[from], v, from + i + 1
	}
	return 0, 0, framer.More
}

// take takes a line. A rate counts only together with the beat that it was
// computed at: B and Q come one behind the other, in either order. A B of its
// own may be the last one, repeated.
func (d *decoder) take(letter byte, v int) {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "Pulse Sensor"})
	}
	switch letter {
	case 'S':
		d.rate, d.beat = 0, false
	case 'B':
		d.rate = v
	case 'Q':
		d.beat = v >= leastIBI && v <= mostIBI
	}
	if d.rate > 0 && d.beat {
		d.say(d.rate)
		d.rate, d.beat = 0, false
		d.beats++
	}
}

func (d *decoder) say(rate int) {
	o := protocol.Observation{Code: protocol.PulseRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(rate))}
	if rate < leastBPM || rate > mostBPM {
		o.Quality = protocol.QualityInvalid
	}
	d.emit(o)
}

// noBeat is what there is to say when the sensor has found no beat for long.
func noBeat() protocol.Observation {
	return protocol.Observation{Code: protocol.PulseRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityMissing}
}
