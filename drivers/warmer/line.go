package warmer

import (
	"bytes"

	"monitorme/drivers/checksum"
	"monitorme/drivers/framer"
	"monitorme/protocol"
)

var models = map[string]string{
	"HYB": "GE Giraffe OmniBed", "INC": "GE Giraffe Incubator",
	"GWRM": "GE Giraffe Warmer", "PWRM": "GE Panda Warmer", "PNBW": "GE Panda Warmer",
}

const (
	maxFields = 40
	maxAlarms = 16
)

// accepted is what giraffe and isolette say of a good line; else it is
// framer.Skip or framer.BadSum.
const accepted = 1

// giraffe reads CODE_version,field,field,….
func (d *decoder) giraffe(text []byte) int {
	var f [maxFields][]byte
	n := 0
	for field := range bytes.SplitSeq(text, []byte{','}) {
		if n == maxFields {
			return framer.Skip
		}
		f[n] = bytes.TrimSpace(field)
		n++
	}
	code, version, ok := bytes.Cut(f[0], []byte{'_'})
	model, known := models[string(code)]
	if !ok || !known || n < 10 || len(version) == 0 || len(bytes.Trim(version, "0123456789.")) > 0 {
		return framer.Skip
	}
	if len(code) == 3 {
		return d.omniBed(f[:n], model, version)
	}
	return d.warmer(text, f[:n], model, version)
}

// temperatureOf reads a temperature with a point, or OPEN and the like for none.
func temperatureOf(b []byte) (protocol.Decimal, bool) {
	if v, ok := framer.Number(b); ok {
		return v, v.Places() == 1 || v.Places() == 2
	}
	return protocol.Decimal{}, len(b) > 0 && len(bytes.Trim(b, "OPEN-_")) == 0
}

// percent reads 0 to 100, or dashes for none.
func percent(b []byte) (protocol.Decimal, bool) {
	if string(b) == "--" {
		return protocol.Decimal{}, true
	}
	v, ok := framer.Digits(b)
	return protocol.Int(int64(v)), ok && v <= 100
}

// omniBed reads T1,T2,air,set,control,heater,mode,open,…: the rest, which ends
// with the alarms, is not known.
func (d *decoder) omniBed(f [][]byte, model string, version []byte) int {
	var t [5]protocol.Decimal
	for i := range t {
		var ok bool
		if t[i], ok = temperatureOf(f[1+i]); !ok {
			return framer.Skip
		}
	}
	power, ok := percent(f[6])
	if !ok || len(f[7]) != 1 || len(f[8]) != 1 || string(f[len(f)-1]) != "00" {
		return framer.Skip
	}
	d.identify(protocol.IdentityModel, &d.model, model, nil)
	d.identify(protocol.IdentityFirmware, &d.firmware, "", version)
	d.probe(0, t[0])
	d.probe(1, t[1])
	d.temperature(air, "", t[2], protocol.QualityMissing)
	d.temperature(setting, byAir, t[3], protocol.QualityMissing)
	d.temperature(setting, bySkin, t[4], protocol.QualityMissing)
	d.number(heater, "", "%", power, protocol.QualityMissing)
	return accepted
}

