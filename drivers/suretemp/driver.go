// Package suretemp is the driver of the Welch Allyn SureTemp Plus thermometer
// module. docs/devices/suretemp.md describes its messages. It asks for the
// serial number and for temperature records and sends nothing else: method,
// probe and messages of the module stay as they are set.
package suretemp

import (
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/protocol"
)

// Driver is for the module, not for the stand-alone SureTemp 690.
var Driver = drivers.Driver{
	Name:       "suretemp",
	Title:      "Welch Allyn SureTemp Plus module",
	Models:     []string{"SureTemp Plus module"},
	Sheet:      "docs/devices/suretemp.md",
	Line:       drivers.Line{Baud: 9600},
	Asks:       true,
	Checked:    true,
	Silence:    5 * time.Second,
	Codes:      []protocol.Code{oral, rectal, axillary, anySite, battery, protocol.IdentityModel, protocol.IdentitySerial, protocol.EventAlarm},
	NewDecoder: func() drivers.Decoder { return makeDecoder() },
	Run:        drivers.Converse(func() drivers.Asker { return makeDecoder() }),
	Simulate:   Device{}.Simulate,
}

const (
	askEvery = time.Second
	// askSerial is how often the serial number is asked for if no answer comes.
	askSerial = 3
)

func appendMessage(b []byte, code uint16, kind byte, data []byte) []byte {
	n := len(b)
	b = append(b, 0x03, 0x02, 0x10, byte(code>>8), byte(code), kind, byte(len(data)), byte(len(data)>>8))
	b = append(b, data...)
	return append(b, checksum.Neg8(b[n:]))
}

// Ask implements drivers.Asker: a record every second, and first the serial
// number.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if d.asked > 0 && now < d.next {
		return b, d.next - now
	}
	d.next = now + askEvery
	d.asked++
	if d.serial == "" && d.asked <= askSerial {
		return appendMessage(b, codeSerial, kindCommand, nil), askEvery
	}
	return appendMessage(b, codeRecord, kindCommand, nil), askEvery
}
