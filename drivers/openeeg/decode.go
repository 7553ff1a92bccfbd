package openeeg

import (
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// A packet: docs/devices/openeeg.md.
const (
	packetLen = 17
	run       = 5 // packets that follow each other are believed
	fullHigh  = 1023

	rateHz   = 256
	blockLen = 64 // samples; a divisor of 256, so that blocks begin at fixed numbers
)

var start = [...]byte{0xA5, 0x5A, 0x02}

type decoder struct {
	plan   *plan
	framer framer.Framer
	emit   drivers.Emit

	locked bool
	number byte // of the last packet
	told   bool
	drawn  int
	wave   [inputs][blockLen]int32
	off    [inputs]bool
}

func (p *plan) newDecoder() drivers.Decoder {
	d := &decoder{plan: p}
	d.framer = framer.Framer{Max: run * packetLen, Frame: d.frame}
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

// frame reads a packet. There is no checksum: the first of them is believed
// once four more follow whose numbers go up by one.
func (d *decoder) frame(b []byte) int {
	if d.locked {
		switch n := begins(b, d.number+1); {
		case n == framer.More:
			return framer.More
		case n > 0:
			d.packet(b[:packetLen])
			return packetLen
		}
		d.flush()
		d.locked = false
	}
	for i := range run {
		rest := b[min(i*packetLen, len(b)):]
		if len(rest) == 0 {
			return framer.More
		}
		number := rest[0] // any, of the first
		if len(b) > 3 {
			number = b[3] + byte(i)
		}
		if n := begins(rest, number); n <= 0 {
			return n
		}
	}
	d.locked = true
	d.packet(b[:packetLen])
	return packetLen
}

// begins tells whether a packet of that number stands at the start of b.
func begins(b []byte, number byte) int {
	if len(b) >= packetLen {
		// One that ends with the first byte of a packet has lost its last.
		if b[0] == start[0] && b[1] == start[1] && b[2] == start[2] && b[3] == number &&
			(b[4]|b[6]|b[8]|b[10]|b[12]|b[14])&^(fullHigh>>8) == 0 && b[packetLen-1] != start[0] {
			return packetLen
		}
		return framer.Skip
	}
	for i, c := range b {
		if i < len(start) && c != start[i] || i == 3 && c != number || i > 3 && i%2 == 0 && i < packetLen-1 && c > fullHigh>>8 {
			return framer.Skip
		}
	}
	return framer.More
}

func (d *decoder) packet(b []byte) {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "OpenEEG board"})
	}
	d.number = b[3]
	for i := range d.plan.waves {
		at := 4 + 2*d.plan.waves[i].input
		v := int32(b[at])<<8 | int32(b[at+1])
		if v == 0 || v == fullHigh { // the end of the range: saturated or nothing plugged in
			v = protocol.NoSample
		}
		d.wave[i][d.drawn] = v
	}
	if d.drawn++; d.number%blockLen == blockLen-1 {
		d.flush()
	}
}

// flush emits the block of each wave.
func (d *decoder) flush() {
	n := d.drawn
	if d.drawn = 0; n == 0 {
		return
	}
	delay := time.Duration(n-1) * time.Second / rateHz
	for i, w := range d.plan.waves {
		raw := d.wave[i][:n]
		off := !slices.ContainsFunc(raw, func(v int32) bool { return v != protocol.NoSample })
		o := protocol.Observation{Channel: w.channel, Code: w.code, Unit: w.unit, Kind: protocol.KindSamples, Quality: protocol.QualityGood, Delay: delay,
			Samples: &protocol.Samples{RateMilliHz: rateHz * 1000, Scale: w.scale, Offset: w.offset, Raw: slices.Clone(raw)}}
		if off {
			o.Quality = protocol.QualitySensorOff
		}
		if off != d.off[i] {
			d.off[i] = off
			e := &protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: w.code, Text: "channel saturated or electrode off"}
			if off {
				e.Phase = protocol.PhaseStart
			}
			d.emit(protocol.Observation{Channel: w.channel, Code: protocol.EventLeadsOff, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Delay: delay, Event: e})
		}
		d.emit(o)
	}
}
