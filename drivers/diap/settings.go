package diap

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"monitorme/drivers/mapping"
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
	Ask       string          `yaml:"ask"`       // without < and >
	Prefix    string          `yaml:"prefix"`    // answers that begin otherwise are none to it
	Match     string          `yaml:"match"`     // a regular expression for the whole answer
	Separator string          `yaml:"separator"` // of columns or pairs; "" is ;
	Columns   int             `yaml:"columns"`   // how many there are, exactly; 0 is any
	Values    []mapping.Value `yaml:"values"`
	Quality   []mapping.Marks `yaml:"quality"`
}

// A value is one Value, ready to use.
type value struct {
	mapping.Series
	episodic bool // measured now and then
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
	marks     mapping.Worth
}

// A plan is settings, ready to use. It is read by all decoders.
type plan struct {
	model          string
	every, silence time.Duration
	missing        mapping.Missing
	commands       []command
}

func parse(text []byte) (Settings, error) {
	s := Settings{Every: 5 * time.Second, Silence: 45 * time.Second}
	return s, settings.Decode(text, &s)
}

func compile(s Settings) (*plan, error) {
	p := &plan{model: s.Model, every: s.Every, silence: s.Silence, missing: mapping.MissingWords(append([]string{"no data"}, s.Missing...)...)}
	if p.model == "" {
		p.model = "monitor that speaks DIAP"
	}
	errs := []error{mapping.CheckText("model", p.model)}
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
			if s := (series{v.Code, v.Channel}); seen[s] {
				errs = append(errs, fmt.Errorf("commands[%d]: code %d, channel %q: there is another value of it: want a channel for each", i, v.Code, v.Channel))
			} else {
				seen[s] = true
			}
			if c.match == nil && c.prefix == "" && v.Key != "" {
				if keys[v.Key] {
					errs = append(errs, fmt.Errorf("commands[%d]: key %q: there is another value of that name", i, v.Key))
				}
				keys[v.Key] = true
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
	if c.Columns < 0 || c.Columns > mapping.MaxFields {
		errs = append(errs, fmt.Errorf("columns %d: want 1 to %d, or 0 for any number", c.Columns, mapping.MaxFields))
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
		out.byColumn = out.byColumn || compiled.Column > 0
	}
	if out.marks, err = mapping.CompileMarks(c.Quality); err != nil {
		errs = append(errs, err)
	}
	return out, errors.Join(append(errs, out.checkPlaces())...)
}

// checkPlaces checks that what is looked for can be there.
func (c *command) checkPlaces() error {
	var all []mapping.Place
	for _, v := range c.values {
		all = append(all, v.Place)
	}
	for _, a := range append(all, c.marks.Places()...) {
		if c.match != nil {
			if err := a.CheckGroup(c.match); err != nil {
				return err
			}
		}
		switch {
		case c.match == nil && c.byColumn && a.Key != "":
			return fmt.Errorf("key %q: want either columns or keys in one answer", a.Key)
		case c.match == nil && !c.byColumn && a.Column > 0:
			return fmt.Errorf("column %d: want either columns or keys in one answer", a.Column)
		case c.columns > 0 && a.Column > c.columns:
			return fmt.Errorf("column %d: there are %d columns", a.Column, c.columns)
		}
	}
	return nil
}

func compileValue(v mapping.Value) (c value, err error) {
	if c.Series, err = v.Series(); err != nil {
		return c, err
	}
	term, known := protocol.Lookup(c.Code)
	if c.Kind != protocol.KindNumeric {
		return c, fmt.Errorf("code %s: want a number: DIAP has nothing else", v.Code)
	}
	// What is measured now and then stands in every answer until the next.
	c.episodic = known && (term.Period == 0 || term.Period >= time.Hour)
	return c, nil
}
