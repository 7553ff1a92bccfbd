package clock

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/protocol"
)

// fake is a box's clocks that a test moves.
type fake struct {
	wall   time.Time
	mono   time.Duration
	synced bool
}

func (f *fake) source() source {
	return source{
		wall:   func() time.Time { return f.wall },
		mono:   func() time.Duration { return f.mono },
		synced: func() bool { return f.synced },
	}
}

func (f *fake) pass(d time.Duration) { f.wall, f.mono = f.wall.Add(d), f.mono+d }

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newFake(t *testing.T, synced bool) (*fake, *Clock, *[]Change) {
	t.Helper()
	f := &fake{wall: start, mono: time.Minute, synced: synced}
	var got []Change
	c := newClock(7, f.source(), slog.New(slog.DiscardHandler), func(ch Change) { got = append(got, ch) })
	return f, c, &got
}

func TestAStampCarriesBothClocks(t *testing.T) {
	f, c, _ := newFake(t, true)
	f.pass(90 * time.Second)
	want := Stamp{Wall: start.Add(90 * time.Second), Mono: 150 * time.Second, Quality: protocol.ClockSynced}
	if got := c.Now(); got != want {
		t.Errorf("Now() = %+v, want %+v", got, want)
	}
	if c.Boot() != 7 {
		t.Errorf("Boot() = %d", c.Boot())
	}
}

func TestAClockThatWasNeverSynchronisedIsUncertain(t *testing.T) {
	_, c, _ := newFake(t, false)
	if q := c.Now().Quality; q != protocol.ClockUncertain {
		t.Errorf("quality %d, want uncertain", q)
	}
}

func TestTheJumpAtSynchronisationIsReportedOnceWithBothTimes(t *testing.T) {
	f, c, got := newFake(t, false)
	f.pass(time.Second)
	f.wall = f.wall.Add(5 * time.Hour)
	f.synced = true
	c.look()
	f.pass(time.Second)
	c.look()
	if len(*got) != 1 {
		t.Fatalf("%d changes, want 1", len(*got))
	}
	ch := (*got)[0]
	if ch.Step() != 5*time.Hour || !ch.Synchronised {
		t.Errorf("step %v, synchronised %v", ch.Step(), ch.Synchronised)
	}
	if want := start.Add(time.Second); !ch.Before.Wall.Equal(want) || ch.Before.Quality != protocol.ClockUncertain {
		t.Errorf("before %+v, want %v", ch.Before, want)
	}
	if ch.After.Quality != protocol.ClockSynced || ch.After.Mono != ch.Before.Mono {
		t.Errorf("after %+v", ch.After)
	}
	if text := ch.Text(); text != "clock stepped by 5h0m0s from 2026-01-02T03:04:06.000Z to 2026-01-02T08:04:06.000Z, synchronised" {
		t.Errorf("text %q", text)
	}
}

func TestSlewingIsNoStep(t *testing.T) {
	f, c, got := newFake(t, true)
	for range 100 {
		f.pass(time.Second)
		f.wall = f.wall.Add(80 * time.Millisecond) // as fast as chrony goes
		c.look()
	}
	if len(*got) != 0 {
		t.Errorf("%d changes, want none", len(*got))
	}
}

func TestABackwardStepIsReported(t *testing.T) {
	f, c, got := newFake(t, true)
	f.pass(time.Second)
	f.wall = f.wall.Add(-260 * time.Millisecond)
	c.look()
	if len(*got) != 1 || (*got)[0].Step() != -260*time.Millisecond {
		t.Errorf("changes %+v, want one of -260ms", *got)
	}
}

func TestALostSynchronisationHoldsForADay(t *testing.T) {
	f, c, got := newFake(t, true)
	f.synced = false
	f.pass(time.Second)
	c.look()
	if len(*got) != 1 || (*got)[0].Synchronised || (*got)[0].Text() != "clock not synchronised" {
		t.Fatalf("changes %+v, want one, not synchronised", *got)
	}
	if q := c.Now().Quality; q != protocol.ClockSynced || c.Synchronised() {
		t.Errorf("in holdover: quality %d, synchronised %v", q, c.Synchronised())
	}
	f.pass(Holdover)
	c.look()
	if q := c.Now().Quality; q != protocol.ClockUncertain {
		t.Errorf("after holdover: quality %d", q)
	}
}

func TestAStepByHandEndsTheHoldover(t *testing.T) {
	f, c, _ := newFake(t, true)
	f.synced = false
	f.pass(time.Second)
	c.look()
	f.wall = f.wall.Add(time.Hour)
	f.pass(time.Second)
	c.look()
	if q := c.Now().Quality; q != protocol.ClockUncertain {
		t.Errorf("quality %d, want uncertain", q)
	}
}

func TestAStampInterruptedBetweenTheClocksIsTakenAgain(t *testing.T) {
	f, _, _ := newFake(t, true)
	reads := 0
	src := f.source()
	src.mono = func() time.Duration {
		reads++
		if reads == 2 { // held up for 20 ms after the wall clock was read
			f.pass(20 * time.Millisecond)
		}
		return f.mono
	}
	c := newClock(7, src, slog.New(slog.DiscardHandler), nil)
	if s := c.Now(); sub(s.Wall, s.Mono) != sub(f.wall, f.mono) {
		t.Errorf("wall minus mono is %v off", sub(s.Wall, s.Mono)-sub(f.wall, f.mono))
	}
	if c.offset != sub(f.wall, f.mono) {
		t.Error("offset was taken from the interrupted reading")
	}
}

func TestRunLooksEverySecondUntilStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		src := source{wall: time.Now, mono: func() time.Duration { return time.Duration(time.Now().UnixNano()) },
			synced: func() bool { looks++; return true }}
		c := newClock(7, src, slog.New(slog.DiscardHandler), nil)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second+interval/2)
		defer stop()
		if err := c.Run(ctx); err != context.DeadlineExceeded {
			t.Errorf("Run: %v", err)
		}
		if looks != 11 {
			t.Errorf("%d looks, want 11", looks)
		}
	})
}

func TestTheRealClocks(t *testing.T) {
	for _, trust := range []Trust{TrustAuto, TrustAlways, TrustNever} {
		c, err := New(Config{Trust: trust}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		a, b := c.Now(), c.Now()
		if b.Mono < a.Mono || a.Mono <= 0 || c.Boot() == 0 {
			t.Errorf("trust %s: %+v then %+v, boot %d", trust, a, b, c.Boot())
		}
		if trust == TrustAlways && a.Quality != protocol.ClockSynced || trust == TrustNever && a.Quality != protocol.ClockUncertain {
			t.Errorf("trust %s: quality %d", trust, a.Quality)
		}
	}
}

func TestValidateNamesWhatIsAllowed(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Trust: "maybe"}.Validate()
	if err == nil || err.Error() != `clock.trust "maybe": want auto, always or never` {
		t.Errorf("error %v", err)
	}
}

func TestBootIDs(t *testing.T) {
	a, err := hashBootID("0b2e1ae9-7d1c-4c5f-8f43-1f0a3d0a9d10\n")
	b, _ := hashBootID("0b2e1ae9-7d1c-4c5f-8f43-1f0a3d0a9d11\n")
	if err != nil || a == 0 || a == b {
		t.Errorf("%d, %d, %v", a, b, err)
	}
	if _, err := hashBootID(" \n"); err == nil {
		t.Error("an empty boot id is taken")
	}
}

func BenchmarkNow(b *testing.B) {
	c, err := New(Default(), slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.Now()
	}
}
