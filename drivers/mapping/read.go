package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"monitorme/protocol"
)

// A Reading is what one line says of one series. Read gives it without Number
// and Word, which the driver reads.
type Reading struct {
	Here    bool // the line speaks of it
	Quality protocol.Quality
	Number  protocol.Decimal
	Word    string // of an enumeration
}

// Read gives what f says of s. Text is what is still to be read where there is
// a value, and nil where there is none. Not ok is a line of another form, or
// one that is cut: a column that is not there.
func (s *Series) Read(f Fields, marks Worth, missing Missing) (r Reading, text []byte, ok bool) {
	if text, ok = f.Find(s.Place); !ok {
		return r, nil, s.Column == 0
	}
	r.Here, r.Quality = true, marks.Of(s.Code, f)
	switch {
	case r.Quality >= protocol.QualityMissing && r.Quality <= protocol.QualityOngoing:
		return r, nil, true
	case missing.Has(text):
		r.Quality = protocol.QualityMissing
		return r, nil, true
	}
	return r, text, true
}

// Missing are the words that mean that there is no value, in lower case.
type Missing map[string]bool

// MissingWords are the usual ones and more.
func MissingWords(more ...string) Missing {
	m := Missing{}
	for _, w := range append([]string{"", "nan", "null", "none", "n/a", "?"}, more...) {
		m[strings.ToLower(w)] = true
	}
	return m
}

// Has tells whether text is one of them, or only dashes and dots.
func (m Missing) Has(text []byte) bool {
	return len(bytes.Trim(text, "-.")) == 0 || len(text) <= 32 && m[strings.ToLower(string(text))]
}

// Marks is what the settings say of a place that tells what values are worth.
type Marks struct {
	Column int                         `yaml:"column"`
	Key    string                      `yaml:"key"`
	Marks  map[string]protocol.Quality `yaml:"marks"`
	Codes  []string                    `yaml:"codes"` // which values; none is all
}

// Worth is all Marks of a line, ready to use.
type Worth []mark

type mark struct {
	place Place
	means map[string]protocol.Quality
	codes []protocol.Code
}

// CompileMarks checks and translates the settings below the key quality.
func CompileMarks(all []Marks) (Worth, error) {
	var w Worth
	var errs []error
	for i, m := range all {
		c, err := compileMark(m)
		if err != nil {
			errs = append(errs, fmt.Errorf("quality[%d]: %w", i, err))
		}
		w = append(w, c)
	}
	return w, errors.Join(errs...)
}

func compileMark(m Marks) (c mark, err error) {
	if c.place, err = At(m.Column, m.Key); err != nil {
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
		code, err := Lookup(name)
		if err != nil {
			return c, err
		}
		c.codes = append(c.codes, code)
	}
	return c, nil
}

// Of gives the worth of a value by the marks in its line: the first that is not
// good counts, and one that the settings do not know makes it unknown.
func (w Worth) Of(code protocol.Code, f Fields) protocol.Quality {
	for _, m := range w {
		if len(m.codes) > 0 && !slices.Contains(m.codes, code) {
			continue
		}
		text, _ := f.Find(m.place)
		if q, ok := m.means[strings.ToLower(string(text))]; !ok {
			return protocol.QualityUnknown
		} else if q != protocol.QualityGood {
			return q
		}
	}
	return protocol.QualityGood
}

// Places are where the marks stand.
func (w Worth) Places() (all []Place) {
	for _, m := range w {
		all = append(all, m.place)
	}
	return all
}
