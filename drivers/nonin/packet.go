package nonin

import (
	"fmt"
	"time"

	"monitorme/protocol"
)

// Bits of STATUS in formats 2 and 7.
const (
	statusDisconnected = 1 << 6
	statusArtefact     = 1 << 5
	statusOutOfTrack   = 1 << 4
	statusAlarm        = 1 << 3 // sensor off
	statusPerfusion    = 3 << 1
	statusSync         = 1 << 0

	perfusionLow = 2 << 1
)

const (
	packetFrames = 25
	rateMilliHz  = 75_000
	perSecond    = 3 // packets
)

// packet collects the frames of formats 2 and 7: 25 of them carry the numbers,
// one byte each, and a third of a second of the wave.
type packet struct {
	floats [packetFrames]byte
	at     int // frames since SYNC; -1 while SYNC has not been seen
	off    bool
	doubt  bool
	turns  int // packets since numbers were emitted
	wasOff bool

	wave  [packetFrames]int32
	drawn int
	dark  int // samples of wave that are missing because the sensor is off
}

func (p *packet) restart() { *p = packet{at: -1, turns: perSecond} }

// waveFrame handles one frame: its status, its sample and its byte of numbers.
func (d *decoder) waveFrame(status byte, pleth uint16, float byte) {
	p := &d.packet
	if status&statusSync != 0 {
		if p.at == packetFrames { // exactly 25 frames apart, none bad between
			d.packetDone()
		} else {
			p.off, p.doubt = false, false
		}
		d.flush()
		p.at = 0
	}
	off := status&(statusDisconnected|statusAlarm) != 0
	p.wave[p.drawn] = int32(pleth)
	if off {
		p.wave[p.drawn] = protocol.NoSample
		p.dark++
	}
	if p.drawn++; p.drawn == packetFrames {
		d.flush()
	}
	if p.at < 0 {
		return
	}
	if p.at == packetFrames { // SYNC did not come
		p.at = -1
		return
	}
	p.off = p.off || off
	p.doubt = p.doubt || status&(statusArtefact|statusOutOfTrack) != 0 || status&statusPerfusion == perfusionLow
	p.floats[p.at] = float
	p.at++
}

// packetDone emits the numbers: once a second, and at once when the sensor
// came off or is on again.
func (d *decoder) packetDone() {
	p := &d.packet
	f := &p.floats
	d.firmware(f[3])
	d.flags(f[7]&0x20 != 0, f[7]&0x01 != 0)
	p.turns++
	if p.turns >= perSecond || p.off != p.wasOff {
		d.values(state{off: p.off, doubt: p.doubt, spo2: int(f[8] & 0x7F), rate: int(f[19]&3)<<7 | int(f[20]&0x7F)}, observed{})
		p.turns, p.doubt = 0, false
	}
	p.wasOff, p.off = p.off, false
}

func (d *decoder) firmware(revision byte) {
	if d.told.firmware != int(revision)+1 {
		d.told.firmware = int(revision) + 1
		d.identify(protocol.IdentityFirmware, fmt.Sprintf("revision %d", revision))
	}
}

// flush emits the samples collected so far.
func (d *decoder) flush() {
	p := &d.packet
	if p.drawn == 0 {
		return
	}
	s := &protocol.Samples{RateMilliHz: rateMilliHz, Scale: protocol.Dec(4, -3), Offset: protocol.Int(0), Raw: make([]int32, p.drawn)}
	if d.locked == format7 {
		s.Scale = protocol.Dec(15, -6)
	}
	copy(s.Raw, p.wave[:p.drawn])
	q := protocol.QualityGood
	if p.dark == p.drawn {
		q = protocol.QualitySensorOff
	}
	d.emit(protocol.Observation{Code: protocol.Pleth, Unit: "1", Kind: protocol.KindSamples, Quality: q,
		Delay: time.Duration(p.drawn-1) * time.Second / 75, Samples: s})
	p.drawn, p.dark = 0, 0
}
