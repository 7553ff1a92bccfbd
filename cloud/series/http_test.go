package series_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"monitorme/cloud/series"
	"monitorme/cloud/series/embedded"
	"monitorme/cloud/series/seriestest"
	"monitorme/protocol"
)

func openEmbedded(tb testing.TB) *embedded.Store {
	tb.Helper()
	cfg := embedded.Default()
	cfg.Dir, cfg.MinFreeBytes = tb.TempDir(), 64<<20
	s, err := embedded.Open(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func serve(tb testing.TB, store series.Store) *series.Client {
	tb.Helper()
	srv := httptest.NewServer(series.Handler(store))
	tb.Cleanup(srv.Close)
	base, err := url.Parse(srv.URL)
	if err != nil {
		tb.Fatal(err)
	}
	return series.NewClient(base, srv.Client())
}

func TestTheContractHoldsAcrossProcesses(t *testing.T) {
	seriestest.Run(t, func(t *testing.T) series.Store { return serve(t, openEmbedded(t)) }, seriestest.Options{Checks: 20})
}

// failing is a Store of which Append and Points fail.
type failing struct {
	series.Store
	err error
}

func (f failing) Append(context.Context, protocol.BoxID, []protocol.Observation) error { return f.err }

func (f failing) Points(_ context.Context, _ series.Key, _, _ time.Time, yield func(*series.Point) bool) error {
	yield(&series.Point{At: time.Unix(1, 0), Value: protocol.Int(1)})
	return f.err
}

func TestErrorsKeepTheirMeaningAcrossProcesses(t *testing.T) {
	obs := []protocol.Observation{{Kind: protocol.KindNumeric, At: time.Unix(1, 0)}, {Kind: protocol.KindNumeric, At: time.Unix(2, 0)}}
	ctx := context.Background()

	c := serve(t, failing{err: fmt.Errorf("disk: %w", series.ErrNoSpace)})
	if err := c.Append(ctx, "box", obs); !errors.Is(err, series.ErrNoSpace) {
		t.Errorf("append: %v, want %v", err, series.ErrNoSpace)
	}
	c = serve(t, failing{err: &series.RefusedError{Indexes: []int{1}, Reason: errors.New("too odd")}})
	refused, ok := errors.AsType[*series.RefusedError](c.Append(ctx, "box", obs))
	if !ok || len(refused.Indexes) != 1 || refused.Indexes[0] != 1 || refused.Reason.Error() != "too odd" {
		t.Errorf("append: %v, want the refusal of 1", refused)
	}
	c = serve(t, failing{err: errors.New("broken")})
	if err := c.Append(ctx, "box", obs); err == nil || errors.Is(err, series.ErrRefused) {
		t.Errorf("append: %v, want a retryable error", err)
	}
	n := 0
	if err := c.Points(ctx, series.Key{}, time.Unix(0, 0), time.Unix(9, 0), func(*series.Point) bool { n++; return true }); err == nil || n != 1 {
		t.Errorf("points: %d and %v, want one and the error", n, err)
	}
}

// cutter cuts every body short by a byte.
type cutter struct{ series.Doer }

func (c cutter) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.Doer.Do(r)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(b[:max(0, len(b)-1)]))
	return resp, nil
}

func TestAStreamThatWasCutIsNotTakenForWhole(t *testing.T) {
	srv := httptest.NewServer(series.Handler(openEmbedded(t)))
	defer srv.Close()
	base, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := series.NewClient(base, cutter{srv.Client()})
	k, from, to := seriestest.Fill(t, c, 3000)
	if err := c.Points(context.Background(), k, from, to, func(*series.Point) bool { return true }); err == nil {
		t.Error("points: no error")
	}
}

func TestNonsenseIsABadRequest(t *testing.T) {
	srv := httptest.NewServer(series.Handler(openEmbedded(t)))
	defer srv.Close()
	for _, path := range []string{"keys?box=b", "points?box=b&code=x&from=0&to=1", "buckets?box=b&code=1&from=0&to=1&max=0", "blocks"} {
		resp, err := srv.Client().Get(srv.URL + "/internal/v1/series/" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s, want 400", path, resp.Status)
		}
	}
	resp, err := srv.Client().Post(srv.URL+"/internal/v1/series/append?box=b", "", bytes.NewReader([]byte("rubbish")))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("append of rubbish: %s, want 400", resp.Status)
	}
}

func BenchmarkClientRawDay(b *testing.B) {
	c := serve(b, openEmbedded(b))
	k, from, to := seriestest.Fill(b, c, 172_800)
	b.ResetTimer()
	for b.Loop() {
		n := 0
		if err := c.Points(context.Background(), k, from, to, func(*series.Point) bool { n++; return true }); err != nil || n != 172_800 {
			b.Fatal(n, err)
		}
	}
}
