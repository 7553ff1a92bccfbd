package diap

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"monitorme/drivers/settings"
	"monitorme/protocol"
)

// Settings are the settings of one monitor; docs/devices/diap.md describes them
// for people. Their words are those of the driver generic.
type Settings struct {
	Model    string        `yaml:"model"`   // shown as the device's model
	Every    time.Duration `yaml:"every"`   // how often the commands are asked
	Silence  time.Duration `yaml:"silence"` // how long a working monitor may be silent
	Missing  []string      `yaml:"missing"` // what else means no value
	Commands []Command     `yaml:"commands"`
}

// Command is one question and what its answer means.
type Command struct {
	Ask       string  `yaml:"ask"`       // without < and >
	Prefix    string  `yaml:"prefix"`    // answers that begin otherwise are none to it
	Match     string  `yaml:"match"`     // a regular expression for the whole answer
	Separator string  `yaml:"separator"` // of columns or pairs; "" is ;
	Columns   int     `yaml:"columns"`   // how many there are, exactly; 0 is any
	Values    []Value `yaml:"values"`
	Quality   []Marks `yaml:"quality"`
}

// Value is one value of an answer.
type Value struct {
	Column  int      `yaml:"column"` // from 1; of a match: the group's number
	Key     string   `yaml:"key"`    // or its name, in any case
	Code    string   `yaml:"code"`   // MDC_…, MONITORME_… or a number
	Channel string   `yaml:"channel"`
	Unit    string   `yaml:"unit"`  // as the monitor sends it; "" is the one MonitorMe keeps
	Scale   *decimal `yaml:"scale"` // value = number * scale
	Min     *decimal `yaml:"min"`   // outside, in the monitor's unit, is invalid
	Max     *decimal `yaml:"max"`
	Zero    string   `yaml:"zero"` // missing or value
}

// Marks is where an answer says what its values are worth.
type Marks struct {
	Column int                         `yaml:"column"`
	Key    string                      `yaml:"key"`
	Marks  map[string]protocol.Quality `yaml:"marks"`
	Codes  []string                    `yaml:"codes"` // which values; none is all
}

// A decimal is a number of the settings, exactly as written.
type decimal struct{ protocol.Decimal }

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (d *decimal) UnmarshalYAML(text []byte) (err error) {
	d.Decimal, err = protocol.ParseDecimal(strings.Trim(strings.TrimSpace(string(text)), `"'`))
	return err
}

// maxFields is how many fields of an answer are looked at.
const maxFields = 64

// A place is where in an answer something stands: a column from 1, or a name.
type place struct {
	column int
	key    string // lower case
}

// A value is one Value, ready to use.
type value struct {
	place
	code       protocol.Code
	channel    string
	from, unit protocol.Unit
	scale      protocol.Decimal
	min, max   protocol.Decimal
	zero       bool // 0 is a value
	episodic   bool // measured now and then
}

// marks is one Marks, ready to use.
type marks struct {
	place
	means map[string]protocol.Quality
	codes []protocol.Code
}

// A command is one Command, ready to use.
type command struct {
	ask       string
	prefix    string
	match     *regexp.Regexp
	separator byte
	columns   int
	byColumn  bool
	values    []value
	marks     []marks
}

// A plan is settings, ready to use. It is read by all decoders.
type plan struct {
	model          string
	every, silence time.Duration
	missing        map[string]bool
	commands       []command
}

func parse(text []byte) (Settings, error) {
	s := Settings{Every: 5 * time.Second, Silence: 45 * time.Second}
	return s, settings.Decode(text, &s)
}

