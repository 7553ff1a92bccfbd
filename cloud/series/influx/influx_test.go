package influx

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/cloud/series/seriestest"
)

// serverConfig is the server that the environment names, set up if it is
// fresh; or the test is skipped.
func serverConfig(tb testing.TB) Config {
	tb.Helper()
	url := os.Getenv("MONITORME_TEST_INFLUX_URL")
	if url == "" {
		tb.Skip("InfluxDB contract suite did not run: MONITORME_TEST_INFLUX_URL is not set (scripts/influxd/run.sh sets it)")
	}
	env := func(name, fallback string) string {
		if v := os.Getenv("MONITORME_TEST_INFLUX_" + name); v != "" {
			return v
		}
		return fallback
	}
	cfg := Default()
	cfg.URL, cfg.AllowPlain = url, true
	cfg.Org, cfg.Bucket = env("ORG", "hospital"), env("BUCKET", "monitorme")
	token := env("TOKEN", "monitorme-test-token")
	setUp(tb, cfg, token)
	cfg.TokenFile = tokenFile(tb, token)
	return cfg
}

func tokenFile(tb testing.TB, token string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

// setUp makes the first user, organisation and bucket of a fresh server.
func setUp(tb testing.TB, cfg Config, token string) {
	tb.Helper()
	resp, err := http.Get(cfg.URL + "/api/v2/setup")
	if err != nil {
		tb.Fatal(err)
	}
	var fresh struct{ Allowed bool }
	err = json.NewDecoder(resp.Body).Decode(&fresh)
	resp.Body.Close()
	if err != nil || !fresh.Allowed {
		return
	}
	body, _ := json.Marshal(map[string]string{"username": "test", "password": "only-for-tests", "org": cfg.Org, "bucket": cfg.Bucket, "token": token})
	resp, err = http.Post(cfg.URL+"/api/v2/setup", "application/json", bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		tb.Fatalf("set up InfluxDB: %s", resp.Status)
	}
}

func open(tb testing.TB, cfg Config) *Store {
	tb.Helper()
	s, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	cfg := serverConfig(t)
	seriestest.Run(t, func(t *testing.T) series.Store { return open(t, cfg) }, seriestest.Options{LastWins: true, Checks: 15})
	if err := open(t, cfg).Health(context.Background()); err != nil {
		t.Error(err)
	}
}

func BenchmarkServer(b *testing.B) {
	s := open(b, serverConfig(b))
	const n = 172_800
	start := time.Now()
	k, from, to := seriestest.Fill(b, s, n)
	b.Logf("%d readings written in %v", n, time.Since(start))
	b.Run("raw day", func(b *testing.B) {
		for b.Loop() {
			got := 0
			if err := s.Points(context.Background(), k, from, to, func(*series.Point) bool { got++; return true }); err != nil || got != n {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("2000 buckets", func(b *testing.B) {
		for b.Loop() {
			if got, err := s.Buckets(context.Background(), k, from, to, 2000); err != nil || len(got) != 2000 {
				b.Fatal(len(got), err)
			}
		}
	})
}
