package stayhealthy

import (
	"encoding/binary"

	"monitorme/drivers/checksum"
)

// The frames that stand in the sheet.
const (
	workedHeartRate   = `A5 5A 01 02 16 00 02 01 91 48 EE 00 00 01 10 82 41 02 00 48 00 00 00 00 00 00 00 00 03 00 01 C2 08`
	workedTemperature = `A5 5A 01 02 16 00 03 01 55 48 EE 00 00 01 10 5C 4B 02 00 70 01 00 00 FA 00 00 00 02 05 FF 01 14 9D`
	workedOff         = `A5 5A 01 02 16 00 04 01 3B 48 EE 00 00 01 10 B8 4B 02 00 00 00 00 80 00 00 00 00 00 02 00 05 8B F4`
	workedSamples     = `A5 5A 01 03 2E 00 05 01 66 48 EE 00 00 02 01 02 00 90 D0 03 00 8E 3B 00 00 80 3E 00 00 02 00 00 00 00 00 00 00 FD 00 07 00 01 00 04 00 00 00 0A 00 0C 00 00 80 90 01 ED 5F`
	workedSleep       = `A5 5A 01 04 15 00 06 01 BE 48 EE 00 00 01 F1 02 00 00 00 00 00 00 01 06 61 73 6C 65 65 70 87 5D`
	workedEvent       = `A5 5A 01 05 1F 00 07 01 AC 48 EE 00 00 34 01 03 00 B8 4B 02 00 00 00 00 00 01 01 02 00 0A 73 65 6E 73 6F 72 20 6F 66 66 72 AC`
	workedStatus      = `A5 5A 01 06 0E 00 08 01 4D 48 EE 00 00 40 73 77 EB 9C 01 00 00 01 50 04 62`
	workedIdentity    = `A5 5A 01 01 41 00 09 01 A2 48 EE 00 00 0B 53 74 61 79 48 65 61 6C 74 68 79 06 4F 78 79 67 65 6E 07 53 48 2D 30 32 30 31 05 31 2E 30 2E 30 01 1A B8 4B 02 00 01 00 02 00 88 13 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 4C 4F`
)

// resum computes the checks of f anew, in place.
func resum(f []byte) []byte {
	f[8] = checksum.CRC8Maxim(f[:8])
	binary.LittleEndian.PutUint16(f[len(f)-sumLen:], checksum.CRC16CCITTFalse(f[:len(f)-sumLen]))
	return f
}
