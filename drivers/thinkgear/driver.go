// Package thinkgear is the driver of NeuroSky chips: the BMD101 in ECG modules,
// with heart rate and wave, and those in EEG headsets as the MindWave. Which it
// is, is told by what is heard. docs/devices/thinkgear.md describes the packets.
//
// It sends nothing. Sleep is not derived from attention.
package thinkgear

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is for both kinds.
var Driver = drivers.Driver{
	Name:         "thinkgear",
	Title:        "NeuroSky ThinkGear: ECG modules, EEG headsets",
	Models:       []string{"BMD101", "TGAM", "MindWave", "MindWave Mobile"},
	Sheet:        "docs/devices/thinkgear.md",
	Experimental: true, // how the BMD101 tells that its electrodes are off
	Line:         drivers.Line{Baud: 57600},
	Alternates:   []drivers.Line{{Baud: 115200}},
	Silence:      5 * time.Second,
	Codes: []protocol.Code{protocol.HeartRate, ecgWave, attention, meditation, eegWave,
		protocol.IdentityModel, protocol.EventLeadsOff},
	Checked:    true,
	NewDecoder: newDecoder,
	Run:        drivers.Listen(newDecoder),
	Simulate:   Device{}.Simulate,
}
