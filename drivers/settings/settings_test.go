package settings

import (
	"strings"
	"testing"
	"time"
)

type example struct {
	Rate  float64           `yaml:"rate"`
	Wait  time.Duration     `yaml:"wait"`
	Names map[string]string `yaml:"names"`
	List  []struct {
		Key string `yaml:"key"`
	} `yaml:"list"`
}

func TestSettingsAreReadAndUntouchedKeysKeepTheirDefaults(t *testing.T) {
	v := example{Wait: time.Second}
	if err := Decode([]byte("rate: 2.5\nnames: {a: b}\nlist:\n  - key: x\n"), &v); err != nil {
		t.Fatal(err)
	}
	if v.Rate != 2.5 || v.Wait != time.Second || v.Names["a"] != "b" || len(v.List) != 1 || v.List[0].Key != "x" {
		t.Errorf("%+v", v)
	}
	for _, nothing := range []string{"", "\n", "# nothing\n"} {
		if err := Decode([]byte(nothing), &v); err != nil {
			t.Errorf("%q: %v", nothing, err)
		}
	}
}

func TestBadSettingsAreRefusedWithTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"rat: 1":             `unknown field "rat"`,
		"rate: fast":         "fast",
		"list:\n !- ":        "settings:2:2: tags (!)",
		"names: &a {b: c}":   "anchors (&)",
		"names: *a":          "aliases (*)",
		"rate: 1\n---\nx: 1": "2 documents",
		"rate: [":            "[",
	} {
		if err := Decode([]byte(text), &example{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"rate: 1", "list:\n !- ", "names: {a: b}", "a: &x [*x]", "<<: {}", "list: [{key: |-\n  x}]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, again example
		first, second := Decode(text, &v), Decode(text, &again)
		if (first == nil) != (second == nil) {
			t.Errorf("%v, then %v", first, second)
		}
	})
}
