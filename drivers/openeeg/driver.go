// Package openeeg is the driver of ModularEEG and other boards that send the
// OpenEEG packets "P2": up to six inputs as waves. docs/devices/openeeg.md
// describes them. What the inputs are, and what a count of theirs is, is for
// the site to say in the settings.
//
// It sends nothing.
package openeeg

import (
	"errors"
	"fmt"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/mapping"
	"monitorme/drivers/settings"
	"monitorme/protocol"
)

// Driver takes the first input for an ECG in counts, unless settings say
// otherwise.
var Driver = func() drivers.Driver {
	p, err := compile(Settings{Values: []Value{{Column: 1, Code: "MONITORME_WAVE_ECG_OWN_SCALE"}}})
	if err != nil {
		panic(err)
	}
	d := p.driver()
	d.Configure = configure
	return d
}()

const inputs = 6

// Settings are the settings of one board, in the words of the driver generic.
type Settings struct {
	Values []Value `yaml:"values"`
}

// Value is what one input is.
type Value struct {
	Column  int              `yaml:"column"` // the input, 1 to 6
	Code    string           `yaml:"code"`   // the reference id of a wave
	Channel string           `yaml:"channel"`
	Scale   *mapping.Decimal `yaml:"scale"` // value = count * scale + offset, in the unit of the code
	Offset  *mapping.Decimal `yaml:"offset"`
}

// A wave is one Value, ready to use.
type wave struct {
	input         int // from 0
	code          protocol.Code
	channel       string
	unit          protocol.Unit
	scale, offset protocol.Decimal
}

// A plan is settings, ready to use. It is read by all decoders.
type plan struct{ waves []wave }

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
	if len(s.Values) == 0 || len(s.Values) > inputs {
		return nil, fmt.Errorf("values: %d of them: want 1 to %d", len(s.Values), inputs)
	}
	p := &plan{}
	for i, v := range s.Values {
		w, err := compileValue(v)
		for _, other := range p.waves {
			switch {
			case err != nil:
			case other.input == w.input:
				err = fmt.Errorf("column %d: there is another value of it", v.Column)
			case other.code == w.code && other.channel == w.channel:
				err = fmt.Errorf("code %s, channel %q: there is another value of it: want a channel for each", v.Code, v.Channel)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("values[%d]: %w", i, err)
		}
		p.waves = append(p.waves, w)
	}
	return p, nil
}

func compileValue(v Value) (wave, error) {
	term, ok := protocol.LookupRefID(v.Code)
	w := wave{input: v.Column - 1, code: term.Code, channel: v.Channel, unit: term.Unit, scale: v.Scale.Or(protocol.Int(1)), offset: v.Offset.Or(protocol.Int(0))}
	switch {
	case v.Column < 1 || v.Column > inputs:
		return w, fmt.Errorf("column %d: want an input, 1 to %d", v.Column, inputs)
	case !ok || term.Kind != protocol.KindSamples:
		return w, fmt.Errorf("code %q: want the reference id of a wave, such as MDC_ECG_ELEC_POTL_II or MDC_EEG_ELEC_POTL_CRTX", v.Code)
	case term.Unit != "1" && v.Scale == nil:
		return w, fmt.Errorf("scale: want how many %s a count is, for code %s", term.Unit, v.Code)
	case w.scale.Mantissa == 0:
		return w, errors.New("scale 0: want another number")
	}
	return w, mapping.CheckText("channel", v.Channel)
}

func (p *plan) driver() drivers.Driver {
	codes := []protocol.Code{protocol.IdentityModel, protocol.EventLeadsOff}
	seen := map[protocol.Code]bool{}
	for _, w := range p.waves {
		if !seen[w.code] {
			seen[w.code] = true
			codes = append(codes, w.code)
		}
	}
	return drivers.Driver{
		Name:       "openeeg",
		Title:      "ModularEEG and other OpenEEG boards",
		Models:     []string{"ModularEEG", "other boards that send P2 packets"},
		Sheet:      "docs/devices/openeeg.md",
		Line:       drivers.Line{Baud: 57600},
		Silence:    5 * time.Second,
		Codes:      codes,
		NewDecoder: p.newDecoder,
		Run:        drivers.Listen(p.newDecoder),
		Simulate:   simulate,
	}
}
