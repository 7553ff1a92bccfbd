package ingest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/protocol"
)

func TestTimesOutOfTouchAreRecordedAlsoAfterTheStoreFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []protocol.Observation
		failures := 3
		c := NewContacts(func(_ context.Context, box protocol.BoxID, obs []protocol.Observation) error {
			if failures--; failures >= 0 {
				return errors.New("store down")
			}
			if box != "box-01" {
				t.Errorf("box %q", box)
			}
			got = append(got, obs...)
			return nil
		}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		c.Changed("box-01", false, t0)
		c.Changed("box-01", true, t0.Add(time.Minute))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		cancel()
		<-done
		if len(got) != 2 || got[0].Event.Phase != protocol.PhaseStart || !got[0].At.Equal(t0) || got[1].Event.Phase != protocol.PhaseEnd {
			t.Errorf("recorded %+v", got)
		}
		for i := range got {
			if err := got[i].Check(); err != nil {
				t.Errorf("recorded event is not valid: %v", err)
			}
		}
	})
}
