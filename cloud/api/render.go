package api

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"monitorme/cloud/live"
	"monitorme/cloud/series"
	"monitorme/protocol"
)

// writeHistory writes a review as JSON, by hand: a patient-day has 172,800
// points of heart rate alone.
func (s *Server) writeHistory(ctx context.Context, out *output, rv *review, lines []line) error {
	b := out.buf
	b = append(b, `{"bed":`...)
	b = appendOptional(b, string(rv.bed))
	b = append(b, `,"patient":`...)
	b = appendOptional(b, string(rv.patient))
	b = append(b, `,"from":`...)
	b = live.AppendTime(b, rv.from)
	b = append(b, `,"to":`...)
	b = live.AppendTime(b, rv.to)
	b = append(b, `,"patients":[`...)
	for i, a := range rv.patients {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"patient":`...)
		b = live.AppendString(b, string(a.Patient))
		b = append(b, `,"bed":`...)
		b = live.AppendString(b, string(a.Bed))
		b = append(b, `,"from":`...)
		b = live.AppendTime(b, a.From)
		b = append(b, `,"to":`...)
		b = live.AppendTime(b, a.To)
		b = append(b, '}')
	}
	out.buf = append(b, `],"series":[`...)
	causes := map[protocol.BoxID]*boxCauses{}
	for i, l := range lines {
		if causes[l.Box] == nil {
			c, err := s.causes(ctx, rv, l.Box)
			if err != nil {
				return err
			}
			causes[l.Box] = c
		}
		if i > 0 {
			out.buf = append(out.buf, ',')
		}
		if err := s.writeLine(ctx, out, rv, l, causes[l.Box]); err != nil {
			return err
		}
	}
	out.buf = append(out.buf, `],`...)
	out.buf = appendGaps(out.buf, rv.absent)
	out.buf = append(out.buf, "}\n"...)
	return nil
}

func appendOptional(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return live.AppendString(b, s)
}

func appendHead(b []byte, l line) []byte {
	term, _ := protocol.Lookup(l.Code)
	b = append(b, `{"box":`...)
	b = live.AppendString(b, string(l.Box))
	b = append(b, `,"bed":`...)
	b = live.AppendString(b, string(l.bed))
	b = append(b, `,"device":`...)
	b = live.AppendString(b, string(l.Device))
	b = append(b, `,"channel":`...)
	b = live.AppendString(b, l.Channel)
	b = append(b, `,"code":`...)
	b = strconv.AppendUint(b, uint64(l.Code), 10)
	b = append(b, `,"ref_id":`...)
	b = live.AppendString(b, term.RefID)
	b = append(b, `,"label":`...)
	b = live.AppendString(b, term.Label)
	b = append(b, `,"sign":`...)
	b = live.AppendString(b, string(term.Sign))
	b = append(b, `,"unit":`...)
	b = live.AppendString(b, string(l.Unit))
	b = append(b, `,"places":`...)
	b = strconv.AppendInt(b, int64(term.Places), 10)
	b = append(b, `,"kind":"`...)
	b = append(b, kindName(l.Kind)...)
	return append(b, `",`...)
}

func (s *Server) writeLine(ctx context.Context, out *output, rv *review, l line, causes *boxCauses) error {
	out.buf = appendHead(out.buf, l)
	if l.Kind == protocol.KindEvent {
		if err := s.writeTexts(ctx, out, l, nil); err != nil {
			return err
		}
		out.buf = append(out.buf, `,"gaps":[]}`...)
		return nil
	}
	g := &gapFinder{}
	var err error
	if g.threshold, err = s.threshold(ctx, l); err != nil {
		return err
	}
	switch {
	case l.Kind != protocol.KindNumeric:
		err = s.writeTexts(ctx, out, l, g)
	case rv.to.Sub(rv.from) > maxUnsorted:
		err = s.writeLong(ctx, out, rv, l, g)
	default:
		err = s.writePoints(ctx, out, rv, l, g)
	}
	if err != nil {
		return err
	}
	why := slices.Concat(causes.explain(l.Device, g.holes, s.now()), rv.idle)
	gaps := slices.Concat(g.explain(why), rv.absent)
	slices.SortFunc(gaps, func(a, b gap) int { return a.From.Compare(b.From) })
	out.buf = append(out.buf, ',')
	out.buf = appendGaps(out.buf, gaps)
	out.buf = append(out.buf, '}')
	return out.flush(64 << 10)
}

// threshold is how long a series may be silent: as its term says, else three
// times the usual interval of its first readings, else 0, no expectation.
func (s *Server) threshold(ctx context.Context, l line) (time.Duration, error) {
	term, _ := protocol.Lookup(l.Code)
	if term.StaleAfter > 0 {
		return term.StaleAfter, nil
	}
	var intervals []time.Duration
	var last time.Time
	err := s.Series.Points(ctx, l.Key, l.windows[0].from, l.windows[0].to, func(p *series.Point) bool {
		if !last.IsZero() {
			intervals = append(intervals, p.At.Sub(last))
		}
		last = p.At
		return len(intervals) < 255
	})
	if err != nil || len(intervals) < 3 {
		return 0, err
	}
	slices.Sort(intervals)
	return 3 * intervals[len(intervals)/2], nil
}

// writePoints writes every point (one in another unit than the series has now,
// because the device changed it, without its number), or if there are more
// than rv.max the buckets instead; the gaps are found from every point in any
// case.
func (s *Server) writePoints(ctx context.Context, out *output, rv *review, l line, g *gapFinder) error {
	start, n := len(out.buf), 0
	out.buf = append(out.buf, `"points":[`...)
	var failed error
	for _, w := range l.windows {
		g.begin(w.from)
		err := s.Series.Points(ctx, l.Key, w.from, w.to, func(p *series.Point) bool {
			alike := p.Kind == protocol.KindNumeric && p.Unit == l.Unit
			if alike {
				g.reading(p.At, whyNoNumber(p.Quality))
			} else {
				g.reading(p.At, gapInvalid) // no number of this series, whatever it is
			}
			if n++; rv.max > 0 && n > rv.max {
				return true
			}
			if n > 1 {
				out.buf = append(out.buf, ',')
			}
			out.buf = appendPoint(out.buf, p, alike)
			if rv.max == 0 { // else it may turn out that buckets are wanted
				failed = out.flush(64 << 10)
			}
			return failed == nil
		})
		if err = firstError(failed, err); err != nil {
			return err
		}
		g.end(earlier(w.to, s.now()))
	}
	if rv.max > 0 && n > rv.max {
		out.buf = out.buf[:start]
		return s.writeBuckets(ctx, out, rv, l, func(series.Bucket, time.Duration) {}, func(window) {}, func(window) {})
	}
	out.buf = append(out.buf, ']')
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func appendPoint(b []byte, p *series.Point, alike bool) []byte {
	b = append(b, '[')
	b = appendMillis(b, p.At)
	b = append(b, ',')
	if alike && p.Quality.HasNumber() && p.Value.Valid {
		b = p.Value.Append(b)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"`...)
	b = append(b, p.Quality.String()...)
	return append(b, `"]`...)
}

// writeBuckets writes buckets, as many for each window as its share of the
// time; each is shown to seen with its width.
func (s *Server) writeBuckets(ctx context.Context, out *output, rv *review, l line, seen func(series.Bucket, time.Duration), begin, end func(window)) error {
	var total time.Duration
	for _, w := range l.windows {
		total += w.to.Sub(w.from)
	}
	out.buf = append(out.buf, `"buckets":[`...)
	first := true
	for _, w := range l.windows {
		if alike, err := s.sameUnit(ctx, l, w); err != nil {
			return err
		} else if !alike {
			begin(w)
			end(w)
			continue
		}
		n := max(1, int(float64(rv.max)*float64(w.to.Sub(w.from))/float64(total)))
		buckets, err := s.Series.Buckets(ctx, l.Key, w.from, w.to, n)
		if err != nil {
			return err
		}
		begin(w)
		for _, b := range buckets {
			if !first {
				out.buf = append(out.buf, ',')
			}
			first = false
			out.buf = appendBucket(out.buf, b)
			seen(b, w.to.Sub(w.from)/time.Duration(n))
		}
		end(w)
	}
	out.buf = append(out.buf, ']')
	return nil
}

// sameUnit reports whether buckets of the window are in the unit of the series:
// they are in that of its first number.
func (s *Server) sameUnit(ctx context.Context, l line, w window) (bool, error) {
	same := true
	err := s.Series.Points(ctx, l.Key, w.from, w.to, func(p *series.Point) bool {
		if p.Kind != protocol.KindNumeric || !p.Quality.HasNumber() {
			return true
		}
		same = p.Unit == l.Unit
		return false
	})
	return same, err
}

func appendBucket(b []byte, k series.Bucket) []byte {
	b = append(b, `{"t":`...)
	b = appendMillis(b, k.From)
	if k.Count == 0 {
		b = append(b, `,"min":null,"max":null,"mean":null`...)
	} else {
		b = append(b, `,"min":`...)
		b = appendFloat(b, k.Min)
		b = append(b, `,"max":`...)
		b = appendFloat(b, k.Max)
		b = append(b, `,"mean":`...)
		b = appendFloat(b, k.Mean)
	}
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, int64(k.Count), 10)
	b = append(b, `,"bad":`...)
	b = strconv.AppendInt(b, int64(k.Bad), 10)
	return append(b, '}')
}

func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, math.Round(f*1e6)/1e6, 'f', -1, 64)
}

