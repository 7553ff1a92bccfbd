package protocol

import "math/big"

// unitInfo is what is known of one unit.
type unitInfo struct {
	code    Code   // MDC_DIM_… code, 0 if none is certain
	unit    Unit   // UCUM
	display string // on a screen, if not the UCUM text
}

// units are those that MonitorMe keeps or converts from. Several codes may
// give one unit: the standard counts beats and breaths apart, UCUM does not.
var units = []unitInfo{
	{262656, "1", ""},
	{262688, "%", "%"},
	{264864, "/min", "/min"}, // MDC_DIM_BEAT_PER_MIN
	{264928, "/min", "/min"}, // MDC_DIM_RESP_PER_MIN
	{264896, "/min", "/min"}, // MDC_DIM_PULS_PER_MIN
	{266016, "mm[Hg]", "mmHg"},
	{265987, "kPa", "kPa"},
	{266048, "cm[H2O]", "cmH2O"},
	{264320, "s", "s"},
	{264338, "ms", "ms"},
	{264608, "/s", "/s"},
	{266418, "mV", "mV"},
	{266419, "uV", "µV"},
	{263442, "mm", "mm"},
	{263441, "cm", "cm"},
	{268192, "Cel", "°C"},
	{266560, "[degF]", "°F"},
	{264274, "mg/dL", "mg/dL"},
	{266866, "mmol/L", "mmol/L"},
	{264256, "g/dL", "g/dL"},
	{263875, "kg", "kg"},
	{263904, "[lb_av]", "lb"},
	{263872, "g", "g"},
	{265216, "L/min", "L/min"},
	{263762, "mL", "mL"},
	{263744, "L", "L"},
	{266432, "Ohm", "Ω"},
	{266098, "mbar", "mbar"},
	{265986, "hPa", "hPa"},
	{268050, "mL/cm[H2O]", "mL/cmH2O"},
	{0, "mL/mbar", "mL/mbar"},
	{268064, "cm[H2O]/(L/s)", "cmH2O/L/s"},
	{0, "mbar/(L/s)", "mbar/L/s"},
	{0, "L/s", "L/s"},
	{0, "mL/s", "mL/s"},
	{265234, "mL/min", "mL/min"},
	{0, "L/min/m2", "L/min/m²"},
	{0, "mL/dL", "mL/dL"},
	{265266, "mL/h", "mL/h"},
	{0, "/min/L", "/min/L"},
	{0, "J/L", "J/L"},
	{264352, "min", "min"},
	{0, "Hz", "Hz"},
	{0, "dB", "dB"},
	{266400, "V", "V"},
	{0, "uS", "µS"},
	{0, "deg", "°"},
	{0, "[g]", "g"},
}

var (
	unitByCode = make(map[Code]Unit)
	unitByName = make(map[Unit]*unitInfo)
	codeByUnit = make(map[Unit]Code)
)

func init() {
	for i := range units {
		u := &units[i]
		if unitByName[u.unit] == nil {
			unitByName[u.unit] = u
			codeByUnit[u.unit] = u.code
		}
		if u.code != 0 {
			unitByCode[u.code] = u.unit
		}
	}
}

// UnitOf gives the UCUM unit of an IEEE 11073-10101 unit code (partition 4,
// context-free), or false.
func UnitOf(c Code) (Unit, bool) {
	u, ok := unitByCode[c]
	return u, ok
}

// Code is the IEEE 11073-10101 unit code of u, or 0 if none is known. For
// "/min" it is the one for beats.
func (u Unit) Code() Code { return codeByUnit[u] }

// Display is u as people write it: "mmHg", "°C", "/min", and "" for "1".
// A unit that is not known is given as it is.
func (u Unit) Display() string {
	if i := unitByName[u]; i != nil {
		return i.display
	}
	return string(u)
}

// internUnit gives the known unit that b spells without allocating, else a copy.
func internUnit(b []byte) Unit {
	if i := unitByName[Unit(b)]; i != nil {
		return i.unit
	}
	return Unit(b)
}

// A conversion is exact: to = (from - minus) * num / den. The result has the
// decimal places given by places, or, if that is -1, those of the value
// converted; it is rounded half away from zero.
type conversion struct {
	minus    int64
	num, den int64
	places   int
}

