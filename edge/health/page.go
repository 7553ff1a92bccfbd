package health

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"monitorme/protocol"
)

// Config says where the status page is.
type Config struct {
	// Listen is a loopback address and port; "" is no page.
	Listen string `yaml:"listen"`
}

// Default is 127.0.0.1:9080.
func Default() Config { return Config{Listen: "127.0.0.1:9080"} }

// Validate checks that the page is seen on this machine only.
func (c Config) Validate() error {
	if c.Listen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || !loopback(host) {
		return fmt.Errorf("health.listen %q: want a loopback address and port such as 127.0.0.1:9080, or \"\" for none", c.Listen)
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// Status is everything that the page shows.
type Status struct {
	Box      protocol.BoxID      `json:"box"`
	Unit     protocol.UnitID     `json:"unit"`
	Version  string              `json:"version"`
	Now      time.Time           `json:"now"`
	Started  time.Time           `json:"started"`
	Late     []string            `json:"late"`     // loops that stand still
	Problems []string            `json:"problems"` // of the box itself: what is wrong and what to do
	Clock    Clock               `json:"clock"`
	Uplink   Uplink              `json:"uplink"`
	Queue    protocol.QueueState `json:"queue"`
	Devices  []Device            `json:"devices"`
}

// Clock is how far the times of the box can be trusted.
type Clock struct {
	Trusted bool   `json:"trusted"`
	Text    string `json:"text"`
}

// Uplink is the way to the cloud.
type Uplink struct {
	Connected bool   `json:"connected"`
	Text      string `json:"text"`
}

// Device is one device with its newest values.
type Device struct {
	protocol.DeviceState
	Word   string `json:"word"`   // of Status: "receiving"
	Title  string `json:"title"`  // of the driver
	Socket string `json:"socket"` // where the cable is plugged in, by path; "" if unknown
	// Recognised says how the driver was found, or what is tried now; "" where
	// the driver is configured.
	Recognised string `json:"recognised,omitempty"`

	Frames  uint64  `json:"frames"`
	BadSums uint64  `json:"bad_sums"`
	Values  []Value `json:"values"`
}

// Value is the newest value of one series.
type Value struct {
	Channel string           `json:"channel"`
	Code    protocol.Code    `json:"code"`
	Label   string           `json:"label"`
	Unit    protocol.Unit    `json:"unit"`
	Value   protocol.Decimal `json:"value"` // null unless it may be shown as a number now
	Text    string           `json:"text"`  // a word, or why there is no number
	At      time.Time        `json:"at"`
	AgeMS   int64            `json:"age_ms"`
	Stale   bool             `json:"stale"` // older than the sign allows; Value is null
	Doubt   bool             `json:"doubt"` // the device itself doubts it
}

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"age":    age,
	"bytes":  size,
	"offset": offset,
	"clock":  func(t time.Time) string { return t.UTC().Format("15:04:05 UTC") },
}).Parse(pageHTML))

// offset says how far a device's clock is from ours.
func offset(seconds int64) string {
	d := (time.Duration(seconds) * time.Second).Abs()
	switch {
	case d < 3*time.Second:
		return "right"
	case seconds < 0:
		return d.String() + " behind"
	}
	return d.String() + " ahead"
}

func age(ms int64) string {
	if ms < 60_000 {
		return fmt.Sprintf("%.1f s", float64(ms)/1000)
	}
	return (time.Duration(ms) * time.Millisecond).Round(time.Second).String()
}

func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// Handler serves / as a page, /status.json, /healthz and /metrics. status is
// called for each request, from any goroutine.
func Handler(status func() Status, checks *Checks, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	current := func() Status {
		s := status()
		s.Late = checks.Late()
		return s
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		page.Execute(w, current()) // fails only when the browser went away
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(current())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if late := checks.Late(); len(late) > 0 {
			http.Error(w, "these stand still: "+strings.Join(late, ", "), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "every loop goes round")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page on the internet that lets its name point here would otherwise
		// read this one through the browser of the box.
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !loopback(strings.Trim(host, "[]")) {
			http.Error(w, "only for this machine: use http://127.0.0.1", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// Serve serves h at cfg.Listen until ctx ends or listening fails.
func Serve(ctx context.Context, cfg Config, h http.Handler) error {
	if cfg.Listen == "" {
		<-ctx.Done()
		return ctx.Err()
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("status page: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 8 << 10}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	err = s.Serve(l)
	if ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return ctx.Err()
	}
	return fmt.Errorf("status page: %w", err)
}
