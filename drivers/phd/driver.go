// Package phd is the driver of personal health devices that speak IEEE
// 11073-20601: oximeters, blood pressure cuffs, thermometers, scales, glucose
// meters and others, at a serial line, a socket or a device file that carries
// their APDUs as they are. docs/devices/phd.md describes it.
//
// The driver is the manager: it answers the device's association, lets it send
// its configuration, confirms what it reports, and reads its attributes and its
// memory. It never clears a memory, sets a clock, or starts a measurement.
package phd

import (
	"context"
	"fmt"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/ledger"
	"monitorme/drivers/settings"
	"monitorme/protocol"
)

// Driver reads any device of the family; docs/devices/phd.md lists its settings.
var Driver = func() drivers.Driver {
	d := defaults().driver()
	d.Configure = configure
	d.Fresh = func() drivers.Driver { return defaults().keeping() }
	return d
}()

// keeping gives the driver of one device: what has begun in one Run may end in
// the next, for at a listening port each measurement may be a call.
func (s Settings) keeping() drivers.Driver {
	d, kept := s.driver(), newStanding()
	d.Run = s.run(func() *standing { return kept })
	return d
}

// Settings are the settings of one device.
type Settings struct {
	// Person is the number under which the device keeps this bed's patient. Nil
	// is for a device that serves one person.
	Person *uint16 `yaml:"person"`
	// Silence is how long the device may say nothing.
	Silence time.Duration `yaml:"silence"`
	// Memory tells to read the device's memory.
	Memory bool `yaml:"memory"`
	// History is how old a reading may be.
	History time.Duration `yaml:"history"`
	// Scanners tells to switch on the device's scanners, if it has some.
	Scanners bool `yaml:"scanners"`
}

func defaults() Settings {
	return Settings{Silence: 15 * time.Second, Memory: true, History: history}
}

func configure(text []byte) (drivers.Driver, error) {
	s := defaults()
	if err := settings.Decode(text, &s); err != nil {
		return drivers.Driver{}, err
	}
	if s.Silence < time.Second || s.Silence > maxAge {
		return drivers.Driver{}, fmt.Errorf("silence %v: want 1s to %v", s.Silence, maxAge)
	}
	if s.History < time.Minute || s.History > maxAge {
		return drivers.Driver{}, fmt.Errorf("history %v: want 1m to %v", s.History, maxAge)
	}
	return s.keeping(), nil
}

func (s Settings) driver() drivers.Driver {
	return drivers.Driver{
		Name:       "phd",
		Title:      "IEEE 11073-20601 personal health devices",
		Models:     []string{"Continua pulse oximeters", "blood pressure cuffs", "thermometers", "scales", "glucose meters"},
		Sheet:      "docs/devices/phd.md",
		Line:       drivers.Line{Baud: 115200},
		Alternates: []drivers.Line{{Baud: 9600}, {Baud: 19200}, {Baud: 38400}, {Baud: 57600}},
		Asks:       true,
		Silence:    s.Silence,
		Codes:      codes,
		NewDecoder: func() drivers.Decoder { return newDecoder(&s) },
		Run:        s.run(newStanding),
		Simulate:   Device{}.Simulate,
	}
}

// codes are the usual ones; a device tells itself what it measures.
var codes = []protocol.Code{
	protocol.SpO2, protocol.PulseRate, protocol.Pleth, protocol.PerfusionIndex,
	protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean, protocol.MustCode("MDC_PULS_RATE_NON_INV"),
	protocol.BodyTemperature, protocol.MustCode("MDC_TEMP_ORAL"), protocol.MustCode("MDC_TEMP_AXIL"), protocol.MustCode("MDC_TEMP_TYMP"),
	protocol.MustCode("MDC_MASS_BODY_ACTUAL"), protocol.MustCode("MDC_LEN_BODY_ACTUAL"),
	protocol.Glucose, protocol.MustCode("MDC_CONC_GLU_CAPILLARY_PLASMA"), glucoseTest,
	batteryLevel, protocol.IdentityModel, protocol.IdentitySerial, protocol.IdentityFirmware,
	protocol.EventAlarm, protocol.EventSensorOff, sensorProblem, weakSignal, malfunction, protocol.EventBatteryLow, protocol.MustCode("MDC_EVT_BATT_PROB"),
}

// told is what was told of the devices at each port: a port is opened anew after
// a failure, and the device's memory is read again.
var told ledger.Ports[readingKey]

// run talks to one device, and releases it at the end.
func (s Settings) run(stands func() *standing) func(context.Context, drivers.Port, drivers.Emit) error {
	return func(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
		n := newSession(&s)
		n.agent.seen, n.agent.standing = told.At(port), stands()
		n.agent.standAgain()
		err := drivers.Converse(func() drivers.Asker { return n })(ctx, port, emit)
		if bye := n.farewell(); ctx.Err() != nil && bye != nil {
			port.Write(bye)
		}
		return err
	}
}
