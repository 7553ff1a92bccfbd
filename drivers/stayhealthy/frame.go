package stayhealthy

import (
	"encoding/binary"

	"monitorme/drivers/checksum"
	"monitorme/protocol"
)

// The layout of frames: docs/devices/stayhealthy.md, section "Frame".
const (
	start0, start1 = 0xA5, 0x5A
	version        = 1
	headerLen      = 9
	sumLen         = 2
	maxPayload     = 2048
	maxFrame       = headerLen + maxPayload + sumLen
)

// Frame types.
const (
	typeIdentity byte = 1 + iota
	typeNumeric
	typeSamples
	typeWord
	typeEvent
	typeStatus
)

// noValue is the mantissa of a number that is not there.
const noValue int32 = -1 << 31

// noSample is the int16 of a sample that is not there.
const noSample int16 = -1 << 15

// Encodings of samples.
const (
	plain byte = iota // int16 each
	delta             // int16, then int8 differences; escape and int16 where one does not fit
)

const escape = 0x80

// unitNamed says that the unit stands in the channel table.
const unitNamed = 255

// units are the numbers of units on the wire.
var units = [...]protocol.Unit{"", "1", "%", "/min", "mm[Hg]", "Cel", "mg/dL", "mV", "Ohm", "kPa", "mmol/L", "s", "ms", "L/min", "mL", "cm[H2O]", "uV"}

func unitNumber(u protocol.Unit) byte {
	for i, v := range units {
		if v == u {
			return byte(i)
		}
	}
	return unitNamed
}

// An encoder writes frames and numbers them.
type encoder struct{ counter uint16 }

// frame appends a frame around what payload appends.
func (e *encoder) frame(b []byte, typ byte, payload func([]byte) []byte) []byte {
	at := len(b)
	b = append(b, start0, start1, version, typ, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, e.counter)
	e.counter++
	b = payload(append(b, 0))
	h := b[at:]
	binary.LittleEndian.PutUint16(h[4:], uint16(len(h)-headerLen))
	h[8] = checksum.CRC8Maxim(h[:8])
	return binary.LittleEndian.AppendUint16(b, checksum.CRC16CCITTFalse(h))
}

// number is one entry of a numeric frame.
type number struct {
	code     protocol.Code
	mantissa int32
	exponent int8
	age      uint32 // ms
	site     byte
	unit     byte
	quality  protocol.Quality
}

const numberLen = 16

func (e *encoder) numbers(b []byte, uptime uint32, all ...number) []byte {
	return e.frame(b, typeNumeric, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, uptime)
		b = append(b, byte(len(all)), numberLen)
		for _, n := range all {
			b = binary.LittleEndian.AppendUint32(b, uint32(n.code))
			b = binary.LittleEndian.AppendUint32(b, uint32(n.mantissa))
			b = binary.LittleEndian.AppendUint32(b, n.age)
			b = append(b, n.site, n.unit, byte(n.exponent), byte(n.quality))
		}
		return b
	})
}

// scale is mantissa*10^exponent.
type scale struct {
	mantissa int32
	exponent int8
}

// block is a samples frame.
type block struct {
	code          protocol.Code
	rateMilliHz   uint32
	first         uint32 // number of the first sample since the device started
	delay         uint32 // us from the first sample to the sending
	scale, offset scale
	unit, site    byte
	quality       protocol.Quality
	samples       []int16
}

const blockLen = 38 // before the samples

func (e *encoder) samples(b []byte, uptime uint32, k block) []byte {
	return e.frame(b, typeSamples, func(b []byte) []byte {
		le := binary.LittleEndian
		for _, v := range []uint32{uptime, uint32(k.code), k.rateMilliHz, k.first, k.delay, uint32(k.scale.mantissa), uint32(k.offset.mantissa)} {
			b = le.AppendUint32(b, v)
		}
		b = append(b, byte(k.scale.exponent), byte(k.offset.exponent), k.unit, k.site, byte(k.quality), plain)
		b = le.AppendUint16(b, uint16(len(k.samples)))
		b = append(b, 0, 0)
		at := len(b)
		if b = appendDeltas(b, k.samples); len(b)-at < 2*len(k.samples) {
			b[at-5] = delta
			return b
		}
		b = b[:at]
		for _, v := range k.samples {
			b = le.AppendUint16(b, uint16(v))
		}
		return b
	})
}

func appendDeltas(b []byte, samples []int16) []byte {
	for i, v := range samples {
		if i > 0 {
			if d := int(v) - int(samples[i-1]); d >= -127 && d <= 127 {
				b = append(b, byte(int8(d)))
				continue
			}
			b = append(b, escape)
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

func (e *encoder) word(b []byte, uptime uint32, code protocol.Code, age uint32, site byte, q protocol.Quality, word string) []byte {
	return e.frame(b, typeWord, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, uptime)
		b = binary.LittleEndian.AppendUint32(b, uint32(code))
		b = binary.LittleEndian.AppendUint32(b, age)
		return appendText(append(b, site, byte(q)), word)
	})
}

// event is an event frame.
type event struct {
	code, source protocol.Code
	age          uint32 // ms
	phase        protocol.Phase
	priority     protocol.Priority
	kind         protocol.AlarmType
	site         byte
	text         string
}

func (e *encoder) event(b []byte, uptime uint32, v event) []byte {
	return e.frame(b, typeEvent, func(b []byte) []byte {
		for _, u := range []uint32{uptime, uint32(v.code), uint32(v.source), v.age} {
			b = binary.LittleEndian.AppendUint32(b, u)
		}
		return appendText(append(b, byte(v.phase), byte(v.priority), byte(v.kind), v.site), v.text)
	})
}

// status appends a status frame; unixMS 0 is a clock that is not set, battery
// 255 a charge that is not known.
func (e *encoder) status(b []byte, uptime uint32, unixMS uint64, synced bool, battery byte) []byte {
	return e.frame(b, typeStatus, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, uptime)
		b = binary.LittleEndian.AppendUint64(b, unixMS)
		var flags byte
		if synced {
			flags = 1
		}
		return append(b, flags, battery)
	})
}

// channel is a row of the channel table.
type channel struct {
	code          protocol.Code
	kind          protocol.Kind
	site, unit    byte
	exponent      int8
	period        uint32 // ms
	rateMilliHz   uint32
	scale, offset scale
	unitName      string // where unit is unitNamed
}

const channelLen = 26

// identity is an identity frame.
type identity struct {
	manufacturer, model, serial, firmware string
	channels                              []channel
}

func (e *encoder) identity(b []byte, uptime uint32, id identity) []byte {
	return e.frame(b, typeIdentity, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, uptime)
		for _, s := range []string{id.manufacturer, id.model, id.serial, id.firmware} {
			b = appendText(b, s)
		}
		b = append(b, byte(len(id.channels)))
		for _, c := range id.channels {
			b = append(b, byte(channelLen+len(c.unitName)))
			b = binary.LittleEndian.AppendUint32(b, uint32(c.code))
			b = append(b, byte(c.kind), c.site, c.unit, byte(c.exponent))
			b = binary.LittleEndian.AppendUint32(b, c.period)
			b = binary.LittleEndian.AppendUint32(b, c.rateMilliHz)
			b = binary.LittleEndian.AppendUint32(b, uint32(c.scale.mantissa))
			b = binary.LittleEndian.AppendUint32(b, uint32(c.offset.mantissa))
			b = append(b, byte(c.scale.exponent), byte(c.offset.exponent))
			b = append(b, c.unitName...)
		}
		return b
	})
}

func appendText(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }
