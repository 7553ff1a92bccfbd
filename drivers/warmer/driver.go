// Package warmer is the driver of warmers and incubators for newborns that send
// lines of ASCII: GE Giraffe OmniBed, incubator and warmers, Panda warmers,
// Dräger (Air-Shields) Isolette C2000, Ohmeda Ohio warmers. docs/devices/warmer.md describes the
// lines. It sends nothing.
package warmer

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

const sheet = "docs/devices/warmer.md"

var codes = []protocol.Code{skin, air, setting, heater, humidity, oxygen, weight, protocol.SpO2, protocol.PulseRate,
	protocol.IdentityModel, protocol.IdentityFirmware, protocol.EventSensorOff, protocol.EventAlarm}

// Giraffe is for the ThermaLink port of warmers that send every 2 s.
var Giraffe = drivers.Driver{
	Name: "warmer-giraffe", Title: "GE Giraffe and Panda warmers", Models: []string{"Giraffe Warmer", "Panda Warmer"},
	Sheet: sheet, Line: drivers.Line{Baud: 115200}, Silence: 7 * time.Second, Codes: codes,
	NewDecoder: decoderOf(warmers), Run: drivers.Listen(decoderOf(warmers)), Simulate: simulateWarmer(2 * time.Second),
}

// GiraffeOld is for their older firmware, which sends every 15 s.
var GiraffeOld = drivers.Driver{
	Name: "warmer-giraffe-old", Title: "GE Giraffe and Panda warmers, older firmware", Models: []string{"Giraffe Warmer", "Panda Warmer"},
	Sheet: sheet, Experimental: true, Line: drivers.Line{Baud: 9600}, Alternates: []drivers.Line{{Baud: 19200}}, Silence: time.Minute, Codes: codes,
	NewDecoder: decoderOf(warmers), Run: drivers.Listen(decoderOf(warmers)), Simulate: simulateWarmer(15 * time.Second),
}

// OmniBed is for the Giraffe OmniBed and incubator, whose line is known in part.
var OmniBed = drivers.Driver{
	Name: "warmer-omnibed", Title: "GE Giraffe OmniBed and incubator", Models: []string{"Giraffe OmniBed", "Giraffe Incubator"},
	Sheet: sheet, Experimental: true, Line: drivers.Line{Baud: 19200}, Silence: 7 * time.Second, Codes: codes,
	NewDecoder: decoderOf(incubators), Run: drivers.Listen(decoderOf(incubators)), Simulate: simulateOmniBed,
}

// Isolette is for the C2000, whose checksum is not verified.
var Isolette = drivers.Driver{
	Name: "warmer-isolette", Title: "Dräger Isolette C2000", Models: []string{"Isolette C2000"},
	Sheet: sheet, Experimental: true, Line: drivers.Line{Baud: 2400}, Silence: 15 * time.Second, Codes: codes,
	NewDecoder: decoderOf(isolettes), Run: drivers.Listen(decoderOf(isolettes)), Simulate: simulateIsolette,
}

// Ohio is for the old warmers, whose line is known in part, and whose checksum is
// not.
var Ohio = drivers.Driver{
	Name: "warmer-ohio", Title: "Ohmeda Ohio infant warmer", Models: []string{"Ohio Infant Warmer System"},
	Sheet: sheet, Experimental: true, Line: drivers.Line{Baud: 1200, DataBits: 7, Parity: drivers.ParityOdd}, Silence: 15 * time.Second,
	Codes:      []protocol.Code{skin, setting, heater, protocol.IdentityModel, protocol.IdentityFirmware, protocol.EventSensorOff},
	NewDecoder: decoderOf(ohios), Run: drivers.Listen(decoderOf(ohios)), Simulate: simulateOhio,
}