func compile(s Settings) (*plan, error) {
	p := &plan{model: s.Model, every: s.Every, silence: s.Silence, missing: map[string]bool{}}
	if p.model == "" {
		p.model = "monitor that speaks DIAP"
	}
	for _, m := range append([]string{"", "nan", "null", "none", "n/a", "?", "no data"}, s.Missing...) {
		p.missing[strings.ToLower(m)] = true
	}
	errs := []error{checkText("model", p.model)}
	if s.Every < time.Second || s.Every > 5*time.Minute {
		errs = append(errs, fmt.Errorf("every %v: want 1s to 5m", s.Every))
	}
	if least := s.Every + 2*answerWithin; s.Silence < least || s.Silence > time.Hour {
		errs = append(errs, fmt.Errorf("silence %v: want %v to 1h: the monitor may take %v for an answer", s.Silence, least, answerWithin))
	}
	for i, c := range s.Commands {
		compiled, err := compileCommand(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("commands[%d]: %w", i, err))
		}
		p.commands = append(p.commands, compiled)
	}
	return p, errors.Join(append(errs, p.distinct())...)
}

// distinct checks that an answer can belong to one command only, and that each
// series has one place.
func (p *plan) distinct() error {
	type series struct {
		code    protocol.Code
		channel string
	}
	seen, keys := map[series]bool{}, map[string]bool{}
	var errs []error
	for i, c := range p.commands {
		if c.byColumn && c.match == nil && c.prefix == "" && len(p.commands) > 1 {
			errs = append(errs, fmt.Errorf("commands[%d]: columns alone do not tell whose answer it is: want a prefix or a match where there is more than one command", i))
		}
		for _, v := range c.values {
			if s := (series{v.code, v.channel}); seen[s] {
				errs = append(errs, fmt.Errorf("commands[%d]: code %d, channel %q: there is another value of it: want a channel for each", i, v.code, v.channel))
			} else {
				seen[s] = true
			}
			if c.match == nil && c.prefix == "" && v.key != "" {
				if keys[v.key] {
					errs = append(errs, fmt.Errorf("commands[%d]: key %q: there is another value of that name", i, v.key))
				}
				keys[v.key] = true
			}
		}
	}
	return errors.Join(errs...)
}

func compileCommand(c Command) (out command, err error) {
	out = command{ask: c.Ask, prefix: c.Prefix, columns: c.Columns, separator: ';'}
	if err := harmless(c.Ask); err != nil {
		return out, err
	}
	var errs []error
	if len(c.Separator) > 1 {
		errs = append(errs, fmt.Errorf("separator %q: want one character, or none for ;", c.Separator))
	} else if c.Separator != "" {
		out.separator = c.Separator[0]
	}
	if c.Columns < 0 || c.Columns > maxFields {
		errs = append(errs, fmt.Errorf("columns %d: want 1 to %d, or 0 for any number", c.Columns, maxFields))
	}
	if c.Match != "" {
		if out.match, err = regexp.Compile(c.Match); err != nil {
			return out, fmt.Errorf("match %q: want a regular expression of RE2: %w", c.Match, err)
		}
	}
	if len(c.Values) == 0 {
		errs = append(errs, errors.New("values: want at least one"))
	}
	for i, v := range c.Values {
		compiled, err := compileValue(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("values[%d]: %w", i, err))
		}
		out.values = append(out.values, compiled)
		out.byColumn = out.byColumn || compiled.column > 0
	}
	for i, m := range c.Quality {
		compiled, err := compileMarks(m)
		if err != nil {
			errs = append(errs, fmt.Errorf("quality[%d]: %w", i, err))
		}
		out.marks = append(out.marks, compiled)
	}
	return out, errors.Join(append(errs, out.checkPlaces())...)
}

