// Package mapping leads from a field of text to an observation, as a site's
// settings say it: where a value stands, what it is, its unit and scale, what
// means that there is none, and what a mark beside it says of its worth. It is
// for drivers of devices that do not tell this themselves.
//
// It knows no line format: a driver cuts what it hears into Fields and reads
// the numbers. It converts exactly or not at all, and guesses nothing.
package mapping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"monitorme/protocol"
)

// Value is what the settings say of one value. A driver with more to say of it
// embeds it with the tag ",inline".
type Value struct {
	Column  int      `yaml:"column"` // from 1; of a regular expression: the group's number
	Key     string   `yaml:"key"`    // or its name, in any case
	Code    string   `yaml:"code"`   // MDC_…, MONITORME_… or a number
	Channel string   `yaml:"channel"`
	Unit    string   `yaml:"unit"`  // as the device sends it; "" is the one MonitorMe keeps
	Scale   *Decimal `yaml:"scale"` // value = number * scale
	Min     *Decimal `yaml:"min"`   // outside, in the device's unit, is invalid
	Max     *Decimal `yaml:"max"`
	Zero    string   `yaml:"zero"` // missing or value
}

// A Decimal is a number of the settings, exactly as written.
type Decimal struct{ protocol.Decimal }

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (d *Decimal) UnmarshalYAML(text []byte) (err error) {
	d.Decimal, err = protocol.ParseDecimal(strings.Trim(strings.TrimSpace(string(text)), `"'`))
	return err
}

// Or is the number, or another where the settings have none.
func (d *Decimal) Or(other protocol.Decimal) protocol.Decimal {
	if d == nil {
		return other
	}
	return d.Decimal
}

// A Series is one Value, ready to use. It is read by all decoders and not
// changed.
type Series struct {
	Place
	Code       protocol.Code
	Channel    string
	Kind       protocol.Kind // of a code that nobody knows KindNumeric
	From, Unit protocol.Unit // the device's, and the one that is kept

	Scale, Offset protocol.Decimal // value = number * Scale + Offset
	Min, Max      protocol.Decimal // not valid where there is no bound
	Zero          bool             // 0 is a value
}

// Series checks and translates v. Which kinds are allowed is for the driver to
// say, and an Offset for it to set.
func (v Value) Series() (s Series, err error) {
	if s.Place, err = At(v.Column, v.Key); err != nil {
		return s, err
	}
	if s.Code, err = Lookup(v.Code); err != nil {
		return s, err
	}
	term, known := protocol.Lookup(s.Code)
	s.Kind, s.Channel, s.Unit = term.Kind, v.Channel, term.Unit
	if !known {
		s.Kind, s.Unit = protocol.KindNumeric, protocol.Unit(v.Unit)
	}
	if s.From = protocol.Unit(v.Unit); v.Unit == "" {
		s.From = s.Unit
	}
	s.Scale, s.Offset = v.Scale.Or(protocol.Int(1)), protocol.Int(0)
	s.Min, s.Max = v.Min.Or(protocol.Decimal{}), v.Max.Or(protocol.Decimal{})
	switch v.Zero {
	case "":
		s.Zero = s.Unit != "/min"
	case "missing", "value":
		s.Zero = v.Zero == "value"
	default:
		return s, fmt.Errorf("zero %q: want missing or value", v.Zero)
	}
	if s.Scale.Mantissa == 0 {
		return s, errors.New("scale 0: want another number")
	}
	if _, ok := protocol.Convert(protocol.Int(1), s.From, s.Unit); !ok && s.Kind == protocol.KindNumeric {
		err = fmt.Errorf("unit %q: cannot be converted to %q, in which %s is kept: scale it", v.Unit, s.Unit, v.Code)
	}
	return s, errors.Join(err, CheckText("channel", v.Channel), CheckText("unit", v.Unit))
}

// Lookup gives the code of a reference id, or of a number.
func Lookup(name string) (protocol.Code, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil && n > 0 {
		return protocol.Canonical(protocol.Code(n)), nil
	}
	if t, ok := protocol.LookupRefID(name); ok {
		return t.Code, nil
	}
	return 0, fmt.Errorf("code %q: want a reference id of MonitorMe's nomenclature, such as MDC_PULS_OXIM_SAT_O2, or a number", name)
}

// CheckText checks what goes into every observation; key is that of the
// settings.
func CheckText(key, s string) error {
	if len(s) > protocol.MaxName || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s %q: want at most %d bytes of text without control characters", key, s, protocol.MaxName)
	}
	return nil
}

// SensorOff is the event that the sensor of s comes off, or is on again.
func (s *Series) SensorOff(off bool) protocol.Observation {
	e := protocol.Event{Phase: protocol.PhaseEnd, Priority: protocol.PriorityLow, Type: protocol.AlarmTechnical, Source: s.Code, Text: "sensor off"}
	if off {
		e.Phase = protocol.PhaseStart
	}
	return protocol.Observation{Channel: s.Channel, Code: protocol.EventSensorOff, Kind: protocol.KindEvent, Quality: protocol.QualityGood, Event: &e}
}
