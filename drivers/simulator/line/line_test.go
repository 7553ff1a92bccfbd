package line

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"monitorme/drivers"
)

var _ drivers.Port = (*PTY)(nil)

func openTest(t *testing.T) (*PTY, string) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "device")
	p, err := OpenPTY(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, link
}

func host(t *testing.T, link string) *os.File {
	t.Helper()
	f, err := os.OpenFile(link, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.SetReadDeadline(time.Now().Add(20 * time.Second))
	return f
}

func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

func TestBytesPassUnchangedBothWays(t *testing.T) {
	p, link := openTest(t)
	h := host(t, link)
	defer h.Close()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	if n, err := p.Write(every); n != 256 || err != nil {
		t.Fatal(n, err)
	}
	expect(t, h, string(every))
	h.Write(every)
	p.SetReadDeadline(time.Now().Add(20 * time.Second))
	expect(t, p, string(every))
}

func TestBytesThatNobodyHearsAreLostAndHoldNobodyUp(t *testing.T) {
	p, link := openTest(t)
	block := bytes.Repeat([]byte("x"), 4096)
	for range 100 { // nobody has opened it yet
		if n, err := p.Write(block); n != len(block) || err != nil {
			t.Fatal(n, err)
		}
	}
	if p.Lost() != 100*4096 {
		t.Errorf("lost %d bytes", p.Lost())
	}
	h := host(t, link)
	p.Write([]byte("fresh"))
	expect(t, h, "fresh")
	for range 100 { // it is open, but nobody reads
		p.Write(block)
	}
	if p.Lost() == 100*4096 {
		t.Error("a megabyte was kept for a host that does not read")
	}
	h.Close()
	p.Write(block)

	h = host(t, link)
	defer h.Close()
	p.Write([]byte("<again>"))
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte("<again>")) {
		n, err := h.Read(buf)
		if err != nil {
			t.Fatalf("%v after %d bytes", err, len(got))
		}
		got = append(got, buf[:n]...)
	}
	if len(got) != len("<again>") {
		t.Errorf("%d bytes of before were still on the line", len(got)-len("<again>"))
	}
}

func TestTheHostMayCloseAndOpenAgain(t *testing.T) {
	p, link := openTest(t)
	got := make(chan string)
	go func() {
		buf := make([]byte, 16)
		for {
			n, err := p.Read(buf)
			if err != nil {
				close(got)
				return
			}
			got <- string(buf[:n])
		}
	}()
	for _, word := range []string{"one", "two", "three"} {
		h := host(t, link)
		h.Write([]byte(word))
		if s := <-got; s != word {
			t.Errorf("read %q, want %q", s, word)
		}
		h.Close()
	}
	p.Close()
	if _, more := <-got; more {
		t.Error("a read after Close")
	}
}

func TestADeviceCanWaitForItsHost(t *testing.T) {
	p, link := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.AwaitHost(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody is there: %v", err)
	}
	done := make(chan error)
	go func() { done <- p.AwaitHost(t.Context()) }()
	h := host(t, link)
	defer h.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	q, _ := openTest(t)
	go func() { done <- q.AwaitHost(t.Context()) }()
	q.Close()
	if err := <-done; err == nil {
		t.Error("it waited for a closed line")
	}
}

func TestADeadlineEndsAReadWithAndWithoutAHost(t *testing.T) {
	p, link := openTest(t)
	for _, open := range []bool{false, true} {
		if open {
			defer host(t, link).Close()
		}
		p.SetReadDeadline(time.Time{})
		done := make(chan error)
		go func() {
			_, err := p.Read(make([]byte, 1))
			done <- err
		}()
		p.SetReadDeadline(time.Unix(1, 0))
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("host %v: %v", open, err)
		}
	}
}

func TestCloseRemovesTheLinkAndAFileIsNeverReplaced(t *testing.T) {
	p, link := openTest(t)
	q, err := OpenPTY(link) // replaces the link
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if to, err := os.Readlink(link); err != nil || to != q.Name() {
		t.Errorf("link to %s, %v, want %s", to, err, q.Name())
	}
	q.Close()
	if _, err := os.Lstat(link); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link is still there: %v", err)
	}
	if _, err := p.Write([]byte("x")); err == nil {
		t.Error("a write after Close")
	}
	if err := os.WriteFile(link, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPTY(link); err == nil {
		t.Error("a file was replaced")
	}
}

func TestServePlaysForEveryHost(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- Serve(ctx, ln, func(ctx context.Context, wire drivers.Port) {
			wire.Write([]byte("hello"))
			stop := context.AfterFunc(ctx, func() { wire.SetReadDeadline(time.Unix(1, 0)) })
			defer stop()
			io.Copy(io.Discard, wire)
		})
	}()
	for range 3 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		expect(t, c, "hello")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
