// Package nellcor is the driver of Nellcor pulse oximeters: the ASCII data port
// of the NPB, N-395 and N-5xx/6xx families, and the older computer format of
// the N-200. docs/devices/nellcor.md describes both. It sends nothing: the
// interactive mode of the data port would stop the stream.
package nellcor

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

var codes = []protocol.Code{protocol.SpO2, protocol.PulseRate, amplitude, protocol.IdentityModel, protocol.IdentityFirmware,
	protocol.EventSensorOff, protocol.EventBatteryLow, protocol.EventHigh, protocol.EventLow, protocol.EventAlarm, noisy}

// Driver is for the ASCII data port: a line every 2 s.
var Driver = drivers.Driver{
	Name:       "nellcor",
	Title:      "Nellcor pulse oximeters, ASCII data port",
	Models:     []string{"NPB-190", "NPB-195", "NPB-290", "NPB-295", "N-395", "N-550", "N-560", "N-595", "N-600x"},
	Sheet:      "docs/devices/nellcor.md",
	Line:       drivers.Line{Baud: 9600},
	Alternates: []drivers.Line{{Baud: 2400}, {Baud: 4800}, {Baud: 19200}},
	Silence:    7 * time.Second,
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        drivers.Listen(newDecoder),
	Simulate:   simulate,
}

// N200 is for the computer format of the N-200: a message every 10 s. Its
// checksum and speed are not public.
var N200 = drivers.Driver{
	Name:         "nellcor-n200",
	Title:        "Nellcor N-200 pulse oximeter, computer format",
	Models:       []string{"N-200"},
	Sheet:        "docs/devices/nellcor.md",
	Experimental: true,
	Line:         drivers.Line{Baud: 9600},
	Alternates:   []drivers.Line{{Baud: 2400}, {Baud: 1200}},
	Silence:      30 * time.Second,
	Codes:        codes,
	NewDecoder:   newN200,
	Run:          drivers.Listen(newN200),
	Simulate:     simulateN200,
}
