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
// letters counts as a word only.
func named(text string, words []string, name string) bool {
	if utf8.RuneCountInString(name) > 2 {
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

// add takes the parts of a field; single letters are no names.
func (p *people) add(v hl7v2.Value, id bool) {
	for c := range v.Components() {
		for sub := range c.Subs() {
			name := strings.ToLower(sub.Text())
			if utf8.RuneCountInString(name) < 2 {
				continue
			}
			if len(p.names) == maxNames {
				p.many = true
				return
			}
			p.names = append(p.names, name)
		}
		if id {
			return
		}
	}
}
