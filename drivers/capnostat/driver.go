// Package capnostat is the driver of Respironics (Novametrix) Capnostat 5 and
// LoFlo CO2 modules. docs/devices/capnostat.md describes them and says what is
// made of them.
//
// What it sends is the start of the continuous wave and questions about unit
// and serial number; never a zero, a reset, or a setting.
package capnostat

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

var (
	etCO2   = protocol.MustCode("MDC_AWAY_CO2_ET")
	fiCO2   = protocol.MustCode("MDC_CONC_AWAY_CO2_INSP")
	rateCO2 = protocol.MustCode("MDC_CO2_RESP_RATE")
	waveCO2 = protocol.MustCode("MDC_AWAY_CO2")

	eventApnoea  = protocol.MustCode("MDC_EVT_APNEA")
	eventProblem = protocol.MustCode("MDC_EVT_SENSOR_PROB")
)

// Driver is for all modules with this protocol.
var Driver = drivers.Driver{
	Name:    "capnostat",
	Title:   "Capnostat 5 and LoFlo CO2 modules",
	Models:  []string{"Capnostat 5", "LoFlo", "CapnoEasy"},
	Sheet:   "docs/devices/capnostat.md",
	Line:    drivers.Line{Baud: 19200},
	Asks:    true,
	Silence: 5 * time.Second, // not Checked: a check of seven bits on short packets proves little
	Codes: []protocol.Code{etCO2, fiCO2, rateCO2, waveCO2, protocol.IdentityModel, protocol.IdentitySerial,
		protocol.EventSensorOff, eventApnoea, eventProblem},
	NewDecoder: func() drivers.Decoder { return newDecoder() },
	Run:        drivers.Converse(func() drivers.Asker { return newDecoder() }),
	Simulate:   simulate,
}
