package mindray

import (
	"strings"

	"monitorme/drivers/hl7v2"
	"monitorme/protocol"
)

// Units that are none.
const (
	noUnit  protocol.Unit = ""
	badUnit protocol.Unit = "?"
)

// written are the units that a message may have, though monitors leave them out.
var written = map[string]protocol.Unit{
	"mmhg": "mm[Hg]", "mm[hg]": "mm[Hg]", "kpa": "kPa", "%": "%", "mv": "mV", "mm": "mm", "cel": "Cel", "c": "Cel", "°c": "Cel", "℃": "Cel",
	"f": "[degF]", "°f": "[degF]", "℉": "[degF]", "[degf]": "[degF]",
}

func unitText(v hl7v2.Value) protocol.Unit {
	if v.Empty() {
		return noUnit
	}
	if u, ok := written[strings.ToLower(v.Component(1).Text())]; ok {
		return u
	}
	return badUnit
}

// hottest is the highest temperature in °C; at the monitor of a living patient
// no temperature in °F is as low.
var hottest = protocol.Int(50)

func warm(v protocol.Decimal) bool { return v.Valid && v.Compare(hottest) > 0 }

// unit is that of a reading, or badUnit if it is not known for sure. Two have a
// usual one: pressures in mmHg are whole numbers, those in kPa are not, and
// temperatures in °F are higher than any in °C.
func (d *decoder) unit(r reading) protocol.Unit {
	p := &parameters[r.place]
	switch set := d.units[p.scale]; {
	case p.scale == fixed:
		return unitOf[r.place]
	case r.unit != noUnit:
		return r.unit
	case set != noUnit:
		return set
	case p.scale == pressure && r.v.Exponent >= 0:
		return "mm[Hg]"
	case p.scale == temperature && !warm(r.v), p.scale == difference && !r.hot:
		return "Cel"
	}
	return badUnit
}

// measure puts the value of a reading in the unit of o. One whose unit is not
// known is no number; one that cannot be converted is kept as rejected.
func (d *decoder) measure(o *protocol.Observation, r reading) {
	p := &parameters[r.place]
	u := d.unit(r)
	if u == badUnit {
		d.missing(p.scale)
		o.Quality = protocol.QualityUnknown
		return
	}
	v := r.v
	if p.scale == difference && u == "[degF]" && v.Exponent <= 0 && v.Exponent > -9 {
		zero := int64(32)
		for range -v.Exponent {
			zero *= 10
		}
		v.Mantissa += zero // the difference to 32 °F
	}
	if u == "%" && p.percent != 0 {
		o.Code, o.Unit = p.percent, "%"
	}
	if c, ok := protocol.Convert(v, u, o.Unit); ok {
		o.Value = c
		return
	}
	o.Quality, o.Value, o.Unit = protocol.QualityInvalid, r.v, u
}

// missing tells once what is to be set, for values that are not shown for want
// of it.
func (d *decoder) missing(of scale) {
	if of == difference {
		of = temperature
	}
	if d.advised[of] {
		return
	}
	d.advised[of] = true
	key := ""
	for _, c := range d.choices() {
		if c.of == of {
			key = c.key
		}
	}
	d.advise(protocol.AlarmAdvisory, protocol.PriorityLow, "values are not shown because the monitor does not say their unit: set "+key+" in the settings of this device")
}
