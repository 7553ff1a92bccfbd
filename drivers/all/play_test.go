package all

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/drivers/patient"
	"monitorme/protocol"
)

// memories are drivers that only read what was measured some time, nobody knows
// when: none of their values may be shown as of now.
var memories = map[string]bool{"codefree": true, "glucomen": true, "nibp-beurer": true}

// The kit plays simulators for a patient who has every sign; the demo ward has
// modelled ones, who know nothing of, say, an incubator.
func TestEverySimulatedDeviceGivesNumbersOfAModelledPatient(t *testing.T) {
	for _, d := range Drivers {
		if d.Simulate == nil || d.Configure != nil {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body, err := patient.NamedProfile("stable adult")
				if err != nil {
					t.Fatal(err)
				}
				p, err := patient.New(patient.Config{Seed: 1, Profile: body, Start: time.Now()})
				if err != nil {
					t.Fatal(err)
				}
				host, device := drivertest.NewWire()
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 2)
				numbers, recorded := 0, 0
				go func() { done <- d.Simulate(ctx, device, p) }()
				go func() {
					done <- d.Run(ctx, host, func(o protocol.Observation) {
						switch {
						case o.Kind == protocol.KindSamples, o.Kind == protocol.KindEnumeration && o.Code.Partition() != 1, o.Kind == protocol.KindNumeric && o.Quality.HasNumber():
							numbers++
						case o.Kind == protocol.KindNumeric && o.Value.Valid && o.Quality == protocol.QualityUnknown:
							recorded++
						}
					})
				}()
				time.Sleep(span(d))
				stop()
				for range 2 {
					<-done
				}
				device.Close()
				if memories[d.Name] {
					numbers, recorded = recorded, numbers
					if recorded > 0 {
						t.Errorf("%d values out of a memory without a clock could be shown as of now", recorded)
					}
				}
				if numbers == 0 {
					t.Errorf("nothing measured in %v", span(d))
				}
			})
		})
	}
}

// span is how long a device may take to give its first number.
func span(d drivers.Driver) time.Duration {
	if d.Silence > 5*time.Minute { // one that is read now and then
		return 15 * time.Minute
	}
	return 2 * time.Minute
}
