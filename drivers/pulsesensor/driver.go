// Package pulsesensor is the driver of beat-only sensors that send the lines of
// the Pulse Sensor Amped for Arduino: pulse rate. docs/devices/pulsesensor.md
// describes them. It sends nothing, and gives no wave.
package pulsesensor

import (
	"context"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver reads such a sensor.
var Driver = drivers.Driver{
	Name:         "pulsesensor",
	Title:        "Pulse Sensor Amped and other beat-only sensors",
	Models:       []string{"Pulse Sensor Amped"},
	Sheet:        "docs/devices/pulsesensor.md",
	Experimental: true,
	Line:         drivers.Line{Baud: 115200},
	Silence:      5 * time.Second,
	Codes:        []protocol.Code{protocol.PulseRate, protocol.IdentityModel},
	NewDecoder:   func() drivers.Decoder { return makeDecoder() },
	Run:          run,
	Simulate:     Device{}.Simulate,
}

// blankAfter is how long the sensor may talk without a beat before its rate is
// missing.
const blankAfter = 3 * time.Second

// run is drivers.Listen, and says that the rate is missing while the sensor
// talks and finds no beat.
func run(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	d := makeDecoder()
	sink, _ := port.(drivers.StatsSink)
	buf := make([]byte, 4096)
	stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	last := time.Now() // when there was a beat, or it was said that there is none
	for {
		beats, frames := d.beats, d.Stats().Frames
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
		switch {
		case d.beats > beats:
			last = time.Now()
		case d.Stats().Frames > frames && time.Since(last) >= blankAfter:
			emit(noBeat())
			last = time.Now()
		}
	}
}
