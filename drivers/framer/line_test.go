package framer

import (
	"testing"

	"monitorme/protocol"
)

func TestLinesEndWithTheFirstCROrLF(t *testing.T) {
	for _, c := range []struct {
		in, text string
		n        int
	}{
		{"SPO2=97\r\n", "SPO2=97", 8}, {"\nnext\r", "next", 6}, {"\n\rnext\nmore", "next", 7}, {"a\tb\n", "a\tb", 4}, {"x\n\r", "x", 2},
		{"SPO2=9", "", More}, {"\r\n", "", More}, {"", "", More}, {"a\x00b\r", "", Skip}, {"caf\xe9\r", "", Skip}, {"\x7f", "", Skip},
	} {
		if text, n := Line([]byte(c.in)); string(text) != c.text || n != c.n {
			t.Errorf("Line(%q) = %q, %d, want %q, %d", c.in, text, n, c.text, c.n)
		}
	}
}

func TestNumbersAreExactAndNothingElseIsOne(t *testing.T) {
	for in, want := range map[string]protocol.Decimal{
		"094": protocol.Int(94), "01.20": protocol.Dec(120, -2), "-0.5": protocol.Dec(-5, -1), "+12": protocol.Int(12), "7.": protocol.Int(7),
		"123456789012345678": protocol.Int(123456789012345678),
	} {
		if got, ok := Number([]byte(in)); !ok || got != want {
			t.Errorf("Number(%q) = %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "-", "+", ".", ".5", "--", "1.2.3", "1e3", "0x1", " 1", "1 ", "12a", "1234567890123456789"} {
		if got, ok := Number([]byte(in)); ok || got.Valid {
			t.Errorf("Number(%q) = %v", in, got)
		}
	}
	if v, ok := Digits([]byte("007")); !ok || v != 7 {
		t.Errorf("Digits(007) = %d, %v", v, ok)
	}
	for _, in := range []string{"", "-1", "1.0", "1234567890"} {
		if _, ok := Digits([]byte(in)); ok {
			t.Errorf("Digits took %q", in)
		}
	}
}
