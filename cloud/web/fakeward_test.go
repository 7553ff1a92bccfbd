package web

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"monitorme/protocol"
)

// A fakeWard plays the API for one browser: the shapes are those of package
// api, the patients are invented, and the test decides what happens.
type fakeWard struct {
	t      *testing.T
	server *httptest.Server
	csp    string

	mu       sync.Mutex
	signedIn bool
	role     string
	must     bool
	password string
	beds     []*fakeBed
	alerts   []map[string]any
	posted   []string // bodies and paths of what the browser sent
	streams  map[chan string]bool
	mute     bool // the server says nothing more, but keeps the connection
	refuse   bool // the server accepts no stream
	alerting string
	skew     time.Duration // of the server's clock against the computer's

	quit chan struct{}
	done sync.WaitGroup
}

type fakeBed struct {
	id, label, name, initials string
	online                    bool
	values                    map[string]string // JSON by series
	silent                    map[protocol.Code]bool
	phase                     float64
}

func newFakeWard(t *testing.T) *fakeWard {
	t.Helper()
	f := &fakeWard{t: t, csp: contentPolicy(t), role: "nurse", password: "demo", streams: map[chan string]bool{}, quit: make(chan struct{})}
	names := []string{"Ada Brook", "Benno Castle", "Clara Dune", "David Elm", "Edith Fern", "Felix Grove", "Greta Hill", "Hugo Isle", "Ines Jasper", "Jonas Kiln",
		"Kira Lake", "Leo Moor", "Mara North", "Nils Orchard", "Olga Pine", "Paul Quarry", "Rosa Ridge", "Samuel Stone", "Tilda Thorn", "Viktor Vale"}
	for i, name := range names {
		first, last, _ := strings.Cut(name, " ")
		f.beds = append(f.beds, &fakeBed{id: fmt.Sprintf("ward-1-bed-%02d", i+1), label: strconv.Itoa(i + 1), name: name, initials: first[:1] + last[:1],
			online: true, values: map[string]string{}, silent: map[protocol.Code]bool{}, phase: float64(i) * 0.137})
	}
	for i := range f.beds {
		f.slow(i)
	}
	f.server = httptest.NewServer(f.routes())
	f.done.Add(1)
	go f.play()
	t.Cleanup(func() {
		close(f.quit)
		f.done.Wait()
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

// contentPolicy is the policy that the real API sends, read from its source.
func contentPolicy(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../api/middleware.go", nil, 0)
	if err != nil {
		t.Fatalf("the API's content policy: %v", err)
	}
	var policy strings.Builder
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST || g.Specs[0].(*ast.ValueSpec).Names[0].Name != "contentPolicy" {
			continue
		}
		ast.Inspect(g, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok {
				s, _ := strconv.Unquote(lit.Value)
				policy.WriteString(s)
			}
			return true
		})
	}
	if !strings.Contains(policy.String(), "script-src 'self'") {
		t.Fatalf("the API's content policy was not found in ../api/middleware.go: %q", policy.String())
	}
	return policy.String()
}

func (f *fakeWard) now() time.Time { return time.Now().Add(f.skew) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (f *fakeWard) routes() http.Handler {
	mux := http.NewServeMux()
	app := Handler()
	mux.HandleFunc("POST /api/v1/session", f.login)
	mux.HandleFunc("GET /api/v1/session", f.signed(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"user": f.role, "name": "Demo " + f.role, "role": f.role, "units": []string{"ward-1"}, "must_change_password": f.must, "station": false, "demo": true, "expires": stamp(f.now().Add(time.Hour))})
	}))
	mux.HandleFunc("DELETE /api/v1/session", f.signed(func(w http.ResponseWriter, _ *http.Request) {
		f.signedIn = false
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("PUT /api/v1/session/password", f.signed(f.changePassword))
	mux.HandleFunc("GET /api/v1/units", f.signed(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, []map[string]any{{"id": "ward-1", "name": "Ward 1", "beds": len(f.beds)}})
	}))
	mux.HandleFunc("GET /api/v1/beds/{bed}/latest", f.signed(func(w http.ResponseWriter, r *http.Request) {
		for _, b := range f.beds {
			if b.id == r.PathValue("bed") {
				writeJSON(w, json.RawMessage(f.latest(b)))
				return
			}
		}
		problem(w, http.StatusNotFound, "There is no such bed.")
	}))
	mux.HandleFunc("GET /api/v1/beds/{bed}/history", f.signed(f.history))
	mux.HandleFunc("DELETE /api/v1/beds/{bed}/patient", f.signed(f.discharge))
	mux.HandleFunc("GET /api/v1/alerts", f.signed(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, append([]map[string]any{}, f.alerts...)) }))
	mux.HandleFunc("POST /api/v1/alerts/{id}/acknowledge", f.signed(f.acknowledge))
	mux.HandleFunc("GET /api/v1/boxes", f.signed(f.boxes))
	mux.HandleFunc("GET /api/v1/stream", f.stream)
	mux.Handle("/", app)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", f.csp)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

// signed lets h answer, under the lock, if somebody is signed in.
func (f *fakeWard) signed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.signedIn {
			problem(w, http.StatusUnauthorized, "You are not signed in, or your session is over.")
			return
		}
		h(w, r)
	}
}

