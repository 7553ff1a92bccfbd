package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"monitorme/drivers"
)

// minimal is the least that a box is told: without a broker it keeps its readings.
const minimal = "box: bed-07\nunit: icu\n"

func TestConfigOfABox(t *testing.T) {
	cfg, err := Parse("edge.yaml", []byte(minimal+`
devices:
  - id: oximeter
    driver: fake
    port: /dev/serial/by-id/usb-FTDI_A900-if00-port0
    line: {baud: 9600, parity: even, data_bits: 7, stop_bits: 2, dtr: low}
  - {id: spare, driver: fake, port: "usb:0403:6001", enabled: false}
queue: {max_age: 72h, sync_interval: 500ms}
`))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Box != "bed-07" || cfg.Queue.MaxAge != 72*time.Hour || cfg.Queue.SyncInterval != 500*time.Millisecond || cfg.Queue.MaxBytes != Default().Queue.MaxBytes {
		t.Errorf("%+v", cfg)
	}
	line, err := cfg.Devices[0].Line.over("line", fake.Line)
	want := drivers.Line{Baud: 9600, Parity: drivers.ParityEven, DataBits: 7, StopBits: 2, DTRLow: true}
	if d := cmp.Diff(want, line); d != "" || err != nil {
		t.Error(d, err)
	}
	if line, _ := (LineConfig{}).over("line", fake.Line); line != fake.Line {
		t.Errorf("without overrides: %+v", line)
	}
	if !cfg.Devices[0].on() || cfg.Devices[1].on() {
		t.Error("enabled is not true by default, or false is not heard")
	}
}

func TestWrongConfigsAreRefusedWithLineAndColumn(t *testing.T) {
	device := func(rest string) string {
		return minimal + "devices:\n  - id: a\n    driver: fake\n    port: /dev/a\n" + rest
	}
	lines := func(s string) int { return strings.Count(minimal, "\n") + strings.Count(s, "\n") }
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"not YAML":       {"box: [a\nunit: b\n", []string{"edge.yaml:2:1:"}},
		"empty":          {"# nothing\n", []string{"edge.yaml: empty"}},
		"two documents":  {"box: a\n---\nbox: b\n", []string{"2 documents"}},
		"a tag":          {minimal + "devices:\n !x #0", []string{"edge.yaml:4:2", "tags"}},
		"an anchor":      {"box: &a b\nunit: *a\n", []string{"edge.yaml:1:6", "anchors"}},
		"unknown key":    {"box: a\nunti: b\n", []string{"edge.yaml:2:1:", `"unti"`, "> "}},
		"a key twice":    {"box: a\nbox: b\n", []string{"edge.yaml:2:1:", "box"}},
		"a wrong type":   {"box: a\ndevices: 7\n", []string{"edge.yaml:2:"}},
		"a wrong nested": {"box: a\nqueue:\n  max_age: soon\n", []string{"edge.yaml:3:12: ", `"soon" is no duration`}},
		"a bad box":      {strings.Replace(minimal, "bed-07", "bed/07", 1), []string{"edge.yaml:1:", `box "bed/07"`, "not allowed"}},
		"no box":         {strings.Replace(minimal, "box: bed-07\n", "", 1), []string{`box "": want 1 to 64`}},
		"unknown driver": {strings.Replace(device(""), "driver: fake", "driver: fkae", 1), []string{"edge.yaml:" + strconv.Itoa(lines("d\ni\n")+1) + ":13", `devices[0].driver "fkae"`, `did you mean "fake"?`, "want one of"}},
		"an id twice":    {device("  - {id: a, driver: fake, port: /dev/b}\n"), []string{`devices[1].id "a": devices[0] has it already`}},
		"a port twice":   {device("  - {id: b, driver: fake, port: /dev/a}\n"), []string{`devices[1].port "/dev/a": devices[0] has it already`}},
		"a bad port":     {strings.Replace(device(""), "/dev/a", "dev/a", 1), []string{"devices[0].port", "relative", "usb:VID:PID"}},
		"a bad line":     {device("    line: {baud: 7, parity: both, dtr: up, data_bits: 9}\n"), []string{"devices[0].line.baud 7: want 50", "parity \"both\": want none, odd", "dtr \"up\": want high or low", "data_bits 9: want 5 to 8"}},
		"a bad queue":    {minimal + "queue: {sync_interval: 2h}\n", []string{"edge.yaml:" + strconv.Itoa(lines("")+1) + ":24", "queue.sync_interval 2h0m0s: want"}},
		"a bad page":     {minimal + "health: {listen: ':80'}\n", []string{"health.listen", "loopback"}},
		"a bad broker":   {minimal + "uplink: {broker: 'tcp://10.0.0.1:1883'}\n", []string{"edge.yaml:3:18:", "uplink.broker", "loopback"}},
		"a second box":   {minimal + "uplink: {box: other}\n", []string{"uplink.box", "leave them out"}},
		"a bad clock":    {minimal + "clock: {trust: often}\n", []string{"clock.trust", "auto, always or never"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("edge.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in:\n%v", w, err)
				}
			}
		})
	}
}

func TestAllComplaintsAreGivenAtOnce(t *testing.T) {
	_, err := Parse("edge.yaml", []byte(minimal+"devices:\n  - {id: '', driver: x, port: ''}\nclock: {trust: often}\n"))
	for _, w := range []string{"devices[0].id", "devices[0].driver", "devices[0].port", "clock.trust"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

func TestMissingAndHugeFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Error(err)
	}
	huge := filepath.Join(dir, "huge.yaml")
	if err := os.WriteFile(huge, make([]byte, maxConfigBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(huge); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
}

func TestNearestDriver(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"nonin", "nonin", 0}, {"nonim", "nonin", 1}, {"kitten", "sitting", 3}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("%s to %s: %d", c.a, c.b, got)
		}
	}
	if err := UnknownDriver("quite-another"); strings.Contains(err.Error(), "did you mean") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(minimal + "devices:\n  - {id: a, driver: fake, port: /dev/a, line: {baud: 9600}}\n"))
	f.Add([]byte("box: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := Parse("f", text)
		if err == nil && cfg.Validate() != nil {
			t.Error("accepted and invalid")
		}
	})
}
