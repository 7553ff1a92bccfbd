package agent

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"monitorme/edge/clock"
	"monitorme/protocol"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) clock.Stamp {
	return clock.Stamp{Wall: noon.Add(d), Mono: time.Hour + d, Quality: protocol.ClockSynced}
}

func TestTimesAreTheArrivalMinusTheDelay(t *testing.T) {
	var s stamper
	o := pulse(70)
	o.Delay = 1500 * time.Millisecond
	s.stamp(&o, at(2*time.Second+1234*time.Nanosecond))
	if want := noon.Add(500*time.Millisecond + time.Microsecond); !o.At.Equal(want) || o.Clock != protocol.ClockSynced {
		t.Errorf("stamped %s %s, want %s", o.At, o.Clock, want)
	}
	o.Delay = -time.Hour // a driver's mistake must not reach into the future
	s.stamp(&o, at(3*time.Second))
	if want := noon.Add(3 * time.Second); !o.At.Equal(want) {
		t.Errorf("a delay below zero: %s", o.At)
	}
}

func TestTimesOfASeriesStrictlyIncrease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s stamper
		last := map[series]time.Time{}
		now := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			now += time.Duration(rapid.IntRange(0, 2000).Draw(t, "ns"))
			o := pulse(70)
			o.Channel = rapid.SampledFrom([]string{"", "left"}).Draw(t, "channel")
			o.Delay = rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Second}).Draw(t, "delay")
			s.stamp(&o, at(now))
			k := series{o.Channel, o.Code}
			if prev, ok := last[k]; ok && !o.At.After(prev) {
				t.Fatalf("%v after %v", o.At, prev)
			}
			if o.At.Nanosecond()%1000 != 0 {
				t.Fatalf("%v has more than microseconds", o.At)
			}
			last[k] = o.At
		}
	})
}

func TestAnOlderReadingDoesNotLookYoungerThanItIs(t *testing.T) {
	var s stamper
	stamped := func(arrival, delay time.Duration) time.Time {
		o := pulse(70)
		o.Delay = delay
		s.stamp(&o, at(arrival))
		return o.At
	}
	now := stamped(0, 0)
	first, second := stamped(time.Second, 10*time.Minute), stamped(time.Second, 10*time.Minute)
	if want := noon.Add(time.Second - 10*time.Minute); !first.Equal(want) || !second.After(first) || second.Sub(want) > time.Millisecond {
		t.Errorf("readings of ten minutes before are stamped %s and %s, want %s and just after", first, second, want)
	}
	if third := stamped(2*time.Second, time.Hour); !third.Equal(noon.Add(2*time.Second - time.Hour)) {
		t.Errorf("one of an hour before: %s", third)
	}
	if next := stamped(2*time.Second, 3*time.Second); !next.After(now) || next.Sub(now) > time.Millisecond {
		t.Errorf("one that took longer on its way: %s, want just after %s", next, now)
	}
}

func TestTwoSeriesDoNotPushEachOther(t *testing.T) {
	var s stamper
	a, b := pulse(70), wave()
	s.stamp(&a, at(0))
	s.stamp(&b, at(0))
	if !a.At.Equal(b.At) {
		t.Errorf("%v and %v arrived at the same instant", a.At, b.At)
	}
}

func TestAStepOfTheClockIsFollowed(t *testing.T) {
	var s stamper
	a, b := pulse(70), pulse(71)
	wrong := at(0)
	wrong.Wall = wrong.Wall.Add(48 * time.Hour)
	wrong.Quality = protocol.ClockUncertain
	s.stamp(&a, wrong)
	s.stamp(&b, at(time.Second))
	if want := noon.Add(time.Second); !b.At.Equal(want) || a.Clock != protocol.ClockUncertain || b.Clock != protocol.ClockSynced {
		t.Errorf("after the clock was put right: %v %v, want %v", b.At, b.Clock, want)
	}
}

func TestMemoryOfSeriesIsBounded(t *testing.T) {
	var s stamper
	for i := range 3 * maxSeries {
		o := pulse(70)
		o.Channel = string(rune(i))
		s.stamp(&o, at(0))
	}
	if len(s.last) > maxSeries {
		t.Errorf("%d series are remembered", len(s.last))
	}
}

