// Package hl7 is the driver of monitors and gateways that send results as
// HL7 version 2 messages: ORU^R01, as in IHE PCD-01, and alarms as ORU^R40, as
// in IHE PCD-04, by MLLP on TCP or a serial line. docs/devices/hl7.md describes
// what is read and what settings say.
//
// It acknowledges, and sends nothing else. It reads the results of one bed:
// those of another bed or patient on the same connection are dropped, counted
// and told of. What identifies a patient stays inside, as a hash in memory.
package hl7

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// Driver binds itself to the first bed it hears, unless settings name one.
var Driver = func() drivers.Driver {
	d := mustCompile(defaults()).driver()
	d.Fresh = func() drivers.Driver { return mustCompile(defaults()).keeping(newMemory()) }
	d.Configure = configure
	return d
}()

func configure(text []byte) (drivers.Driver, error) {
	p, err := parseSettings(text)
	if err != nil {
		return drivers.Driver{}, err
	}
	return p.keeping(newMemory()), nil
}

// keeping gives the driver of one device: one memory for all its Runs.
func (p *plan) keeping(m *memory) drivers.Driver {
	d := p.driver()
	d.Run = p.run(func() *memory { return m })
	return d
}

// driver gives the driver of a plan. Each Run and decoder has its own memory.
func (p *plan) driver() drivers.Driver {
	return drivers.Driver{
		Name:  "hl7",
		Title: "Monitors and gateways that send HL7 v2 results",
		Models: []string{"any sender of IHE PCD-01 and PCD-04", "Mindray BeneVision and ePM, PCD-01", "Comen and Northern, HL7",
			"Philips Efficia CM, SureSigns VM and VS, HL7"},
		Sheet:      "docs/devices/hl7.md",
		Line:       drivers.Line{Baud: 115200},
		Network:    "listen://ADDR:PORT?from=MONITOR",
		Alternates: []drivers.Line{{Baud: 9600}, {Baud: 19200}, {Baud: 38400}, {Baud: 57600}},
		Silence:    p.Silence,
		Codes:      p.codes(),
		NewDecoder: func() drivers.Decoder { return p.newDecoder(newMemory()) },
		Run:        p.run(newMemory),
		Simulate:   Device{}.Simulate,
	}
}

// codes are those that are usual; a message says what it measures.
func (p *plan) codes() []protocol.Code {
	all := []protocol.Code{ecgWave, protocol.Pleth, protocol.RespirationWave, protocol.IdentityModel, protocol.IdentitySerial,
		protocol.EventAlarm, protocol.EventHigh, protocol.EventLow, eventAlarmOff, eventOtherBed, eventOtherPatient, eventNotRead}
	for _, s := range signs {
		all = append(all, s.code)
	}
	for _, m := range p.mapped {
		all = append(all, m.code)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// run is drivers.Listen, and acknowledges what it has emitted.
func (p *plan) run(remembered func() *memory) func(context.Context, drivers.Port, drivers.Emit) error {
	return func(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
		m := remembered()
		d := p.newDecoder(m)
		d.answering = true
		sink, _ := port.(drivers.StatsSink)
		buf := make([]byte, 16<<10)
		stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		for {
			n, err := port.Read(buf)
			d.now, d.arrived = time.Now().In(p.zone), time.Since(m.born)
			d.Decode(buf[:n], emit)
			if sink != nil {
				sink.ReportStats(d.Stats())
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if len(d.answers) > 0 {
				if _, werr := port.Write(d.answers); werr != nil && err == nil && !gone(werr) {
					return fmt.Errorf("acknowledge: %w", werr)
				}
				d.answers = d.answers[:0]
			}
			if err != nil {
				return err
			}
		}
	}
}

// gone tells whether the sender has hung up without waiting for the answer, as
// some do that call anew for each message: that is no fault of the port, whose
// next Read says it.
func gone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// maxMessage is the longest message that is read.
const maxMessage = hl7v2.DefaultMax
