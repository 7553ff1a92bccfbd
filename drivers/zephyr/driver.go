// Package zephyr is the driver of Zephyr chest belts: BioHarness 3, BioModule
// and BioPatch (heart, breathing, skin temperature, ECG) and the HxM (heart
// rate). docs/devices/zephyr.md describes them.
//
// A BioHarness is told which messages to send and that the host is there;
// nothing else is sent, and nothing that it would keep.
package zephyr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/protocol"
)

// Driver is for belts that must be asked.
var Driver = drivers.Driver{
	Name:       "zephyr",
	Title:      "Zephyr BioHarness chest belts",
	Models:     []string{"BioHarness 3", "BioModule", "BioPatch"},
	Sheet:      "docs/devices/zephyr.md",
	Line:       drivers.Line{Baud: 115200},
	Asks:       true,
	Checked:    true,
	Silence:    5 * time.Second,
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        run,
	Simulate:   simulateHarness,
}

// HxM is for the belt that talks by itself.
var HxM = drivers.Driver{
	Name:       "zephyr-hxm",
	Title:      "Zephyr HxM heart rate belt",
	Models:     []string{"HxM BT"},
	Sheet:      "docs/devices/zephyr.md",
	Line:       drivers.Line{Baud: 115200},
	Checked:    true,
	Silence:    5 * time.Second,
	Codes:      []protocol.Code{protocol.HeartRate, interval, battery, protocol.IdentityModel, protocol.IdentityFirmware},
	NewDecoder: newBelt,
	Run:        drivers.Listen(newBelt),
	Simulate:   simulateHxM,
}

var codes = []protocol.Code{protocol.HeartRate, protocol.RespirationRate, skin, posture, activity, peak, voltage, battery, amplitude, variation, interval, chest, anyECG,
	ours("WAVE_ACCELERATION"), protocol.IdentityModel, protocol.IdentityFirmware}

var unitOf = func() map[protocol.Code]protocol.Unit {
	units := map[protocol.Code]protocol.Unit{}
	for _, c := range codes {
		t, _ := protocol.Lookup(c)
		units[c] = t.Unit
	}
	return units
}()

// Commands.
const (
	setGeneral   = 0x14
	setBreathing = 0x15
	setECG       = 0x16
	setIntervals = 0x19
	setSummary   = 0xBD
	lifeSign     = 0x23
)

var (
	alive = command(lifeSign)
	// begin switches on what is read: the summary each second, breathing wave,
	// ECG and beat intervals.
	begin = [][]byte{command(setSummary, 1, 0), command(setBreathing, 1), command(setECG, 1), command(setIntervals, 1)}
)

func command(id byte, data ...byte) []byte {
	return append(append([]byte{stx, id, byte(len(data))}, data...), checksum.CRC8Maxim(data), etx)
}

const (
	aliveEvery = 4 * time.Second // the belt gives a silent host up after 10 s
	beginAgain = 5 * time.Second // without readings
)

func run(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
	d := makeDecoder()
	sink, _ := port.(drivers.StatsSink)
	stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var aliveNext, beginNext time.Time
	readings := 0
	buf := make([]byte, 2048)
	for {
		now := time.Now()
		var due [][]byte
		if !now.Before(beginNext) {
			due, beginNext = append(due, begin...), now.Add(beginAgain)
		}
		if !now.Before(aliveNext) {
			due, aliveNext = append(due, alive), now.Add(aliveEvery)
		}
		for _, frame := range due {
			if _, err := port.Write(frame); err != nil {
				return fmt.Errorf("ask the belt: %w", err)
			}
		}
		next := aliveNext
		if beginNext.Before(next) {
			next = beginNext
		}
		port.SetReadDeadline(next)
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
		if d.reading != readings {
			readings, beginNext = d.reading, time.Now().Add(beginAgain)
		}
	}
}
