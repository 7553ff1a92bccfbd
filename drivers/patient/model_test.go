package patient

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/protocol"
)

var (
	_ drivers.Patient = (*Model)(nil)

	noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
)

func body(t testing.TB, profile string, seed uint64, episodes ...string) *Model {
	t.Helper()
	p, err := NamedProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Seed: seed, Profile: p, Start: noon}
	for _, text := range episodes {
		e, err := ParseEpisode(text)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Scenario = append(cfg.Scenario, e)
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wave(t testing.TB, p drivers.Patient, code protocol.Code, from time.Time, rate float64, d time.Duration) []float64 {
	t.Helper()
	dst := make([]float64, int(rate*d.Seconds()))
	if !p.Wave(code, from, rate, dst) {
		t.Fatalf("no wave %d at %v", code, from)
	}
	return dst
}

func numeric(t testing.TB, p drivers.Patient, code protocol.Code, at time.Time) float64 {
	t.Helper()
	v, ok := p.Numeric(code, at)
	if !ok {
		t.Fatalf("no value of %d at %v", code, at)
	}
	return v
}

// average is the mean of a numeric, asked for every second.
func average(t testing.TB, p drivers.Patient, code protocol.Code, from time.Time, d time.Duration) float64 {
	t.Helper()
	sum, n := 0.0, 0.0
	for at := time.Duration(0); at < d; at += time.Second {
		sum += numeric(t, p, code, from.Add(at))
		n++
	}
	return sum / n
}

// rPeaks finds R peaks without knowing the model: steepness squared, summed over
// 80 ms, above a fraction of its recent maximum, then the highest sample nearby.
func rPeaks(x []float64, rate float64) []float64 {
	w := int(0.08 * rate)
	energy := make([]float64, len(x))
	sum := 0.0
	for i := 1; i < len(x); i++ {
		d := x[i] - x[i-1]
		sum += d * d
		if i > w {
			o := x[i-w] - x[i-w-1]
			sum -= o * o
		}
		energy[i] = sum
	}
	sorted := slices.Sorted(slices.Values(energy))
	limit := 0.3 * sorted[len(sorted)*97/100]
	var peaks []float64
	for i := 1; i < len(energy)-1; i++ {
		if energy[i] < limit {
			continue
		}
		end := i
		for end < len(energy) && energy[end] >= limit {
			end++
		}
		top := max(0, i-w)
		for j := top; j < min(end, len(x)); j++ {
			if x[j] > x[top] {
				top = j
			}
		}
		if n := len(peaks); n == 0 || float64(top)/rate-peaks[n-1] > 0.22 {
			peaks = append(peaks, float64(top)/rate)
		}
		i = end + int(0.12*rate)
	}
	return peaks
}

func TestTheSameSeedIsTheSamePersonAndAnotherSeedIsNot(t *testing.T) {
	a, b, c := body(t, "post-op", 7), body(t, "post-op", 7), body(t, "post-op", 8)
	late := noon.Add(300 * time.Hour)
	numeric(t, b, protocol.HeartRate, late) // asked in another order
	x, y, z := wave(t, a, protocol.ECGLeadII, noon, 250, time.Minute), wave(t, b, protocol.ECGLeadII, noon, 250, time.Minute), wave(t, c, protocol.ECGLeadII, noon, 250, time.Minute)
	if !slices.Equal(x, y) {
		t.Error("two patients of one seed differ")
	}
	if slices.Equal(x, z) {
		t.Error("two patients of two seeds are one")
	}
	if numeric(t, a, protocol.SpO2, late) != numeric(t, b, protocol.SpO2, late) {
		t.Error("numerics of one seed differ")
	}
}

func TestCuttingAWaveElsewhereChangesNothing(t *testing.T) {
	m := body(t, "elderly in atrial fibrillation", 3)
	start := noon.Add(4*time.Minute + 50*time.Second) // over a seam between segments
	for _, code := range []protocol.Code{protocol.ECGLeadI, protocol.ECGLeadII, protocol.ECGLeadV, protocol.Pleth, protocol.ABPWave, protocol.RespirationWave} {
		whole := wave(t, m, code, start, 250, 20*time.Second)
		var cut []float64
		for n := range 200 {
			cut = append(cut, wave(t, m, code, start.Add(time.Duration(n)*100*time.Millisecond), 250, 100*time.Millisecond)...)
		}
		scale := slices.Max(whole) - slices.Min(whole)
		for i := range whole {
			if math.Abs(whole[i]-cut[i]) > 0.002*scale {
				t.Fatalf("code %d sample %d: %g in one piece, %g in pieces", code, i, whole[i], cut[i])
			}
		}
	}
}

func TestBeatsOfTheWaveAgreeWithTheHeartRate(t *testing.T) {
	for _, name := range ProfileNames() {
		m := body(t, name, 11)
		for _, lead := range []protocol.Code{protocol.ECGLeadII, protocol.ECGLeadV} {
			const minutes = 4
			beats := rPeaks(wave(t, m, lead, noon, 250, minutes*time.Minute), 250)
			counted := 60 * float64(len(beats)-1) / (beats[len(beats)-1] - beats[0])
			shown := average(t, m, protocol.HeartRate, noon, minutes*time.Minute)
			if math.Abs(counted-shown) > 1 {
				t.Errorf("%s, lead %d: %.1f/min in the wave, %.1f/min shown", name, lead, counted, shown)
			}
		}
	}
}

func TestBreathingQuickensAndSlowsTheHeart(t *testing.T) {
	m := body(t, "athlete", 5)
	air := wave(t, m, protocol.RespirationWave, noon, 10, 5*time.Minute)
	beats := rPeaks(wave(t, m, protocol.ECGLeadII, noon, 500, 5*time.Minute), 500)
	var sxy, sx, sy, sxx, syy, n float64
	for i := 1; i < len(beats); i++ {
		x, y := air[min(len(air)-1, int(10*(beats[i]+beats[i-1])/2))], 60/(beats[i]-beats[i-1])
		sx, sy, sxx, syy, sxy, n = sx+x, sy+y, sxx+x*x, syy+y*y, sxy+x*y, n+1
	}
	r := (n*sxy - sx*sy) / math.Sqrt((n*sxx-sx*sx)*(n*syy-sy*sy))
	if r < 0.6 {
		t.Errorf("heart rate and breath correlate with %.2f, want 0.6 or more", r)
	}
}

func TestPlethPeaksFollowTheRPeaks(t *testing.T) {
	const rate = 250
	for _, name := range []string{"stable adult", "athlete", "septic"} {
		m := body(t, name, 2)
		beats := rPeaks(wave(t, m, protocol.ECGLeadII, noon, rate, time.Minute), rate)
		pleth := wave(t, m, protocol.Pleth, noon, rate, time.Minute)
		outside := 0 // the weak pulse of an extra beat has no peak of its own
		for _, b := range beats[1 : len(beats)-2] {
			from := int(b * rate)
			top := from
			for i := from; i < from+int(0.5*rate); i++ {
				if pleth[i] > pleth[top] {
					top = i
				}
			}
			if lag := float64(top)/rate - b; lag < 0.15 || lag > 0.4 {
				outside++
			}
		}
		if outside*20 > len(beats) {
			t.Errorf("%s: %d of %d pleth peaks are not 150 to 400 ms after the R peak", name, outside, len(beats))
		}
	}
}

func TestPressureWaveReachesWhatTheNumbersSay(t *testing.T) {
	for _, name := range []string{"stable adult", "septic", "athlete"} {
		m := body(t, name, 4)
		at := noon.Add(time.Minute)
		w := wave(t, m, protocol.ABPWave, at.Add(-6*time.Second), 125, 6*time.Second)
		sys, dia, mean := numeric(t, m, protocol.ABPSystolic, at), numeric(t, m, protocol.ABPDiastolic, at), numeric(t, m, protocol.ABPMean, at)
		sum := 0.0
		for _, v := range w {
			sum += v
		}
		if hi := slices.Max(w); math.Abs(hi-sys) > 6 {
			t.Errorf("%s: wave up to %.0f, systolic %.0f", name, hi, sys)
		}
		if lo := slices.Min(w); math.Abs(lo-dia) > 6 {
			t.Errorf("%s: wave down to %.0f, diastolic %.0f", name, lo, dia)
		}
		if got := sum / float64(len(w)); math.Abs(got-mean) > 3 {
			t.Errorf("%s: mean of the wave %.1f, mean %.1f", name, got, mean)
		}
		cuff := numeric(t, m, protocol.NIBPMean, at)
		cs, cd := numeric(t, m, protocol.NIBPSystolic, at), numeric(t, m, protocol.NIBPDiastolic, at)
		if cuff <= cd || cuff >= cs || (cuff-cd)/(cs-cd) < 0.33 || (cuff-cd)/(cs-cd) > 0.45 {
			t.Errorf("%s: cuff %.0f/%.0f with mean %.0f", name, cs, cd, cuff)
		}
	}
}

func TestSleepLowersTheHeartRateByATenth(t *testing.T) {
	for _, name := range []string{"stable adult", "athlete", "post-op", "diabetic night", "copd"} {
		m := body(t, name, 9)
		sums, counts := map[bool]float64{}, map[bool]float64{}
		words := map[string]int{}
		for at := noon; at.Before(noon.Add(24 * time.Hour)); at = at.Add(4 * time.Minute) {
			word, ok := m.Word(protocol.SleepStatus, at)
			if !ok {
				t.Fatal("no sleep status")
			}
			words[word]++
			sums[word == "awake"] += numeric(t, m, protocol.HeartRate, at)
			counts[word == "awake"]++
		}
		up, down := sums[true]/counts[true], sums[false]/counts[false]
		if (up-down)/up < 0.1 {
			t.Errorf("%s: %.1f/min awake, %.1f/min asleep", name, up, down)
		}
		if len(words) != 4 || counts[false]*4 < 5*60 || counts[false]*4 > 10*60 {
			t.Errorf("%s: times four minutes in each stage: %v", name, words)
		}
	}
}

func TestNightIsWhereTheWardIs(t *testing.T) {
	p, _ := NamedProfile("stable adult")
	m, err := New(Config{Profile: p, Zone: time.FixedZone("east", 9*3600), Start: noon})
	if err != nil {
		t.Fatal(err)
	}
	asleep := func(at time.Time) bool { w, _ := m.Word(protocol.SleepStatus, at); return w != "awake" }
	night, day := 0, 0
	for minute := range 180 {
		at := time.Date(2026, 3, 14, 16, minute, 0, 0, time.UTC) // from one in the morning there
		if asleep(at) {
			night++
		}
		if asleep(at.Add(10 * time.Hour)) {
			day++
		}
	}
	if night < 120 || day != 0 {
		t.Errorf("asleep for %d minutes from 01:00 and %d from 11:00 local time", night, day)
	}
}

func TestNothingIsEverOutsideOfPhysiology(t *testing.T) {
	var all []string
	for i, k := range Kinds {
		if k != SensorOff {
			all = append(all, string(k)+"@+"+(time.Duration(i)*20*time.Second).String()+"/40s,every=3m,severity=1")
		}
	}
	numerics := []protocol.Code{protocol.HeartRate, protocol.PulseRate, protocol.SpO2, protocol.PerfusionIndex, protocol.NIBPSystolic,
		protocol.NIBPDiastolic, protocol.NIBPMean, protocol.ABPSystolic, protocol.ABPDiastolic, protocol.ABPMean, protocol.RespirationRate,
		protocol.BodyTemperature, protocol.Glucose}
	waves := map[protocol.Code][2]float64{protocol.ECGLeadI: {-3, 3}, protocol.ECGLeadII: {-3, 3}, protocol.ECGLeadV: {-4, 4}, ecgLeadIII: {-3, 3},
		protocol.Pleth: {0, 1}, protocol.ABPWave: {0, 300}, protocol.RespirationWave: {-1, 1.5}}
	for _, name := range ProfileNames() {
		m := body(t, name, 21, all...)
		for at := noon.Add(-time.Minute); at.Before(noon.Add(12 * time.Minute)); at = at.Add(1700 * time.Millisecond) {
			for _, code := range numerics {
				v, ok := m.Numeric(code, at)
				term, known := protocol.Lookup(code)
				if ok && (math.IsNaN(v) || math.IsInf(v, 0) || v < 0 || v > 600 || known && term.High > term.Low && (v < term.Low || v > term.High)) {
					t.Fatalf("%s: %s is %g at +%v, term allows %g to %g", name, term.RefID, v, at.Sub(noon), term.Low, term.High)
				}
			}
			for code, bounds := range waves {
				for _, v := range wave(t, m, code, at, 60, time.Second) {
					if math.IsNaN(v) || v < bounds[0] || v > bounds[1] {
						t.Fatalf("%s: wave %d is %g at +%v, want %v", name, code, v, at.Sub(noon), bounds)
					}
				}
			}
		}
	}
}

func TestModelIsSafeForSeveralDevices(t *testing.T) {
	m := body(t, "stable adult", 1)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for s := range 400 {
				at := noon.Add(time.Duration(s*(i+1)) * time.Second)
				m.Numeric(protocol.HeartRate, at)
				m.Word(protocol.SleepStatus, at)
				m.Wave(protocol.Pleth, at, 75, make([]float64, 25))
			}
		})
	}
	wg.Wait()
}

