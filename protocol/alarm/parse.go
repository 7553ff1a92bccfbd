package alarm

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"monitorme/protocol"
)

// Parse reads a whole set of rules. name is the file's name in errors, which
// have the form "file:line:column: rule "id": key: what is wrong and what is
// allowed".
func Parse(name string, text []byte) (*Rules, error) {
	p := fileParser{name: name}
	s := set{LateAfter: time.Minute, SleepFor: 6 * time.Minute}
	if err := p.parse(text, &s); err != nil {
		return nil, err
	}
	return p.finish(s)
}

// Override reads a file that changes single keys of rules by their id, or adds
// rules, and gives the set with those changes. r stays as it is. The file's
// profile is appended: "adult" and "icu" give "adult+icu".
func (r *Rules) Override(name string, text []byte) (*Rules, error) {
	p := fileParser{name: name}
	s := r.set
	s.Rules = slices.Clone(s.Rules)
	s.Profile = ""
	if err := p.parse(text, &s); err != nil {
		return nil, err
	}
	if s.Profile != "" {
		s.Profile = r.set.Profile + "+" + s.Profile
	} else {
		s.Profile = r.set.Profile
	}
	return p.finish(s)
}

type fileParser struct {
	name string
	at   map[string]*token.Position // "rule-id" and "rule-id.key"
}

func (p *fileParser) fail(pos *token.Position, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if pos == nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return fmt.Errorf("%s:%d:%d: %w", p.name, pos.Line, pos.Column, err)
}

func (p *fileParser) parse(text []byte, s *set) error {
	p.at = map[string]*token.Position{}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return p.wrap(nil, "", err)
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return p.fail(nil, "want one YAML document with rules, found %d", len(f.Docs))
	}
	plain := plainOnly{}
	if ast.Walk(&plain, f.Docs[0].Body); plain.other != nil {
		return p.fail(plain.other.GetToken().Position, "tags, anchors and aliases are not allowed in rules")
	}
	for _, kv := range pairs(f.Docs[0].Body) {
		if kv.Key.String() == "rules" {
			if err := p.rules(kv.Value, s); err != nil {
				return err
			}
			continue
		}
		if err := p.decode(kv, s, ""); err != nil {
			return err
		}
	}
	return nil
}

// plainOnly finds the first node that is more than a mapping, a list or a
// scalar. Rules need none of these, and the YAML library trips over some.
type plainOnly struct{ other ast.Node }

func (v *plainOnly) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.TagNode, *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		if v.other == nil {
			v.other = n
		}
		return nil
	}
	return v
}

// pairs are the entries of a mapping, nil of anything else.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

func (p *fileParser) rules(n ast.Node, s *set) error {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return p.fail(n.GetToken().Position, "rules: want a list of rules")
	}
	seen := map[string]bool{}
	for _, item := range seq.Values {
		if err := p.rule(item, s, seen); err != nil {
			return err
		}
	}
	return nil
}

// rule decodes one rule onto the rule of the same id, or appends it.
func (p *fileParser) rule(item ast.Node, s *set, seen map[string]bool) error {
	pos, id := item.GetToken().Position, ""
	for _, kv := range pairs(item) {
		if kv.Key.String() == "id" {
			id, pos = strings.Trim(kv.Value.String(), `"'`), kv.Key.GetToken().Position
		}
	}
	if err := protocol.CheckID("rule id", id); err != nil {
		return p.fail(pos, "%w", err)
	}
	if seen[id] {
		return p.fail(pos, "rule %q: defined twice in this file", id)
	}
	seen[id] = true
	p.at[id] = pos
	i := slices.IndexFunc(s.Rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		i = len(s.Rules)
		s.Rules = append(s.Rules, Rule{})
	}
	r := s.Rules[i]
	if r.Night != nil {
		r.Night = new(*r.Night)
	}
	for _, kv := range pairs(item) {
		key := kv.Key.String()
		p.at[id+"."+key] = kv.Key.GetToken().Position
		if err := p.decode(kv, &r, fmt.Sprintf("rule %q: ", id)); err != nil {
			return err
		}
	}
	s.Rules[i] = r
	return nil
}

func (p *fileParser) decode(kv *ast.MappingValueNode, into any, what string) error {
	key := kv.Key.String()
	if allowed := keysOf(into); !slices.Contains(allowed, key) {
		return p.fail(kv.Key.GetToken().Position, "%skey %q is not one of %s", what, key, strings.Join(allowed, ", "))
	}
	err := yaml.NodeToValue(kv, into, yaml.Strict(),
		yaml.CustomUnmarshaler(decimalOf), yaml.CustomUnmarshaler(codeOf), yaml.CustomUnmarshaler(durationOf))
	return p.wrap(kv.Key.GetToken().Position, what+key+": ", err)
}

// wrap gives an error of the YAML library our form, without its excerpt.
func (p *fileParser) wrap(pos *token.Position, what string, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if y, ok := errors.AsType[yaml.Error](err); ok {
		text = y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			pos = t.Position
		}
	}
	return p.fail(pos, "%s%s", what, text)
}

// keysOf are the YAML keys of the struct that v points to.
func keysOf(v any) []string {
	t := reflect.TypeOf(v).Elem()
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

func scalar(b []byte) string { return strings.Trim(string(bytes.TrimSpace(b)), `"'`) }

func decimalOf(d *protocol.Decimal, b []byte) (err error) {
	if text := scalar(b); text == "none" {
		*d = protocol.Decimal{}
	} else if *d, err = protocol.ParseDecimal(text); err != nil {
		return fmt.Errorf("%q: want a decimal number or none", text)
	}
	return nil
}

func durationOf(d *time.Duration, b []byte) (err error) {
	text := scalar(b)
	if *d, err = time.ParseDuration(text); err != nil || *d < 0 {
		return fmt.Errorf("%q: want a duration such as 500ms, 10s or 2m", text)
	}
	return nil
}

// codeOf reads a reference id, a number, or both ("150456 MDC_PULS_OXIM_SAT_O2"),
// which must then agree.
func codeOf(c *protocol.Code, b []byte) error {
	text := scalar(b)
	number, refID, both := strings.Cut(text, " ")
	if !both && (text == "" || text[0] < '0' || text[0] > '9') {
		term, ok := protocol.LookupRefID(text)
		if !ok {
			return fmt.Errorf("%q: not a known reference id; give a code number", text)
		}
		*c = term.Code
		return nil
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 {
		return fmt.Errorf("%q: want a code number, a reference id, or a number and its reference id", text)
	}
	*c = protocol.Code(n)
	if term, ok := protocol.LookupRefID(refID); both && ok && term.Code != *c {
		return fmt.Errorf("%q: %s has the code %d", text, refID, uint32(term.Code))
	}
	return nil
}

func (p *fileParser) finish(s set) (*Rules, error) {
	if err := s.check(); err != nil {
		var bad *ruleError
		if errors.As(err, &bad) {
			pos := p.at[bad.id+"."+bad.key]
			if pos == nil {
				pos = p.at[bad.id]
			}
			return nil, p.fail(pos, "%w", err)
		}
		return nil, p.fail(nil, "%w", err)
	}
	return compile(s), nil
}

// A ruleError says which key of which rule is wrong.
type ruleError struct {
	id, key, text string
}

func (e *ruleError) Error() string { return fmt.Sprintf("rule %q: %s: %s", e.id, e.key, e.text) }
