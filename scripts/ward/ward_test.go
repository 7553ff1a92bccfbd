package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// TestMain lets the test binary stand in for the programs that the ward starts:
// under their names it is a fake cloud, a fake box, or a ward that is killed.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "monitorme-cloud":
		fakeCloud()
	case "monitorme-edge":
		fakeEdge()
	case "ward-to-be-killed":
		c := newCrew(os.Args[1], func(string, ...any) {})
		c.run(context.Background(), child{name: "sleeper", argv: []string{"/bin/sh", "-c", "echo $$; exec sleep 600"}})
	default:
		os.Exit(m.Run())
	}
}

func untilTerminated() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	fmt.Println("stopped")
	os.Exit(0)
}

func fakeCloud() {
	f := flag.NewFlagSet("cloud", flag.ExitOnError)
	config, addr := f.String("config", "", ""), f.String("addr", "", "")
	for _, name := range []string{"data", "unit", "beds", "out", "broker"} {
		f.String(name, "", "")
	}
	f.Parse(os.Args[2:])
	if os.Args[1] == "demo" {
		if err := os.WriteFile(*config, []byte(*addr), 0o600); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	where, _ := os.ReadFile(*config)
	asked := 0
	http.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	go http.ListenAndServe(string(where), nil)
	untilTerminated()
}

// fakeEdge reads the first device of its configuration and says so.
func fakeEdge() {
	var c boxConfig
	text, err := os.ReadFile(os.Args[3])
	if err == nil {
		err = yaml.UnmarshalWithOptions(text, &c, yaml.Strict())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		for ; ; time.Sleep(20 * time.Millisecond) {
			f, err := os.OpenFile(c.Devices[0].Port, os.O_RDWR|syscall.O_NOCTTY, 0)
			if err != nil {
				continue
			}
			if n, _ := f.Read(make([]byte, 64)); n > 0 {
				fmt.Println("pid", os.Getpid(), "reads", c.Devices[0].ID)
				return
			}
			f.Close()
		}
	}()
	untilTerminated()
}

// standIn makes the test binary available under another name.
func standIn(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// until waits for ok, or fails the test.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// lines collects what is said. Safe for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) has(s string) func() bool {
	return func() bool { return strings.Contains(l.String(), s) }
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// readPID waits for a line "pid N …" in a log.
func readPID(t *testing.T, log string) (pid int) {
	t.Helper()
	until(t, "pid in "+log, func() bool {
		text, _ := os.ReadFile(log)
		i := strings.LastIndex(string(text), "pid ")
		if i < 0 {
			return false
		}
		pid, _ = strconv.Atoi(strings.Fields(string(text[i:]) + " x")[1])
		return pid > 0
	})
	return pid
}

func TestTheWardRunsRestartsAndStopsItsPrograms(t *testing.T) {
	data := t.TempDir()
	args := []string{"-cloud", standIn(t, "monitorme-cloud"), "-edge", standIn(t, "monitorme-edge"), "-data", data, "-beds", "4",
		"-addr", freeAddr(t), "-broker", freeAddr(t)}
	for range 2 { // the second start uses the data of the first
		var out, errOut lines
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan int)
		go func() { done <- command(ctx, args, &out, &errOut) }()
		until(t, "greeting", func() bool {
			return strings.Contains(out.String(), "log in as") || errOut.String() != ""
		})
		if errOut.String() != "" {
			t.Fatal(errOut.String())
		}
		var pids []int
		for b := 1; b <= 4; b++ {
			pids = append(pids, readPID(t, filepath.Join(data, "logs", fmt.Sprintf("box-%02d.log", b))))
		}
		if err := syscall.Kill(pids[1], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "line about the box that died", out.has("box-02 ended (signal: killed"))
		until(t, "new box 2", func() bool { return readPID(t, filepath.Join(data, "logs", "box-02.log")) != pids[1] })
		pids[1] = readPID(t, filepath.Join(data, "logs", "box-02.log"))
		cancel()
		select {
		case code := <-done:
			if code != 0 {
				t.Errorf("exit code %d: %s", code, errOut.String())
			}
		case <-time.After(patience):
			t.Fatal("the ward does not stop")
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("process %d is left", pid)
			}
		}
		for _, name := range []string{"cloud", "box-01"} {
			log, err := os.ReadFile(filepath.Join(data, "logs", name+".log"))
			if err != nil || !strings.Contains(string(log), "stopped") {
				t.Errorf("%s was not asked to stop: %q, %v", name, log, err)
			}
			os.Remove(filepath.Join(data, "logs", name+".log"))
		}
		for b := 1; b <= 4; b++ {
			os.Remove(filepath.Join(data, "logs", fmt.Sprintf("box-%02d.log", b)))
		}
		if left, _ := os.ReadDir(filepath.Join(data, "dev")); len(left) > 0 {
			t.Errorf("devices are left: %v", left)
		}
	}
}

