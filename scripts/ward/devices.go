package main

import (
	"cmp"
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
var settings = map[string]string{
	"diap": `{commands: [{ask: "hr;spo2;rr;t1", values: [{key: hr, code: MDC_ECG_HEART_RATE}, {key: spo2, code: MDC_PULS_OXIM_SAT_O2},
		{key: rr, code: MDC_RESP_RATE}, {key: t1, code: MDC_TEMP}]}]}`,
	"mindray": `{pressure: mmHg, temperature: C, st: mV, co2: mmHg, oxygen: percent, agents: percent}`,
	"openeeg": `{values: [{column: 1, code: MDC_ECG_ELEC_POTL_II, scale: 0.005, offset: -2.56}]}`,
}

// faces are the drivers that show a family better than its first.
var faces = map[string]string{"docs/devices/glucose.md": "dexcom"}

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
				names = append(names, cmp.Or(faces[d.Sheet], d.Name))
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
