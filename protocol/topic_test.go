package protocol

import (
	"strings"
	"testing"
)

func TestTopicSurvivesParsing(t *testing.T) {
	for _, lane := range []Lane{LaneLive, LaneWave, LaneBackfill, LaneState, LaneAck, LaneCommand} {
		topic := Topic("icu-1", "box_17.a", lane)
		unit, box, got, err := ParseTopic(topic)
		if err != nil || unit != "icu-1" || box != "box_17.a" || got != lane {
			t.Errorf("ParseTopic(%s) = %s, %s, %s, %v", topic, unit, box, got, err)
		}
	}
	if got := Topic("icu", "b1", LaneLive); got != "monitorme/v1/icu/b1/live" {
		t.Errorf("Topic = %s", got)
	}
}

func TestForeignTopicIsRefused(t *testing.T) {
	for topic, want := range map[string]string{
		"":                           "want monitorme/v1/{unit}/{box}/{lane}",
		"monitorme/v2/icu/b1/live":   "want monitorme/v1/",
		"monitorme/v1/icu/b1":        "want monitorme/v1/",
		"monitorme/v1/icu/b1/live/x": "want monitorme/v1/",
		"monitorme/v1/icu/b1/dead":   `lane "dead" is not one of`,
		"monitorme/v1//b1/live":      `unit "": want 1 to 64 characters`,
		"monitorme/v1/icu/+/live":    `box "+": character '+' is not allowed`,
		"monitorme/v1/icu/#/live":    "character '#'",
		"monitorme/v1/icu/b 1/live":  "character ' '",
		"/monitorme/v1/icu/b1/live":  "want monitorme/v1/",
		"monitorme/v1/../b1/live":    `unit "..": not allowed`,
		"monitorme/v1/icu/bétt/live": "is not allowed (A-Z",
		"monitorme/v1/icu/" + strings.Repeat("b", 65) + "/live": "1 to 64 characters",
	} {
		if _, _, _, err := ParseTopic(topic); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseTopic(%q): error %v, want one with %q", topic, err, want)
		}
	}
}
