package api

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/registry"
	"monitorme/cloud/series"
	"monitorme/cloud/series/embedded"
	"monitorme/protocol"
)

// history is History with points that can be read.
type history struct {
	Bed, Patient *string
	Patients     []struct{ Patient, Bed string }
	Series       []struct {
		Box, Bed, Device, Kind, Sign string
		Code                         protocol.Code
		Points                       []point
		Buckets                      []Bucket
		Texts                        []TextPoint
		Gaps                         []Gap
	}
	Gaps []Gap
}

type point struct {
	t       float64
	value   *float64
	quality string
}

func (p *point) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&p.t, &p.value, &p.quality})
}

func query(from, to time.Time, more string) string {
	return "?from=" + url.QueryEscape(from.UTC().Format(time.RFC3339Nano)) + "&to=" + url.QueryEscape(to.UTC().Format(time.RFC3339Nano)) + more
}

func TestHistoryGivesEveryPointExactly(t *testing.T) {
	w := newWorld(t)
	begin := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	obs := []protocol.Observation{
		{Device: "m", Code: protocol.BodyTemperature, Unit: "Cel", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, At: begin, Value: protocol.Dec(368, -1)},
		{Device: "m", Code: protocol.BodyTemperature, Unit: "Cel", Kind: protocol.KindNumeric, Quality: protocol.QualityQuestionable, At: begin.Add(60*time.Second + 123*time.Microsecond), Value: protocol.Dec(3690, -2)},
		{Device: "m", Code: protocol.BodyTemperature, Unit: "Cel", Kind: protocol.KindNumeric, Quality: protocol.QualityInvalid, At: begin.Add(2 * time.Minute), Value: protocol.Dec(999, 0)},
		{Device: "m", Code: protocol.SleepStatus, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, At: begin, Text: "asleep"},
	}
	if err := w.store.Append(t.Context(), "box-07", obs); err != nil {
		t.Fatal(err)
	}
	b := w.as("doctor")
	path := "/api/v1/beds/ward-1-bed-07/history" + query(begin, begin.Add(10*time.Minute), "")
	_, text := b.do("GET", path, nil)
	for _, want := range []string{
		fmt.Sprintf(`"points":[[%d,36.8,"good"],[%d.123,36.90,"questionable"],[%d,null,"invalid"]]`, begin.UnixMilli(), begin.UnixMilli()+60_000, begin.UnixMilli()+120_000),
		`"texts":[{"t":` + fmt.Sprint(begin.UnixMilli()) + `,"text":"asleep"}]`,
		`"bed":"ward-1-bed-07","patient":null`, `"ref_id":"MDC_TEMP_BODY"`, `"patient":"p-demo-07"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nis not in\n%s", want, text)
		}
	}
	var h history
	if b.get(path+"&sign=sleep", &h); len(h.Series) != 1 || h.Series[0].Kind != "enumeration" || h.Series[0].Sign != "sleep" {
		t.Errorf("by sign: %+v", h)
	}
	if b.get(path+"&code=150364", &h); len(h.Series) != 1 || len(h.Series[0].Points) != 3 {
		t.Errorf("by code: %+v", h)
	}
	b.get("/api/v1/patients/p-demo-07/history"+query(begin, begin.Add(10*time.Minute), ""), &h)
	if len(h.Series) != 2 || h.Bed != nil || *h.Patient != "p-demo-07" {
		t.Errorf("of the patient: %+v", h)
	}
}

func TestHistoryFollowsThePatientAndTheBox(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Second)
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	// Until -60 patient 1 lies in bed 1 (box 1), then in bed 2 (box 2); at -30 bed 2 gets box 3.
	for _, err := range []error{
		w.reg.Unassign(ctx, "ward-1-bed-02", at(-90)),
		w.reg.Assign(ctx, "ward-1-bed-02", "p-demo-01", at(-60)),
		w.reg.PlaceBox(ctx, "box-03", "ward-1-bed-02", at(-30)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, box := range []protocol.BoxID{"box-01", "box-02", "box-03"} {
		w.numerics(box, "m", protocol.HeartRate, at(-120), time.Second, 7200)
	}
	b := w.as("nurse")
	var h history
	b.get("/api/v1/patients/p-demo-01/history"+query(at(-120), at(0), "&sign=heart-rate"), &h)
	want := []struct {
		box      string
		from, to time.Time
	}{{"box-01", at(-120), at(-60)}, {"box-02", at(-60), at(-30)}, {"box-03", at(-30), at(0)}}
	if len(h.Series) != 3 || len(h.Patients) != 2 {
		t.Fatalf("%d series, %d stays", len(h.Series), len(h.Patients))
	}
	for i, s := range h.Series {
		first, last := s.Points[0].t, s.Points[len(s.Points)-1].t
		if s.Box != want[i].box || first != float64(want[i].from.UnixMilli()) || last != float64(want[i].to.UnixMilli()-1000) || len(s.Gaps) != 0 {
			t.Errorf("series %d: %s from %v to %v with gaps %v, want %+v", i, s.Box, first, last, s.Gaps, want[i])
		}
	}
	// Bed 2 was empty from -90 to -60; its box went on measuring.
	b.get("/api/v1/beds/ward-1-bed-02/history"+query(at(-120), at(0), "&sign=heart-rate&max_points=100"), &h)
	if len(h.Series) != 2 || h.Series[0].Box != "box-02" || len(h.Series[0].Buckets) == 0 || len(h.Series[0].Points) != 0 || len(h.Patients) != 2 {
		t.Errorf("of the bed: %+v", h)
	}
	var recs []registry.AuditRecord
	w.as("admin").get("/api/v1/audit", &recs)
	seen := map[registry.PatientID]bool{}
	for _, r := range recs {
		if r.Action == "history" && r.User == "nurse" {
			seen[r.Patient] = true
		}
	}
	if !seen["p-demo-01"] || !seen["p-demo-02"] {
		t.Errorf("looks on record: %v", seen)
	}
}

func TestHistoryTellsWhyItHasGaps(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Second)
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	w.numerics("box-07", "m", protocol.HeartRate, at(-120), time.Second, 60*60) // to -60
	w.numerics("box-07", "m", protocol.HeartRate, at(-50), time.Second, 10*60)  // to -40
	w.numerics("box-07", "m", protocol.HeartRate, at(-30), time.Second, 10*60)  // to -20
	event := func(device protocol.DeviceID, code protocol.Code, when time.Time, e protocol.Event) {
		if err := w.store.Append(ctx, "box-07", []protocol.Observation{{Device: device, Code: code, Kind: protocol.KindEvent, Quality: protocol.QualityGood, At: when, Event: &e}}); err != nil {
			t.Fatal(err)
		}
	}
	event("m", protocol.EventDisconnected, at(-60), protocol.Event{Phase: protocol.PhaseStart, Text: "cable out"})
	event("m", protocol.EventDisconnected, at(-50), protocol.Event{Phase: protocol.PhaseEnd})
	event("other", protocol.EventDisconnected, at(-40), protocol.Event{Phase: protocol.PhaseStart, Text: "not this device"})
	event("", protocol.EventDropped, at(-5), protocol.Event{Phase: protocol.PhaseOnce, From: at(-40), To: at(-30), Text: "disk full"})
	w.hub.ObserveState(protocol.BoxState{Box: "box-07", Online: true, Session: 1}, at(-20))
	w.hub.ObserveState(protocol.BoxState{Box: "box-07", Online: false, Session: 2}, at(-19))
	b := w.as("nurse")
	for _, more := range []string{"", "&max_points=500"} {
		var h history
		b.get("/api/v1/beds/ward-1-bed-07/history"+query(at(-120), now, "&code=147842"+more), &h)
		if len(h.Series) != 1 {
			t.Fatalf("%+v", h)
		}
		var got []string
		for _, g := range h.Series[0].Gaps {
			got = append(got, fmt.Sprintf("%.0f-%.0f %s %s", g.From.Sub(now).Minutes(), g.To.Sub(now).Minutes(), g.Reason, g.Detail))
		}
		want := "-60--50 device-lost cable out; -40--30 dropped disk full; -20-0 pending the box is offline since then; what it read comes when it is back"
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%s\n got %s\nwant %s", more, s, want)
		}
	}
	// The box is back and sends what it kept since -19; what is on its way is no backlog.
	for oldest, want := range map[int]string{-19: gapPending, 0: gapUnknown} {
		w.hub.ObserveState(protocol.BoxState{Box: "box-07", Online: true, Session: 3, Sent: now, Queue: protocol.QueueState{Entries: 7, Oldest: at(oldest).Add(-time.Second)}}, now)
		var h history
		b.get("/api/v1/beds/ward-1-bed-07/history"+query(at(-15), now, "&code=147842"), &h)
		if len(h.Series) != 1 || len(h.Series[0].Points) != 0 || len(h.Series[0].Gaps) == 0 || h.Series[0].Gaps[0].From.Sub(at(-15)) != 0 {
			t.Fatalf("a series that fell silent before the range: %+v", h.Series)
		}
		b.get("/api/v1/beds/ward-1-bed-07/history"+query(at(-25), at(-10), "&code=147842"), &h)
		if gaps := h.Series[0].Gaps; len(gaps) == 0 || gaps[len(gaps)-1].Reason != want {
			t.Errorf("oldest %d: %+v, want %s", oldest, gaps, want)
		}
	}
	// Before the box stood there nothing was monitored.
	var h history
	b.get("/api/v1/beds/ward-1-bed-07/history"+query(now.Add(-30*time.Hour), at(-119), "&code=147842"), &h)
	if len(h.Gaps) != 1 || h.Gaps[0].Reason != gapNotMonitored || len(h.Series[0].Gaps) == 0 || h.Series[0].Gaps[0].Reason != gapNotMonitored {
		t.Errorf("before the placement: %+v", h)
	}
}

func TestALongHistoryComesInBuckets(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Second)
	if err := w.reg.PlaceBox(ctx, "box-07", "ward-1-bed-07", now.AddDate(0, 0, -20)); err != nil {
		t.Fatal(err)
	}
	w.numerics("box-07", "m", protocol.HeartRate, now.AddDate(0, 0, -10), time.Minute, 5*24*60)
	var h history
	w.as("doctor").get("/api/v1/beds/ward-1-bed-07/history"+query(now.AddDate(0, 0, -12), now.AddDate(0, 0, -4), "&code=147842&max_points=800"), &h)
	s := h.Series[0]
	if n := len(s.Buckets); n < 400 || n > 800 {
		t.Errorf("%d buckets", n)
	}
	if len(s.Gaps) != 2 || s.Gaps[0].To.Sub(now.AddDate(0, 0, -10)).Abs() > 20*time.Minute || s.Gaps[1].From.Sub(now.AddDate(0, 0, -5)).Abs() > 20*time.Minute {
		t.Errorf("gaps: %+v", s.Gaps)
	}
}

func TestNumbersInAnotherUnitAreNotMixedIn(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC().Truncate(time.Second)
	const code = protocol.Code(2<<16 | 0xF0FF) // of no term, so that the box cannot convert it
	var obs []protocol.Observation
	for i, unit := range []protocol.Unit{"kPa", "kPa", "mm[Hg]", "mm[Hg]"} {
		obs = append(obs, protocol.Observation{Device: "m", Code: code, Unit: unit, Kind: protocol.KindNumeric, Quality: protocol.QualityGood,
			At: now.Add(time.Duration(i-4) * time.Minute), Value: protocol.Int(int64(10 * (i + 1)))})
	}
	if err := w.store.Append(t.Context(), "box-07", obs); err != nil {
		t.Fatal(err)
	}
	b := w.as("nurse")
	path := "/api/v1/beds/ward-1-bed-07/history" + query(now.Add(-10*time.Minute), now, "&code="+fmt.Sprint(uint32(code)))
	if _, text := b.do("GET", path, nil); !strings.Contains(text, `"unit":"mm[Hg]"`) || strings.Contains(text, ",10,") || strings.Contains(text, ",20,") || !strings.Contains(text, ",30,") {
		t.Error(text)
	}
	var h history
	if b.get(path+"&max_points=2", &h); len(h.Series[0].Buckets) != 0 {
		t.Errorf("buckets that began in kPa are shown as mm[Hg]: %+v", h.Series[0].Buckets)
	}
}

func TestHistoryLimits(t *testing.T) {
	w := newWorld(t)
	b := w.as("nurse")
	now := time.Now().UTC()
	bed := "/api/v1/beds/ward-1-bed-07/history"
	for _, q := range []string{
		query(now.AddDate(0, 0, -32), now, "&sign=heart-rate&max_points=10"),
		query(now, now.Add(-time.Hour), ""),
		query(now.Add(-time.Hour), now, "&sign=heart-rate&code=147842"),
		query(now.Add(-72*time.Hour), now, "&max_points=10"),
		query(now.Add(-72*time.Hour), now, "&sign=heart-rate"),
		query(now.Add(-time.Hour), now, "&max_points=20001"),
		"?from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z",
	} {
		b.problem(422, "GET", bed+q, nil)
	}
	w.numerics("box-07", "m", protocol.HeartRate, now.Add(-20*time.Hour), 40*time.Millisecond, maxRawPoints+1)
	b.problem(422, "GET", bed+query(now.Add(-20*time.Hour), now, ""), nil)
	if resp, _ := b.do("GET", bed+query(now.Add(-20*time.Hour), now, "&max_points=100"), nil); resp.StatusCode != 200 {
		t.Errorf("with max_points: %d", resp.StatusCode)
	}
}

func TestAHistoryThatCannotBeReadIsNeverTakenForWhole(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC()
	w.numerics("box-07", "m", protocol.HeartRate, now.Add(-time.Hour), time.Second, 3000)
	b := w.as("nurse")
	w.store.fail = errors.New("disk gone")
	req, _ := http.NewRequest("GET", b.http.URL+"/api/v1/beds/ward-1-bed-07/history"+query(now.Add(-time.Hour), now, ""), nil)
	resp, err := b.c.Do(req)
	if err != nil {
		return // cut before the answer began
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == 200 {
		t.Errorf("a whole answer: %s", body)
	}
}

func TestASlowReaderGivesItsPlaceBack(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Reviews = 1 })
	w.server.reviewWithin = time.Second
	now := time.Now().UTC()
	w.numerics("box-07", "m", protocol.HeartRate, now.Add(-20*time.Hour), 70*time.Millisecond, 900_000)
	b := w.as("nurse")
	path := "/api/v1/beds/ward-1-bed-07/history" + query(now.Add(-20*time.Hour), now, "")
	req, err := http.NewRequest("GET", b.http.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := b.c.Do(req) // and nobody reads its 25 MB
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	w.server.reviewWithin = time.Minute
	if resp, _ := b.do("GET", "/api/v1/beds/ward-1-bed-08/history", nil); resp.StatusCode != 200 {
		t.Errorf("the next one: %d", resp.StatusCode)
	}
}

func TestHistoryIsCompressedOnlyIfAsked(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC()
	w.numerics("box-07", "m", protocol.HeartRate, now.Add(-time.Hour), time.Second, 3000)
	b := w.as("nurse")
	b.c.Transport = &http.Transport{DisableCompression: true}
	path := "/api/v1/beds/ward-1-bed-07/history" + query(now.Add(-time.Hour), now, "")
	plain, text := b.do("GET", path, nil)
	zipped, raw := b.do("GET", path, nil, "Accept-Encoding", "br, gzip;q=0.8")
	if plain.Header.Get("Content-Encoding") != "" || zipped.Header.Get("Content-Encoding") != "gzip" || len(raw)*3 > len(text) {
		t.Fatalf("%v of %d bytes, %v of %d", plain.Header, len(text), zipped.Header, len(raw))
	}
	z, err := gzip.NewReader(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != text {
		t.Errorf("unpacked it is another text, %v", err)
	}
	if acceptsGzip("gzip;q=0") || acceptsGzip("br") || !acceptsGzip("gzip") {
		t.Error("Accept-Encoding misread")
	}
}

func TestWaves(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC().Truncate(time.Second)
	if err := w.store.Append(t.Context(), "box-07", []protocol.Observation{{Device: "m", Code: protocol.ECGLeadII, Unit: "mV", Kind: protocol.KindSamples, Quality: protocol.QualityGood,
		At: now.Add(-time.Minute), Samples: &protocol.Samples{RateMilliHz: 62_500, Scale: protocol.Dec(5, -3), Raw: []int32{1, protocol.NoSample, -3}}}}); err != nil {
		t.Fatal(err)
	}
	b := w.as("doctor")
	_, text := b.do("GET", "/api/v1/beds/ward-1-bed-07/waves"+query(now.Add(-2*time.Minute), now, "&code=131330"), nil)
	var v Waves
	if err := json.Unmarshal([]byte(text), &v); err != nil || len(v.Blocks) != 1 || !strings.Contains(text, `"rate_hz":62.5,"scale":0.005,"offset":0,"quality":"good","samples":[1,null,-3]`) {
		t.Errorf("%v in %s", err, text)
	}
	if b.get("/api/v1/beds/ward-1-bed-07/waves"+query(now.Add(-2*time.Minute), now, "&code=1"), &v); len(v.Blocks) != 0 {
		t.Errorf("of another code: %+v", v)
	}
	b.problem(422, "GET", "/api/v1/beds/ward-1-bed-07/waves", nil)
	b.problem(422, "GET", "/api/v1/beds/ward-1-bed-07/waves"+query(now.Add(-2*time.Hour), now, ""), nil)
}

func FuzzQueries(f *testing.F) {
	for _, q := range []string{"", "from=2026-01-01T00:00:00Z", "to=x", "max_points=99999999999999999999", "code=-1", "sign=ecg&sign=sleep", "%", "from=9999-12-31T23:59:59.999999999Z", "from=2026-01-01T00:00:00%2B25:00", ";;&&==", "waves=maybe&unit=ward-1%00"} {
		f.Add(q)
	}
	w := newWorld(f)
	b := w.as("nurse")
	f.Fuzz(func(t *testing.T, q string) {
		for _, path := range []string{"/api/v1/beds/ward-1-bed-07/history", "/api/v1/beds/ward-1-bed-07/waves", "/api/v1/alerts", "/api/v1/patients"} {
			req, err := http.NewRequest("GET", b.http.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.URL.RawQuery = strings.Map(func(r rune) rune {
				if r <= ' ' || r == '#' || r == 0x7f {
					return -1
				}
				return r
			}, q)
			resp, err := b.c.Do(req)
			if err != nil {
				t.Fatalf("%s?%q: %v", path, q, err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode >= 500 || !json.Valid(body) {
				t.Fatalf("%s?%q: %d %s, %v", path, q, resp.StatusCode, body, err)
			}
		}
	})
}

// Wherever an answer is cut into pieces, it stays whole JSON.
func TestPiecesMakeOneAnswer(t *testing.T) {
	day := &dayStore{memStore: *newMemStore()}
	s := &Server{Deps: Deps{Series: day}, now: func() time.Time { return t0.Add(24 * time.Hour) }}
	l := line{SeriesInfo: series.SeriesInfo{Key: series.Key{Box: "b", Code: protocol.HeartRate}, Kind: protocol.KindNumeric}, windows: []window{{"b", "bed", t0, t0.Add(24 * time.Hour), t0}}}
	texts := l
	texts.Kind = protocol.KindEnumeration
	for n := range 5200 {
		day.pts = append(day.pts, series.Point{At: t0.Add(time.Duration(n) * time.Second), Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(70), Text: "asleep"})
		if n < 1 || n > 10 && n < 1500 || n > 1600 && n < 2150 || n > 2700 && n < 5150 {
			continue
		}
		for _, one := range []line{l, texts} {
			w := &discardWriter{h: http.Header{}, keep: true}
			out := newOutput(w, &http.Request{Header: http.Header{}}, time.Minute)
			if err := errors.Join(s.writeLine(t.Context(), out, &review{from: t0, to: t0.Add(24 * time.Hour)}, one, &boxCauses{}), out.close()); err != nil {
				t.Fatal(err)
			}
			if !json.Valid(w.all) {
				t.Fatalf("%d points: not JSON: …%s", n+1, w.all[max(0, len(w.all)-300):])
			}
		}
	}
}

// dayStore gives one series of a day at 2 readings a second, as cheaply as a
// store can, so that what is measured is the api.
type dayStore struct {
	memStore
	pts     []series.Point
	buckets []series.Bucket
}

func (d *dayStore) Points(_ context.Context, _ series.Key, _, _ time.Time, yield func(*series.Point) bool) error {
	for i := range d.pts {
		if !yield(&d.pts[i]) {
			break
		}
	}
	return nil
}

func (d *dayStore) Buckets(_ context.Context, _ series.Key, _, _ time.Time, n int) ([]series.Bucket, error) {
	if n == 1 {
		return []series.Bucket{{Count: len(d.pts)}}, nil
	}
	return d.buckets[:min(n, len(d.buckets))], nil
}

func BenchmarkHistory(b *testing.B) {
	day := &dayStore{memStore: *newMemStore()}
	begin := time.Now().UTC().Truncate(time.Second).Add(-24 * time.Hour)
	for i := range 172_800 {
		day.pts = append(day.pts, series.Point{At: begin.Add(time.Duration(i) * 500 * time.Millisecond), Kind: protocol.KindNumeric, Unit: "/min", Quality: protocol.QualityGood, Value: protocol.Int(int64(60 + i%50))})
	}
	for i := range 2000 {
		day.buckets = append(day.buckets, series.Bucket{From: begin.Add(time.Duration(i) * 43200 * time.Millisecond), Min: 61.5, Max: 80.25, Mean: 70.123456789, Count: 86})
	}
	s := &Server{Deps: Deps{Series: day}, now: func() time.Time { return begin.Add(24 * time.Hour) }}
	l := line{SeriesInfo: series.SeriesInfo{Key: series.Key{Box: "box-07", Device: "m", Code: protocol.HeartRate}, Kind: protocol.KindNumeric, Unit: "/min"},
		windows: []window{{"box-07", "bed", begin, begin.Add(24 * time.Hour), begin}}}
	for name, max := range map[string]int{"raw": 0, "buckets": 2000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := &discardWriter{h: http.Header{}}
				out := newOutput(w, &http.Request{Header: http.Header{}}, time.Minute)
				rv := &review{from: begin, to: begin.Add(24 * time.Hour), max: max}
				if err := s.writeLine(b.Context(), out, rv, l, &boxCauses{}); err != nil {
					b.Fatal(err)
				}
				if err := out.close(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(w.n), "bytes/answer")
			}
		})
	}
}

type discardWriter struct {
	h    http.Header
	n    int
	keep bool
	all  []byte
}

func (d *discardWriter) Header() http.Header { return d.h }
func (d *discardWriter) WriteHeader(int)     {}
func (d *discardWriter) Write(b []byte) (int, error) {
	if d.n += len(b); d.keep {
		d.all = append(d.all, b...)
	}
	return len(b), nil
}

// BenchmarkHistoryOfADay asks over HTTP for a day of heart rate out of the
// embedded store: 172,800 readings as points and as buckets.
func BenchmarkHistoryOfADay(b *testing.B) {
	w := newWorld(b)
	cfg := embedded.Default()
	cfg.Dir, cfg.MinFreeBytes = b.TempDir(), 64<<20
	store, err := embedded.Open(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	w.server.Series = store
	now := time.Now().UTC().Truncate(time.Second)
	for i := 0; i < 172_800; i += 3600 {
		obs := make([]protocol.Observation, 3600)
		for j := range obs {
			obs[j] = protocol.Observation{Device: "m", Code: protocol.HeartRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood,
				At: now.Add(-24 * time.Hour).Add(time.Duration(i+j) * 500 * time.Millisecond), Value: protocol.Int(int64(60 + (i+j)%40))}
		}
		if err := store.Append(b.Context(), "box-07", obs); err != nil {
			b.Fatal(err)
		}
	}
	nurse := w.as("nurse")
	for name, more := range map[string]string{"raw": "", "buckets": "&max_points=2000"} {
		b.Run(name, func(b *testing.B) {
			path := "/api/v1/beds/ward-1-bed-07/history" + query(now.Add(-24*time.Hour), now, "&code=147842"+more)
			for b.Loop() {
				req, _ := http.NewRequest("GET", nurse.http.URL+path, nil)
				req.Header.Set("Accept-Encoding", "identity")
				resp, err := nurse.c.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || n < 100_000 {
					b.Fatal(resp.StatusCode, n, err)
				}
				b.ReportMetric(float64(n), "bytes/answer")
			}
		})
	}
}
