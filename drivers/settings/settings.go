// Package settings reads what a site says of a device, the YAML below the key
// settings, the same way for every driver: strictly, and without the parts of
// YAML that hide what is meant. It knows no driver's keys.
package settings

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Decode reads text into v, a pointer to a struct with yaml tags. A key that v
// lacks is an error; nothing at all is none. The error shows the line.
func Decode(text []byte, v any) error {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return shown(err)
	}
	switch {
	case len(file.Docs) > 1:
		return fmt.Errorf("%d documents: want one", len(file.Docs))
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		return nil
	}
	if err := Plain("settings", file.Docs[0].Body); err != nil {
		return err
	}
	if err := yaml.NodeToValue(file.Docs[0].Body, v, yaml.Strict()); err != nil {
		return shown(err)
	}
	return nil
}

func shown(err error) error { return errors.New(yaml.FormatError(err, false, true)) }

// Plain refuses what a configuration does not need, and what a second look at
// the file would not understand at once; name stands for the file in the error.
// The YAML library panics at some of it.
func Plain(name string, body ast.Node) error {
	for _, t := range []struct {
		kind ast.NodeType
		what string
	}{{ast.TagType, "tags (!)"}, {ast.AnchorType, "anchors (&)"}, {ast.AliasType, "aliases (*)"}, {ast.MergeKeyType, "merge keys (<<)"}} {
		if found := ast.Filter(t.kind, body); len(found) > 0 {
			pos := found[0].GetToken().Position
			return fmt.Errorf("%s:%d:%d: %s are not allowed here: write the value out", name, pos.Line, pos.Column, t.what)
		}
	}
	return nil
}