// checkPlaces checks that what is looked for can be there.
func (c *command) checkPlaces() error {
	var all []place
	for _, v := range c.values {
		all = append(all, v.place)
	}
	for _, m := range c.marks {
		all = append(all, m.place)
	}
	for _, a := range all {
		switch {
		case c.match != nil && a.column > c.match.NumSubexp():
			return fmt.Errorf("column %d: match has %d groups", a.column, c.match.NumSubexp())
		case c.match != nil && a.key != "" && !slices.ContainsFunc(c.match.SubexpNames(), func(n string) bool { return strings.EqualFold(n, a.key) }):
			return fmt.Errorf("key %q: match has no group (?P<%s>…)", a.key, a.key)
		case c.match == nil && c.byColumn && a.key != "":
			return fmt.Errorf("key %q: want either columns or keys in one answer", a.key)
		case c.match == nil && !c.byColumn && a.column > 0:
			return fmt.Errorf("column %d: want either columns or keys in one answer", a.column)
		case c.columns > 0 && a.column > c.columns:
			return fmt.Errorf("column %d: there are %d columns", a.column, c.columns)
		}
	}
	return nil
}

func at(column int, key string) (place, error) {
	if (column == 0) == (key == "") || column < 0 || column > maxFields {
		return place{}, fmt.Errorf("column %d, key %q: want one of them, columns from 1 to %d", column, key, maxFields)
	}
	return place{column, strings.ToLower(key)}, nil
}

func lookup(name string) (protocol.Code, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil && n > 0 {
		return protocol.Canonical(protocol.Code(n)), nil
	}
	if t, ok := protocol.LookupRefID(name); ok {
		return t.Code, nil
	}
	return 0, fmt.Errorf("code %q: want a reference id of MonitorMe's nomenclature, such as MDC_PULS_OXIM_SAT_O2, or a number", name)
}

func compileValue(v Value) (c value, err error) {
	if c.place, err = at(v.Column, v.Key); err != nil {
		return c, err
	}
	if c.code, err = lookup(v.Code); err != nil {
		return c, err
	}
	term, known := protocol.Lookup(c.code)
	if known && term.Kind != protocol.KindNumeric {
		return c, fmt.Errorf("code %s: want a number: DIAP has nothing else", v.Code)
	}
	c.channel, c.unit = v.Channel, term.Unit
	if !known {
		c.unit = protocol.Unit(v.Unit)
	}
	if c.from = protocol.Unit(v.Unit); v.Unit == "" {
		c.from = c.unit
	}
	// What is measured now and then stands in every answer until the next.
	c.episodic = known && (term.Period == 0 || term.Period >= time.Hour)
	c.scale = protocol.Int(1)
	for _, n := range []struct {
		from *decimal
		to   *protocol.Decimal
	}{{v.Scale, &c.scale}, {v.Min, &c.min}, {v.Max, &c.max}} {
		if n.from != nil {
			*n.to = n.from.Decimal
		}
	}
	switch v.Zero {
	case "":
		c.zero = c.unit != "/min"
	case "missing", "value":
		c.zero = v.Zero == "value"
	default:
		return c, fmt.Errorf("zero %q: want missing or value", v.Zero)
	}
	if c.scale.Mantissa == 0 {
		return c, errors.New("scale 0: want another number")
	}
	if _, ok := protocol.Convert(protocol.Int(1), c.from, c.unit); !ok {
		return c, fmt.Errorf("unit %q: cannot be converted to %q, in which %s is kept: scale it", v.Unit, c.unit, v.Code)
	}
	return c, errors.Join(checkText("channel", v.Channel), checkText("unit", v.Unit))
}

func compileMarks(m Marks) (c marks, err error) {
	if c.place, err = at(m.Column, m.Key); err != nil {
		return c, err
	}
	if len(m.Marks) == 0 {
		return c, errors.New("marks: want what each mark means")
	}
	c.means = map[string]protocol.Quality{}
	for text, q := range m.Marks {
		c.means[strings.ToLower(text)] = q
	}
	for _, name := range m.Codes {
		code, err := lookup(name)
		if err != nil {
			return c, err
		}
		c.codes = append(c.codes, code)
	}
	return c, nil
}

// checkText checks what goes into every observation.
func checkText(what, s string) error {
	if len(s) > protocol.MaxName || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s %q: want at most %d bytes of text without control characters", what, s, protocol.MaxName)
	}
	return nil
}
