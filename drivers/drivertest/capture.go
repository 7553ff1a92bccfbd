package drivertest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

var update = flag.Bool("update", false, "rewrite the golden files of captures")

// A capture is what a device sent, from testdata.
type capture struct {
	name string // without directory and extension
	file string
	wire []byte
}

func (c capture) matches(patterns []string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, c.name); ok {
			return true
		}
	}
	return false
}

// captures reads testdata/*.hex and *.bin, below dir if one is given; none is a
// failure.
func captures(t testing.TB, dir ...string) []capture {
	t.Helper()
	var all []capture
	for _, pattern := range []string{"testdata/*.hex", "testdata/*.bin"} {
		files, err := filepath.Glob(filepath.Join(append(dir, pattern)...))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))
			all = append(all, capture{name: name, file: f, wire: Load(t, f)})
		}
	}
	if len(all) == 0 {
		t.Fatal("no captures: want testdata/*.hex or testdata/*.bin, and a comment that says where each came from")
	}
	return all
}

// Load reads a capture: *.hex in the notation of ParseHex, anything else raw.
func Load(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(file) == ".hex" {
		if b, err = ParseHex(string(b)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return b
}

// Hex is ParseHex for constants in tests.
func Hex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := ParseHex(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ParseHex reads bytes as pairs of hexadecimal digits, with any white space,
// and Go strings in double quotes ("SPO2=097\r\n") for text. A # begins a
// comment that goes on to the end of the line.
func ParseHex(s string) ([]byte, error) {
	var out []byte
	for i, line := range strings.Split(s, "\n") {
		for line = strings.TrimSpace(line); line != "" && line[0] != '#'; line = strings.TrimSpace(line) {
			if line[0] == '"' {
				quoted, err := strconv.QuotedPrefix(line)
				if err != nil {
					return nil, fmt.Errorf("line %d: string %s: %w", i+1, line, err)
				}
				text, _ := strconv.Unquote(quoted)
				out, line = append(out, text...), line[len(quoted):]
				continue
			}
			end := strings.IndexAny(line, " \t\"#")
			if end < 0 {
				end = len(line)
			}
			b, err := hex.DecodeString(line[:end])
			if err != nil {
				return nil, fmt.Errorf("line %d: %q: want pairs of hexadecimal digits, strings in quotes or # comments", i+1, line[:end])
			}
			out, line = append(out, b...), line[end:]
		}
	}
	return out, nil
}

// Decode gives what d finds in wire, given all at once.
func Decode(d drivers.Decoder, wire []byte) []protocol.Observation {
	var obs []protocol.Observation
	d.Decode(wire, func(o protocol.Observation) { obs = append(obs, o) })
	return obs
}

// golden compares what each capture gives with the file beside it.
func golden(t *testing.T, d drivers.Driver, captures []capture) {
	for _, c := range captures {
		dec := d.NewDecoder()
		got := Lines(Decode(dec, c.wire), dec.Stats())
		file := strings.TrimSuffix(c.file, filepath.Ext(c.file)) + ".jsonl"
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Error(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v (go test -update writes it; then read it)", c.name, err)
			continue
		}
		g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		for i := range max(len(g), len(w)) {
			if i >= len(g) || i >= len(w) || g[i] != w[i] {
				t.Errorf("%s: line %d of %s differs\n got %s\nwant %s", c.name, i+1, file, at(g, i), at(w, i))
				break
			}
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) && lines[i] != "" {
		return lines[i]
	}
	return "(nothing)"
}

type sampleLine struct {
	RateHz float64          `json:"rate_hz"`
	Scale  protocol.Decimal `json:"scale"`
	Offset protocol.Decimal `json:"offset"`
	Raw    []int32          `json:"raw"`
}

type eventLine struct {
	Phase    protocol.Phase     `json:"phase,omitempty"`
	Priority protocol.Priority  `json:"priority,omitempty"`
	Type     protocol.AlarmType `json:"type,omitempty"`
	Source   protocol.Code      `json:"source,omitempty"`
	Text     string             `json:"text,omitempty"`
}

type obsLine struct {
	Code       protocol.Code     `json:"code"`
	Channel    string            `json:"channel,omitempty"`
	Kind       protocol.Kind     `json:"kind"`
	Quality    protocol.Quality  `json:"quality"`
	Value      *protocol.Decimal `json:"value,omitempty"`
	Unit       protocol.Unit     `json:"unit,omitempty"`
	Text       string            `json:"text,omitempty"`
	Samples    *sampleLine       `json:"samples,omitempty"`
	Event      *eventLine        `json:"event,omitempty"`
	Delay      string            `json:"delay,omitempty"`
	DeviceTime string            `json:"device_time,omitempty"`
}

func line(o protocol.Observation) obsLine {
	l := obsLine{Code: o.Code, Channel: o.Channel, Kind: o.Kind, Quality: o.Quality, Unit: o.Unit, Text: o.Text}
	if o.Kind == protocol.KindNumeric {
		l.Value = &o.Value
	}
	if s := o.Samples; s != nil {
		l.Samples = &sampleLine{s.RateHz(), s.Scale, s.Offset, s.Raw}
	}
	if e := o.Event; e != nil {
		l.Event = &eventLine{e.Phase, e.Priority, e.Type, e.Source, e.Text}
	}
	if o.Delay != 0 {
		l.Delay = o.Delay.String()
	}
	if !o.DeviceTime.IsZero() {
		l.DeviceTime = o.DeviceTime.Format(time.RFC3339Nano)
	}
	return l
}

// Lines is the golden form: one JSON object a line for each observation, and
// the decoder's counts in the last line.
func Lines(obs []protocol.Observation, stats drivers.Stats) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, o := range obs {
		if err := enc.Encode(line(o)); err != nil {
			fmt.Fprintf(&b, "%v\n", err)
		}
	}
	fmt.Fprintf(&b, `{"bytes":%d,"frames":%d,"skipped":%d,"bad_sums":%d}`+"\n", stats.Bytes, stats.Frames, stats.Skipped, stats.BadSums)
	return b.Bytes()
}

func show(o protocol.Observation) string {
	b, err := json.Marshal(line(o))
	if err != nil {
		return err.Error()
	}
	return string(b)
}
