package service

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"monitorme/cloud/registry"
	"monitorme/protocol/alarm"
)

func TestAdultLimitsAtAChildAreOnTheScreens(t *testing.T) {
	cfg := demoConfig(t)
	own := registry.Default()
	own.Dir = filepath.Join(cfg.DataDir, "registry")
	r, err := registry.Open(t.Context(), own, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	child, _, _ := r.Current().PatientIn("ward-1-bed-02")
	child.Born = time.Now().AddDate(0, 0, -3).Format(time.DateOnly)
	if _, err := r.PutPatient(t.Context(), child); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, cfg)
	n := signIn(t, cfg.HTTP.Listen)
	n.sees("/api/v1/alerts?unit=ward-1&state=active", `"rule":"adult-limits"`, `"bed":"ward-1-bed-02"`, `Adult alarm limits, but the patient is a child`)
}

func TestAgesAreInFullYears(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for born, want := range map[string]int{
		"": alarm.UnknownAge, "1948": alarm.UnknownAge, "2026-02-28": 0, "2010-03-01": 16, "2010-03-02": 15, "2010-02-28": 16,
		"1948-03-12": 77, "2026-03-02": 0, // in another time zone
	} {
		if got := years(born, now); got != want {
			t.Errorf("born %q: %d years, want %d", born, got, want)
		}
	}
}
