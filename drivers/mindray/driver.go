// Package mindray is the driver of Mindray patient monitors at their network
// interface for realtime results (PDS, HL7 2.3.1 on TCP port 4601): numerics,
// cuff pressures with their time, and the monitor's alarms.
// docs/devices/mindray.md describes it and says what is made of it.
//
// It sends an echo that keeps the connection open and a query of what to send,
// and nothing else. Of the patient that the monitor tells of it keeps only
// whether it is still the same one, and emits nothing. It is for the connection
// of one monitor: values that may be of another bed are refused.
package mindray

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is the driver without settings; Configure tells of a monitor's units.
var Driver = Settings{Validity: required}.driver()

// silence is how long the connection may be silent: the monitor sends an echo
// every second.
const silence = 10 * time.Second

// driver gives the driver with settings that were checked.
func (s Settings) driver() drivers.Driver {
	return drivers.Driver{
		Name:       "mindray",
		Title:      "Mindray patient monitors, realtime results (PDS)",
		Models:     []string{"BeneView T1", "BeneView T5", "BeneView T6", "BeneView T8", "BeneView T9", "iPM", "iMEC", "uMEC", "ePM", "DPM", "Passport"},
		Sheet:      "docs/devices/mindray.md",
		Line:       drivers.Line{Baud: 115200}, // of a recording that is played
		Network:    "tcp://HOST:4601",
		Asks:       true,
		Silence:    silence,
		Codes:      codes,
		Configure:  configure,
		NewDecoder: func() drivers.Decoder { return newDecoder(s) },
		Run:        s.run,
		Simulate:   Device{CuffEvery: 5 * time.Minute}.Simulate,
	}
}

// codes are all that the decoder can emit.
var codes = func() []protocol.Code {
	all := []protocol.Code{protocol.IdentityModel, protocol.EventAlarm}
	for _, p := range parameters {
		all = append(all, p.code)
		if p.percent != 0 {
			all = append(all, p.percent)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}()

// run is drivers.Converse, and ends when the monitor has been silent: a
// connection whose far end is gone must be made anew.
func (s Settings) run(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	w := &watched{Port: port, heard: time.Now()}
	return drivers.Converse(func() drivers.Asker { return newDecoder(s) })(ctx, w, emit)
}

// A watched port fails when nothing has come for long.
type watched struct {
	drivers.Port
	heard time.Time
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Port.Read(p)
	if n > 0 {
		w.heard = time.Now()
	} else if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(w.heard) >= silence {
		return 0, fmt.Errorf("nothing from the monitor for %v: the connection is given up", silence)
	}
	return n, err
}

// ReportStats hands the decoder's counts on.
func (w *watched) ReportStats(st drivers.Stats) {
	if sink, ok := w.Port.(drivers.StatsSink); ok {
		sink.ReportStats(st)
	}
}
