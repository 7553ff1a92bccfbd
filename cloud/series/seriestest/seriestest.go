// Package seriestest is the contract of series.Store as tests. Every
// implementation runs it, each with its own way to open a fresh store.
package seriestest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Options say how far an implementation may differ.
type Options struct {
	// Reopen closes the store and opens it again with what it kept, or is nil.
	Reopen func(t *testing.T, s series.Store) series.Store
	// Settle moves what was appended to where it rests (seals it), or is nil.
	Settle func(t *testing.T, s series.Store)
	// LastWins is set when the last of two different readings of the same
	// instant stays, not the first.
	LastWins bool
	// Checks is how often the property test is run at most; 0 is the default of rapid.
	Checks int
}

// Run runs the contract. open gives a store in which the box that box returns
// has no readings yet; a store may be shared between tests, as they use
// different boxes.
func Run(t *testing.T, open func(t *testing.T) series.Store, o Options) {
	for _, c := range []struct {
		name string
		f    func(*suite)
	}{
		{"an empty store has nothing", emptyStore},
		{"exact decimals come back as the device gave them", exactDecimals},
		{"readings of every kind come back whole", everyKind},
		{"every quality and clock quality comes back", qualities},
		{"unknown codes and kinds are kept", unknownCodes},
		{"ranges are half open", halfOpen},
		{"late readings come back in order of time", lateReadings},
		{"a reading that is there already changes nothing", duplicates},
		{"the first of two different readings stays", firstStays},
		{"series do not mix", seriesDoNotMix},
		{"huge gaps and times years off are kept", yearsOff},
		{"blocks come back whole", blocks},
		{"blocks that last into a range belong to it", overlappingBlocks},
		{"buckets summarise numbers and count the rest", buckets},
		{"a key with readings and blocks is listed twice", bothKinds},
		{"what can never be stored is refused by index", refusals},
		{"concurrent appends all stay", concurrentAppends},
		{"big batches are stored whole", bigBatch},
		{"yield can stop", yieldStops},
		{"a context that ended stops a call", contextEnds},
		{"closed is closed", closed},
		{"any history equals the model", anyHistory},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{T: t, Options: o, store: open(t), box: newBox(), open: open}
			c.f(s)
		})
	}
}

type suite struct {
	*testing.T
	Options
	store series.Store
	box   protocol.BoxID
	open  func(t *testing.T) series.Store
}

var boxes struct {
	sync.Mutex
	n int
}

// newBox names a box that nobody has used, in this or another run.
func newBox() protocol.BoxID {
	boxes.Lock()
	defer boxes.Unlock()
	boxes.n++
	return protocol.BoxID(fmt.Sprintf("box-%x-%d", time.Now().UnixNano(), boxes.n))
}

// t0 is not aligned to anything.
var t0 = time.Date(2026, 3, 14, 15, 59, 26, 535_897_000, time.UTC)

func (s *suite) key(o protocol.Observation) series.Key {
	return series.Key{Box: s.box, Device: o.Device, Channel: o.Channel, Code: o.Code}
}

func (s *suite) append(obs ...protocol.Observation) {
	s.Helper()
	if err := s.store.Append(context.Background(), s.box, obs); err != nil {
		s.Fatalf("append %d observations: %v", len(obs), err)
	}
}

// stages runs f on what was appended: as it is, at rest, and after reopening.
func (s *suite) stages(f func()) {
	s.Helper()
	f()
	if s.Settle != nil {
		s.Settle(s.T, s.store)
		f()
	}
	if s.Reopen != nil {
		s.store = s.Reopen(s.T, s.store)
		f()
	}
}

func (s *suite) points(k series.Key, from, to time.Time) []series.Point {
	s.Helper()
	var got []series.Point
	err := s.store.Points(context.Background(), k, from, to, func(p *series.Point) bool {
		c := *p
		if p.Event != nil {
			e := *p.Event
			c.Event = &e
		}
		got = append(got, c)
		return true
	})
	if err != nil {
		s.Fatalf("points of %v: %v", k, err)
	}
	return got
}

func (s *suite) blocks(k series.Key, from, to time.Time) []series.Block {
	s.Helper()
	var got []series.Block
	err := s.store.Blocks(context.Background(), k, from, to, func(b *series.Block) bool {
		c := *b
		c.Raw = slices.Clone(b.Raw)
		got = append(got, c)
		return true
	})
	if err != nil {
		s.Fatalf("blocks of %v: %v", k, err)
	}
	return got
}

