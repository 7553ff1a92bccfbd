// Package tosca is the driver of the Radiometer TOSCA 500: carbon dioxide
// through the skin, oxygen saturation and pulse. docs/devices/tosca.md describes
// it. It sends one question and nothing else.
package tosca

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver asks every two seconds.
var Driver = drivers.Driver{
	Name:         "tosca",
	Title:        "Radiometer TOSCA 500 transcutaneous monitor",
	Models:       []string{"TOSCA 500"},
	Sheet:        "docs/devices/tosca.md",
	Experimental: true,
	Line:         drivers.Line{Baud: 9600},
	Asks:         true,
	Silence:      10 * time.Second,
	Codes:        []protocol.Code{carbon, protocol.SpO2, protocol.PulseRate, protocol.IdentityModel, protocol.EventAlarm},
	NewDecoder:   func() drivers.Decoder { return makeDecoder() },
	Run:          drivers.Converse(func() drivers.Asker { return makeDecoder() }),
	Simulate:     Device{}.Simulate,
}

const (
	question = "\r\n02$"
	askEvery = 2 * time.Second
)

// Ask implements drivers.Asker: the one question, every two seconds.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if d.asked && now < d.next {
		return b, d.next - now
	}
	d.asked, d.next = true, now+askEvery
	return append(b, question...), askEvery
}
