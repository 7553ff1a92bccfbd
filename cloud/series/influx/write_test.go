package influx

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/protocol"

	"github.com/google/go-cmp/cmp"
)

// A server answers writes as its handle says and remembers the lines that it
// took. It proves what the client does, not what InfluxDB does.
type server struct {
	mu       sync.Mutex
	requests int
	lines    []string
	handle   func(request int, lines []string) (status int, retryAfter string)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, _ := io.ReadAll(body)
	lines := strings.Split(string(text), "\n")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	status, after := s.handle(s.requests, lines)
	if r.URL.Path != "/api/v2/write" || r.URL.Query().Get("precision") != "us" || r.Header.Get("Authorization") != "Token secret" {
		status = http.StatusTeapot
	}
	if after != "" {
		w.Header().Set("Retry-After", after)
	}
	if status == http.StatusNoContent {
		s.lines = append(s.lines, lines...)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		fmt.Fprintf(w, `{"code":"x","message":"status %d"}`, status)
	}
}

func fake(t *testing.T, handle func(request int, lines []string) (int, string)) (*server, *Store) {
	t.Helper()
	srv := &server{handle: handle}
	h := httptest.NewServer(srv)
	t.Cleanup(h.Close)
	cfg := Default()
	cfg.URL, cfg.Org, cfg.Bucket, cfg.TokenFile, cfg.WriteTimeout = h.URL, "o", "b", tokenFile(t, "secret"), 5*time.Second
	return srv, open(t, cfg)
}

func heartRates(n int) []protocol.Observation {
	obs := make([]protocol.Observation, n)
	for i := range obs {
		obs[i] = protocol.Observation{Device: "monitor", Code: protocol.HeartRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood,
			At: time.Unix(int64(1000+i), 0), Value: protocol.Int(int64(i))}
	}
	return obs
}

func TestABusyServerIsAskedAgain(t *testing.T) {
	srv, s := fake(t, func(request int, _ []string) (int, string) {
		return []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusNoContent}[request-1], []string{"", "1", "", ""}[request-1]
	})
	start := time.Now()
	if err := s.Append(context.Background(), "box", heartRates(3)); err != nil {
		t.Fatal(err)
	}
	if srv.requests != 4 || len(srv.lines) != 3 || time.Since(start) < time.Second {
		t.Errorf("%d requests, %d lines after %v; want 4 and 3 after the second that was asked for", srv.requests, len(srv.lines), time.Since(start))
	}
}

func TestALineThatIsRefusedIsFoundAndTheOthersAreStored(t *testing.T) {
	bad := func(l string) bool {
		return strings.Contains(l, "exact=\"1;1;0;7\"") || strings.Contains(l, "exact=\"1;1;0;900\"")
	}
	srv, s := fake(t, func(_ int, lines []string) (int, string) {
		if slices.ContainsFunc(lines, bad) {
			return http.StatusUnprocessableEntity, ""
		}
		return http.StatusNoContent, ""
	})
	err := s.Append(context.Background(), "box", heartRates(1000))
	refused, ok := errors.AsType[*series.RefusedError](err)
	if !ok || !slices.Equal(refused.Indexes, []int{7, 900}) {
		t.Errorf("%v, want the refusal of 7 and 900", err)
	}
	if len(srv.lines) != 998 {
		t.Errorf("%d lines stored, want 998", len(srv.lines))
	}
}

func TestAWrongTokenRefusesNothing(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
		srv, s := fake(t, func(int, []string) (int, string) { return status, "" })
		err := s.Append(context.Background(), "box", heartRates(3))
		if err == nil || errors.Is(err, series.ErrRefused) || srv.requests != 1 {
			t.Errorf("status %d: %v after %d requests, want a retryable error after one", status, err, srv.requests)
		}
	}
}

func TestManyReadingsGoInRequestsOf5000(t *testing.T) {
	srv, s := fake(t, func(_ int, lines []string) (int, string) {
		if len(lines) > maxLines {
			return http.StatusBadRequest, ""
		}
		return http.StatusNoContent, ""
	})
	if err := s.Append(context.Background(), "box", heartRates(12_345)); err != nil || srv.requests != 3 || len(srv.lines) != 12_345 {
		t.Errorf("%v, %d requests, %d lines; want 3 and 12345", err, srv.requests, len(srv.lines))
	}
}

func TestALineSaysWhatTheDocumentSays(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456)
	for _, c := range []struct {
		o    protocol.Observation
		want string
	}{
		{protocol.Observation{Device: "monitor", Code: protocol.BodyTemperature, Unit: "Cel", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Clock: protocol.ClockSynced, At: at, Value: protocol.Dec(3680, -2)},
			`numeric,box=b1,channel=~,code=150364,device=monitor,unit=Cel exact="1;1;1;3680e-2",quality=1i,value=36.8 1700000000123456`},
		{protocol.Observation{Channel: "a,b", Code: 1, Unit: "%", Kind: protocol.KindNumeric, Quality: protocol.QualityInvalid, At: at, Value: protocol.Int(300)},
			`numeric,box=b1,channel=a~2cb,code=1,device=~,unit=% exact="1;3;0;300",quality=3i 1700000000123456`},
		{protocol.Observation{Device: "mat", Code: 2, Kind: protocol.KindEnumeration, Quality: protocol.QualityGood, At: at, Text: `a"b`},
			`text,box=b1,channel=~,code=2,device=mat,unit=~ exact="3;1;0;{\"text\":\"a\\\"b\"}",quality=1i,text="a\"b" 1700000000123456`},
	} {
		if got := string(appendLine(nil, "b1", &c.o)); got != c.want {
			t.Errorf("line\n%s\nwant\n%s", got, c.want)
		}
	}
}

func FuzzTag(f *testing.F) {
	for _, s := range []string{"", "~", "plain", "a b,c=d\\", "%", "über", "${x}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := escapeTag(s)
		if strings.ContainsAny(e, ", =\\\"\n$") || e == "" {
			t.Errorf("%q is written %q", s, e)
		}
		if back, err := unescapeTag(e); err != nil || back != s {
			t.Errorf("%q became %q, %v", s, back, err)
		}
		unescapeTag(s)
	})
}

func FuzzExact(f *testing.F) {
	f.Add("1;1;1;3680e-2")
	f.Add(`4;1;0;{"value":"1e2","text":"t","event":{}}`)
	o := protocol.Observation{Kind: protocol.KindSamples, Samples: &protocol.Samples{RateMilliHz: 1000, Scale: protocol.Int(1), Raw: []int32{1, 2}}}
	f.Add(exact(&o))
	f.Fuzz(func(t *testing.T, s string) {
		var o, again protocol.Observation
		if err := parseExact(s, &o); err != nil || o.Kind == protocol.KindSamples && o.Samples == nil {
			return
		}
		if err := parseExact(exact(&o), &again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(o, again); d != "" {
			t.Errorf("%q: -first +second\n%s", s, d)
		}
	})
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	good := Default()
	good.Org, good.Bucket, good.TokenFile = "o", "b", "f"
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for key, spoil := range map[string]func(*Config){
		"url":           func(c *Config) { c.URL = "influx:8086" },
		"allow_plain":   func(c *Config) { c.URL = "http://influx.example" },
		"org":           func(c *Config) { c.Org = "" },
		"bucket":        func(c *Config) { c.Bucket = "" },
		"token_file":    func(c *Config) { c.TokenFile = "" },
		"write_timeout": func(c *Config) { c.WriteTimeout = 0 },
		"query_timeout": func(c *Config) { c.QueryTimeout = 2 * time.Hour },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
