package api

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const specFile = "../../docs/openapi.json"

// The description that is committed is the one that the code gives, so that a
// change of the API is seen in review.
func TestTheDescriptionIsCommitted(t *testing.T) {
	w := newWorld(t)
	_, got := w.browser().do("GET", "/openapi.json", nil)
	want, err := os.ReadFile(specFile)
	if err == nil && string(want) == got {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the code gives (%v): run go test ./cloud/api -run %s -update and look at the difference", specFile, err, t.Name())
	}
	if err := os.WriteFile(specFile, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheDescriptionIsValidOpenAPI31(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	_, text := b.do("GET", "/openapi.json", nil)
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["openapi"] != "3.1.0" || at(doc, "info", "title") == nil || at(doc, "info", "version") != "test" {
		t.Errorf("head: %v %v", doc["openapi"], doc["info"])
	}
	ids := map[string]bool{}
	schemes := at(doc, "components", "securitySchemes").(map[string]any)
	for path, item := range doc["paths"].(map[string]any) {
		for method, o := range item.(map[string]any) {
			op := o.(map[string]any)
			name := method + " " + path
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] || op["summary"] == nil || len(op["tags"].([]any)) != 1 {
				t.Errorf("%s: id %q, summary %v", name, id, op["summary"])
			}
			ids[id] = true
			checkParameters(t, name, path, op)
			responses, _ := op["responses"].(map[string]any)
			if len(responses) < 2 {
				t.Errorf("%s: answers %v", name, responses)
			}
			for status, r := range responses {
				if !regexp.MustCompile(`^[2345]\d\d$`).MatchString(status) || at(r, "description") == nil {
					t.Errorf("%s: answer %s %v", name, status, r)
				}
				if status >= "400" && at(r, "content", "application/problem+json") == nil {
					t.Errorf("%s: answer %s is not a problem", name, status)
				}
			}
			for _, s := range list(op["security"]) {
				for scheme := range s.(map[string]any) {
					if schemes[scheme] == nil {
						t.Errorf("%s: security scheme %s is not described", name, scheme)
					}
				}
			}
			if id != "login" && len(list(op["security"])) == 0 {
				t.Errorf("%s is open to everyone", name)
			}
		}
	}
	checkSchemas(t, "", doc, doc)

	_, asYAML := b.do("GET", "/openapi.yaml", nil)
	var same any
	if err := yaml.Unmarshal([]byte(asYAML), &same); err != nil || at(same, "info", "title") != "MonitorMe" {
		t.Errorf("YAML: %v", err)
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func checkParameters(t *testing.T, name, path string, op map[string]any) {
	var inPath []string
	for _, p := range list(op["parameters"]) {
		if at(p, "schema") == nil || !slices.Contains([]any{"query", "path", "header", "cookie"}, at(p, "in")) {
			t.Errorf("%s: parameter %v", name, p)
		}
		if at(p, "in") == "path" {
			inPath = append(inPath, "{"+at(p, "name").(string)+"}")
			if at(p, "required") != true {
				t.Errorf("%s: path parameter %v is not required", name, at(p, "name"))
			}
		}
	}
	want := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(path, -1)
	slices.Sort(want)
	slices.Sort(inPath)
	if !slices.Equal(want, inPath) {
		t.Errorf("%s: path parameters %v, want %v", name, inPath, want)
	}
}

// checkSchemas walks everything: references resolve, types are of JSON Schema.
func checkSchemas(t *testing.T, where string, v any, doc map[string]any) {
	types := []string{"string", "number", "integer", "boolean", "object", "array", "null"}
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
				t.Errorf("%s: %s leads nowhere", where, ref)
			}
		}
		if strings.Contains(where, "chema") && !strings.HasSuffix(where, "/properties") && !strings.Contains(where, "/securitySchemes") {
			for _, one := range append(list(v["type"]), v["type"]) {
				if s, ok := one.(string); ok && !slices.Contains(types, s) {
					t.Errorf("%s: type %q", where, s)
				}
			}
			if v["type"] == "array" && v["items"] == nil {
				t.Errorf("%s: a list of what?", where)
			}
		}
		for k, x := range v {
			checkSchemas(t, where+"/"+k, x, doc)
		}
	case []any:
		for _, x := range v {
			checkSchemas(t, where+"/-", x, doc)
		}
	}
}

func TestThePageShowsEverythingAndLoadsNothingFromElsewhere(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	resp, page := b.do("GET", "/docs", nil)
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, o := range operations(w.server) {
		if !strings.Contains(page, `id="`+o.OperationID+`"`) || !strings.Contains(page, o.path) {
			t.Errorf("%s %s is not on the page", o.method, o.path)
		}
	}
	for _, bad := range []string{"http://", "https://", "<script", "style=", "onclick", "ZgotmplZ", "%!"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+m[1]+`"`) {
			t.Errorf("the link #%s leads nowhere", m[1])
		}
	}
	if resp, css := b.do("GET", "/docs/style.css", nil); resp.StatusCode != 200 || bytes.Contains([]byte(css), []byte("@import")) {
		t.Errorf("style: %d", resp.StatusCode)
	}
}
