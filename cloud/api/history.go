package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/cloud/series"
	"monitorme/protocol"
)

// Limits of a look back.
const (
	maxHistory   = 31 * 24 * time.Hour // of one request
	maxUnsorted  = 48 * time.Hour      // without sign or code, and with gaps to the reading
	maxRawPoints = 1_000_000           // of one answer
	maxBuckets   = 20_000              // max_points
	maxWaves     = time.Hour           // of one request
	seriesBack   = 24 * time.Hour      // how long a silent series is still expected
	eventsBack   = 7 * 24 * time.Hour  // how far before a range a cause may have begun
	reviewWait   = 10 * time.Second    // for a free place
)

// A TimeRange is from and to of a query.
type TimeRange struct {
	From time.Time `query:"from" doc:"Begin, RFC 3339; 24 hours before to if left out."`
	To   time.Time `query:"to" doc:"End, excluded; now if left out."`
}

func (t TimeRange) bounds(now time.Time, limit time.Duration) (from, to time.Time, err error) {
	from, to = t.From.UTC(), t.To.UTC()
	if t.To.IsZero() {
		to = now.UTC()
	}
	if t.From.IsZero() {
		from = to.Add(-min(limit, 24*time.Hour))
	}
	switch {
	case from.Year() < 2000 || to.Year() > 2200:
		err = problemf(http.StatusUnprocessableEntity, "from or to lies outside the years 2000 to 2200. Correct the year.")
	case !from.Before(to):
		err = problemf(http.StatusUnprocessableEntity, "from does not lie before to. Exchange them, or ask for a longer range.")
	case to.Sub(from) > limit:
		err = problemf(http.StatusUnprocessableEntity, "The range is longer than %s. Ask for shorter ranges, one after the other.", human(limit))
	}
	return from.Truncate(time.Microsecond), to.Truncate(time.Microsecond), err
}

func human(d time.Duration) string {
	if d >= 24*time.Hour {
		return strconv.Itoa(int(d/(24*time.Hour))) + " days"
	}
	return d.String()
}

// A HistoryQuery says which history.
type HistoryQuery struct {
	TimeRange
	Sign      string `query:"sign" enum:"heart-rate,blood-pressure,oxygen,blood-sugar,respiration-rate,ecg,temperature,sleep" doc:"Only the series of one vital sign."`
	Code      uint32 `query:"code" doc:"Only the series of one code. Not together with sign."`
	MaxPoints int    `query:"max_points" minimum:"0" maximum:"20000" doc:"A series with more points than this comes as that many buckets. 0: every point, 1,000,000 in all at most."`
}

func (s *Server) routeHistory() {
	const tag = "History"
	says := "Every series with its points [t_ms, value or null, quality] (t_ms is milliseconds since 1970 and may have three decimals) or, if it has more than max_points, " +
		"with buckets; and its gaps with their reasons. 31 days at most; without sign or code 48 hours. Beyond 48 hours gaps are as fine as the buckets. Each look is recorded."
	out := s.streamed("History", History{})
	route(s, op{method: http.MethodGet, path: "/api/v1/beds/{bed}/history", id: "bedHistory", summary: "The history of a bed", action: actHistory, says: says + " Readings belong to who lay there then: see patients.", out: out, errors: []int{404, 422, 503}}, tag,
		func(ctx context.Context, in *struct {
			BedPath
			HistoryQuery
		}) (*huma.StreamResponse, error) {
			return s.bedHistory(ctx, registry.BedID(in.Bed), in.HistoryQuery)
		})
	route(s, op{method: http.MethodGet, path: "/api/v1/patients/{patient}/history", id: "patientHistory", summary: "The history of a patient", action: actHistory, says: says + " Only while the patient lay in a bed, in whichever.", out: out, errors: []int{404, 422, 503}}, tag,
		func(ctx context.Context, in *struct {
			PatientPath
			HistoryQuery
		}) (*huma.StreamResponse, error) {
			return s.patientHistory(ctx, registry.PatientID(in.Patient), in.HistoryQuery)
		})
	route(s, op{method: http.MethodGet, path: "/api/v1/beds/{bed}/waves", id: "bedWaves", summary: "Waveforms of a bed", action: actWaves,
		says: "Sample blocks that overlap the range, one hour at most. A physical value is offset + scale * sample; null is a missing sample. Each look is recorded.", out: s.streamed("Waves", Waves{}), errors: []int{404, 422, 503}}, tag, s.waves)
}

// A window is a stretch in which a box stood at a bed that is asked for.
type window struct {
	box      protocol.BoxID
	bed      registry.BedID
	from, to time.Time
	// since is when the box came there, up to seriesBack before from.
	since time.Time
}

