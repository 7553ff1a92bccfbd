package servoi

import (
	"bytes"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// Bytes of the protocol: docs/devices/maquet-servo-i.md.
const (
	eot       = 0x04
	escape    = 0x1B
	blockEnd  = 0x7F
	absolute  = 0x80
	phase     = 0x81
	refusal   = 0xE0
	missing   = 0x7EFF
	maxFrame  = 8 << 10 // a curve block of more than half a minute
	standby   = 0x11
	blockTime = 1000 // ms of samples in a block
)

// What the ventilator has said, for the run loop.
type event uint8

const (
	answered event = iota // a text that is no error
	failed                // an error, in text or binary
	inStandby
	streaming // a block of the stream
)

type decoder struct {
	framer  framer.Framer
	emit    drivers.Emit
	heard   func(event, []byte)
	config  config
	pending string    // the command that Run has asked, "" if none
	told    [2]string // model and serial number
	raw     [4][]int32
	at      cursor
	spoilt  bool // the byte before was of a text that was none of ours
}

// A cursor is how far an unfinished frame has been looked at: after More the
// same frame comes again with more bytes.
type cursor struct {
	noText, badText bool // it is no text, or one with a wrong check
	next            int
	turn            int // samples so far
	last            [4]int32
}

func newDecoder() drivers.Decoder { return makeDecoder() }

func makeDecoder() *decoder {
	d := &decoder{heard: func(event, []byte) {}}
	d.framer = framer.Framer{Max: maxFrame, Frame: d.frame}
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

// frame handles what stands at the start of b: an answer in text, or a block.
// Their first bytes do not tell them apart, but a block has bytes that no text
// has. A text begins where none was before: its check is too weak to look for
// one in the middle of another.
func (d *decoder) frame(b []byte) int {
	n := framer.Skip
	printable := b[0] >= ' ' && b[0] <= '~'
	if d.spoilt = d.spoilt && printable; d.spoilt {
		d.at.noText = true
	}
	if !d.at.noText {
		n = d.text(b)
		d.at = cursor{noText: n == framer.Skip || n == framer.BadSum, badText: n == framer.BadSum, next: d.at.next}
		if d.at.noText {
			d.at.next = 0
		}
	}
	if d.at.noText {
		if n = d.block(b); n == framer.Skip && d.at.badText {
			n = framer.BadSum
		}
	}
	if n == framer.More && len(b) == maxFrame {
		n = framer.Skip
	}
	if n != framer.More {
		d.at = cursor{}
		d.spoilt = n < 0 && printable
	}
	return n
}

func (d *decoder) text(b []byte) int {
	for i := d.at.next; i < len(b); i++ {
		switch c := b[i]; {
		case c == eot && i >= 3:
			if hexPair(b[i-2:]) != int(checksum.Xor8(b[:i-2])) {
				return framer.BadSum
			}
			d.answer(b[:i-2])
			return i + 1
		case c < ' ' || c > '~':
			return framer.Skip
		}
	}
	d.at.next = len(b)
	return framer.More
}

const digits = "0123456789ABCDEF"

// hexPair reads two hexadecimal digits in capitals; -1 if they are none.
func hexPair(b []byte) int {
	v := 0
	for _, c := range b[:2] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | int(c-'0')
		case c >= 'A' && c <= 'F':
			v = v<<4 | int(c-'A'+10)
		default:
			return -1
		}
	}
	return v
}

// answer handles an answer in text. What it answers only its form tells, or
// the run loop.
func (d *decoder) answer(t []byte) {
	switch {
	case len(t) == 4 && t[0] == 'E' && t[1] == 'R':
		d.heard(failed, t)
		return
	case len(t) == 8 && string(t[:6]) == "Servo-":
		d.config = config{} // all tables are cleared
		d.identify(0, protocol.IdentityModel, "Maquet SERVO-"+string(t[6:7]))
	case d.pending == askSerial && isName(t):
		d.identify(1, protocol.IdentitySerial, string(t))
	case d.pending == askSoftware && isName(t) && d.told[1] != "":
		d.emit(protocol.Observation{Code: protocol.IdentityFirmware, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: string(t)})
	default:
		if c, ok := parseConfig(t); ok {
			d.config = c
		}
	}
	d.heard(answered, t)
}

// isName tells whether t can be a serial number or a version: an answer that
// comes late answers another question.
func isName(t []byte) bool {
	return len(t) > 0 && len(t) <= 32 && !bytes.ContainsAny(t, ",;")
}

func (d *decoder) identify(n int, code protocol.Code, text string) {
	if text = strings.TrimSpace(text); text != "" && d.told[n] != text {
		d.told[n] = text
		d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
	}
}

// block handles a binary block.
func (d *decoder) block(b []byte) int {
	switch b[0] {
	case 'B':
		return d.words(b, d.config.breath, 2)
	case 'S':
		return d.words(b, d.config.settings, 2)
	case 'E':
		return d.words(b, d.config.alarm, 1)
	case phase, absolute:
		return d.curveBlock(b)
	case refusal:
		switch {
		case len(b) >= 2 && (b[1] < 0x0B || b[1] > 0x13) || len(b) >= 3 && b[2] != blockEnd:
			return framer.Skip
		case len(b) < 4:
			return framer.More
		case checksum.Xor8(b[:3]) != b[3]:
			return framer.BadSum
		case b[1] == standby:
			d.heard(inStandby, nil)
		default:
			d.heard(failed, nil)
		}
		return 4
	}
	return framer.Skip
}

