package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/klauspost/compress/gzip"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
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
// because the device changed it, without its number), or if there are more than rv.max the
// buckets instead; the gaps are found from every point in any case.
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
			out.buf = appendPoint(out.buf, p, alike)
			if rv.max == 0 && len(out.buf) > 64<<10 {
				failed = out.flush(0)
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
	out.buf = append(trimComma(out.buf), ']')
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

func trimComma(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == ',' {
		return b[:n-1]
	}
	return b
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
	return append(b, `"],`...)
}

// writeBuckets writes buckets, as many for each window as its share of the
// time; each is shown to seen with its width.
func (s *Server) writeBuckets(ctx context.Context, out *output, rv *review, l line, seen func(series.Bucket, time.Duration), begin, end func(window)) error {
	var total time.Duration
	for _, w := range l.windows {
		total += w.to.Sub(w.from)
	}
	out.buf = append(out.buf, `"buckets":[`...)
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
			out.buf = appendBucket(out.buf, b)
			seen(b, w.to.Sub(w.from)/time.Duration(n))
		}
		end(w)
	}
	out.buf = append(trimComma(out.buf), ']')
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
	return append(b, `},`...)
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
	for _, w := range l.windows {
		if g != nil {
			g.begin(w.from)
		}
		err := s.Series.Points(ctx, l.Key, w.from, w.to, func(p *series.Point) bool {
			if g != nil {
				g.reading(p.At, whyNoText(p))
			}
			out.buf = appendText(out.buf, p)
			n++
			return n < maxRawPoints
		})
		if err != nil {
			return err
		}
		if g != nil {
			g.end(earlier(w.to, s.now()))
		}
	}
	out.buf = append(trimComma(out.buf), ']')
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
	return append(b, `},`...)
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

// An output collects an answer and sends it in pieces, compressed if it is
// long and the client asked for it.
type output struct {
	buf []byte
	w   http.ResponseWriter
	zip *gzip.Writer
	ask bool
}

// gzipFrom is from which size an answer is compressed.
const gzipFrom = 16 << 10

var (
	buffers = sync.Pool{New: func() any { b := make([]byte, 0, 96<<10); return &b }}
	zippers = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return z }}
)

// newOutput begins an answer that must be taken within a time: a slow reader
// holds a place of those who look back.
func newOutput(w http.ResponseWriter, r *http.Request, within time.Duration) *output {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within)) // where the connection can
	w.Header().Set("Content-Type", "application/json")
	w.Header().Add("Vary", "Accept-Encoding")
	return &output{buf: (*buffers.Get().(*[]byte))[:0], w: w, ask: acceptsGzip(r.Header.Get("Accept-Encoding"))}
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			f, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && f > 0
		}
	}
	return false
}

// flush sends what is collected if it is more than least bytes.
func (o *output) flush(least int) error {
	if len(o.buf) <= least {
		return nil
	}
	if o.ask && o.zip == nil && len(o.buf) >= gzipFrom {
		o.w.Header().Set("Content-Encoding", "gzip")
		o.zip = zippers.Get().(*gzip.Writer)
		o.zip.Reset(o.w)
	}
	o.ask = false // decided with the first bytes
	var err error
	if o.zip != nil {
		_, err = o.zip.Write(o.buf)
	} else {
		_, err = o.w.Write(o.buf)
	}
	o.buf = o.buf[:0]
	return err
}

// close sends the rest, and lets the connection live on.
func (o *output) close() error {
	err := o.flush(0)
	if o.zip != nil {
		err = firstError(err, o.zip.Close())
		zippers.Put(o.zip)
	}
	rc := http.NewResponseController(o.w)
	if flushed := rc.Flush(); !errors.Is(flushed, http.ErrNotSupported) {
		err = firstError(err, flushed)
	}
	rc.SetWriteDeadline(time.Time{})
	if cap(o.buf) <= 1<<20 {
		buffers.Put(&o.buf)
	}
	return err
}

// History is what writeHistory writes, for the OpenAPI description; so are the
// types below.
type History struct {
	Bed      *registry.BedID     `json:"bed" nullable:"true"`
	Patient  *registry.PatientID `json:"patient" nullable:"true"`
	From     time.Time           `json:"from"`
	To       time.Time           `json:"to"`
	Patients []Stay              `json:"patients" doc:"Who lay where in the range."`
	Series   []Series            `json:"series"`
	Gaps     []Gap               `json:"gaps" doc:"Where nothing was monitored at all."`
}

// A Stay says who lay where, cut to the range.
type Stay struct {
	Patient registry.PatientID `json:"patient"`
	Bed     registry.BedID     `json:"bed"`
	From    time.Time          `json:"from"`
	To      time.Time          `json:"to"`
}

// A Series is one series of a history.
type Series struct {
	Box     protocol.BoxID    `json:"box"`
	Bed     registry.BedID    `json:"bed"`
	Device  protocol.DeviceID `json:"device"`
	Channel string            `json:"channel"`
	Code    protocol.Code     `json:"code"`
	RefID   string            `json:"ref_id"`
	Label   string            `json:"label"`
	Sign    protocol.Sign     `json:"sign"`
	Unit    string            `json:"unit"`
	Places  int               `json:"places"`
	Kind    string            `json:"kind" enum:"numeric,enumeration,event,unknown"`
	Points  []Point           `json:"points,omitempty" doc:"[milliseconds since 1970, value or null, quality]"`
	Buckets []Bucket          `json:"buckets,omitempty" doc:"Instead of points where there are more than max_points; those without readings are left out."`
	Texts   []TextPoint       `json:"texts,omitempty" doc:"Words of an enumeration, or events."`
	Gaps    []Gap             `json:"gaps"`
}

// A Point is [milliseconds since 1970, value or null, quality].
type Point struct{}

// Schema is that of a point.
func (Point) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, MinItems: new(3), MaxItems: new(3), Items: &huma.Schema{}}
}

// A Bucket summarises the readings of one stretch of time.
type Bucket struct {
	T     float64  `json:"t" doc:"Begin, milliseconds since 1970."`
	Min   *float64 `json:"min" nullable:"true"`
	Max   *float64 `json:"max" nullable:"true"`
	Mean  *float64 `json:"mean" nullable:"true"`
	Count int      `json:"count" doc:"Readings with a number."`
	Bad   int      `json:"bad" doc:"Readings without."`
}

// A TextPoint is a word of an enumeration, or an event.
type TextPoint struct {
	T     float64 `json:"t" doc:"Milliseconds since 1970."`
	Text  string  `json:"text"`
	Phase string  `json:"phase,omitempty" enum:"start,continue,end,once,unknown" doc:"Of an event."`
}

// A Gap is a stretch without numbers, and why.
type Gap struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason" enum:"sensor-off,invalid,calibrating,device-lost,box-offline,dropped,pending,not-monitored,unknown"`
	Detail string    `json:"detail"`
}

// streamed describes an answer that is written by hand.
func (s *Server) streamed(name string, doc any) *huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(doc), true, name)
	return &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
}
