package protocol

import (
	"encoding"
	"encoding/json"
	"strings"
	"testing"
)

func TestWordsSurviveText(t *testing.T) {
	for n := range 256 {
		n := uint8(n)
		survives(t, Kind(n), new(Kind))
		survives(t, Quality(n), new(Quality))
		survives(t, ClockQuality(n), new(ClockQuality))
		survives(t, Phase(n), new(Phase))
		survives(t, Priority(n), new(Priority))
		survives(t, AlarmType(n), new(AlarmType))
		survives(t, Stream(n), new(Stream))
		survives(t, DeviceStatus(n), new(DeviceStatus))
	}
}

func survives[T interface {
	comparable
	encoding.TextMarshaler
}, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, v T, back P) {
	t.Helper()
	b, err := v.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	if err := back.UnmarshalText(b); err != nil || *back != v {
		t.Errorf("%T %q was read as %v, %v", v, b, *back, err)
	}
}

func TestWordsAreThoseOfTheDocument(t *testing.T) {
	b, err := json.Marshal(map[string]any{"q": QualitySensorOff, "c": ClockCorrected, "p": PriorityHigh, "t": AlarmAdvisory, "s": DeviceSilent, "n": Quality(12), "k": KindSamples})
	if want := `{"c":"corrected","k":"samples","n":"quality-12","p":"high","q":"sensor-off","s":"silent","t":"advisory"}`; string(b) != want || err != nil {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
	var q Quality
	for _, bad := range []string{"", "Good", "quality-1", "quality-007", "quality-256", "kind-12", "good "} {
		if err := q.UnmarshalText([]byte(bad)); err == nil || !strings.Contains(err.Error(), "want one of unknown, good, ") {
			t.Errorf("quality %q: error %v", bad, err)
		}
	}
}
