// Package web holds the screens: the TypeScript sources, and the bundle that
// `make web` builds from them, embedded, so that one binary serves it all. It
// knows no patients and asks nobody: the page in the browser asks the API.
package web

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the web app: its files, and index.html for every path that
// the app itself routes. Without a built bundle it says how to build one.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil { // the name is a constant
		panic(err)
	}
	return handler(files)
}

// contentTypes are ours: those of the system may lack some, or be wrong.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

const notBuilt = "The web app is not built. Run: make web\nThe API works without it; /docs describes it.\n"

func handler(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Only GET and HEAD are allowed here.", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if routed(name) {
			name = "index.html"
		}
		data, err := fs.ReadFile(files, name)
		kind, known := contentTypes[path.Ext(name)]
		switch {
		case name == "index.html" && err != nil:
			http.Error(w, notBuilt, http.StatusServiceUnavailable)
		case err != nil || !known:
			http.Error(w, "There is no such page. The first page is at / and the API is described at /docs.", http.StatusNotFound)
		default:
			h := w.Header()
			h.Set("Content-Type", kind)
			h.Set("Cache-Control", caching(name))
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
	})
}

// routed tells whether the app in the browser answers a path.
func routed(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "", ".", "unit", "bed", "boxes", "password":
		return true
	}
	return false
}

// caching keeps what has a hash in its name for ever, and index.html, which
// names them, never: after an update each screen gets the new one.
func caching(name string) string {
	switch {
	case strings.HasPrefix(name, "assets/"):
		return "public, max-age=31536000, immutable"
	case name == "index.html":
		return "no-store"
	}
	return "no-cache"
}