func (s *suite) keys(from, to time.Time) []series.SeriesInfo {
	s.Helper()
	got, err := s.store.Keys(context.Background(), s.box, from, to)
	if err != nil {
		s.Fatalf("keys: %v", err)
	}
	return got
}

func (s *suite) equal(what string, want, got any) {
	s.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		s.Fatalf("%s: -want +got\n%s", what, d)
	}
}

func numeric(at time.Time, code protocol.Code, v protocol.Decimal) protocol.Observation {
	return protocol.Observation{Device: "monitor", Code: code, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood,
		Clock: protocol.ClockSynced, At: at, Value: v}
}

// point is what the store must give for an observation.
func point(o protocol.Observation) series.Point {
	return series.Point{At: o.At.Truncate(time.Microsecond).UTC(), Kind: o.Kind, Unit: o.Unit, Quality: o.Quality, Clock: o.Clock,
		Value: o.Value, Text: o.Text, Event: o.Event}
}

func pointsOf(obs ...protocol.Observation) []series.Point {
	var ps []series.Point
	for _, o := range obs {
		ps = append(ps, point(o))
	}
	return ps
}

func emptyStore(s *suite) {
	k := series.Key{Box: s.box, Device: "monitor", Code: protocol.HeartRate}
	s.stages(func() {
		s.equal("points", 0, len(s.points(k, series.MinTime, series.MaxTime)))
		s.equal("blocks", 0, len(s.blocks(k, series.MinTime, series.MaxTime)))
		s.equal("keys", 0, len(s.keys(series.MinTime, series.MaxTime)))
		b, err := s.store.Buckets(context.Background(), k, t0, t0.Add(time.Hour), 10)
		if err != nil || len(b) != 0 {
			s.Fatalf("buckets: %v, %v", b, err)
		}
	})
	s.append()
}

func exactDecimals(s *suite) {
	var obs []protocol.Observation
	for i, v := range []protocol.Decimal{
		protocol.Dec(3680, -2), protocol.Dec(368, -1), protocol.Dec(37, 0), protocol.Dec(0, -3), protocol.Dec(-5, -2), protocol.Dec(12, 3),
		protocol.Dec(math.MaxInt64, -18), protocol.Dec(math.MinInt64, 18), protocol.Dec(9007199254740993, 0), protocol.Dec(0, 0),
	} {
		obs = append(obs, numeric(t0.Add(time.Duration(i)*time.Second), protocol.BodyTemperature, v))
	}
	s.append(obs...)
	s.stages(func() { s.equal("points", pointsOf(obs...), s.points(s.key(obs[0]), t0, t0.Add(time.Hour))) })
}

