// Package checksum holds every frame check that bedside devices use, each
// once. All functions are pure, allocate nothing and are safe for concurrent
// use. Which bytes of a frame are covered is the driver's to know.
//
// The value that each gives for the nine bytes "123456789" is its unit test.
package checksum

// Sum8 is the sum of p modulo 256 (check value DD).
func Sum8(p []byte) byte {
	var s byte
	for _, b := range p {
		s += b
	}
	return s
}

// Neg8 is the two's complement of the sum modulo 256, so that all bytes with
// the check add up to 0 (check value 23).
func Neg8(p []byte) byte { return -Sum8(p) }

// Not8 is the inverted low byte of the sum (check value 22).
func Not8(p []byte) byte { return ^Sum8(p) }

// Neg7 is the two's complement of the sum modulo 128 (check value 23).
func Neg7(p []byte) byte { return -Sum8(p) & 0x7F }

// Xor8 is the exclusive or of p (check value 31).
func Xor8(p []byte) byte {
	var s byte
	for _, b := range p {
		s ^= b
	}
	return s
}

// Sum16 is the sum of p modulo 65536 (check value 01DD).
func Sum16(p []byte) uint16 {
	var s uint16
	for _, b := range p {
		s += uint16(b)
	}
	return s
}

// ASTM is the check of an ASTM E1381 frame: Sum8 from the frame number to ETX
// or ETB, both included, as two upper-case hexadecimal digits (check value "DD").
func ASTM(p []byte) [2]byte {
	const digits = "0123456789ABCDEF"
	s := Sum8(p)
	return [2]byte{digits[s>>4], digits[s&15]}
}

// CRC4BITalino is the four-bit check of BITalino: polynomial 3, start 0, bits
// from the highest down (check value B). The device computes it with the low
// four bits of the last byte, where it will stand, as zero.
func CRC4BITalino(p []byte) byte {
	var crc byte
	for _, b := range p {
		for bit := 7; bit >= 0; bit-- {
			crc <<= 1
			if crc&0x10 != 0 {
				crc ^= 0x13
			}
			crc ^= b >> bit & 1
		}
	}
	return crc & 0x0F
}

// CRC8Maxim is CRC-8 reflected 8C, start 0 (check value A1).
func CRC8Maxim(p []byte) byte { return crc8(&maxim8, 0, p) }

// CRC8MaximOn goes on with CRC8Maxim: crc is that of all before p.
func CRC8MaximOn(crc byte, p []byte) byte { return crc8(&maxim8, crc, p) }

// CRC8A1 is CRC-8 reflected A1, start 0 (check value 2A).
func CRC8A1(p []byte) byte { return crc8(&a18, 0, p) }

// CRC8A1FF is CRC-8 reflected A1, start FF (check value 15).
func CRC8A1FF(p []byte) byte { return crc8(&a18, 0xFF, p) }

// CRC16CCITTFalse is CRC-16 polynomial 1021, start FFFF (check value 29B1).
func CRC16CCITTFalse(p []byte) uint16 { return crc16(&ccitt16, 0xFFFF, p) }

// CRC16XMODEM is CRC-16 polynomial 1021, start 0 (check value 31C3).
func CRC16XMODEM(p []byte) uint16 { return crc16(&ccitt16, 0, p) }

// CRC16Kermit is CRC-16 reflected 8408, start 0 (check value 2189).
func CRC16Kermit(p []byte) uint16 { return crc16Reflected(&kermit16, 0, p) }

// CRC16MCRF4XX is CRC-16 reflected 8408, start FFFF (check value 6F91).
func CRC16MCRF4XX(p []byte) uint16 { return crc16Reflected(&kermit16, 0xFFFF, p) }

// CRC16Modbus is CRC-16 reflected A001, start FFFF (check value 4B37).
func CRC16Modbus(p []byte) uint16 { return crc16Reflected(&modbus16, 0xFFFF, p) }

var (
	maxim8   = table8(0x8C)
	a18      = table8(0xA1)
	ccitt16  = table16(0x1021)
	kermit16 = table16Reflected(0x8408)
	modbus16 = table16Reflected(0xA001)
)

func crc8(t *[256]byte, crc byte, p []byte) byte {
	for _, b := range p {
		crc = t[crc^b]
	}
	return crc
}

func crc16(t *[256]uint16, crc uint16, p []byte) uint16 {
	for _, b := range p {
		crc = crc<<8 ^ t[byte(crc>>8)^b]
	}
	return crc
}

func crc16Reflected(t *[256]uint16, crc uint16, p []byte) uint16 {
	for _, b := range p {
		crc = crc>>8 ^ t[byte(crc)^b]
	}
	return crc
}

func table8(reflected byte) (t [256]byte) {
	for i := range t {
		c := byte(i)
		for range 8 {
			c = c>>1 ^ reflected*(c&1)
		}
		t[i] = c
	}
	return t
}

func table16(poly uint16) (t [256]uint16) {
	for i := range t {
		c := uint16(i) << 8
		for range 8 {
			c = c<<1 ^ poly*(c>>15)
		}
		t[i] = c
	}
	return t
}

func table16Reflected(poly uint16) (t [256]uint16) {
	for i := range t {
		c := uint16(i)
		for range 8 {
			c = c>>1 ^ poly*(c&1)
		}
		t[i] = c
	}
	return t
}
