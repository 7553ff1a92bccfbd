// Package intellivue is the driver of Philips IntelliVue patient monitors at
// their data export interface: numerics, waves and alarms, over a serial line
// or the network. docs/devices/intellivue.md describes it.
//
// It associates with the monitor, asks it to stream and keeps the association
// alive. It sends nothing that the monitor would act on beyond exporting; of
// patient demographics it asks none.
package intellivue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is for monitors at a serial line of 115200 baud, with waves.
var Driver = drivers.Driver{
	Name:       "intellivue",
	Title:      "Philips IntelliVue monitors, serial",
	Models:     models,
	Sheet:      "docs/devices/intellivue.md",
	Line:       drivers.Line{Baud: 115200},
	Asks:       true,
	Checked:    true,
	Silence:    10 * time.Second,
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        runner(false, true),
	Simulate:   Device{}.Simulate,
}

// Numerics is for monitors whose line is too slow for waves: 19200 baud.
var Numerics = drivers.Driver{
	Name:       "intellivue-numerics",
	Title:      "Philips IntelliVue monitors, serial, without waves",
	Models:     models,
	Sheet:      "docs/devices/intellivue.md",
	Line:       drivers.Line{Baud: 19200},
	Alternates: []drivers.Line{{Baud: 115200}},
	Asks:       true,
	Checked:    true,
	Silence:    10 * time.Second,
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        runner(false, false),
	Simulate:   Device{}.Simulate,
}

// Network is for monitors at the network: a port udp://HOST:24105.
var Network = drivers.Driver{
	Name:       "intellivue-network",
	Title:      "Philips IntelliVue monitors, network",
	Models:     models,
	Sheet:      "docs/devices/intellivue.md",
	Line:       drivers.Line{Baud: 115200}, // of a recording that is played
	Network:    "udp://HOST:24105",
	Asks:       true,
	Silence:    10 * time.Second,
	Codes:      codes,
	NewDecoder: newNetworkDecoder,
	Run:        runner(true, true),
	Simulate:   Device{Network: true, MTU: 1456}.Simulate,
}

var models = []string{"X2", "X3", "MP2", "MP5", "MP20", "MP30", "MP40", "MP50", "MP60", "MP70", "MP80", "MP90",
	"MX100", "MX400", "MX450", "MX500", "MX550", "MX600", "MX700", "MX800", "MX850"}

// codes are the usual ones; a monitor exports whatever is plugged into it.
var codes = []protocol.Code{
	protocol.HeartRate, protocol.SpO2, protocol.PulseRate, protocol.PerfusionIndex,
	protocol.NIBPSystolic, protocol.NIBPDiastolic, protocol.NIBPMean,
	protocol.ABPSystolic, protocol.ABPDiastolic, protocol.ABPMean,
	protocol.RespirationRate, protocol.MustCode("MDC_TEMP_CORE"),
	protocol.IdentityModel, protocol.IdentitySerial, protocol.IdentityFirmware,
	protocol.MustCode("MDC_ECG_ELEC_POTL_I"), protocol.ECGLeadII, protocol.ECGLeadV, protocol.Pleth, protocol.RespirationWave, breathing, protocol.ABPWave,
	protocol.EventAlarm, protocol.EventHigh, protocol.EventLow, protocol.EventLeadsOff, protocol.EventSensorOff,
	protocol.MustCode("MDC_EVT_APNEA"), protocol.MustCode("MDC_EVT_ECG_ASYSTOLE"), protocol.MustCode("MDC_EVT_DESAT"), eventAlarmOff,
}

// runner makes the run loop for a kind of line, with or without waves.
func runner(network, waves bool) func(context.Context, drivers.Port, drivers.Emit) error {
	return func(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
		r := &run{port: port, network: network, session: newSession(waves), decoder: makeDecoder(network)}
		stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		err := r.loop(ctx, emit)
		if bye := r.session.farewell(); ctx.Err() != nil && bye != nil {
			r.write(bye) // so that the monitor is free for the next association
		}
		return err
	}
}

// maxBlind is how many values are dropped, for want of what describes them,
// before the monitor is asked for the streams anew.
const maxBlind = 100

// A run is one run of the driver.
type run struct {
	port    drivers.Port
	network bool
	session *session
	decoder *decoder
	out     []byte
}

func (r *run) loop(ctx context.Context, emit drivers.Emit) error {
	sink, _ := r.port.(drivers.StatsSink)
	buf := make([]byte, 4096) // more than a datagram of the monitor
	r.decoder.heard = func(pdu []byte) { r.session.heard(pdu, time.Now()) }
	for {
		if err := r.speak(); err != nil {
			return err
		}
		r.port.SetReadDeadline(r.session.wake())
		if ctx.Err() != nil { // its deadline may have been set before ours
			return ctx.Err()
		}
		n, err := r.port.Read(buf)
		r.decoder.Decode(buf[:n], emit)
		if blind := &r.decoder.monitor.blind; *blind > maxBlind {
			*blind = 0
			r.session.again(time.Now())
		}
		if sink != nil {
			sink.ReportStats(r.decoder.Stats())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// speak writes what is due.
func (r *run) speak() error {
	now := time.Now()
	r.session.tick(now)
	if pdu := r.session.toSend(now); pdu != nil {
		return r.write(pdu)
	}
	return nil
}

func (r *run) write(pdu []byte) error {
	if r.out = append(r.out[:0], pdu...); !r.network {
		r.out = appendFrame(r.out[:0], pdu)
	}
	if _, err := r.port.Write(r.out); err != nil {
		return fmt.Errorf("ask the monitor: %w", err)
	}
	return nil
}
