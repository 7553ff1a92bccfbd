package api

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.css
var docsStyle []byte

//go:embed docs.html
var docsPage string

// routeDocs serves the description of the API, and a page that shows it. All
// of it is made once; the page loads nothing from elsewhere and runs no script.
func (s *Server) routeDocs(mux *http.ServeMux) error {
	spec := s.api.OpenAPI()
	asJSON, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return fmt.Errorf("OpenAPI as JSON: %w", err)
	}
	asJSON = append(asJSON, '\n')
	asYAML, err := spec.YAML()
	if err != nil {
		return fmt.Errorf("OpenAPI as YAML: %w", err)
	}
	page, err := renderDocs(spec)
	if err != nil {
		return fmt.Errorf("API page: %w", err)
	}
	for path, file := range map[string]struct {
		kind string
		data []byte
	}{
		"/openapi.json":   {"application/openapi+json", asJSON},
		"/openapi.yaml":   {"application/openapi+yaml", asYAML},
		"/docs":           {"text/html; charset=utf-8", page},
		"/docs/style.css": {"text/css; charset=utf-8", docsStyle},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", file.kind)
			w.Header().Set("Cache-Control", "no-cache")
			w.Write(file.data)
		})
	}
	return nil
}

type docsOp struct {
	Method, Path, Class string
	Open                bool
	*huma.Operation
}

type docsTag struct {
	Name string
	Ops  []docsOp
}

func renderDocs(spec *huma.OpenAPI) ([]byte, error) {
	var tags []docsTag
	for path, item := range spec.Paths {
		for method, o := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if o == nil {
				continue
			}
			i := slices.IndexFunc(tags, func(t docsTag) bool { return t.Name == o.Tags[0] })
			if i < 0 {
				i = len(tags)
				tags = append(tags, docsTag{Name: o.Tags[0]})
			}
			tags[i].Ops = append(tags[i].Ops, docsOp{method, path, strings.ToLower(method), len(o.Security) == 0, o})
		}
	}
	slices.SortFunc(tags, func(a, b docsTag) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range tags {
		slices.SortFunc(t.Ops, func(a, b docsOp) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method)) })
	}
	t, err := template.New("docs").Funcs(template.FuncMap{
		"type": typeName, "refname": refName, "example": exampleOf,
		"fields": func(sc *huma.Schema) []docsField { return fieldsOf(spec, sc) },
		"sorted": sortedKeys,
	}).Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Info": spec.Info, "Tags": tags, "Schemas": spec.Components.Schemas.Map()})
	return b.Bytes(), err
}

func sortedKeys(m map[string]*huma.Response) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

type docsField struct {
	Name     string
	Required bool
	*huma.Schema
}

func fieldsOf(spec *huma.OpenAPI, sc *huma.Schema) []docsField {
	if sc == nil {
		return nil
	}
	if sc.Ref != "" {
		sc = spec.Components.Schemas.SchemaFromRef(sc.Ref)
	}
	out := make([]docsField, 0, len(sc.Properties))
	for name, p := range sc.Properties {
		out = append(out, docsField{name, slices.Contains(sc.Required, name), p})
	}
	slices.SortFunc(out, func(a, b docsField) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func refName(sc *huma.Schema) string {
	switch {
	case sc == nil:
		return ""
	case sc.Ref != "":
		return sc.Ref[strings.LastIndex(sc.Ref, "/")+1:]
	case sc.Items != nil:
		return refName(sc.Items)
	case len(sc.OneOf) > 0:
		return refName(sc.OneOf[0])
	}
	return ""
}

// typeName says in a few words what a schema allows.
func typeName(sc *huma.Schema) string {
	if sc == nil {
		return ""
	}
	var name string
	switch {
	case sc.Ref != "":
		name = refName(sc)
	case len(sc.OneOf) > 0:
		return refName(sc) + " or null"
	case sc.Type == huma.TypeArray:
		name = "list of " + cmp.Or(typeName(sc.Items), "anything")
	case len(sc.Enum) > 0:
		words := make([]string, len(sc.Enum))
		for i, v := range sc.Enum {
			words[i] = fmt.Sprint(v)
		}
		name = strings.Join(words, " | ")
	case sc.Format != "":
		name = sc.Format
	default:
		name = sc.Type
	}
	if sc.Nullable {
		name += " or null"
	}
	return name + limits(sc)
}

func limits(sc *huma.Schema) string {
	var out []string
	if sc.Minimum != nil {
		out = append(out, fmt.Sprintf("from %v", *sc.Minimum))
	}
	if sc.Maximum != nil {
		out = append(out, fmt.Sprintf("to %v", *sc.Maximum))
	}
	if sc.MinLength != nil && *sc.MinLength > 1 {
		out = append(out, fmt.Sprintf("at least %d characters", *sc.MinLength))
	}
	if sc.MaxLength != nil {
		out = append(out, fmt.Sprintf("at most %d characters", *sc.MaxLength))
	}
	if sc.Default != nil {
		out = append(out, fmt.Sprintf("default %v", sc.Default))
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

func exampleOf(sc *huma.Schema) string {
	if sc == nil || len(sc.Examples) == 0 {
		return ""
	}
	return fmt.Sprint(sc.Examples[0])
}
