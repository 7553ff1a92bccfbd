package contec

import (
	"bytes"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	typeRealTime   = 0x01
	typeIdentifier = 0x04
	typeLeaving    = 0x0D
	longest        = 9
)

// sizes are the lengths of packets, by type.
var sizes = [0x16]int{0x01: 9, 0x04: 9, 0x05: 9, 0x07: 8, 0x08: 8, 0x09: 6, 0x0A: 4, 0x0B: 4, 0x0C: 2, 0x0D: 3, 0x0E: 3, 0x0F: 8,
	0x10: 3, 0x11: 9, 0x12: 8, 0x15: 9}

// A decoder is of the second generation.
type decoder struct {
	framer framer.Framer
	stream
	dialogue
	model string
}

func newDecoder() drivers.Decoder { return makeDecoder() }

func makeDecoder() *decoder {
	d := &decoder{stream: stream{perSecond: 60}}
	d.framer = framer.Framer{Max: longest, Frame: d.frame}
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
	n := 0
	if int(b[0]) < len(sizes) {
		n = sizes[b[0]]
	}
	if n == 0 {
		return d.broken()
	}
	for _, c := range b[1:min(n, len(b))] {
		if c&0x80 == 0 {
			return d.broken()
		}
	}
	if len(b) < n {
		return framer.More
	}
	var data [longest - 2]byte
	for i := range n - 2 {
		data[i] = b[2+i]&0x7F | b[1]>>i<<7
	}
	switch b[0] {
	case typeRealTime:
		d.streamed = true
		d.add(realTime(data))
	case typeIdentifier:
		name, _, _ := bytes.Cut(data[:], []byte{0})
		d.identify(bytes.TrimSpace(name))
	case typeLeaving:
		d.event(protocol.EventAlarm, protocol.Event{Phase: protocol.PhaseOnce, Type: protocol.AlarmTechnical, Priority: protocol.PriorityLow, Text: "the oximeter ends the connection"})
	}
	return n
}

// realTime reads the seven data bytes of one packet.
func realTime(b [7]byte) moment {
	index := int64(b[5]) | int64(b[6])<<8
	return moment{
		off:   b[0]&0x80 != 0,
		low:   b[0]&0x20 != 0,
		doubt: b[0]&0x10 != 0 || b[1]&0x80 != 0, // searching
		pleth: b[1] & 0x7F, rate: b[3], spo2: b[4] & 0x7F,
		index: index, hasIndex: index != 0xFFFF && b[2]&0x10 == 0,
	}
}

// identify emits the model when it is new.
func (d *decoder) identify(name []byte) {
	for _, c := range name {
		if c < ' ' || c > '~' {
			return
		}
	}
	if len(name) == 0 || d.model == string(name) {
		return
	}
	d.model = string(name)
	d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "Contec " + d.model})
}
