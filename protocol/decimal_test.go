package protocol

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestDecimalSaysWhatTheDeviceSaid(t *testing.T) {
	for d, want := range map[Decimal]string{
		Int(97):                 "97",
		Int(-40):                "-40",
		Int(0):                  "0",
		Dec(368, -1):            "36.8",
		Dec(3680, -2):           "36.80",
		Dec(-5, -2):             "-0.05",
		Dec(0, -2):              "0.00",
		Dec(5, -18):             "0.000000000000000005",
		Dec(12, 3):              "12000",
		Dec(0, 3):               "0",
		Dec(math.MinInt64, 0):   "-9223372036854775808",
		Dec(math.MinInt64, -3):  "-9223372036854775.808",
		Dec(math.MaxInt64, -18): "9.223372036854775807",
		{}:                      "",
		{Mantissa: 5}:           "",
	} {
		if got := d.String(); got != want {
			t.Errorf("%+v: %q, want %q", d, got, want)
		}
	}
}

func TestParseDecimal(t *testing.T) {
	for in, want := range map[string]Decimal{
		"36.8": Dec(368, -1), "-0.05": Dec(-5, -2), "+7": Int(7), "120": Int(120), "36.80": Dec(3680, -2), ".5": Dec(5, -1), "5.": Int(5),
		"1.2e3": Dec(12, 2), "1E-2": Dec(1, -2), "000000000000000000000.5": Dec(5, -1), "-0": Int(0), "999999999999999999": Int(999999999999999999),
	} {
		if got, err := ParseDecimal(in); err != nil || got != want {
			t.Errorf("ParseDecimal(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-", ".", "--1", "1,5", "0x10", "NaN", "Inf", "1e", "e5", "1e99", "1e-19", "1_000", " 1", "1 ", "٣", "1000000000000000000", "1.2.3"} {
		if got, err := ParseDecimal(in); err == nil {
			t.Errorf("ParseDecimal(%q) = %v", in, got)
		}
	}
}

func TestDecimalSurvivesText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Dec(rapid.Int64Range(-999999999999999999, 999999999999999999).Draw(t, "m"), int8(rapid.IntRange(-18, 0).Draw(t, "e")))
		got, err := ParseDecimal(d.String())
		if err != nil || got != d {
			t.Fatalf("%+v became %+v, %v", d, got, err)
		}
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back Decimal
		if err := json.Unmarshal(b, &back); err != nil || back != d {
			t.Fatalf("%+v through JSON %s became %+v, %v", d, b, back, err)
		}
	})
	b, _ := json.Marshal([]Decimal{{}, Int(5)})
	var back []Decimal
	if err := json.Unmarshal(b, &back); string(b) != "[null,5]" || err != nil || back[0].Valid {
		t.Errorf("no value in JSON: %s, %v, %v", b, back, err)
	}
}

func TestDecimalOfRoundsHalfAway(t *testing.T) {
	for _, c := range []struct {
		f      float64
		places int
		want   Decimal
	}{{36.75, 1, Dec(368, -1)}, {-0.5, 0, Int(-1)}, {0.1 + 0.2, 2, Dec(30, -2)}, {math.NaN(), 1, Decimal{}}, {math.Inf(1), 0, Decimal{}},
		{1e19, 0, Decimal{}}, {1 << 63, 0, Decimal{}}, {1, 10, Decimal{}}, {1, -1, Decimal{}}} {
		if got := DecimalOf(c.f, c.places); got != c.want {
			t.Errorf("DecimalOf(%v, %d) = %+v, want %+v", c.f, c.places, got, c.want)
		}
	}
}

func TestDecimalFloatAndPlaces(t *testing.T) {
	if f := Dec(368, -1).Float64(); f != 36.8 {
		t.Errorf("36.8 is %v", f)
	}
	if f := Dec(2, 3).Float64(); f != 2000 {
		t.Errorf("2e3 is %v", f)
	}
	if !math.IsNaN((Decimal{}).Float64()) {
		t.Error("no value is a number")
	}
	if Dec(1, -2).Places() != 2 || Dec(1, 2).Places() != 0 {
		t.Error("wrong places")
	}
}

func TestCompareIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mantissa := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000))
		draw := func(name string) Decimal {
			return Dec(mantissa.Draw(t, name), int8(rapid.IntRange(-18, 18).Draw(t, name+" exponent")))
		}
		d, e := draw("d"), draw("e")
		if got, want := d.Compare(e), rat(d).Cmp(rat(e)); got != want {
			t.Fatalf("%v compared with %v: %d, want %d", d, e, got, want)
		}
	})
	if Int(1).Compare(Decimal{}) != 1 || (Decimal{}).Compare(Int(-1)) != -1 || (Decimal{}).Compare(Decimal{}) != 0 {
		t.Error("no value must sort first")
	}
	if Dec(360, -1).Compare(Int(36)) != 0 {
		t.Error("36.0 is not 36")
	}
}

func rat(d Decimal) *big.Rat {
	r := new(big.Rat).SetInt64(d.Mantissa)
	p := new(big.Rat).SetInt(tenTo(max(int64(d.Exponent), -int64(d.Exponent))))
	if d.Exponent < 0 {
		return r.Quo(r, p)
	}
	return r.Mul(r, p)
}

func TestDecimalsOfRationalNumbers(t *testing.T) {
	for _, c := range []struct {
		num, den int64
		want     Decimal
	}{{5, 2, Dec(25, -1)}, {-1, 1000, Dec(-1, -3)}, {0, 7, Int(0)}, {1, 3, Dec(3333333333, -10)}} {
		if got := DecimalOfRat(big.NewRat(c.num, c.den)); got.Compare(c.want) != 0 {
			t.Errorf("%d/%d is %v, want %v", c.num, c.den, got, c.want)
		}
	}
	for _, d := range []Decimal{Dec(368, -1), Dec(-12, 3), Int(0)} {
		if got := DecimalOfRat(d.Rat()); got.Compare(d) != 0 {
			t.Errorf("%v comes back as %v", d, got)
		}
	}
}
