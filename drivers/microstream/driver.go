// Package microstream is the drivers of Oridion (Covidien, Medtronic)
// capnographs that speak the Microstream protocol: the Capnostream 20 monitor
// and the MicroPod and MiniMediCO2 modules. docs/devices/microstream.md
// describes them and says what is made of them.
//
// What they send is a fixed set of requests that switch the output on or read;
// never a limit, a silencing, a zero, a calibration or a restart.
package microstream

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

	eventApnoea      = protocol.MustCode("MDC_EVT_APNEA")
	eventProblem     = protocol.MustCode("MDC_EVT_SENSOR_PROB")
	eventMalfunction = protocol.MustCode("MDC_EVT_MALF")
)

const sheet = "docs/devices/microstream.md"

// Driver is for the monitor.
var Driver = drivers.Driver{
	Name:    "microstream",
	Title:   "Capnostream 20 capnograph",
	Models:  []string{"Capnostream 20", "Capnostream 20p"},
	Sheet:   sheet,
	Line:    drivers.Line{Baud: 115200},
	Asks:    true,
	Silence: 5 * time.Second,
	Checked: true,
	Codes: []protocol.Code{etCO2, fiCO2, rateCO2, protocol.SpO2, protocol.PulseRate, waveCO2, protocol.IdentityModel, protocol.IdentityFirmware,
		protocol.EventSensorOff, protocol.EventHigh, protocol.EventLow, protocol.EventAlarm, eventApnoea, eventProblem, eventMalfunction},
	NewDecoder: func() drivers.Decoder { return newMonitor() },
	Run:        drivers.Converse(func() drivers.Asker { return newMonitor() }),
	Simulate:   simulateMonitor,
}

// Module is for the modules.
var Module = drivers.Driver{
	Name:       "microstream-module",
	Title:      "MicroPod and MiniMediCO2 capnography modules",
	Models:     []string{"MicroPod", "MiniMediCO2", "MicroMediCO2"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 9600},
	Alternates: []drivers.Line{{Baud: 19200}},
	Asks:       true,
	Silence:    10 * time.Second,
	Checked:    true,
	Codes: []protocol.Code{etCO2, fiCO2, rateCO2, waveCO2, protocol.IdentityModel, protocol.IdentityFirmware,
		protocol.EventSensorOff, protocol.EventAlarm, eventProblem, eventMalfunction},
	NewDecoder: func() drivers.Decoder { return newModule() },
	Run:        drivers.Converse(func() drivers.Asker { return newModule() }),
	Simulate:   simulateModule,
}
