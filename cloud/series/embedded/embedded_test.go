package embedded

import (
	"log/slog"
	"testing"

	"monitorme/cloud/series"
	"monitorme/cloud/series/seriestest"
)

// openAt opens a store that is closed when the test ends.
func openAt(tb testing.TB, dir string) *Store {
	tb.Helper()
	cfg := Default()
	cfg.Dir, cfg.MinFreeBytes = dir, 64<<20
	s, err := Open(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func sealAll(tb testing.TB, s *Store) {
	tb.Helper()
	for _, l := range []*lane{s.readings, s.waves} {
		if err := l.seal(); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestContract(t *testing.T) {
	seriestest.Run(t, func(t *testing.T) series.Store { return openAt(t, t.TempDir()) }, seriestest.Options{
		Reopen: func(t *testing.T, s series.Store) series.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return openAt(t, s.(*Store).cfg.Dir)
		},
		Settle: func(t *testing.T, s series.Store) { sealAll(t, s.(*Store)) },
	})
}
