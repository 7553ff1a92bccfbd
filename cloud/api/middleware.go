package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// maxURL bounds the path and query of a request.
const maxURL = 8 << 10

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// wrap puts around the routes what every request passes, outermost first.
func (s *Server) wrap(mux *http.ServeMux) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, r, problemf(http.StatusForbidden, "The request comes from another site's page and was refused. Use MonitorMe's own pages, or a program without a browser."))
	}))
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isAPI(r.URL.Path) && s.Web != nil {
			s.Web.ServeHTTP(w, r)
			return
		}
		if handler, pattern := mux.Handler(r); pattern == "" {
			noRoute(w, r, handler)
			return
		}
		mux.ServeHTTP(w, r)
	})
	h = cross.Handler(h)
	h = s.withSession(h)
	h = limitSize(h)
	h = s.recovered(h)
	h = s.observed(mux, h)
	h = secured(h)
	return identified(h)
}

func isAPI(path string) bool {
	return strings.HasPrefix(path, "/api/") || path == "/api" || strings.HasPrefix(path, "/openapi.") || path == "/docs" || strings.HasPrefix(path, "/docs/")
}

// identified gives each request an id, for logs, the audit log and problems.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()[:16] // never the client's: it could forge what the audit log refers to
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// contentPolicy allows what comes from this server, and nothing inline.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"media-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if isAPI(r.URL.Path) {
			h.Set("Cache-Control", "no-store") // patients' data stays out of every cache
		}
		next.ServeHTTP(w, r)
	})
}

func limitSize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path)+len(r.URL.RawQuery) > maxURL {
			writeProblem(w, r, problemf(http.StatusRequestURITooLong, "The address is longer than %d bytes. Shorten the query.", maxURL))
			return
		}
		if r.ContentLength > maxBody {
			writeProblem(w, r, newProblem(http.StatusRequestEntityTooLarge, ""))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// noRoute answers a path that is not there, or not with this method, as a
// problem. handler is what the mux would have answered.
func noRoute(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	probe := &statusProbe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	switch allow := probe.header.Get("Allow"); {
	case allow != "":
		w.Header().Set("Allow", allow)
		writeProblem(w, r, problemf(http.StatusMethodNotAllowed, "This address does not take %s. It takes %s.", methodName(r.Method), allow))
	case probe.status >= 300 && probe.status < 400:
		handler.ServeHTTP(w, r)
	default:
		writeProblem(w, r, problemf(http.StatusNotFound, "There is nothing at this address. /docs lists what there is."))
	}
}

func methodName(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "this method"
}

type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }

// recovered turns a panic into a problem and a log record: one broken request
// is that request's failure only.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := w.(*recorder)
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.log.Error("panic in a request", "request", requestID(r.Context()), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			s.metrics.panics.Inc()
			if rec.status != 0 { // half an answer is out: cut it off, so that nobody takes it for whole
				panic(http.ErrAbortHandler)
			}
			writeProblem(w, r, newProblem(http.StatusInternalServerError, ""))
		}()
		next.ServeHTTP(w, r)
	})
}

// observed counts and logs requests by route, never by the path that was
// asked for or its query.
func (s *Server) observed(mux *http.ServeMux, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pattern := "web"
		if isAPI(r.URL.Path) {
			if _, pattern = mux.Handler(r); pattern == "" {
				pattern = "none"
			}
		}
		rec := &recorder{ResponseWriter: w}
		begin := time.Now()
		s.metrics.inFlight.Inc()
		defer func() {
			took := time.Since(begin)
			status := rec.status
			if status == 0 {
				status = http.StatusOK
			}
			s.metrics.inFlight.Dec()
			s.metrics.requests.WithLabelValues(pattern, strconv.Itoa(status)).Inc()
			s.metrics.seconds.WithLabelValues(pattern).Observe(took.Seconds())
			if pattern != "web" {
				s.log.Info("request", "request", requestID(r.Context()), "method", methodName(r.Method), "route", pattern, "status", status,
					"bytes", rec.bytes, "ms", took.Milliseconds(), "address", clientAddress(r), "user", rec.user)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// A recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	user   string
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// clientAddress is the address of who connected; headers that anyone can set
// are not believed.
func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

type metrics struct {
	requests                           *prometheus.CounterVec
	seconds                            *prometheus.HistogramVec
	inFlight, streams                  prometheus.Gauge
	panics, slow, auditFailed, limited prometheus.Counter
	logins                             *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "monitorme_cloud_api_requests_total", Help: "Requests by route and status."}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "monitorme_cloud_api_request_seconds", Help: "Time to answer by route; a stream counts until it ends.",
			Buckets: []float64{.001, .005, .015, .05, .1, .25, .5, 1, 2.5, 10, 60}}, []string{"route"}),
		inFlight:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "monitorme_cloud_api_in_flight", Help: "Requests being answered."}),
		streams:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "monitorme_cloud_api_streams", Help: "Screens connected."}),
		panics:      prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_api_panics_total", Help: "Requests that panicked: bugs."}),
		slow:        prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_api_slow_streams_total", Help: "Screens disconnected because they could not keep up."}),
		auditFailed: prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_api_audit_failures_total", Help: "Audit records that could not be written."}),
		limited:     prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_api_logins_limited_total", Help: "Sign-ins refused by the rate limit."}),
		logins:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "monitorme_cloud_api_logins_total", Help: "Sign-ins by outcome."}, []string{"outcome"}),
	}
	reg.MustRegister(m.requests, m.seconds, m.inFlight, m.streams, m.panics, m.slow, m.auditFailed, m.limited, m.logins)
	return m
}