// A review is one look back, ready to be computed.
type review struct {
	bed      registry.BedID        // "" for a patient's
	patient  registry.PatientID    // "" for a bed's
	patients []registry.Assignment // who lay there, cut to the range
	from, to time.Time
	windows  []window
	sign     protocol.Sign
	code     protocol.Code
	max      int
	idle     []gap // where nobody lay in the bed
	absent   []gap // where no box stood
}

func (s *Server) newReview(q HistoryQuery) (*review, error) {
	from, to, err := q.bounds(s.now(), maxHistory)
	switch {
	case err != nil:
		return nil, err
	case q.Sign != "" && q.Code != 0:
		return nil, problemf(http.StatusUnprocessableEntity, "Both sign and code are given. Give one of them.")
	case q.Sign == "" && q.Code == 0 && to.Sub(from) > maxUnsorted:
		return nil, problemf(http.StatusUnprocessableEntity, "Without sign or code the range may be %s at most. Name a sign or a code.", human(maxUnsorted))
	case q.MaxPoints == 0 && to.Sub(from) > maxUnsorted:
		return nil, problemf(http.StatusUnprocessableEntity, "Every point may be asked of %s at most. Give max_points.", human(maxUnsorted))
	}
	return &review{from: from, to: to, sign: protocol.Sign(q.Sign), code: protocol.Code(q.Code), max: q.MaxPoints}, nil
}

func (s *Server) bedHistory(ctx context.Context, bed registry.BedID, q HistoryQuery) (*huma.StreamResponse, error) {
	if _, err := s.bedOf(ctx, bed); err != nil {
		return nil, err
	}
	rv, err := s.newReview(q)
	if err != nil {
		return nil, err
	}
	rv.bed = bed
	if rv.patients, err = s.Registry.PatientsAt(ctx, bed, rv.from, rv.to); err != nil {
		return nil, err
	}
	if err := s.place(ctx, rv, bed, rv.from.Add(-seriesBack), rv.to); err != nil {
		return nil, err
	}
	lay := make([]gap, len(rv.patients))
	for i, a := range rv.patients {
		lay[i] = gap{From: a.From, To: a.To}
	}
	s.look(ctx, actHistory, "bed "+string(bed), patientsOf(rv.patients)...)
	rv.idle = outside(rv.from, rv.to, lay, gapNotMonitored, "nobody lay in the bed")
	return s.reviewed(ctx, rv)
}

func patientsOf(stays []registry.Assignment) []registry.PatientID {
	ids := make([]registry.PatientID, len(stays))
	for i, a := range stays {
		ids[i] = a.Patient
	}
	return ids
}

func (s *Server) patientHistory(ctx context.Context, id registry.PatientID, q HistoryQuery) (*huma.StreamResponse, error) {
	if _, err := s.Registry.Patient(ctx, id); err != nil {
		return nil, err
	}
	if err := s.patientCare(ctx, id); err != nil {
		return nil, err
	}
	rv, err := s.newReview(q)
	if err != nil {
		return nil, err
	}
	rv.patient = id
	stays, err := s.Registry.BedsOf(ctx, id, rv.from.Add(-seriesBack), rv.to)
	if err != nil {
		return nil, err
	}
	for _, a := range stays {
		if !a.To.After(rv.from) {
			continue
		}
		if err := s.place(ctx, rv, a.Bed, a.From, a.To); err != nil {
			return nil, err
		}
		a.From = later(a.From, rv.from)
		rv.patients = append(rv.patients, a)
	}
	s.look(ctx, actHistory, "patient", id)
	return s.reviewed(ctx, rv)
}

// place adds the windows of a bed in [from, to), which may begin before the
// range of the review.
func (s *Server) place(ctx context.Context, rv *review, bed registry.BedID, from, to time.Time) error {
	ps, err := s.Registry.PlacementsAt(ctx, bed, from, to)
	for _, p := range ps {
		if p.To.After(rv.from) {
			rv.windows = append(rv.windows, window{p.Box, bed, later(p.From, rv.from), p.To, p.From})
		}
	}
	return err
}

