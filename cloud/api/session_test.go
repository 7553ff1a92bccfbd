package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

func TestSigningInAndOut(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	p1 := b.problem(401, "POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "wrong"})
	p2 := b.problem(401, "POST", "/api/v1/session", map[string]any{"user": "nobody", "password": "wrong"})
	if p1.Detail != p2.Detail {
		t.Errorf("the answer tells whether an account exists: %q, %q", p1.Detail, p2.Detail)
	}
	recs, err := w.reg.AuditLog(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), 0, 10)
	if err != nil || len(recs) != 2 || recs[0].User != "(unknown name)" || recs[1].User != "nurse" || recs[1].Outcome != "denied" || recs[1].Address != "127.0.0.1" {
		t.Errorf("on record: %+v, %v", recs, err)
	}
	resp, _ := b.do("POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "demo"})
	if len(resp.Cookies()) != 1 {
		t.Fatalf("cookies %v", resp.Cookies())
	}
	c := resp.Cookies()[0]
	if c.Name != cookieName || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.MaxAge > 0 {
		t.Errorf("cookie %+v", c)
	}
	var me Session
	b.get("/api/v1/session", &me)
	if me.User != "nurse" || me.Role != "nurse" || me.Units[0] != "ward-1" || me.MustChangePassword || !me.Demo || time.Until(me.Expires) > 12*time.Hour {
		t.Errorf("%+v", me)
	}
	if resp, _ := b.do("DELETE", "/api/v1/session", nil); resp.StatusCode != 204 || len(resp.Cookies()) != 1 || resp.Cookies()[0].MaxAge >= 0 {
		t.Errorf("sign out: %d %v", resp.StatusCode, resp.Cookies())
	}
	b.problem(401, "GET", "/api/v1/session", nil)
	// The old cookie is worth nothing, also from elsewhere.
	w.browser().problem(401, "GET", "/api/v1/session", nil, "Cookie", cookieName+"="+c.Value)
}

func TestAPlantedCookieIsWorthNothing(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	u, _ := url.Parse(w.http.URL)
	planted := strings.Repeat("A", 43)
	b.c.Jar.SetCookies(u, []*http.Cookie{{Name: cookieName, Value: planted, Path: "/"}})
	first, _ := b.do("POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "demo"})
	if first.Cookies()[0].Value == planted {
		t.Error("the planted token was kept")
	}
	w.browser().problem(401, "GET", "/api/v1/session", nil, "Cookie", cookieName+"="+planted)
	// Signing in again ends the session before.
	second, _ := b.do("POST", "/api/v1/session", map[string]any{"user": "doctor", "password": "demo"})
	if first.Cookies()[0].Value == second.Cookies()[0].Value {
		t.Error("the token did not change with the user")
	}
	w.browser().problem(401, "GET", "/api/v1/session", nil, "Cookie", cookieName+"="+first.Cookies()[0].Value)
}

func TestSessionsEndWhenTheAccountChanges(t *testing.T) {
	w := newWorld(t)
	admin := w.as("admin")
	change := func(fields map[string]any) {
		t.Helper()
		f := map[string]any{"name": "Demo Nurse", "role": "nurse", "units": []string{"ward-1"}}
		for k, v := range fields {
			f[k] = v
		}
		if resp, body := admin.do("PUT", "/api/v1/users/nurse", f); resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	for _, fields := range []map[string]any{{"units": []string{"ward-2"}}, {"disabled": true}} {
		b := w.as("nurse")
		change(map[string]any{"name": "Renamed"}) // changes nothing that matters
		if resp, _ := b.do("GET", "/api/v1/session", nil); resp.StatusCode != 200 {
			t.Errorf("a new name ended the session: %d", resp.StatusCode)
		}
		change(fields)
		b.problem(401, "GET", "/api/v1/session", nil)
		change(nil)
	}
}

func TestAFirstPasswordMustBeChanged(t *testing.T) {
	w := newWorld(t)
	u := registry.User{Name: "new", Display: "New", Role: registry.RoleNurse, Units: []protocol.UnitID{"ward-1"}, MustChangePassword: true}
	if err := w.reg.PutUser(t.Context(), u, "given by admin"); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	b.do("POST", "/api/v1/session", map[string]any{"user": "new", "password": "given by admin"})
	if p := b.problem(403, "GET", "/api/v1/units", nil); !strings.Contains(p.Detail, "/api/v1/session/password") {
		t.Errorf("it does not say what to do: %q", p.Detail)
	}
	b.problem(403, "PUT", "/api/v1/session/password", map[string]any{"old": "wrong", "new": "my own password"})
	b.problem(422, "PUT", "/api/v1/session/password", map[string]any{"old": "given by admin", "new": "short"})
	if resp, body := b.do("PUT", "/api/v1/session/password", map[string]any{"old": "given by admin", "new": "my own password"}); resp.StatusCode != 204 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	b.problem(401, "GET", "/api/v1/units", nil) // all sessions ended
	b.do("POST", "/api/v1/session", map[string]any{"user": "new", "password": "my own password"})
	if resp, _ := b.do("GET", "/api/v1/units", nil); resp.StatusCode != 200 {
		t.Errorf("after the change: %d", resp.StatusCode)
	}
}

func TestAttemptsToSignInAreLimited(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for range 5 {
		b.problem(401, "POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "guess"})
	}
	p := b.problem(429, "POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "demo"})
	resp, _ := b.do("POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "demo"})
	if resp.Header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "Wait") {
		t.Errorf("Retry-After %q, %q", resp.Header.Get("Retry-After"), p.Detail)
	}
	// Somebody else at the same desk is not locked out.
	if resp, _ := b.do("POST", "/api/v1/session", map[string]any{"user": "doctor", "password": "demo"}); resp.StatusCode != 204 {
		t.Errorf("another account: %d", resp.StatusCode)
	}
}

func TestLoginLimits(t *testing.T) {
	l, now := newLoginLimits(), t0
	for i := range 5 {
		if l.wait(now, "a", "10.0.0.1") != 0 {
			t.Errorf("attempt %d refused", i)
		}
	}
	wait := l.wait(now, "a", "10.0.0.1")
	if wait <= 0 || wait > 12*time.Second {
		t.Errorf("wait %v", wait)
	}
	if l.wait(now, "a", "10.0.0.2") != 0 {
		t.Error("the account is locked from another address")
	}
	if l.wait(now.Add(wait), "a", "10.0.0.1") != 0 {
		t.Error("refused after waiting")
	}
	tried := 0
	for i := range 100 {
		if l.wait(now, fmt.Sprint("user", i), "10.9.9.9") == 0 {
			tried++
		}
	}
	if tried != 30 {
		t.Errorf("one address tried %d accounts, want 30", tried)
	}
	if network("2001:db8:1:2:3::4") != network("2001:db8:1:2:ffff::1%eth0") || network("2001:db8:1:2::1") == network("2001:db8:1:3::1") || network("::ffff:10.0.0.1") == network("::ffff:10.0.0.2") {
		t.Error("IPv6 networks")
	}
	for i := range 3 * maxLoginKeys {
		l.wait(now, "x", fmt.Sprint("addr", i))
	}
	if len(l.keys) > maxLoginKeys+1 {
		t.Errorf("%d keys kept", len(l.keys))
	}
}

func TestOtherSitesCannotAct(t *testing.T) {
	w := newWorld(t)
	b := w.as("nurse")
	for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		b.problem(403, "POST", "/api/v1/patients", map[string]any{"name": "X"}, h...)
		b.problem(403, "POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "demo"}, h...)
		b.problem(403, "DELETE", "/api/v1/session", nil, h...)
	}
	if resp, body := b.do("POST", "/api/v1/patients", map[string]any{"name": "X"}, "Sec-Fetch-Site", "same-origin", "Origin", b.http.URL); resp.StatusCode != 201 {
		t.Errorf("the own page: %d %s", resp.StatusCode, body)
	}
}

func TestAStationLooksAndAcknowledgesOnly(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.problem(403, "POST", "/api/v1/session", map[string]any{"user": "doctor", "password": "demo", "station": true})
	if resp, body := b.do("POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "demo", "station": true}); resp.StatusCode != 204 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	var me Session
	if b.get("/api/v1/session", &me); !me.Station || time.Until(me.Expires) < 29*24*time.Hour {
		t.Errorf("%+v", me)
	}
	b.problem(403, "POST", "/api/v1/patients", map[string]any{"name": "X"})
	b.problem(403, "DELETE", "/api/v1/beds/ward-1-bed-01/patient", nil)
	b.problem(403, "PUT", "/api/v1/session/password", map[string]any{"old": "demo", "new": "something new"})
	if resp, _ := b.do("GET", "/api/v1/beds/ward-1-bed-01/latest", nil); resp.StatusCode != 200 {
		t.Errorf("latest: %d", resp.StatusCode)
	}
}

func TestTheCookieIsSecureOverTLS(t *testing.T) {
	w := newWorld(t)
	srv := httptest.NewTLSServer(w.server.Handler())
	defer srv.Close()
	resp, err := srv.Client().Post(srv.URL+"/api/v1/session", "application/json", strings.NewReader(`{"user":"nurse","password":"demo"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(resp.Cookies()) != 1 || !resp.Cookies()[0].Secure || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%+v", resp.Cookies())
	}
}

// The whole door works on a registry in another process.
func TestTheAPIWorksAcrossProcesses(t *testing.T) {
	w := newWorld(t)
	quiet := slog.New(slog.DiscardHandler)
	back := httptest.NewServer(w.reg.Handler(quiet))
	defer back.Close()
	c := registry.NewClient(back.URL, back.Client(), quiet)
	heard, stop := c.Subscribe()
	defer stop()
	go c.Run(t.Context())
	<-heard
	s, err := New(Default(), Deps{Registry: c, Series: w.store, Hub: w.hub, Alerts: w.alerts, Log: quiet, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(s.Handler())
	defer front.Close()
	jar, _ := cookiejar.New(nil)
	b := &browser{&world{TB: t, http: front}, &http.Client{Jar: jar}}
	b.problem(401, "POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "wrong"})
	if resp, body := b.do("POST", "/api/v1/session", map[string]any{"user": "nurse", "password": "demo"}); resp.StatusCode != 204 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	resp, body := b.do("POST", "/api/v1/patients", map[string]any{"name": "Far Away"})
	var p Patient
	if resp.StatusCode != 201 || json.Unmarshal([]byte(body), &p) != nil {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if resp, body = b.do("PUT", "/api/v1/beds/ward-1-bed-03/patient", map[string]any{"patient": p.ID}); resp.StatusCode != 200 || !strings.Contains(body, "Far Away") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	b.problem(404, "PUT", "/api/v1/beds/ward-1-bed-03/patient", map[string]any{"patient": "p-none"})
	var h history
	b.get("/api/v1/beds/ward-1-bed-03/history", &h)
	b.do("DELETE", "/api/v1/session", nil)
	b.problem(401, "GET", "/api/v1/session", nil)
}
