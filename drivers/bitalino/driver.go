// Package bitalino is the driver of PLUX BITalino boards: up to four inputs as
// waves. docs/devices/bitalino.md describes them and says what is made of them.
// What is plugged into the inputs is for the site to say, in the settings.
package bitalino

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/settings"
	"monitorme/protocol"
)

// Driver takes an ECG at input A1, unless settings say otherwise.
var Driver = func() drivers.Driver {
	p, err := compile(Settings{})
	if err != nil {
		panic(err)
	}
	d := p.driver()
	d.Configure = configure
	return d
}()

// Settings are the settings of one board.
type Settings struct {
	// Inputs are what is plugged in: A1 to A6, at most four of them, each ecg,
	// respiration or eda.
	Inputs map[string]string `yaml:"inputs"`
	// Rate is 100 or 1000 samples per second.
	Rate int `yaml:"rate"`
}

// A sensor turns counts into values: those of the maker for 3.3 V and 10 bits.
type sensor struct {
	code          protocol.Code
	unit          protocol.Unit
	scale, offset protocol.Decimal
}

var sensors = map[string]sensor{
	"ecg":         {protocol.MustCode("MDC_ECG_ELEC_POTL"), "mV", protocol.Dec(29296875, -10), protocol.Dec(-15, -1)},
	"respiration": {protocol.MustCode("MONITORME_WAVE_BREATHING"), "1", protocol.Dec(9765625, -8), protocol.Int(-50)},
	"eda":         {protocol.MustCode("MONITORME_WAVE_SKIN_CONDUCTANCE"), "uS", protocol.Dec(244140625, -10), protocol.Int(0)},
}

const maxInputs = 4 // of a fifth and sixth the board sends six bits only

// A plan is settings, ready to use.
type plan struct {
	names     []string // in the order in which the board sends them
	sensors   []sensor
	rate      int
	setRate   byte
	start     byte
	frameSize int
}

func configure(text []byte) (drivers.Driver, error) {
	var s Settings
	if err := settings.Decode(text, &s); err != nil {
		return drivers.Driver{}, err
	}
	p, err := compile(s)
	if err != nil {
		return drivers.Driver{}, err
	}
	return p.driver(), nil
}

func compile(s Settings) (*plan, error) {
	if len(s.Inputs) == 0 {
		s.Inputs = map[string]string{"A1": "ecg"}
	}
	if len(s.Inputs) > maxInputs {
		return nil, fmt.Errorf("inputs: %d of them: want at most %d", len(s.Inputs), maxInputs)
	}
	p := &plan{rate: s.Rate, start: 1}
	switch s.Rate {
	case 0, 1000:
		p.rate, p.setRate = 1000, 0xC3
	case 100:
		p.setRate = 0x83
	default:
		return nil, fmt.Errorf("rate %d: want 100 or 1000", s.Rate)
	}
	for name := range s.Inputs {
		p.names = append(p.names, name)
	}
	slices.Sort(p.names)
	for _, name := range p.names {
		if len(name) != 2 || name[0] != 'A' || name[1] < '1' || name[1] > '6' {
			return nil, fmt.Errorf("inputs: %q: want A1 to A6", name)
		}
		kind, ok := sensors[strings.ToLower(s.Inputs[name])]
		if !ok {
			return nil, fmt.Errorf("inputs: %s: %q: want ecg, respiration or eda", name, s.Inputs[name])
		}
		p.sensors = append(p.sensors, kind)
		p.start |= 4 << (name[1] - '1')
	}
	p.frameSize = (12 + 10*len(p.names) + 7) / 8
	return p, nil
}

func (p *plan) driver() drivers.Driver {
	codes := []protocol.Code{protocol.IdentityModel, protocol.EventSensorOff}
	for _, s := range p.sensors {
		if !slices.Contains(codes, s.code) {
			codes = append(codes, s.code)
		}
	}
	return drivers.Driver{
		Name:       "bitalino",
		Title:      "PLUX BITalino boards",
		Models:     []string{"BITalino (r)evolution", "BITalino 1"},
		Sheet:      "docs/devices/bitalino.md",
		Line:       drivers.Line{Baud: 115200},
		Asks:       true,
		Silence:    10 * time.Second, // its start takes some
		Codes:      codes,
		NewDecoder: func() drivers.Decoder { return p.newDecoder() },
		Run:        drivers.Converse(func() drivers.Asker { return p.newDecoder() }),
		Simulate:   p.simulate,
	}
}