func TestBadConfigurationsNameTheField(t *testing.T) {
	good, _ := NamedProfile("stable-adult")
	bad := good
	bad.SpO2 = 300
	if _, err := New(Config{Profile: bad}); err == nil || err.Error() != `profile "stable adult": spo2 is 300, want 80 to 100` {
		t.Errorf("got %v", err)
	}
	if _, err := NamedProfile("vampire"); err == nil {
		t.Error("an unknown profile passed")
	}
	if _, err := New(Config{Profile: good, Scenario: Scenario{{Kind: "yawn", Lasts: 1}}}); err == nil {
		t.Error("an unknown episode passed")
	}
}

func BenchmarkWaves(b *testing.B) {
	m := body(b, "stable adult", 1)
	for _, w := range []struct {
		name string
		code protocol.Code
		rate float64
	}{{"ECG500", protocol.ECGLeadII, 500}, {"Pleth125", protocol.Pleth, 125}, {"ABP125", protocol.ABPWave, 125}, {"Resp62", protocol.RespirationWave, 62.5}} {
		b.Run(w.name, func(b *testing.B) {
			dst := make([]float64, int(w.rate/5))
			at := noon
			b.ReportAllocs()
			for b.Loop() {
				m.Wave(w.code, at, w.rate, dst)
				at = at.Add(200 * time.Millisecond)
			}
			b.ReportMetric(float64(b.N)*float64(len(dst))/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

func BenchmarkNumerics(b *testing.B) {
	m := body(b, "stable adult", 1)
	at := noon
	b.ReportAllocs()
	for b.Loop() {
		m.Numeric(protocol.HeartRate, at)
		m.Numeric(protocol.SpO2, at)
		m.Numeric(protocol.RespirationRate, at)
		at = at.Add(500 * time.Millisecond)
	}
}
