package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestServesFilesAndRoutesOfTheApp(t *testing.T) {
	h := handler(fstest.MapFS{
		"index.html":               {Data: []byte("<!doctype html>")},
		"assets/main-ABCDEFGH.js":  {Data: []byte("let x")},
		"assets/main-IJKLMNOP.css": {Data: []byte("a{}")},
		"icon.svg":                 {Data: []byte("<svg/>")},
		"licenses.txt":             {Data: []byte("MIT")},
		".keep":                    {},
	})
	for _, c := range []struct {
		method, path  string
		status        int
		kind, caching string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "no-store"},
		{"HEAD", "/", 200, "text/html; charset=utf-8", "no-store"},
		{"GET", "/unit/ward-1", 200, "text/html; charset=utf-8", "no-store"},
		{"GET", "/unit/ward-1/alarms", 200, "text/html; charset=utf-8", "no-store"},
		{"GET", "/bed/ward-1-bed-07", 200, "text/html; charset=utf-8", "no-store"},
		{"GET", "/boxes", 200, "text/html; charset=utf-8", "no-store"},
		{"GET", "/assets/main-ABCDEFGH.js", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"GET", "/assets/main-IJKLMNOP.css", 200, "text/css; charset=utf-8", "public, max-age=31536000, immutable"},
		{"GET", "/icon.svg", 200, "image/svg+xml", "no-cache"},
		{"GET", "/licenses.txt", 200, "text/plain; charset=utf-8", "no-cache"},
		{"GET", "/assets/main-OLD.js", 404, "", ""}, // a script must not turn out to be a page
		{"GET", "/favicon.ico", 404, "", ""},
		{"GET", "/.keep", 404, "", ""},
		{"GET", "/assets", 404, "", ""},
		{"GET", "/../web.go", 404, "", ""},
		{"POST", "/", 405, "", ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.path, w.Code, c.status)
			continue
		}
		if c.status == http.StatusOK && (w.Header().Get("Content-Type") != c.kind || w.Header().Get("Cache-Control") != c.caching) {
			t.Errorf("%s %s: %q, %q, want %q, %q", c.method, c.path, w.Header().Get("Content-Type"), w.Header().Get("Cache-Control"), c.kind, c.caching)
		}
	}
}

func TestWithoutABundleItSaysHowToBuildOne(t *testing.T) {
	w := httptest.NewRecorder()
	handler(fstest.MapFS{".keep": {}}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make web") {
		t.Errorf("status %d, %q: want 503 and how to build it", w.Code, w.Body)
	}
}

func TestThePageHasNothingInline(t *testing.T) {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code == http.StatusServiceUnavailable {
		t.Skip("the web app is not built: run make web")
	}
	page := w.Body.String()
	for _, bad := range []string{"<style", "style=", "onload=", "http://", "https://", "{{"} {
		if strings.Contains(page, bad) {
			t.Errorf("index.html contains %q", bad)
		}
	}
	licenses := httptest.NewRecorder()
	Handler().ServeHTTP(licenses, httptest.NewRequest("GET", "/licenses.txt", nil))
	for _, name := range []string{"lit ", "lit-html ", "uplot "} {
		if !strings.Contains(licenses.Body.String(), "\n"+name) {
			t.Errorf("licenses.txt has no notice of %s", name)
		}
	}
}
