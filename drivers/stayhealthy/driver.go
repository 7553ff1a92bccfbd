// Package stayhealthy is StayHealthy's own open sensor protocol: framed,
// checksummed twice, numbered, and self-describing, for single sensors and for
// hubs that carry all eight vital signs. docs/devices/stayhealthy.md describes
// it so that anybody can build a sensor.
//
// Every frame stands for itself: a box that attaches in the middle shows
// values at once. What the driver adds to what the device says: events for
// lost frames, for a restarted device and for an unknown version.
package stayhealthy

import (
	"context"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is the driver; it simulates Hub.
var Driver = drivers.Driver{
	Name:    "stayhealthy",
	Title:   "StayHealthy sensors",
	Models:  []string{"StayHealthy Hub", "StayHealthy Heart", "StayHealthy Oxygen", "StayHealthy Cuff", "StayHealthy Thermo", "StayHealthy Glucose", "StayHealthy Sleep"},
	Sheet:   "docs/devices/stayhealthy.md",
	Line:    drivers.Line{Baud: 115200},
	Silence: 3 * time.Second, // three status frames
	Checked: true,
	Codes: []protocol.Code{
		protocol.HeartRate, protocol.ECGLeadII, protocol.SpO2, protocol.PulseRate, protocol.Pleth,
		protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean,
		protocol.RespirationRate, protocol.RespirationWave, protocol.BodyTemperature, protocol.Glucose, protocol.SleepStatus,
		protocol.IdentityModel, protocol.IdentitySerial, protocol.IdentityFirmware,
		protocol.EventAlarm, protocol.EventSensorOff, protocol.EventLeadsOff, protocol.EventBatteryLow,
	},
	NewDecoder: newDecoder,
	Run:        drivers.Listen(newDecoder),
	Simulate: func(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
		return Hub.Simulate(ctx, wire, patient)
	},
}
