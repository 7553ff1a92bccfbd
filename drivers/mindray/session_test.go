package mindray

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// tapped keeps what is written.
type tapped struct {
	drivers.Port
	wrote []byte
}

func (p *tapped) Write(b []byte) (int, error) {
	p.wrote = append(p.wrote, b...)
	return p.Port.Write(b)
}

// session gives what Run emits of a monitor, what it writes, and how it ends.
func session(t *testing.T, d drivers.Driver, device Device, p *drivertest.Patient, during func()) (obs []protocol.Observation, wrote []byte, err error) {
	host, far := drivertest.NewWire()
	ctx, stop := context.WithCancel(t.Context())
	sim, run := make(chan error, 1), make(chan error, 1)
	tap := &tapped{Port: host}
	go func() { sim <- device.Simulate(ctx, far, p) }()
	go func() { run <- d.Run(ctx, tap, func(o protocol.Observation) { obs = append(obs, o) }) }()
	during()
	stop()
	<-sim
	err = <-run
	far.Close()
	return obs, tap.wrote, err
}

func TestRunWritesOnlyTheEchoAndTheQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allowed := append([][]byte{echo}, (Settings{}).queries()...)
		seen := make([]int, 4)
		for _, device := range []Device{{CuffEvery: time.Minute}, {NoAll: true, NoLists: true}} {
			_, wrote, _ := session(t, Driver, device, drivertest.NewPatient(), func() { time.Sleep(3 * time.Minute) })
			for len(wrote) > 0 {
				i := slices.IndexFunc(allowed, func(q []byte) bool { return bytes.HasPrefix(wrote, q) })
				if i < 0 {
					t.Fatalf("wrote %q", wrote[:min(len(wrote), 900)])
				}
				seen[i]++
				wrote = wrote[len(allowed[i]):]
			}
		}
		if seen[0] < 350 || slices.Min(seen[1:]) < 5 {
			t.Errorf("echo and queries were sent %v times", seen)
		}
	})
	for i, q := range (Settings{}).queries() { // nothing that could be another command
		for n, line := range strings.Split(strings.Trim(string(q), "\x0b\x1c\r"), "\r") {
			want := []string{"MSH|^~\\&|||||||QRY^R02|1203|P|2.3.1", "QRD|20261120092800|R|I|Q1|||||RES"}
			if n < 2 && line != want[n] || n >= 2 && !strings.HasPrefix(line, "QRF|MON||||0&0^") || strings.Count(line, "&") > maxList {
				t.Errorf("query %d: %q", i, line)
			}
		}
	}
	if got, want := string(query([]int{101, 160, 161, 200, 201})), "\x0bMSH|^~\\&|||||||QRY^R02|1203|P|2.3.1\rQRD|20261120092800|R|I|Q1|||||RES\r"+
		"QRF|MON||||0&0^1^1^0^101&160&161&200\rQRF|MON||||0&0^1^1^0^201\rQRF|MON||||0&0^3^1^1^\rQRF|MON||||0&0^4^1^1^\r\x1c\r"; got != want {
		t.Errorf("query %q", got)
	}
}

func TestTheMonitorIsAskedAfterItsFirstEcho(t *testing.T) {
	d := newDecoder(Settings{Validity: required})
	asks := func(now time.Duration) string {
		b, _ := d.Ask(nil, now)
		s := ""
		for i, q := range append([][]byte{echo}, d.forms...) {
			if bytes.Contains(b, q) {
				s += fmt.Sprint(i)
			}
		}
		return s
	}
	step := func(now time.Duration, want string) {
		t.Helper()
		if got := asks(now); got != want {
			t.Errorf("at %v: sends %q, want %q", now, got, want)
		}
	}
	feed := func(b []byte) { d.Decode(b, func(protocol.Observation) {}) }
	step(0, "0")
	feed(message(103, simPatient))
	step(500*time.Millisecond, "")
	step(time.Second, "0")
	step(5*time.Second, "01") // no echo yet
	feed(message(106))
	step(5500*time.Millisecond, "1") // once more
	step(6*time.Second, "0")
	step(16*time.Second, "02") // nothing has come
	feed(message(204, obx(101, 2101, "72")))
	step(17*time.Second, "0")
	step(26*time.Second, "0")
	step(27*time.Second, "02") // what worked
	step(37*time.Second, "02")
	d = newDecoder(Settings{Validity: required})
	step(0, "0")
	feed(message(106))
	step(100*time.Millisecond, "1")
}

func TestNothingOfThePatientLeavesTheDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obs, wrote, _ := session(t, Driver, Device{CuffEvery: time.Minute}, drivertest.NewPatient(), func() { time.Sleep(2 * time.Minute) })
		all, err := json.Marshal(obs)
		if err != nil || len(obs) < 100 {
			t.Fatalf("%d observations, %v", len(obs), err)
		}
		all = append(all, wrote...)
		for _, s := range []string{"ROE", "RICHARD", "1956", "4711", "14140f00", "189", "100.0", "BedNo", "ICU", "3232237756"} {
			if bytes.Contains(all, []byte(s)) {
				t.Errorf("%q left the driver", s)
			}
		}
	})
}

func TestASilentMonitorIsLeftAndASilentHostToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := drivertest.NewWire()
		defer far.Close()
		sim := make(chan error, 1)
		go func() { sim <- Device{}.Simulate(t.Context(), far, drivertest.NewPatient()) }()
		var heard []byte
		go func() {
			buf := make([]byte, 4096)
			for {
				n, err := host.Read(buf)
				heard = append(heard, buf[:n]...)
				if err != nil {
					return
				}
			}
		}()
		start := time.Now()
		if err := <-sim; err == nil || time.Since(start) < hangUp || time.Since(start) > hangUp+3*time.Second {
			t.Errorf("the monitor hung up after %v: %v", time.Since(start), err)
		}
		start = time.Now()
		host2, far2 := drivertest.NewWire()
		defer far2.Close()
		if err := Driver.Run(t.Context(), host2, func(protocol.Observation) {}); err == nil || time.Since(start) != silence {
			t.Errorf("Run ended after %v: %v", time.Since(start), err)
		}
		far.Close()
	})
}

func TestAnOldResultOfTheCuffIsNotOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obs, _, _ := session(t, Driver, Device{OldCuff: true, CuffEvery: 4 * time.Minute}, drivertest.NewPatient(), func() { time.Sleep(3 * time.Minute) })
		var got []protocol.Quality
		for _, o := range obs {
			if o.Code == protocol.NIBPSystolic {
				got = append(got, o.Quality)
			}
		}
		if !slices.Equal(got, []protocol.Quality{protocol.QualityUnknown, protocol.QualityGood}) {
			t.Errorf("results %v", got)
		}
	})
}
