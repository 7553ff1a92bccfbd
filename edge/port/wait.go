package port

import (
	"context"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const lookEvery = 250 * time.Millisecond

// Wait waits for d, or less: it returns true at once when the port at the
// address was plugged in meanwhile, so that a device is back within a second
// of its cable whatever the back-off says. absent tells that it was not there
// when it was last tried. Sockets and recorded files just wait. It returns
// false after d and when ctx ends.
func Wait(ctx context.Context, addr string, d time.Duration, absent bool) bool {
	return wait(ctx, system, addr, d, absent)
}

func wait(ctx context.Context, sys tree, addr string, d time.Duration, absent bool) bool {
	end := time.NewTimer(d)
	defer end.Stop()
	a, err := parse(addr)
	if err != nil || !a.plugged() {
		select {
		case <-end.C:
		case <-ctx.Done():
		}
		return false
	}
	var before identity
	if !absent {
		before = sys.identity(a)
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			now := sys.identity(a)
			if now != before && now != (identity{}) {
				return true
			}
			before = now
		case <-end.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// identity tells one plugging in of a device from the next: udev makes a new
// device file, which gets a new inode number or a new time of birth.
type identity struct {
	rdev, ino uint64
	mode      fs.FileMode // a port that came before udev set its rights counts again
	group     uint32
}

// A Plug is what an address leads to at one moment. Two that are equal are the
// same plugging in of the same adapter. The zero value is nothing: it is not
// there, or the address is that of a socket or a recording.
type Plug struct{ rdev, ino uint64 }

// Plugged gives what the address leads to now, without opening it. A port that
// is open and whose address leads elsewhere has been moved to another socket.
func Plugged(addr string) Plug { return system.plugged(addr) }

func (t tree) plugged(addr string) Plug {
	a, err := parse(addr)
	if err != nil || !a.plugged() {
		return Plug{}
	}
	id := t.identity(a)
	return Plug{id.rdev, id.ino}
}

func (t tree) identity(a address) identity {
	path, err := t.resolve(a)
	if err != nil {
		return identity{}
	}
	fi, err := os.Stat(path)
	if err != nil {
		return identity{}
	}
	id := identity{mode: fi.Mode()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		id.rdev, id.ino, id.group = uint64(st.Rdev), st.Ino, st.Gid
	}
	return id
}

// Present tells in words whether the port at the address is there, without
// opening it.
func Present(addr string) string {
	a, err := parse(addr)
	switch {
	case err != nil:
		return err.Error()
	case a.socket():
		return "a socket"
	case a.kind == kindFile:
		if !exists(a.path) {
			return "not there"
		}
		return "a recording"
	}
	path, err := system.resolve(a)
	if err != nil || !exists(path) {
		return "not there"
	}
	return "there"
}