func everyKind(s *suite) {
	texts := []string{"asleep", "über ≥ 5", `back\slash, comma = equals "quoted" 'single' \`, " spaces ", "${x} #{y} |> drop()"}
	var words, events []protocol.Observation
	for i, text := range texts {
		at := t0.Add(time.Duration(i) * time.Minute)
		words = append(words, protocol.Observation{Device: "mat", Code: protocol.SleepStatus, Kind: protocol.KindEnumeration,
			Quality: protocol.QualityGood, At: at, Text: text})
		events = append(events, protocol.Observation{Device: "monitor", Code: protocol.EventAlarm, Kind: protocol.KindEvent, At: at,
			Event: &protocol.Event{Phase: protocol.PhaseStart, Priority: protocol.PriorityHigh, Type: protocol.AlarmPhysiological, Source: protocol.SpO2, Text: text}})
	}
	bounded := protocol.Observation{Code: protocol.EventDropped, Kind: protocol.KindEvent, At: t0, Text: "both",
		Event: &protocol.Event{From: t0.Add(-time.Hour).Truncate(time.Microsecond), To: t0.Truncate(time.Microsecond), Text: "disk full"}}
	empty := protocol.Observation{Device: "mat", Channel: "left", Code: protocol.SleepStatus, Kind: protocol.KindEnumeration, Quality: protocol.QualitySensorOff, At: t0}
	bare := protocol.Observation{Device: "mat", Code: protocol.EventBatteryLow, Kind: protocol.KindEvent, At: t0, Event: &protocol.Event{}}
	s.append(slices.Concat(words, events, []protocol.Observation{bounded, empty, bare})...)
	s.stages(func() {
		s.equal("words", pointsOf(words...), s.points(s.key(words[0]), t0, t0.Add(time.Hour)))
		s.equal("events", pointsOf(events...), s.points(s.key(events[0]), t0, t0.Add(time.Hour)))
		for _, o := range []protocol.Observation{bounded, empty, bare} {
			s.equal("point", pointsOf(o), s.points(s.key(o), t0, t0.Add(time.Second)))
		}
		s.equal("keys", []series.SeriesInfo{
			{Key: s.key(bounded), Kind: protocol.KindEvent},
			{Key: s.key(words[0]), Kind: protocol.KindEnumeration},
			{Key: s.key(empty), Kind: protocol.KindEnumeration},
			{Key: s.key(bare), Kind: protocol.KindEvent},
			{Key: s.key(events[0]), Kind: protocol.KindEvent},
		}, sorted(s.keys(t0, t0.Add(time.Hour))))
	})
}

func sorted(infos []series.SeriesInfo) []series.SeriesInfo {
	out := slices.Clone(infos)
	series.SortInfos(out)
	return out
}

func qualities(s *suite) {
	var obs []protocol.Observation
	for q := protocol.QualityUnknown; q <= protocol.QualityDemo+2; q++ {
		for c := protocol.ClockUnknown; c <= protocol.ClockUncertain+1; c++ {
			o := numeric(t0.Add(time.Duration(len(obs))*time.Second), protocol.SpO2, protocol.Int(int64(90+q)))
			if !q.HasNumber() && c%2 == 0 {
				o.Value = protocol.Decimal{}
			}
			o.Quality, o.Clock = q, c
			obs = append(obs, o)
		}
	}
	s.append(obs...)
	s.stages(func() { s.equal("points", pointsOf(obs...), s.points(s.key(obs[0]), t0, t0.Add(time.Hour))) })
}

func unknownCodes(s *suite) {
	a := numeric(t0, 0xFFFF_FFFF, protocol.Dec(15, -1))
	a.Unit = "{furlong}/{fortnight}"
	b := numeric(t0.Add(time.Second), 7, protocol.Int(1))
	b.Kind, b.Text = protocol.KindUnknown, "text of a newer box"
	c := numeric(t0.Add(2*time.Second), 7, protocol.Decimal{})
	c.Kind = 77
	s.append(a, b, c)
	s.stages(func() {
		s.equal("unknown code", pointsOf(a), s.points(s.key(a), t0, t0.Add(time.Hour)))
		s.equal("unknown kinds", pointsOf(b, c), s.points(s.key(b), t0, t0.Add(time.Hour)))
		s.equal("keys", []series.SeriesInfo{{Key: s.key(b), Kind: 77, Unit: "/min"}, {Key: s.key(a), Kind: protocol.KindNumeric, Unit: a.Unit}}, sorted(s.keys(t0, t0.Add(time.Hour))))
	})
}

func halfOpen(s *suite) {
	at := t0.Truncate(time.Microsecond)
	o := numeric(at, protocol.HeartRate, protocol.Int(60))
	s.append(o)
	k := s.key(o)
	s.stages(func() {
		for _, c := range []struct {
			from, to time.Time
			want     int
		}{
			{at, at.Add(time.Microsecond), 1}, {at, at, 0}, {at.Add(-time.Hour), at, 0}, {at.Add(-time.Hour), at.Add(1), 1},
			{at.Add(1), at.Add(time.Hour), 0}, {at.Add(-1), at.Add(time.Hour), 1}, {at.Add(time.Hour), at.Add(-time.Hour), 0},
			{time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 1}, {at.Local(), at.Add(time.Second).Local(), 1},
		} {
			if got := len(s.points(k, c.from, c.to)); got != c.want {
				s.Fatalf("[%v, %v): %d points, want %d", c.from, c.to, got, c.want)
			}
			if got := len(s.keys(c.from, c.to)); got != c.want {
				s.Fatalf("[%v, %v): %d keys, want %d", c.from, c.to, got, c.want)
			}
		}
	})
}

func lateReadings(s *suite) {
	var obs []protocol.Observation
	for i := range 400 {
		obs = append(obs, numeric(t0.Add(time.Duration(i)*37*time.Second), protocol.HeartRate, protocol.Int(int64(i))))
	}
	for part := range 4 { // every fourth, the newest first
		var some []protocol.Observation
		for i := 399 - part; i >= 0; i -= 4 {
			some = append(some, obs[i])
		}
		s.append(some...)
		if s.Settle != nil && part%2 == 0 {
			s.Settle(s.T, s.store)
		}
	}
	s.stages(func() { s.equal("points", pointsOf(obs...), s.points(s.key(obs[0]), t0, t0.Add(24*time.Hour))) })
}

func duplicates(s *suite) {
	a := numeric(t0, protocol.HeartRate, protocol.Int(60))
	b := numeric(t0.Add(300), protocol.HeartRate, protocol.Int(60)) // the same microsecond
	c := numeric(t0.Add(time.Second), protocol.HeartRate, protocol.Int(61))
	s.append(a, b, c, a)
	s.append(c, a)
	s.stages(func() {
		s.append(b)
		s.equal("points", pointsOf(a, c), s.points(s.key(a), t0, t0.Add(time.Hour)))
	})
}

func firstStays(s *suite) {
	if s.LastWins {
		s.Skip("in this store the last of two different readings of an instant stays")
	}
	a := numeric(t0, protocol.HeartRate, protocol.Int(60))
	b := numeric(t0, protocol.HeartRate, protocol.Dec(999, -1))
	b.Quality = protocol.QualityInvalid
	w := wave(t0, 3, 100_000, 10)
	w2 := wave(t0, 9, 100_000, 20)
	s.append(a, b, w, w2)
	s.stages(func() {
		s.append(b, w2)
		s.equal("points", pointsOf(a), s.points(s.key(a), t0, t0.Add(time.Hour)))
		s.equal("blocks", []series.Block{block(w)}, s.blocks(s.key(w), t0, t0.Add(time.Hour)))
	})
}

func seriesDoNotMix(s *suite) {
	other := newBox()
	var obs []protocol.Observation
	for i, k := range []series.Key{
		{Device: "monitor", Code: protocol.HeartRate}, {Device: "monitor", Code: protocol.PulseRate}, {Device: "monitor-2", Code: protocol.HeartRate},
		{Device: "", Code: protocol.HeartRate}, {Device: "monitor", Channel: "left", Code: protocol.HeartRate}, {Device: "monitor", Channel: "left, 1=2 \\", Code: protocol.HeartRate},
	} {
		o := numeric(t0, k.Code, protocol.Int(int64(i)))
		o.Device, o.Channel = k.Device, k.Channel
		obs = append(obs, o)
	}
	s.append(obs...)
	foreign := numeric(t0, protocol.HeartRate, protocol.Int(99))
	if err := s.store.Append(context.Background(), other, []protocol.Observation{foreign}); err != nil {
		s.Fatal(err)
	}
	s.stages(func() {
		for _, o := range obs {
			s.equal(fmt.Sprint(s.key(o)), pointsOf(o), s.points(s.key(o), t0, t0.Add(time.Hour)))
		}
		if n := len(s.keys(t0, t0.Add(time.Hour))); n != len(obs) {
			s.Fatalf("%d keys, want %d", n, len(obs))
		}
	})
}

func yearsOff(s *suite) {
	var obs []protocol.Observation
	for _, at := range []time.Time{
		series.MinTime, time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Unix(0, 0), time.Unix(0, 1000), time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
		t0, t0.Add(40 * 24 * time.Hour), time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC), series.MaxTime.Add(-time.Microsecond),
	} {
		obs = append(obs, numeric(at, protocol.HeartRate, protocol.Int(int64(len(obs)))))
	}
	late := slices.Clone(obs)
	slices.Reverse(late)
	s.append(late...)
	s.stages(func() {
		s.equal("points", pointsOf(obs...), s.points(s.key(obs[0]), time.Time{}, series.MaxTime))
		s.equal("before 1970", pointsOf(obs[:2]...), s.points(s.key(obs[0]), time.Time{}, time.Unix(0, 0)))
	})
}

func wave(at time.Time, seed, rateMilliHz uint32, n int) protocol.Observation {
	raw := make([]int32, n)
	for i := range raw {
		raw[i] = int32(2000*math.Sin(float64(i)/7+float64(seed))) + int32(i*int(seed)%5)
	}
	return protocol.Observation{Device: "monitor", Code: protocol.ECGLeadII, Unit: "mV", Kind: protocol.KindSamples, Quality: protocol.QualityGood, Clock: protocol.ClockSynced,
		At: at, Samples: &protocol.Samples{RateMilliHz: rateMilliHz, Scale: protocol.Dec(5, -3), Offset: protocol.Dec(-1, 0), Raw: raw}}
}

func block(o protocol.Observation) series.Block {
	return series.Block{At: o.At.Truncate(time.Microsecond).UTC(), Quality: o.Quality, Clock: o.Clock, Unit: o.Unit, Samples: *o.Samples}
}

func blocks(s *suite) {
	var obs []protocol.Observation
	var want []series.Block
	for i := range 150 {
		o := wave(t0.Add(time.Duration(i)*time.Second), uint32(i), 250_000, 250)
		switch i % 50 {
		case 1:
			o.Samples.Raw[0], o.Samples.Raw[100], o.Samples.Raw[249] = protocol.NoSample, protocol.NoSample, math.MaxInt32
			o.Quality = protocol.QualityQuestionable
		case 2:
			o.Samples.Raw = []int32{protocol.NoSample}
			o.Samples.Offset = protocol.Decimal{}
		case 3:
			o.Samples.RateMilliHz, o.Samples.Scale = 62_500, protocol.Dec(-1, 3)
			o.Samples.Raw = make([]int32, protocol.MaxSamples)
		}
		obs = append(obs, o)
		want = append(want, block(o))
	}
	for i := 0; i < len(obs); i += 7 {
		s.append(obs[i:min(i+7, len(obs))]...)
	}
	s.stages(func() {
		s.append(obs[17])
		s.equal("blocks", want, s.blocks(s.key(obs[0]), t0, t0.Add(time.Hour)))
		s.equal("keys", []series.SeriesInfo{{Key: s.key(obs[0]), Kind: protocol.KindSamples, Unit: "mV"}}, s.keys(t0, t0.Add(time.Hour)))
	})
}

func overlappingBlocks(s *suite) {
	at := t0.Truncate(time.Microsecond)
	long := wave(at, 1, 1000, 3600) // one hour
	short := wave(at.Add(30*time.Minute), 1, 100_000, 100)
	last := wave(at.Add(2*time.Hour), 1, 100_000, 100)
	s.append(last, short, long)
	k := s.key(long)
	s.stages(func() {
		for _, c := range []struct {
			from, to time.Duration
			want     []series.Block
		}{
			{0, time.Nanosecond, []series.Block{block(long)}},
			{-time.Hour, 0, nil},
			{10 * time.Minute, 20 * time.Minute, []series.Block{block(long)}},
			{30*time.Minute + 500*time.Millisecond, 31 * time.Minute, []series.Block{block(long), block(short)}},
			{30*time.Minute + time.Second, 31 * time.Minute, []series.Block{block(long)}},
			{time.Hour, 2 * time.Hour, nil},
			{time.Hour - 1000, 2*time.Hour + 1, []series.Block{block(long), block(last)}},
		} {
			s.equal(fmt.Sprint(c.from, " to ", c.to), c.want, s.blocks(k, at.Add(c.from), at.Add(c.to)))
			if n := len(s.keys(at.Add(c.from), at.Add(c.to))); n != min(1, len(c.want)) {
				s.Fatalf("%v to %v: %d keys", c.from, c.to, n)
			}
		}
	})
}

func buckets(s *suite) {
	at := t0.Truncate(time.Microsecond)
	var obs []protocol.Observation
	add := func(after time.Duration, v protocol.Decimal, q protocol.Quality) {
		o := numeric(at.Add(after), protocol.HeartRate, v)
		o.Quality = q
		obs = append(obs, o)
	}
	add(0, protocol.Int(60), protocol.QualityGood)
	add(time.Second, protocol.Dec(705, -1), protocol.QualityQuestionable)
	add(2*time.Second, protocol.Int(300), protocol.QualityInvalid)
	add(3*time.Second, protocol.Decimal{}, protocol.QualityGood)
	add(10*time.Second-time.Microsecond, protocol.Int(62), protocol.QualityGood)
	add(10*time.Second, protocol.Int(64), protocol.QualityGood)
	add(35*time.Second, protocol.Decimal{}, protocol.QualitySensorOff)
	odd := numeric(at.Add(11*time.Second), protocol.HeartRate, protocol.Int(1))
	odd.Unit = "Hz"
	obs = append(obs, odd)
	add(99*time.Second, protocol.Int(80), protocol.QualityGood)
	add(100*time.Second, protocol.Int(90), protocol.QualityGood)
	s.append(obs...)
	want := []series.Bucket{
		{From: at, Min: 60, Max: 70.5, Mean: (60 + 70.5 + 62) / 3, Count: 3, Bad: 2},
		{From: at.Add(10 * time.Second), Min: 64, Max: 64, Mean: 64, Count: 1, Bad: 1},
		{From: at.Add(30 * time.Second), Bad: 1},
		{From: at.Add(90 * time.Second), Min: 80, Max: 80, Mean: 80, Count: 1},
	}
	s.stages(func() {
		got, err := s.store.Buckets(context.Background(), s.key(obs[0]), at, at.Add(100*time.Second), 10)
		if err != nil {
			s.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); d != "" {
			s.Fatalf("buckets: -want +got\n%s", d)
		}
		if got, err := s.store.Buckets(context.Background(), s.key(obs[0]), at, at.Add(time.Hour), 1); err != nil || len(got) != 1 || got[0].Count != 6 || got[0].Bad != 4 {
			s.Fatalf("one bucket: %v, %v", got, err)
		}
		for _, n := range []int{0, -1, series.MaxBuckets + 1} {
			if _, err := s.store.Buckets(context.Background(), s.key(obs[0]), at, at.Add(time.Hour), n); err == nil {
				s.Fatalf("%d buckets: no error", n)
			}
		}
	})
}

func bothKinds(s *suite) {
	o, w := numeric(t0, protocol.ECGLeadII, protocol.Int(1)), wave(t0, 1, 1000, 2)
	s.append(w, o)
	s.stages(func() {
		s.equal("keys", []series.SeriesInfo{{Key: s.key(o), Kind: protocol.KindNumeric, Unit: "/min"}, {Key: s.key(o), Kind: protocol.KindSamples, Unit: "mV"}}, sorted(s.keys(t0, t0.Add(time.Hour))))
		s.equal("points", pointsOf(o), s.points(s.key(o), t0, t0.Add(time.Hour)))
		s.equal("blocks", []series.Block{block(w)}, s.blocks(s.key(o), t0, t0.Add(time.Hour)))
	})
}

func refusals(s *suite) {
	good := numeric(t0, protocol.HeartRate, protocol.Int(60))
	bad := map[string]func(*protocol.Observation){
		"time":      func(o *protocol.Observation) { o.At = time.Time{} },
		"far":       func(o *protocol.Observation) { o.At = series.MaxTime },
		"device":    func(o *protocol.Observation) { o.Device = "a b" },
		"channel":   func(o *protocol.Observation) { o.Channel = "a\nb" },
		"exponent":  func(o *protocol.Observation) { o.Value.Exponent = 19 },
		"text":      func(o *protocol.Observation) { o.Text = strings.Repeat("x", series.MaxText+1) },
		"utf8":      func(o *protocol.Observation) { o.Text = "\xff" },
		"event":     func(o *protocol.Observation) { o.Kind = protocol.KindEvent },
		"no block":  func(o *protocol.Observation) { o.Kind = protocol.KindSamples },
		"no scale":  func(o *protocol.Observation) { *o = wave(t0, 1, 1, 1); o.Samples.Scale = protocol.Decimal{} },
		"no rate":   func(o *protocol.Observation) { *o = wave(t0, 1, 0, 1) },
		"long wave": func(o *protocol.Observation) { *o = wave(t0, 1, 1, protocol.MaxSamples+1) },
	}
	var stored []protocol.Observation
	for name, spoil := range bad {
		first, second := good, good
		first.At = t0.Add(time.Duration(len(stored)) * time.Second)
		second.At = first.At.Add(time.Second)
		o := good
		spoil(&o)
		err := s.store.Append(context.Background(), s.box, []protocol.Observation{first, o, second, o})
		refused, ok := errors.AsType[*series.RefusedError](err)
		if !ok || !errors.Is(err, series.ErrRefused) {
			s.Fatalf("%s: %v, want refused", name, err)
		}
		s.equal(name, []int{1, 3}, refused.Indexes)
		stored = append(stored, first, second) // the others are not lost for it
	}
	if err := s.store.Append(context.Background(), "a/b", []protocol.Observation{good}); !errors.Is(err, series.ErrRefused) {
		s.Fatalf("box a/b: %v, want refused", err)
	}
	s.equal("points", pointsOf(stored...), s.points(s.key(good), t0, t0.Add(time.Hour)))
}

func concurrentAppends(s *suite) {
	const callers, each = 20, 15
	var wg sync.WaitGroup
	errs := make(chan error, callers*each)
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				o := numeric(t0.Add(time.Duration(i)*time.Second), protocol.HeartRate, protocol.Int(int64(i)))
				o.Device = protocol.DeviceID(fmt.Sprintf("d%d", c))
				shared := numeric(t0.Add(time.Duration(i)*time.Second), protocol.SpO2, protocol.Int(98)) // everybody's
				errs <- s.store.Append(context.Background(), s.box, []protocol.Observation{o, shared})
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			s.Fatal(err)
		}
	}
	s.stages(func() {
		for c := range callers {
			k := series.Key{Box: s.box, Device: protocol.DeviceID(fmt.Sprintf("d%d", c)), Code: protocol.HeartRate}
			if n := len(s.points(k, t0, t0.Add(time.Hour))); n != each {
				s.Fatalf("caller %d: %d points, want %d", c, n, each)
			}
		}
		if n := len(s.points(series.Key{Box: s.box, Device: "monitor", Code: protocol.SpO2}, t0, t0.Add(time.Hour))); n != each {
			s.Fatalf("shared series: %d points, want %d", n, each)
		}
	})
}

func bigBatch(s *suite) {
	obs := make([]protocol.Observation, 20_000)
	for i := range obs {
		obs[i] = numeric(t0.Add(time.Duration(i/4)*500*time.Millisecond), protocol.HeartRate+protocol.Code(i%4), protocol.Int(int64(60+i%7)))
	}
	s.append(obs...)
	s.stages(func() {
		for c := range 4 {
			got := s.points(s.key(obs[c]), t0, t0.Add(24*time.Hour))
			if len(got) != 5000 {
				s.Fatalf("%d points, want 5000", len(got))
			}
			for i, p := range got {
				if want := point(obs[4*i+c]); p != want {
					s.Fatalf("point %d is %v, want %v", i, p, want)
				}
			}
		}
	})
}

func yieldStops(s *suite) {
	var obs []protocol.Observation
	for i := range 10 {
		obs = append(obs, numeric(t0.Add(time.Duration(i)*time.Hour), protocol.HeartRate, protocol.Int(1)), wave(t0.Add(time.Duration(i)*time.Hour), 1, 1000, 1))
	}
	s.append(obs...)
	s.stages(func() {
		n := 0
		if err := s.store.Points(context.Background(), s.key(obs[0]), t0, t0.Add(24*time.Hour), func(*series.Point) bool { n++; return n < 3 }); err != nil || n != 3 {
			s.Fatalf("points: %d, %v", n, err)
		}
		n = 0
		if err := s.store.Blocks(context.Background(), s.key(obs[1]), t0, t0.Add(24*time.Hour), func(*series.Block) bool { n++; return n < 3 }); err != nil || n != 3 {
			s.Fatalf("blocks: %d, %v", n, err)
		}
	})
}

func contextEnds(s *suite) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.store.Append(ctx, s.box, []protocol.Observation{numeric(t0, protocol.HeartRate, protocol.Int(1))}); !errors.Is(err, context.Canceled) {
		s.Fatalf("append: %v, want context canceled", err)
	}
}

func closed(s *suite) {
	store := s.open(s.T)
	for range 2 {
		if err := store.Close(); err != nil {
			s.Fatalf("close: %v", err)
		}
	}
	ctx := context.Background()
	_, keysErr := store.Keys(ctx, s.box, t0, t0.Add(time.Hour))
	for what, err := range map[string]error{
		"append": store.Append(ctx, s.box, []protocol.Observation{numeric(t0, protocol.HeartRate, protocol.Int(1))}),
		"keys":   keysErr,
		"points": store.Points(ctx, series.Key{Box: s.box}, t0, t0.Add(time.Hour), func(*series.Point) bool { return true }),
	} {
		if !errors.Is(err, series.ErrClosed) {
			s.Errorf("%s after close: %v, want %v", what, err, series.ErrClosed)
		}
	}
}
