package probe

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers/all"
)

func TestEveryDriverThatSpeaksIsRecognisedAmongAll(t *testing.T) {
	for _, d := range all.Drivers {
		if d.Simulate == nil || d.Asks || d.Configure != nil || d.Line.Baud == 0 {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r := at(t, Config{Drivers: all.Drivers}, hearing(d.Line), simulated(t, d))
				switch m := r.Match; {
				case m == nil && d.Silence > 30*time.Second:
					t.Logf("speaks seldom: %s", r.Advice())
				case m == nil:
					t.Errorf("not recognised: %s", r.Advice())
				case m.Driver.Name != d.Name && !slices.Contains(m.Also, d.Name):
					t.Errorf("taken for %s: %s, also %v", m.Driver.Name, m.Why, m.Also)
				default:
					t.Logf("%s after %s, checked %v: %s, also %v", m.Driver.Name, time.Since(start).Round(time.Second), d.Checked, m.Why, m.Also)
				}
			})
		})
	}
}
