// Package bbraun is the driver of B. Braun infusion pumps (Space, compactplus)
// at a rack with a ComDevice, or alone, that speaks BCC: rates, volumes, drugs,
// doses, states and alarms of all pumps of the rack. docs/devices/bbraun.md
// describes it.
//
// It cannot control a pump: all that it writes are three constant questions
// with the rack's bed id, and ACK and NAK; a test proves it. Of the patient and
// the staff nothing that the pumps know leaves it.
package bbraun

import (
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"

	"monitorme/drivers"
)

// Driver is the driver; without settings it reads whatever rack it is at.
var Driver = driver("")

func driver(bed string) drivers.Driver {
	return drivers.Driver{
		Name:       "bbraun",
		Title:      "B. Braun infusion pumps, BCC",
		Models:     []string{"Perfusor Space", "Infusomat Space", "Perfusor compactplus", "Infusomat compactplus", "SpaceStation with SpaceCom", "compactplus station with ComDevice"},
		Sheet:      "docs/devices/bbraun.md",
		Line:       drivers.Line{Baud: 9600},
		Alternates: []drivers.Line{{Baud: 19200}, {Baud: 38400}, {Baud: 57600}, {Baud: 115200}},
		Asks:       true,
		Silence:    30 * time.Second,
		Codes:      codes,
		Checked:    true,
		Configure:  configure,
		NewDecoder: func() drivers.Decoder { return makeDecoder(bed) },
		Run:        drivers.Converse(newAsker(bed)),
		Simulate:   Device{}.Simulate,
	}
}

// Settings are the settings of one rack.
type Settings struct {
	// Bed is the bed id that is set in the ComDevice. What comes from a rack
	// with another one is not taken. "" takes any.
	Bed string `yaml:"bed"`
}

func configure(text []byte) (drivers.Driver, error) {
	var s Settings
	if err := yaml.UnmarshalWithOptions(text, &s, yaml.Strict()); err != nil {
		return drivers.Driver{}, errors.New(yaml.FormatError(err, false, true))
	}
	if s.Bed != "" && bedOf([]byte(s.Bed+suffix)) == nil {
		return drivers.Driver{}, fmt.Errorf("bed %q: want the bed id of the ComDevice, 1 to %d letters, digits and signs but not > : # or comma", s.Bed, maxBed)
	}
	return driver(s.Bed), nil
}
