package protocol

import (
	"fmt"
	"strings"
)

// The words of the enumerations, by number: in JSON, in configurations, in
// logs. A number of a newer peer has no word: it is "quality-12" and so on, and
// is read back as that number.
var (
	kindWords     = []string{"unknown", "numeric", "samples", "enumeration", "event"}
	qualityWords  = []string{"unknown", "good", "questionable", "invalid", "missing", "sensor-off", "calibrating", "ongoing", "overflow", "underflow", "demo"}
	clockWords    = []string{"unknown", "synced", "corrected", "uncertain"}
	phaseWords    = []string{"unknown", "start", "continue", "end", "once"}
	priorityWords = []string{"none", "low", "medium", "high"}
	alarmWords    = []string{"unknown", "physiological", "technical", "advisory"}
	streamWords   = []string{"unknown", "event", "numeric", "wave"}
	statusWords   = []string{"unknown", "connecting", "receiving", "silent", "failed"}
)

func word[T ~uint8](what string, words []string, v T) string {
	if int(v) < len(words) {
		return words[v]
	}
	return fmt.Sprintf("%s-%d", what, uint8(v))
}

func parseWord[T ~uint8](what string, words []string, text []byte, v *T) error {
	for i, w := range words {
		if w == string(text) {
			*v = T(i)
			return nil
		}
	}
	var n uint8
	if _, err := fmt.Sscanf(string(text), what+"-%d", &n); err == nil && int(n) >= len(words) && word(what, words, n) == string(text) {
		*v = T(n)
		return nil
	}
	return fmt.Errorf("%s %q: want one of %s", what, text, strings.Join(words, ", "))
}

// String is the word for k: numeric, samples, enumeration, event or unknown.
func (k Kind) String() string { return word("kind", kindWords, k) }

// MarshalText gives the word for k.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a word, or says which are allowed.
func (k *Kind) UnmarshalText(text []byte) error { return parseWord("kind", kindWords, text, k) }

// String is the word for q: good, questionable, sensor-off, ….
func (q Quality) String() string { return word("quality", qualityWords, q) }

// MarshalText gives the word for q.
func (q Quality) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads a word, or says which are allowed.
func (q *Quality) UnmarshalText(text []byte) error {
	return parseWord("quality", qualityWords, text, q)
}

// String is the word for c: synced, corrected, uncertain or unknown.
func (c ClockQuality) String() string { return word("clock", clockWords, c) }

// MarshalText gives the word for c.
func (c ClockQuality) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads a word, or says which are allowed.
func (c *ClockQuality) UnmarshalText(text []byte) error {
	return parseWord("clock", clockWords, text, c)
}

// String is the word for p: start, continue, end, once or unknown.
func (p Phase) String() string { return word("phase", phaseWords, p) }

// MarshalText gives the word for p.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a word, or says which are allowed.
func (p *Phase) UnmarshalText(text []byte) error { return parseWord("phase", phaseWords, text, p) }

// String is the word for p: none, low, medium or high.
func (p Priority) String() string { return word("priority", priorityWords, p) }

// MarshalText gives the word for p.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a word, or says which are allowed.
func (p *Priority) UnmarshalText(text []byte) error {
	return parseWord("priority", priorityWords, text, p)
}

// String is the word for a: physiological, technical, advisory or unknown.
func (a AlarmType) String() string { return word("alarm-type", alarmWords, a) }

// MarshalText gives the word for a.
func (a AlarmType) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a word, or says which are allowed.
func (a *AlarmType) UnmarshalText(text []byte) error {
	return parseWord("alarm-type", alarmWords, text, a)
}

// String is the word for s: event, numeric, wave or unknown.
func (s Stream) String() string { return word("stream", streamWords, s) }

// MarshalText gives the word for s.
func (s Stream) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a word, or says which are allowed.
func (s *Stream) UnmarshalText(text []byte) error { return parseWord("stream", streamWords, text, s) }

// String is the word for d: connecting, receiving, silent, failed or unknown.
func (d DeviceStatus) String() string { return word("status", statusWords, d) }

// MarshalText gives the word for d.
func (d DeviceStatus) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a word, or says which are allowed.
func (d *DeviceStatus) UnmarshalText(text []byte) error {
	return parseWord("status", statusWords, text, d)
}
