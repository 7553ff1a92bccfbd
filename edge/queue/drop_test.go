package queue

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"monitorme/protocol"
)

func TestWavesAreDroppedFirstThenNumericsNeverEventsAndEachLossIsTold(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.MaxBytes = 1 << 20
	q := openTest(t, cfg)
	at := time.Duration(0)
	for range 40 {
		mustAppend(t, q, at, wave(at, 4000), event(at, strings.Repeat("e", 900)), numeric(at, 1))
		at += time.Second
	}
	for range 3000 { // numerics alone do more than fill it
		obs := make([]protocol.Observation, 40)
		for i := range obs {
			obs[i] = numeric(at+time.Duration(i*i)*time.Millisecond, int64(at)+int64(i*i*7919))
			obs[i].DeviceTime = t0.Add(at * time.Duration(i+1) / 7)
		}
		mustAppend(t, q, at, obs...)
		at += time.Second
	}
	s := q.Stats()
	if s.Bytes > cfg.MaxBytes {
		t.Errorf("%d bytes, want at most %d", s.Bytes, cfg.MaxBytes)
	}
	q.mu.Lock()
	waves, wavesDropped, numericsDropped, eventsDropped := q.logs[protocol.StreamWave].entries, q.meta.dropped[protocol.StreamWave], q.meta.dropped[protocol.StreamNumeric], q.meta.dropped[protocol.StreamEvent]
	q.mu.Unlock()
	if waves != 0 || wavesDropped != 40 || numericsDropped == 0 || eventsDropped != 0 {
		t.Errorf("%d waves left, %d waves, %d numerics, %d events dropped", waves, wavesDropped, numericsDropped, eventsDropped)
	}
	q = reopen(t, q)
	if got := q.Stats(); got.Dropped != s.Dropped || got.Entries != s.Entries || got.Bytes != s.Bytes {
		t.Errorf("after a stop %+v, before %+v", got, s)
	}
	var told []protocol.Observation
	events := 0
	var firstNumeric uint64
	q.age()
	for b, ack := next(t, q, protocol.LaneBackfill); b != nil; b, ack = next(t, q, protocol.LaneBackfill) {
		for _, o := range b.Observations {
			switch {
			case o.Code == protocol.EventDropped:
				told = append(told, o)
			case o.Kind == protocol.KindEvent:
				events++
			}
		}
		if b.Stream == protocol.StreamNumeric && firstNumeric == 0 {
			firstNumeric = b.FirstSeq
		}
		q.Ack(ack)
	}
	if events != 40 {
		t.Errorf("%d events of 40 are left", events)
	}
	if firstNumeric != numericsDropped+1 {
		t.Errorf("numerics begin at %d, but %d were dropped", firstNumeric, numericsDropped)
	}
	if len(told) < 2 || len(told) > 6 {
		t.Fatalf("told in %d events, want one or few per kind", len(told))
	}
	for i, want := range []string{"waves", "numerics"} {
		o := told[i]
		if o.Channel != want || o.Event.Phase != protocol.PhaseStart || o.Event.From.IsZero() || o.Event.To.Before(o.Event.From) || !strings.Contains(o.Event.Text, "dropped: the queue reached its limit") {
			t.Errorf("told %+v %+v", o, o.Event)
		}
	}
}

func TestOldReadingsAreDroppedOnlyByASynchronisedClock(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.MaxAge = time.Hour
	q := openTest(t, cfg)
	mustAppend(t, q, 0, numeric(0, 1), event(0, "x"))
	q.Append(Stamp{Wall: t0.Add(9999 * time.Hour), Quality: protocol.ClockUncertain}, nil)
	q.keepBounds()
	if s := q.Stats(); s.Dropped != 0 {
		t.Errorf("%d dropped by a clock that nobody trusts", s.Dropped)
	}
	q.Append(synced(2*time.Hour), nil)
	q.keepBounds()
	if s := q.Stats(); s.Dropped != 1 || s.Entries != 2 { // the event, and the one that tells
		t.Errorf("%+v, want the numeric dropped", s)
	}
}

func TestAnEpisodeOfDropsIsToldAtItsStartNowAndThenAndAtItsEnd(t *testing.T) {
	q := openTest(t, testConfig(t.TempDir()))
	q.last = synced(0)
	phases := func() (out []protocol.Phase) {
		for b, ack := next(t, q, protocol.LaneLive); b != nil; b, ack = next(t, q, protocol.LaneLive) {
			out = append(out, b.Observations[0].Event.Phase)
			q.Ack(ack)
		}
		return out
	}
	now := time.Now()
	d := &q.drops[protocol.StreamWave]
	*d = episode{count: 1, oldest: 1, newest: 2, reason: "test", last: now}
	q.tellDrops(now)
	d.count++
	q.tellDrops(now.Add(time.Second)) // too soon
	if got := phases(); fmt.Sprint(got) != "[start]" {
		t.Errorf("phases %v, want a start", got)
	}
	d.last = now.Add(tellEvery)
	q.tellDrops(now.Add(tellEvery))
	q.tellDrops(now.Add(3 * tellEvery)) // nothing new
	if got := phases(); fmt.Sprint(got) != "[continue]" {
		t.Errorf("phases %v, want one that goes on", got)
	}
	q.tellDrops(now.Add(tellEvery + 2*episodeGap))
	q.tellDrops(now.Add(tellEvery + 3*episodeGap))
	if got := phases(); fmt.Sprint(got) != "[end]" {
		t.Errorf("phases %v, want an end", got)
	}
}

func TestTooLittleSpaceIsRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.MinFreeBytes = 1 << 62
	q, err := Open(cfg, testBox, discard, nil)
	if err != nil { // there is enough to open
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Append(synced(0), []protocol.Observation{numeric(0, 1)}); !errors.Is(err, ErrFull) {
		t.Errorf("error %v, want ErrFull", err)
	}
	if s := q.Stats(); s.Entries != 0 || !s.Full {
		t.Errorf("%+v", s)
	}
}
