package web

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"monitorme/cloud/live"
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
	mux.HandleFunc("GET /api/v1/alerts", f.signed(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, f.alerts) }))
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

// value makes o the latest of a bed and gives its JSON.
func (f *fakeWard) value(b *fakeBed, code protocol.Code, d protocol.Decimal, text string, q protocol.Quality, age time.Duration) string {
	term, _ := protocol.Lookup(code)
	o := protocol.Observation{Device: "monitor", Code: code, Kind: term.Kind, Unit: term.Unit, Quality: q, Clock: protocol.ClockSynced, At: f.now().Add(-age), Value: d, Text: text}
	j := string(live.AppendValue(nil, &o, f.now()))
	b.values[term.RefID] = j
	return j
}

// slow sets what comes rarely.
func (f *fakeWard) slow(i int) {
	b, good := f.beds[i], protocol.QualityGood
	f.value(b, protocol.NIBPSystolic, protocol.Int(int64(112+i*3)), "", good, time.Duration(i)*time.Minute)
	f.value(b, protocol.NIBPDiastolic, protocol.Int(int64(68+i)), "", good, time.Duration(i)*time.Minute)
	f.value(b, protocol.NIBPMean, protocol.Int(int64(84+i)), "", good, time.Duration(i)*time.Minute)
	f.value(b, protocol.BodyTemperature, protocol.Dec(int64(364+i), -1), "", good, 2*time.Minute)
	f.value(b, protocol.Glucose, protocol.Int(int64(92+i*4)), "", good, time.Minute)
	word := "awake"
	if i%4 == 1 {
		word = "deep"
	}
	f.value(b, protocol.SleepStatus, protocol.Decimal{}, word, good, time.Minute)
}

// play is the ward's life: four times a second waves, twice heart rates, once a tick.
func (f *fakeWard) play() {
	defer f.done.Done()
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-f.quit:
			return
		case <-t.C:
		}
		f.mu.Lock()
		for i, b := range f.beds {
			if b.online && b.name != "" {
				f.playBed(b, i, n)
			}
		}
		if n%4 == 0 {
			f.publish("tick", map[string]any{"server_time": stamp(f.now()), "alerting": map[string]any{"ok": f.alerting == "", "detail": f.alerting}})
		}
		f.mu.Unlock()
	}
}

func (f *fakeWard) playBed(b *fakeBed, i, n int) {
	at := f.now().Add(-250 * time.Millisecond)
	for _, w := range []struct {
		code protocol.Code
		rate float64
		draw func(float64) float64
	}{{protocol.ECGLeadII, 250, ecgAt}, {protocol.Pleth, 125, plethAt}, {protocol.RespirationWave, 60, func(s float64) float64 { return math.Sin(s * 2 * math.Pi / 4) }}} {
		if !b.silent[w.code] {
			f.publish("wave", waveJSON(b, w.code, w.rate, at, w.draw))
		}
	}
	if n%2 != 0 {
		return
	}
	var values []string
	add := func(code protocol.Code, v int64) {
		if !b.silent[code] {
			values = append(values, f.value(b, code, protocol.Int(v), "", protocol.QualityGood, 0))
		}
	}
	add(protocol.HeartRate, int64(64+i*2+n/2%3))
	if n%4 == 0 {
		add(protocol.RespirationRate, int64(12+i%9))
	}
	if n%20 == 0 || b.values["MDC_PULS_OXIM_SAT_O2"] == "" {
		add(protocol.SpO2, int64(99-i%6))
	}
	if len(values) > 0 {
		f.publish("values", fmt.Sprintf(`{"bed":%q,"received":%q,"values":[%s]}`, b.id, stamp(f.now()), strings.Join(values, ",")))
	}
}

func waveJSON(b *fakeBed, code protocol.Code, rate float64, at time.Time, draw func(float64) float64) string {
	n := int(rate / 4)
	samples := make([]string, n)
	begin := float64(at.UnixMicro())/1e6 + b.phase
	for i := range samples {
		samples[i] = strconv.Itoa(int(math.Round(1000 * draw(begin+float64(i)/rate))))
	}
	return fmt.Sprintf(`{"bed":%q,"device":"monitor","channel":"","code":%d,"at":%q,"rate_hz":%g,"scale":0.001,"offset":0,"quality":"good","samples":[%s]}`,
		b.id, code, stamp(at), rate, strings.Join(samples, ","))
}

