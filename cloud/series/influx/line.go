package influx

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"monitorme/cloud/series/packed"
	"monitorme/protocol"
)

// Measurements. All have the tags box, device, channel, code and unit, and the
// field exact, which holds all of a reading.
const (
	measureNumeric = "numeric"
	measureText    = "text"
	measureEvent   = "event"
	measureOther   = "other" // of a kind this program does not know
	measureSamples = "samples"
)

// spans are the values of the tag span of samples: how long a block lasts at
// most, and so how far to look back for blocks that last into a range.
var spans = [...]struct {
	tag  string
	most time.Duration
}{{"10s", 10 * time.Second}, {"10m", 10 * time.Minute}, {"1d", 24 * time.Hour}, {"50d", 50 * 24 * time.Hour}}

func spanOf(d time.Duration) string {
	for _, s := range spans {
		if d <= s.most {
			return s.tag
		}
	}
	return spans[len(spans)-1].tag // the wire format allows no block that long
}

// appendLine appends the observation in line protocol, microseconds.
func appendLine(b []byte, box protocol.BoxID, o *protocol.Observation) []byte {
	measure := measurementOf(o.Kind)
	b = append(b, measure...)
	b = appendTag(b, "box", string(box))
	b = appendTag(b, "channel", o.Channel)
	b = append(b, ",code="...)
	b = strconv.AppendUint(b, uint64(o.Code), 10)
	b = appendTag(b, "device", string(o.Device))
	if measure == measureSamples {
		b = appendTag(b, "span", spanOf(o.Samples.Duration()))
	}
	b = appendTag(b, "unit", string(o.Unit))
	b = append(b, " exact="...)
	b = appendText(b, exact(o))
	b = append(b, ",quality="...)
	b = strconv.AppendUint(b, uint64(o.Quality), 10)
	b = append(b, 'i')
	switch {
	case measure == measureNumeric && o.Value.Valid && o.Quality.HasNumber():
		b = append(b, ",value="...)
		b = strconv.AppendFloat(b, o.Value.Float64(), 'g', -1, 64)
	case measure == measureSamples:
		b = append(b, ",rate="...)
		b = strconv.AppendFloat(b, o.Samples.RateHz(), 'g', -1, 64)
	case measure == measureEvent:
		b = append(b, ",text="...)
		b = appendText(b, o.Event.Text)
	case o.Text != "":
		b = append(b, ",text="...)
		b = appendText(b, o.Text)
	}
	b = append(b, ' ')
	return strconv.AppendInt(b, o.At.UnixMicro(), 10)
}

func measurementOf(k protocol.Kind) string {
	switch k {
	case protocol.KindNumeric:
		return measureNumeric
	case protocol.KindEnumeration:
		return measureText
	case protocol.KindEvent:
		return measureEvent
	case protocol.KindSamples:
		return measureSamples
	}
	return measureOther
}

// appendTag appends a tag whose value has only characters that mean nothing in
// line protocol and in Flux.
func appendTag(b []byte, name, value string) []byte {
	b = append(b, ',')
	b = append(b, name...)
	b = append(b, '=')
	return append(b, escapeTag(value)...)
}

// escapeTag writes the empty value as ~, and what is not a plain character as
// ~ and two hexadecimal digits.
func escapeTag(s string) string {
	if s == "" {
		return "~"
	}
	const hex = "0123456789abcdef"
	var b []byte
	for i, c := range []byte(s) {
		plain := c > ' ' && c < 0x7f && !strings.ContainsRune(`,="'\~$`, rune(c))
		if !plain && b == nil {
			b = append(b, s[:i]...)
		}
		switch {
		case !plain:
			b = append(b, '~', hex[c>>4], hex[c&15])
		case b != nil:
			b = append(b, c)
		}
	}
	if b == nil {
		return s
	}
	return string(b)
}

