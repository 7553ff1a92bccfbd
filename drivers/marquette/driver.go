// Package marquette is the driver of GE (Marquette) bedside monitors that
// answer "bedside" requests at a serial port: Dash 3000, 4000 and 5000, Solar
// 8000, Eagle. docs/devices/marquette.md describes requests and answers; what
// is known comes from one open program, so it is experimental.
//
// It asks for the parameter values and sends nothing else. The check of the
// answers is not known: an answer is believed if its form is right and it lists
// the same parameters as the one before.
package marquette

import (
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

// Driver asks as the program does that was used with monitors. Version1 asks
// in another form that was seen, for monitors that do not answer the first.
var (
	Driver   = driver("marquette", "GE Marquette bedside monitors", longRequest())
	Version1 = driver("marquette-v1", "GE Marquette bedside monitors, other form of request", shortRequest())
)

const model = "GE Marquette bedside monitor"

func driver(name, title string, request []byte) drivers.Driver {
	return drivers.Driver{
		Name:         name,
		Title:        title,
		Models:       []string{"Dash 3000", "Dash 4000", "Dash 5000", "Solar 8000", "Eagle"},
		Sheet:        "docs/devices/marquette.md",
		Experimental: true,
		Line:         drivers.Line{Baud: 9600},
		Asks:         true,
		Silence:      10 * time.Second,
		Codes: []protocol.Code{protocol.HeartRate, protocol.RespirationRate, protocol.SpO2, protocol.PulseRate,
			pressure.codes[0], pressure.codes[1], pressure.codes[2], protocol.NIBPMean, protocol.NIBPSystolic, protocol.NIBPDiastolic,
			protocol.IdentityModel, protocol.EventSensorOff, protocol.EventAlarm, eventAlarmOff},
		NewDecoder: func() drivers.Decoder { return makeDecoder(request) },
		Run:        drivers.Converse(func() drivers.Asker { return makeDecoder(request) }),
		Simulate:   Device{}.Simulate,
	}
}

const (
	askEvery = 2 * time.Second
	// lapse is how many requests without an answer make a silence, after which
	// what is there is as new: the box may have told that the monitor is lost.
	lapse = 5
)

// longRequest is a request without check, followed by zeros.
func longRequest() []byte {
	b := make([]byte, 104)
	b[0] = 0x40
	copy(b[functionAt:], requestFunction)
	return b
}

// shortRequest is a request of version 1 with its check, which is known for
// these bytes only.
func shortRequest() []byte {
	b := make([]byte, headerSize+crcSize)
	b[0] = 0x40
	copy(b[functionAt:], requestFunction)
	b[17] = 1 // version
	b[49] = 1
	b[60], b[61] = 0xF4, 0xCC
	return b
}

var requestFunction = []byte{0x00, 0xCA, 0x00, 0x23}

// Ask implements drivers.Asker: the one request, every two seconds.
func (d *decoder) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	if d.asked && now < d.next {
		return b, d.next - now
	}
	d.asked, d.next = true, now+askEvery
	d.unanswered++
	return append(b, d.request...), askEvery
}