// ecgAt is a plain PQRST at 75/min, mV.
func ecgAt(s float64) float64 {
	p := math.Mod(s, 0.8)
	bump := func(at, width, height float64) float64 { return height * math.Exp(-(p-at)*(p-at)/(2*width*width)) }
	return bump(0.16, 0.02, 0.12) + bump(0.27, 0.008, -0.12) + bump(0.30, 0.009, 1.1) + bump(0.33, 0.009, -0.25) + bump(0.52, 0.04, 0.28)
}

func plethAt(s float64) float64 {
	p := math.Mod(s, 0.8)
	return math.Exp(-(p-0.2)*(p-0.2)/0.008) + 0.35*math.Exp(-(p-0.42)*(p-0.42)/0.01)
}

// raise makes an alarm and tells of it.
func (f *fakeWard) raise(id string, bed int, priority, kind, text string, more map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.beds[bed]
	a := map[string]any{"id": id, "bed": b.id, "unit": "ward-1", "label": b.label, "box": b.box(), "device": "monitor", "code": 147842, "ref_id": "MDC_ECG_HEART_RATE",
		"sign": "heart-rate", "rule": "hr-high", "kind": kind, "priority": priority, "text": text, "value": nil, "limit": nil, "value_unit": "", "night": false, "state": "active",
		"started": stamp(f.now()), "ended": nil, "received": stamp(f.now()), "acknowledged_by": nil, "acknowledged_at": nil, "missed": false, "hidden": false}
	for k, v := range more {
		a[k] = v
	}
	f.alerts = append(f.alerts, a)
	f.publish("alert", a)
}

// with runs change under the lock.
func (f *fakeWard) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// history is a day of two readings a minute, with gaps.
func (f *fakeWard) history(w http.ResponseWriter, r *http.Request) {
	from, _ := time.Parse(time.RFC3339, r.URL.Query().Get("from"))
	to, _ := time.Parse(time.RFC3339, r.URL.Query().Get("to"))
	f.posted = append(f.posted, r.URL.RequestURI())
	middle := from.Add(to.Sub(from) / 2)
	gap := [2]time.Time{middle, middle.Add(to.Sub(from) / 12)}
	numeric := func(code protocol.Code, base, swing float64, reason, detail string) map[string]any {
		term, _ := protocol.Lookup(code)
		points := [][]any{}
		step := max(to.Sub(from)/1200, time.Second)
		for at := from; at.Before(to) && at.Before(f.now()); at = at.Add(step) {
			if at.After(gap[0]) && at.Before(gap[1]) {
				continue
			}
			points = append(points, []any{at.UnixMilli(), math.Round((base+swing*math.Sin(float64(at.Unix())/1700))*10) / 10, "good"})
		}
		return map[string]any{"box": "box-01", "bed": r.PathValue("bed"), "device": "monitor", "channel": "", "code": code, "ref_id": term.RefID, "label": term.Label, "sign": term.Sign,
			"unit": term.Unit, "places": term.Places, "kind": "numeric", "points": points, "gaps": []any{map[string]any{"from": stamp(gap[0]), "to": stamp(gap[1]), "reason": reason, "detail": detail}}}
	}
	buckets := numeric(protocol.SpO2, 96, 1.5, "sensor-off", "the sensor was off, disconnected or faulty")
	var bs []map[string]any
	for _, p := range buckets["points"].([][]any) {
		mean := p[1].(float64)
		bs = append(bs, map[string]any{"t": p[0], "min": mean - 1.2, "max": mean + 0.8, "mean": mean, "count": 6, "bad": 0})
	}
	delete(buckets, "points")
	buckets["buckets"] = bs
	sleep := map[string]any{"box": "box-01", "bed": r.PathValue("bed"), "device": "mattress", "channel": "", "code": protocol.SleepStatus, "ref_id": "MONITORME_SLEEP_STATUS", "label": "Sleep",
		"sign": "sleep", "unit": "", "places": 0, "kind": "enumeration", "gaps": []any{}, "texts": []any{
			map[string]any{"t": from.UnixMilli(), "text": "awake"}, map[string]any{"t": from.Add(to.Sub(from) / 5).UnixMilli(), "text": "light"},
			map[string]any{"t": from.Add(to.Sub(from) / 4).UnixMilli(), "text": "deep"}, map[string]any{"t": from.Add(to.Sub(from) / 3).UnixMilli(), "text": "awake"}}}
	writeJSON(w, map[string]any{"bed": r.PathValue("bed"), "patient": nil, "from": stamp(from), "to": stamp(to), "patients": []any{}, "gaps": []any{},
		"series": []any{numeric(protocol.HeartRate, 78, 12, "box-offline", "the box was out of touch"), buckets, numeric(protocol.BodyTemperature, 37, 0.4, "unknown", "no readings, and no cause is on record"), sleep}})
}
