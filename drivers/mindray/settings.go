package mindray

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"monitorme/drivers"
	"monitorme/drivers/settings"
	"monitorme/protocol"
)

// Settings are what the monitor is set to, which its messages do not say.
type Settings struct {
	Pressure    string `yaml:"pressure"`    // mmHg, kPa
	Temperature string `yaml:"temperature"` // C, F
	ST          string `yaml:"st"`          // mV, mm
	CO2         string `yaml:"co2"`         // mmHg, kPa, percent
	Oxygen      string `yaml:"oxygen"`      // percent, mmHg, kPa
	Agents      string `yaml:"agents"`      // percent, mmHg, kPa: N2O and anaesthetic agents
	// Validity is "none" for a monitor that never says which of its values are
	// valid, else "required".
	Validity string `yaml:"validity"`
	// Parameters are the numbers of what is asked for; none is what this driver
	// reads.
	Parameters []int `yaml:"parameters"`
}

const (
	required = "required"
	none     = "none"
)

// units are the words of the settings.
var units = map[string]protocol.Unit{"mmHg": "mm[Hg]", "kPa": "kPa", "C": "Cel", "F": "[degF]", "mV": "mV", "mm": "mm", "percent": "%"}

// choices are the keys of units, and what each may say.
func (s *Settings) choices() []choice {
	return []choice{
		{pressure, "pressure", s.Pressure, []string{"mmHg", "kPa"}},
		{temperature, "temperature", s.Temperature, []string{"C", "F"}},
		{segment, "st", s.ST, []string{"mV", "mm"}},
		{carbon, "co2", s.CO2, []string{"mmHg", "kPa", "percent"}},
		{oxygen, "oxygen", s.Oxygen, []string{"percent", "mmHg", "kPa"}},
		{agents, "agents", s.Agents, []string{"percent", "mmHg", "kPa"}},
	}
}

type choice struct {
	of      scale
	key     string
	said    string
	allowed []string
}

const (
	maxParameters = 64
	maxParameter  = 99999
)

// configure gives the driver for the settings of one device.
func configure(text []byte) (drivers.Driver, error) {
	s := Settings{Validity: required}
	if err := settings.Decode(text, &s); err != nil {
		return drivers.Driver{}, err
	}
	if err := s.check(); err != nil {
		return drivers.Driver{}, err
	}
	return s.driver(), nil
}

func (s *Settings) check() error {
	var errs []error
	for _, c := range s.choices() {
		if c.said != "" && !slices.Contains(c.allowed, c.said) {
			errs = append(errs, fmt.Errorf("%s %q: want %s", c.key, c.said, strings.Join(c.allowed, ", ")))
		}
	}
	if s.Validity != required && s.Validity != none {
		errs = append(errs, fmt.Errorf("validity %q: want %s, %s", s.Validity, required, none))
	}
	if len(s.Parameters) > maxParameters {
		errs = append(errs, fmt.Errorf("parameters: %d of them: want at most %d", len(s.Parameters), maxParameters))
	}
	for i, id := range s.Parameters {
		if id < 1 || id > maxParameter || slices.Contains(s.Parameters[:i], id) {
			errs = append(errs, fmt.Errorf("parameters: %d: want numbers from 1 to %d, each once", id, maxParameter))
		}
	}
	return errors.Join(errs...)
}
