package generic

import (
	"errors"
	"fmt"
	"math"
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

// Settings are the settings of one device; docs/devices/generic.md describes
// them for people.
type Settings struct {
	Model     string        `yaml:"model"`     // shown as the device's model
	Format    string        `yaml:"format"`    // auto, columns, pairs, json
	Match     string        `yaml:"match"`     // a regular expression for the whole line, instead of a format
	Prefix    string        `yaml:"prefix"`    // lines that begin otherwise are passed over
	Separator string        `yaml:"separator"` // of columns; "" finds it
	Comma     bool          `yaml:"decimal_comma"`
	Columns   int           `yaml:"columns"`  // how many a line has, exactly; 0 is any
	Checksum  string        `yaml:"checksum"` // "xor": lines must end in *hh
	Rate      float64       `yaml:"rate"`     // lines per second, for waves
	Delay     time.Duration `yaml:"delay"`    // from measuring to sending
	Silence   time.Duration `yaml:"silence"`
	Missing   []string      `yaml:"missing"` // what else means no value
	Time      *Clock        `yaml:"time"`
	Values    []Value       `yaml:"values"`
	Quality   []Marks       `yaml:"quality"`
}

// Clock is where a line has the device's own time.
type Clock struct {
	Column int    `yaml:"column"`
	Key    string `yaml:"key"`
	Format string `yaml:"format"` // unix, unix-ms, rfc3339, or a layout of Go's package time
}

// Value is one value of a line.
type Value struct {
	Column  int               `yaml:"column"` // from 1; of a match: the group's number
	Key     string            `yaml:"key"`    // or its name, in any case
	Code    string            `yaml:"code"`   // MDC_…, MONITORME_… or a number
	Channel string            `yaml:"channel"`
	Unit    string            `yaml:"unit"`  // as the device sends it; "" is the one MonitorMe keeps
	Scale   *decimal          `yaml:"scale"` // value = number * scale + offset
	Offset  *decimal          `yaml:"offset"`
	Places  int               `yaml:"places"` // of a wave's samples
	Min     *decimal          `yaml:"min"`    // outside, in the device's unit, is invalid
	Max     *decimal          `yaml:"max"`
	Zero    string            `yaml:"zero"`  // missing or value
	Words   map[string]string `yaml:"words"` // of an enumeration: the device's word -> ours
}

// Marks is where a line says what its values are worth.
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

func parseSettings(text []byte) (Settings, error) {
	s := Settings{Silence: 10 * time.Second}
	return s, settings.Decode(text, &s)
}

// A place is where in a line something stands: a column from 1, or a name.
type place struct {
	column int
	key    string // lower case
}

func at(column int, key string) (place, error) {
	if (column == 0) == (key == "") || column < 0 || column > maxFields {
		return place{}, fmt.Errorf("column %d, key %q: want one of them, columns from 1 to %d", column, key, maxFields)
	}
	return place{column, strings.ToLower(key)}, nil
}

// A value is one Value, ready to use.
type value struct {
	place
	code          protocol.Code
	channel       string
	kind          protocol.Kind
	from, unit    protocol.Unit
	scale, offset protocol.Decimal
	min, max      protocol.Decimal
	places        int
	zero          bool // 0 is a value
	words         map[string]string
}

// marks is one Marks, ready to use.
type marks struct {
	place
	means map[string]protocol.Quality
	codes []protocol.Code
}

// A plan is settings, ready to use. It is read by all decoders.
type plan struct {
	Settings
	checked   bool
	match     *regexp.Regexp
	clock     place
	values    []value
	marks     []marks
	waves     bool
	rateMilli uint32
	block     int // samples in a block
	missing   map[string]bool
}

func compile(s Settings) (*plan, error) {
	p := &plan{Settings: s, checked: s.Checksum == "xor", missing: map[string]bool{}}
	for _, m := range append([]string{"", "nan", "null", "none", "n/a", "?"}, s.Missing...) {
		p.missing[strings.ToLower(m)] = true
	}
	p.rateMilli = uint32(math.Round(s.Rate * 1000))
	p.block = max(1, int(s.Rate/2))
	errs := []error{p.checkLine()}
	if len(s.Values) == 0 {
		errs = append(errs, errors.New("values: want at least one"))
	}
	for i, v := range s.Values {
		c, err := p.value(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("values[%d]: %w", i, err))
		}
		p.values = append(p.values, c)
		p.waves = p.waves || c.kind == protocol.KindSamples
	}
	for i, m := range s.Quality {
		c, err := compileMarks(m)
		if err != nil {
			errs = append(errs, fmt.Errorf("quality[%d]: %w", i, err))
		}
		p.marks = append(p.marks, c)
	}
	if s.Time != nil {
		var err error
		if p.clock, err = at(s.Time.Column, s.Time.Key); err != nil || s.Time.Format == "" {
			errs = append(errs, fmt.Errorf("time: format %q: want unix, unix-ms, rfc3339 or a layout such as 2006-01-02 15:04:05 (%v)", s.Time.Format, err))
		}
	}
	return p, errors.Join(append(errs, p.checkPlaces())...)
}

