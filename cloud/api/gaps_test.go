package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"monitorme/protocol"
)

var t0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func sec(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }

func show(gaps []gap) string {
	var b strings.Builder
	for _, g := range gaps {
		fmt.Fprintf(&b, "%v-%v %s, ", g.From.Sub(t0).Seconds(), g.To.Sub(t0).Seconds(), g.Reason)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

func TestGapsAndTheirReasons(t *testing.T) {
	const good, off, invalid, cal, missing = "", gapSensorOff, gapInvalid, gapCalibrating, gapUnknown
	type reading struct {
		at  int
		why string
	}
	run := func(why string, from, to int) (out []reading) {
		for i := from; i < to; i++ {
			out = append(out, reading{i, why})
		}
		return out
	}
	cat := func(parts ...[]reading) (out []reading) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	for _, c := range []struct {
		name      string
		threshold int
		readings  []reading
		causes    []gap
		want      string
	}{
		{"no readings at all", 5, nil, nil, "0-100 unknown"},
		{"readings all the time", 5, run(good, 0, 100), nil, ""},
		{"silence as long as the threshold is none", 5, cat(run(good, 0, 50), run(good, 54, 100)), nil, ""},
		{"silence begins at the last reading", 5, cat(run(good, 0, 50), run(good, 60, 100)), nil, "49-60 unknown"},
		{"silence at the begin and the end", 5, run(good, 20, 80), nil, "0-20 unknown, 79-100 unknown"},
		{"a sensor that was off", 5, cat(run(good, 0, 40), run(off, 40, 60), run(good, 60, 100)), nil, "40-60 sensor-off"},
		{"one reason after the other", 5, cat(run(off, 0, 30), run(cal, 30, 60), run(invalid, 60, 100)), nil, "0-30 sensor-off, 30-60 calibrating, 60-100 invalid"},
		{"a bad run shorter than the threshold is in the points only", 5, cat(run(good, 0, 40), run(invalid, 40, 43), run(good, 43, 100)), nil, ""},
		{"the device said that it has no value", 5, cat(run(good, 0, 40), run(missing, 40, 60), run(good, 60, 100)), nil, "40-60 unknown"},
		{"a bad run, then silence", 5, cat(run(good, 0, 40), run(off, 40, 50), run(good, 80, 100)), nil, "40-54 sensor-off, 54-80 unknown"},
		{"a lost device", 5, cat(run(good, 0, 40), run(good, 60, 100)), []gap{{sec(41), sec(59), gapDeviceLost, "unplugged"}}, "39-60 device-lost"},
		{"a lost device explains only its time", 5, cat(run(good, 0, 40), run(good, 80, 100)), []gap{{sec(41), sec(60), gapDeviceLost, ""}}, "39-60 device-lost, 60-80 unknown"},
		{"dropped readings before box offline", 5, cat(run(good, 0, 20), run(good, 90, 100)),
			[]gap{{sec(19), sec(90), gapBoxOffline, ""}, {sec(30), sec(60), gapDropped, "disk full"}}, "19-30 box-offline, 30-60 dropped, 60-90 box-offline"},
		{"a cause without silence is no gap: the readings came later", 5, run(good, 0, 100), []gap{{sec(30), sec(60), gapBoxOffline, ""}}, ""},
		{"a box that is offline has the rest still", 5, run(good, 0, 50), []gap{{sec(50), sec(100), gapPending, ""}, {sec(52), sec(100), gapBoxOffline, ""}}, "49-100 pending"},
		{"nobody lay there", 5, run(good, 50, 100), []gap{{sec(0), sec(50), gapNotMonitored, ""}}, "0-50 not-monitored"},
		{"nothing expected: silence is none", 0, []reading{{10, good}, {90, good}}, nil, ""},
		{"nothing expected, but a cause is known", 0, []reading{{10, good}, {90, good}}, []gap{{sec(20), sec(30), gapDeviceLost, ""}}, "20-30 device-lost"},
		{"one reading without a number counts for a threshold", 20, cat(run(good, 0, 30), []reading{{30, off}}, run(good, 90, 100)), nil, "30-50 sensor-off, 50-90 unknown"},
	} {
		g := &gapFinder{threshold: time.Duration(c.threshold) * time.Second}
		g.begin(sec(0))
		for _, r := range c.readings {
			g.reading(sec(r.at), r.why)
		}
		g.end(sec(100))
		if got := show(g.explain(c.causes)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Whatever the readings and causes, gaps lie in the window, in order, apart,
// and every silence longer than the threshold is told.
func TestGapsCoverEverySilence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &gapFinder{threshold: time.Duration(rapid.IntRange(1, 20).Draw(rt, "threshold")) * time.Second}
		g.begin(sec(0))
		last, silences := 0, [][2]int{}
		note := func(to int) {
			if time.Duration(to-last)*time.Second > g.threshold {
				silences = append(silences, [2]int{last, to})
			}
			last = to
		}
		for at := 0; ; {
			at += rapid.IntRange(1, 40).Draw(rt, "pause")
			if at >= 600 {
				break
			}
			note(at)
			g.reading(sec(at), rapid.SampledFrom([]string{"", "", gapSensorOff, gapInvalid}).Draw(rt, "why"))
		}
		note(600)
		g.end(sec(600))
		var causes []gap
		for range rapid.IntRange(0, 5).Draw(rt, "causes") {
			from := rapid.IntRange(-50, 650).Draw(rt, "from")
			causes = append(causes, gap{sec(from), sec(from + rapid.IntRange(1, 200).Draw(rt, "len")), rapid.SampledFrom([]string{gapDropped, gapDeviceLost, gapPending, gapBoxOffline}).Draw(rt, "reason"), ""})
		}
		gaps := g.explain(causes)
		for i, x := range gaps {
			if !x.From.Before(x.To) || x.From.Before(sec(0)) || x.To.After(sec(600)) || x.Reason == "" || i > 0 && x.From.Before(gaps[i-1].To) {
				rt.Fatalf("gap %d of %s", i, show(gaps))
			}
		}
		for _, s := range silences {
			for at := s[0]; at < s[1]; at++ {
				mid, covered := sec(at).Add(time.Second/2), false
				for _, x := range gaps {
					covered = covered || !x.From.After(mid) && x.To.After(mid)
				}
				if !covered {
					rt.Fatalf("silence %v not told at %d: %s", s, at, show(gaps))
				}
			}
		}
	})
}

func TestWhyNoNumberAgreesWithTheProtocol(t *testing.T) {
	for q := protocol.QualityUnknown; q <= protocol.QualityDemo; q++ {
		if (whyNoNumber(q) == "") != q.HasNumber() {
			t.Errorf("%v: %q, HasNumber %v", q, whyNoNumber(q), q.HasNumber())
		}
	}
}
