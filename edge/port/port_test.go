package port

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"monitorme/drivers"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("PORT_TEST_OPEN"); path != "" { // a second process, maybe without rights
		_, err := Open(context.Background(), Config{Address: path})
		if err != nil {
			io.WriteString(os.Stdout, err.Error())
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// terminal gives the far end of a pseudo-terminal and the path of its near end.
func terminal(t *testing.T) (*os.File, string) {
	t.Helper()
	far, near, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { far.Close() })
	path := near.Name()
	near.Close()
	return far, path
}

func mustOpen(t *testing.T, cfg Config) Port {
	t.Helper()
	p, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestSerialCarriesBytesBothWays(t *testing.T) {
	far, path := terminal(t)
	p := mustOpen(t, Config{Address: "serial://" + path, Line: drivers.Line{Baud: 19200, Parity: drivers.ParityEven}})
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i) // control characters too: the line must be raw
	}
	got := make([]byte, len(all))
	go far.Write(all)
	if _, err := io.ReadFull(p, got); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("read %x, %v", got, err)
	}
	go p.Write(all)
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("far end read %x, %v", got, err)
	}
}

func TestTheLastWordsOfADriverGoOutBeforeThePortCloses(t *testing.T) {
	far, path := terminal(t)
	keep, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0) // so that the far end can read on after Close
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	p := mustOpen(t, Config{Address: path})
	bye := []byte("\x1b\x55\x36\x43\r")
	if _, err := p.Write(bye); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	far.SetReadDeadline(time.Now().Add(20 * time.Second))
	got := make([]byte, len(bye))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, bye) {
		t.Errorf("far end read %q, %v", got, err)
	}
}

func TestLineChangesWhileOpen(t *testing.T) {
	_, path := terminal(t)
	p := mustOpen(t, Config{Address: path})
	ls, ok := p.(drivers.LineSetter)
	if !ok {
		t.Fatal("a serial port is no drivers.LineSetter")
	}
	if err := ls.SetLine(drivers.Line{Baud: 115200, StopBits: 2, DTRLow: true}); err != nil {
		t.Error(err)
	}
	if err := ls.SetLine(drivers.Line{Baud: 9600, DataBits: 9}); err == nil {
		t.Error("9 data bits were accepted")
	}
	p.Close()
	if err := ls.SetLine(drivers.Line{Baud: 9600}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Every kind of port keeps the same promises.
func TestPromisesOfEveryKind(t *testing.T) {
	kinds := map[string]func(*testing.T) Port{
		"serial": func(t *testing.T) Port {
			_, path := terminal(t)
			return mustOpen(t, Config{Address: path})
		},
		"tcp": func(t *testing.T) Port {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				if c, err := l.Accept(); err == nil {
					t.Cleanup(func() { c.Close() })
				}
			}()
			return mustOpen(t, Config{Address: "tcp://" + l.Addr().String()})
		},
		"udp": func(t *testing.T) Port {
			l, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return mustOpen(t, Config{Address: "udp://" + l.LocalAddr().String()})
		},
		"listen": func(t *testing.T) Port { return mustOpen(t, Config{Address: "listen://" + free(t)}) },
		"listen, called": func(t *testing.T) Port {
			p := mustOpen(t, Config{Address: "listen://" + free(t)})
			far := call(t, p)
			far.Write([]byte("x"))
			if _, err := p.Read(make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
			return p
		},
		"file": func(t *testing.T) Port {
			f := filepath.Join(t.TempDir(), "capture.bin")
			if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			return mustOpen(t, Config{Address: "file:" + f, Line: drivers.Line{Baud: 1}})
		},
	}
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			p, buf := start(t), make([]byte, 8)
			p.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
			if n, err := p.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("read after the deadline: %d, %v", n, err)
			}
			if n, err := p.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("a deadline in the past: %d, %v", n, err)
			}
			blocked := func() <-chan error {
				p.SetReadDeadline(time.Time{})
				done := make(chan error, 1)
				go func() {
					_, err := p.Read(buf)
					done <- err
				}()
				return done
			}
			done := blocked()
			p.SetReadDeadline(time.Unix(1, 0))
			if err := wakes(t, done); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("a deadline during Read: %v", err)
			}
			done = blocked()
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if err := wakes(t, done); !errors.Is(err, os.ErrClosed) && !errors.Is(err, net.ErrClosed) {
				t.Fatalf("Close during Read: %v", err)
			}
			if _, err := p.Write([]byte("stray")); !errors.Is(err, os.ErrClosed) && !errors.Is(err, net.ErrClosed) {
				t.Fatalf("Write after Close: %v", err)
			}
			p.Close() // twice is once
		})
	}
}

