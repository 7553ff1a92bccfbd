package checksum

import "testing"

func TestCheckValues(t *testing.T) {
	nine := []byte("123456789")
	astm := ASTM(nine)
	for _, c := range []struct {
		name      string
		got, want uint16
	}{
		{"SUM8", uint16(Sum8(nine)), 0xDD},
		{"NEG8", uint16(Neg8(nine)), 0x23},
		{"NOT8", uint16(Not8(nine)), 0x22},
		{"NEG7", uint16(Neg7(nine)), 0x23},
		{"XOR8", uint16(Xor8(nine)), 0x31},
		{"SUM16", Sum16(nine), 0x01DD},
		{"ASTM", uint16(astm[0])<<8 | uint16(astm[1]), 'D'<<8 | 'D'},
		{"CRC-4 BITalino", uint16(CRC4BITalino(nine)), 0xB},
		{"CRC-8 Maxim", uint16(CRC8Maxim(nine)), 0xA1},
		{"CRC-8 Maxim in two parts", uint16(CRC8MaximOn(CRC8Maxim(nine[:4]), nine[4:])), 0xA1},
		{"CRC-8 A1", uint16(CRC8A1(nine)), 0x2A},
		{"CRC-8 A1/FF", uint16(CRC8A1FF(nine)), 0x15},
		{"CRC-16 CCITT-FALSE", CRC16CCITTFalse(nine), 0x29B1},
		{"CRC-16 XMODEM", CRC16XMODEM(nine), 0x31C3},
		{"CRC-16 Kermit", CRC16Kermit(nine), 0x2189},
		{"CRC-16 MCRF4XX", CRC16MCRF4XX(nine), 0x6F91},
		{"CRC-16 Modbus", CRC16Modbus(nine), 0x4B37},
	} {
		if c.got != c.want {
			t.Errorf("%s of 123456789: %04X, want %04X", c.name, c.got, c.want)
		}
	}
}

func TestOfNothingIsTheStartValue(t *testing.T) {
	if Sum8(nil) != 0 || Neg8(nil) != 0 || Not8(nil) != 0xFF || Xor8(nil) != 0 ||
		CRC16CCITTFalse(nil) != 0xFFFF || CRC16XMODEM(nil) != 0 || CRC8A1FF(nil) != 0xFF {
		t.Error("a check of no bytes is not its start value")
	}
}

// The wrap of a long sum is where int and byte arithmetic differ.
func TestLongSumsWrap(t *testing.T) {
	p := make([]byte, 70000)
	for i := range p {
		p[i] = 0xFF
	}
	if got, want := Sum16(p), uint16(70000*0xFF%65536); got != want {
		t.Errorf("Sum16 of 70000 times FF: %04X, want %04X", got, want)
	}
	if got, want := Sum8(p), byte(70000*0xFF%256); got != want {
		t.Errorf("Sum8 of 70000 times FF: %02X, want %02X", got, want)
	}
}

func BenchmarkCRC16CCITTFalse(b *testing.B) {
	p := make([]byte, 512)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		CRC16CCITTFalse(p)
	}
}
