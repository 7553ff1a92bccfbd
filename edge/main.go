// Command monitorme-edge is the program of the box at the bed: it reads the
// devices that are plugged in, keeps every reading until the cloud has it, and
// sends it there. Package monitorme/edge/agent is what it runs; this package
// is its command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"
)

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version = ""

// Exit codes: 0 done, 1 it failed, 2 it was asked wrongly, 3 the device at the
// port was not recognised.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitUnknown = 3
)

// cli is the command line.
type cli struct {
	Run     runCmd     `cmd:"" help:"Run the box until it is told to stop."`
	Probe   probeCmd   `cmd:"" help:"Find out which device is at a port by listening. Exit code 3: not recognised."`
	Record  recordCmd  `cmd:"" help:"Record what passes on a port, with its timing, for a report."`
	Decode  decodeCmd  `cmd:"" help:"Decode a recording or plain bytes of a device to JSON, one observation a line."`
	Drivers driversCmd `cmd:"" help:"List the drivers."`
	Ports   portsCmd   `cmd:"" help:"List the serial ports that are plugged in, without opening them."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is an error of whoever typed the command.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	os.Exit(command(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// command runs one command line and gives its exit code.
func command(ctx context.Context, args []string, io streams) int {
	var c cli
	code, done := 0, false
	parser, err := kong.New(&c,
		kong.Name("monitorme-edge"),
		kong.Description("Reads the devices at a bed, keeps every reading until the cloud has it, and sends it there."),
		kong.Writers(io.out, io.err),
		kong.Exit(func(n int) { code, done = n, true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io),
	)
	if err != nil {
		fmt.Fprintln(io.err, "monitorme-edge:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(longFlags(parser.Model, args))
	switch {
	case done: // the help was printed
		return code
	case err != nil:
		fmt.Fprintf(io.err, "monitorme-edge: %v; see monitorme-edge --help\n", err)
		return exitUsage
	}
	if err = k.Run(); err == nil || errors.Is(err, context.Canceled) {
		return 0
	}
	if errors.Is(err, errUnrecognised) { // told at length already
		return exitUnknown
	}
	fmt.Fprintln(io.err, "monitorme-edge:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// longFlags lets a long flag be written with one dash, as -config.
func longFlags(app *kong.Application, args []string) []string {
	known := map[string]bool{"help": true}
	for _, cmd := range app.Children {
		for _, f := range cmd.Flags {
			known[f.Name] = true
		}
	}
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if a == "--" {
			copy(out[i:], args[i:])
			break
		}
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			if name, _, _ := strings.Cut(a[1:], "="); known[name] {
				out[i] = "-" + a
			}
		}
	}
	return out
}

// checkWord refuses what would lose readings: on 32 bits the database
// overwrites its own blocks without an error.
func checkWord(bits int) error {
	if bits >= 64 {
		return nil
	}
	return fmt.Errorf("this is a %d-bit program (%s/%s), on which the database loses readings: install a 64-bit system and the arm64 or amd64 program", bits, runtime.GOOS, runtime.GOARCH)
}

// spare sets the collector of garbage for a box of 1 GiB that runs other things
// too: the heap is some MiB, so collecting twice as often costs nothing that
// can be measured. GOGC and GOMEMLIMIT in the environment win.
func spare() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(48 << 20)
	}
}

// logger writes to w as level and format say.
func logger(w io.Writer, level slog.Level, format string) *slog.Logger {
	if format == "auto" {
		format = "json"
		if f, ok := w.(*os.File); ok {
			if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
				format = "text"
			}
		}
	}
	opts := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

type versionCmd struct{}

func (versionCmd) Run(io streams) error {
	_, err := fmt.Fprintf(io.out, "monitorme-edge %s %s/%s %s %d-bit\n", versionText(), runtime.GOOS, runtime.GOARCH, runtime.Version(), strconv.IntSize)
	return err
}

// versionText is the version of a release, else the commit it was built from.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := "dev"
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			text += "-" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			text += "-modified"
		}
	}
	return text
}
