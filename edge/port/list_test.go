package port

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plugged is a machine with a console, an empty 8250 port, a real one, an FTDI
// adapter with a serial number and two clones without.
func plugged(t *testing.T) tree {
	t.Helper()
	root := t.TempDir()
	sys := tree{sys: filepath.Join(root, "sys"), dev: filepath.Join(root, "dev"), proc: filepath.Join(root, "proc")}
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, at string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	class := filepath.Join(sys.sys, "class/tty")
	write(filepath.Join(class, "tty0/uevent"), "")
	for name, chip := range map[string]string{"ttyS0": "4\n", "ttyS1": "0\n"} {
		write(filepath.Join(class, name, "type"), chip)
		write(filepath.Join(sys.sys, "devices/platform/serial8250", name, "x"), "")
		link(filepath.Join(sys.sys, "devices/platform/serial8250", name), filepath.Join(class, name, "device"))
		write(filepath.Join(sys.dev, name), "")
	}
	usb := func(name, socket, vid, pid, serial, byID string) {
		dev := filepath.Join(sys.sys, "devices/usb1", socket)
		write(filepath.Join(dev, "idVendor"), vid+"\n")
		write(filepath.Join(dev, "idProduct"), pid+"\n")
		write(filepath.Join(dev, "product"), "Adapter\n")
		if serial != "" {
			write(filepath.Join(dev, "serial"), serial+"\n")
		}
		write(filepath.Join(dev, socket+":1.0", name, "x"), "")
		link(filepath.Join(dev, socket+":1.0", name), filepath.Join(class, name, "device"))
		write(filepath.Join(sys.dev, name), "")
		link(filepath.Join(sys.dev, name), filepath.Join(sys.dev, "serial/by-path/usb-"+socket))
		if byID != "" {
			link(filepath.Join(sys.dev, name), filepath.Join(sys.dev, "serial/by-id", byID))
		}
	}
	usb("ttyUSB0", "1-1", "0403", "6001", "A900", "usb-FTDI_A900")
	usb("ttyUSB1", "1-2", "1a86", "7523", "", "")
	usb("ttyUSB2", "1-3", "1a86", "7523", "", "")
	return sys
}

func TestListTellsAdaptersAndSockets(t *testing.T) {
	sys := plugged(t)
	got, err := sys.list()
	if err != nil {
		t.Fatal(err)
	}
	dev := func(s string) string { return filepath.Join(sys.dev, s) }
	want := []Info{
		{Path: dev("ttyS0")},
		{Path: dev("ttyUSB0"), ByID: dev("serial/by-id/usb-FTDI_A900"), ByPath: dev("serial/by-path/usb-1-1"), VID: "0403", PID: "6001", Serial: "A900", Product: "Adapter"},
		{Path: dev("ttyUSB1"), ByPath: dev("serial/by-path/usb-1-2"), VID: "1A86", PID: "7523", Product: "Adapter"},
		{Path: dev("ttyUSB2"), ByPath: dev("serial/by-path/usb-1-3"), VID: "1A86", PID: "7523", Product: "Adapter"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for a, want := range map[string]string{
		"usb:0403:6001":      dev("ttyUSB0"),
		"usb:0403:6001:A900": dev("ttyUSB0"),
		"usb-FTDI_A900":      dev("serial/by-id/usb-FTDI_A900"),
		"usb-1-2":            dev("serial/by-path/usb-1-2"),
		"ttyS0":              dev("ttyS0"),
	} {
		parsed, err := parse(a)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := sys.resolve(parsed); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", a, got, err, want)
		}
	}
}

func TestListOfAMachineWithoutPortsIsEmpty(t *testing.T) {
	sys := tree{sys: t.TempDir(), dev: t.TempDir(), proc: t.TempDir()}
	if got, err := sys.list(); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if s := describe(nil); s != "no serial ports" {
		t.Error(s)
	}
}

func TestHolderOfAPort(t *testing.T) {
	sys := plugged(t)
	fd := filepath.Join(sys.proc, "412/fd")
	if err := os.MkdirAll(fd, 0o755); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(sys.proc, "412/comm"), []byte("agetty\n"), 0o644)
	os.Symlink(filepath.Join(sys.dev, "ttyUSB0"), filepath.Join(fd, "3"))
	if got := sys.holder(filepath.Join(sys.dev, "serial/by-path/usb-1-1")); got != "agetty (pid 412)" {
		t.Errorf("got %q", got)
	}
	if got := sys.holder(filepath.Join(sys.dev, "ttyUSB1")); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestWaitEndsWhenTheDeviceIsPluggedIn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ttyUSB0")
	back := make(chan bool, 1)
	go func() { back <- Wait(context.Background(), path, time.Minute, true) }()
	deadline := time.After(20 * time.Second)
	for plugged := false; !plugged; {
		os.Remove(path) // again and again: nobody knows when Wait looks first
		select {
		case <-time.After(2 * lookEvery):
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		case <-deadline:
			t.Fatal("Wait waits on")
		}
		select {
		case plugged = <-back:
			if !plugged {
				t.Fatal("Wait did not see it")
			}
		case <-time.After(2 * lookEvery):
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if Wait(ctx, path, time.Minute, true) || Wait(context.Background(), "tcp://h:1", time.Millisecond, false) {
		t.Error("Wait saw a device where there is none")
	}
}

func TestLongListsAreCut(t *testing.T) {
	if s := describe(make([]Info, 20)); !strings.HasSuffix(s, "and 12 more") {
		t.Error(s)
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"serial:///dev/x", "usb:0403:6001:A", "tcp://h:1", "file:x", "name", "/dev/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parse(s)
		if err == nil && a.kind != kindUSB && a.path == "" {
			t.Errorf("%q: accepted without a path", s)
		}
	})
}
