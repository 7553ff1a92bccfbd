package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/protocol"
)

func (s *Server) routeStream() {
	out := &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"text/event-stream": {
		Schema:  &huma.Schema{Type: huma.TypeString, Description: "Server-sent events."},
		Example: "event: tick\ndata: {\"server_time\":\"2026-03-01T12:00:00.000Z\",\"alerting\":{\"ok\":true,\"detail\":\"\"}}\n\n",
	}}}
	route(s, op{method: http.MethodGet, path: "/api/v1/stream", id: "stream", summary: "Watch a unit live", action: actStream, quiet: true, out: out, errors: []int{404, 422, 503},
		says: "Server-sent events. First always `snapshot` {server_time, unit, beds: [Latest]}; then `values` {bed, received, values}, `wave` (with waves=true), `alert`, `box` {bed, box, online, last_contact, devices}, " +
			"`beds` {beds} when a placement or patient changes, and every second `tick` {server_time, alerting: {ok, detail}}: a screen that misses three must say so, loudly. " +
			"`end` {detail} comes before the stream ends because the session is over. A screen too slow to keep up is disconnected; it comes back and gets a snapshot. Opening is recorded. An open stream keeps only a station's session alive."}, "Now", s.stream)
}

type streamInput struct {
	Unit  string `query:"unit" required:"true" minLength:"1" maxLength:"64"`
	Waves bool   `query:"waves" doc:"Send waveforms too."`
}

func (s *Server) stream(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
	u, err := s.unitOf(ctx, protocol.UnitID(in.Unit))
	if err != nil {
		return nil, err
	}
	select {
	case s.streams <- struct{}{}:
	default:
		return nil, problemf(http.StatusServiceUnavailable, "As many screens are connected as allowed (%d). Close one, or raise api.max_streams.", s.cfg.MaxStreams)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer func() { <-s.streams }()
		s.metrics.streams.Inc()
		defer s.metrics.streams.Dec()
		_, w := humago.Unwrap(hc)
		sc := &screen{Server: s, ctx: ctx, w: w, rc: http.NewResponseController(w), who: who(ctx), unit: u.ID, shown: map[registry.PatientID]bool{}}
		err := sc.run(in.Waves)
		if errors.Is(err, live.ErrSlow) || isTimeout(err) {
			s.metrics.slow.Inc()
			s.log.Warn("slow screen disconnected", "request", requestID(ctx), "unit", in.Unit, "user", sc.who.Name)
		}
		if err != nil && ctx.Err() == nil {
			panic(http.ErrAbortHandler) // nothing more can be said on this connection
		}
	}}, nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// A screen is one open stream.
type screen struct {
	*Server
	ctx   context.Context
	w     http.ResponseWriter
	rc    *http.ResponseController
	who   *principal
	unit  protocol.UnitID
	buf   []byte
	shown map[registry.PatientID]bool // whose data were sent, so that each is recorded once
}

// sendAtMost is how much is gathered before it is sent.
const sendAtMost = 64 << 10

// run serves the screen until it goes, falls behind or its session ends. It
// returns nil if the stream ended in order.
func (sc *screen) run(waves bool) error {
	sub := sc.Hub.Subscribe(sc.unit, waves, sc.cfg.StreamBuffer) // before the snapshot: nothing falls between
	defer sub.Close()
	h := sc.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
	if err := sc.snapshot(); err != nil {
		return err
	}
	tick, recheck := time.NewTicker(sc.tickEvery), time.NewTicker(sc.recheckEvery)
	defer tick.Stop()
	defer recheck.Stop()
	for {
		select {
		case <-sc.ctx.Done():
			return nil
		case e, ok := <-sub.C:
			if !ok {
				return live.ErrSlow
			}
			sc.add(e)
			if !sc.gather(sub.C) {
				return live.ErrSlow
			}
		case <-tick.C:
			sc.tick()
		case <-recheck.C:
			if over := sc.recheck(); over != "" {
				sc.event(0, "end", mustJSON(struct {
					Detail string `json:"detail"`
				}{over}))
				return sc.send()
			}
		}
		if err := sc.send(); err != nil {
			return err
		}
	}
}

// gather adds what else waits already, so that a burst is one write.
func (sc *screen) gather(c <-chan live.Event) bool {
	for len(sc.buf) < sendAtMost {
		select {
		case e, ok := <-c:
			if !ok {
				return false
			}
			sc.add(e)
		default:
			return true
		}
	}
	return true
}

func (sc *screen) add(e live.Event) {
	if e.Type == "beds" {
		sc.recordLooks()
	}
	sc.event(e.ID, e.Type, e.Data)
}

// recordLooks records the look at each patient who is shown for the first time.
func (sc *screen) recordLooks() {
	var fresh []registry.PatientID
	for _, p := range patientsIn(sc.Registry.Current(), sc.unit) {
		if !sc.shown[p] {
			sc.shown[p] = true
			fresh = append(fresh, p)
		}
	}
	sc.look(sc.ctx, actStream, "unit "+string(sc.unit), fresh...)
}

func (sc *screen) snapshot() error {
	sc.recordLooks()
	sc.buf = append(sc.buf, "retry: 1000\n\n"...)
	sc.event(0, "snapshot", mustJSON(sc.unitLatest(sc.ctx, sc.unit)))
	sc.tick()
	return sc.send()
}

func (sc *screen) tick() {
	ok, detail := sc.Alerts.Health()
	b := append(make([]byte, 0, 128), `{"server_time":`...)
	b = live.AppendTime(b, sc.now())
	b = append(b, `,"alerting":{"ok":`...)
	b = strconv.AppendBool(b, ok)
	b = append(b, `,"detail":`...)
	b = live.AppendString(b, detail)
	sc.event(0, "tick", append(b, "}}"...))
}

// recheck tells why the stream must end, "" if it may go on. A registry that
// cannot be asked ends nothing: a screen must not go dark for that.
func (sc *screen) recheck() string {
	ok, err := sc.stillValid(sc.ctx, sc.who)
	switch {
	case err != nil:
		sc.log.Warn("session of a stream not checked", "request", requestID(sc.ctx), "err", err)
		return ""
	case !ok:
		return "The session is over. Sign in again."
	}
	if sc.who.station {
		if err := sc.Registry.TouchSession(sc.ctx, sc.who.tokenHash); err != nil {
			sc.log.Warn("session not touched", "request", requestID(sc.ctx), "err", err)
		}
	}
	return ""
}

// event adds one event to what is sent next. data is JSON without line breaks.
func (sc *screen) event(id uint64, kind string, data []byte) {
	if id != 0 {
		sc.buf = append(sc.buf, "id: "...)
		sc.buf = strconv.AppendUint(sc.buf, id, 10)
		sc.buf = append(sc.buf, '\n')
	}
	sc.buf = append(sc.buf, "event: "...)
	sc.buf = append(sc.buf, kind...)
	sc.buf = append(sc.buf, "\ndata: "...)
	sc.buf = append(sc.buf, data...)
	sc.buf = append(sc.buf, "\n\n"...)
}

// send writes and flushes what was gathered, within a bounded time.
func (sc *screen) send() error {
	if len(sc.buf) == 0 {
		return nil
	}
	if err := sc.rc.SetWriteDeadline(time.Now().Add(sc.writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_, err := sc.w.Write(sc.buf)
	sc.buf = sc.buf[:0]
	if cap(sc.buf) > 4*sendAtMost { // a large snapshot need not be kept for the whole shift
		sc.buf = nil
	}
	return firstError(err, sc.rc.Flush())
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data of ours
	}
	return b
}