func TestADatagramIsOneReadAndOneWrite(t *testing.T) {
	far, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	p := mustOpen(t, Config{Address: "udp://" + far.LocalAddr().String()})
	buf := make([]byte, 64)
	for _, s := range []string{"one", "two"} {
		p.Write([]byte(s))
	}
	for _, want := range []string{"one", "two"} {
		n, from, err := far.ReadFrom(buf)
		if err != nil || string(buf[:n]) != want {
			t.Fatalf("far end got %q, %v; want %q", buf[:n], err, want)
		}
		far.WriteTo([]byte(want), from)
	}
	for _, want := range []string{"one", "two"} {
		if n, err := p.Read(buf); err != nil || string(buf[:n]) != want {
			t.Fatalf("got %q, %v; want %q", buf[:n], err, want)
		}
	}
}

func wakes(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Read was not woken")
		return nil
	}
}

func TestUnpluggedLineIsAnError(t *testing.T) {
	far, path := terminal(t)
	p := mustOpen(t, Config{Address: path})
	done := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 8))
		done <- err
	}()
	far.Close()
	if err := wakes(t, done); !errors.Is(err, errGone) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestWriteToAStuckAdapterIsGivenUp(t *testing.T) {
	_, path := terminal(t) // nobody reads the far end
	p := mustOpen(t, Config{Address: path, Line: drivers.Line{Baud: 4_000_000}})
	var err error
	for range 64 {
		if _, err = p.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	if !errors.Is(err, errStuck) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, errStuck) {
		t.Errorf("and then %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestSecondOpenerIsToldWhoHasThePort(t *testing.T) {
	_, path := terminal(t)
	p := mustOpen(t, Config{Address: path})
	_, err := Open(context.Background(), Config{Address: path})
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "this program (pid ") {
		t.Errorf("in this process: %v", err)
	}
	if text := openInChild(t, path, nil); !strings.Contains(text, "busy") || !strings.Contains(text, path) {
		t.Errorf("in another process: %s", text)
	}
	p.Close()
	mustOpen(t, Config{Address: path})
}

func TestATerminalIsFreeAfterAKilledProcess(t *testing.T) {
	_, path := terminal(t)
	mustOpen(t, Config{Address: path})
	// The mark would stay on the terminal when this process is killed, and keep
	// out the next one.
	near, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if n, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGEXCL); err != nil || n != 0 {
		t.Errorf("exclusive: %d, %v", n, err)
	}
}

func TestWithoutPermissionTheGroupIsNamed(t *testing.T) {
	_, path := terminal(t)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to start a process without rights")
	}
	text := openInChild(t, path, &syscall.Credential{Uid: 65534, Gid: 65534})
	for _, want := range []string{"no permission", path, "root:", "0600", "dialout"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in: %s", want, text)
		}
	}
}

