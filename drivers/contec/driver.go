// Package contec is the driver of Contec CMS50 oximeters: of the second
// generation ("V7.0", 115200 baud), which stream only while they are told to
// (docs/devices/contec.md), and of the first, whose packets of five bytes Berry
// and others use too (docs/devices/berry.md).
//
// What is sent, to the second generation only, is fixed: start, keep-alive,
// identify, and what ends a transfer that another program left behind. Clock,
// users and memory are left alone.
package contec

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver is for the models with the 115200 baud protocol.
var Driver = drivers.Driver{
	Name:    "contec",
	Title:   "Contec CMS50 pulse oximeters, second generation",
	Models:  []string{"CMS50D+ (firmware 4 and later)", "CMS50E", "CMS50EW", "CMS50F", "CMS50I"},
	Sheet:   "docs/devices/contec.md",
	Line:    drivers.Line{Baud: 115200},
	Asks:    true,
	Silence: 5 * time.Second,
	Codes: []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.PerfusionIndex, protocol.Pleth, protocol.IdentityModel,
		protocol.EventSensorOff, protocol.EventLow, protocol.EventAlarm},
	NewDecoder: newDecoder,
	Run:        drivers.Converse(func() drivers.Asker { return makeDecoder() }),
	Simulate:   Device{}.Simulate,
}

// First is for the first generation of Contec, which talks by itself.
var First = drivers.Driver{
	Name:       "contec-first",
	Title:      "Contec CMS50 pulse oximeters, first generation",
	Models:     []string{"CMS50C", "CMS50D+ (before firmware 4)", "CMS50E (early)"},
	Sheet:      "docs/devices/berry.md",
	Line:       drivers.Line{Baud: 19200, Parity: drivers.ParityOdd},
	Alternates: []drivers.Line{{Baud: 4800, Parity: drivers.ParityOdd}},
	Silence:    3 * time.Second,
	Codes:      []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.Pleth, protocol.EventSensorOff, protocol.EventLow},
	NewDecoder: newFirst,
	Run:        drivers.Listen(newFirst),
	Simulate:   simulateFive(60, 0x00),
}

// Berry is for Berry oximeters and others with the same packets.
var Berry = drivers.Driver{
	Name:       "berry",
	Title:      "Berry pulse oximeters (BCI protocol)",
	Models:     []string{"BM1000", "BM1000 clones"},
	Sheet:      "docs/devices/berry.md",
	Line:       drivers.Line{Baud: 115200},
	Alternates: []drivers.Line{{Baud: 9600}, {Baud: 4800, Parity: drivers.ParityEven}},
	Silence:    3 * time.Second,
	Codes:      []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.Pleth, protocol.EventSensorOff},
	NewDecoder: newBerry,
	Run:        drivers.Listen(newBerry),
	Simulate:   simulateFive(100, 0x20),
}

// Commands to the device. Packets of type 7D, unused arguments 80.
const (
	cmdHello     = 0xA0 // CMS50EW likes it after A7 and A2
	cmdStart     = 0xA1
	cmdStop      = 0xA2
	cmdStopStore = 0xA7
	cmdIdentify  = 0xAA
	cmdAlive     = 0xAF
)

func appendCommand(b []byte, commands ...byte) []byte {
	for _, c := range commands {
		b = append(b, 0x7D, 0x81, c, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80)
	}
	return b
}

const (
	aliveEvery = 5 * time.Second
	startAgain = 2 * time.Second
)

// A dialogue is what the driver remembers of what it has sent.
type dialogue struct {
	starts   int
	started  time.Duration // when start was last sent
	alive    time.Duration // when start or keep-alive was last sent
	heard    time.Duration // when the stream was last seen
	streamed bool          // since the last Ask
}

// Ask implements drivers.Asker: start, again if no packet came for 2 s, and a
// keep-alive every 5 s.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	q := &d.dialogue
	if q.streamed {
		q.heard, q.streamed = now, false
	}
	silent := now - max(q.heard, q.started)
	switch {
	case q.starts == 0 || silent >= startAgain:
		if q.starts%2 == 1 {
			b = appendCommand(b, cmdStopStore, cmdStop, cmdHello)
		}
		b = appendCommand(b, cmdIdentify, cmdStart)
		q.starts++
		q.started, q.alive, silent = now, now, 0
	case now-q.alive >= aliveEvery:
		b = appendCommand(b, cmdAlive)
		q.alive = now
	}
	return b, min(startAgain-silent, aliveEvery-(now-q.alive))
}
