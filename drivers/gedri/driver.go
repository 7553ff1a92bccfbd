// Package gedri is the driver of GE / Datex-Ohmeda monitors at their computer
// interface (DRI): displayed values and trends, waves and alarm texts.
// docs/devices/ge-dri.md describes it.
//
// It asks the monitor to send, and to stop when it ends; the interface has no
// command that changes a setting of the monitor.
package gedri

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

// Driver is for all monitors, at the speed that all of them have.
var Driver = drivers.Driver{
	Name:       "gedri",
	Title:      "GE / Datex-Ohmeda S/5 and CARESCAPE monitors",
	Models:     []string{"AS/3", "CS/3", "S/5", "S/5 FM", "S/5 Light", "Cardiocap/5", "B20", "B30", "B40", "B105", "B125", "CARESCAPE B450", "CARESCAPE B650", "CARESCAPE B850"},
	Sheet:      "docs/devices/ge-dri.md",
	Line:       drivers.Line{Baud: 19200, Parity: drivers.ParityEven},
	Asks:       true,
	Checked:    true,
	Silence:    15 * time.Second, // three intervals
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        runner(someWaves),
	Simulate:   Device{}.Simulate,
}

// Fast is for CARESCAPE monitors from software 3 whose line is set to 115200.
var Fast = drivers.Driver{
	Name:       "gedri-fast",
	Title:      "GE CARESCAPE monitors at 115200 baud",
	Models:     []string{"CARESCAPE B450", "CARESCAPE B650", "CARESCAPE B850"},
	Sheet:      "docs/devices/ge-dri.md",
	Line:       drivers.Line{Baud: 115200, Parity: drivers.ParityEven},
	Asks:       true,
	Checked:    true,
	Silence:    15 * time.Second,
	Codes:      codes,
	NewDecoder: newDecoder,
	Run:        runner(allWaves),
	Simulate:   Device{Fast: true}.Simulate,
}

// The waves asked for, the most wanted first: at 19200 baud a monitor sends at
// most 600 samples a second and leaves out what does not fit.
var (
	someWaves = []byte{1, 8, 4, 15, 9, 13, 14}
	allWaves  = []byte{1, 8, 4, 15, 9, 13, 14, 2, 3, 5, 6, 7, 16, 17, 10, 23, 38, 18, 19, 32, 35, 36, 37}
)

const (
	interval = 5 // s between displayed values: the least documented
	askAgain = 2*interval*time.Second + 3*time.Second
	alarming = 10 // DRI level from which a monitor tells its alarms
)

var (
	stopWaves  = waveRequest(nil)
	askValues  = valueRequest(displayed, interval)
	stopValues = valueRequest(displayed, 0)
	askAux     = valueRequest(auxiliary, -1)
	askAlarms  = alarmRequest(2)
	stopAlarms = alarmRequest(3)
)

// runner makes the run loop that asks for these waves.
func runner(waves []byte) func(context.Context, drivers.Port, drivers.Emit) error {
	askWaves := waveRequest(waves)
	return func(ctx context.Context, port drivers.Port, emit drivers.Emit) error {
		r := &run{port: port, decoder: makeDecoder(), askWaves: askWaves}
		stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		err := r.loop(ctx, emit)
		if ctx.Err() != nil { // the line is free for the next host
			for _, q := range [][]byte{stopAlarms, stopValues, stopWaves} {
				port.Write(q)
			}
		}
		return err
	}
}

// A run is one run of the driver.
type run struct {
	port     drivers.Port
	decoder  *decoder
	askWaves []byte

	frames   uint64 // valid ones so far
	waves    int
	alarming bool
	again    time.Time // when to ask for values if nothing comes
	waveNext time.Time // when to ask for waves if none come
}

func (r *run) loop(ctx context.Context, emit drivers.Emit) error {
	sink, _ := r.port.(drivers.StatsSink)
	buf := make([]byte, 4096)
	for {
		if err := r.ask(time.Now()); err != nil {
			return err
		}
		r.port.SetReadDeadline(earlier(r.again, r.waveNext))
		if ctx.Err() != nil { // its deadline may have been set before ours
			return ctx.Err()
		}
		n, err := r.port.Read(buf)
		r.decoder.Decode(buf[:n], emit)
		if sink != nil {
			sink.ReportStats(r.decoder.Stats())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		r.heard(time.Now())
	}
}

// heard puts off asking again. A monitor that is told to stop by its CTS line
// stops waves for good but goes on with values, so each has its own time.
func (r *run) heard(now time.Time) {
	if n := r.decoder.Stats().Frames; n != r.frames {
		r.frames, r.again = n, now.Add(askAgain)
	}
	if r.decoder.waves != r.waves {
		r.waves, r.waveNext = r.decoder.waves, now.Add(askAgain)
	}
}

func (r *run) ask(now time.Time) error {
	var questions [][]byte
	switch {
	case !now.Before(r.again): // the first time, or the monitor was off
		questions = [][]byte{stopWaves, askAux, askValues, r.askWaves}
		r.again, r.waveNext, r.alarming = now.Add(askAgain), now.Add(askAgain), false
	case !now.Before(r.waveNext):
		questions = [][]byte{r.askWaves}
		r.waveNext = now.Add(askAgain)
	}
	if !r.alarming && r.decoder.level >= alarming && r.frames > 0 {
		r.alarming = true
		questions = append(questions, askAlarms)
	}
	for _, q := range questions {
		if _, err := r.port.Write(q); err != nil {
			return fmt.Errorf("ask the monitor: %w", err)
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// request is a record to the monitor with one subrecord.
func request(kind byte, sub []byte) []byte {
	r := make([]byte, headerSize, headerSize+len(sub))
	r[0] = byte(headerSize + len(sub))
	r[14] = kind
	r[21] = 0xFF // the list has one subrecord: of type 0, a request
	return appendFrame(nil, append(r, sub...))
}

// allClasses asks for the basic class and all extensions.
const allClasses = 0x0E

func valueRequest(kind byte, seconds int16) []byte {
	return request(mainValues, []byte{kind, byte(seconds), byte(seconds >> 8), allClasses, 0, 0, 0, 0, 0})
}

// waveRequest starts these waves, or stops all if there are none.
func waveRequest(types []byte) []byte {
	sub := make([]byte, 32)
	copy(sub[4:28], append(slices.Clone(types), 0xFF))
	if len(types) == 0 {
		sub[0] = 1
	}
	return request(mainWaves, sub)
}

func alarmRequest(command byte) []byte {
	return request(mainAlarms, []byte{command, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
}

// codes are all that the decoder can emit.
var codes = func() []protocol.Code {
	all := []protocol.Code{protocol.IdentityModel, protocol.EventAlarm, mdc("SAT_O2_VEN")}
	for _, g := range groups {
		for _, f := range g.fields {
			all = append(all, f.code)
		}
		for _, s := range g.states {
			all = append(all, s.code)
		}
	}
	for _, e := range [][]field{cuffFields, outputFields, continuousFields, wedgeFields} {
		for _, f := range e {
			all = append(all, f.code)
		}
	}
	for _, s := range sites {
		all = append(all, s.code, s.code+1, s.code+2, s.code+3)
	}
	for _, s := range temperatures {
		all = append(all, s.code)
	}
	for _, a := range agents {
		all = append(all, a[0], a[1])
	}
	for _, w := range waveTypes {
		all = append(all, w.code)
	}
	all = append(append(all, segmentOf[:]...), ecgWaveOf[:]...)
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(c protocol.Code) bool { return c == 0 })
}()
