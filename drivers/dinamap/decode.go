package dinamap

import (
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	size      = 18
	cycle     = 200 // sequence numbers
	perSecond = 50  // blocks
	samples   = 4   // of each channel in a block
	emitEvery = 25  // blocks of the wave
)

// Bits of the status byte.
const (
	beatBits   = 0x06
	breathBits = 0x18
	warning    = 0x20
	crisis     = 0x40
)

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	running bool // the block before is known
	number  byte // of the block before
	status  byte // of the block before
	blocks  int  // in an unbroken run

	beats, breaths rhythm
	wave           [emitEvery * samples]int32
	drawn          int
	alarms         byte
}

func newDecoder() drivers.Decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: size, Frame: d.frame}
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

func (d *decoder) frame(b []byte) int {
	switch {
	case b[0] >= cycle:
		return framer.Skip
	case len(b) < size:
		return framer.More
	case b[17] != ^b[0] || b[16] != ^b[15]:
		return framer.Skip
	case checksum.CRC8A1(b[1:15]) != b[15]:
		return framer.BadSum
	}
	d.block(b[0], b[1], b[7:12])
	return size
}

// block handles a good block: its number, its status and the ECG.
func (d *decoder) block(number, status byte, ecg []byte) {
	if d.running && number != (d.number+1)%cycle {
		d.restart()
	}
	for i := range samples {
		bit := 10 * i
		v := int32(ecg[bit/8])<<8 | int32(ecg[bit/8+1])
		d.wave[d.drawn+i] = v >> (6 - bit%8) & 0x3FF
	}
	if d.drawn += samples; (number+1)%emitEvery == 0 { // the same blocks, whichever was the first
		d.flush()
	}
	if d.running {
		d.beats.turn(d.blocks, (status^d.status)&beatBits != 0)
		d.breaths.turn(d.blocks, (status^d.status)&breathBits != 0)
	}
	d.ring(status & (warning | crisis))
	d.running, d.number, d.status = true, number, status
	if d.blocks++; d.blocks%perSecond == 0 {
		d.rate(protocol.HeartRate, d.beats.rate(d.blocks, 10*perSecond, 4*perSecond))
		d.rate(protocol.RespirationRate, d.breaths.rate(d.blocks, 60*perSecond, 15*perSecond))
	}
}

// restart begins a run of blocks anew: one was lost, and beats may have been
// lost with it.
func (d *decoder) restart() {
	d.flush()
	d.running, d.blocks = false, 0
	d.beats, d.breaths = rhythm{}, rhythm{}
}

// rate emits a rate: counted by us and not said by the monitor, so it is
// questionable.
func (d *decoder) rate(code protocol.Code, v protocol.Decimal) {
	q := protocol.QualityQuestionable
	if !v.Valid {
		q = protocol.QualityMissing
	}
	d.emit(protocol.Observation{Code: code, Unit: "/min", Kind: protocol.KindNumeric, Quality: q, Value: v})
}

// flush emits the samples collected so far. A wave that does not move at all
// is no signal.
func (d *decoder) flush() {
	if d.drawn == 0 {
		return
	}
	raw := append([]int32(nil), d.wave[:d.drawn]...)
	q := protocol.QualitySensorOff
	for _, v := range raw {
		if v != raw[0] {
			q = protocol.QualityGood
		}
	}
	if q == protocol.QualitySensorOff {
		for i := range raw {
			raw[i] = protocol.NoSample
		}
	}
	d.emit(protocol.Observation{Code: wave, Unit: "1", Kind: protocol.KindSamples, Quality: q, Delay: time.Duration(d.drawn-1) * time.Second / (perSecond * samples),
		Samples: &protocol.Samples{RateMilliHz: perSecond * samples * 1000, Scale: protocol.Int(1), Offset: protocol.Int(-508), Raw: raw}})
	d.drawn = 0
}

// ring reports the alarms that begin and end.
func (d *decoder) ring(now byte) {
	for _, a := range [...]struct {
		bit      byte
		priority protocol.Priority
		text     string
	}{{warning, protocol.PriorityMedium, "warning alarm of the monitor"}, {crisis, protocol.PriorityHigh, "crisis alarm of the monitor"}} {
		if (now^d.alarms)&a.bit == 0 {
			continue
		}
		phase := protocol.PhaseEnd
		if now&a.bit != 0 {
			phase = protocol.PhaseStart
		}
		d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
			Event: &protocol.Event{Phase: phase, Priority: a.priority, Text: a.text}})
	}
	d.alarms = now
}

// A rhythm remembers when the last beats or breaths were, in blocks.
type rhythm struct {
	at [64]int
	n  int
}

func (r *rhythm) turn(block int, beat bool) {
	if !beat {
		return
	}
	if r.n == len(r.at) {
		r.n = copy(r.at[:], r.at[1:])
	}
	r.at[r.n] = block
	r.n++
}

// rate is how many there are in a minute, by those of the last window; none
// if the last one was longer ago than silence.
func (r *rhythm) rate(now, window, silence int) protocol.Decimal {
	first := 0
	for first < r.n && r.at[first] < now-window {
		first++
	}
	if r.n-first < 2 || r.at[r.n-1] < now-silence {
		return protocol.Decimal{}
	}
	return protocol.DecimalOf(float64((r.n-first-1)*60*perSecond)/float64(r.at[r.n-1]-r.at[first]), 0)
}
