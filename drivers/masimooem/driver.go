// Package masimooem is the drivers of Masimo's binary protocols: the SET board
// that other makers build into their devices, and the data port (IAP) of Root
// and Radical-7. docs/devices/masimo-oem.md describes them, says what is made
// of them, and what of them is not known for sure.
//
// To the board nothing is sent. The data port is told that the host is there,
// and asked for its revision and for numbers; there is no function here that
// could build another command.
package masimooem

import (
	"time"

	"monitorme/drivers"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const sheet = "docs/devices/masimo-oem.md"

var (
	haemoglobin   = protocol.MustCode("MONITORME_TOTAL_HAEMOGLOBIN")
	eventProblem  = protocol.MustCode("MDC_EVT_SENSOR_PROB")
	eventBoardBad = protocol.MustCode("MDC_EVT_MALF")
)

// Driver is for the board.
var Driver = drivers.Driver{
	Name:         "masimo-oem",
	Title:        "Masimo SET OEM boards",
	Models:       []string{"MS-11", "MS-2011"},
	Sheet:        sheet,
	Experimental: true, // one source
	Line:         drivers.Line{Baud: 9600},
	Silence:      3 * time.Second,
	Checked:      true,
	Codes: []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.PerfusionIndex, protocol.IdentityModel, protocol.IdentityFirmware,
		protocol.EventSensorOff, eventProblem, eventBoardBad},
	NewDecoder: newBoard,
	Run:        drivers.Listen(newBoard),
	Simulate:   simulateBoard,
}

// IAP is for the data port of the table-top oximeters.
var IAP = drivers.Driver{
	Name:         "masimo-iap",
	Title:        "Masimo Root and Radical-7, IAP data port",
	Models:       []string{"Root", "Radical-7"},
	Sheet:        sheet,
	Experimental: true, // one source
	Line:         drivers.Line{Baud: 921600},
	Asks:         true,
	Silence:      10 * time.Second,
	Checked:      true,
	Codes: []protocol.Code{protocol.SpO2, haemoglobin, protocol.IdentityModel, protocol.IdentityFirmware,
		protocol.EventAlarm},
	NewDecoder: func() drivers.Decoder { return newPort() },
	Run:        drivers.Converse(func() drivers.Asker { return newPort() }),
	Simulate:   simulatePort,
}

// core is what both decoders have.
type core struct {
	framer framer.Framer
	emit   drivers.Emit
}

// Decode implements drivers.Decoder.
func (d *core) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *core) Stats() drivers.Stats { return d.framer.Stats() }

// number emits a value, without a number where the quality has none.
func (d *core) number(code protocol.Code, unit protocol.Unit, v protocol.Decimal, q protocol.Quality) {
	if q >= protocol.QualityMissing && q <= protocol.QualityOngoing {
		v = protocol.Decimal{}
	}
	d.emit(protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: q, Value: v})
}

func (d *core) word(code protocol.Code, text string) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

func (d *core) event(code protocol.Code, e protocol.Event) {
	e.Type = protocol.AlarmTechnical
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e})
}
