package series

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"monitorme/protocol"
)

// Handler serves a Store to the other processes of a split deployment, below
// /internal/v1/series/. It trusts its callers: who may call is checked before
// it.
func Handler(store Store) http.Handler {
	h := handler{store}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathPrefix+"append", h.append)
	mux.HandleFunc("GET "+pathPrefix+"keys", h.keys)
	mux.HandleFunc("GET "+pathPrefix+"points", h.points)
	mux.HandleFunc("GET "+pathPrefix+"buckets", h.buckets)
	mux.HandleFunc("GET "+pathPrefix+"blocks", h.blocks)
	return mux
}

type handler struct{ store Store }

func (h handler) append(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAppend))
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	obs, err := decodeObservations(body)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if err := h.store.Append(r.Context(), protocol.BoxID(r.URL.Query().Get("box")), obs); err != nil {
		failStore(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h handler) keys(w http.ResponseWriter, r *http.Request) {
	q := query{Values: r.URL.Query()}
	box, from, to := protocol.BoxID(q.Get("box")), q.micros("from"), q.micros("to")
	if q.err != nil {
		fail(w, http.StatusBadRequest, q.err)
		return
	}
	infos, err := h.store.Keys(r.Context(), box, from, to)
	answer(w, infos, err)
}

func (h handler) buckets(w http.ResponseWriter, r *http.Request) {
	q := query{Values: r.URL.Query()}
	k, from, to, most := q.key(), q.micros("from"), q.micros("to"), q.number("max", 31)
	if _, err := NewBucketer(from, to, int(most)); err != nil && q.err == nil {
		q.err = err
	}
	if q.err != nil {
		fail(w, http.StatusBadRequest, q.err)
		return
	}
	b, err := h.store.Buckets(r.Context(), k, from, to, int(most))
	answer(w, b, err)
}

func (h handler) points(w http.ResponseWriter, r *http.Request) {
	h.stream(w, r, func(k Key, from, to time.Time, f *frameWriter) error {
		var o protocol.Observation
		return h.store.Points(r.Context(), k, from, to, func(p *Point) bool {
			o = protocol.Observation{At: p.At, Kind: p.Kind, Unit: p.Unit, Quality: p.Quality, Clock: p.Clock, Value: p.Value, Text: p.Text, Event: p.Event}
			return f.add(&o, framePart)
		})
	})
}

func (h handler) blocks(w http.ResponseWriter, r *http.Request) {
	h.stream(w, r, func(k Key, from, to time.Time, f *frameWriter) error {
		return h.store.Blocks(r.Context(), k, from, to, func(b *Block) bool {
			return f.add(&protocol.Observation{At: b.At, Kind: protocol.KindSamples, Unit: b.Unit, Quality: b.Quality, Clock: b.Clock, Samples: &b.Samples}, frameBlock)
		})
	})
}

// stream answers with frames.
func (h handler) stream(w http.ResponseWriter, r *http.Request, run func(k Key, from, to time.Time, f *frameWriter) error) {
	q := query{Values: r.URL.Query()}
	k, from, to := q.key(), q.micros("from"), q.micros("to")
	if q.err != nil {
		fail(w, http.StatusBadRequest, q.err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	f := &frameWriter{w: w}
	f.end(run(k, from, to, f))
}

// A query reads parameters and remembers the first that is wrong.
type query struct {
	url.Values
	err error
}

func (q *query) number(name string, bits int) int64 {
	v, err := strconv.ParseInt(q.Get(name), 10, bits+1)
	if err != nil && q.err == nil {
		q.err = fmt.Errorf("%s: %q: want a number", name, q.Get(name))
	}
	return v
}

func (q *query) micros(name string) time.Time { return time.UnixMicro(q.number(name, 63)) }

func (q *query) key() Key {
	code := q.number("code", 32)
	return Key{Box: protocol.BoxID(q.Get("box")), Device: protocol.DeviceID(q.Get("device")), Channel: q.Get("channel"), Code: protocol.Code(code)}
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		failStore(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error is the caller's who went away
}

// failStore answers an error of the store: 422 and 507 have a meaning of their
// own, all others are worth trying again.
func failStore(w http.ResponseWriter, err error) {
	refused, ok := errors.AsType[*RefusedError](err)
	switch {
	case ok:
		writeProblem(w, http.StatusUnprocessableEntity, problem{Detail: err.Error(), Indexes: refused.Indexes, Reason: refused.Reason.Error()})
	case errors.Is(err, ErrNoSpace):
		fail(w, http.StatusInsufficientStorage, err)
	default:
		fail(w, http.StatusServiceUnavailable, err)
	}
}

func fail(w http.ResponseWriter, status int, err error) {
	writeProblem(w, status, problem{Detail: err.Error()})
}

func writeProblem(w http.ResponseWriter, status int, p problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(p)
}
