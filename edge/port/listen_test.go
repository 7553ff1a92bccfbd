package port

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func prefixes(list ...string) (c callers) {
	for _, s := range list {
		c = append(c, netip.MustParsePrefix(s))
	}
	return c
}

// free gives an address of this machine that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func hostPort(p Port) string {
	s, _, _ := strings.Cut(strings.TrimPrefix(p.Name(), "listen://"), "?")
	return s
}

func call(t *testing.T, p Port) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", hostPort(p), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestADeviceCallsAndCallsAgain(t *testing.T) {
	p := mustOpen(t, Config{Address: "listen://" + free(t)})
	if n, err := p.Write([]byte("to nobody")); n != 9 || err != nil {
		t.Fatalf("written while nobody has called: %d, %v", n, err)
	}
	buf := make([]byte, 64)
	for _, said := range []string{"first", "second"} {
		far := call(t, p)
		io.WriteString(far, said)
		if n, err := p.Read(buf); err != nil || string(buf[:n]) != said {
			t.Fatalf("read %q, %v", buf[:n], err)
		}
		p.Write([]byte("heard " + said))
		if n, err := far.Read(buf); err != nil || string(buf[:n]) != "heard "+said {
			t.Fatalf("far end read %q, %v", buf[:n], err)
		}
		far.Close()
		if _, err := p.Read(buf); !errors.Is(err, ErrHungUp) {
			t.Fatalf("after the call: %v", err)
		}
		// The next call is taken by the next Read, which listens first.
		p.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := p.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("while nobody calls: %v", err)
		}
		p.SetReadDeadline(time.Time{})
	}
}

func TestDuringACallNoOtherIsTaken(t *testing.T) {
	p := mustOpen(t, Config{Address: "listen://" + free(t)})
	far := call(t, p)
	far.Write([]byte("x"))
	if _, err := p.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", hostPort(p)); err == nil {
		c.Close()
		t.Error("a second caller was let in")
	}
}

func TestACallerThatIsNotNamedIsRefusedAndTold(t *testing.T) {
	said := make(chan string, 1)
	p := mustOpen(t, Config{Address: "listen://" + free(t) + "?from=192.0.2.0/24", Notice: func(s string) { said <- s }})
	far := call(t, p)
	read := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 8))
		read <- err
	}()
	far.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := far.Read(make([]byte, 8)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the stranger read: %v", err)
	}
	if s := <-said; !strings.Contains(s, "127.0.0.1 was refused") {
		t.Errorf("said %q", s)
	}
	p.SetReadDeadline(time.Unix(1, 0))
	if err := wakes(t, read); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read ended: %v", err)
	}
}

func TestAnAddressThatIsTakenIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Open(t.Context(), Config{Address: "listen://" + l.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "no other program or device listens at") {
		t.Error(err)
	}
}
