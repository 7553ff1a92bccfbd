// Package dinamap is the driver of the GE/Critikon Dinamap PRO 1000 in its native
// binary mode, as far as it is known: the ECG wave in steps of unknown size,
// each heartbeat and breath, and whether an alarm sounds. Where the numbers
// stand is not known. docs/devices/dinamap.md describes it. It sends nothing.
package dinamap

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

var wave = protocol.MustCode("MONITORME_WAVE_ECG_OWN_SCALE")

// Driver is for the PRO 1000.
var Driver = drivers.Driver{
	Name:         "dinamap",
	Title:        "GE Dinamap PRO 1000, waveform mode",
	Models:       []string{"Dinamap PRO 1000"},
	Sheet:        "docs/devices/dinamap.md",
	Experimental: true,
	Line:         drivers.Line{Baud: 38400},
	Alternates:   []drivers.Line{{Baud: 19200}, {Baud: 9600}},
	Checked:      true,
	Silence:      3 * time.Second,
	Codes:        []protocol.Code{wave, protocol.HeartRate, protocol.RespirationRate, protocol.EventAlarm},
	NewDecoder:   newDecoder,
	Run:          drivers.Listen(newDecoder),
	Simulate:     simulate,
}
