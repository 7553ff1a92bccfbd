package sleepradar

import (
	"encoding/binary"
	"math"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

const (
	minLen24 = 7
	maxLen24 = 64
)

var stages24 = [3]string{"awake", "light", "deep"}

// append24 appends a frame: sheet, section "24 GHz".
func append24(b []byte, function, one, two byte, data ...byte) []byte {
	from := len(b)
	b = append(b, 0x55, byte(len(data)+7), 0, function, one, two)
	b = append(b, data...)
	return binary.LittleEndian.AppendUint16(b, checksum.CRC16Modbus(b[from:]))
}

type radar24 struct {
	core
	moves bool // too much for a rate
}

func new24() *radar24 {
	d := &radar24{}
	d.framer = framer.Framer{Max: maxLen24 + 1, Frame: d.frame}
	return d
}

func (d *radar24) frame(b []byte) int {
	switch {
	case b[0] != 0x55 || len(b) > 1 && (b[1] < minLen24 || b[1] > maxLen24) || len(b) > 2 && b[2] != 0:
		return framer.Skip
	case len(b) < 3:
		return framer.More
	}
	n := int(b[1]) + 1
	if len(b) < n {
		return framer.More
	}
	if checksum.CRC16Modbus(b[:n-2]) != binary.LittleEndian.Uint16(b[n-2:]) {
		return framer.BadSum
	}
	d.identify("24 GHz sleep radar")
	d.message(b[3], b[4], b[5], b[6:n-2])
	return n
}

func (d *radar24) message(function, one, two byte, data []byte) {
	if len(data) == 0 {
		return
	}
	report := function == 3 || function == 4
	sleep := function == 5
	v := data[0]
	switch {
	case report && one == 3 && two == 5 && len(data) == 3 && v <= 1:
		d.nobody = v == 0
		d.person()
		d.word(presence, inRoom, there(v == 1))
	case report && one == 3 && two == 6 && len(data) == 4:
		f := float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
		if m := protocol.DecimalOf(f, 2); m.Valid && f >= 0 && f < 1e6 {
			d.emit(protocol.Observation{Code: movement, Unit: "1", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: m})
		}
	case sleep && one == 1 && two == 1 && len(data) == 1:
		q := protocol.QualityGood
		if d.moves {
			q = protocol.QualityQuestionable
		}
		d.rate(protocol.RespirationRate, v, 1, 60, q)
	case sleep && one == 1 && two == 4 && len(data) == 1:
		d.noBreath, d.moves = v == 1 || v == 2, v == 4
		d.person()
	case sleep && one == 3 && two == 7 && len(data) == 1 && v <= 1:
		d.outOfBed = v == 0
		d.person()
		d.word(presence, inBed, there(v == 1))
	case sleep && one == 3 && two == 8 && len(data) == 1:
		d.sleep(v, stages24)
	case sleep && one == 5 && len(data) == 1 && v <= 100:
		d.emit(protocol.Observation{Code: score, Unit: "1", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(v))})
	}
}
