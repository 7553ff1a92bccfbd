package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"monitorme/drivers"
	"monitorme/edge/port"
	"monitorme/protocol"
)

func TestSilentDeviceIsToldOnceAndAgainWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far io.Writer
		d, got := newDevice("tcp://fake:1", func(_ context.Context, cfg port.Config) (port.Port, error) {
			p, w := plug(cfg)
			far = w
			return p, nil
		})
		stop := attends(t, d)
		time.Sleep(time.Second)
		if s := d.state(); s.Status != protocol.DeviceConnecting {
			t.Errorf("before its first frame: %s", s.Status)
		}
		io.WriteString(far, "72\n")
		synctest.Wait()
		if s := d.state(); s.Status != protocol.DeviceReceiving || s.Problem != "" {
			t.Errorf("with frames: %+v", s)
		}
		time.Sleep(time.Minute)
		if s := d.state(); s.Status != protocol.DeviceSilent || !strings.Contains(s.Problem, "is the device on") {
			t.Errorf("without: %+v", s)
		}
		io.WriteString(far, "73\n")
		synctest.Wait()
		// The end at the start is for a loss that an earlier process may have told of.
		want := []string{"end", "72", "start: " + "no valid data for 2s: is the device on, its cable in, and its output set to Fake pulse meters?", "end", "73"}
		if s := got.said(); !slices.Equal(s, want) {
			t.Errorf("said %q", s)
		}
		stop()
	})
}

func TestJunkOnTheLineIsNamedAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far io.Writer
		d, _ := newDevice("tcp://fake:1", func(_ context.Context, cfg port.Config) (port.Port, error) {
			p, w := plug(cfg)
			far = w
			return p, nil
		})
		stop := attends(t, d)
		synctest.Wait()
		for range 10 {
			io.WriteString(far, "\x80\x81\x82\n")
			time.Sleep(time.Second)
		}
		if s := d.state(); s.Status != protocol.DeviceSilent || !strings.Contains(s.Problem, "baud rate") || s.SkippedBytes != 40 {
			t.Errorf("%+v", s)
		}
		stop()
	})
}

func TestRetriesSlowDownAndAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Time
		d, got := newDevice("tcp://fake:1", func(context.Context, port.Config) (port.Port, error) {
			tries = append(tries, time.Now())
			return nil, fmt.Errorf("open port: not there (%w)", fs.ErrNotExist)
		})
		stop := attends(t, d)
		time.Sleep(10 * time.Minute)
		stop()
		for i := range tries[1:] {
			gap, full := tries[i+1].Sub(tries[i]), min(firstRetry<<min(i, 20), lastRetry)
			if gap < full/2 || gap > full {
				t.Errorf("try %d came after %s, want %s to %s", i+1, gap, full/2, full)
			}
		}
		if s := got.said(); len(s) != 1 || !strings.HasPrefix(s[0], "start: open port: not there") {
			t.Errorf("said %q", s)
		}
		if s := d.state(); s.Status != protocol.DeviceFailed || !strings.Contains(s.Problem, "not there") {
			t.Errorf("%+v", s)
		}
	})
}

func TestADeviceThatWorkedIsTriedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, again := 0, make(chan time.Duration, 1)
		lost := make(chan time.Time, 1)
		d, _ := newDevice("tcp://fake:1", func(_ context.Context, cfg port.Config) (port.Port, error) {
			opened++
			if opened == 11 {
				again <- time.Since(<-lost)
			}
			if opened != 10 { // so that the back-off has grown
				return nil, errors.New("refused")
			}
			p, far := plug(cfg)
			go func() {
				for range 11 {
					io.WriteString(far, "72\n")
					time.Sleep(time.Second)
				}
				lost <- time.Now()
				far.(io.Closer).Close()
			}()
			return p, nil
		})
		stop := attends(t, d)
		if wait := <-again; wait > firstRetry {
			t.Errorf("waited %s after it had worked", wait)
		}
		stop()
	})
}