func TestImplausibleNumbersAreKeptAsInvalid(t *testing.T) {
	for _, c := range []struct {
		rate    int
		quality protocol.Quality
		want    protocol.Quality
	}{
		{70, protocol.QualityGood, protocol.QualityGood},
		{70, protocol.QualityQuestionable, protocol.QualityQuestionable},
		{30000, protocol.QualityGood, protocol.QualityInvalid},
		{-1, protocol.QualityQuestionable, protocol.QualityInvalid},
		{30000, protocol.QualitySensorOff, protocol.QualitySensorOff},
	} {
		o := pulse(c.rate)
		o.Quality = c.quality
		judge(&o, false)
		if o.Quality != c.want || o.Value != protocol.Int(int64(c.rate)) {
			t.Errorf("%d %s became %s %s", c.rate, c.quality, o.Value, o.Quality)
		}
	}
}

func TestARecordingIsNeverLive(t *testing.T) {
	o := pulse(70)
	judge(&o, true)
	if o.Quality != protocol.QualityDemo {
		t.Error(o.Quality)
	}
}

func TestOtherNamesOfAMeasurementAreOneSeries(t *testing.T) {
	o := protocol.Observation{Code: 150301, Kind: protocol.KindNumeric, Unit: "mm[Hg]", Quality: protocol.QualityGood, Value: protocol.Int(120)}
	judge(&o, false)
	if o.Code != protocol.NIBPSystolic {
		t.Error(o.Code)
	}
}

func BenchmarkEmit(b *testing.B) {
	d, _ := newDevice("/dev/none", nil)
	c := newCollector(nil, quiet, d.check)
	d.put = func(o protocol.Observation) {
		c.put(o)
		if c.waiting() >= 20 {
			c.take()
		}
	}
	d.status = protocol.DeviceReceiving
	b.ReportAllocs()
	for b.Loop() {
		d.emit(pulse(70))
	}
}

func TestAWaveformIsEvenHoweverItsBlocksArrive(t *testing.T) {
	var s stamper
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	block := func(arrival time.Duration) time.Time {
		o := protocol.Observation{Code: protocol.ECGLeadII, Kind: protocol.KindSamples, Delay: 250 * time.Millisecond,
			Samples: &protocol.Samples{RateMilliHz: 250_000, Scale: protocol.Dec(1, -3), Raw: make([]int32, 62)}}
		s.stamp(&o, clock.Stamp{Wall: start.Add(arrival), Mono: arrival, Quality: protocol.ClockSynced})
		return o.At
	}
	const length = 248 * time.Millisecond
	jitter := []time.Duration{0, 90, -60, 20, 140, -100, 5, 0, 80, -40}
	last := block(0)
	for i := 1; i < 100; i++ {
		at := block(time.Duration(i)*length + jitter[i%len(jitter)]*time.Millisecond)
		if gap := at.Sub(last) - length; gap.Abs() > 10*time.Millisecond {
			t.Fatalf("block %d begins %v after the end of the one before", i, gap)
		}
		last = at
	}
	// Two blocks are lost: the hole stays a hole.
	if gap := block(102*length).Sub(last) - length; gap < 2*length-150*time.Millisecond {
		t.Errorf("after two lost blocks the next one begins %v after the end of the last", gap)
	}
}

func TestAWaveformFollowsADeviceWhoseClockIsNotOurs(t *testing.T) {
	for _, every := range []time.Duration{1001 * time.Millisecond, 999 * time.Millisecond} {
		var s stamper
		start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		var at time.Time
		for i := range 1000 { // a second of samples, a little too seldom or too often
			o := protocol.Observation{Code: protocol.ECGLeadII, Kind: protocol.KindSamples, Samples: &protocol.Samples{RateMilliHz: 250_000, Scale: protocol.Dec(1, -3), Raw: make([]int32, 250)}}
			now := time.Duration(i) * every
			s.stamp(&o, clock.Stamp{Wall: start.Add(now), Mono: now, Quality: protocol.ClockSynced})
			if !o.At.After(at) {
				t.Fatalf("block %d at %v is not after the one before at %v", i, o.At, at)
			}
			at = o.At
		}
		if off := start.Add(999 * every).Sub(at); off.Abs() > 100*time.Millisecond {
			t.Errorf("a block every %v: after 1000 the times are %v off", every, off)
		}
	}
}