// openInChild opens path in a second process and gives its error.
func openInChild(t *testing.T, path string, who *syscall.Credential) string {
	t.Helper()
	// A copy where everybody may run it: the test binary lies in a private folder.
	dir, err := os.MkdirTemp("", "port")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, "port.test"), self, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "port.test"))
	cmd.Env = append(os.Environ(), "PORT_TEST_OPEN="+path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestErrorsOfOpeningAreMapped(t *testing.T) {
	for err, want := range map[error]error{
		syscall.EACCES:      fs.ErrPermission,
		syscall.EPERM:       fs.ErrPermission,
		syscall.EBUSY:       ErrBusy,
		syscall.EWOULDBLOCK: ErrBusy,
		syscall.ENOENT:      fs.ErrNotExist,
		syscall.ENODEV:      fs.ErrNotExist,
	} {
		if got := openError(err); !errors.Is(got, want) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestMissingPortNamesThoseThatAreThere(t *testing.T) {
	sys := plugged(t)
	_, err := open(context.Background(), sys, Config{Address: "/dev/ttyNONE"})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "ttyUSB0 (usb:0403:6001 ") {
		t.Errorf("got %v", err)
	}
	_, err = open(context.Background(), sys, Config{Address: "usb:1A86:7523"})
	if err == nil || !strings.Contains(err.Error(), "2 ports match") || !strings.Contains(err.Error(), "by-path") {
		t.Errorf("got %v", err)
	}
	if _, err := open(context.Background(), sys, Config{Address: filepath.Join(sys.dev, "ttyUSB0")}); err == nil || !strings.Contains(err.Error(), "file:") {
		t.Errorf("an ordinary file: %v", err)
	}
}

func TestRecordedFileIsPlayedOnce(t *testing.T) {
	f := filepath.Join(t.TempDir(), "capture.bin")
	want := bytes.Repeat([]byte("0123456789"), 30)
	if err := os.WriteFile(f, want, 0o600); err != nil {
		t.Fatal(err)
	}
	p := mustOpen(t, Config{Address: "file:" + f, Line: drivers.Line{Baud: 115200}})
	if got, err := io.ReadAll(p); err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
		t.Errorf("read %q, %v", got, err)
	}
	if !Recorded("file:x") || Recorded("/dev/ttyS0") {
		t.Error("Recorded does not tell a file from a line")
	}
}

func TestCountsReachWhoOpenedThePort(t *testing.T) {
	_, path := terminal(t)
	var got drivers.Stats
	p := mustOpen(t, Config{Address: path, Stats: func(s drivers.Stats) { got = s }})
	p.ReportStats(drivers.Stats{Frames: 7})
	if got.Frames != 7 {
		t.Errorf("got %+v", got)
	}
}

func TestAddresses(t *testing.T) {
	good := map[string]address{
		"serial:///dev/ttyUSB0":                           {kind: kindSerial, path: "/dev/ttyUSB0"},
		"/dev/serial/by-id/usb-x-port0":                   {kind: kindSerial, path: "/dev/serial/by-id/usb-x-port0"},
		"usb-FTDI_A900-if00-port0":                        {kind: kindName, path: "usb-FTDI_A900-if00-port0"},
		"usb:0403:6001":                                   {kind: kindUSB, vid: "0403", pid: "6001"},
		"usb:1a86:55d4:SN:1":                              {kind: kindUSB, vid: "1A86", pid: "55D4", serial: "SN:1"},
		"tcp://10.0.0.7:4001":                             {kind: kindTCP, path: "10.0.0.7:4001"},
		"tcp://[fe80::1]:4001":                            {kind: kindTCP, path: "[fe80::1]:4001"},
		"udp://10.0.0.7:24105":                            {kind: kindUDP, path: "10.0.0.7:24105"},
		"listen://127.0.0.1:2575":                         {kind: kindListen, path: "127.0.0.1:2575", from: prefixes("127.0.0.1/32")},
		"listen://0.0.0.0:2575?from=10.0.0.7,10.2.0.9/16": {kind: kindListen, path: "0.0.0.0:2575", from: prefixes("10.0.0.7/32", "10.2.0.0/16")},
		"file:capture.bin":                                {kind: kindFile, path: "capture.bin"},
		"file:///tmp/c.bin":                               {kind: kindFile, path: "/tmp/c.bin"},
	}
	for s, want := range good {
		if got, err := parse(s); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "dev/ttyUSB0", "serial://ttyUSB0", "usb:403:6001", "usb:0403", "usb:0403:6001:", "tcp://host", "tcp://:1", "udp://host", "file:",
		"listen://0.0.0.0:2575", "listen://host:2575?from=10.0.0.7", "listen://0.0.0.0?from=10.0.0.7", "listen://0.0.0.0:1?from=", "listen://0.0.0.0:1?to=10.0.0.7", "listen://0.0.0.0:1?from=all", "http://x:1"} {
		if err := Check(s); err == nil || !strings.Contains(err.Error(), "want serial://") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestCapturePlaysTheDeviceWithItsTiming(t *testing.T) {
	f := filepath.Join(t.TempDir(), "bug.capture")
	text := "MONITORME-CAPTURE 1\nline: 19200 8N1\n\n0.010000 < 61 62 |ab|\n0.020000 > 3F |?|\n0.030000 = 9600 8N1\n0.300000 < 63 |c|\n"
	if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p := mustOpen(t, Config{Address: "file:" + f})
	got, err := io.ReadAll(io.LimitReader(p, 3))
	if string(got) != "abc" || err != nil || time.Since(start) < 300*time.Millisecond {
		t.Errorf("%q after %v, %v", got, time.Since(start), err)
	}
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "the recording ended") {
		t.Errorf("at the end: %v", err)
	}
	if err := os.WriteFile(f, []byte(text+"0.1 < 00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(mustOpen(t, Config{Address: "file:" + f})); err == nil || !strings.Contains(err.Error(), "line 8: ") {
		t.Errorf("a damaged capture: %v", err)
	}
	os.WriteFile(f, []byte("MONITORME-CAPTURE 9\n\n"), 0o600)
	if _, err := Open(t.Context(), Config{Address: "file:" + f}); err == nil || !strings.Contains(err.Error(), "line 1: ") {
		t.Errorf("a capture of another version: %v", err)
	}
}

func TestAPlugIsKnownAgainAndTellsAMove(t *testing.T) {
	_, first := terminal(t)
	_, second := terminal(t)
	link := filepath.Join(t.TempDir(), "adapter")
	if Plugged(link) != (Plug{}) || Plugged("tcp://h:1") != (Plug{}) || Plugged("file:"+first) != (Plug{}) || Plugged("") != (Plug{}) {
		t.Error("something is plugged in where nothing is")
	}
	os.Symlink(first, link)
	before := Plugged(link)
	if before == (Plug{}) || before != Plugged(link) || before != Plugged(first) {
		t.Errorf("%+v is not %+v", before, Plugged(link))
	}
	os.Chmod(first, 0o660) // udev sets rights after the device file is there
	if before != Plugged(link) {
		t.Error("other rights are taken for another adapter")
	}
	os.Remove(link)
	os.Symlink(second, link)
	if now := Plugged(link); now == before || now == (Plug{}) {
		t.Errorf("moved: %+v, before %+v", now, before)
	}
}
