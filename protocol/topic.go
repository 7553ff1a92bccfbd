package protocol

import (
	"fmt"
	"strings"
)

// A Lane is the fifth level of a topic: what kind of traffic flows on it.
type Lane string

const (
	LaneLive     Lane = "live"     // up: batches of fresh numerics, enumerations and events
	LaneWave     Lane = "wave"     // up: batches of fresh waveform blocks
	LaneBackfill Lane = "backfill" // up: batches of anything older; never raises an alarm as live
	LaneState    Lane = "state"    // up, retained: BoxState; also the last will
	LaneAck      Lane = "ack"      // down: Ack, what the store has committed
	LaneCommand  Lane = "command"  // down: reserved for fleet commands
)

// TopicRoot is the first two levels of every topic: the system and the major
// version of the wire format.
const TopicRoot = "monitorme/v1"

// Topic is monitorme/v1/{unit}/{box}/{lane}. It carries no patient data and no
// bed label.
func Topic(unit UnitID, box BoxID, lane Lane) string {
	return TopicRoot + "/" + string(unit) + "/" + string(box) + "/" + string(lane)
}

// ParseTopic splits a topic, or says what is wrong with it.
func ParseTopic(topic string) (UnitID, BoxID, Lane, error) {
	rest, ok := strings.CutPrefix(topic, TopicRoot+"/")
	p := strings.Split(rest, "/")
	if !ok || len(p) != 3 {
		return "", "", "", fmt.Errorf("topic %q: want %s/{unit}/{box}/{lane}", topic, TopicRoot)
	}
	if err := CheckID("unit", p[0]); err != nil {
		return "", "", "", fmt.Errorf("topic %q: %w", topic, err)
	}
	if err := CheckID("box", p[1]); err != nil {
		return "", "", "", fmt.Errorf("topic %q: %w", topic, err)
	}
	switch l := Lane(p[2]); l {
	case LaneLive, LaneWave, LaneBackfill, LaneState, LaneAck, LaneCommand:
		return UnitID(p[0]), BoxID(p[1]), l, nil
	}
	return "", "", "", fmt.Errorf("topic %q: lane %q is not one of live, wave, backfill, state, ack, command", topic, p[2])
}

// CheckID checks an identifier of the kind named by what: 1 to 64 characters
// of A-Z a-z 0-9 . _ -, so that it is safe in topics, tags and file names.
func CheckID(what, id string) error {
	if len(id) == 0 || len(id) > 64 {
		return fmt.Errorf("%s %q: want 1 to 64 characters", what, id)
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return fmt.Errorf("%s %q: character %q is not allowed (A-Z a-z 0-9 . _ -)", what, id, c)
		}
	}
	if id == "." || id == ".." {
		return fmt.Errorf("%s %q: not allowed", what, id)
	}
	return nil
}
