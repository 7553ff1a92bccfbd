// Package diap is the driver of Mindray and Datascope monitors that answer DIAP
// requests at a serial port: Passport V, Passport 2, Spectrum, Accutorr V,
// V-Series, Trio. docs/devices/diap.md describes it.
//
// Only the outer form of the protocol is known, so the driver is experimental
// and asks and reads what the settings of the device say. It sends connect and
// the commands of the settings, which it refuses if they could control
// anything, and nothing else.
package diap

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver connects; what else is asked and read is for the settings to say.
var Driver = func() drivers.Driver {
	p, err := compile(Settings{Every: 5 * time.Second, Silence: 45 * time.Second})
	if err != nil {
		panic(err)
	}
	d := p.driver()
	d.Configure = configure
	return d
}()

func configure(text []byte) (drivers.Driver, error) {
	s, err := parse(text)
	if err != nil {
		return drivers.Driver{}, err
	}
	p, err := compile(s)
	if err != nil {
		return drivers.Driver{}, err
	}
	return p.driver(), nil
}

func (p *plan) driver() drivers.Driver {
	codes := []protocol.Code{protocol.IdentityModel, protocol.EventAlarm, protocol.EventSensorOff}
	seen := map[protocol.Code]bool{}
	for _, c := range p.commands {
		for _, v := range c.values {
			if !seen[v.Code] {
				seen[v.Code] = true
				codes = append(codes, v.Code)
			}
		}
	}
	return drivers.Driver{
		Name:         "diap",
		Title:        "Mindray and Datascope monitors, DIAP",
		Models:       []string{"Passport V", "Passport 2", "Spectrum", "Accutorr V", "V-Series", "Trio"},
		Sheet:        "docs/devices/diap.md",
		Experimental: true,
		Line:         drivers.Line{Baud: 9600},
		Alternates:   []drivers.Line{{Baud: 19200}},
		Asks:         true,
		Silence:      p.silence,
		Codes:        codes,
		Checked:      true,
		NewDecoder:   func() drivers.Decoder { return p.newDecoder() },
		Run:          drivers.Converse(func() drivers.Asker { return p.newDecoder() }),
		Simulate:     Device{}.Simulate,
	}
}
