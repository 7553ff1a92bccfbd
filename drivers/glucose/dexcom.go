package glucose

import (
	"bytes"
	"encoding/binary"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var tissue = protocol.MustCode("MDC_CONC_GLU_ISF")

// Dexcom is for the receiver of a sensor under the skin.
var Dexcom = drivers.Driver{
	Name:       "dexcom",
	Title:      "Dexcom G4, G5 and G6 receiver",
	Models:     []string{"Dexcom G4 receiver", "Dexcom G5 receiver", "Dexcom G6 receiver"},
	Sheet:      sheet,
	Line:       drivers.Line{Baud: 115200},
	Asks:       true,
	Checked:    true,
	Silence:    2*every + 2*time.Minute,
	Codes:      []protocol.Code{tissue, protocol.IdentityModel, protocol.IdentityFirmware},
	USB:        []string{"22A3:0047"},
	NewDecoder: func() drivers.Decoder { return makeDexcom() },
	Run:        converse(makeDexcom),
	Simulate:   simulateDexcom,
}

// The commands that are sent: each reads.
const (
	dexFirmware  = 11
	dexPageRange = 16
	dexReadPages = 17
	dexTime      = 34

	dexOK        = 1
	dexLast      = 4 // answers are 1 to 4
	dexMax       = 1590
	dexPage      = 528
	dexHeader    = 28
	dexGlucose   = 4 // type of records
	dexPages     = 2 // how many are read
	dexValueMask = 0x3FF
	dexOnScreen  = 0x8000 // not a record of its own
)

// dexEpoch is 2009-01-01 in Unix seconds.
const dexEpoch = 1230768000

type dexcom struct {
	core
	script
	lastPage uint32
}

func makeDexcom() *dexcom {
	d := &dexcom{}
	d.code = tissue
	d.framer = framer.Framer{Max: dexMax, Frame: d.frame}
	return d
}

func appendDexcom(b []byte, command byte, payload []byte) []byte {
	n := len(b)
	b = append(b, 0x01)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(payload)+6))
	b = append(append(b, command), payload...)
	return binary.LittleEndian.AppendUint16(b, checksum.CRC16XMODEM(b[n:]))
}

func (d *dexcom) frame(b []byte) int {
	switch {
	case b[0] != 0x01:
		return framer.Skip
	case len(b) < 4:
		return framer.More
	}
	n := int(binary.LittleEndian.Uint16(b[1:]))
	if n < 6 || n > dexMax || b[3] < dexOK || b[3] > dexLast {
		return framer.Skip
	}
	if len(b) < n {
		return framer.More
	}
	if checksum.CRC16XMODEM(b[:n-2]) != binary.LittleEndian.Uint16(b[n-2:]) {
		return framer.BadSum
	}
	d.progress = true
	if b[3] == dexOK {
		d.answer(b[4 : n-2])
	}
	return n
}

// answer handles an answer; what it is shows its length.
func (d *dexcom) answer(p []byte) {
	switch {
	case len(p) > 0 && p[0] == '<':
		d.identify(protocol.IdentityModel, &d.model, attribute(p, "ProductName"))
		d.identify(protocol.IdentityFirmware, &d.firmware, attribute(p, "FirmwareVersion"))
		d.answered = true
	case len(p) == 4:
		d.clock, d.answered = dexTimeOf(p), true
	case len(p) == 8:
		d.lastPage, d.answered = binary.LittleEndian.Uint32(p[4:]), true
	case len(p) >= dexPage && len(p)%dexPage == 0:
		for ; len(p) > 0; p = p[dexPage:] {
			d.page(p[:dexPage])
		}
		d.flush()
		d.answered = true
	}
}

func dexTimeOf(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) + dexEpoch }

// attribute gives the value of name='value' in XML.
func attribute(xml []byte, name string) string {
	_, rest, _ := bytes.Cut(xml, []byte(" "+name+"="))
	if len(rest) == 0 || rest[0] != '\'' && rest[0] != '"' {
		return ""
	}
	value, _, found := bytes.Cut(rest[1:], rest[:1])
	if !found || len(value) > 64 || bytes.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return string(value)
}

// page reads the records of one page. Their length goes by the revision and by
// which one has all checks right.
func (d *dexcom) page(p []byte) {
	if p[8] != dexGlucose || checksum.CRC16XMODEM(p[:dexHeader-2]) != binary.LittleEndian.Uint16(p[dexHeader-2:]) {
		return
	}
	count := int(binary.LittleEndian.Uint32(p[4:]))
	sizes := []int{13}
	if p[9] > 4 {
		sizes = []int{25, 23}
	}
	for _, size := range sizes {
		if records := p[dexHeader:]; count <= len(records)/size && whole(records[:count*size], size) {
			for ; count > 0; count-- {
				d.record(records)
				records = records[size:]
			}
			return
		}
	}
}

// whole reports whether every record of that size has its check right.
func whole(b []byte, size int) bool {
	for ; len(b) > 0; b = b[size:] {
		if checksum.CRC16XMODEM(b[:size-2]) != binary.LittleEndian.Uint16(b[size-2:]) {
			return false
		}
	}
	return true
}

func (d *dexcom) record(b []byte) {
	raw := binary.LittleEndian.Uint16(b[8:])
	if raw&dexOnScreen != 0 {
		return
	}
	r := reading{at: dexTimeOf(b)}
	switch v := int(raw & dexValueMask); v {
	case 1: // sensor not active
		r.quality = protocol.QualitySensorOff
	case 5: // not calibrated
		r.quality = protocol.QualityCalibrating
	case 0, 2, 3, 6, 9, 10, 12:
		r.quality = protocol.QualityMissing
	default:
		r.value, r.quality = protocol.Int(int64(v)), within(v, 40, 400)
	}
	d.add(r)
}

// Ask implements drivers.Asker.
func (d *dexcom) Ask(b []byte, now time.Duration) ([]byte, time.Duration) {
	return d.ask(b, now, 2*time.Second, func(b []byte, step int) []byte {
		switch step {
		case 0:
			return appendDexcom(b, dexFirmware, nil)
		case 1:
			return appendDexcom(b, dexTime, nil)
		case 2:
			return appendDexcom(b, dexPageRange, []byte{dexGlucose})
		case 3:
			if d.lastPage == 1<<32-1 { // there is none
				return b
			}
			count := min(d.lastPage+1, dexPages)
			return appendDexcom(b, dexReadPages, append(binary.LittleEndian.AppendUint32([]byte{dexGlucose}, d.lastPage+1-count), byte(count)))
		}
		return b
	})
}
