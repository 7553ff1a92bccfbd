// Package port opens what a device hangs on: a serial line, a USB adapter by
// its ids, a socket of a terminal server, a socket that a device calls, or a
// file of recorded bytes. Every kind keeps the promises of drivers.Port, so
// that a driver cannot tell them apart, and every failure to open says what is
// wrong and what to do.
//
// The package lists ports without opening them: opening raises DTR and RTS,
// which some devices take for a command. It does not supervise, retry or log:
// that is the caller's.
package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"

	"monitorme/drivers"
)

// Config is one port to open.
type Config struct {
	Address string       // see Check
	Line    drivers.Line // ignored by sockets; gives the pace of a recorded file
	// Stats, if not nil, is called with the decoder's counts whenever the
	// driver reports them, from the goroutine that runs the driver.
	Stats func(drivers.Stats)
	// Notice, if not nil, is told in words what a person should know although
	// the port goes on, from the goroutine that reads it.
	Notice func(string)
}

// A Port is open. Read and Write may be used by one goroutine each;
// SetReadDeadline and Close by any, at any time; both wake a blocked Read.
// After Close every call fails with an error that is os.ErrClosed or
// net.ErrClosed. Serial ports are a drivers.LineSetter too; all are a
// drivers.StatsSink.
type Port interface {
	drivers.Port
	drivers.StatsSink
	io.Closer
	// Name is what was opened in the end: "/dev/ttyUSB0", "tcp://10.0.0.7:4001".
	Name() string
}

// ErrBusy is in the chain of the error of a port that somebody else has open.
var ErrBusy = errors.New("busy")

var errAbsent = fmt.Errorf("not there (%w)", fs.ErrNotExist)

// kind is what an address names.
type kind uint8

const (
	kindSerial kind = iota
	kindName        // a link below /dev/serial or a name in /dev
	kindUSB
	kindTCP
	kindUDP
	kindListen
	kindFile
)

// address is a parsed address.
type address struct {
	kind             kind
	path             string  // path, host:port or name
	vid, pid, serial string  // kindUSB; upper case hex, serial may be empty
	from             callers // kindListen
}

// plugged reports whether the address is of something with a cable, which can
// be plugged in and out.
func (a address) plugged() bool {
	return !a.socket() && a.kind != kindFile
}

// socket reports whether the address is one of the network.
func (a address) socket() bool {
	return a.kind == kindTCP || a.kind == kindUDP || a.kind == kindListen
}

const allowed = "want serial:///dev/…, /dev/…, a name below /dev/serial/by-id or by-path, usb:VID:PID[:SERIAL], tcp://HOST:PORT, udp://HOST:PORT, listen://ADDR:PORT?from=IP or file:PATH"

// Check says what is wrong with an address, without looking whether it is there.
func Check(addr string) error {
	_, err := parse(addr)
	return err
}

// Recorded reports whether the address is a file of recorded bytes: what is
// read from it was never measured now.
func Recorded(addr string) bool {
	a, err := parse(addr)
	return err == nil && a.kind == kindFile
}

func parse(s string) (address, error) {
	bad := func(why string) (address, error) {
		return address{}, fmt.Errorf("port %q: %s (%s)", s, why, allowed)
	}
	if rest, ok := strings.CutPrefix(s, "serial://"); ok {
		if !filepath.IsAbs(rest) {
			return bad("no absolute path after serial://")
		}
		return address{kind: kindSerial, path: filepath.Clean(rest)}, nil
	}
	for scheme, k := range map[string]kind{"tcp://": kindTCP, "udp://": kindUDP} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			if host, p, err := net.SplitHostPort(rest); err != nil || host == "" || p == "" {
				return bad("no HOST:PORT after " + scheme)
			}
			return address{kind: k, path: rest}, nil
		}
	}
	if rest, ok := strings.CutPrefix(s, "listen://"); ok {
		hostPort, from, err := parseListen(rest)
		if err != nil {
			return bad(err.Error())
		}
		return address{kind: kindListen, path: hostPort, from: from}, nil
	}
	if rest, ok := strings.CutPrefix(s, "file:"); ok {
		rest = strings.TrimPrefix(rest, "//")
		if rest == "" {
			return bad("no path after file:")
		}
		return address{kind: kindFile, path: rest}, nil
	}
	if rest, ok := strings.CutPrefix(s, "usb:"); ok {
		p := strings.SplitN(rest, ":", 3)
		if len(p) < 2 || !isHex4(p[0]) || !isHex4(p[1]) || len(p) == 3 && p[2] == "" {
			return bad("VID and PID are four hexadecimal digits each, SERIAL is not empty")
		}
		a := address{kind: kindUSB, vid: strings.ToUpper(p[0]), pid: strings.ToUpper(p[1])}
		if len(p) == 3 {
			a.serial = p[2]
		}
		return a, nil
	}
	switch {
	case s == "":
		return bad("empty")
	case filepath.IsAbs(s):
		return address{kind: kindSerial, path: filepath.Clean(s)}, nil
	case strings.Contains(s, "/"):
		return bad("a relative path")
	case strings.Contains(s, "://"):
		return bad("unknown scheme")
	}
	return address{kind: kindName, path: s}, nil
}

func isHex4(s string) bool {
	return len(s) == 4 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// Open opens the port. The error names the port, says what is wrong and what
// to do; fs.ErrNotExist, fs.ErrPermission and ErrBusy are in its chain where
// they apply. ctx bounds the dialling of a socket.
func Open(ctx context.Context, cfg Config) (Port, error) {
	return open(ctx, system, cfg)
}

func open(ctx context.Context, sys tree, cfg Config) (Port, error) {
	a, err := parse(cfg.Address)
	if err != nil {
		return nil, err
	}
	switch a.kind {
	case kindTCP:
		return openTCP(ctx, a.path, cfg)
	case kindUDP:
		return openUDP(ctx, a.path, cfg)
	case kindListen:
		return openListen(a.path, a.from, cfg)
	case kindFile:
		return openFile(a.path, cfg)
	}
	path, err := sys.resolve(a)
	if err == nil {
		var p Port
		if p, err = openSerial(sys, path, cfg); err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("open port %s: %w", cfg.Address, sys.explain(path, err))
}

// resolve finds the device file that a names at this moment.
func (t tree) resolve(a address) (string, error) {
	switch a.kind {
	case kindSerial:
		return a.path, nil
	case kindName:
		for _, dir := range []string{"serial/by-id", "serial/by-path", ""} {
			p := filepath.Join(t.dev, dir, a.path)
			if exists(p) {
				return p, nil
			}
		}
		return "", errAbsent
	}
	ports, err := t.list()
	if err != nil {
		return "", err
	}
	var found []Info
	for _, p := range ports {
		if p.VID == a.vid && p.PID == a.pid && (a.serial == "" || p.Serial == a.serial) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return "", errAbsent
	case 1:
		return found[0].Path, nil
	}
	return "", fmt.Errorf("%d ports match: name one of them by its socket instead: %s", len(found), describe(found))
}

type reporter struct{ stats func(drivers.Stats) }

// ReportStats hands the decoder's counts to whoever opened the port.
func (r reporter) ReportStats(s drivers.Stats) {
	if r.stats != nil {
		r.stats(s)
	}
}
