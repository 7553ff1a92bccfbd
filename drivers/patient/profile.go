package patient

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// A Profile is how a body is when nothing happens: awake, at rest, in bed.
type Profile struct {
	Name string `yaml:"name"`

	HeartRate       float64 `yaml:"heart_rate"`       // /min, 30 to 150
	Systolic        float64 `yaml:"systolic"`         // mmHg, 70 to 220
	Diastolic       float64 `yaml:"diastolic"`        // mmHg, 35 to 120, below Systolic
	RespirationRate float64 `yaml:"respiration_rate"` // /min, 6 to 40
	SpO2            float64 `yaml:"spo2"`             // %, 80 to 100
	Perfusion       float64 `yaml:"perfusion"`        // perfusion index in %, 0.2 to 15
	Temperature     float64 `yaml:"temperature"`      // °C, 34 to 41, mean of the day
	Glucose         float64 `yaml:"glucose"`          // mg/dL, 50 to 350, fasting

	SinusArrhythmia float64 `yaml:"sinus_arrhythmia"` // how much breathing moves the heart rate, ±/min, 0 to 15
	SlowWaves       float64 `yaml:"slow_waves"`       // standard deviation of the heart rate near 0.1 Hz, /min, 0 to 8
	NightDip        float64 `yaml:"night_dip"`        // fraction by which deep sleep lowers the heart rate, 0 to 0.35
	MealRise        float64 `yaml:"meal_rise"`        // mg/dL by which a meal raises glucose, 0 to 200
	NightLow        float64 `yaml:"night_low"`        // mg/dL by which glucose sinks around three at night, 0 to 150
	ExtraBeats      float64 `yaml:"extra_beats"`      // fraction of beats that are ventricular extra beats, 0 to 0.4
	AtrialFib       bool    `yaml:"atrial_fib"`       // always in atrial fibrillation
	RestlessNights  bool    `yaml:"restless_nights"`  // wakes often
}

var profiles = map[string]Profile{
	"stable adult": {HeartRate: 74, Systolic: 122, Diastolic: 74, RespirationRate: 14, SpO2: 97.3, Perfusion: 4, Temperature: 36.8, Glucose: 96,
		SinusArrhythmia: 3, SlowWaves: 1.6, NightDip: 0.22, MealRise: 38, ExtraBeats: 0.002},
	"athlete": {HeartRate: 54, Systolic: 116, Diastolic: 68, RespirationRate: 12, SpO2: 98.2, Perfusion: 6, Temperature: 36.6, Glucose: 88,
		SinusArrhythmia: 7, SlowWaves: 2, NightDip: 0.2, MealRise: 30},
	"post-op": {HeartRate: 86, Systolic: 132, Diastolic: 78, RespirationRate: 16, SpO2: 95.6, Perfusion: 2.5, Temperature: 37.2, Glucose: 124,
		SinusArrhythmia: 1.6, SlowWaves: 1.2, NightDip: 0.16, MealRise: 30, ExtraBeats: 0.006, RestlessNights: true},
	"copd": {HeartRate: 88, Systolic: 138, Diastolic: 80, RespirationRate: 20, SpO2: 92.4, Perfusion: 2, Temperature: 36.8, Glucose: 108,
		SinusArrhythmia: 1.2, SlowWaves: 0.9, NightDip: 0.15, MealRise: 40, ExtraBeats: 0.01, RestlessNights: true},
	"septic": {HeartRate: 112, Systolic: 98, Diastolic: 54, RespirationRate: 24, SpO2: 93.6, Perfusion: 0.9, Temperature: 38.7, Glucose: 158,
		SinusArrhythmia: 0.5, SlowWaves: 0.4, NightDip: 0.05, MealRise: 25, ExtraBeats: 0.01, RestlessNights: true},
	"diabetic night": {HeartRate: 78, Systolic: 134, Diastolic: 80, RespirationRate: 14, SpO2: 96.8, Perfusion: 3, Temperature: 36.7, Glucose: 138,
		SinusArrhythmia: 1.4, SlowWaves: 1, NightDip: 0.18, MealRise: 95, NightLow: 82, ExtraBeats: 0.002},
	"elderly in atrial fibrillation": {HeartRate: 84, Systolic: 140, Diastolic: 76, RespirationRate: 16, SpO2: 95.8, Perfusion: 2.2, Temperature: 36.5, Glucose: 112,
		NightDip: 0.16, MealRise: 45, ExtraBeats: 0.01, AtrialFib: true, RestlessNights: true},
}

// ProfileNames are the names that NamedProfile knows, sorted.
func ProfileNames() []string { return slices.Sorted(maps.Keys(profiles)) }

// NamedProfile gives the profile of that name; a hyphen may stand for a space.
func NamedProfile(name string) (Profile, error) {
	for n, p := range profiles {
		if n == name || strings.ReplaceAll(n, " ", "-") == name {
			p.Name = n
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("profile %q is not one of %s", name, strings.Join(ProfileNames(), ", "))
}

// Validate says which field is outside its range.
func (p Profile) Validate() error {
	for _, f := range []struct {
		name       string
		v, low, hi float64
	}{
		{"heart_rate", p.HeartRate, 30, 150}, {"systolic", p.Systolic, 70, 220}, {"diastolic", p.Diastolic, 35, 120},
		{"respiration_rate", p.RespirationRate, 6, 40}, {"spo2", p.SpO2, 80, 100}, {"perfusion", p.Perfusion, 0.2, 15},
		{"temperature", p.Temperature, 34, 41}, {"glucose", p.Glucose, 50, 350}, {"sinus_arrhythmia", p.SinusArrhythmia, 0, 15},
		{"slow_waves", p.SlowWaves, 0, 8}, {"night_dip", p.NightDip, 0, 0.35}, {"meal_rise", p.MealRise, 0, 200},
		{"night_low", p.NightLow, 0, 150}, {"extra_beats", p.ExtraBeats, 0, 0.4},
	} {
		if math.IsNaN(f.v) || f.v < f.low || f.v > f.hi {
			return fmt.Errorf("profile %q: %s is %g, want %g to %g", p.Name, f.name, f.v, f.low, f.hi)
		}
	}
	if p.Systolic < p.Diastolic+15 {
		return fmt.Errorf("profile %q: systolic %g and diastolic %g lie less than 15 apart", p.Name, p.Systolic, p.Diastolic)
	}
	return nil
}
