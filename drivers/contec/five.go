package contec

import (
	"monitorme/drivers"
	"monitorme/drivers/framer"
)

// five decodes the packets of five bytes: docs/devices/berry.md. The first
// byte alone has bit 7.
type five struct {
	framer framer.Framer
	stream
	read func(b []byte) moment
}

func newFive(perSecond int, read func(b []byte) moment) *five {
	d := &five{stream: stream{perSecond: perSecond}, read: read}
	d.framer = framer.Framer{Max: 5, Frame: d.frame}
	return d
}

func newBerry() drivers.Decoder { return newFive(100, readBerry) }
func newFirst() drivers.Decoder { return newFive(60, readFirst) }

// Decode implements drivers.Decoder.
func (d *five) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *five) Stats() drivers.Stats { return d.framer.Stats() }

func (d *five) frame(b []byte) int {
	if b[0]&0x80 == 0 {
		return d.broken()
	}
	for _, c := range b[1:] {
		if c&0x80 != 0 {
			return d.broken()
		}
	}
	if len(b) < 5 {
		return framer.More
	}
	d.add(d.read(b))
	return 5
}

// readBerry reads a packet of Berry and its clones.
func readBerry(b []byte) moment {
	return moment{
		off:   b[0]&0x20 != 0 || b[2]&0x10 != 0, // probe unplugged, no finger
		doubt: b[0]&0x10 != 0 || b[2]&0x20 != 0, // no signal, searching
		pleth: b[1], rate: rateOf(b), spo2: b[4],
	}
}

// readFirst reads a packet of the first generation of Contec.
func readFirst(b []byte) moment {
	return moment{
		off:   b[2]&0x10 != 0,                   // probe error, finger out
		low:   b[0]&0x20 != 0,                   // SpO2 dropping
		doubt: b[0]&0x10 != 0 || b[2]&0x20 != 0, // searching
		pleth: b[1], rate: rateOf(b), spo2: b[4],
	}
}

func rateOf(b []byte) byte { return b[2]&0x40<<1 | b[3] }