// reviewed takes a place among those who look back, and streams the answer.
// The data are read while they are written; if reading fails in the middle,
// the connection is cut, so that half a history is never taken for a whole.
func (s *Server) reviewed(ctx context.Context, rv *review) (*huma.StreamResponse, error) {
	stood := make([]gap, len(rv.windows))
	for i, w := range rv.windows {
		stood[i] = gap{From: w.from, To: w.to}
	}
	slices.SortFunc(stood, func(a, b gap) int { return a.From.Compare(b.From) })
	detail := "no box stood at the bed"
	if rv.patient != "" {
		detail = "the patient lay in no bed with a box"
	}
	rv.absent = outside(rv.from, earlier(rv.to, s.now()), stood, gapNotMonitored, detail)

	ctx, cancel := context.WithTimeout(ctx, s.reviewWithin)
	done, err := s.takePlace(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	finish := func() { done(); cancel() }
	list, err := s.seriesOf(ctx, rv)
	if err == nil {
		err = s.checkSize(ctx, rv, list)
	}
	if err != nil {
		finish()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer finish()
		r, w := humago.Unwrap(hc)
		out := newOutput(w, r, s.reviewWithin)
		if err := s.writeHistory(ctx, out, rv, list); err != nil {
			s.cut(ctx, err)
		}
		if err := out.close(); err != nil {
			s.cut(ctx, err)
		}
	}}, nil
}

// cut ends an answer that has begun and cannot be completed.
func (s *Server) cut(ctx context.Context, err error) {
	s.log.Warn("answer cut off", "request", requestID(ctx), "err", err)
	panic(http.ErrAbortHandler)
}

// takePlace waits for the right to compute a look back.
func (s *Server) takePlace(ctx context.Context) (func(), error) {
	select {
	case s.reviews <- struct{}{}:
		return func() { <-s.reviews }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(reviewWait):
		return nil, problemf(http.StatusServiceUnavailable, "Too many histories are being computed. Try again in a few seconds.")
	}
}

// A line is one series of an answer and where it is valid.
type line struct {
	series.SeriesInfo
	bed     registry.BedID // of its first window
	windows []window
}

// seriesOf lists the series that a review is about, by sign, code, device,
// channel and box: also those that fell silent before the range, so that their
// silence is told.
func (s *Server) seriesOf(ctx context.Context, rv *review) ([]line, error) {
	byKey := map[series.Key]*line{}
	for _, w := range rv.windows {
		infos, err := s.Series.Keys(ctx, w.box, w.since, w.to)
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			if !rv.wants(info) {
				continue
			}
			l := byKey[info.Key]
			if l == nil {
				l = &line{SeriesInfo: info, bed: w.bed}
				byKey[info.Key] = l
			}
			l.windows = append(l.windows, w)
		}
	}
	lines := make([]line, 0, len(byKey))
	for _, l := range byKey {
		slices.SortFunc(l.windows, func(a, b window) int { return a.from.Compare(b.from) })
		lines = append(lines, *l)
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(signOrder(a.Code), signOrder(b.Code)), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Device, b.Device),
			cmp.Compare(a.Channel, b.Channel), a.windows[0].from.Compare(b.windows[0].from), cmp.Compare(a.Box, b.Box))
	})
	return lines, nil
}

func (rv *review) wants(info series.SeriesInfo) bool {
	if info.Kind == protocol.KindSamples {
		return false
	}
	if rv.code != 0 {
		return info.Code == rv.code
	}
	term, _ := protocol.Lookup(info.Code)
	return rv.sign == "" || term.Sign == rv.sign
}

func signOrder(c protocol.Code) int {
	term, _ := protocol.Lookup(c)
	if i := slices.Index(protocol.Signs, term.Sign); i >= 0 {
		return i
	}
	return len(protocol.Signs)
}

// checkSize refuses an answer of too many points before it begins.
func (s *Server) checkSize(ctx context.Context, rv *review, lines []line) error {
	if rv.max > 0 {
		return nil
	}
	total := 0
	for _, l := range lines {
		if l.Kind != protocol.KindNumeric {
			continue
		}
		for _, w := range l.windows {
			b, err := s.Series.Buckets(ctx, l.Key, w.from, w.to, 1)
			if err != nil {
				return err
			}
			for _, one := range b {
				total += one.Count + one.Bad
			}
		}
	}
	if total > maxRawPoints {
		return problemf(http.StatusUnprocessableEntity, "The answer would have %d points, and may have %d. Give max_points, a sign or code, or a shorter range.", total, maxRawPoints)
	}
	return nil
}

func appendMillis(b []byte, t time.Time) []byte {
	us := t.UnixMicro()
	b = strconv.AppendInt(b, us/1000, 10)
	if frac := us % 1000; frac != 0 {
		b = append(b, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	}
	return b
}

func appendGaps(b []byte, gaps []gap) []byte {
	b = append(b, `"gaps":[`...)
	for i, g := range gaps {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"from":`...)
		b = live.AppendTime(b, g.From)
		b = append(b, `,"to":`...)
		b = live.AppendTime(b, g.To)
		b = append(b, `,"reason":"`...)
		b = append(b, g.Reason...)
		b = append(b, `","detail":`...)
		b = live.AppendString(b, g.Detail)
		b = append(b, '}')
	}
	return append(b, ']')
}