// writeLong writes the buckets of more than 48 hours, and finds the gaps from
// them: reading every point of a month would take too long.
func (s *Server) writeLong(ctx context.Context, out *output, rv *review, l line, g *gapFinder) error {
	threshold := g.threshold
	var failed error
	asked := 0
	err := s.writeBuckets(ctx, out, rv, l, func(b series.Bucket, width time.Duration) {
		g.threshold = max(threshold, width*3/2)
		reason := ""
		if b.Count == 0 {
			reason = gapUnknown
			// The first reading tells why; of a long row of bad buckets only some are asked.
			if asked++; asked <= 200 {
				failed = firstError(failed, s.Series.Points(ctx, l.Key, b.From, b.From.Add(width), func(p *series.Point) bool {
					reason = whyNoNumber(p.Quality)
					return false
				}))
			}
		}
		g.reading(b.From, reason)
		if reason == "" {
			g.last = b.From.Add(width) // numbers up to its end, as far as a bucket tells
		}
	}, func(w window) { g.begin(w.from) }, func(w window) { g.end(earlier(w.to, s.now())) })
	return firstError(err, failed)
}

// writeTexts writes words or events; g may be nil.
func (s *Server) writeTexts(ctx context.Context, out *output, l line, g *gapFinder) error {
	out.buf = append(out.buf, `"texts":[`...)
	n := 0
	var failed error
	for _, w := range l.windows {
		if g != nil {
			g.begin(w.from)
		}
		err := s.Series.Points(ctx, l.Key, w.from, w.to, func(p *series.Point) bool {
			if g != nil {
				g.reading(p.At, whyNoText(p))
			}
			if n++; n > 1 {
				out.buf = append(out.buf, ',')
			}
			out.buf = appendText(out.buf, p)
			failed = out.flush(64 << 10)
			return failed == nil
		})
		if err = firstError(failed, err); err != nil {
			return err
		}
		if g != nil {
			g.end(earlier(w.to, s.now()))
		}
	}
	out.buf = append(out.buf, ']')
	return nil
}

func whyNoText(p *series.Point) string {
	if p.Text != "" && p.Quality == protocol.QualityUnknown {
		return ""
	}
	return whyNoNumber(p.Quality)
}

func appendText(b []byte, p *series.Point) []byte {
	b = append(b, `{"t":`...)
	b = appendMillis(b, p.At)
	text := p.Text
	if p.Event != nil {
		text = p.Event.Text
	}
	b = append(b, `,"text":`...)
	b = live.AppendString(b, text)
	if p.Event != nil {
		b = append(b, `,"phase":"`...)
		b = append(b, phaseName(p.Event.Phase)...)
		b = append(b, '"')
	}
	return append(b, '}')
}

func phaseName(p protocol.Phase) string {
	switch p {
	case protocol.PhaseStart:
		return "start"
	case protocol.PhaseContinue:
		return "continue"
	case protocol.PhaseEnd:
		return "end"
	case protocol.PhaseOnce:
		return "once"
	}
	return "unknown"
}
