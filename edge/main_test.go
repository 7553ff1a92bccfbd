package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/protocol"
)

func TestMain(m *testing.M) {
	switch os.Getenv("EDGE_TEST_MAIN") {
	case "":
	case "plain":
		main()
	default:
		all.Drivers = append(all.Drivers, bytewise)
		main()
	}
	os.Exit(m.Run())
}

// bytewise is a device that says a pulse rate with each byte; 255 is junk.
var bytewise = drivers.Driver{
	Name: "bytewise", Title: "Bytewise meters", Line: drivers.Line{Baud: 19200, DataBits: 7, Parity: drivers.ParityEven}, Silence: time.Second,
	Alternates: []drivers.Line{{Baud: 9600}}, Asks: true, Experimental: true,
	Codes:      []protocol.Code{protocol.PulseRate, protocol.SpO2},
	NewDecoder: func() drivers.Decoder { return &byteDecoder{} },
	Run:        drivers.Listen(func() drivers.Decoder { return &byteDecoder{} }),
}

type byteDecoder struct{ stats drivers.Stats }

func (d *byteDecoder) Decode(p []byte, emit drivers.Emit) {
	for _, b := range p {
		d.stats.Bytes++
		if b == 255 {
			d.stats.Skipped++
			d.stats.BadSums++
			continue
		}
		d.stats.Frames++
		emit(protocol.Observation{Code: protocol.PulseRate, Unit: "/min", Kind: protocol.KindNumeric, Quality: protocol.QualityGood, Value: protocol.Int(int64(b))})
	}
}

func (d *byteDecoder) Stats() drivers.Stats { return d.stats }

// edge runs the program as a process.
func edge(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return edgeWith(t, "bytewise", stdin, args...)
}

// edgeWith is edge with the driver bytewise, or plain.
func edgeWith(t *testing.T, kind, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "EDGE_TEST_MAIN="+kind)
	cmd.Stdin = strings.NewReader(stdin)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Run(); e != nil && cmd.ProcessState == nil {
		t.Fatal(e)
	}
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDecodeGivesOneObjectALine(t *testing.T) {
	capture := write(t, "capture.bin", "\x48\xff\x49")
	for name, args := range map[string][]string{
		"one dash":       {"decode", "-driver", "bytewise", capture},
		"two dashes":     {"decode", "--driver", "bytewise", capture},
		"equals":         {"decode", "-driver=bytewise", capture},
		"flag last":      {"decode", capture, "-driver", "bytewise"},
		"standard input": {"decode", "-driver", "bytewise"},
		"a dash":         {"decode", "-driver", "bytewise", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := edge(t, "\x48\xff\x49", args...)
			lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			if code != 0 || len(lines) != 2 {
				t.Fatalf("code %d, out %q, err %q", code, out, errs)
			}
			var o struct {
				Code    string
				Value   float64
				Quality string
			}
			if err := json.Unmarshal([]byte(lines[0]), &o); err != nil || o.Code != "MDC_PULS_OXIM_PULS_RATE" || o.Value != 72 || o.Quality != "good" {
				t.Errorf("%s: %+v, %v", lines[0], o, err)
			}
			if !strings.Contains(errs, "3 bytes, 2 frames, 1 bytes skipped, 1 bad checksums") {
				t.Errorf("standard error: %q", errs)
			}
		})
	}
}

func TestWrongCommandsExitWithTwoAndSayWhy(t *testing.T) {
	bad := write(t, "edge.yaml", "box: bed-07\nunit: icu\ndevics: []\n")
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"unknown driver":  {[]string{"decode", "-driver", "bytewize", "x"}, []string{`"bytewize"`, `did you mean "bytewise"?`, "want one of"}},
		"no driver":       {[]string{"decode", bad}, []string{"--driver"}},
		"unknown flag":    {[]string{"decode", "--colour"}, []string{"--colour"}},
		"unknown command": {[]string{"fly"}, []string{"fly"}},
		"no config":       {[]string{"run"}, []string{"--config"}},
		"bad config":      {[]string{"run", "-config", bad, "-check"}, []string{bad + ":3:1:", "devics"}},
		"missing config":  {[]string{"run", "-config", "/none.yaml"}, []string{"/none.yaml"}},
		"bad level":       {[]string{"run", "-config", bad, "-log-level", "loud"}, []string{"loud"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := edge(t, "", c.args...)
			if code != exitUsage || out != "" {
				t.Errorf("code %d, out %q", code, out)
			}
			for _, w := range c.want {
				if !strings.Contains(errs, w) {
					t.Errorf("%q is not in %q", w, errs)
				}
			}
		})
	}
}

func TestMissingCaptureFails(t *testing.T) {
	if code, _, errs := edge(t, "", "decode", "-driver", "bytewise", "/none.bin"); code != exitFailed || !strings.Contains(errs, "/none.bin") {
		t.Errorf("code %d, %q", code, errs)
	}
}

func TestDriversAreListedWithWhatTheyNeed(t *testing.T) {
	code, out, _ := edge(t, "", "drivers")
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "bytewise") {
			for _, want := range []string{"Bytewise meters", "19200 7E1 (+1)", "is asked", "heart-rate,oxygen", "experimental"} {
				if !strings.Contains(line, want) {
					t.Errorf("%q is not in %q", want, line)
				}
			}
			return
		}
	}
	t.Errorf("code %d, out %q", code, out)
}

func TestPortsVersionAndHelp(t *testing.T) {
	if code, out, errs := edge(t, "", "ports"); code != 0 || !strings.Contains(strings.ToLower(out), "port") {
		t.Errorf("ports: %d %q %q", code, out, errs)
	}
	if code, out, _ := edge(t, "", "version"); code != 0 || !strings.HasPrefix(out, "monitorme-edge ") || !strings.Contains(out, "64-bit") {
		t.Errorf("version: %d %q", code, out)
	}
	for _, args := range [][]string{nil, {"--help"}, {"-help"}, {"-h"}} {
		if code, out, _ := edge(t, "", args...); code != 0 || !strings.Contains(out, "decode") {
			t.Errorf("%v: %d %q", args, code, out)
		}
	}
}

func TestThirtyTwoBitsAreRefused(t *testing.T) {
	if err := checkWord(32); err == nil || !strings.Contains(err.Error(), "32-bit") || !strings.Contains(err.Error(), "arm64") {
		t.Error(err)
	}
	if err := checkWord(64); err != nil {
		t.Error(err)
	}
}

func TestCheckTellsWhichPortsAreThere(t *testing.T) {
	path := config(t)
	code, out, errs := edge(t, "", "run", "-config", path, "-check")
	for _, want := range []string{"fine", "bed-07", "oximeter", "not there", "spare", "off"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %q (code %d, %q)", want, out, code, errs)
		}
	}
}

func TestBoxRunsUntilItIsToldToStop(t *testing.T) {
	cmd := exec.Command(os.Args[0], "run", "--config", config(t), "-log-level", "debug")
	cmd.Env = append(os.Environ(), "EDGE_TEST_MAIN=1")
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(60*time.Second, func() { cmd.Process.Kill() })
	defer kill.Stop()
	var said []string
	for d := json.NewDecoder(logs); ; {
		var line struct{ Msg string }
		if err := d.Decode(&line); err != nil {
			break
		}
		said = append(said, line.Msg)
		if line.Msg == "box started" {
			cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v, said %q", err, said)
	}
	if n := len(said); n == 0 || said[n-1] != "box stopped" {
		t.Errorf("said %q", said)
	}
}
