package generic

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"monitorme/drivers/mapping"
	"monitorme/drivers/settings"
	"monitorme/protocol"
)

// Settings are the settings of one device; docs/devices/generic.md describes
// them for people.
type Settings struct {
	Model     string          `yaml:"model"`     // shown as the device's model
	Format    string          `yaml:"format"`    // auto, columns, pairs, json
	Match     string          `yaml:"match"`     // a regular expression for the whole line, instead of a format
	Prefix    string          `yaml:"prefix"`    // lines that begin otherwise are passed over
	Separator string          `yaml:"separator"` // of columns; "" finds it
	Comma     bool            `yaml:"decimal_comma"`
	Columns   int             `yaml:"columns"`  // how many a line has, exactly; 0 is any
	Checksum  string          `yaml:"checksum"` // "xor": lines must end in *hh
	Rate      float64         `yaml:"rate"`     // lines per second, for waves
	Delay     time.Duration   `yaml:"delay"`    // from measuring to sending
	Silence   time.Duration   `yaml:"silence"`
	Missing   []string        `yaml:"missing"` // what else means no value
	Time      *Clock          `yaml:"time"`
	Values    []Value         `yaml:"values"`
	Quality   []mapping.Marks `yaml:"quality"`
}

// Clock is where a line has the device's own time.
type Clock struct {
	Column int    `yaml:"column"`
	Key    string `yaml:"key"`
	Format string `yaml:"format"` // unix, unix-ms, rfc3339, or a layout of Go's package time
}

// Value is one value of a line.
type Value struct {
	mapping.Value `yaml:",inline"`
	Offset        *mapping.Decimal  `yaml:"offset"` // value = number * scale + offset
	Places        int               `yaml:"places"` // of a wave's samples
	Words         map[string]string `yaml:"words"`  // of an enumeration: the device's word -> ours
}

func parseSettings(text []byte) (Settings, error) {
	s := Settings{Silence: 10 * time.Second}
	return s, settings.Decode(text, &s)
}

// A value is one Value, ready to use.
type value struct {
	mapping.Series
	places int
	words  map[string]string
}

// A plan is settings, ready to use. It is read by all decoders.
type plan struct {
	Settings
	checked   bool
	match     *regexp.Regexp
	clock     mapping.Place
	values    []value
	marks     mapping.Worth
	waves     bool
	rateMilli uint32
	block     int // samples in a block
	missing   mapping.Missing
}

func compile(s Settings) (*plan, error) {
	p := &plan{Settings: s, checked: s.Checksum == "xor", missing: mapping.MissingWords(s.Missing...)}
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
		p.waves = p.waves || c.Kind == protocol.KindSamples
	}
	var err error
	if p.marks, err = mapping.CompileMarks(s.Quality); err != nil {
		errs = append(errs, err)
	}
	if s.Time != nil {
		if p.clock, err = mapping.At(s.Time.Column, s.Time.Key); err != nil || s.Time.Format == "" {
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
	if p.Columns < 0 || p.Columns > mapping.MaxFields {
		bad("columns", p.Columns, fmt.Sprintf("1 to %d, or 0 for any number", mapping.MaxFields))
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
	if err := mapping.CheckText("model", p.Model); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkPlaces checks that what is looked for can be there.
func (p *plan) checkPlaces() error {
	all := []mapping.Place{p.clock}
	columns := false
	for _, v := range p.values {
		all, columns = append(all, v.Place), columns || v.Column > 0
	}
	all = append(all, p.marks.Places()...)
	if columns && p.Format == "auto" && p.match == nil {
		p.Format = "columns"
	}
	for _, a := range all {
		if p.match != nil {
			if err := a.CheckGroup(p.match); err != nil {
				return err
			}
		}
		switch {
		case p.match == nil && a.Column > 0 && p.Format != "columns":
			return fmt.Errorf("column %d: want format columns, or a match", a.Column)
		case p.Columns > 0 && a.Column > p.Columns:
			return fmt.Errorf("column %d: there are %d columns", a.Column, p.Columns)
		}
	}
	return nil
}

// value checks and translates one Value.
func (p *plan) value(v Value) (c value, err error) {
	if c.Series, err = v.Series(); err != nil {
		return c, err
	}
	c.Offset, c.places = v.Offset.Or(c.Offset), v.Places
	return c, p.checkKind(&c, v)
}

// checkKind checks what depends on what kind of value it is.
func (p *plan) checkKind(c *value, v Value) error {
	switch c.Kind {
	case protocol.KindNumeric:
	case protocol.KindSamples:
		if p.Rate <= 0 {
			return fmt.Errorf("code %s is a wave: want rate, the lines per second", v.Code)
		}
		if c.From != c.Unit {
			return fmt.Errorf("unit %q: a wave of %s is kept in %q: scale it", v.Unit, v.Code, c.Unit)
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
		if c.Code == protocol.SleepStatus && !slices.Contains(sleepWords, ours) {
			return fmt.Errorf("words %q: %q: want one of %s", theirs, ours, strings.Join(sleepWords, ", "))
		}
		c.words[strings.ToLower(theirs)] = ours
	}
	if c.Code == protocol.SleepStatus && len(words) == 0 {
		for _, w := range sleepWords {
			c.words[w] = w
		}
	}
	if len(c.words) == 0 {
		return errors.New("words: want what each word of the device means")
	}
	return nil
}

// codes are all that can be emitted.
func (p *plan) codes() (all []protocol.Code) {
	add := func(c protocol.Code) {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	for _, v := range p.values {
		add(v.Code)
	}
	add(protocol.IdentityModel)
	add(protocol.EventSensorOff)
	return all
}
