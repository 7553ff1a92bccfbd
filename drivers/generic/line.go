package generic

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"monitorme/drivers/framer"
	"monitorme/drivers/mapping"
	"monitorme/protocol"
)

// read takes a line apart. It gives no fields if the line is none of ours.
func (d *decoder) read(line []byte) (f mapping.Fields, ok bool) {
	f = d.fields[:0]
	defer func() { d.fields = f }()
	p := d.plan
	if !bytes.HasPrefix(line, []byte(p.Prefix)) {
		return nil, false
	}
	line = bytes.TrimSpace(line[len(p.Prefix):])
	format := p.Format
	switch {
	case p.match != nil:
		return f.Groups(p.match, line)
	case format != "auto":
	case bytes.HasPrefix(line, []byte{'{'}):
		format = "json"
	case bytes.ContainsAny(line, "=:"):
		format = "pairs"
	default:
		format = "columns"
	}
	switch format {
	case "json":
		f = object(f, line, "", 0)
		return f, len(f) > 0
	case "pairs":
		f = pairs(f, line)
		return f, len(f) > 0
	}
	f = d.columns(f, line)
	if p.Columns > 0 && len(f) != p.Columns {
		return nil, false
	}
	return f, d.named(f)
}

// unwrap takes the frame off a line such as $VIT,72*54, whose two digits are
// the XOR of what is between $ and *. A line without is as it is.
func unwrap(line []byte) (inner []byte, wrapped, good bool) {
	n := len(line)
	if n < 4 || line[0] != '$' || line[n-3] != '*' {
		return line, false, true
	}
	var sum byte
	for _, c := range line[1 : n-3] {
		sum ^= c
	}
	want, err := strconv.ParseUint(string(line[n-2:]), 16, 8)
	return line[1 : n-3], true, err == nil && byte(want) == sum
}

// columns cuts a line at its separator.
func (d *decoder) columns(f mapping.Fields, line []byte) mapping.Fields {
	sep := byte(' ')
	if d.plan.Separator != "" {
		sep = d.plan.Separator[0]
	} else {
		for _, c := range []byte(";\t,") {
			if bytes.IndexByte(line, c) >= 0 {
				sep = c
				break
			}
		}
	}
	d.semicolon = sep == ';'
	for len(f) < mapping.MaxFields {
		text, rest, more := bytes.Cut(line, []byte{sep})
		f = append(f, mapping.Field{Text: bytes.TrimSpace(text)})
		if !more {
			return f
		}
		if line = rest; sep == ' ' {
			line = bytes.TrimLeft(rest, " ")
		}
	}
	return f
}

// named gives columns the names of a header line, and tells whether the line
// has values: a header line has none, nor has a line whose columns are other
// in number than those of the header. A line of a name and a number is a pair.
func (d *decoder) named(f mapping.Fields) bool {
	if d.plan.Format == "columns" && !d.plan.byName() {
		return true
	}
	header := false
	for i := range f {
		if _, ok := d.number(f[i].Text); ok {
			header = false
			break
		}
		header = header || d.plan.knows(f[i].Text)
	}
	if header {
		d.header = d.header[:0]
		for i := range f {
			d.header = append(d.header, strings.ToLower(string(f[i].Text)))
		}
		return false
	}
	if len(d.header) == len(f) {
		for i := range f {
			f[i].Name = []byte(d.header[i])
		}
		return true
	}
	if len(f) == 2 && len(d.header) == 0 && d.plan.knows(f[0].Text) {
		f[1].Name = f[0].Text
		return true
	}
	return d.plan.Format == "columns" && len(d.header) == 0
}

// byName tells whether anything is looked for by its name.
func (p *plan) byName() bool {
	for _, v := range p.values {
		if v.Key != "" {
			return true
		}
	}
	return false
}

// knows tells whether a value has that name.
func (p *plan) knows(name []byte) bool {
	for _, v := range p.values {
		if v.Named(name) {
			return true
		}
	}
	return false
}

// pairs reads name=value or name:value, with commas, semicolons, ampersands or
// white space between them.
func pairs(f mapping.Fields, line []byte) mapping.Fields {
	for len(line) > 0 && len(f) < mapping.MaxFields {
		end := bytes.IndexAny(line, ",;& \t")
		if end < 0 {
			end = len(line)
		}
		word := line[:end]
		line = line[end:]
		eq := bytes.IndexAny(word, "=:")
		if eq > 0 {
			f = append(f, mapping.Field{Name: bytes.Trim(word[:eq], `"`), Text: bytes.Trim(word[eq+1:], `"`)})
			if eq == len(word)-1 { // the value may follow after white space
				f[len(f)-1].Text, line = nextWord(line)
			}
		}
		line = bytes.TrimLeft(line, ",;& \t")
	}
	return f
}

// nextWord gives the word after white space that is a value and no next pair.
func nextWord(line []byte) (text, rest []byte) {
	word := bytes.TrimLeft(line, " \t")
	if len(word) == len(line) {
		return nil, line
	}
	end := bytes.IndexAny(word, ",;& \t")
	if end < 0 {
		end = len(word)
	}
	if end == 0 || bytes.ContainsAny(word[:end], "=:") {
		return nil, line
	}
	return word[:end], word[end:]
}

// object reads a JSON object; what is inside others is called outer.inner.
func object(f mapping.Fields, text []byte, prefix string, depth int) mapping.Fields {
	var members map[string]json.RawMessage
	if depth > 4 || json.Unmarshal(text, &members) != nil {
		return f
	}
	for _, name := range slices.Sorted(maps.Keys(members)) { // the same each time
		raw := members[name]
		if len(f) >= mapping.MaxFields {
			return f
		}
		switch raw[0] {
		case '{':
			f = object(f, raw, prefix+name+".", depth+1)
			continue
		case '[':
			continue
		case '"':
			var s string
			json.Unmarshal(raw, &s)
			raw = []byte(s)
		}
		f = append(f, mapping.Field{Name: []byte(prefix + name), Text: raw})
	}
	return f
}

// number reads a number as it stands, a percent sign behind it left out.
func (d *decoder) number(text []byte) (protocol.Decimal, bool) {
	text = bytes.TrimSuffix(text, []byte{'%'})
	if v, ok := framer.Number(text); ok {
		return v, true
	}
	switch i := bytes.IndexByte(text, ','); {
	case i > 0 && (d.plan.Comma || d.semicolon):
		d.scratch = append(append(append(d.scratch[:0], text[:i]...), '.'), text[i+1:]...)
		return framer.Number(d.scratch)
	case len(text) > 1 && len(text) < 32 && bytes.ContainsAny(text[1:], "eE"):
		v, err := protocol.ParseDecimal(string(text))
		return v, err == nil
	}
	return protocol.Decimal{}, false
}