// warmer reads T,set,heater,mode,weight,spo2,pulse,[alarm,…]00,sum.
func (d *decoder) warmer(text []byte, f [][]byte, model string, version []byte) int {
	last := len(f) - 1
	var alarms []string
	for _, a := range f[8 : last-1] {
		if _, ok := framer.Digits(a); !ok || len(alarms) == maxAlarms {
			return framer.Skip
		}
		alarms = append(alarms, "alarm "+string(a)+" of the warmer")
	}
	t, ok1 := temperatureOf(f[1])
	set, ok2 := temperatureOf(f[2])
	power, ok3 := percent(f[3])
	grams, ok4 := framer.Digits(f[5])
	spo2, ok5 := percent(f[6])
	pulse, ok6 := framer.Digits(f[7])
	mode := string(f[4])
	sum, isSum := hexByte(f[last])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !isSum || mode != "P" && mode != "M" || pulse > 350 || string(f[last-1]) != "00" {
		return framer.Skip
	}
	if !d.sums.accepts(checksum.Sum8(text[:len(text)-2]) == sum) {
		return framer.BadSum
	}
	d.identify(protocol.IdentityModel, &d.model, model, nil)
	d.identify(protocol.IdentityFirmware, &d.firmware, "", version)
	d.ring(alarms)
	d.probe(0, t)
	if mode == "M" {
		set = protocol.Decimal{} // not what it keeps to now
	}
	d.temperature(setting, bySkin, set, protocol.QualityMissing)
	d.number(heater, "", "%", power, protocol.QualityMissing)
	if grams > 0 && grams != d.weight {
		d.number(weight, "", "kg", protocol.Dec(int64(grams), -3), protocol.QualityMissing)
	}
	d.weight = grams
	if d.oximeter = d.oximeter || spo2.Mantissa > 0 || pulse > 0; d.oximeter {
		d.number(protocol.SpO2, "", "%", positive(int(spo2.Mantissa)), protocol.QualityMissing)
		d.number(protocol.PulseRate, "", "/min", positive(pulse), protocol.QualityMissing)
	}
	return accepted
}

// positive is v, or no value for 0.
func positive(v int) protocol.Decimal {
	if v == 0 {
		return protocol.Decimal{}
	}
	return protocol.Int(int64(v))
}

// hexByte reads two hexadecimal digits.
func hexByte(b []byte) (v byte, ok bool) {
	if len(b) != 2 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | (c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v<<4 | (c | 0x20 - 'a' + 10)
		default:
			return 0, false
		}
	}
	return v, true
}

const (
	isoLength = 80
	isoEnd    = 77
)

// isolette reads the line of an Isolette, by columns.
func (d *decoder) isolette(text []byte) int {
	if len(text) != isoLength || text[isoEnd] != ']' {
		return framer.Skip
	}
	sum, ok := hexByte(text[isoEnd+1:])
	mode := text[28]
	for _, at := range [...]int{2, 11, 24, 29, 33, 37, 41, 45, 49} {
		ok = ok && text[at] == ' '
	}
	if !ok || mode != 'A' && mode != 'B' {
		return framer.Skip
	}
	tenths := func(at int) protocol.Decimal {
		if v, ok := framer.Digits(text[at : at+3]); ok {
			return protocol.Dec(int64(v), -1)
		}
		return protocol.Decimal{}
	}
	whole := func(at int) protocol.Decimal {
		v, ok := framer.Digits(text[at : at+2])
		return protocol.Decimal{Mantissa: int64(v), Valid: ok}
	}
	product := bytes.TrimSpace(text[3:11])
	if len(product) == 0 {
		return framer.Skip
	}
	if !d.sums.accepts(checksum.Sum8(text[:isoEnd+1]) == sum) {
		return framer.BadSum
	}
	d.identify(protocol.IdentityModel, &d.model, "Dräger ", product)
	var alarms []string
	if flags := text[14:24]; len(bytes.Trim(flags, "0 ")) > 0 {
		alarms = []string{"alarm flags " + string(flags) + " of the incubator"}
	}
	d.ring(alarms)
	d.probe(0, tenths(30))
	d.probe(1, tenths(34))
	d.temperature(air, "", tenths(38), protocol.QualityMissing)
	channel := byAir
	if mode == 'B' {
		channel = bySkin
	}
	d.temperature(setting, channel, tenths(25), protocol.QualityMissing)
	if v, ok := framer.Digits(text[46:49]); ok && v <= 250 { // in steps of 0.4 %
		d.number(heater, "", "%", protocol.Dec(int64(v)*4, -1), protocol.QualityMissing)
	}
	d.number(humidity, "", "%", whole(50), protocol.QualityMissing)
	d.number(oxygen, "", "%", whole(56), protocol.QualityMissing)
	return accepted
}
