// Package openbci is the driver of the OpenBCI Cyton board: eight biopotential
// channels for research. docs/devices/openbci.md describes it and says what is
// made of it. What the channels are is for the site to say, in the settings.
//
// It sends three letters: stop, eight channels, start. It neither resets the
// board nor changes its channels.
package openbci

import (
	"fmt"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/settings"
	"monitorme/protocol"
)

// Driver takes all channels for ECG of unknown leads, unless settings say
// otherwise.
var Driver = func() drivers.Driver {
	d := mustCompile(Settings{}).driver()
	d.Configure = configure
	return d
}()

// Settings are the settings of one board.
type Settings struct {
	// Channels are the codes of the channels in order, "" for one that is not
	// kept; ECG, EEG or EMG.
	Channels []string `yaml:"channels"`
	// Gain is that of the amplifier, 24 unless the board was told otherwise.
	Gain float64 `yaml:"gain"`
}

const channels = 8

// A plan is settings, ready to use.
type plan struct {
	codes [channels]protocol.Code // 0 is not kept
	units [channels]protocol.Unit
	scale [channels]protocol.Decimal // of one count
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
	if s.Gain == 0 {
		s.Gain = 24
	}
	if s.Gain < 1 || s.Gain > 24 {
		return nil, fmt.Errorf("gain %v: want 1, 2, 4, 6, 8, 12 or 24", s.Gain)
	}
	if s.Channels == nil {
		for range channels {
			s.Channels = append(s.Channels, "MDC_ECG_ELEC_POTL")
		}
	}
	if len(s.Channels) > channels {
		return nil, fmt.Errorf("channels: %d of them: want at most %d", len(s.Channels), channels)
	}
	p := &plan{}
	volts := 4.5 / s.Gain / (1<<23 - 1) // of one count
	for i, name := range s.Channels {
		if name == "" {
			continue
		}
		term, ok := protocol.LookupRefID(name)
		if !ok || term.Kind != protocol.KindSamples || term.Unit != "mV" && term.Unit != "uV" {
			return nil, fmt.Errorf("channels[%d] %q: want the wave of an ECG, EEG or EMG, such as MDC_ECG_ELEC_POTL_II or MDC_EEG_ELEC_POTL_CRTX", i, name)
		}
		p.codes[i], p.units[i] = term.Code, term.Unit
		if term.Unit == "mV" {
			p.scale[i] = protocol.Dec(int64(math.Round(volts*1e21)), -18)
		} else {
			p.scale[i] = protocol.Dec(int64(math.Round(volts*1e21)), -15)
		}
	}
	return p, nil
}

func mustCompile(s Settings) *plan {
	p, err := compile(s)
	if err != nil {
		panic(err)
	}
	return p
}

func (p *plan) driver() drivers.Driver {
	codes := []protocol.Code{protocol.IdentityModel, protocol.EventLeadsOff}
	seen := map[protocol.Code]bool{0: true}
	for _, c := range p.codes {
		if !seen[c] {
			seen[c] = true
			codes = append(codes, c)
		}
	}
	return drivers.Driver{
		Name:       "openbci",
		Title:      "OpenBCI Cyton biopotential board",
		Models:     []string{"Cyton"},
		Sheet:      "docs/devices/openbci.md",
		Line:       drivers.Line{Baud: 115200},
		Asks:       true,
		Silence:    10 * time.Second, // its start takes three
		Codes:      codes,
		NewDecoder: func() drivers.Decoder { return p.newDecoder() },
		Run:        drivers.Converse(func() drivers.Asker { return p.newDecoder() }),
		Simulate:   simulate,
	}
}