// checkLine checks what is said of the line as a whole.
func (p *plan) checkLine() error {
	var errs []error
	bad := func(key string, v any, want string) {
		errs = append(errs, fmt.Errorf("%s %q: want %s", key, fmt.Sprint(v), want))
	}
	if p.Format == "" {
		p.Format = "auto"
	}
	if !slices.Contains([]string{"auto", "columns", "pairs", "json"}, p.Format) {
		bad("format", p.Format, "auto, columns, pairs or json")
	}
	if p.Match != "" {
		var err error
		if p.match, err = regexp.Compile(p.Match); err != nil {
			bad("match", p.Match, "a regular expression of RE2: "+err.Error())
		}
		if p.Format != "auto" {
			bad("format", p.Format, "no format together with match")
		}
	}
	if len(p.Separator) > 1 {
		bad("separator", p.Separator, "one character, or none to find it")
	}
	if p.Checksum != "" && p.Checksum != "xor" {
		bad("checksum", p.Checksum, `xor ("$...*hh"), or none`)
	}
	if p.Columns < 0 || p.Columns > maxFields {
		bad("columns", p.Columns, fmt.Sprintf("1 to %d, or 0 for any number", maxFields))
	}
	if p.Rate < 0 || p.Rate > 4000 {
		bad("rate", p.Rate, "at most 4000 lines per second")
	}
	if p.Delay < 0 || p.Delay > time.Hour {
		bad("delay", p.Delay, "0s to 1h")
	}
	if p.Silence < time.Second || p.Silence > 366*24*time.Hour {
		bad("silence", p.Silence, "1s to 8784h")
	}
	if err := checkText("model", p.Model); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkPlaces checks that what is looked for can be there.
func (p *plan) checkPlaces() error {
	all := []place{p.clock}
	columns := false
	for _, v := range p.values {
		all, columns = append(all, v.place), columns || v.column > 0
	}
	for _, m := range p.marks {
		all = append(all, m.place)
	}
	if columns && p.Format == "auto" && p.match == nil {
		p.Format = "columns"
	}
	for _, a := range all {
		switch {
		case p.match != nil && a.column > p.match.NumSubexp():
			return fmt.Errorf("column %d: match has %d groups", a.column, p.match.NumSubexp())
		case p.match != nil && a.key != "" && !slices.ContainsFunc(p.match.SubexpNames(), func(n string) bool { return strings.EqualFold(n, a.key) }):
			return fmt.Errorf("key %q: match has no group (?P<%s>…)", a.key, a.key)
		case p.match == nil && a.column > 0 && p.Format != "columns":
			return fmt.Errorf("column %d: want format columns, or a match", a.column)
		case p.Columns > 0 && a.column > p.Columns:
			return fmt.Errorf("column %d: there are %d columns", a.column, p.Columns)
		}
	}
	return nil
}

// checkText checks what goes into every observation.
func checkText(what, s string) error {
	if len(s) > protocol.MaxName || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s %q: want at most %d bytes of text without control characters", what, s, protocol.MaxName)
	}
	return nil
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

// value checks and translates one Value.
func (p *plan) value(v Value) (c value, err error) {
	if c.place, err = at(v.Column, v.Key); err != nil {
		return c, err
	}
	if c.code, err = lookup(v.Code); err != nil {
		return c, err
	}
	term, known := protocol.Lookup(c.code)
	c.kind, c.channel, c.unit, c.places = term.Kind, v.Channel, term.Unit, v.Places
	if !known {
		c.kind, c.unit = protocol.KindNumeric, protocol.Unit(v.Unit)
	}
	if c.from = protocol.Unit(v.Unit); v.Unit == "" {
		c.from = c.unit
	}
	c.scale, c.offset = protocol.Int(1), protocol.Int(0)
	for _, n := range []struct {
		from *decimal
		to   *protocol.Decimal
	}{{v.Scale, &c.scale}, {v.Offset, &c.offset}, {v.Min, &c.min}, {v.Max, &c.max}} {
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
	return c, errors.Join(p.checkKind(&c, v), checkText("channel", v.Channel), checkText("unit", v.Unit))
}

// checkKind checks what depends on what kind of value it is.
func (p *plan) checkKind(c *value, v Value) error {
	switch c.kind {
	case protocol.KindNumeric:
		if _, ok := protocol.Convert(protocol.Int(1), c.from, c.unit); !ok {
			return fmt.Errorf("unit %q: cannot be converted to %q, in which %s is kept: scale it", v.Unit, c.unit, v.Code)
		}
	case protocol.KindSamples:
		if p.Rate <= 0 {
			return fmt.Errorf("code %s is a wave: want rate, the lines per second", v.Code)
		}
		if c.from != c.unit {
			return fmt.Errorf("unit %q: a wave of %s is kept in %q: scale it", v.Unit, v.Code, c.unit)
		}
		if v.Places < 0 || v.Places > 6 {
			return fmt.Errorf("places %d: want 0 to 6", v.Places)
		}
	case protocol.KindEnumeration:
		return c.setWords(v.Words)
	default:
		return fmt.Errorf("code %s: want a number, a wave or an enumeration", v.Code)
	}
	return nil
}

// sleepWords are the words of SleepStatus.
var sleepWords = []string{"awake", "asleep", "light", "deep", "rem", "unknown"}

func (c *value) setWords(words map[string]string) error {
	c.words = map[string]string{}
	for theirs, ours := range words {
		if c.code == protocol.SleepStatus && !slices.Contains(sleepWords, ours) {
			return fmt.Errorf("words %q: %q: want one of %s", theirs, ours, strings.Join(sleepWords, ", "))
		}
		c.words[strings.ToLower(theirs)] = ours
	}
	if c.code == protocol.SleepStatus && len(words) == 0 {
		for _, w := range sleepWords {
			c.words[w] = w
		}
	}
	if len(c.words) == 0 {
		return errors.New("words: want what each word of the device means")
	}
	return nil
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

// codes are all that can be emitted.
func (p *plan) codes() (all []protocol.Code) {
	add := func(c protocol.Code) {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	for _, v := range p.values {
		add(v.code)
	}
	add(protocol.IdentityModel)
	add(protocol.EventSensorOff)
	return all
}
