package peer

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const secret = "0123456789abcdef0123456789abcdef"

func newClient(t *testing.T) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := NewClient("series", Config{TokenFile: path}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c.retry.RetryWaitMin, c.retry.RetryWaitMax = time.Millisecond, 4*time.Millisecond
	return c
}

func call(t *testing.T, c *Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req)
}

func TestAModuleThatFailsForAMomentIsAskedAgainWithTheSameBody(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(RequireToken(secret, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if calls.Add(1) < 3 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		w.Write(body)
	})))
	defer server.Close()
	resp, err := call(t, newClient(t), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "body" || calls.Load() != 3 {
		t.Errorf("answer %q after %d calls, want the body after 3", body, calls.Load())
	}
}

func TestACallerWithoutTheTokenIsRefused(t *testing.T) {
	server := httptest.NewServer(RequireToken(secret, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the module was reached")
	})))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", resp.StatusCode)
	}
}

func TestAnEmptyTokenLetsNobodyIn(t *testing.T) {
	rec := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Authorization", "Bearer ")
	RequireToken("", http.NotFoundHandler()).ServeHTTP(rec, req)
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", rec.Code)
	}
}

func TestABrokenModuleIsLeftAlone(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Error(w, "broken", http.StatusInternalServerError)
	}))
	defer server.Close()
	c := newClient(t)
	c.retry.RetryMax = 0
	for range breakAfter {
		resp, err := call(t, c, server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if _, err := call(t, c, server.URL); err == nil || !strings.Contains(err.Error(), "module series") {
		t.Errorf("call after %d failures = %v, want an error of the breaker that names the module", breakAfter, err)
	}
	if n := calls.Load(); n != breakAfter {
		t.Errorf("the broken module saw %d calls, want %d", n, breakAfter)
	}
}

func TestRetryAfterIsCapped(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"86400"}}}
	if d := backoff(minBackoff, maxBackoff, 0, resp); d != maxBackoff {
		t.Errorf("backoff = %v, want %v", d, maxBackoff)
	}
}

func TestPlainAddressesAreForLoopbackOnly(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://series.example:8081": true, "http://127.0.0.1:8081": true, "http://localhost:1": true,
		"http://series.example:8081": false, "series.example": false, "": false,
	} {
		if err := CheckAddress("series.address", address); (err == nil) != ok {
			t.Errorf("CheckAddress(%q) = %v", address, err)
		}
	}
}

func TestAShortTokenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Config{TokenFile: path}).Token(); err == nil || !strings.Contains(err.Error(), "at least 32") {
		t.Errorf("Token() = %v", err)
	}
}