func TestADeviceThatCallsForEachMessageIsNotLostBetween(t *testing.T) {
	addr := ""
	d, got := newDevice("listen://127.0.0.1:0", func(ctx context.Context, cfg port.Config) (port.Port, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
		if err != nil {
			return nil, err
		}
		addr = l.Addr().String()
		l.Close()
		cfg.Address = "listen://" + addr
		return port.Open(ctx, cfg)
	})
	d.driver.Silence = 20 * time.Second
	stop := attends(t, d)
	for i := range 3 {
		say := fmt.Sprint(70 + i)
		eventually(t, "a call is taken", func() bool {
			if d.opens() == 0 {
				return false
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				return false
			}
			defer far.Close()
			_, err = io.WriteString(far, say+"\n")
			return err == nil
		})
		eventually(t, say+" is heard", func() bool { return slices.Contains(got.said(), say) })
	}
	if s := got.said(); !slices.Equal(s, []string{"end", "70", "71", "72"}) || d.opens() != 1 {
		t.Errorf("said %q, opened %d times", s, d.opens())
	}
	if s := d.state(); s.Status != protocol.DeviceReceiving {
		t.Errorf("%+v", s)
	}
	stop()
}

func TestTheOffsetOfADevicesClockIsMeasured(t *testing.T) {
	d, _ := newDevice("tcp://fake:1", nil)
	told := 0
	d.changed = func() { told++ }
	emit := func(clock time.Duration, q protocol.Quality) {
		o := pulse(70)
		o.DeviceTime, o.Quality = time.Now().Add(clock), q
		d.emit(o)
	}
	d.emit(pulse(70))
	if s := d.state(); s.ClockOffset != nil {
		t.Errorf("a device without a clock is off by %d s", *s.ClockOffset)
	}
	emit(-time.Hour, protocol.QualityUnknown) // of a memory, nobody knows how old
	if s := d.state(); s.ClockOffset != nil {
		t.Errorf("off by %d s by a reading of unknown age", *s.ClockOffset)
	}
	before := told
	emit(-95*time.Second, protocol.QualityGood)
	emit(-94*time.Second, protocol.QualityGood) // no news
	if s := d.state(); s.ClockOffset == nil || *s.ClockOffset != -95 || told != before+1 {
		t.Errorf("%+v, told %d times", s, told-before)
	}
	emit(0, protocol.QualityGood)
	if s := d.state(); *s.ClockOffset != 0 || told != before+2 {
		t.Errorf("%+v, told %d times", s, told-before)
	}
}

func TestWhatStillStandsIsToldAgainAfterASilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far io.Writer
		d, got := newDevice("tcp://fake:1", func(_ context.Context, cfg port.Config) (port.Port, error) {
			p, w := plug(cfg)
			far = w
			return p, nil
		})
		stop := attends(t, d)
		synctest.Wait()
		event := func(phase protocol.Phase, source protocol.Code, text string) {
			d.emit(protocol.Observation{Code: protocol.EventAlarm, Kind: protocol.KindEvent,
				Event: &protocol.Event{Phase: phase, Source: source, Type: protocol.AlarmPhysiological, Priority: protocol.PriorityHigh, Text: text}})
		}
		event(protocol.PhaseStart, protocol.SpO2, "low")
		event(protocol.PhaseStart, protocol.SpO2, "very low")
		event(protocol.PhaseStart, protocol.HeartRate, "high")
		event(protocol.PhaseContinue, protocol.HeartRate, "high")
		event(protocol.PhaseEnd, protocol.SpO2, "low")
		event(protocol.PhaseOnce, protocol.SpO2, "test")
		time.Sleep(time.Minute)
		if s := d.state(); s.Status != protocol.DeviceSilent {
			t.Fatalf("%+v", s)
		}
		before := len(got.all())
		io.WriteString(far, "72\n")
		synctest.Wait()
		var again []string
		for _, o := range got.all()[before:] {
			if o.Event != nil && o.Code == protocol.EventAlarm {
				again = append(again, fmt.Sprint(o.Event.Phase, " ", o.Event.Text))
			}
		}
		if !slices.Equal(again, []string{"continue very low", "continue high"}) {
			t.Errorf("told again: %q", again)
		}
		event(protocol.PhaseEnd, protocol.HeartRate, "high rate is over")
		if len(d.standing) != 1 || d.standing[0].Event.Text != "very low" {
			t.Errorf("standing: %+v", d.standing)
		}
		stop()
	})
}

