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
)

const bug = "MONITORME-CAPTURE 1\ndriver: nonin\nstarted: 2026-11-20T10:00:00Z\n\n" +
	"0.000000 < 61 |a|\n0.200000 < 62 |b|\n0.300000 > 06\n0.400000 < 63 |c|\n"

func recording(t *testing.T, text string) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "bug.capture")
	if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestARecordingOfALineIsPlayedOnceTheHostIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		args       []string
	}{
		"once": {bug, "abc", nil},
		"cut":  {bug + "0.5000", "abc", nil},
		"loop": {bug, "abcabca", []string{"-loop"}},
	} {
		t.Run(name, func(t *testing.T) {
			link := filepath.Join(t.TempDir(), "device")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var out, errOut bytes.Buffer
			done := make(chan int)
			go func() {
				done <- run(ctx, append([]string{"-play", recording(t, c.text), "-pty", link}, c.args...), &out, &errOut)
			}()
			h := openHost(t, link)
			defer h.Close()
			start, got := time.Now(), make([]byte, len(c.want))
			for i := range got {
				if _, err := io.ReadFull(h, got[i:i+1]); err != nil {
					t.Fatalf("%q, %v", got[:i], err)
				}
				if got[i] == 'b' {
					h.Write([]byte{6}) // what it waits for
				}
			}
			if string(got) != c.want || time.Since(start) < 300*time.Millisecond {
				t.Errorf("%q in %s", got, time.Since(start))
			}
			if name == "loop" {
				cancel()
			}
			if code := <-done; code != 0 || !strings.Contains(out.String(), "nonin (recorded 2026-11-20T10:00:00Z) on ") {
				t.Errorf("exit code %d: %q %q", code, out.String(), errOut.String())
			}
		})
	}
}

func TestADamagedRecordingIsRefusedBeforeItIsPlayed(t *testing.T) {
	good := recording(t, bug)
	for _, c := range []struct{ args, want string }{
		{"-pty x -play " + recording(t, bug+"0.1 < 00\n"), "line 9: "},
		{"-pty x -play " + recording(t, "\x01\x80"), "line 1: "},
		{"-pty x -play /none.capture", "/none.capture"},
		{"-play " + good, "want one of -pty and -tcp"},
		{"-pty x -driver nonin -seed 3 -play " + good, "leave out -driver, -seed"},
		{"-pty x -driver nonin -loop", "-loop goes with -play"},
		{"-pty x more -play " + good, `"more" is no flag`},
	} {
		var errOut bytes.Buffer
		if code := run(t.Context(), strings.Fields(c.args), io.Discard, &errOut); code != 2 || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%s: code %d, %q, want %q", c.args, code, errOut.String(), c.want)
		}
	}
}
