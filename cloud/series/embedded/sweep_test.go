package embedded

import (
	"testing"
	"time"

	"monitorme/cloud/series"
)

// days lists the days of heart rates that are there.
func daysThere(t *testing.T, s *Store) int {
	t.Helper()
	seen := map[time.Time]bool{}
	if err := s.Points(ctx, heartKey, series.MinTime, series.MaxTime, func(p *series.Point) bool { seen[p.At.Truncate(day)] = true; return true }); err != nil {
		t.Fatal(err)
	}
	return len(seen)
}

func TestOldDaysAreDroppedOneAtATime(t *testing.T) {
	s := openAt(t, t.TempDir())
	s.cfg.KeepReadings = 10 * day
	now := start
	s.now = func() time.Time { return now }
	sweep := func() {
		t.Helper()
		if err := s.sweep(now); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	for i := range 20 { // twenty days of a server that runs
		now = start.Add(time.Duration(i) * day)
		o := heartRate(0)
		o.At = now
		mustAppend(t, s, o)
		sealAll(t, s)
		for range 24 {
			now = now.Add(time.Hour)
			sweep()
		}
	}
	if n := daysThere(t, s); n != 10 {
		t.Errorf("%d days are there, want 10", n)
	}

	now = now.Add(300 * day) // the clock jumps
	for range 23 {
		sweep()
		sweep() // twice an hour does nothing
		now = now.Add(time.Hour)
	}
	if n := daysThere(t, s); n != 10 {
		t.Errorf("within a day of a jump of the clock %d days are left, want all 10", n)
	}
	now = now.Add(2 * time.Hour)
	sweep()
	sweep()
	if n := daysThere(t, s); n != 9 {
		t.Errorf("a sweep left %d days, want 9", n)
	}
	now = now.Add(-300 * day) // and is set right
	for range 23 {
		sweep()
		now = now.Add(time.Hour)
	}
	if n := daysThere(t, s); n != 9 {
		t.Errorf("%d days, want 9", n)
	}
}

func TestADayThatLateReadingsCameForStays(t *testing.T) {
	s := openAt(t, t.TempDir())
	s.cfg.KeepReadings = 10 * day
	now := start.Add(30 * day)
	s.now = func() time.Time { return now }
	mustAppend(t, s, heartRate(0)) // thirty days old, from a box that was away
	sealAll(t, s)
	for range 9 * 24 {
		if err := s.sweep(now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	if n := daysThere(t, s); n != 1 {
		t.Fatalf("%d days, want the late one", n)
	}
	for range 2 * 24 {
		if err := s.sweep(now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	if n := daysThere(t, s); n != 0 {
		t.Errorf("%d days, want none ten days after it was written", n)
	}
}

func TestAServerWhoseClockWasIn1970DropsNothingForIt(t *testing.T) {
	s := openAt(t, t.TempDir())
	s.cfg.KeepReadings = 10 * day
	now := time.Unix(1000, 0)
	s.now = func() time.Time { return now }
	if err := s.sweep(now); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, heartRate(0))
	sealAll(t, s)
	now = start.Add(time.Hour)
	for range 5 * 24 {
		if err := s.sweep(now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	if n := daysThere(t, s); n != 1 {
		t.Errorf("%d days, want 1", n)
	}
}
