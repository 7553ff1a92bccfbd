package bitalino

import (
	"bytes"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// Commands, besides rate and start. Stop is sent only while the board talks.
const (
	cmdStop    = 0x00
	cmdVersion = 0x07
)

const (
	run      = 5 // frames in a row are believed: the check has only four bits
	fullHigh = 1023
)

type decoder struct {
	plan   *plan
	framer framer.Framer
	emit   drivers.Emit

	locked bool
	number byte // of the last frame
	told   bool
	begun  bool
	drawn  int
	came   int // of them; the others were lost
	wave   [maxInputs][]int32
	off    [maxInputs]bool

	versions int // answers to version so far

	answered int
	begin    bool // the start is due
	frames   uint64
	bytes    uint64
	next     time.Duration
}

func (p *plan) newDecoder() *decoder {
	d := &decoder{plan: p}
	d.framer = framer.Framer{Max: run * p.frameSize, Frame: d.frame}
	for i := range p.sensors {
		d.wave[i] = make([]int32, p.rate/4)
	}
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

func (d *decoder) good(f []byte) bool {
	last := len(f) - 1
	var own [8]byte
	copy(own[:], f)
	own[last] &= 0xF0
	return checksum.CRC4BITalino(own[:last+1]) == f[last]&0x0F
}

// frame finds frames, which have no start byte, by their check and number.
func (d *decoder) frame(b []byte) int {
	size := d.plan.frameSize
	if d.locked {
		if len(b) < size {
			return framer.More
		}
		good := d.good(b[:size])
		// Without the next number zeros, whose check is right, would do.
		if good && b[size-1]>>4 == (d.number+1)&15 {
			d.sample(b[:size])
			return size
		}
		d.cut()
		if d.locked = false; !good { // five in a row again
			return framer.BadSum
		}
	}
	if n := d.version(b); n != framer.Skip {
		return n
	}
	for i := range run {
		rest := b[min(i*size, len(b)):]
		if len(rest) < size {
			return framer.More
		}
		if !d.good(rest[:size]) || rest[size-1]>>4 != (b[size-1]>>4+byte(i))&15 {
			return framer.Skip
		}
	}
	d.locked = true
	d.sample(b[:size])
	return size
}

var name = []byte("BITalino")

// version reads the beginning of the answer to the question for it.
func (d *decoder) version(b []byte) int {
	n := min(len(b), len(name))
	if !bytes.Equal(b[:n], name[:n]) {
		return framer.Skip
	}
	if n < len(name) {
		return framer.More
	}
	d.versions++
	d.identify()
	return n
}

func (d *decoder) identify() {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "PLUX BITalino"})
	}
}

// sample takes a frame: sheet, section "Frame". The places of frames that were
// lost stay empty, so that none of the others moves; up to 15 can be told.
func (d *decoder) sample(f []byte) {
	d.identify()
	seq := f[len(f)-1] >> 4
	if !d.begun {
		d.begun = true
		d.drawn = int(seq) % len(d.wave[0])
		for i := range d.plan.sensors {
			fill(d.wave[i][:d.drawn])
		}
	} else {
		for lost := (seq - d.number - 1) & 15; lost > 0; lost-- {
			d.put(nil)
		}
	}
	d.number = seq
	d.put(f)
}

func fill(s []int32) {
	for i := range s {
		s[i] = protocol.NoSample
	}
}

// put takes one sample of each input; nil is a lost one.
func (d *decoder) put(f []byte) {
	for i := range d.plan.sensors {
		v := protocol.NoSample
		if f != nil {
			v = value(f, i)
		}
		if v == 0 || v == fullHigh { // the end of the range: saturated or nothing plugged in
			v = protocol.NoSample
		}
		d.wave[i][d.drawn] = v
	}
	if f != nil {
		d.came++
	}
	if d.drawn++; d.drawn == len(d.wave[0]) {
		d.flush()
	}
}

// value is the value of the input with index i.
func value(f []byte, i int) int32 {
	at := func(k int) int32 { return int32(f[len(f)-k]) }
	switch i {
	case 0:
		return at(2)&0x0F<<6 | at(3)>>2
	case 1:
		return at(3)&0x03<<8 | at(4)
	case 2:
		return at(5)<<2 | at(6)>>6
	}
	return at(6)&0x3F<<4 | at(7)>>4
}

// cut emits what has come before a break of unknown length, so that it keeps
// its time; its places in the block stay empty.
func (d *decoder) cut() {
	n := d.drawn
	d.flush()
	for i := range d.plan.sensors {
		fill(d.wave[i][:n])
	}
	d.drawn = n
}

// flush emits a quarter of a second of each input.
func (d *decoder) flush() {
	n, came := d.drawn, d.came
	d.drawn, d.came = 0, 0
	if came == 0 {
		return
	}
	for i, s := range d.plan.sensors {
		raw := d.wave[i][:n]
		o := protocol.Observation{Channel: d.plan.names[i], Code: s.code, Unit: s.unit, Kind: protocol.KindSamples, Quality: protocol.QualityGood,
			Delay:   time.Duration(n-1) * time.Second / time.Duration(d.plan.rate),
			Samples: &protocol.Samples{RateMilliHz: uint32(d.plan.rate) * 1000, Scale: s.scale, Offset: s.offset, Raw: slices.Clone(raw)}}
		off := !slices.ContainsFunc(raw, func(v int32) bool { return v != protocol.NoSample })
		if off {
			o.Quality = protocol.QualitySensorOff
		}
		if off != d.off[i] {
			d.off[i] = off
			e := &protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: s.code, Text: "input saturated or nothing plugged in"}
			if off {
				e.Phase = protocol.PhaseStart
			}
			d.emit(protocol.Observation{Channel: d.plan.names[i], Code: protocol.EventSensorOff, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Delay: o.Delay, Event: e})
		}
		d.emit(o)
	}
}

// Ask implements drivers.Asker: ask a silent board for its version, set the
// rate and start it once it has answered; stop one that sends other frames.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	st := d.framer.Stats()
	if d.locked && st.Frames != d.frames {
		d.frames, d.bytes, d.next = st.Frames, st.Bytes, now+2*time.Second
	}
	if d.next == 0 {
		d.next = time.Second // listen first
	}
	if d.versions > d.answered { // commands want 100 ms between them
		d.answered, d.begin = d.versions, true
		d.next = now + 200*time.Millisecond
		return append(b, d.plan.setRate), 200 * time.Millisecond
	}
	if now < d.next {
		return b, d.next - now
	}
	d.next = now + time.Second
	if d.begin {
		d.begin, d.bytes, d.next = false, st.Bytes, now+2*time.Second
		return append(b, d.plan.start), 2 * time.Second
	}
	if st.Bytes != d.bytes {
		d.bytes = st.Bytes
		return append(b, cmdStop), time.Second
	}
	return append(b, cmdVersion), time.Second
}