func (f *fakeWard) login(w http.ResponseWriter, r *http.Request) {
	var body struct{ User, Password string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if body.Password != f.password {
		problem(w, http.StatusUnauthorized, "Name or password is wrong, or the account is disabled.")
		return
	}
	f.signedIn, f.role = true, body.User
	w.WriteHeader(http.StatusNoContent)
}

func (f *fakeWard) changePassword(w http.ResponseWriter, r *http.Request) {
	var body struct{ Old, New string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Old != f.password {
		problem(w, http.StatusForbidden, "The old password is wrong. Try again.")
		return
	}
	f.password, f.must, f.signedIn = body.New, false, false
	w.WriteHeader(http.StatusNoContent)
}

func (f *fakeWard) acknowledge(w http.ResponseWriter, r *http.Request) {
	f.posted = append(f.posted, r.URL.Path)
	for _, a := range f.alerts {
		if a["id"] == r.PathValue("id") {
			a["acknowledged_by"], a["acknowledged_at"] = "nurse", stamp(f.now())
			writeJSON(w, a)
			f.publish("alert", a)
			return
		}
	}
	problem(w, http.StatusNotFound, "There is no such alarm.")
}

func (f *fakeWard) discharge(w http.ResponseWriter, r *http.Request) {
	var beds []map[string]any
	for _, b := range f.beds {
		if b.id == r.PathValue("bed") {
			b.name, b.initials, b.values = "", "", map[string]string{}
		}
		beds = append(beds, map[string]any{"id": b.id, "unit": "ward-1", "label": b.label, "box": b.box(), "patient": b.patient()})
	}
	w.WriteHeader(http.StatusNoContent)
	f.publish("beds", map[string]any{"beds": beds})
}

func (b *fakeBed) box() string { return "box-" + b.id[len(b.id)-2:] }

func (b *fakeBed) patient() any {
	if b.name == "" {
		return nil
	}
	return map[string]any{"id": "p-" + b.label, "name": b.name, "initials": b.initials, "born": "1950-01-01", "sex": "unknown", "since": "2026-01-01T00:00:00.000Z"}
}

func (f *fakeWard) boxes(w http.ResponseWriter, _ *http.Request) {
	if f.role == "nurse" {
		problem(w, http.StatusForbidden, "The role nurse may not do this.")
		return
	}
	var out []map[string]any
	for i, b := range f.beds {
		device := map[string]any{"device": "monitor", "driver": "patientmonitor", "status": "receiving", "since": stamp(f.now()), "port": "/dev/ttyUSB0", "skipped_bytes": 0}
		if i == 4 {
			device["clock_offset_s"] = -7200
		}
		if i == 2 {
			device["status"], device["problem"] = "failed", "open port /dev/ttyUSB0: permission denied. Add the user monitorme to the group dialout."
		}
		out = append(out, map[string]any{"id": b.box(), "unit": "ward-1", "serial": "DEMO-" + b.label, "fingerprint": "", "revoked": false, "bed": b.id, "label": b.label,
			"since": stamp(f.now()), "online": b.online, "last_contact": stamp(f.now()), "clock_offset_s": 0.012 * float64(i), "version": "1.0.0", "clock": "synced",
			"devices": []any{device}, "queue": map[string]any{"entries": i % 3, "bytes": 2048 * (i % 3), "max_bytes": 8 << 30, "oldest": stamp(f.now().Add(-time.Minute)), "dropped": 0}})
	}
	writeJSON(w, out)
}

func (f *fakeWard) latest(b *fakeBed) string {
	var values, alerts []string
	for _, v := range b.values {
		values = append(values, v)
	}
	for _, a := range f.alerts {
		if a["bed"] == b.id && a["state"] != "ended" {
			j, _ := json.Marshal(a)
			alerts = append(alerts, string(j))
		}
	}
	patient, _ := json.Marshal(b.patient())
	return fmt.Sprintf(`{"bed":%q,"unit":"ward-1","label":%q,"box":%q,"box_online":%t,"box_last_contact":%q,"patient":%s,"values":[%s],"alerts":[%s]}`,
		b.id, b.label, b.box(), b.online, stamp(f.now()), patient, strings.Join(values, ","), strings.Join(alerts, ","))
}

func (f *fakeWard) stream(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if !f.signedIn || f.refuse {
		status, detail := http.StatusUnauthorized, "You are not signed in."
		if f.refuse {
			status, detail = http.StatusServiceUnavailable, "As many screens are connected as allowed."
		}
		f.mu.Unlock()
		problem(w, status, detail)
		return
	}
	c := make(chan string, 4096)
	f.streams[c] = true
	var beds []string
	for _, b := range f.beds {
		beds = append(beds, f.latest(b))
	}
	first := fmt.Sprintf("retry: 1000\n\nevent: snapshot\ndata: {\"server_time\":%q,\"unit\":\"ward-1\",\"beds\":[%s]}\n\n", stamp(f.now()), strings.Join(beds, ","))
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.streams, c)
		f.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	for event := first; ; {
		if _, err := w.Write([]byte(event)); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-f.quit:
			return
		case next, ok := <-c:
			if !ok {
				return
			}
			event = next
		}
	}
}

// publish sends an event to the streams. The caller holds the lock.
func (f *fakeWard) publish(kind string, data any) {
	if f.mute {
		return
	}
	j, ok := data.(string)
	if !ok {
		b, err := json.Marshal(data)
		if err != nil {
			f.t.Errorf("fake ward: %v", err)
		}
		j = string(b)
	}
	event := "event: " + kind + "\ndata: " + j + "\n\n"
	for c := range f.streams {
		select {
		case c <- event:
		default:
			f.t.Error("fake ward: the browser reads too slowly")
		}
	}
}