func TestARefusedCallerIsNamedWhenTheDeviceIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, got := newDevice("tcp://fake:1", func(_ context.Context, cfg port.Config) (port.Port, error) {
			cfg.Notice("a call from 192.0.2.9 was refused")
			p, _ := plug(cfg)
			return p, nil
		})
		stop := attends(t, d)
		time.Sleep(time.Minute)
		if s := got.said(); !slices.Equal(s, []string{"start: no valid data for 2s: a call from 192.0.2.9 was refused"}) {
			t.Errorf("said %q", s)
		}
		stop()
	})
}

func TestADriverThatDoesNotStopHasItsPortClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDevice("tcp://fake:1", func(_ context.Context, cfg port.Config) (port.Port, error) {
			p, _ := plug(cfg)
			return p, nil
		})
		d.driver.Run = func(_ context.Context, p drivers.Port, _ drivers.Emit) error {
			for {
				p.SetReadDeadline(time.Time{})
				if _, err := p.Read(make([]byte, 1)); errors.Is(err, io.ErrClosedPipe) {
					return err
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.attend(ctx)
		}()
		synctest.Wait()
		start := time.Now()
		cancel()
		<-done
		if took := time.Since(start); took > obey {
			t.Errorf("took %s", took)
		}
	})
}

func TestAnObservationThatCannotBeCarriedSpoilsNoOther(t *testing.T) {
	d, got := newDevice("tcp://fake:1", nil)
	bad := pulse(70)
	bad.Channel = strings.Repeat("x", 100)
	d.emit(bad)
	d.emit(pulse(71))
	if s := got.said(); !slices.Equal(s, []string{"end", "71"}) || d.refused != 1 {
		t.Errorf("said %q, refused %d", s, d.refused)
	}
}

func TestTheSocketOfASilentAndOfAnAbsentDeviceIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, got := newDevice("tcp://fake:1", nil)
		d.opened("/dev/ttyUSB0", port.Plug{}, func(error) {})
		d.socket = "/dev/serial/by-path/usb-1-2" // as port.Find tells it
		time.Sleep(3 * time.Second)
		d.look(port.Plug{})
		if s := d.state(); s.Status != protocol.DeviceSilent || !strings.Contains(s.Problem, "no valid data for 2s from socket /dev/serial/by-path/usb-1-2: ") {
			t.Errorf("silent: %+v", s)
		}
		if p := d.page(); p.Socket != "/dev/serial/by-path/usb-1-2" {
			t.Errorf("page: %+v", p)
		}
		d.end = nil
		d.failed(fmt.Errorf("open port: not there (%w)", fs.ErrNotExist))
		if s := d.state(); s.Status != protocol.DeviceFailed || !strings.HasSuffix(s.Problem, "; it was last plugged into /dev/serial/by-path/usb-1-2") {
			t.Errorf("absent: %+v", s)
		}
		if p := d.page(); p.Socket != "" {
			t.Errorf("it is shown as plugged in: %+v", p)
		}
		if said := got.said(); len(said) != 1 {
			t.Errorf("said %q", said)
		}
	})
}

func TestAPanicIsThatDevicesFailureOnly(t *testing.T) {
	dir := t.TempDir()
	var terms [3]*terminal
	var sinks [3]*sink
	var devs [3]*device
	for i := range terms {
		terms[i] = newTerminal(t, filepath.Join(dir, fmt.Sprint("tty", i)))
		devs[i], sinks[i] = newDevice(terms[i].link, port.Open)
		attends(t, devs[i])
		eventually(t, "opened", func() bool { return devs[i].opens() == 1 })
	}
	terms[1].say("panic\n")
	for n := range 50 {
		terms[0].say(fmt.Sprintln(n))
		terms[2].say(fmt.Sprintln(n))
	}
	for _, i := range []int{0, 2} {
		eventually(t, "the neighbours' readings", func() bool { return len(sinks[i].all()) == 51 })
	}
	eventually(t, "the panic is told and the driver runs again", func() bool {
		said := sinks[1].said()
		return devs[1].opens() == 2 && len(said) == 1 && strings.Contains(said[0], "failed inside (the fake driver has a bug)")
	})
	terms[1].say("60\n")
	eventually(t, "and reads again", func() bool { return slices.Contains(sinks[1].said(), "60") })
	if devs[1].panics != 1 {
		t.Errorf("%d panics counted", devs[1].panics)
	}
}

