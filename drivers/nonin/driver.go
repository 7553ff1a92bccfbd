// Package nonin is the driver of Nonin pulse oximeters: data formats 1, 2, 7, 8
// and 13 and the text output of the table-top models, told apart by what is
// heard. docs/devices/nonin.md describes them and says what is made of them.
//
// It never sends a command, so it changes neither format nor clock of a meter;
// only a spot check is acknowledged, without which the meter sends it again.
package nonin

import (
	"context"
	"fmt"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is for oximeters that send all the time.
var Driver = drivers.Driver{
	Name:       "nonin",
	Title:      "Nonin pulse oximeters",
	Models:     []string{"OEM III", "Xpod 3012", "Onyx II 9560", "WristOx2 3150", "Avant 9600", "Avant 4000", "Avant 4100", "8500", "8600"},
	Sheet:      "docs/devices/nonin.md",
	Line:       drivers.Line{Baud: 9600},
	Alternates: []drivers.Line{{Baud: 9600, StopBits: 2}, {Baud: 9600, Parity: drivers.ParityMark}},
	Silence:    5 * time.Second, // format 8 sends every second and needs up to 2 to be sure again
	Codes: []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.Pleth, protocol.IdentityModel, protocol.IdentityFirmware,
		protocol.EventSensorOff, protocol.EventBatteryLow, protocol.EventAlarm},
	USB:        []string{"1C3D"},
	NewDecoder: newDecoder,
	Run:        run,
	Simulate:   Device{Format: 2}.Simulate,
}

// SpotCheck is for meters that speak only after a measurement (format 13, the
// delivery state of the Onyx II 9560): silence is no fault of theirs.
var SpotCheck = drivers.Driver{
	Name:    "nonin-spot",
	Title:   "Nonin pulse oximeters, spot checks",
	Models:  []string{"Onyx II 9560", "WristOx2 3150"},
	Sheet:   "docs/devices/nonin.md",
	Line:    drivers.Line{Baud: 9600},
	Silence: 24 * time.Hour,
	Codes: []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.IdentityModel,
		protocol.EventSensorOff, protocol.EventBatteryLow},
	USB:        []string{"1C3D"},
	NewDecoder: newDecoder,
	Run:        run,
	Simulate:   Device{Format: 13}.Simulate,
}

// run is drivers.Listen, and acknowledges spot checks once they are emitted.
func run(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	d := makeDecoder()
	sink, _ := port.(drivers.StatsSink)
	buf := make([]byte, 1024)
	stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for answered := 0; ; {
		n, err := port.Read(buf)
		d.Decode(buf[:n], emit)
		if sink != nil {
			sink.ReportStats(d.Stats())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		for ; answered < d.spots; answered++ {
			if _, err := port.Write([]byte{ack}); err != nil {
				return fmt.Errorf("acknowledge a spot check: %w", err)
			}
		}
	}
}
