// Command ward is the demo that `make run` starts: a cloud, a ward of beds with
// a box each, and the devices of those beds played on pseudo-terminals for
// patients to whom things happen. It starts the real programs and plays nothing
// but what lies outside of them: bodies, devices, and one network cable that is
// pulled now and then. docs/SIMULATION.md says what is to be seen when.
//
// It runs in the foreground until it is interrupted and leaves no process
// behind, also if it is killed. The directory of data may be used again: the
// patients are the same and what they had is still there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills, and the children with it
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the command line.
type options struct {
	cloud, edge string // programs
	data        string
	ward        string
	beds        int
	recordings  string
	seed        uint64
	addr        string
	broker      string
}

func parse(args []string, errOut io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("ward", flag.ContinueOnError)
	f.SetOutput(errOut)
	f.StringVar(&o.cloud, "cloud", "", "the program monitorme-cloud")
	f.StringVar(&o.edge, "edge", "", "the program monitorme-edge")
	f.StringVar(&o.data, "data", "", "directory for all that the demo writes; used again by the next start")
	f.StringVar(&o.ward, "ward", wardOfPatients, "ward: beds where things happen; devices: a bed for each device family; or drivers with commas between, a bed each")
	f.IntVar(&o.beds, "beds", maxBeds, "number of beds of the ward")
	f.StringVar(&o.recordings, "recordings", "", "folder of recordings of people, for some of the beds")
	f.Uint64Var(&o.seed, "seed", 1, "another seed is other people")
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "where the cloud's page is served")
	f.StringVar(&o.broker, "broker", "127.0.0.1:8883", "where the cloud takes the boxes' connections")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	return o, o.check()
}

// check looks at everything that can be wrong before anything is started, and
// makes paths absolute.
func (o *options) check() error {
	if o.data == "" {
		return errors.New("-data is missing: want a directory")
	}
	if o.beds < 1 || o.beds > maxBeds {
		return fmt.Errorf("-beds %d: want 1 to %d", o.beds, maxBeds)
	}
	for name, path := range map[string]*string{"-cloud": &o.cloud, "-edge": &o.edge} {
		if fi, err := os.Stat(*path); err != nil || fi.IsDir() || fi.Mode()&0o111 == 0 {
			return fmt.Errorf("%s %q is no program: build it first (make build)", name, *path)
		}
	}
	for _, path := range []*string{&o.cloud, &o.edge, &o.data} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	if err := free("-addr", o.addr, "another ward, or any web server under development"); err != nil {
		return err
	}
	return free("-broker", o.broker, "another ward, or an MQTT broker such as mosquitto")
}

// free checks that an address can be listened on.
func free(name, addr, who string) error {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: %s may have it; stop that, or choose another with %s HOST:PORT", addr, who, name)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, addr, err)
	}
	return ln.Close()
}

// command is the program: 0 done, 1 it failed, 2 it was asked wrongly.
func command(ctx context.Context, args []string, out, errOut io.Writer) int {
	o, err := parse(args, errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(errOut, "ward:", err)
		return 2
	}
	if err := run(ctx, o, &teller{out: out}); err != nil && ctx.Err() == nil {
		fmt.Fprintln(errOut, "ward:", err)
		return 1
	}
	return 0
}

const (
	readyWithin = 60 * time.Second // for the cloud's first answer
	boxGrace    = 2 * time.Second  // for the boxes to stop
	cloudGrace  = 2 * time.Second  // for the cloud to stop, after the boxes
)
