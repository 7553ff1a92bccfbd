package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"monitorme/cloud/live"
	"monitorme/protocol"
)

// PathPrefix is where Handler's paths begin.
const PathPrefix = "/internal/v1/alert/"

const (
	maxCall       = 1 << 20
	streamBuffer  = 4096
	streamBeat    = 2 * time.Second // an empty line, so that both sides see a dead link
	streamTimeout = 5 * time.Second // for one write
)

// call is the body of the calls other than observe; each uses what it needs.
type call struct {
	Box    protocol.BoxID     `json:"box,omitzero"`
	At     time.Time          `json:"at,omitzero"`
	ID     string             `json:"id,omitzero"`
	User   string             `json:"user,omitzero"`
	Age    int                `json:"age,omitzero"`
	Boxes  []protocol.BoxID   `json:"boxes,omitzero"`
	State  *protocol.BoxState `json:"state,omitzero"`
	Filter Filter             `json:"filter,omitzero"`
	From   time.Time          `json:"from,omitzero"`
	To     time.Time          `json:"to,omitzero"`
}

type liveness struct {
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Handler serves the engine to the other processes of a split deployment, for
// Client. It checks no credentials: the internal listener must have done so.
//
// POST observe takes an encoded batch, with unit, lane and received (µs) in the
// query; POST of the other names a JSON object; GET stream gives one Record as
// JSON per line, and an empty line every 2 s.
func (e *Engine) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathPrefix+"observe", e.serveObserve)
	mux.HandleFunc("GET "+PathPrefix+"stream", e.serveStream)
	serve := func(name string, fn func(context.Context, *call) (any, error)) {
		mux.HandleFunc("POST "+PathPrefix+name, func(w http.ResponseWriter, req *http.Request) {
			var c call
			if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxCall)).Decode(&c); err != nil {
				http.Error(w, "body of "+name+": "+err.Error(), http.StatusUnprocessableEntity)
				return
			}
			out, err := fn(req.Context(), &c)
			reply(w, out, err)
		})
	}
	serve("contact", func(_ context.Context, c *call) (any, error) { e.BoxContact(c.Box, c.At); return nil, nil })
	serve("state", func(_ context.Context, c *call) (any, error) {
		if c.State == nil {
			return nil, fmt.Errorf("%w: state: missing", ErrInvalid)
		}
		e.BoxState(*c.State, c.At)
		return nil, nil
	})
	serve("expect", func(ctx context.Context, c *call) (any, error) { return nil, e.Expect(ctx, c.Boxes, c.At) })
	serve("stop", func(ctx context.Context, c *call) (any, error) { return nil, e.Stop(ctx, c.Box, c.User, c.At) })
	serve("patient", func(ctx context.Context, c *call) (any, error) { return nil, e.Patient(ctx, c.Box, c.Age) })
	serve("active", func(ctx context.Context, c *call) (any, error) { return e.Active(ctx, c.Filter) })
	serve("history", func(ctx context.Context, c *call) (any, error) { return e.History(ctx, c.Filter, c.From, c.To) })
	serve("get", func(ctx context.Context, c *call) (any, error) { return e.Get(ctx, c.ID) })
	serve("acknowledge", func(ctx context.Context, c *call) (any, error) { return e.Acknowledge(ctx, c.ID, c.User, c.At) })
	serve("alive", func(context.Context, *call) (any, error) {
		ok, detail := e.Alive()
		return liveness{ok, detail}, nil
	})
	return mux
}

// reply answers with JSON. No answer is one that a client tries again, but a
// failure of the log.
func reply(w http.ResponseWriter, out any, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, ErrInvalid):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(out) // the caller is gone if this fails
	}
}

func (e *Engine) serveObserve(w http.ResponseWriter, req *http.Request) {
	q := req.URL.Query()
	us, err := strconv.ParseInt(q.Get("received"), 10, 64)
	if err != nil {
		http.Error(w, fmt.Sprintf("received %q: want µs since 1970", q.Get("received")), http.StatusUnprocessableEntity)
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 2*protocol.MaxMessageBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	b, err := protocol.DecodeBatch(payload)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	e.Observe(live.Delivery{Unit: protocol.UnitID(q.Get("unit")), Lane: protocol.Lane(q.Get("lane")),
		Received: time.UnixMicro(us).UTC(), Batch: *b})
	reply(w, nil, nil)
}

func (e *Engine) serveStream(w http.ResponseWriter, req *http.Request) {
	sub := e.Subscribe(streamBuffer)
	defer sub.Close()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	send := func(write func() error) bool {
		// A writer without deadlines is one of a test.
		_ = out.SetWriteDeadline(time.Now().Add(streamTimeout))
		return write() == nil && out.Flush() == nil
	}
	line := func() error { _, err := io.WriteString(w, "\n"); return err }
	if !send(line) {
		return
	}
	for {
		select {
		case r, ok := <-sub.C:
			if !ok || !send(func() error { return enc.Encode(&r) }) {
				return
			}
		case <-beat.C:
			if !send(line) {
				return
			}
		case <-req.Context().Done():
			return
		}
	}
}

// observeURL is where a delivery is posted.
func observeURL(base string, d *live.Delivery) string {
	return base + PathPrefix + "observe?" + url.Values{"unit": {string(d.Unit)}, "lane": {string(d.Lane)},
		"received": {strconv.FormatInt(d.Received.UnixMicro(), 10)}}.Encode()
}
