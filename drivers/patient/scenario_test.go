package patient

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"monitorme/protocol"
)

func TestBreathHeldDesaturatesLater(t *testing.T) {
	m := body(t, "stable adult", 1, "apnoea@+2m/60s,severity=0.8")
	at := func(s int) time.Time { return noon.Add(time.Duration(120+s) * time.Second) }
	before := numeric(t, m, protocol.SpO2, at(-5))
	if rr := numeric(t, m, protocol.RespirationRate, at(20)); rr != 0 {
		t.Errorf("respiration is %.1f/min 20 s into the apnoea, want 0", rr)
	}
	if v := numeric(t, m, protocol.SpO2, at(18)); v < before-2 {
		t.Errorf("SpO2 is %.1f after 18 s, was %.1f: too early", v, before)
	}
	low := numeric(t, m, protocol.SpO2, at(75))
	if low > before-10 {
		t.Errorf("SpO2 is %.1f after 75 s, was %.1f: want at least 10 less", low, before)
	}
	if v := numeric(t, m, protocol.SpO2, at(60)); v <= low {
		t.Errorf("SpO2 is %.1f at the first breath and %.1f later: the finger should lag", v, low)
	}
	if v := numeric(t, m, protocol.SpO2, at(240)); v < before-2 {
		t.Errorf("SpO2 is %.1f after recovery, was %.1f", v, before)
	}
	w := wave(t, m, protocol.RespirationWave, at(5), 25, 50*time.Second)
	for _, v := range w {
		if v != w[0] {
			t.Fatalf("the chest moves during apnoea")
		}
	}
}

func TestEpisodesMoveTheirSigns(t *testing.T) {
	for _, c := range []struct {
		episode string
		code    protocol.Code
		change  float64 // at least so much up (or down if negative), 100 s after the onset
	}{
		{"desaturation@+2m/120s", protocol.SpO2, -10},
		{"tachycardia@+2m/120s", protocol.HeartRate, 40},
		{"bradycardia@+2m/120s", protocol.HeartRate, -20},
		{"hypotension@+2m/120s", protocol.NIBPSystolic, -25},
		{"hypotension@+2m/120s", protocol.ABPMean, -15},
		{"hypotension@+2m/120s", protocol.HeartRate, 8},
		{"fever@+2m/120s", protocol.BodyTemperature, 1.5},
		{"afib@+2m/120s", protocol.HeartRate, 15},
		{"vt@+2m/120s", protocol.HeartRate, 70},
		{"vt@+2m/120s", protocol.ABPSystolic, -40},
		{"hypoglycaemia@+2m/120s", protocol.Glucose, -35},
		{"sepsis@+2m/100s", protocol.HeartRate, 25},
		{"sepsis@+2m/100s", protocol.RespirationRate, 7},
		{"sepsis@+2m/100s", protocol.NIBPSystolic, -20},
	} {
		e, err := ParseEpisode(c.episode)
		if err != nil {
			t.Fatal(err)
		}
		calm, ill := body(t, "stable adult", 3), body(t, "stable adult", 3, c.episode)
		at := noon.Add(220 * time.Second)
		change := numeric(t, ill, c.code, at) - numeric(t, calm, c.code, at)
		if c.change > 0 && change < c.change || c.change < 0 && change > c.change {
			t.Errorf("%s changes %d by %.1f, want %.1f or more", c.episode, c.code, change, c.change)
		}
		early := noon.Add(100 * time.Second)
		if a, b := numeric(t, calm, c.code, early), numeric(t, ill, c.code, early); a-b > 1 || b-a > 1 {
			t.Errorf("%s: %.1f instead of %.1f before the onset", c.episode, b, a)
		}
		late := noon.Add(2*time.Minute + e.Lasts + 30*time.Minute)
		if a, b := numeric(t, calm, c.code, late), numeric(t, ill, c.code, late); a-b > 1 || b-a > 1 {
			t.Errorf("%s: %.1f instead of %.1f half an hour later", c.episode, b, a)
		}
	}
}

