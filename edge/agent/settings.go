package agent

import (
	"fmt"
	"slices"

	"monitorme/drivers"
)

// Settings is the text of a device's settings, which only its driver reads.
type Settings []byte

// UnmarshalYAML keeps the text as it is.
func (s *Settings) UnmarshalYAML(text []byte) error {
	*s = slices.Clone(text)
	return nil
}

// configured gives the driver as the settings of the device make it.
func (d DeviceConfig) configured(drv drivers.Driver) (drivers.Driver, error) {
	switch {
	case len(d.Settings) == 0 && drv.Fresh != nil:
		return drv.Fresh(), nil
	case len(d.Settings) == 0:
		return drv, nil
	case drv.Configure == nil:
		return drv, fmt.Errorf("driver %q has no settings: leave the key out", drv.Name)
	}
	return drv.Configure(d.Settings)
}
