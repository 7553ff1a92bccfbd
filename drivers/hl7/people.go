package hl7

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"monitorme/drivers/hl7v2"
)

// people is what a message says of persons, read when it is first needed.
type people struct {
	read  bool
	many  bool // too much to be looked through
	names []string
}

const maxNames = 256

// personal tells whether a text that is to leave the driver has something in it
// that the message says of a person.
func (d *decoder) personal(text string) bool {
	p := &d.people
	if !p.read {
		p.gather(&d.message)
	}
	if p.many {
		return true
	}
	text = strings.ToLower(text)
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, name := range p.names {
		if len(name) <= len(text) && named(text, words, name) {
			return true
		}
	}
	return false
}

// named tells whether text, whose words are given, contains a name. One of two
// letters counts as a word only, unless they are of a script without spaces.
func named(text string, words []string, name string) bool {
	if utf8.RuneCountInString(name) > 2 || len(name) >= 2*len("好") {
		return strings.Contains(text, name)
	}
	for _, w := range words {
		if w == name {
			return true
		}
	}
	return false
}

// gather reads the segments about persons: the patient, relatives, staff.
func (p *people) gather(m *hl7v2.Message) {
	p.read = true
	for s := range m.Segments() {
		first, last := 2, 40
		switch {
		case s.Is("PID"), s.Is("NK1"), s.Is("GT1"), s.Is("IN1"), s.Is("MRG"):
		case s.Is("PV1"):
			first, last = 7, 19 // staff, visit number
		default:
			continue
		}
		for n := first; n <= last; n++ {
			id := s.Is("PID") && (n <= 4 || n == 18 || n >= 20) // after its first component: who gave it
			for r := range s.Field(n).Repetitions() {
				p.add(r, id)
			}
		}
	}
}

// add takes the parts of a field, and the first two together, which are a name
// in Chinese; single letters are no names.
func (p *people) add(v hl7v2.Value, id bool) {
	if !id {
		p.name(v.Component(1).Sub(1).Text() + v.Component(2).Text())
	}
	for c := range v.Components() {
		for sub := range c.Subs() {
			p.name(sub.Text())
			if p.many {
				return
			}
		}
		if id {
			return
		}
	}
}

func (p *people) name(s string) {
	switch {
	case utf8.RuneCountInString(s) < 2:
	case len(p.names) == maxNames:
		p.many = true
	default:
		p.names = append(p.names, strings.ToLower(s))
	}
}
