package hl7

import (
	"testing"
	"time"
)

func TestMessagesThatWereStoredComeLate(t *testing.T) {
	clock := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC) // the sender's, which is hours off
	var p pace
	now := time.Duration(0)
	second := func(sent time.Time, want time.Duration) {
		t.Helper()
		if got := p.late(now, sent).Round(time.Second); got != want {
			t.Fatalf("at %v a message sent at %v is late by %v, want %v", now, sent, got, want)
		}
	}
	for i := range 30 {
		now += time.Second
		second(clock.Add(time.Duration(i)*time.Second+300*time.Millisecond), 0)
	}
	// Nobody listens for an hour; then all that was stored comes in 36 s.
	clock = clock.Add(30 * time.Second)
	now += time.Hour
	for i := range 3600 {
		now += 10 * time.Millisecond
		want := (time.Hour + 10*time.Millisecond*time.Duration(i) - time.Second*time.Duration(i)).Round(time.Second)
		if want < lateFrom {
			break
		}
		if got := p.late(now, clock.Add(time.Duration(i)*time.Second)); got < want-2*time.Second || got > want+2*time.Second {
			t.Fatalf("stored message %d is late by %v, want %v", i, got, want)
		}
	}
}

// A clock that drifts, in whole seconds, for a week.
func TestAClockThatDriftsIsNotLate(t *testing.T) {
	for _, drift := range []float64{-2e-4, 2e-4} {
		var p pace
		start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
		for s := range 7 * 24 * 3600 {
			sent := start.Add(time.Duration(float64(s) * (1 + drift) * float64(time.Second))).Truncate(time.Second)
			if by := p.late(time.Duration(s)*time.Second, sent); by != 0 {
				t.Fatalf("after %d s late by %v", s, by)
			}
		}
	}
}

func TestAClockThatIsSetIsNotLateForLong(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		var p pace
		clock := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
		late := 0
		for s := range 600 {
			if s == 300 {
				clock = clock.Add(step)
			}
			if p.late(time.Duration(s)*time.Second, clock.Add(time.Duration(s)*time.Second)) > 0 {
				late++
			}
		}
		if late >= setBackFor {
			t.Errorf("set by %v: %d messages late", step, late)
		}
	}
}

func TestAClockThatStandsTellsNothing(t *testing.T) {
	var p pace
	late := 0
	for s := range 600 {
		if p.late(time.Duration(s)*time.Second, time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)) > 0 {
			late++
		}
	}
	if late > standsFor {
		t.Errorf("%d messages late", late)
	}
}
