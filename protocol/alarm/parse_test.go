package alarm

import (
	"strings"
	"testing"
	"time"

	"monitorme/protocol"
)

const oneRule = `profile: p
rules:
  - id: spo2-low
    kind: low
    codes: [150456]
    unit: "%"
    priority: medium
    limit: 90
    delay: 10s
`

func TestDefaultRulesParse(t *testing.T) {
	r := Default()
	if r.Profile() != "adult" || len(r.List()) < 40 || len(r.Version()) != 12 {
		t.Errorf("%s, %d rules, version %q", r.Profile(), len(r.List()), r.Version())
	}
}

func TestVersionIsThatOfTheContent(t *testing.T) {
	a, err := Parse("a", []byte(oneRule))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse("b", []byte("# other words, other order\n"+strings.Replace(oneRule, "profile: p\n", "", 1)+"profile: p\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("c", []byte(strings.Replace(oneRule, "90", "91", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if a.Version() != b.Version() || a.Version() == c.Version() {
		t.Errorf("versions %s %s %s", a.Version(), b.Version(), c.Version())
	}
}

func TestOverrideChangesSingleKeys(t *testing.T) {
	base := Default()
	_, err := base.Override("icu.yaml", []byte(`profile: icu
rules:
  - id: spo2-low
    limit: 92
    night: {limit: 90}
  - id: temp-low
    off: true
  - id: spo2-high
    kind: high
    codes: [MDC_NEVER_MIND]
`))
	if err == nil {
		t.Fatal("an unknown reference id was accepted")
	}
	icu, err := base.Override("icu.yaml", []byte(`profile: icu
rules:
  - id: spo2-low
    limit: 92
    night: {limit: 90}
  - {id: temp-low, off: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	was, now := base.byID["spo2-low"].Rule, icu.byID["spo2-low"].Rule
	if now.Limit != protocol.Int(92) || now.Delay != was.Delay || now.Night.Limit != protocol.Int(90) || now.Night.Delay != 30*time.Second ||
		was.Limit != protocol.Int(90) || was.Night.Limit != protocol.Int(88) {
		t.Errorf("override %+v, base %+v", now, was)
	}
	if icu.Profile() != "adult+icu" || icu.Version() == base.Version() || !icu.byID["temp-low"].Off {
		t.Errorf("%s %s", icu.Profile(), icu.Version())
	}
	e := NewEvaluator("box-1", icu)
	b := &bed{t: t, e: e}
	b.every(protocol.BodyTemperature, 0, 60, 1, "34")
	same(t, "switched off", b.now())
}

func TestErrorsSayWhereAndWhatIsAllowed(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"rules: [", "f:1:8: "},
		{"", "f: want one YAML document"},
		{"profile: p\nrulez: []\n", `f:2:1: key "rulez" is not one of profile, late_after, sleep_for, rules`},
		{"profile: p\nlate_after: soon\n", `f:2:1: late_after: "soon": want a duration such as`},
		{"rules: []\n", "f: profile: empty, want"},
		{"rules: 5\n", "f:1:8: rules: want a list"},
		{"profile: p\nrules:\n  - kind: low\n", `rule id "": want 1 to 64 characters`},
		{oneRule + "    limits: 4\n", `f:10:5: rule "spo2-low": key "limits" is not one of id, kind`},
		{oneRule + "    limit: 80\n", `f:10:5: mapping key "limit" already defined`},
		{strings.Replace(oneRule, "limit: 90", "limit: ninety", 1), `f:8:5: rule "spo2-low": limit: "ninety": want a decimal number`},
		{strings.Replace(oneRule, "delay: 10s", "delay: 10", 1), `f:9:5: rule "spo2-low": delay: "10": want a duration`},
		{strings.Replace(oneRule, "delay: 10s", "delay: -1s", 1), `f:9:5: rule "spo2-low": delay: "-1s": want a duration`},
		{strings.Replace(oneRule, "delay: 10s", "delay: 10m", 1), `f:9:5: rule "spo2-low": delay: 10m0s, want at most 1m0s`},
		{strings.Replace(oneRule, "medium", "urgent", 1), `f:7:5: rule "spo2-low": priority: priority "urgent": want one of none, low, medium, high`},
		{strings.Replace(oneRule, "medium", "none", 1), `f:7:5: rule "spo2-low": priority: none, want low, medium or high`},
		{strings.Replace(oneRule, "[150456]", "[150456x]", 1), `f:5:5: rule "spo2-low": codes: "150456x": want a code number`},
		{strings.Replace(oneRule, "kind: low", "kind: under", 1), `f:4:5: rule "spo2-low": kind: "under" is not one of [high low`},
		{strings.Replace(oneRule, `    unit: "%"`+"\n", "", 1), `f:3:5: rule "spo2-low": unit: empty, want`},
		{strings.Replace(oneRule, "    limit: 90\n", "", 1), `f:3:5: rule "spo2-low": limit: "", rules of kind high`},
		{oneRule + "    bypass: 95\n", `f:10:5: rule "spo2-low": bypass: 95, want below the limit 90`},
		{oneRule + "    clear: {margin: 1, four: 5s}\n", `f:10:`},
		{oneRule + "    clear: {margin: -1}\n", `f:10:5: rule "spo2-low": clear: margin: -1, want 0 or more`},
		{oneRule + "    night: {limit: 80, delay: 20s}\n", `f:10:5: rule "spo2-low": night: limit: "80", want 88 to the daytime limit 90`},
		{oneRule + "    night: {limit: 88, delay: 40s}\n", `night: delay: 40s, want the daytime delay 10s to 30s`},
		{oneRule + "    escalate: [{after: 30s, priority: high}]\n", `escalate: only technical rules climb`},
		{strings.Replace(strings.Replace(oneRule, "medium", "high", 1), "delay: 10s", "delay: 0s\n    night: {limit: 88, delay: 0s}", 1), `night: only low limits of priority low or medium`},
		{strings.Replace(oneRule, "[150456]", "[151562]", 1) + "    night: {limit: 89, delay: 10s}\n", "night: code 151562 may not be relaxed"},
		{strings.Replace(oneRule, "kind: low", "kind: high", 1) + "    night: {limit: 90, delay: 10s}\n", "night: only low limits"},
		{oneRule + "  - id: spo2-low\n", `f:10:5: rule "spo2-low": defined twice`},
		{oneRule + "  - {id: a, kind: box-silent, priority: low}\n  - {id: b, kind: box-silent, priority: low}\n", `box-silent is already that of rule "a"`},
	} {
		_, err := Parse("f", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\n got: %v\nwant: %s", tt.text, err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(oneRule)
	f.Add("rules:\n  - {id: a, kind: stale, codes: [1 X], priority: low, after: 3s}\nprofile: x\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse("f", []byte(text))
		if err == nil && (r.Version() == "" || r.Profile() == "") {
			t.Error("accepted without a version or profile")
		}
		Default().Override("f", []byte(text))
	})
}
