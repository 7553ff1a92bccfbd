package hl7

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // for boxes that have no time zones of their own

	"monitorme/drivers/settings"
	"monitorme/protocol"
)

// Settings are the settings of one device; docs/devices/hl7.md describes them
// for people.
type Settings struct {
	// Location is the bed as PV1-3 names it: components with ^ between, as far
	// as needed to be sure. * stands for any component, or any end of one.
	Location string `yaml:"location"`
	// SingleBed tells that nothing but this bed's monitor can be at the far
	// end: results are taken whatever location and patient they name.
	SingleBed bool `yaml:"single_bed"`
	// TimeZone is that of times without an offset, as "Europe/Berlin".
	TimeZone string `yaml:"time_zone"`
	// Invalid are numbers that mean "no value", as -100.
	Invalid []string `yaml:"invalid"`
	// Units are the units of values that come without one: reference id to UCUM.
	Units   map[string]string `yaml:"units"`
	Codes   []Code            `yaml:"codes"`
	Silence time.Duration     `yaml:"silence"`
}

// Code says what a vendor's code means.
type Code struct {
	ID      string `yaml:"id"`     // OBX-3.1
	System  string `yaml:"system"` // OBX-3.3; "" is any
	Code    string `yaml:"code"`   // MDC_…, MONITORME_… or the number of a term
	Channel string `yaml:"channel"`
	Unit    string `yaml:"unit"` // in UCUM, if the message gives none
}

func defaults() Settings { return Settings{Silence: time.Minute} }

// A meaning is what an identifier of the device stands for.
type meaning struct {
	code    protocol.Code
	channel string
	unit    protocol.Unit // if the message gives none; "" is not known
}

type idKey struct{ id, system string }

// A plan is settings, ready to use. It is read by all decoders.
type plan struct {
	Settings
	location []string // components; nil is not set
	zone     *time.Location
	zoned    bool // the zone was set
	invalid  []protocol.Decimal
	units    map[protocol.Code]protocol.Unit
	mapped   map[idKey]meaning
}

func parseSettings(text []byte) (*plan, error) {
	s := defaults()
	if err := settings.Decode(text, &s); err != nil {
		return nil, err
	}
	return compile(s)
}

func mustCompile(s Settings) *plan {
	p, err := compile(s)
	if err != nil {
		panic(err)
	}
	return p
}

func compile(s Settings) (*plan, error) {
	p := &plan{Settings: s, zone: time.UTC, units: map[protocol.Code]protocol.Unit{}, mapped: map[idKey]meaning{}}
	var errs []error
	bad := func(key, v, want string) { errs = append(errs, fmt.Errorf("%s %q: want %s", key, v, want)) }
	if s.Location != "" {
		p.location = trimmed(strings.Split(s.Location, "^"))
		if strings.Trim(s.Location, "^* ") == "" || len(s.Location) > 200 {
			bad("location", s.Location, "PV1-3 of the bed, such as W7^^B12, and not only * in it")
		}
		if s.SingleBed {
			bad("single_bed", "true", "either a location or single_bed")
		}
	}
	if s.TimeZone != "" {
		var err error
		if p.zone, err = time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
			bad("time_zone", s.TimeZone, "a name of the time zone database, such as Europe/Berlin or UTC")
			p.zone = time.UTC
		}
		p.zoned = true
	}
	for _, n := range s.Invalid {
		d, err := protocol.ParseDecimal(n)
		if err != nil {
			bad("invalid", n, "numbers, such as [-100]")
		}
		p.invalid = append(p.invalid, d)
	}
	for refID, unit := range s.Units {
		term, err := termOf(refID)
		if err == nil {
			err = fits(protocol.Unit(unit), term)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("units: %w", err))
		}
		p.units[term.Code] = protocol.Unit(unit)
	}
	for i, c := range s.Codes {
		if err := p.addCode(c); err != nil {
			errs = append(errs, fmt.Errorf("codes[%d]: %w", i, err))
		}
	}
	if s.Silence < time.Second || s.Silence > 24*time.Hour {
		bad("silence", s.Silence.String(), "1s to 24h")
	}
	return p, errors.Join(errs...)
}

func (p *plan) addCode(c Code) error {
	if c.ID == "" || len(c.ID) > 64 {
		return fmt.Errorf("id %q: want the code that stands first in OBX-3", c.ID)
	}
	key := idKey{c.ID, c.System}
	if _, twice := p.mapped[key]; twice {
		return fmt.Errorf("id %q of system %q is there twice", c.ID, c.System)
	}
	term, err := termOf(c.Code)
	if err != nil {
		return err
	}
	if c.Unit != "" {
		if err := fits(protocol.Unit(c.Unit), term); err != nil {
			return err
		}
	}
	if len(c.Channel) > 32 || strings.ContainsFunc(c.Channel, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("channel %q: want up to 32 plain characters", c.Channel)
	}
	p.mapped[key] = meaning{term.Code, c.Channel, protocol.Unit(c.Unit)}
	return nil
}

// termOf finds a term by its reference id or its number.
func termOf(s string) (protocol.Term, error) {
	if t, ok := protocol.LookupRefID(s); ok && t.Kind != protocol.KindUnknown {
		return t, nil
	}
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		if t, ok := protocol.Lookup(protocol.Canonical(protocol.Code(n))); ok && t.Kind != protocol.KindUnknown {
			return t, nil
		}
	}
	return protocol.Term{}, fmt.Errorf("code %q: want a reference id of the nomenclature, such as MDC_ECG_HEART_RATE, or its number", s)
}

// fits tells whether values in u can be kept under the term.
func fits(u protocol.Unit, term protocol.Term) error {
	if _, ok := protocol.Convert(protocol.Int(1), u, term.Unit); !ok {
		return fmt.Errorf("unit %q of %s: want %q or a unit that converts to it", u, term.RefID, term.Unit)
	}
	return nil
}
