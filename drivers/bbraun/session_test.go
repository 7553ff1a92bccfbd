package bbraun

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// A line is a wire between Run and a simulated rack.
type line struct {
	host, end *drivertest.End
	start     time.Time
	stop      func()

	mu     sync.Mutex
	writes []string // with their time
	bytes  [][]byte
	said   []string // by Run
}

func (l *line) Read(p []byte) (int, error)         { return l.host.Read(p) }
func (l *line) SetReadDeadline(at time.Time) error { return l.host.SetReadDeadline(at) }
func (l *line) Write(b []byte) (int, error) {
	l.mu.Lock()
	l.bytes = append(l.bytes, bytes.Clone(b))
	var o opener
	what := fmt.Sprintf("% X", b)
	if bl, n := o.open(b); n > 0 {
		what = string(bl.bed) + " " + string(bl.info)
		if bl.form == stuffed {
			what += " stuffed"
		}
	}
	l.writes = append(l.writes, fmt.Sprintf("%.1f %s", time.Since(l.start).Seconds(), what))
	l.mu.Unlock()
	return l.host.Write(b)
}

func connect(t *testing.T, d drivers.Driver, device Device) *line {
	l := &line{start: time.Now()}
	l.host, l.end = drivertest.NewWire()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- device.Simulate(ctx, l.end, drivertest.NewPatient()) }()
	go func() {
		done <- d.Run(ctx, l, func(o protocol.Observation) {
			if err := drivertest.Check(o); err != nil {
				t.Error(err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.said = append(l.said, fmt.Sprintf("%.0f ", time.Since(l.start).Seconds())+short(o))
		})
	}()
	l.stop = func() {
		stop()
		<-done
		<-done
		l.end.Close()
	}
	return l
}

// during gives what is written and said in the next d.
func (l *line) during(d time.Duration) (writes, said []string) {
	take := func() (writes, said []string) {
		synctest.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		writes, said, l.writes, l.said = l.writes, l.said, nil, nil
		return writes, said
	}
	take()
	time.Sleep(d)
	return take()
}

func count(all []string, part string) (n int) {
	for _, s := range all {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

var onePump = []Pump{{Place: "11", Model: "688N", Serial: "1", Drug: "EEX"}}

func TestTheConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, Driver, Device{Bed: "ICU07", Pumps: usualPumps[:2]})
		defer l.stop()
		writes, _ := l.during(10 * time.Second)
		expect(t, "at first", writes, "3.0 1 ADMIN:ALIVE stuffed", "3.1 06", "3.6 ICU07 ADMIN:VERSION stuffed", "3.7 06",
			"4.2 ICU07 MEM:GET stuffed", "4.3 06", "4.4 06", "9.2 ICU07 MEM:GET stuffed", "9.3 06", "9.4 06")
		writes, said := l.during(10 * time.Minute)
		if n := count(writes, "MEM:GET"); n != 120 || count(writes, "06") != 240 || len(writes) != 360 {
			t.Errorf("%d writes in ten minutes, %d of them ask for the pumps", len(writes), n)
		}
		if n := count(said, "1-2 Rate good"); n != 120 {
			t.Errorf("%d rates in ten minutes", n)
		}
	})
}

func TestARackThatTalksByItselfIsOnlyAnswered(t *testing.T) {
	for _, device := range []Device{{Cyclic: 5 * time.Second}, {Cyclic: 5 * time.Second, Plain: true}} {
		device.spoil = func(n int, b []byte) []byte {
			if n%20 == 0 {
				b[30] ^= 1
			}
			return b
		}
		synctest.Test(t, func(t *testing.T) {
			l := connect(t, Driver, device)
			defer l.stop()
			writes, said := l.during(10 * time.Minute)
			if n, naks := count(writes, " 06"), count(writes, " 15"); n+naks != len(writes) || n != 360 || naks < 10 {
				t.Errorf("%d of %d writes are ACK, %d NAK", n, len(writes), naks)
			}
			if n := count(said, "1-A Rate good"); n != 120 {
				t.Errorf("%d rates", n)
			}
		})
	}
}

func TestASlowCycleIsUnderstoodToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, Driver, Device{Cyclic: 40 * time.Second})
		defer l.stop()
		l.during(3 * time.Minute)
		writes, said := l.during(10 * time.Minute)
		if n := count(writes, " 06"); n != len(writes) || n != 45 || count(said, "1-1 Rate good") != 15 {
			t.Errorf("%d of %d writes are ACK; %d rates", n, len(writes), count(said, "1-1 Rate good"))
		}
	})
}

// A block that the rack sends again because of an old request is not its cycle.
func TestAnOldAnswerIsNoCycle(t *testing.T) {
	a := newAsker("")().(*asker)
	a.Ask(nil, 0)
	a.Decode(appendBlock(nil, "ICU07", pumpText("11", "INRT,5"), true, stuffed), func(protocol.Observation) {})
	var asked time.Duration
	for now := time.Second; asked == 0 && now < time.Hour; {
		b, wait := a.Ask(nil, now)
		if len(b) > 1 {
			asked = now
		}
		now += wait
	}
	if asked < 10*time.Second || asked > 20*time.Second {
		t.Errorf("asked after %v", asked)
	}
}

func TestStuffingIsLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, Driver, Device{Bed: "ICU07", Plain: true, Pumps: onePump})
		defer l.stop()
		writes, said := l.during(16 * time.Second)
		expect(t, "a rack that says what is wrong", writes, "3.0 1 ADMIN:ALIVE stuffed", "3.1 06", "8.0 1 ADMIN:ALIVE", "8.1 06", "8.6 ICU07 ADMIN:VERSION", "8.7 06",
			"9.2 ICU07 MEM:GET", "9.3 06", "14.2 ICU07 MEM:GET", "14.3 06")
		if count(said, "Drug good EEX") != 2 {
			t.Errorf("%q", said)
		}
	})
}

// scripted is a rack that gives these answers to the requests it hears, and
// nothing to others.
func scripted(t *testing.T, answers map[string]string, until time.Duration) (writes []string) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{start: time.Now()}
		l.host, l.end = drivertest.NewWire()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Driver.Run(ctx, l, func(protocol.Observation) {}) }()
		go func() {
			buf := make([]byte, 256)
			for {
				n, err := l.end.Read(buf)
				if err != nil {
					return
				}
				io.WriteString(l.end, answers[string(buf[:n])])
			}
		}()
		writes, _ = l.during(until)
		stop()
		<-done
		l.end.Close()
	})
	return writes
}

func TestARackThatDoesNotAnswerIsTriedInBothForms(t *testing.T) {
	expect(t, "silence", scripted(t, nil, 20*time.Second), "3.0 1 ADMIN:ALIVE stuffed", "8.0 1 ADMIN:ALIVE", "13.0 1 ADMIN:ALIVE stuffed", "18.0 1 ADMIN:ALIVE")
	expect(t, "one that knows no version", scripted(t, map[string]string{
		onWire(askAlive, anyBed, plain):  onWire("1,50100,GNACK,0", "ICU07", plain),
		onWire(askPumps, "ICU07", plain): onWire("1,50100,GNERR,11", "ICU07", plain),
	}, 25*time.Second), "3.0 1 ADMIN:ALIVE stuffed", "8.0 1 ADMIN:ALIVE", "8.1 06", "8.6 ICU07 ADMIN:VERSION", "13.6 1 ADMIN:ALIVE", "13.7 06",
		"14.2 ICU07 MEM:GET", "14.3 06", "19.2 ICU07 MEM:GET", "19.3 06", "24.2 ICU07 MEM:GET", "24.3 06")
}

func TestAWrongCheckIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := []int{5, 10, 11, 12, 13, 14, 15}
		l := connect(t, Driver, Device{Bed: "ICU07", Pumps: onePump, spoil: func(n int, b []byte) []byte {
			if slices.Contains(bad, n) {
				b[len(b)/2] ^= 4
			}
			return b
		}})
		defer l.stop()
		writes, _ := l.during(13800 * time.Millisecond)
		expect(t, "at first", writes[6:], "9.2 ICU07 MEM:GET stuffed", "9.3 06") // blocks 1 to 4
		writes, said := l.during(5 * time.Second)
		expect(t, "one bad block", writes, "14.2 ICU07 MEM:GET stuffed", "14.3 15", "14.4 06")
		if count(said, "Rate good") != 1 {
			t.Errorf("%q", said)
		}
		l.during(14500 * time.Millisecond)
		writes, _ = l.during(10 * time.Second)
		expect(t, "six", writes, "34.2 ICU07 MEM:GET stuffed", "34.3 15", "34.4 15", "34.5 15", "35.0 1 ADMIN:ALIVE stuffed", "35.1 15", "35.2 15", "35.3 06", "35.8 ICU07 MEM:GET stuffed", "35.9 06",
			"40.8 ICU07 MEM:GET stuffed", "40.9 06")
	})
}

func TestAfterALostReplyItBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, Driver, Device{Bed: "ICU07", Pumps: usualPumps[:2], deaf: func(n int) bool { return n == 5 }})
		defer l.stop()
		writes, said := l.during(17 * time.Second)
		expect(t, "from the lost reply on", writes[7:], "9.2 ICU07 MEM:GET stuffed", "9.3 06", "14.3 1 ADMIN:ALIVE stuffed", "14.4 06", "14.9 ICU07 MEM:GET stuffed", "15.0 06", "15.1 06")
		if count(said, "1-1 Rate good") != 3 || count(said, "1-2 Rate good") != 2 {
			t.Errorf("%q", said)
		}
	})
}

func TestAnotherBedID(t *testing.T) {
	from := func(now *atomic.Value) Device {
		return Device{Pumps: onePump, bed: func(time.Time) string { return now.Load().(string) }}
	}
	synctest.Test(t, func(t *testing.T) {
		var bed atomic.Value
		bed.Store("ICU07")
		l := connect(t, Driver, from(&bed))
		defer l.stop()
		l.during(13 * time.Second)
		bed.Store("ICU08")
		writes, said := l.during(9 * time.Second)
		// The rack does not answer to its old name.
		expect(t, "written", writes, "14.2 ICU07 MEM:GET stuffed", "19.2 1 ADMIN:ALIVE stuffed", "19.3 06", "19.8 1 ADMIN:ALIVE stuffed", "19.9 06", "20.4 ICU08 ADMIN:VERSION stuffed", "20.5 06",
			"21.0 ICU08 MEM:GET stuffed", "21.1 06")
		if !slices.Contains(said, "20  Other bed once medium: the rack is of another bed than before") || count(said, "20 1-1 Rate missing") != 1 || count(said, "21 1-1 Rate good") != 1 {
			t.Errorf("%q", said)
		}
	})
	pinned, err := Driver.Configure([]byte("bed: ICU07"))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var bed atomic.Value
		bed.Store("ICU08")
		l := connect(t, pinned, from(&bed))
		defer l.stop()
		writes, said := l.during(30 * time.Second)
		if count(writes, "ICU") != 0 || count(writes, "ALIVE") != 6 {
			t.Errorf("%q", writes)
		}
		expect(t, "said of a rack of another bed", said, "8  Other bed start medium: the rack is of another bed than configured: nothing of it is taken")
		bed.Store("ICU07")
		_, said = l.during(30 * time.Second)
		if count(said, "Other bed end") != 1 || count(said, "Rate good") == 0 {
			t.Errorf("%q", said)
		}
		bed.Store("ICU08")
		_, said = l.during(30 * time.Second)
		if count(said, "Other bed start") != 1 || count(said, "Rate missing") != 1 || count(said, "Rate good") != 0 {
			t.Errorf("%q", said)
		}
	})
}

func TestARackAsPumpsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failure atomic.Int32
		l := connect(t, Driver, Device{gone: func(place string, _ time.Time) (int, bool) {
			f := int(failure.Load())
			return f, f != 0 && place == "1A"
		}})
		defer l.stop()
		l.during(10 * time.Second)
		failure.Store(39)
		_, said := l.during(10 * time.Second)
		if count(said, "1-A Rate missing") != 1 || count(said, "1-A Rate good") != 0 || count(said, "1-1 Rate good") != 2 || count(said, "1-A Absent start") != 1 || count(said, "1-A gone") != 1 {
			t.Errorf("%q", said)
		}
		failure.Store(0)
		_, said = l.during(10 * time.Second)
		if count(said, "1-A Rate good") != 2 || count(said, "1-A Absent end") != 1 {
			t.Errorf("%q", said)
		}
		failure.Store(42)
		_, said = l.during(10 * time.Second)
		if count(said, "1-A Rate missing") != 1 || count(said, "1-A link Alarm start") != 1 || count(said, "Absent") != 0 {
			t.Errorf("%q", said)
		}
	})
}

func TestAlarmsOfTheSimulatedPump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var more atomic.Value
		more.Store([]string(nil))
		l := connect(t, Driver, Device{Pumps: onePump, extra: func(string, time.Time) []string { return more.Load().([]string) }})
		defer l.stop()
		l.during(10 * time.Second)
		more.Store([]string{"INA3,1", "INM3,0"})
		_, said := l.during(5 * time.Second)
		if count(said, "1-1 pressure Alarm start high: pump 1-1 EEX: pressure high") != 1 || count(said, "Pump good ready") != 1 {
			t.Errorf("%q", said)
		}
		more.Store([]string(nil))
		_, said = l.during(5 * time.Second)
		if count(said, "1-1 pressure Alarm end") != 1 || count(said, "Pump good infusing") != 1 {
			t.Errorf("%q", said)
		}
	})
}

func TestAfterASilenceAlarmsAreToldAgain(t *testing.T) {
	for _, silence := range []time.Duration{8 * time.Second, time.Minute} {
		for _, cycle := range []time.Duration{0, 5 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				var silent atomic.Bool
				l := connect(t, Driver, Device{Pumps: onePump, Cyclic: cycle, extra: func(string, time.Time) []string { return []string{"INA3,1"} },
					spoil: func(_ int, b []byte) []byte {
						if silent.Load() {
							return nil
						}
						return b
					}})
				defer l.stop()
				_, said := l.during(time.Minute)
				if count(said, "Alarm start") != 1 {
					t.Errorf("at first: %q", said)
				}
				silent.Store(true)
				l.during(silence)
				silent.Store(false)
				_, said = l.during(time.Minute)
				want := 0
				if silence > tellAgain {
					want = 1
				}
				if count(said, "Alarm continue") != want || count(said, "Rate good") < 8 {
					t.Errorf("after %v: %q", silence, said)
				}
			})
		}
	}
}

// A port of the network gives the same bytes in other pieces.
func TestOverANetworkConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		rates := 0
		go func() { done <- Device{}.Simulate(ctx, far, drivertest.NewPatient()) }()
		go func() {
			done <- Driver.Run(ctx, host, func(o protocol.Observation) {
				if o.Code == rate && o.Quality == protocol.QualityGood {
					rates++
				}
			})
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		<-done
		<-done
		host.Close()
		far.Close()
		if rates != 36 {
			t.Errorf("%d rates in a minute, want 36", rates)
		}
	})
}

func TestSettings(t *testing.T) {
	for text, want := range map[string]string{
		"bed: ICU07":                            "",
		"bed: \"\"":                             "",
		"bed: \"A>B\"":                          "bed \"A>B\": want",
		"bed: " + strings.Repeat("A", maxBed+1): "want the bed id",
		"room: 7":                               "room",
	} {
		_, err := Driver.Configure([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
