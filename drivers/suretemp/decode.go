package suretemp

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var (
	oral     = protocol.MustCode("MDC_TEMP_ORAL")
	rectal   = protocol.MustCode("MDC_TEMP_RECT")
	axillary = protocol.MustCode("MDC_TEMP_AXIL")
	anySite  = protocol.MustCode("MDC_TEMP")
	battery  = protocol.MustCode("MONITORME_BATTERY_VOLTAGE")
)

const (
	codeSerial  = 0x2900
	codeRecord  = 0x941C
	kindCommand = 1
	kindGood    = 2

	maxData     = 64
	shortRecord = 19
	longRecord  = 33
)

// States of a record.
const (
	statePredicting = 3
	stateFinal      = 6
	stateOver       = 8
	stateUnder      = 10
	stateUnderLast  = 11
	stateMonitor    = 12
	stateError      = 20
)

// batteryEvery is in how many records the battery is told once.
const batteryEvery = 30

type decoder struct {
	framer framer.Framer
	emit   drivers.Emit

	// What Ask remembers.
	asked int
	next  time.Duration

	serial  string
	records int
	state   byte // of the last record
	final   protocol.Decimal
	errno   uint16
	site    protocol.Code // of the temperature told last in monitor mode
}

func makeDecoder() *decoder {
	d := &decoder{}
	d.framer = framer.Framer{Max: 8 + maxData + 1, Frame: d.frame}
	return d
}

// Decode implements drivers.Decoder.
func (d *decoder) Decode(p []byte, emit drivers.Emit) {
	d.emit = emit
	d.framer.Feed(p)
	d.emit = nil
}

// Stats implements drivers.Decoder.
func (d *decoder) Stats() drivers.Stats { return d.framer.Stats() }

func (d *decoder) frame(b []byte) int {
	for i, c := range [...]byte{0x03, 0x02, 0x10} {
		if i < len(b) && b[i] != c {
			return framer.Skip
		}
	}
	if len(b) < 8 {
		return framer.More
	}
	size := int(binary.LittleEndian.Uint16(b[6:]))
	if size > maxData {
		return framer.Skip
	}
	n := 8 + size + 1
	if len(b) < n {
		return framer.More
	}
	if checksum.Sum8(b[:n]) != 0 {
		return framer.BadSum
	}
	if data := b[8 : n-1]; b[5] == kindGood {
		switch binary.BigEndian.Uint16(b[3:]) {
		case codeSerial:
			d.identify(data)
		case codeRecord:
			if size == shortRecord || size == longRecord {
				d.record(data)
			}
		}
	}
	return n
}

func (d *decoder) identify(data []byte) {
	serial := strings.Trim(string(data), " \x00")
	if serial == "" || serial == d.serial || strings.Trim(serial, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-./ ") != "" {
		return
	}
	d.serial = serial
	d.word(protocol.IdentityModel, "Welch Allyn SureTemp Plus module")
	d.word(protocol.IdentitySerial, serial)
}

func (d *decoder) word(code protocol.Code, text string) {
	d.emit(protocol.Observation{Code: code, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, Text: text})
}

// record reads a temperature record: both forms are alike in what is used but
// for the battery.
func (d *decoder) record(b []byte) {
	final, probe := celsius(b), celsius(b[4:])
	algorithm, state, kind := b[13], b[14], b[18]
	code := site(algorithm)
	demo := algorithm == 3 || kind == 1 // calibration key
	before := d.state
	if d.records == 0 {
		before = state
	}
	d.failure(binary.LittleEndian.Uint16(b[15:]), state)
	if d.site != 0 && (state != stateMonitor || code != d.site) {
		d.number(d.site, protocol.Decimal{}, protocol.QualitySensorOff)
		d.site = 0
	}
	switch {
	case state == stateMonitor:
		d.number(code, probe, quality(state, demo))
		d.site = code
	case state >= stateFinal && state <= stateUnderLast:
		if d.records > 0 && done(before) && final == d.final {
			break // told before
		}
		q := quality(state, demo)
		if d.records == 0 && q == protocol.QualityGood {
			q = protocol.QualityUnknown // it may have stood there for long
		}
		d.number(code, final, q)
		d.final = final
	case state >= statePredicting && state < stateFinal && (before < statePredicting || before >= stateFinal):
		d.number(code, protocol.Decimal{}, protocol.QualityOngoing)
	}
	if len(b) == longRecord && d.records%batteryEvery == 0 {
		d.emit(protocol.Observation{Code: battery, Unit: "V", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Dec(int64(binary.LittleEndian.Uint16(b[31:])), -2)})
	}
	d.state = state
	d.records++
}

func done(state byte) bool { return state >= stateFinal && state <= stateUnderLast }

func quality(state byte, demo bool) protocol.Quality {
	switch {
	case demo:
		return protocol.QualityDemo
	case state == stateOver, state == stateOver+1:
		return protocol.QualityOverflow
	case state == stateUnder, state == stateUnderLast:
		return protocol.QualityUnderflow
	}
	return protocol.QualityGood
}

func site(algorithm byte) protocol.Code {
	switch algorithm {
	case 0:
		return oral
	case 1:
		return rectal
	case 2, 4:
		return axillary
	}
	return anySite
}

// celsius reads a temperature in Kelvin; 0 is none.
func celsius(b []byte) protocol.Decimal {
	k := float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	if !(k > 0 && k < 1000) {
		return protocol.Decimal{}
	}
	return protocol.DecimalOf(k-273.15, 2)
}

func (d *decoder) number(code protocol.Code, v protocol.Decimal, q protocol.Quality) {
	switch {
	case q == protocol.QualitySensorOff, q == protocol.QualityOngoing:
	case !v.Valid:
		q = protocol.QualityMissing
	case (q == protocol.QualityGood || q == protocol.QualityUnknown) && (v.Compare(protocol.Int(20)) < 0 || v.Compare(protocol.Int(50)) > 0):
		q = protocol.QualityInvalid
	}
	d.emit(protocol.Observation{Code: code, Unit: "Cel", Kind: protocol.KindNumeric, Quality: q, Value: v})
}

// failure reports an error that begins or ends.
func (d *decoder) failure(errno uint16, state byte) {
	if errno == 0 && state == stateError {
		errno = 0xFFFF
	}
	if errno == d.errno {
		return
	}
	tell := func(phase protocol.Phase, errno uint16) {
		text := "error of the thermometer"
		if errno != 0xFFFF {
			text = fmt.Sprintf("error %d of the thermometer", errno)
		}
		d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent, Quality: protocol.QualityGood,
			Event: &protocol.Event{Phase: phase, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Text: text}})
	}
	if d.errno != 0 {
		tell(protocol.PhaseEnd, d.errno)
	}
	if errno != 0 {
		tell(protocol.PhaseStart, errno)
	}
	d.errno = errno
}