// conversions are those to the units that MonitorMe keeps. The places are what
// a display of the target unit shows, or one more where the source is finer,
// so that no reading is made coarser than its device gave it.
var conversions = map[[2]Unit]conversion{
	{"kPa", "mm[Hg]"}:               {num: 7500616827, den: 1000000000, places: 1}, // 1 mmHg = 133.322387415 Pa
	{"mbar", "mm[Hg]"}:              {num: 7500616827, den: 10000000000, places: 1},
	{"hPa", "mm[Hg]"}:               {num: 7500616827, den: 10000000000, places: 1},
	{"cm[H2O]", "mm[Hg]"}:           {num: 735559240, den: 1000000000, places: 1}, // 1 cmH2O = 98.0665 Pa
	{"mbar", "cm[H2O]"}:             {num: 1000000, den: 980665, places: 1},
	{"hPa", "cm[H2O]"}:              {num: 1000000, den: 980665, places: 1},
	{"kPa", "cm[H2O]"}:              {num: 10000000, den: 980665, places: 1},
	{"mm[Hg]", "cm[H2O]"}:           {num: 133322387415, den: 98066500000, places: 1},
	{"mL/mbar", "mL/cm[H2O]"}:       {num: 980665, den: 1000000, places: 1},
	{"mbar/(L/s)", "cm[H2O]/(L/s)"}: {num: 1000000, den: 980665, places: 1},
	{"[degF]", "Cel"}:               {minus: 32, num: 5, den: 9, places: 2},
	{"mmol/L", "mg/dL"}:             {num: 18016, den: 1000, places: 0}, // glucose
	{"[lb_av]", "kg"}:               {num: 45359237, den: 100000000, places: 2},
	{"g", "kg"}:                     {num: 1, den: 1000, places: 3},
	{"uV", "mV"}:                    {num: 1, den: 1000, places: 3},
	{"mm", "mV"}:                    {num: 1, den: 10, places: 3}, // ST at the standard gain of 10 mm/mV
	{"L", "mL"}:                     {num: 1000, den: 1, places: 0},
	{"L/s", "L/min"}:                {num: 60, den: 1, places: 1},
	{"mL/s", "L/min"}:               {num: 60, den: 1000, places: 2},
	{"mL/min", "L/min"}:             {num: 1, den: 1000, places: 3},
	{"s", "ms"}:                     {num: 1000, den: 1, places: 0},
	{"ms", "s"}:                     {num: 1, den: 1000, places: 3},
	{"s", "min"}:                    {num: 1, den: 60, places: 1},
}

// Convert gives v, which is in unit from, in unit to, or false if that is not
// one of the conversions to the units that MonitorMe keeps. A value without
// number stays so. The arithmetic is exact and the result is rounded once,
// half away from zero, to: mmHg, cmH2O and min 1 place; °C 2; mg/dL and mL 0; kg
// 2 (from g 3); mV 3. mmol/L to mg/dL is that of glucose, factor 18.016.
func Convert(v Decimal, from, to Unit) (Decimal, bool) {
	if from == to {
		return v, true
	}
	c, ok := conversions[[2]Unit{from, to}]
	if !ok {
		return Decimal{}, false
	}
	if !v.Valid {
		return Decimal{}, true
	}
	return c.apply(v)
}

// apply computes with big integers: conversions are few and rare, and a
// quotient of two of them is exact.
func (c conversion) apply(v Decimal) (Decimal, bool) {
	num, den := big.NewInt(v.Mantissa), big.NewInt(1)
	if v.Exponent >= 0 {
		num.Mul(num, tenTo(int64(v.Exponent)))
	} else {
		den = tenTo(-int64(v.Exponent))
	}
	num.Sub(num, new(big.Int).Mul(den, big.NewInt(c.minus)))
	num.Mul(num, big.NewInt(c.num)).Mul(num, tenTo(int64(c.places)))
	den.Mul(den, big.NewInt(c.den))
	// Round half away from zero: (2|num| + den) / (2 den), with num's sign.
	negative := num.Sign() < 0
	num.Abs(num).Lsh(num, 1).Add(num, den)
	num.Quo(num, den.Lsh(den, 1))
	if !num.IsInt64() {
		return Decimal{}, false
	}
	m := num.Int64()
	if negative {
		m = -m
	}
	return Dec(m, int8(-c.places)), true
}

func tenTo(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }
