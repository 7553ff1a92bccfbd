package mapping

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"monitorme/drivers/settings"
	"monitorme/protocol"
)

func decimal(t testing.TB, s string) *Decimal {
	t.Helper()
	d, err := protocol.ParseDecimal(s)
	if err != nil {
		t.Fatal(err)
	}
	return &Decimal{d}
}

func series(t testing.TB, v Value) *Series {
	t.Helper()
	s, err := v.Series()
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// A driver adds settings of its own to those of a value.
func TestSettingsAreReadExactlyAndStrictly(t *testing.T) {
	type own struct {
		Value  `yaml:",inline"`
		Offset *Decimal `yaml:"offset"`
	}
	var v own
	text := `{column: 3, code: MDC_TEMP_BODY, channel: left, unit: "[degF]", scale: 0.10, min: "-5", max: 1e3, zero: missing, offset: 2.50}`
	if err := settings.Decode([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	s := series(t, v.Value)
	if s.Column != 3 || s.Code != protocol.BodyTemperature || s.Kind != protocol.KindNumeric || s.Channel != "left" || s.From != "[degF]" || s.Unit != "Cel" || s.Zero {
		t.Errorf("%+v", s)
	}
	if got := fmt.Sprint(s.Scale, " ", s.Offset, " ", s.Min, " ", s.Max, " ", v.Offset.Or(s.Offset)); got != "0.10 0 -5 1000 2.50" {
		t.Errorf("numbers %s", got)
	}
	if err := settings.Decode([]byte("{column: 1, colour: red}"), &v); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("a key that is not known: %v", err)
	}
}

func TestWhatIsNotSaidIsUsual(t *testing.T) {
	s := series(t, Value{Key: "HR", Code: "MDC_ECG_HEART_RATE"})
	if s.Place != (Place{Key: "hr"}) || s.Unit != "/min" || s.From != "/min" || s.Scale != protocol.Int(1) || s.Min.Valid || s.Max.Valid || s.Zero {
		t.Errorf("%+v", s)
	}
	if s = series(t, Value{Column: 1, Code: "123456", Unit: "mL"}); s.Kind != protocol.KindNumeric || s.Unit != "mL" || s.From != "mL" || !s.Zero {
		t.Errorf("a code that nobody knows: %+v", s)
	}
	if s = series(t, Value{Column: 1, Code: "MDC_ECG_ELEC_POTL_II", Unit: "uV"}); s.Kind != protocol.KindSamples || s.From != "uV" || s.Unit != "mV" {
		t.Errorf("a wave: %+v", s)
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	good := Value{Column: 1, Code: "MDC_TEMP_BODY"}
	for want, spoil := range map[string]func(*Value){
		`column 0, key "": want one of them`:                 func(v *Value) { v.Column = 0 },
		`column 1, key "x": want one of them`:                func(v *Value) { v.Key = "x" },
		`column 65, key "": want one of them`:                func(v *Value) { v.Column = MaxFields + 1 },
		`column -1, key "": want one of them`:                func(v *Value) { v.Column = -1 },
		`code "MDC_NONSENSE": want a reference id`:           func(v *Value) { v.Code = "MDC_NONSENSE" },
		`code "0": want a reference id`:                      func(v *Value) { v.Code = "0" },
		`unit "mmol/L": cannot be converted to "Cel"`:        func(v *Value) { v.Unit = "mmol/L" },
		`scale 0: want another number`:                       func(v *Value) { v.Scale = &Decimal{protocol.Int(0)} },
		`zero "maybe": want missing or value`:                func(v *Value) { v.Zero = "maybe" },
		`channel "a\nb": want at most 64 bytes of text`:      func(v *Value) { v.Channel = "a\nb" },
		`want at most 64 bytes of text without control`:      func(v *Value) { v.Channel = strings.Repeat("a", protocol.MaxName+1) },
		`channel "\xff": want at most 64 bytes of text with`: func(v *Value) { v.Channel = "\xff" },
	} {
		v := good
		spoil(&v)
		if _, err := v.Series(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", v, err, want)
		}
	}
}

func TestNumbersAreExactOrNone(t *testing.T) {
	for _, c := range []struct {
		value   Value
		offset  string
		in, out string
	}{
		{Value{Code: "MDC_TEMP_BODY", Unit: "[degF]", Scale: decimal(t, "0.1")}, "0", "986", "good 37.00"},
		{Value{Code: "MDC_TEMP_BODY"}, "-0.25", "36.8", "good 36.55"},
		{Value{Code: "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD", Unit: "mmol/L"}, "0", "5.6", "good 101"},
		{Value{Code: "MDC_ECG_HEART_RATE"}, "0", "0", "missing "},
		{Value{Code: "MDC_ECG_HEART_RATE", Zero: "value"}, "0", "0", "good 0"},
		{Value{Code: "MDC_TEMP_BODY", Zero: "missing"}, "0", "0.0", "missing "},
		{Value{Code: "MDC_TEMP_BODY", Min: decimal(t, "20"), Max: decimal(t, "45")}, "0", "20.0", "good 20.0"},
		{Value{Code: "MDC_TEMP_BODY", Min: decimal(t, "20"), Max: decimal(t, "45")}, "0", "19.9", "invalid 19.9"},
		{Value{Code: "MDC_TEMP_BODY", Min: decimal(t, "20"), Max: decimal(t, "45")}, "0", "45.01", "invalid 45.01"},
		{Value{Code: "MDC_TEMP_BODY", Scale: decimal(t, "1e18")}, "0", "1e3", "missing "},
		{Value{Code: "MDC_TEMP_BODY", Scale: decimal(t, "1e-18")}, "0", "0.1", "missing "},
		{Value{Code: "MDC_TEMP_BODY"}, "1e18", "0.1", "missing "},
		{Value{Code: "MDC_TEMP_BODY"}, "1e-18", "1e18", "missing "},
		{Value{Code: "MDC_ECG_ELEC_POTL_II", Scale: decimal(t, "0.005")}, "-2.5", "512", "good 512"}, // a block has the scale
	} {
		c.value.Column = 1
		s := series(t, c.value)
		s.Offset = decimal(t, c.offset).Decimal
		n, q := s.Number(decimal(t, c.in).Decimal, protocol.QualityGood)
		if got := fmt.Sprint(q, " ", n); got != c.out {
			t.Errorf("%+v: %s is %s, want %s", c.value, c.in, got, c.out)
		}
	}
	s := series(t, Value{Column: 1, Code: "MDC_TEMP_BODY", Max: decimal(t, "45")})
	if n, q := s.Number(protocol.Int(50), protocol.QualityUnknown); n != protocol.Int(50) || q != protocol.QualityUnknown {
		t.Errorf("of unknown worth: %v %v", q, n)
	}
}

// FuzzNumber compares with arithmetic that has no bounds.
func FuzzNumber(f *testing.F) {
	f.Add(int64(986), int8(0), int64(1), int8(-1), int64(-1025), int8(-2))
	f.Add(int64(-1), int8(0), int64(-1<<63), int8(0), int64(1), int8(0))
	f.Add(int64(1<<62), int8(3), int64(3), int8(0), int64(5), int8(-18))
	f.Fuzz(func(t *testing.T, m int64, e int8, scale int64, scaleExp int8, offset int64, offsetExp int8) {
		for _, e := range []int8{e, scaleExp, offsetExp} {
			if e < -18 || e > 18 {
				return
			}
		}
		s := &Series{Kind: protocol.KindNumeric, Unit: "mL", From: "mL", Zero: true, Scale: protocol.Dec(scale, scaleExp), Offset: protocol.Dec(offset, offsetExp)}
		n, q := s.Number(protocol.Dec(m, e), protocol.QualityGood)
		if q == protocol.QualityMissing && n == (protocol.Decimal{}) {
			return
		}
		want := new(big.Rat).Mul(exact(protocol.Dec(m, e)), exact(s.Scale))
		if want.Add(want, exact(s.Offset)); q != protocol.QualityGood || !n.Valid || exact(n).Cmp(want) != 0 {
			t.Errorf("%v %v, want %v", q, n, want)
		}
	})
}

func exact(d protocol.Decimal) *big.Rat {
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(d.Exponent, -d.Exponent))), nil)
	r := new(big.Rat).SetInt64(d.Mantissa)
	if d.Exponent < 0 {
		return r.Quo(r, new(big.Rat).SetInt(ten))
	}
	return r.Mul(r, new(big.Rat).SetInt(ten))
}

func TestAReadingSaysWhyThereIsNoNumber(t *testing.T) {
	s := series(t, Value{Column: 1, Code: "MDC_PULS_OXIM_SAT_O2"})
	marks, err := CompileMarks([]Marks{
		{Column: 2, Marks: map[string]protocol.Quality{"0": protocol.QualityGood, "OFF": protocol.QualitySensorOff, "~": protocol.QualityQuestionable, "sim": protocol.QualityDemo}},
		{Key: "x", Marks: map[string]protocol.Quality{"": protocol.QualityGood, "bad": protocol.QualityInvalid}, Codes: []string{"MDC_PULS_OXIM_SAT_O2"}},
		{Key: "x", Marks: map[string]protocol.Quality{"": protocol.QualityMissing}, Codes: []string{"MDC_TEMP_BODY"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	missing := MissingWords("Err")
	for _, c := range []struct{ text, mark, x, want string }{
		{"97", "0", "", "good 97"},
		{"97", "~", "", "questionable 97"},
		{"97", "off", "", "sensor-off"},
		{"97", "Sim", "", "demo 97"},
		{"97", "7", "", "unknown 97"},
		{"97", "0", "bad", "invalid 97"},
		{"97", "~", "bad", "questionable 97"}, // the first that is not good
		{"", "0", "", "missing"},
		{"--.-", "0", "", "missing"},
		{"NaN", "0", "", "missing"},
		{"ERR", "~", "", "missing"},
		{"error", "0", "", "good error"}, // for the driver to read, or not
		{strings.Repeat("err", 20), "0", "", "good " + strings.Repeat("err", 20)},
	} {
		r, text, ok := s.Read(Fields{{Text: []byte(c.text)}, {Text: []byte(c.mark)}, {Name: []byte("X"), Text: []byte(c.x)}}, marks, missing)
		got := r.Quality.String()
		if text != nil {
			got += " " + string(text)
		}
		if got != c.want || !ok || !r.Here {
			t.Errorf("%+v: %q %v %+v", c, got, ok, r)
		}
	}
	if places := marks.Places(); len(places) != 3 || places[0].Column != 2 || places[1].Key != "x" {
		t.Errorf("places %+v", places)
	}
}

func TestAColumnThatIsNotThereSpoilsItsLineAndANameDoesNot(t *testing.T) {
	one := Fields{{Name: []byte("A"), Text: []byte("1")}}
	if r, _, ok := series(t, Value{Column: 2, Code: "MDC_TEMP_BODY"}).Read(one, nil, nil); ok || r.Here {
		t.Errorf("a column: %+v, %v", r, ok)
	}
	if r, _, ok := series(t, Value{Key: "b", Code: "MDC_TEMP_BODY"}).Read(one, nil, nil); !ok || r.Here {
		t.Errorf("a name: %+v, %v", r, ok)
	}
	if r, text, ok := series(t, Value{Key: "A", Code: "MDC_TEMP_BODY"}).Read(one, nil, nil); !ok || !r.Here || string(text) != "1" {
		t.Errorf("the name in another case: %+v, %q, %v", r, text, ok)
	}
	if _, ok := (Fields{{Text: []byte("1")}}).Find(Place{}); ok {
		t.Error("something stands nowhere")
	}
}

func TestMarksThatSayNothingAreRefused(t *testing.T) {
	_, err := CompileMarks([]Marks{{Column: 1}, {Marks: map[string]protocol.Quality{"x": protocol.QualityGood}}, {Column: 1, Marks: map[string]protocol.Quality{"x": protocol.QualityGood}, Codes: []string{"MDC_NONSENSE"}}})
	for _, want := range []string{"quality[0]: marks: want what each mark means", "quality[1]: column 0", `quality[2]: code "MDC_NONSENSE"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestGroupsOfAnExpressionAreFields(t *testing.T) {
	match := regexp.MustCompile(`P(?P<pulse>\d+)(S(\d+))?`)
	f, ok := Fields(nil).Groups(match, []byte("P72"))
	if !ok || len(f) != 3 || string(f[0].Name) != "pulse" || string(f[0].Text) != "72" || len(f[2].Text) != 0 {
		t.Errorf("%q %v", f, ok)
	}
	if f, ok = f[:0].Groups(match, []byte("P72S97")); !ok || string(f[2].Text) != "97" {
		t.Errorf("%q %v", f, ok)
	}
	for _, line := range []string{"", "xP72", "P72x"} {
		if _, ok := Fields(nil).Groups(match, []byte(line)); ok {
			t.Errorf("%q is taken", line)
		}
	}
	for want, p := range map[string]Place{"column 4: match has 3 groups": {Column: 4}, `key "rate": match has no group (?P<rate>…)`: {Key: "rate"}} {
		if err := p.CheckGroup(match); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, p := range []Place{{Column: 3}, {Key: "pulse"}, {}} {
		if err := p.CheckGroup(match); err != nil {
			t.Error(err)
		}
	}
}

func TestASensorThatComesOffIsAnEventOfItsSeries(t *testing.T) {
	s := series(t, Value{Column: 1, Code: "MDC_PULS_OXIM_SAT_O2", Channel: "left"})
	for off, phase := range map[bool]protocol.Phase{true: protocol.PhaseStart, false: protocol.PhaseEnd} {
		o := s.SensorOff(off)
		if o.Code != protocol.EventSensorOff || o.Channel != "left" || o.Event.Phase != phase || o.Event.Source != protocol.SpO2 || o.Event.Priority != protocol.PriorityLow {
			t.Errorf("%+v %+v", o, o.Event)
		}
	}
}
