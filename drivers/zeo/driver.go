// Package zeo is the driver of the Zeo bedside sleep manager: sleep stages from
// its raw data port. docs/devices/zeo.md describes it and says what is made of
// it. It sends nothing.
package zeo

import (
	"context"
	"encoding/binary"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

var eventFault = protocol.MustCode("MDC_EVT_MALF")

// Driver is for the base station.
var Driver = drivers.Driver{
	Name:       "zeo",
	Title:      "Zeo bedside sleep manager",
	Models:     []string{"Zeo Bedside"},
	Sheet:      "docs/devices/zeo.md",
	Line:       drivers.Line{Baud: 38400},
	Silence:    5 * time.Second,
	Checked:    true,
	Codes:      []protocol.Code{protocol.SleepStatus, protocol.IdentityModel, protocol.EventSensorOff, eventFault},
	NewDecoder: newDecoder,
	Run:        drivers.Listen(newDecoder),
	Simulate:   simulate,
}

// Identifiers that are looked at.
const (
	idEvent     = 0x00
	idClock     = 0x8A
	idImpedance = 0x97
	idBad       = 0x9C
	idStage     = 0x9D
)

const (
	headLen = 11
	maxLen  = 1024

	eventDocked    = 0x0E
	eventUndocked  = 0x0F
	eventUndocked2 = 0x8F // as another reader has it

	notConnected = 0x7FFF
)

// stages are those of idStage; 0 is none.
var stages = [...]string{"", "awake", "rem", "light", "deep"}

var fatal = []byte("FATAL_ERROR_")

var le = binary.LittleEndian

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	told   bool

	clock       uint32 // of the last idClock
	docked, off bool
	gone        bool // as last told
	bad         bool // artefacts since the last stage
}

func newDecoder() drivers.Decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: headLen + maxLen, Frame: d.frame}
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
	case b[0] == fatal[0]:
		return d.text(b)
	case b[0] != 'A' || len(b) > 1 && b[1] != '4':
		return framer.Skip
	case len(b) < 7:
		return framer.More
	}
	size := int(le.Uint16(b[3:]))
	if le.Uint16(b[3:]) != ^le.Uint16(b[5:]) || size < 2 || size > maxLen {
		return framer.Skip
	}
	n := headLen + size
	if len(b) < n {
		return framer.More
	}
	if checksum.Sum8(b[headLen:n]) != b[2] {
		return framer.BadSum
	}
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "Zeo bedside sleep manager"})
	}
	if data := b[headLen+1 : n]; len(data) == 4 {
		d.message(b[headLen], le.Uint32(data), b[7])
	}
	return n
}

// text finds the line that a base prints when it fails.
func (d *decoder) text(b []byte) int {
	for i, c := range b {
		switch {
		case i < len(fatal):
			if c != fatal[i] {
				return framer.Skip
			}
		case c == '\n':
			d.event(eventFault, protocol.PhaseOnce, "the base station reports a fatal error", time.Time{})
			return i + 1
		case i >= 80 || c != '\r' && c != '\t' && (c < ' ' || c > '~'):
			return framer.Skip
		}
	}
	return framer.More
}

func (d *decoder) message(id byte, v uint32, low byte) {
	switch id {
	case idClock:
		d.clock = v
	case idBad:
		d.bad = d.bad || v == 1
	case idEvent:
		switch v {
		case eventDocked:
			d.docked = true
		case eventUndocked, eventUndocked2:
			d.docked = false
		}
		d.headband(d.time(low))
	case idImpedance:
		d.off = v&0xFFFF == notConnected+0x8000 || v&0xFFFF == notConnected
		d.headband(d.time(low))
	case idStage:
		d.stage(v, d.time(low))
	}
}

// time is the base's clock, whose low byte comes with each frame.
func (d *decoder) time(low byte) time.Time {
	if d.clock == 0 {
		return time.Time{}
	}
	t := d.clock&^0xFF | uint32(low)
	if t < d.clock {
		t += 256
	}
	return time.Unix(int64(t), 0).UTC()
}

// headband notes whether it is worn, and takes the stage back when it is not.
func (d *decoder) headband(at time.Time) {
	gone := d.docked || d.off
	if gone == d.gone {
		return
	}
	d.gone = gone
	if gone {
		d.event(protocol.EventSensorOff, protocol.PhaseStart, "headband off", at)
		d.status("", protocol.QualitySensorOff, at)
		return
	}
	d.event(protocol.EventSensorOff, protocol.PhaseEnd, "headband off", at)
}

func (d *decoder) event(code protocol.Code, phase protocol.Phase, text string, at time.Time) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, DeviceTime: at, Event: &protocol.Event{
		Phase: phase, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: protocol.SleepStatus, Text: text}})
}

// stage emits the stage of the last 30 s.
func (d *decoder) stage(v uint32, at time.Time) {
	text, q := "", protocol.QualityMissing
	if v > 0 && v < uint32(len(stages)) {
		text, q = stages[v], protocol.QualityGood
	}
	switch {
	case d.gone:
		text, q = "", protocol.QualitySensorOff
	case d.bad && q == protocol.QualityGood:
		q = protocol.QualityQuestionable
	}
	d.bad = false
	d.status(text, q, at)
}

func (d *decoder) status(text string, q protocol.Quality, at time.Time) {
	d.emit(protocol.Observation{Code: protocol.SleepStatus, Kind: protocol.KindEnumeration, Quality: q, Text: text, DeviceTime: at})
}

// appendFrame appends a frame with four bytes of data.
func appendFrame(b []byte, at uint32, sequence, id byte, v uint32) []byte {
	data := le.AppendUint32([]byte{id}, v)
	b = append(b, 'A', '4', checksum.Sum8(data))
	b = le.AppendUint16(b, uint16(len(data)))
	b = le.AppendUint16(b, ^uint16(len(data)))
	b = append(b, byte(at), 0, 0, sequence)
	return append(b, data...)
}

// simulate plays a base whose headband is not connected while the patient has
// no sleep status.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	sequence := byte(0)
	turn := 0
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
		now := uint32(at.Unix())
		put := func(id byte, v uint32) {
			b = appendFrame(b, now, sequence, id, v)
			sequence++
		}
		word, on := patient.Word(protocol.SleepStatus, at)
		put(idClock, now)
		impedance := uint32(0x8000_8400) // 0400 in phase
		if !on {
			impedance = 0x8000_FFFF
		}
		put(idImpedance, impedance)
		put(0x84, 27)
		if turn%30 == 0 {
			stage := uint32(0)
			for i, s := range stages {
				if s == word || s == "light" && word == "asleep" {
					stage = uint32(i)
				}
			}
			put(idStage, stage)
		}
		turn++
		put(0x02, 0)
		return b
	}}}})
}