// opens counts how often the port was opened.
func (d *device) opens() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.openings
}

func TestAnUnpluggedDeviceIsBackSoonAfterItsCable(t *testing.T) {
	tt := newTerminal(t, filepath.Join(t.TempDir(), "ttyUSB0"))
	d, got := newDevice(tt.link, port.Open)
	attends(t, d)
	eventually(t, "opened", func() bool { return d.opens() == 1 })
	tt.say("72\n")
	eventually(t, "72", func() bool { return slices.Contains(got.said(), "72") })
	for i := range 3 {
		tt.unplug()
		eventually(t, "failed", func() bool { return d.state().Status == protocol.DeviceFailed })
		time.Sleep(time.Duration(i) * 400 * time.Millisecond) // so that the back-off grows
		tt.plug()
		start := time.Now()
		n := d.opens()
		eventually(t, "opened again", func() bool { return d.opens() > n })
		t.Logf("reopened %s after it was plugged in", time.Since(start).Round(time.Millisecond))
		tt.say(fmt.Sprintln(80 + i))
		eventually(t, "readings again", func() bool { return slices.Contains(got.said(), fmt.Sprint(80+i)) })
	}
	said := got.said()
	if n := strings.Count(strings.Join(said, "\n"), "start: "); n != 3 || !strings.Contains(said[2], "unplugged") {
		t.Errorf("said %q", said)
	}
}

func TestABusyPortIsToldWithWhoHasIt(t *testing.T) {
	tt := newTerminal(t, filepath.Join(t.TempDir(), "ttyUSB0"))
	p, err := port.Open(t.Context(), port.Config{Address: tt.link})
	if err != nil {
		t.Fatal(err)
	}
	d, got := newDevice(tt.link, port.Open)
	attends(t, d)
	eventually(t, "told", func() bool { return len(got.said()) == 1 })
	if s := got.said()[0]; !strings.Contains(s, "busy") || !strings.Contains(s, tt.link) || !strings.Contains(s, "this program (pid ") {
		t.Error(s)
	}
	p.Close()
	eventually(t, "opened when it is free", func() bool { return d.state().Status == protocol.DeviceConnecting })
}

func TestValuesOfThePageAreNeverStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDevice("tcp://fake:1", nil)
		d.now = wallClock
		o := pulse(72)
		o.Delay = 500 * time.Millisecond
		d.emit(o)
		bad := pulse(30000)
		bad.Channel = "left"
		d.emit(bad)
		v := d.page().Values
		if v[0].Value != protocol.Int(72) || v[0].AgeMS != 500 || v[0].Stale {
			t.Errorf("fresh: %+v", v[0])
		}
		if v[1].Value.Valid || v[1].Text != "invalid" {
			t.Errorf("an impossible number is shown: %+v", v[1])
		}
		time.Sleep(time.Hour)
		if v := d.page().Values[0]; v.Value.Valid || !v.Stale || v.Text != "no current value" {
			t.Errorf("an hour later: %+v", v)
		}
	})
}

func TestEmitIsSafeFromManyDevices(t *testing.T) {
	d, got := newDevice("tcp://fake:1", nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				d.emit(pulse(70))
				d.look(port.Plug{})
				d.page()
			}
		})
	}
	wg.Wait()
	all := got.all()
	for i := range all[2:] {
		if !all[i+2].At.After(all[i+1].At) {
			t.Fatalf("%v handed on after %v", all[i+2].At, all[i+1].At)
		}
	}
}
