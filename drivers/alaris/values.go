package alaris

import (
	"bytes"

	"monitorme/drivers/framer"
	"monitorme/protocol"
)

func missing(code protocol.Code, unit protocol.Unit) protocol.Observation {
	return protocol.Observation{Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: protocol.QualityMissing}
}

// units are those a pump may write, in UCUM.
var units = map[string]protocol.Unit{
	"ml/h": "mL/h", "ml": "mL", "mmHg": "mm[Hg]", "kPa": "kPa", "mbar": "mbar",
}

// number reads a number and its unit. One in a unit that is not known is kept
// with it, and rejected.
func number(code protocol.Code, text, unit []byte, want protocol.Unit) protocol.Observation {
	o := missing(code, want)
	v, ok := framer.Number(text)
	if !ok {
		return o
	}
	if u, known := units[string(unit)]; known {
		if c, ok := protocol.Convert(v, u, want); ok {
			o.Value, o.Quality = c, protocol.QualityGood
			return o
		}
	}
	o.Value, o.Quality, o.Unit = v, protocol.QualityInvalid, protocol.Unit(printable(unit[:min(len(unit), protocol.MaxName)]))
	return o
}

// remaining reads the time that is left: hours, minutes and seconds, or "24+"
// for more than 24 h. With two numbers only, which the sheet takes for hours
// and minutes, it is marked.
func remaining(text []byte) protocol.Observation {
	o := missing(timeLeft, "min")
	if h, more := bytes.CutSuffix(text, []byte{'+'}); more {
		if n, ok := framer.Digits(h); ok && len(h) <= 3 {
			o.Value, o.Quality = protocol.Int(int64(n)*60), protocol.QualityOverflow
		}
		return o
	}
	var seconds, parts int64
	for more := true; more; parts++ {
		var part []byte
		part, text, more = bytes.Cut(text, []byte{':'})
		n, ok := framer.Digits(part)
		if !ok || len(part) > 3 || parts > 2 || parts > 0 && (len(part) != 2 || n > 59) {
			return o
		}
		seconds = seconds*60 + int64(n)
	}
	switch parts {
	case 3:
		o.Quality = protocol.QualityGood
	case 2:
		o.Quality, seconds = protocol.QualityQuestionable, seconds*60
	default:
		return o
	}
	if o.Value = protocol.Int(seconds / 60); seconds%60 != 0 {
		o.Value = protocol.Dec(seconds*100/60, -2) // never more than there is
	}
	return o
}
