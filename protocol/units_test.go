package protocol

import (
	"math"
	"testing"
)

func TestConvertIsExactAndRoundsOnce(t *testing.T) {
	for _, c := range []struct {
		v        Decimal
		from, to Unit
		want     string
	}{
		{Dec(53, -1), "kPa", "mm[Hg]", "39.8"},
		{Int(1), "kPa", "mm[Hg]", "7.5"},
		{Int(100), "kPa", "mm[Hg]", "750.1"},
		{Int(10), "cm[H2O]", "mm[Hg]", "7.4"},
		{Int(20), "mbar", "cm[H2O]", "20.4"},
		{Dec(986, -1), "[degF]", "Cel", "37.00"},
		{Int(32), "[degF]", "Cel", "0.00"},
		{Int(-40), "[degF]", "Cel", "-40.00"},
		{Int(31), "[degF]", "Cel", "-0.56"},
		{Dec(55, -1), "mmol/L", "mg/dL", "99"},
		{Int(100), "mmol/L", "mg/dL", "1802"},
		{Dec(10000, -1), "[lb_av]", "kg", "453.59"},
		{Int(3250), "g", "kg", "3.250"},
		{Dec(5, -1), "L", "mL", "500"},
		{Dec(5, 2), "mL/s", "L/min", "30.00"},
		{Dec(-15, -1), "mm", "mV", "-0.150"},
		{Int(754), "s", "min", "12.6"},
		{Dec(368, -1), "Cel", "Cel", "36.8"},
		{Decimal{}, "kPa", "mm[Hg]", ""},
	} {
		if got, ok := Convert(c.v, c.from, c.to); !ok || got.String() != c.want {
			t.Errorf("%v %s = %q %s (%v), want %q", c.v, c.from, got, c.to, ok, c.want)
		}
	}
	if _, ok := Convert(Int(1), "%", "mm[Hg]"); ok {
		t.Error("a percentage became a pressure")
	}
	if _, ok := Convert(Int(math.MaxInt64), "L", "mL"); ok {
		t.Error("a number beyond 64 bits was converted")
	}
}

func TestUnitsKnowTheirCodes(t *testing.T) {
	for code, unit := range map[Code]Unit{262656: "1", 262688: "%", 264864: "/min", 264928: "/min", 266016: "mm[Hg]", 265987: "kPa",
		266048: "cm[H2O]", 264320: "s", 264338: "ms", 264608: "/s", 266418: "mV", 266419: "uV", 263442: "mm", 268192: "Cel",
		266560: "[degF]", 264274: "mg/dL", 266866: "mmol/L", 263875: "kg", 263904: "[lb_av]", 265216: "L/min"} {
		if got, ok := UnitOf(code); !ok || got != unit {
			t.Errorf("UnitOf(%d) = %q, want %q", code, got, unit)
		}
		if got, _ := UnitOf(unit.Code()); got != unit {
			t.Errorf("code %d of unit %q is that of %q", unit.Code(), unit, got)
		}
	}
	for code := range unitByCode {
		if code.Partition() != 4 {
			t.Errorf("unit code %d is of partition %d", code, code.Partition())
		}
	}
	if _, ok := UnitOf(1); ok {
		t.Error("unit code 1 is known")
	}
	for unit, want := range map[Unit]string{"mm[Hg]": "mmHg", "Cel": "°C", "/min": "/min", "1": "", "furlong": "furlong"} {
		if got := unit.Display(); got != want {
			t.Errorf("%q is shown as %q, want %q", unit, got, want)
		}
	}
	for pair := range conversions {
		for _, u := range pair {
			if unitByName[u] == nil {
				t.Errorf("unit %q is converted but not in the table", u)
			}
		}
	}
}
