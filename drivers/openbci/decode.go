package openbci

import (
	"slices"
	"strconv"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	packetLen = 33
	first     = 0xA0
	last      = 0xC0 // upper half
	run       = 5    // packets that follow each other are believed

	rateMilliHz = 250_000
	blockLen    = 64 // samples; a divisor of 256, so that blocks begin at fixed numbers
	period      = 4 * time.Millisecond
)

type decoder struct {
	plan   *plan
	framer framer.Framer
	emit   drivers.Emit

	locked bool
	number byte // of the last packet
	told   bool
	drawn  int
	wave   [channels][blockLen]int32
	off    [channels]bool

	frames uint64
	heard  time.Duration
	step   int
	next   time.Duration
}

func (p *plan) newDecoder() *decoder {
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
		switch n := begins(b); {
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
		if n := begins(rest); n <= 0 {
			return n
		}
		if len(rest) > 1 && rest[1] != b[1]+byte(i) {
			return framer.Skip
		}
	}
	d.locked = true
	d.packet(b[:packetLen])
	return packetLen
}

// begins tells whether a packet stands at the start of b.
func begins(b []byte) int {
	switch {
	case b[0] != first:
		return framer.Skip
	case len(b) < packetLen:
		return framer.More
	case b[packetLen-1]&0xF0 != last:
		return framer.Skip
	}
	return packetLen
}

func (d *decoder) packet(b []byte) {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "OpenBCI Cyton"})
	}
	if d.drawn > 0 && b[1] != d.number+1 {
		d.flush()
	}
	d.number = b[1]
	for i := range channels {
		c := b[2+3*i:]
		v := int32(uint32(c[0])<<24|uint32(c[1])<<16|uint32(c[2])<<8) >> 8
		if v == 1<<23-1 || v <= -(1<<23-1) { // saturated, or the electrode is off
			v = protocol.NoSample
		}
		d.wave[i][d.drawn] = v
	}
	if d.drawn++; b[1]%blockLen == blockLen-1 {
		d.flush()
	}
}

// names are the channels as emitted.
var names = func() (n [channels]string) {
	for i := range n {
		n[i] = strconv.Itoa(i + 1)
	}
	return n
}()

// flush emits the block of each channel.
func (d *decoder) flush() {
	n := d.drawn
	if d.drawn = 0; n == 0 {
		return
	}
	for i, code := range d.plan.codes {
		if code == 0 {
			continue
		}
		raw := d.wave[i][:n]
		off := !slices.ContainsFunc(raw, func(v int32) bool { return v != protocol.NoSample })
		o := protocol.Observation{Channel: names[i], Code: code, Unit: d.plan.units[i], Kind: protocol.KindSamples, Quality: protocol.QualityGood,
			Delay:   time.Duration(n-1) * period,
			Samples: &protocol.Samples{RateMilliHz: rateMilliHz, Scale: d.plan.scale[i], Offset: protocol.Int(0), Raw: slices.Clone(raw)}}
		if off {
			o.Quality = protocol.QualitySensorOff
		}
		if off != d.off[i] {
			d.off[i] = off
			e := &protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: code, Text: "channel saturated or electrode off"}
			if off {
				e.Phase = protocol.PhaseStart
			}
			d.emit(protocol.Observation{Channel: names[i], Code: protocol.EventLeadsOff, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Delay: o.Delay, Event: e})
		}
		d.emit(o)
	}
}

// steps are what is sent to start the board: stop, eight channels, start. It is
// begun two seconds after the port was opened, which may have reset the dongle,
// and again when packets stay away.
var steps = [...]byte{'s', 'c', 'b'}

// Ask implements drivers.Asker.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if d.next == 0 {
		d.next = 2 * time.Second
	}
	if n := d.framer.Stats().Frames; n != d.frames {
		d.frames, d.heard = n, now
	}
	switch {
	case now < d.next:
		return b, d.next - now
	case d.step < len(steps):
		b = append(b, steps[d.step])
		d.step++
		d.next = now + 500*time.Millisecond
		if d.step == len(steps) {
			d.heard, d.next = now, now+time.Second
		}
		return b, d.next - now
	case now-d.heard > 3*time.Second:
		d.step = 0
		return b, 0
	}
	return b, time.Second
}