// words handles a block of values of a table: each two bytes, or one of an
// alarm.
func (d *decoder) words(b []byte, table []channel, width int) int {
	end := 1 + width*len(table)
	if len(table) == 0 {
		return framer.Skip
	}
	for i := 1; i < min(end, len(b)); i += width {
		if width == 2 && b[i] > missing>>8 || width == 1 && b[i] > 2 {
			return framer.Skip
		}
	}
	switch {
	case len(b) > end && b[end] != blockEnd:
		return framer.Skip
	case len(b) < end+2:
		return framer.More
	case checksum.Xor8(b[:end+1]) != b[end+1]:
		return framer.BadSum
	}
	for i := range table {
		if c := &table[i]; width == 1 {
			d.alarm(c, b[1+i] != 0)
		} else {
			d.number(c, uint16(b[1+2*i])<<8|uint16(b[2+2*i]))
		}
	}
	d.heard(streaming, nil)
	return end + 2
}

func (d *decoder) number(c *channel, raw uint16) {
	o := protocol.Observation{Code: c.code, Kind: protocol.KindNumeric, Unit: unitOf[c.code], Quality: protocol.QualityMissing}
	if c.code == mode {
		o.Kind = protocol.KindEnumeration
	}
	switch {
	case raw == missing && !c.known:
		return
	case raw == missing:
	case c.code == mode:
		o.Quality, o.Text = protocol.QualityGood, modes[raw]
		if o.Text == "" {
			o.Text = "unknown mode"
		}
	default:
		if v, ok := protocol.Convert(c.value(int64(raw)), c.unit, o.Unit); ok {
			o.Quality, o.Value = protocol.QualityGood, v
		}
	}
	c.known = true
	d.emit(o)
}

func (d *decoder) alarm(c *channel, now bool) {
	if c.active == now {
		return
	}
	c.active = now
	e := protocol.Event{Phase: protocol.PhaseEnd, Priority: c.alarm.prio, Type: c.alarm.kind, Source: c.alarm.from, Text: c.alarm.text}
	if now {
		e.Phase = protocol.PhaseStart
	}
	d.emit(protocol.Observation{Code: c.code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}

// curveBlock handles a block of samples: absolute values of all curves, then
// differences or absolute values, the curves in turn. A block is believed only
// when its end has come and its check is right.
func (d *decoder) curveBlock(b []byte) int {
	n := len(d.config.curves)
	if n == 0 {
		return framer.Skip
	}
	at := &d.at
	if at.next == 0 {
		for k := range n {
			d.raw[k] = d.raw[k][:0]
		}
	}
	for at.next < len(b) {
		i := at.next
		switch c := b[i]; {
		case c == phase:
			if len(b) < i+2 {
				return framer.More
			}
			if b[i+1] != 0x10 && b[i+1] != 0x20 && b[i+1] != 0x30 {
				return framer.Skip
			}
			at.next += 2
			continue
		case c == blockEnd:
			if at.turn < n {
				return framer.Skip
			}
			if len(b) < i+2 {
				return framer.More
			}
			if checksum.Xor8(b[:i+1]) != b[i+1] {
				return framer.BadSum
			}
			d.samples()
			d.heard(streaming, nil)
			return i + 2
		case c == absolute:
			if len(b) < i+3 {
				return framer.More
			}
			v := int32(b[i+1])<<8 | int32(b[i+2])
			if v == missing {
				v = protocol.NoSample
			}
			at.last[at.turn%n] = v
			at.next += 3
		case at.turn < n:
			return framer.Skip
		default:
			if v := &at.last[at.turn%n]; *v != protocol.NoSample {
				*v += int32(int8(c))
			}
			at.next++
		}
		k := at.turn % n
		d.raw[k] = append(d.raw[k], at.last[k])
		at.turn++
	}
	return framer.More
}

// samples emits the samples of a curve block, a second at a time.
func (d *decoder) samples() {
	step := max(1, blockTime/d.config.sampling)
	period := time.Duration(d.config.sampling) * time.Millisecond
	for k := range d.config.curves {
		c := &d.config.curves[k]
		// value = raw*gain - offset, so at raw 0 it is -offset, and the scale
		// is that of two units of the same kind.
		scale, offset, ok := c.linear()
		if !ok {
			continue
		}
		for all := d.raw[k]; len(all) > 0; all = all[min(step, len(all)):] {
			raw := append([]int32(nil), all[:min(step, len(all))]...)
			d.emit(protocol.Observation{Code: c.code, Kind: protocol.KindSamples, Unit: unitOf[c.code], Quality: protocol.QualityGood, Delay: time.Duration(len(all)) * period,
				Samples: &protocol.Samples{RateMilliHz: uint32(1_000_000 / d.config.sampling), Scale: scale, Offset: offset, Raw: raw}})
		}
	}
}

// linear gives scale and offset of samples in the unit kept.
func (c *channel) linear() (scale, offset protocol.Decimal, ok bool) {
	scale, offset = c.gain, protocol.Dec(-c.offset.Mantissa, c.offset.Exponent)
	switch {
	case c.unit == "mL/s" && unitOf[c.code] == "L/min":
		scale = protocol.Dec(scale.Mantissa*6, scale.Exponent-2)
		offset = protocol.Dec(offset.Mantissa*6, offset.Exponent-2)
	case c.unit == "L/s" && unitOf[c.code] == "L/min":
		scale.Mantissa, offset.Mantissa = scale.Mantissa*60, offset.Mantissa*60
	case c.unit != unitOf[c.code]:
		return scale, offset, false
	}
	return scale, offset, true
}
