package glucose

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/checksum"
	"monitorme/drivers/play"
)

const (
	dexNewest  = 7 // the page that is not full yet
	dexPerPage = (dexPage - dexHeader) / 13
)

// simulateDexcom plays a G4 receiver: a value every 5 minutes.
func simulateDexcom(ctx context.Context, wire drivers.Port, patient drivers.Patient) error {
	var records [][]byte
	var heard []byte
	seconds := func(b []byte, t time.Time) []byte {
		return binary.LittleEndian.AppendUint32(b, uint32(t.Unix()-dexEpoch))
	}
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint16(b, checksum.CRC16XMODEM(b)) }
	measure := func(b []byte, at time.Time) []byte {
		value := uint16(1) // sensor not active
		if v, on := patient.Numeric(tissue, at); on {
			value = uint16(math.Round(min(max(v, 39), 401)))
		}
		r := binary.LittleEndian.AppendUint16(seconds(seconds(nil, at), at), value)
		records = append(records, sum(append(r, 4)))
		records = records[max(0, len(records)-dexPerPage):]
		return b
	}
	page := func(b []byte, number uint32) []byte {
		n := len(b)
		all := records
		if number != dexNewest {
			all = nil
		}
		h := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, number*dexPerPage), uint32(len(all)))
		h = binary.LittleEndian.AppendUint32(append(h, dexGlucose, 2), number)
		b = append(b, sum(append(h, make([]byte, 12)...))...)
		for _, r := range all {
			b = append(b, r...)
		}
		return append(b, make([]byte, n+dexPage-len(b))...)
	}
	answer := func(b, p []byte, at time.Time) []byte {
		switch p[3] {
		case dexFirmware:
			return appendDexcom(b, dexOK, []byte(`<FirmwareHeader SchemaVersion='1' ProductName='Dexcom G4 Receiver' FirmwareVersion='2.0.1.104'/>`))
		case dexTime:
			return appendDexcom(b, dexOK, seconds(nil, at))
		case dexPageRange:
			return appendDexcom(b, dexOK, binary.LittleEndian.AppendUint32(make([]byte, 4), dexNewest))
		case dexReadPages:
			var pages []byte
			first := binary.LittleEndian.Uint32(p[5:])
			for i := range uint32(p[9]) {
				pages = page(pages, first+i)
			}
			return appendDexcom(b, dexOK, pages)
		}
		return appendDexcom(b, 3, nil)
	}
	return play.Run(ctx, wire, play.Device{
		Parts: []play.Part{{Every: 5 * time.Minute, Append: measure}},
		Answer: func(b, p []byte, at time.Time) []byte {
			for heard = append(heard, p...); len(heard) >= 6; {
				n := int(binary.LittleEndian.Uint16(heard[1:]))
				if len(heard) < n {
					break
				}
				b = answer(b, heard[:n], at)
				heard = heard[n:]
			}
			return b
		},
	})
}
