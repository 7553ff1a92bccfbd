// Package medlab is the driver of Medlab EG01010 ECG and respiration modules.
// docs/devices/medlab.md describes them and says what is made of them. It sends
// nothing.
package medlab

import (
	"context"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/drivers/play"
	"monitorme/protocol"
)

var rate = protocol.MustCode("MDC_TTHOR_RESP_RATE")

// Driver is for protocols 1 and 2 of the module.
var Driver = drivers.Driver{
	Name:         "medlab",
	Title:        "Medlab EG01010 ECG and respiration modules",
	Models:       []string{"EG01010"},
	Sheet:        "docs/devices/medlab.md",
	Experimental: true, // one source
	Line:         drivers.Line{Baud: 9600},
	Silence:      10 * time.Second,
	Codes:        []protocol.Code{protocol.HeartRate, rate, protocol.IdentityModel, protocol.EventLeadsOff},
	NewDecoder:   newDecoder,
	Run:          drivers.Listen(newDecoder),
	Simulate:     simulate,
}

// Bytes that are no samples.
const (
	maxSample    = 0xF6
	markWave     = 0xF8
	markResp     = 0xF9
	markHeart    = 0xFA
	markInfo     = 0xFB
	markStatus   = 0xFC // protocol 2: a byte, once a second
	markText     = 0xFD // protocol 2: text that ends with 00
	leadOff      = 0x11
	maxText      = 32
	maxSamples   = 3000 // without a value: ten seconds and more
	wanted       = 6    // values in a row before one is believed
	cleared      = 3    // heart rates after a lead was off, before it is on
	maxHeartStep = 25
	maxRespStep  = 15
)

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	after   byte // the marker that the byte belongs to, 0 if none
	text    int  // bytes of a text so far
	strict  bool // a value ended: the wave's marker must follow, until values are believed
	run     int  // values in a row
	samples int  // since the last value
	last    [2]int
	told    bool
	off     bool
	clear   int
}

func newDecoder() drivers.Decoder {
	d := &decoder{}
	d.reset()
	d.framer = framer.Framer{Max: 1, Frame: d.frame}
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

// reset forgets the run of values.
func (d *decoder) reset() {
	d.after, d.text, d.strict, d.run, d.samples = 0, 0, false, 0, 0
	d.last = [2]int{-1, -1}
}

// frame takes one byte. Nothing in the stream checks it, so that a run of
// values that fit each other is wanted, and begins anew after a byte that
// cannot be.
func (d *decoder) frame(b []byte) int {
	if !d.take(b[0]) {
		d.reset()
		return framer.Skip
	}
	if d.run < wanted {
		return framer.Skip
	}
	return 1
}

func (d *decoder) take(c byte) bool {
	switch after := d.after; {
	case after == markText:
		if d.text++; c == 0 {
			d.after = 0
		}
		return c < 0x80 && d.text <= maxText
	case after == markWave: // a marker without anything is no wave
		d.after = 0
		return c <= maxSample
	case after != 0:
		if c > maxSample {
			return false
		}
		d.after, d.strict, d.samples = 0, after != markStatus, 0
		return d.value(after, c)
	case c > markText || c == maxSample+1:
		return false
	case c > maxSample:
		if d.strict && c != markWave && d.run < wanted {
			return false
		}
		d.after, d.text, d.strict = c, 0, false
		return true
	}
	if d.samples++; d.samples > maxSamples || d.strict && d.run < wanted {
		return false
	}
	d.strict = false
	return true
}

// value takes the byte that follows a marker.
func (d *decoder) value(mark, c byte) bool {
	fits := true
	switch mark {
	case markHeart:
		fits = d.fits(0, int(c), maxHeartStep)
	case markResp:
		fits = d.fits(1, int(c), maxRespStep)
	case markStatus:
		return true
	}
	if d.run < wanted {
		d.run++
	}
	if d.run < wanted {
		return fits
	}
	d.say(mark, c, fits)
	return true
}

// fits tells whether a value can follow the last of its kind. 0 is none and
// fits all.
func (d *decoder) fits(kind, v, step int) bool {
	old := d.last[kind]
	if v != 0 {
		d.last[kind] = v
	}
	return v == 0 || old < 0 || v-old <= step && old-v <= step
}

// say emits what a value means; one that does not fit the last waits for a
// second one, for it may be a sample after a soiled byte.
func (d *decoder) say(mark, c byte, fits bool) {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: "Medlab EG01010"})
	}
	switch mark {
	case markInfo:
		if c == leadOff {
			d.clear = 0
			d.setOff(true)
		}
	case markHeart:
		if c != 0 && d.off {
			if d.clear++; d.clear >= cleared {
				d.setOff(false)
			}
		}
		d.number(protocol.HeartRate, c, fits)
	case markResp:
		d.number(rate, c, fits)
	}
}

// setOff reports the lead, and takes both rates back when it comes off.
func (d *decoder) setOff(is bool) {
	if d.off == is {
		return
	}
	d.off = is
	e := &protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: protocol.HeartRate, Text: "lead off"}
	if is {
		e.Phase = protocol.PhaseStart
	}
	d.emit(protocol.Observation{Code: protocol.EventLeadsOff, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: e})
	if is {
		d.number(protocol.HeartRate, 0, true)
		d.number(rate, 0, true)
	}
}

// number emits a rate; 0 is none.
func (d *decoder) number(code protocol.Code, v byte, fits bool) {
	o := protocol.Observation{Code: code, Unit: "/min", Kind: protocol.KindNumeric}
	switch {
	case d.off:
		o.Quality = protocol.QualitySensorOff
	case v == 0:
		o.Quality = protocol.QualityMissing
	case !fits:
		o.Quality, o.Value = protocol.QualityInvalid, protocol.Int(int64(v))
	default:
		o.Quality, o.Value = protocol.QualityGood, protocol.Int(int64(v))
	}
	d.emit(o)
}

// simulate plays protocol 1 at 100 samples per second.
func simulate(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	return play.Run(ctx, wire, play.Device{Parts: []play.Part{
		{Every: 20 * time.Millisecond, Append: func(b []byte, at time.Time) []byte {
			var w [2]float64
			patient.Wave(protocol.MustCode("MDC_ECG_ELEC_POTL"), at, 100, w[:])
			for _, v := range w {
				b = append(b, byte(128+min(max(v*80, -100), 100)))
			}
			return b
		}},
		{Every: time.Second, Append: func(b []byte, at time.Time) []byte {
			value := func(code protocol.Code) byte {
				v, _ := patient.Numeric(code, at)
				return byte(math.Round(min(max(v, 0), maxSample)))
			}
			heart := value(protocol.HeartRate)
			b = append(b, markHeart, heart, markWave, 128, markResp, value(rate), markWave, 128)
			if heart == 0 {
				b = append(b, markInfo, leadOff, markWave, 128)
			}
			return b
		}},
	}})
}
