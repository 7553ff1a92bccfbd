// Package medibus is the driver of Dräger ventilators, anaesthesia machines and
// incubators that speak MEDIBUS or MEDIBUS.X: measured values, settings, mode,
// alarms and curves. docs/devices/draeger-medibus.md describes it.
//
// The protocol has no command that sets anything at the device but what it
// sends. Run asks, answers what it is asked, and says goodbye, for a host that
// falls silent raises an alarm at the device.
package medibus

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

// Driver is the driver; which of the two languages is spoken the device says.
var Driver = drivers.Driver{
	Name:  "medibus",
	Title: "Dräger ventilators and anaesthesia machines, MEDIBUS and MEDIBUS.X",
	Models: []string{"Evita", "Evita 2", "Evita 2 dura", "Evita 4", "EvitaXL", "Savina", "Capnosat", "Evita V300", "Evita V500", "Evita V600", "Evita V800",
		"Babylog VN500", "Babylog VN600", "Babylog VN800", "Savina 300", "Carina", "Oxylog 3000 plus", "Perseus A500", "Zeus IE", "Primus", "Apollo", "Atlan", "Fabius", "Babyleo", "Isolette 8000 plus"},
	Sheet: "docs/devices/draeger-medibus.md",
	Line:  drivers.Line{Baud: 19200, Parity: drivers.ParityEven},
	Alternates: []drivers.Line{{Baud: 19200}, {Baud: 38400}, {Baud: 9600, Parity: drivers.ParityEven},
		{Baud: 9600}, {Baud: 38400, Parity: drivers.ParityEven}},
	Asks:       true,
	Checked:    true,
	Silence:    10 * time.Second,
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        runDriver,
	Simulate:   Device{}.Simulate,
}

func runDriver(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	d := makeDecoder()
	s := newSession(d, time.Now())
	d.heard = func(start, code byte) { s.heard(start, code, time.Now()) }
	d.slow.bad = func(start byte) { s.broken(start, time.Now()) }
	stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := loop(ctx, port, d, s, emit)
	if ctx.Err() != nil && s.state > stateInit { // else the device would give an alarm
		if s.enable != nil {
			port.Write(stopCurves)
		}
		port.Write(stopAll)
	}
	return err
}

func loop(ctx context.Context, port drivers.Port, d *decoder, s *session, emit drivers.Emit) error {
	sink, _ := port.(drivers.StatsSink)
	buf := make([]byte, 4096)
	for {
		now := time.Now()
		s.tick(now)
		for _, frame := range s.out {
			if _, err := port.Write(frame); err != nil {
				return fmt.Errorf("ask the device: %w", err)
			}
		}
		s.out = s.out[:0]
		port.SetReadDeadline(s.wake(now))
		if ctx.Err() != nil { // its deadline may have been set before ours
			return ctx.Err()
		}
		n, err := port.Read(buf)
		d.Decode(buf[:n], emit)
		if sink != nil {
			sink.ReportStats(d.Stats())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// codes are all that the decoder can emit.
var codes = func() []protocol.Code {
	all := []protocol.Code{protocol.IdentityModel, protocol.IdentityFirmware, protocol.EventAlarm, mode}
	for _, t := range [][]measure{both, legacy, extended} {
		for _, m := range t {
			all = append(all, m.to)
		}
	}
	for _, w := range waveTerms {
		all = append(all, w.code)
	}
	slices.Sort(all)
	return slices.Compact(all)
}()

// unitOf are the units of the terms.
var unitOf = func() map[protocol.Code]protocol.Unit {
	units := map[protocol.Code]protocol.Unit{}
	for _, c := range codes {
		t, _ := protocol.Lookup(c)
		units[c] = t.Unit
	}
	return units
}()