func unescapeTag(s string) (string, error) {
	if s == "~" {
		return "", nil
	}
	if !strings.Contains(s, "~") {
		return s, nil
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '~' {
			b = append(b, s[i])
			continue
		}
		if i+3 > len(s) {
			return "", fmt.Errorf("tag value %q is not one of ours", s)
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("tag value %q is not one of ours", s)
		}
		b = append(b, byte(c))
		i += 2
	}
	return string(b), nil
}

// appendText appends a string field.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range []byte(s) {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// words is what a reading has beside its number.
type words struct {
	Value string          `json:"value,omitempty"`
	Text  string          `json:"text,omitempty"`
	Event *protocol.Event `json:"event,omitempty"`
}

// exact is all of a reading but its tags: kind, quality and clock, and then
// the number as mantissa and exponent, or JSON if there are words, or packed
// samples.
func exact(o *protocol.Observation) string {
	b := strconv.AppendUint(make([]byte, 0, 32), uint64(o.Kind), 10)
	b = strconv.AppendUint(append(b, ';'), uint64(o.Quality), 10)
	b = strconv.AppendUint(append(b, ';'), uint64(o.Clock), 10)
	b = append(b, ';')
	switch {
	case o.Kind == protocol.KindSamples:
		a, _, word := packed.Of(o)
		return string(base64.StdEncoding.AppendEncode(b, append(packed.AppendString(nil, a.Shape), word...)))
	case o.Text != "" || o.Event != nil:
		w := words{Text: o.Text, Event: o.Event}
		if o.Value.Valid {
			w.Value = string(appendDecimal(nil, o.Value))
		}
		j, _ := json.Marshal(w) // strings and numbers: it cannot fail
		return string(append(b, j...))
	case o.Value.Valid:
		return string(appendDecimal(b, o.Value))
	}
	return string(b)
}

func appendDecimal(b []byte, d protocol.Decimal) []byte {
	b = strconv.AppendInt(b, d.Mantissa, 10)
	if d.Exponent != 0 {
		b = strconv.AppendInt(append(b, 'e'), int64(d.Exponent), 10)
	}
	return b
}

func parseDecimal(s string) (protocol.Decimal, error) {
	mant, exp, ok := strings.Cut(s, "e")
	m, err := strconv.ParseInt(mant, 10, 64)
	if err != nil || !ok {
		return protocol.Int(m), err
	}
	e, err := strconv.ParseInt(exp, 10, 8)
	return protocol.Dec(m, int8(e)), err
}

// parseExact is the reverse of exact.
func parseExact(s string, o *protocol.Observation) error {
	var n [3]uint64
	rest := s
	for i := range n {
		digits, after, ok := strings.Cut(rest, ";")
		v, err := strconv.ParseUint(digits, 10, 8)
		if !ok || err != nil {
			return fmt.Errorf("field exact %.80q is not one of ours", s)
		}
		n[i], rest = v, after
	}
	*o = protocol.Observation{At: o.At, Unit: o.Unit, Kind: protocol.Kind(n[0]), Quality: protocol.Quality(n[1]), Clock: protocol.ClockQuality(n[2])}
	var err error
	switch {
	case o.Kind == protocol.KindSamples:
		err = parseSamples(rest, o)
	case strings.HasPrefix(rest, "{"):
		var w words
		if err = json.Unmarshal([]byte(rest), &w); err == nil {
			o.Text, o.Event = w.Text, w.Event
			if w.Value != "" {
				o.Value, err = parseDecimal(w.Value)
			}
		}
	case rest != "":
		o.Value, err = parseDecimal(rest)
	}
	if err != nil {
		return fmt.Errorf("field exact %.80q: %w", s, err)
	}
	return nil
}

func parseSamples(s string, o *protocol.Observation) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	d := packed.NewDecoder(b)
	a := packed.Attr{Form: packed.FormBlock, Shape: d.String()}
	if err := d.Err(); err != nil {
		return err
	}
	samples, err := a.Samples(string(b[len(b)-d.Len():]))
	o.Samples = &samples
	return err
}
