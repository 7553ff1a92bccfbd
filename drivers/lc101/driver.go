// Package lc101 is the driver of the Welch Allyn LC101 and Duet CO2 modules.
// docs/devices/lc101.md describes them and says what is made of them.
//
// The one thing it ever sends is the order to measure and report by itself,
// to a module that is silent.
package lc101

import (
	"context"
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

var (
	etCO2        = protocol.MustCode("MDC_AWAY_CO2_ET")
	fiCO2        = protocol.MustCode("MDC_CONC_AWAY_CO2_INSP")
	rateCO2      = protocol.MustCode("MDC_CO2_RESP_RATE")
	eventProblem = protocol.MustCode("MDC_EVT_SENSOR_PROB")
)

// Driver is for both modules.
var Driver = drivers.Driver{
	Name:         "lc101",
	Title:        "Welch Allyn LC101 and Duet CO2 modules",
	Models:       []string{"LC101", "Duet CO2"},
	Sheet:        "docs/devices/lc101.md",
	Experimental: true, // the line's speed is not certain
	Line:         drivers.Line{Baud: 9600},
	Alternates:   []drivers.Line{{Baud: 19200}, {Baud: 38400}},
	Asks:         true,
	Silence:      10 * time.Second,
	Checked:      true,
	Codes:        []protocol.Code{etCO2, fiCO2, rateCO2, protocol.IdentityModel, protocol.IdentitySerial, eventProblem},
	NewDecoder:   func() drivers.Decoder { return newDecoder() },
	Run:          drivers.Converse(func() drivers.Asker { return newDecoder() }),
	Simulate:     simulate,
}

const (
	stx, etx = 0x02, 0x03
	autoRun  = "M24"

	modeStandby = 0x61
	firstFault  = 0x10
	maxBytes    = 24
)

// appendPacket appends a packet: a letter and hexadecimal digits.
func appendPacket(b []byte, text string) []byte {
	b = append(append(b, stx), text...)
	b = fmt.Appendf(b, "%02X", checksum.CRC8A1FF([]byte(text)))
	return append(b, etx)
}

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit
	told   bool
	serial string
	fault  byte

	frames uint64
	heard  time.Duration
	retry  time.Duration
}

func newDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: maxBytes, Frame: d.frame}
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

// hex is the value of a digit, or 16.
func hex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// frame reads a packet.
func (d *decoder) frame(b []byte) int {
	if b[0] != stx {
		return framer.Skip
	}
	end := 1
	for ; end < len(b) && b[end] != etx; end++ {
		letter := b[end]|0x20 >= 'a' && b[end]|0x20 <= 'z'
		if end == 1 && !letter || end > 1 && hex(b[end]) > 15 {
			return framer.Skip
		}
	}
	if end == len(b) {
		return framer.More
	}
	if end < 6 || end%2 != 0 { // a letter, pairs of digits, the check
		return framer.Skip
	}
	if hex(b[end-2])<<4|hex(b[end-1]) != checksum.CRC8A1FF(b[1:end-2]) {
		return framer.BadSum
	}
	var v [maxBytes / 2]byte
	n := 0
	for i := 2; i < end-2; i += 2 {
		v[n] = hex(b[i])<<4 | hex(b[i+1])
		n++
	}
	if !d.told {
		d.told = true
		d.word(protocol.IdentityModel, "Welch Allyn CO2 module")
	}
	switch letter := b[1]; {
	case letter == 'Z' && n == 3:
		d.fault = 0
		d.breath(v[0], v[1], v[2])
	case letter == 'S' && n == 2:
		d.status(v[0], v[1])
	case letter == 'N' && n == 2:
		if text := string(b[2 : end-2]); text != d.serial {
			d.serial = text
			d.word(protocol.IdentitySerial, text)
		}
	}
	return end + 1
}

func (d *decoder) word(code protocol.Code, text string) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

func (d *decoder) number(code protocol.Code, unit protocol.Unit, v byte, q protocol.Quality) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: q}
	if q == protocol.QualityGood {
		o.Value = protocol.Int(int64(v))
	}
	d.emit(o)
}

// breath emits the numbers of one breath; without a rate there are none.
func (d *decoder) breath(et, rate, insp byte) {
	q := protocol.QualityGood
	if rate == 0 {
		q = protocol.QualityMissing
	}
	d.numbers(et, rate, insp, q)
}

func (d *decoder) numbers(et, rate, insp byte, q protocol.Quality) {
	d.number(etCO2, "mm[Hg]", et, q)
	d.number(fiCO2, "mm[Hg]", insp, q)
	d.number(rateCO2, "/min", rate, q)
}

// status takes the numbers back when the module reports a fault or has stopped
// to measure. The end of a fault is not reported, only breaths that come again.
func (d *decoder) status(mode, message byte) {
	switch {
	case message >= firstFault:
		if message != d.fault {
			d.fault = message
			d.emit(protocol.Observation{Code: eventProblem, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &protocol.Event{
				Phase: protocol.PhaseOnce, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: etCO2, Text: fmt.Sprintf("CO2 module reports fault %02X", message)}})
		}
		d.numbers(0, 0, 0, protocol.QualitySensorOff)
	case mode == modeStandby:
		d.numbers(0, 0, 0, protocol.QualityMissing)
	}
}

// Ask implements drivers.Asker: a module that says nothing for three seconds is
// told to report by itself.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if n := d.framer.Stats().Frames; n != d.frames {
		d.frames, d.heard = n, now
	}
	if (d.frames == 0 || now-d.heard >= 3*time.Second) && now >= d.retry {
		d.retry = now + 3*time.Second
		b = appendPacket(b, autoRun)
	}
	return b, time.Second
}

// simulate plays a module that measures once it was told to. Without an airway
// it reports a fault.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	on := false
	var heard []byte
	var next time.Time
	order := string(appendPacket(nil, autoRun))
	value := func(code protocol.Code, at time.Time) byte {
		v, _ := patient.Numeric(code, at)
		return byte(min(max(math.Round(v), 0), 255))
	}
	return play.Run(ctx, wire, play.Device{
		Answer: func(b, p []byte, _ time.Time) []byte {
			if heard = append(heard, p...); len(heard) > len(order) {
				heard = heard[len(heard)-len(order):]
			}
			if string(heard) == order {
				on = true
				b = appendPacket(b, "S6406")
			}
			return b
		},
		Parts: []play.Part{
			{Every: 40 * time.Millisecond, Append: func(b []byte, at time.Time) []byte {
				if !on {
					return b
				}
				var wave [1]float64
				patient.Wave(protocol.MustCode("MDC_AWAY_CO2"), at, 25, wave[:])
				return appendPacket(b, fmt.Sprintf("W%04X", uint16(min(max(wave[0]*256, 0), 65535))))
			}},
			{Every: 100 * time.Millisecond, Append: func(b []byte, at time.Time) []byte {
				rate := value(rateCO2, at)
				if !on || rate == 0 || at.Before(next) {
					return b
				}
				next = at.Add(time.Minute / time.Duration(rate))
				return appendPacket(b, fmt.Sprintf("Z%02X%02X%02X", value(etCO2, at), rate, value(fiCO2, at)))
			}},
			{Every: 2 * time.Second, Append: func(b []byte, at time.Time) []byte {
				if _, breathing := patient.Numeric(etCO2, at); on && !breathing {
					b = appendPacket(b, "S6430")
				}
				return b
			}},
		},
	})
}
