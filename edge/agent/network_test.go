package agent

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"monitorme/drivers/all"
	"monitorme/drivers/patient"
	"monitorme/edge/port"
	"monitorme/protocol"
)

// TestAMonitorCallsTheBoxWithHL7 plays a monitor that calls, is cut off, and
// calls again, over real sockets.
func TestAMonitorCallsTheBoxWithHL7(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // an address that is free
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	driver, ok := all.Find("hl7")
	if !ok {
		t.Fatal("no driver hl7")
	}
	d, got := newDevice("listen://"+addr, port.Open)
	d.driver = driver
	if driver.Fresh != nil {
		d.driver = driver.Fresh()
	}
	attends(t, d)

	profile, err := patient.NamedProfile("stable adult")
	if err != nil {
		t.Fatal(err)
	}
	person, err := patient.New(patient.Config{Seed: 1, Profile: profile, Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	rates := func() (n int) {
		for _, o := range got.all() {
			if o.Code == protocol.HeartRate && o.Quality == protocol.QualityGood {
				n++
			}
		}
		return n
	}
	for range 2 {
		var far net.Conn
		eventually(t, "the call is taken", func() bool {
			far, err = net.Dial("tcp", addr)
			return err == nil
		})
		before := rates()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { driver.Simulate(ctx, far, person) })
		eventually(t, "heart rates arrive", func() bool { return rates() >= before+2 })
		cancel()
		far.Close()
		wg.Wait()
	}
	if s := d.state(); s.Status != protocol.DeviceReceiving || d.opens() != 1 {
		t.Errorf("%+v, opened %d times", s, d.opens())
	}
}
