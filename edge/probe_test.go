package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/drivers/nonin"
	"monitorme/drivers/simulator/line"
	"monitorme/drivers/stayhealthy"
)

// plugged plays a device on a pseudo-terminal until the test ends.
func plugged(t *testing.T, play func(ctx context.Context, wire drivers.Port)) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "device")
	p, err := line.OpenPTY(link)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { play(ctx, p) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		p.Close()
	})
	return link
}

func simulated(d drivers.Driver) func(context.Context, drivers.Port) {
	return func(ctx context.Context, wire drivers.Port) { d.Simulate(ctx, wire, drivertest.NewPatient()) }
}

func contains(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is not in\n%s", what, w, text)
		}
	}
}

func TestProbeSaysWhichDeviceItIsAndWhatToConfigure(t *testing.T) {
	for _, d := range []drivers.Driver{nonin.Driver, stayhealthy.Driver} {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			link := plugged(t, simulated(d))
			code, out, errs := edgeWith(t, "plain", "", "probe", link)
			if code != 0 || errs != "" {
				t.Errorf("code %d, err %q", code, errs)
			}
			contains(t, "out", out, "Listening on "+link, "nothing is sent", "9600 8N1", "Recognised: "+d.Name+", "+d.Title,
				"frames", "in a row", "\n  values  ", "- id: "+d.Name+"-1", "driver: "+d.Name, link)
		})
	}
}

func TestProbeSaysWhatItHeardWhenNothingFits(t *testing.T) {
	junk := write(t, "junk.bin", strings.Repeat("\x7fjunk\x00", 300))
	code, out, _ := edgeWith(t, "plain", "", "probe", "file:"+junk)
	if code != exitUnknown {
		t.Errorf("code %d", code)
	}
	contains(t, "out", out, "Not recognised: ", "begins with 7F 6A 75 6E 6B", "monitorme-edge record")
	if code, _, errs := edgeWith(t, "plain", "", "probe", "/none/port"); code != exitFailed || !strings.Contains(errs, "not there") {
		t.Errorf("code %d, %q", code, errs)
	}
	if code, _, errs := edgeWith(t, "plain", "", "probe", "ftp://x"); code != exitUsage || !strings.Contains(errs, "want serial") {
		t.Errorf("code %d, %q", code, errs)
	}
}

func TestWhatWasRecordedIsDecodedAndRecognised(t *testing.T) {
	link := plugged(t, simulated(nonin.Driver))
	file := filepath.Join(t.TempDir(), "bug.capture")
	code, out, errs := edgeWith(t, "plain", "", "record", "-driver", "nonin", "-for", "2500ms", "-o", file, link)
	if code != 0 || out != "" {
		t.Fatalf("code %d, %q, %q", code, out, errs)
	}
	contains(t, "standard error", errs, "names and numbers of patients", file)
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	text, _ := os.ReadFile(file)
	contains(t, "capture", string(text), "driver: nonin", "line: 9600 8N1", "program: monitorme-edge ", " < 01 ", " ! stopped")
	code, out, errs = edgeWith(t, "plain", "", "decode", file)
	if code != 0 {
		t.Errorf("code %d, %q", code, errs)
	}
	contains(t, "decoded", out, "MDC_PULS_OXIM_SAT_O2", `"at":"20`)
	contains(t, "decoded", errs, "nonin: ", " 0 bad checksums")
	if code, out, _ = edgeWith(t, "plain", "", "decode", "-driver", "stayhealthy", file); code != 0 || out != "" {
		t.Errorf("with another driver: %d, %q", code, out)
	}
	if code, out, errs = edgeWith(t, "plain", "", "probe", "file:"+file); code != 0 || !strings.Contains(out, "Recognised: nonin") {
		t.Errorf("probe: %d, %q, %q", code, out, errs)
	}
	if code, _, errs = edgeWith(t, "plain", "", "record", "-o", file, link); code != exitFailed || !strings.Contains(errs, "file exists") {
		t.Errorf("over a file: %d, %q", code, errs)
	}
}

func TestARecordingWithoutADriverSendsNothingAndGoesToStandardOutput(t *testing.T) {
	var mu sync.Mutex
	sent := 0
	link := plugged(t, func(ctx context.Context, wire drivers.Port) {
		for ctx.Err() == nil {
			wire.Write([]byte("PATIENT: DOE "))
			wire.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			n, _ := wire.Read(make([]byte, 1))
			mu.Lock()
			sent += n
			mu.Unlock()
		}
	})
	code, out, errs := edgeWith(t, "plain", "", "record", "-line", "19200 7E1", "-for", "1s", "-o", "-", link)
	if code != 0 {
		t.Errorf("code %d, %q", code, errs)
	}
	contains(t, "out", out, "MONITORME-CAPTURE 1", "line: 19200 7E1", "PATIENT: DOE")
	mu.Lock()
	defer mu.Unlock()
	if sent > 0 {
		t.Errorf("%d bytes were sent", sent)
	}
	for _, args := range [][]string{{"record", "-line", "fast", link}, {"record", "-driver", "abacus", link}, {"record", "ftp://x"}} {
		if code, _, errs := edgeWith(t, "plain", "", args...); code != exitUsage {
			t.Errorf("%v: %d, %q", args, code, errs)
		}
	}
}
