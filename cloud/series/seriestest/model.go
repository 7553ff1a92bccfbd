package seriestest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// A model is the simplest store there is.
type model map[series.Key]map[int64]protocol.Observation

// add says what stays of the observation.
func (m model) add(box protocol.BoxID, o protocol.Observation) {
	k := series.Key{Box: box, Device: o.Device, Channel: o.Channel, Code: o.Code}
	if m[k] == nil {
		m[k] = map[int64]protocol.Observation{}
	}
	at := o.At.UnixMicro()
	if _, ok := m[k][at]; !ok {
		m[k][at] = o
	}
}

func (m model) in(k series.Key, from, to time.Time) []protocol.Observation {
	var obs []protocol.Observation
	for _, at := range slices.Sorted(maps.Keys(m[k])) {
		if t := time.UnixMicro(at); !t.Before(from) && t.Before(to) {
			obs = append(obs, m[k][at])
		}
	}
	return obs
}

// anyHistory compares the store with the model under appends in any order with
// duplicates, seals and restarts.
func anyHistory(s *suite) {
	var store series.Store = s.store
	runs := 0
	rapid.Check(s.T, func(t *rapid.T) {
		if runs++; s.Checks > 0 && runs > s.Checks {
			return
		}
		box := newBox()
		m := model{}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			obs := rapid.SliceOfN(rapid.Custom(anyObservation), 1, 40).Draw(t, "observations")
			if s.LastWins { // what comes again must be the same
				obs = slices.DeleteFunc(obs, func(o protocol.Observation) bool {
					before := len(m.in(series.Key{Box: box, Device: o.Device, Channel: o.Channel, Code: o.Code}, o.At, o.At.Add(time.Microsecond)))
					m.add(box, o)
					return before > 0
				})
			}
			if err := store.Append(context.Background(), box, obs); err != nil {
				t.Fatalf("append: %v", err)
			}
			for _, o := range obs {
				m.add(box, o)
			}
			switch rapid.IntRange(0, 5).Draw(t, "then") {
			case 0, 1:
				if s.Settle != nil {
					s.Settle(s.T, store)
				}
			case 2:
				if s.Reopen != nil {
					store = s.Reopen(s.T, store)
				}
			}
			compare(t, store, m)
		}
	})
}

// compare reads every series over a drawn range.
func compare(t *rapid.T, store series.Store, m model) {
	span := rapid.Custom(func(t *rapid.T) [2]time.Time {
		a, b := rapid.Custom(anyTime).Draw(t, "a"), rapid.Custom(anyTime).Draw(t, "b")
		if b.Before(a) {
			a, b = b, a
		}
		return [2]time.Time{a, b}
	}).Draw(t, "range")
	from, to := span[0], span[1]
	most := rapid.IntRange(1, 20).Draw(t, "buckets")
	for k := range m {
		want := m.in(k, from, to)
		var wantPoints, points []series.Point
		bucketer, err := series.NewBucketer(from, to, most)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range want {
			wantPoints = append(wantPoints, point(o))
			bucketer.Add(o.At.UnixMicro(), o.Kind, o.Unit, o.Quality, o.Value)
		}
		if err := store.Points(context.Background(), k, from, to, func(p *series.Point) bool { points = append(points, *p); return true }); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(wantPoints, points); d != "" {
			t.Fatalf("%v in [%v, %v): -want +got\n%s", k, from, to, d)
		}
		buckets, err := store.Buckets(context.Background(), k, from, to, most)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(bucketer.Buckets(), buckets, cmpopts.EquateEmpty(), cmpopts.EquateApprox(1e-9, 0)); d != "" {
			t.Fatalf("%d buckets of %v in [%v, %v): -want +got\n%s", most, k, from, to, d)
		}
	}
}

// anyTime lies on a few days, close to the edges of hours and minutes, so that
// instants collide and meet the edges of chunks.
func anyTime(t *rapid.T) time.Time {
	base := rapid.SampledFrom([]time.Time{t0.Truncate(time.Hour), t0.Truncate(24 * time.Hour), time.Unix(0, 0).UTC()}).Draw(t, "base")
	step := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Second, time.Minute, 10 * time.Minute}).Draw(t, "step")
	return base.Add(time.Duration(rapid.IntRange(-8, 8).Draw(t, "n")) * step)
}

func anyObservation(t *rapid.T) protocol.Observation {
	o := numeric(rapid.Custom(anyTime).Draw(t, "at"), protocol.HeartRate, protocol.Decimal{})
	o.Device = protocol.DeviceID(fmt.Sprintf("d%d", rapid.IntRange(0, 1).Draw(t, "device")))
	o.Quality = protocol.Quality(rapid.IntRange(0, 3).Draw(t, "quality"))
	if rapid.IntRange(0, 9).Draw(t, "word") == 0 {
		o.Kind, o.Unit, o.Text = protocol.KindEnumeration, "", rapid.SampledFrom([]string{"awake", "asleep", ""}).Draw(t, "text")
		return o
	}
	o.Value = protocol.Dec(rapid.Int64Range(-300, 300).Draw(t, "mantissa"), int8(rapid.IntRange(-2, 1).Draw(t, "exponent")))
	return o
}

// Fill appends n heart rates to the store, 500 ms apart from t0 on, and
// returns their key and range: for benchmarks.
func Fill(tb testing.TB, store series.Store, n int) (series.Key, time.Time, time.Time) {
	const batch = 4000
	var obs []protocol.Observation
	for i := range n {
		obs = append(obs, numeric(t0.Add(time.Duration(i)*500*time.Millisecond), protocol.HeartRate, protocol.Int(int64(60+i/100%30))))
		if len(obs) == batch || i == n-1 {
			if err := store.Append(context.Background(), "bench", obs); err != nil {
				tb.Fatal(err)
			}
			obs = obs[:0]
		}
	}
	return series.Key{Box: "bench", Device: "monitor", Code: protocol.HeartRate}, t0, t0.Add(time.Duration(n) * 500 * time.Millisecond)
}