func TestACloudThatEndsWhileStartingIsAnErrorWithItsLastWords(t *testing.T) {
	cloud := filepath.Join(t.TempDir(), "cloud")
	if err := os.WriteFile(cloud, []byte("#!/bin/sh\n[ $1 = demo ] && exit 0\necho no disk\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var errOut lines
	args := []string{"-cloud", cloud, "-edge", cloud, "-data", t.TempDir(), "-beds", "1", "-addr", freeAddr(t), "-broker", freeAddr(t)}
	if code := command(t.Context(), args, io.Discard, &errOut); code != 1 || !errOut.has("no disk")() {
		t.Errorf("exit code %d, %q", code, errOut.String())
	}
}

func TestWhatIsWrongIsSaidBeforeAnythingStarts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	sh := "/bin/sh"
	for _, c := range []struct{ args, want string }{
		{"-cloud " + sh + " -edge " + sh, "-data is missing"},
		{"-cloud /nowhere -edge " + sh + " -data x", `-cloud "/nowhere" is no program`},
		{"-cloud " + sh + " -edge " + sh + " -data x -beds 21", "-beds 21: want 1 to 20"},
		{"-cloud " + sh + " -edge " + sh + " -data x -addr 127.0.0.1:0 -broker " + ln.Addr().String(), "mosquitto may have it; stop that, or choose another with -broker"},
		{"-cloud " + sh + " -edge " + sh + " -data x more", `"more" is no flag`},
	} {
		var errOut lines
		if code := command(t.Context(), strings.Fields(c.args), io.Discard, &errOut); code != 2 || !errOut.has(c.want)() {
			t.Errorf("%s: code %d, %q, want %q", c.args, code, errOut.String(), c.want)
		}
	}
}

func TestAChildThatDoesNotStopIsKilledWithItsOwnChildren(t *testing.T) {
	dir := t.TempDir()
	c := newCrew(dir, func(string, ...any) {})
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- c.once(ctx, child{name: "deaf", grace: 50 * time.Millisecond, argv: []string{"/bin/sh", "-c",
			`trap "" TERM; (trap "" TERM; exec sleep 600) & echo pid $!; echo pid $$; while :; do sleep 600; done`}})
	}()
	var pids []int
	until(t, "two processes", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "deaf.log"))
		pids = nil
		for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); {
			if pid, err := strconv.Atoi(strings.TrimPrefix(sc.Text(), "pid ")); err == nil {
				pids = append(pids, pid)
			}
		}
		return len(pids) == 2
	})
	cancel()
	<-done
	for _, pid := range pids {
		until(t, fmt.Sprintf("end of %d", pid), func() bool { return gone(pid) })
	}
}

// gone reports whether a process has ended; nobody may have waited for it yet.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestNothingIsLeftIfTheWardIsKilled(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(standIn(t, "ward-to-be-killed"), dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	until(t, "a child", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "sleeper.log"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid > 0
	})
	if gone(pid) {
		t.Fatal("the child has ended on its own")
	}
	cmd.Process.Kill()
	cmd.Wait()
	until(t, "end of the child", func() bool { return gone(pid) })
}

func TestAChildThatDiesYoungIsStartedAgainLaterEachTime(t *testing.T) {
	var said lines
	c := newCrew(t.TempDir(), (&teller{out: &said}).say)
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var pauses []time.Duration
	c.wait = func(_ context.Context, d time.Duration) {
		if pauses = append(pauses, d); len(pauses) == 6 {
			cancel()
		}
	}
	c.run(ctx, child{name: "weak", argv: []string{"/bin/sh", "-c", "exit 3"}})
	if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second}; fmt.Sprint(pauses) != fmt.Sprint(want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	if !said.has("weak ended (exit status 3; see")() {
		t.Errorf("said %q", said.String())
	}
}

func TestACutCableEndsConnectionsAndRefusesNewOnes(t *testing.T) {
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	go func() {
		for {
			c, err := far.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c) // an echo
		}
	}()
	p, err := newProxy(far.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
		return c
	}
	echo := func(c net.Conn) error {
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 5))
		return err
	}
	c := dial()
	if err := echo(c); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if err := echo(c); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection lives on after the cut: %v", err)
	}
	if err := echo(dial()); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection over a cut cable: %v", err)
	}
	p.Join()
	last := dial()
	if err := echo(last); err != nil {
		t.Errorf("after joining: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := echo(last); err == nil {
		t.Error("a connection lives on after the end")
	}
}

func TestTheTimetableRecursWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var log []string
		note := func(what string) func() {
			return func() {
				log = append(log, fmt.Sprintf("%s %v", what, time.Since(start)))
				time.Sleep(10 * time.Millisecond) // what happens takes a while
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 135*time.Second)
		defer cancel()
		entry{after: 10 * time.Second, lasts: 30 * time.Second, every: time.Minute, begin: note("on"), end: note("off")}.keep(ctx, start)
		if got, want := strings.Join(log, ", "), "on 10s, off 40s, on 1m10s, off 1m40s, on 2m10s"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		log = nil
		entry{after: 3 * time.Minute, lasts: time.Second, begin: note("once")}.keep(t.Context(), start)
		if len(log) != 1 {
			t.Errorf("got %v", log)
		}
	})
}
