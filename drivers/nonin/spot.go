package nonin

import (
	"encoding/binary"
	"time"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

// spotKey is the length of the time and the values of a spot check.
const spotKey = 12

// spotCheck reads format 13: sheet, section "Format 13".
func (d *decoder) spotCheck(b []byte) int {
	head := [4]byte{0x00, 0x02, 0x00, 0x0D}
	for i := range min(len(b), len(head)) {
		if b[i] != head[i] {
			return framer.Skip
		}
	}
	if len(b) < 6 {
		return framer.More
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < 14 || size > maxBytes-8 {
		return framer.Skip
	}
	n := 6 + size + 2
	if len(b) < n {
		return framer.More
	}
	data := b[6 : 6+size]
	if b[n-2] != checksum.Sum8(data) || b[n-1] != 0x03 {
		return framer.BadSum
	}
	d.spots++
	key := [spotKey]byte(append(append(make([]byte, 0, spotKey), data[:8]...), data[10:14]...))
	if key == d.spot {
		return n // our acknowledgement was lost: it came again, now from memory
	}
	d.spot = key
	d.identify(protocol.IdentityModel, modelSpot)
	msb, lsb := data[8], data[9]
	s := state{doubt: msb&2 == 0, rate: int(data[10]&1)<<8 | int(data[11]), spo2: int(data[13] & 0x7F)}
	if msb&1 != 0 {
		s.rate, s.spo2 = noRate, noSpO2
	}
	d.edge(&d.told.battery, lsb&1 != 0, protocol.EventBatteryLow, 0, "battery low", observed{})
	d.values(s, observed{device: bcdTime(data), memory: lsb&0x10 != 0})
	return n
}

// bcdTime reads century, year, month, day, hour, minute, second and 1/100 s,
// zero if that is no time. The device knows no zone: it is given as UTC.
func bcdTime(b []byte) time.Time {
	var v [8]int
	for i := range v {
		if b[i]>>4 > 9 || b[i]&15 > 9 {
			return time.Time{}
		}
		v[i] = int(b[i]>>4)*10 + int(b[i]&15)
	}
	t := time.Date(v[0]*100+v[1], time.Month(v[2]), v[3], v[4], v[5], v[6], v[7]*10_000_000, time.UTC)
	if v[0] < 20 || v[0] > 21 || int(t.Month()) != v[2] || t.Day() != v[3] || t.Hour() != v[4] || t.Minute() != v[5] || t.Second() != v[6] {
		return time.Time{}
	}
	return t
}
