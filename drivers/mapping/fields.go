package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MaxFields is how many fields of a line are looked at.
const MaxFields = 64

// A Field is a value in a line with its name, if it has one.
type Field struct{ Name, Text []byte }

// Fields are those of one line; column n is Fields[n-1].
type Fields []Field

// Find gives what stands at a place.
func (f Fields) Find(p Place) (text []byte, ok bool) {
	if p.Column > 0 {
		if p.Column > len(f) {
			return nil, false
		}
		return f[p.Column-1].Text, true
	}
	for i := range f {
		if p.Named(f[i].Name) {
			return f[i].Text, true
		}
	}
	return nil, false
}

// Groups appends the groups of a regular expression, which must match all of
// the line.
func (f Fields) Groups(match *regexp.Regexp, line []byte) (Fields, bool) {
	at := match.FindSubmatchIndex(line)
	if at == nil || at[0] != 0 || at[1] != len(line) {
		return f, false
	}
	for i, name := range match.SubexpNames() {
		if i == 0 || len(f) >= MaxFields {
			continue
		}
		var text []byte
		if at[2*i] >= 0 {
			text = line[at[2*i]:at[2*i+1]]
		}
		f = append(f, Field{[]byte(name), text})
	}
	return f, true
}

// A Place is where in a line something stands: a column from 1, or a name. The
// zero value is nowhere.
type Place struct {
	Column int
	Key    string // lower case
}

// At gives the place that the settings name.
func At(column int, key string) (Place, error) {
	if (column == 0) == (key == "") || column < 0 || column > MaxFields {
		return Place{}, fmt.Errorf("column %d, key %q: want one of them, columns from 1 to %d", column, key, MaxFields)
	}
	return Place{column, strings.ToLower(key)}, nil
}

// Named tells whether a field of that name, in any case, is meant.
func (p Place) Named(name []byte) bool {
	if len(name) != len(p.Key) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != p.Key[i] {
			return false
		}
	}
	return p.Key != ""
}

// CheckGroup checks that a regular expression has the group that is meant.
func (p Place) CheckGroup(match *regexp.Regexp) error {
	switch {
	case p.Column > match.NumSubexp():
		return fmt.Errorf("column %d: match has %d groups", p.Column, match.NumSubexp())
	case p.Key != "" && !slices.ContainsFunc(match.SubexpNames(), func(n string) bool { return strings.EqualFold(n, p.Key) }):
		return fmt.Errorf("key %q: match has no group (?P<%s>…)", p.Key, p.Key)
	}
	return nil
}
