package main

import (
	"fmt"
	"strings"

	"monitorme/drivers/all"
)

// The wards there are; a list of drivers is one, too.
const (
	wardOfPatients = "ward"
	wardOfDevices  = "devices"
)

// settings are those of the drivers that show nothing without any.
var settings = map[string]string{}

// deviceBeds is the ward that shows devices: a bed for each driver that is
// named, or for the first of each family, with a calm patient. A family are the
// drivers of one sheet.
func deviceBeds(ward string) ([]*bed, error) {
	var names []string
	if ward == wardOfDevices {
		known := map[string]bool{}
		for _, d := range all.Drivers {
			if d.Simulate != nil && !known[d.Sheet] {
				known[d.Sheet] = true
				names = append(names, d.Name)
			}
		}
	} else {
		names = strings.Split(ward, ",")
	}
	var beds []*bed
	for i, name := range names {
		d, ok := all.Find(name)
		if !ok || d.Simulate == nil {
			return nil, fmt.Errorf("-ward %s: there is no driver %q to be played: want %s, %s, or drivers of `monitorme-edge drivers` with commas between", ward, name, wardOfPatients, wardOfDevices)
		}
		text := settings[d.Name]
		if text != "" {
			var err error
			if d, err = d.Configure([]byte(text)); err != nil {
				return nil, fmt.Errorf("settings of %s: %w", d.Name, err)
			}
		}
		beds = append(beds, &bed{number: i + 1, unit: fmt.Sprintf("devices-%d", i/maxBeds+1), label: d.Name, profile: "stable adult",
			devices: []device{{id: d.Name, driver: d.Name, settings: text, simulate: d.Simulate}}})
	}
	return beds, nil
}
