// Package masimo is the driver of Masimo pulse oximeters that send "ASCII 1"
// on their serial output: one line of text a second. docs/devices/masimo.md
// describes the line and says what is made of it. It sends nothing. The
// outputs ASCII 2, IAP and those of bare modules are other protocols.
package masimo

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is for all models with ASCII 1.
var Driver = drivers.Driver{
	Name:       "masimo",
	Title:      "Masimo pulse oximeters, ASCII 1",
	Models:     []string{"Rad-8", "Rad-87", "Radical-7", "Root"},
	Sheet:      "docs/devices/masimo.md",
	Line:       drivers.Line{Baud: 9600},
	Silence:    3 * time.Second,
	Codes:      codes(),
	NewDecoder: newDecoder,
	Run:        drivers.Listen(newDecoder),
	Simulate:   simulate,
}

func codes() []protocol.Code {
	all := []protocol.Code{protocol.SpO2, protocol.PulseRate}
	for _, s := range extras {
		all = append(all, s.code)
	}
	return append(all, protocol.IdentityModel, protocol.IdentitySerial,
		protocol.EventSensorOff, protocol.EventHigh, protocol.EventLow, protocol.EventAlarm)
}
