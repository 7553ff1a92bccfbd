// Package sleepradar is the drivers of radar modules that watch breathing and
// sleep without contact: the 60 GHz modules R60ABD1 and MR60BHA1, and the
// 24 GHz module MR24BSD1. docs/devices/sleepradar.md describes them and says
// what is made of them. The two families count sleep stages in opposite order.
package sleepradar

import (
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var (
	pulse     = protocol.MustCode("MDC_PULS_RATE") // not from an ECG
	presence  = protocol.MustCode("MONITORME_PRESENCE")
	movement  = protocol.MustCode("MONITORME_MOVEMENT")
	score     = protocol.MustCode("MONITORME_SLEEP_SCORE")
	breathing = protocol.MustCode("MONITORME_WAVE_BREATHING")
	heartbeat = protocol.MustCode("MONITORME_WAVE_HEARTBEAT")
)

const sheet = "docs/devices/sleepradar.md"

// Driver is for the 60 GHz modules.
var Driver = drivers.Driver{
	Name:    "sleepradar",
	Title:   "60 GHz breathing and sleep radar modules",
	Models:  []string{"R60ABD1", "MR60BHA1"},
	Sheet:   sheet,
	Line:    drivers.Line{Baud: 115200},
	Asks:    true,
	Silence: 20 * time.Second,
	Checked: true,
	Codes: []protocol.Code{protocol.RespirationRate, pulse, protocol.SleepStatus, presence, movement, score, breathing, heartbeat,
		protocol.IdentityModel},
	NewDecoder: func() drivers.Decoder { return new60() },
	Run:        drivers.Converse(func() drivers.Asker { return new60() }),
	Simulate:   simulate60,
}

// Radar24 is for the 24 GHz module, which knows no heart rate and only talks.
var Radar24 = drivers.Driver{
	Name:       "sleepradar-24",
	Title:      "24 GHz breathing and sleep radar module",
	Models:     []string{"MR24BSD1"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 9600},
	Silence:    time.Minute, // it reports changes
	Checked:    true,
	Codes:      []protocol.Code{protocol.RespirationRate, protocol.SleepStatus, presence, movement, score, protocol.IdentityModel},
	NewDecoder: func() drivers.Decoder { return new24() },
	Run:        drivers.Listen(func() drivers.Decoder { return new24() }),
	Simulate:   simulate24,
}

// core is what both decoders have: what is known of the person, without whom
// the modules go on to say their last values.
type core struct {
	framer framer.Framer
	emit   drivers.Emit
	told   bool
	pulse  bool // heart rates are known here

	nobody, outOfBed, noBreath bool
	gone                       bool // as last told
}

// Decode implements drivers.Decoder.
func (d *core) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *core) Stats() drivers.Stats { return d.framer.Stats() }

func (d *core) identify(model string) {
	if !d.told {
		d.told = true
		d.emit(protocol.Observation{Code: protocol.IdentityModel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: model})
	}
}

// number emits a vital sign, which is missing while nobody is there.
func (d *core) number(code protocol.Code, unit protocol.Unit, v protocol.Decimal, q protocol.Quality) {
	o := protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: q, Value: v}
	if d.gone {
		o.Quality = protocol.QualityMissing
	}
	if !o.Quality.HasNumber() {
		o.Value = protocol.Decimal{}
	}
	d.emit(o)
}

// rate emits a rate, none if it is out of the range of the module.
func (d *core) rate(code protocol.Code, v, low, high byte, q protocol.Quality) {
	if v < low || v > high {
		q = protocol.QualityMissing
	}
	d.number(code, "/min", protocol.Int(int64(v)), q)
}

// word emits an enumeration; "" is none.
func (d *core) word(code protocol.Code, channel, text string) {
	o := protocol.Observation{Code: code, Channel: channel, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text}
	if text == "" {
		o.Quality = protocol.QualityMissing
	}
	d.emit(o)
}

// sleep emits a stage by its number in the table of the family.
func (d *core) sleep(stage byte, table [3]string) {
	text := ""
	if int(stage) < len(table) && !d.gone {
		text = table[stage]
	}
	d.word(protocol.SleepStatus, "", text)
}

// person notes what has changed, and takes all vital signs back once there is
// nobody to have them.
func (d *core) person() {
	gone := d.nobody || d.outOfBed || d.noBreath
	if gone == d.gone {
		return
	}
	d.gone = gone
	if !gone {
		return
	}
	d.number(protocol.RespirationRate, "/min", protocol.Decimal{}, protocol.QualityMissing)
	if d.pulse {
		d.number(pulse, "/min", protocol.Decimal{}, protocol.QualityMissing)
	}
	d.word(protocol.SleepStatus, "", "")
}

// The channels of presence: the bed, and the room.
const (
	inBed  = ""
	inRoom = "room"
)

func there(is bool) string {
	if is {
		return "present"
	}
	return "absent"
}
