package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/protocol"
)

// untilNumber decodes what comes on r until a number can be shown.
func untilNumber(t *testing.T, d drivers.Driver, r io.Reader) {
	t.Helper()
	dec, found := d.NewDecoder(), false
	buf := make([]byte, 1024)
	for !found {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("no number: %v", err)
		}
		dec.Decode(buf[:n], func(o protocol.Observation) {
			found = found || o.Kind == protocol.KindNumeric && o.Quality.HasNumber()
		})
	}
}

// That every driver's Simulate is heard by its Run, drivertest shows; here it
// is the pseudo-terminal that matters, in real time.
func TestADeviceIsPlayedOnAPTYThatIsOpenedTwice(t *testing.T) {
	for _, name := range []string{"nonin", "stayhealthy"} {
		t.Run(name, func(t *testing.T) {
			d, ok := all.Find(name)
			if !ok {
				t.Fatalf("there is no driver %s", name)
			}
			link := filepath.Join(t.TempDir(), "device")
			ctx, cancel := context.WithCancel(t.Context())
			var out, errOut bytes.Buffer
			done := make(chan int)
			go func() {
				done <- run(ctx, []string{"-driver", d.Name, "-pty", link, "-seed", "3", "-episode", "sensor-off:temperature@+0s/1s"}, &out, &errOut)
			}()
			for range 2 {
				h := openHost(t, link)
				untilNumber(t, d, h)
				h.Close()
			}
			cancel()
			if code := <-done; code != 0 {
				t.Errorf("exit code %d: %s", code, errOut.String())
			}
			if !strings.Contains(out.String(), link) {
				t.Errorf("said %q", out.String())
			}
		})
	}
}

// openHost opens the pty once it is there.
func openHost(t *testing.T, link string) *os.File {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		h, err := os.OpenFile(link, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err == nil {
			h.SetReadDeadline(time.Now().Add(30 * time.Second))
			return h
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestWrongCommandLinesSayWhatIsWanted(t *testing.T) {
	name := all.Drivers[0].Name
	for _, c := range []struct{ args, want string }{
		{"-pty x", `-driver "" is not one of`},
		{"-driver toaster -pty x", `-driver "toaster" is not one of`},
		{"-driver " + name, "want one of -pty and -tcp"},
		{"-driver " + name + " -pty x -tcp y", "want one of -pty and -tcp"},
		{"-driver " + name + " -pty x -record a", "want -recordings and -record together"},
		{"-driver " + name + " -pty x -profile vampire", `profile "vampire" is not one of`},
		{"-driver " + name + " -pty x -episode yawn@+1s/2s", "yawn"},
		{"-driver " + name + " -pty x more", `"more" is no flag`},
		{"-driver " + name + " -pty x -recordings /nowhere -record a", "/nowhere"},
	} {
		var errOut bytes.Buffer
		if code := run(t.Context(), strings.Fields(c.args), io.Discard, &errOut); code != 2 || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%s: code %d, %q, want %q", c.args, code, errOut.String(), c.want)
		}
	}
}

func TestARecordingIsPlayedOverTCP(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "calm.csv"), []byte("time_s,HR,SPO2\n0,61,97\n60,62,97\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-driver", all.Drivers[0].Name, "-tcp", "127.0.0.1:0", "-recordings", dir, "-record", "calm"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := o.patient.Numeric(protocol.HeartRate, time.Now()); !ok || v != 61 {
		t.Errorf("heart rate %g, %v", v, ok)
	}
	var errOut bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := run(ctx, []string{"-driver", all.Drivers[0].Name, "-tcp", "127.0.0.1:0", "-recordings", dir, "-record", "calm"}, io.Discard, &errOut); code != 0 {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
}
