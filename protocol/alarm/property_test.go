package alarm

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"monitorme/protocol"
)

var drawnCodes = []protocol.Code{protocol.HeartRate, protocol.SpO2, protocol.RespirationRate, protocol.NIBPSystolic, protocol.Glucose}

var drawnValues = map[protocol.Code][]string{
	protocol.HeartRate:       {"0", "35", "45", "48", "51", "80", "119", "121", "130", "160", "off", "130?", "400!"},
	protocol.SpO2:            {"65", "75", "85", "88", "89", "90", "91", "97", "off", "missing", "80?"},
	protocol.RespirationRate: {"0", "5", "7", "8", "14", "29", "31", "calibrating"},
	protocol.NIBPSystolic:    {"60", "85", "120", "170"},
	protocol.Glucose:         {"40", "60", "100", "190", "20-"},
}

// story draws readings of one box in the order of their measurement.
func story(t *rapid.T) []protocol.Observation {
	n := rapid.IntRange(1, 120).Draw(t, "n")
	at := 0.0
	var obs []protocol.Observation
	code := protocol.HeartRate
	value := "80"
	for range n {
		at += float64(rapid.SampledFrom([]int{250, 500, 1000, 2000, 5000, 30000}).Draw(t, "gap")) / 1000
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0:
			obs = append(obs, sleep(at, rapid.SampledFrom([]string{"asleep", "deep", "awake", "unknown"}).Draw(t, "word")))
			continue
		case 1, 2, 3:
			code = rapid.SampledFrom(drawnCodes).Draw(t, "code")
			value = rapid.SampledFrom(drawnValues[code]).Draw(t, "value")
		case 4:
			value = rapid.SampledFrom(drawnValues[code]).Draw(t, "value")
		}
		obs = append(obs, num(code, at, value))
	}
	return obs
}

// physiological is the last word on each limit alarm.
func physiological(all []Alarm) []Alarm {
	last := map[string]Alarm{}
	for _, a := range all {
		if a.Type == protocol.AlarmPhysiological {
			last[a.ID] = a
		}
	}
	var out []Alarm
	for _, a := range last {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Alarm) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// play sends a story cut into batches of at most size, with ticks of the clock
// every 250 ms between them if ticks, and some batches twice.
func play(t *rapid.T, obs []protocol.Observation, size int, ticks, twice bool) []Alarm {
	e := NewEvaluator("box-1", Default())
	var all []Alarm
	now, seq := t0, uint64(1)
	for len(obs) > 0 {
		n := 1
		for n < min(size, len(obs)) && obs[n].At.Sub(obs[0].At) < time.Minute { // older ones would be late
			n++
		}
		b := protocol.Batch{Box: "box-1", Epoch: 1, Stream: protocol.StreamNumeric, FirstSeq: seq, Sent: obs[n-1].At, Observations: obs[:n]}
		for ; ticks && now.Before(b.Sent); now = now.Add(250 * time.Millisecond) {
			all = e.Advance(now, all)
		}
		all = e.Observe(&b, false, b.Sent, all)
		if twice {
			all = e.Observe(&b, true, b.Sent, all)
		}
		seq += uint64(n)
		obs = obs[n:]
		now = later(now, b.Sent)
	}
	return e.Advance(now.Add(time.Minute), all)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestTheSameReadingsGiveTheSameAlarmsHoweverTheyAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		obs := story(t)
		want := play(t, obs, 1, false, false)
		if d := gocmp.Diff(want, play(t, obs, rapid.IntRange(2, 50).Draw(t, "size"), false, true)); d != "" {
			t.Fatalf("cut in batches (-want +got):\n%s", d)
		}
		// With the clock the same alarms come, some of them sooner. (Sooner in
		// one series may end the night of another, hence without sleep.)
		obs = slices.DeleteFunc(obs, func(o protocol.Observation) bool { return o.Code == protocol.SleepStatus })
		want = play(t, obs, 1, false, false)
		if d := gocmp.Diff(ids(physiological(want)), ids(physiological(play(t, obs, 1, true, false)))); d != "" {
			t.Fatalf("with ticks (-want +got):\n%s", d)
		}
	})
}

type occurrence struct {
	ID, Rule                 string
	Started, Declared, Ended int64
}

func ids(as []Alarm) (out []occurrence) {
	for _, a := range as {
		out = append(out, occurrence{a.ID, a.Rule, a.Started.UnixMicro(), a.Declared.UnixMicro(), a.Ended.UnixMicro()})
	}
	return out
}

func TestAbsenceNeverEndsAnAlarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		obs := story(t)
		e := NewEvaluator("box-1", Default())
		b := protocol.Batch{Box: "box-1", Epoch: 1, Stream: protocol.StreamNumeric, FirstSeq: 1, Sent: obs[len(obs)-1].At, Observations: obs}
		e.Observe(&b, false, b.Sent, nil)
		before := e.Alarms(nil)
		at := b.Sent.Sub(t0).Seconds()
		seq := b.LastSeq()
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			at += float64(rapid.IntRange(1, 600).Draw(t, "s"))
			if code := rapid.SampledFrom(drawnCodes).Draw(t, "code"); rapid.Bool().Draw(t, "reading") {
				seq++
				o := num(code, at, rapid.SampledFrom([]string{"off", "missing", "calibrating", "70?", "500!"}).Draw(t, "no value"))
				b := protocol.Batch{Box: "box-1", Epoch: 1, Stream: protocol.StreamNumeric, FirstSeq: seq, Sent: o.At, Observations: []protocol.Observation{o}}
				e.Observe(&b, false, o.At, nil)
			}
			e.Advance(sec(at), nil)
		}
		for _, a := range before {
			if a.Type != protocol.AlarmPhysiological || a.State != Active {
				continue
			}
			if !slices.ContainsFunc(e.Alarms(nil), func(o Alarm) bool { return o.ID == a.ID && o.State == Active }) {
				t.Fatalf("%s of %s ended without a value", a.Rule, a.Started)
			}
		}
	})
}

func TestWithinTheDeadBandNothingFlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &bed{t: nil, e: NewEvaluator("box-1", Default())}
		b.every(protocol.HeartRate, 0, 12, 0.5, "125")
		n := len(b.all)
		for s := 12.0; s < 300; s += 0.5 {
			b.send(num(protocol.HeartRate, s, rapid.SampledFrom([]string{"118", "119", "120", "121", "122", "130"}).Draw(t, "v")))
		}
		if len(b.all) != n {
			t.Fatalf("flapped: %v", shorts(b.all[n:]))
		}
	})
}

func TestAnAcknowledgementNeverSurvivesAnIncreaseOfPriority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := NewEvaluator("box-1", Default())
		b := &bed{e: e}
		type known struct {
			p   protocol.Priority
			ack bool
		}
		last := map[string]known{}
		at := 0.0
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			at += float64(rapid.IntRange(1, 40).Draw(t, "s"))
			var got []Alarm
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				got = b.send(happening(protocol.EventHigh, at, rapid.SampledFrom([]protocol.Phase{protocol.PhaseStart, protocol.PhaseContinue, protocol.PhaseEnd, protocol.PhaseOnce}).Draw(t, "phase"),
					rapid.SampledFrom([]protocol.Priority{1, 2, 3}).Draw(t, "priority")))
			case 1:
				got = b.advance(at)
			case 2:
				got = b.send(num(protocol.SpO2, at, rapid.SampledFrom([]string{"60", "75", "85", "97"}).Draw(t, "v")))
			default:
				for _, a := range e.Alarms(nil) {
					a, _, _ := e.Acknowledge(a.ID, "anna", sec(at))
					got = append(got, a)
				}
			}
			for _, a := range got {
				if k := last[a.ID]; k.ack && a.Priority > k.p && a.AcknowledgedBy != "" {
					t.Fatalf("%s: acknowledged at %s, still so at %s", a.Rule, k.p, a.Priority)
				}
				last[a.ID] = known{a.Priority, a.AcknowledgedBy != ""}
			}
		}
	})
}

func TestRevisionsGrowAndTimesAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rev := map[string]int{}
		ended := map[string]bool{}
		for _, a := range play(t, story(t), 1, true, false) {
			switch {
			case a.Revision <= rev[a.ID]:
				t.Fatalf("%s: revision %d after %d", a.Rule, a.Revision, rev[a.ID])
			case a.Declared.Before(a.Started), !a.Ended.IsZero() && a.Ended.Before(a.Declared) && a.Type == protocol.AlarmPhysiological:
				t.Fatalf("%s: started %s, declared %s, ended %s", a.Rule, a.Started, a.Declared, a.Ended)
			case ended[a.ID]:
				t.Fatalf("%s: changed after its end", a.Rule)
			case a.State == Active != a.Ended.IsZero():
				t.Fatalf("%s: %s, ended %s", a.Rule, a.State, a.Ended)
			}
			rev[a.ID], ended[a.ID] = a.Revision, a.State == Ended
		}
	})
}

func TestARestoredSnapshotGoesOnAsIfNothingHappened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		obs := story(t)
		cut := rapid.IntRange(0, len(obs)).Draw(t, "cut")
		e := NewEvaluator("box-1", Default())
		var want, got []Alarm
		r := e
		for i := range obs {
			if i == cut {
				snap, err := e.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				var changes []Alarm
				if r, changes, err = Restore(Default(), snap); err != nil || len(changes) > 0 {
					t.Fatal(changes, err)
				}
				if d := gocmp.Diff(e.Alarms(nil), r.Alarms(nil)); d != "" {
					t.Fatal(d)
				}
				got = slices.Clone(want)
			}
			b := protocol.Batch{Box: "box-1", Epoch: 1, Stream: protocol.StreamNumeric, FirstSeq: uint64(i + 1), Sent: obs[i].At, Observations: obs[i : i+1]}
			want = e.Advance(b.Sent, e.Observe(&b, false, b.Sent, want))
			if i >= cut {
				got = r.Advance(b.Sent, r.Observe(&b, false, b.Sent, got))
			}
		}
		if cut < len(obs) {
			if d := gocmp.Diff(want, got); d != "" {
				t.Fatalf("(-uninterrupted +restored):\n%s", d)
			}
		}
	})
}

func TestStreamRemembersWhatItSaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q stream
		seen := map[uint64]bool{}
		var high uint64
		for i := range rapid.IntRange(1, 40).Draw(t, "n") {
			first := rapid.Uint64Range(1, 60).Draw(t, "first")
			last := first + rapid.Uint64Range(0, 8).Draw(t, "len")
			for n := first; n <= last; n++ {
				want := straggler
				switch {
				case n > high:
					want = inOrder
				case seen[n] && n >= q.First:
					want = duplicate
				}
				if got := q.place(1, n); got != want {
					t.Fatalf("number %d: %d, want %d (%+v)", n, got, want, q)
				}
			}
			q.note(1, protocol.Range{First: first, Last: last})
			for n := first; n <= last; n++ {
				if i == 0 || n >= q.First {
					seen[n] = true
				}
			}
			high = max(high, last)
		}
	})
}