func TestAsystoleIsNoBeatAndNoPulse(t *testing.T) {
	m := body(t, "stable adult", 6, "asystole@+2m/20s")
	at := noon.Add(2*time.Minute + 14*time.Second)
	if hr := numeric(t, m, protocol.HeartRate, at); hr != 0 {
		t.Errorf("heart rate %.1f, want 0", hr)
	}
	for _, code := range []protocol.Code{protocol.PulseRate, protocol.SpO2, protocol.NIBPSystolic} {
		if v, ok := m.Numeric(code, at); ok {
			t.Errorf("%d is %.1f without a pulse", code, v)
		}
	}
	if beats := rPeaks(append(wave(t, m, protocol.ECGLeadII, noon, 250, 10*time.Second), wave(t, m, protocol.ECGLeadII, at.Add(-10*time.Second), 250, 10*time.Second)...), 250); beats[len(beats)-1] > 10.2 {
		t.Errorf("a beat at %.1f s", beats[len(beats)-1]-10)
	}
	if v := wave(t, m, protocol.ABPWave, at, 125, time.Second)[0]; v > 30 {
		t.Errorf("pressure still %.0f mmHg", v)
	}
	if hr := numeric(t, m, protocol.HeartRate, at.Add(30*time.Second)); hr < 50 {
		t.Errorf("heart rate %.1f after the pause", hr)
	}
}

func TestAtrialFibrillationIsIrregularAndExtraBeatsLoseTheirPulse(t *testing.T) {
	spread := func(m *Model) float64 {
		beats := rPeaks(wave(t, m, protocol.ECGLeadII, noon, 250, 2*time.Minute), 250)
		sum, n := 0.0, 0.0
		for i := 2; i < len(beats); i++ {
			a, b := beats[i]-beats[i-1], beats[i-1]-beats[i-2]
			sum, n = sum+max(a/b, b/a)-1, n+1
		}
		return sum / n
	}
	if s, a := spread(body(t, "septic", 1)), spread(body(t, "elderly in atrial fibrillation", 1)); a < 0.15 || s > 0.06 {
		t.Errorf("neighbouring intervals differ by %.2f in sinus rhythm and %.2f in fibrillation", s, a)
	}
	m := body(t, "stable adult", 1, "pvc@+0s/10m,severity=1")
	hr, pr := average(t, m, protocol.HeartRate, noon.Add(time.Minute), 2*time.Minute), average(t, m, protocol.PulseRate, noon.Add(time.Minute), 2*time.Minute)
	if pr > hr-3 {
		t.Errorf("pulse %.1f and heart rate %.1f: weak beats should be missing from the pulse", pr, hr)
	}
}

func TestSensorOffTakesItsSignsAndNoOther(t *testing.T) {
	m := body(t, "stable adult", 1, "sensor-off:oxygen@+60s/30s,every=5m")
	for _, after := range []time.Duration{70 * time.Second, 370 * time.Second} {
		at := noon.Add(after)
		for _, code := range []protocol.Code{protocol.SpO2, protocol.PulseRate, protocol.PerfusionIndex} {
			if _, ok := m.Numeric(code, at); ok {
				t.Errorf("%d has a value with the sensor off", code)
			}
		}
		if m.Wave(protocol.Pleth, at, 75, make([]float64, 25)) {
			t.Error("a pleth wave with the sensor off")
		}
		numeric(t, m, protocol.HeartRate, at)
	}
	for _, after := range []time.Duration{59 * time.Second, 91 * time.Second, 359 * time.Second} {
		numeric(t, m, protocol.SpO2, noon.Add(after))
	}
	sleepless := body(t, "stable adult", 1, "sensor-off:sleep@+0s/30s")
	if _, ok := sleepless.Word(protocol.SleepStatus, noon); ok {
		t.Error("a sleep status with the sensor off")
	}
	if _, ok := sleepless.Word(protocol.IdentityModel, noon); ok {
		t.Error("a word that a body does not have")
	}
}

func TestParseEpisode(t *testing.T) {
	got, err := ParseEpisode("sensor-off:oxygen@+90s/45s,every=10m,severity=0.5")
	want := Episode{Kind: SensorOff, Sign: protocol.SignOxygen, After: 90 * time.Second, Lasts: 45 * time.Second, Every: 10 * time.Minute, Severity: 0.5}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "apnoea", "apnoea@60s", "apnoea@+60s/0s", "apnoea@+60s/1m,every=10s", "apnoea@+60s/1m,loud=1",
		"apnoea:oxygen@+60s/1m", "sensor-off@+60s/1m", "sensor-off:tail@+60s/1m", "apnoea@+60s/1m,severity=7", "nap@+60s/1m", "apnoea@-60s/1m"} {
		if e, err := ParseEpisode(bad); err == nil {
			t.Errorf("%q passed as %+v", bad, e)
		}
	}
}

func FuzzParseEpisode(f *testing.F) {
	f.Add("desaturation@+60s/120s")
	f.Add("sensor-off:oxygen@+90s/45s,every=10m,severity=0.5")
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := ParseEpisode(text); err == nil {
			if err := (Scenario{e}).Validate(); err != nil {
				t.Errorf("%q parsed but is not valid: %v", text, err)
			}
		}
	})
}
