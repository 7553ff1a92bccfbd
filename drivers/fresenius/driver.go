// Package fresenius is the driver of Fresenius infusion pumps: Base A,
// Orchestra and Base Primea with their modules, and one pump that stands alone.
// It reads rate, volume, bolus, drug, state, alarms and which modules there are.
// docs/devices/fresenius.md describes it.
//
// The protocol can also control a pump. This driver can not: what it writes are
// the constant messages of the table in session.go with an address of one digit,
// and the answers that the link demands.
package fresenius

import (
	"context"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is the driver; whether there is a base it finds out.
var Driver = drivers.Driver{
	Name:         "fresenius",
	Title:        "Fresenius infusion pumps and bases",
	Models:       []string{"Base A", "Orchestra", "Base Primea", "Pilot", "Optima"},
	Sheet:        "docs/devices/fresenius.md",
	Experimental: true,
	Line:         drivers.Line{Baud: 19200, DataBits: 7, Parity: drivers.ParityEven},
	Asks:         true,
	Checked:      true,
	Silence:      10 * time.Second,
	Codes: []protocol.Code{rate, infused, bolusRate, bolus, drug, state,
		protocol.IdentityModel, protocol.EventAlarm, malfunction, absent, notRead},
	NewDecoder: newDecoder,
	Run:        run,
	Simulate:   Device{}.Simulate,
}

func run(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	s := newSession()
	err := drivers.Converse(func() drivers.Asker { return s })(ctx, port, emit)
	if b := s.goodbye(nil); ctx.Err() != nil && len(b) > 0 { // else the pump waits for us
		port.Write(b)
	}
	return err
}
