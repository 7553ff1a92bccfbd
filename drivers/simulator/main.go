// Command simulator plays one device for one patient, so that a box, or a
// driver under development, has something to read without hardware:
//
//	go run ./drivers/simulator -driver nonin -pty /tmp/oximeter -profile copd
//	go run ./drivers/simulator -driver stayhealthy -tcp 127.0.0.1:4001 -episode apnoea@+60s/45s,every=5m
//	go run ./drivers/simulator -play bug.capture -pty /tmp/device
//
// The last plays back what monitorme-edge record has written, with its timing.
// The device is played until the program is interrupted. The box may open and
// close its end at any time; docs/SIMULATION.md tells more.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/drivers/patient"
	"monitorme/drivers/simulator/line"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: 0 done, 1 it failed, 2 it was asked wrongly.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	o, err := parse(args, errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(errOut, "simulator:", err)
		return 2
	}
	if err := o.play(ctx, out); err != nil && ctx.Err() == nil {
		fmt.Fprintln(errOut, "simulator:", err)
		return 1
	}
	return 0
}

// options are the command line, checked.
type options struct {
	driver  drivers.Driver
	pty     string
	tcp     string
	patient drivers.Patient
	who     string // for people
	replay  string // a capture to be played instead of a driver's device
	again   bool   // for ever
}

func parse(args []string, errOut io.Writer) (options, error) {
	f := flag.NewFlagSet("simulator", flag.ContinueOnError)
	f.SetOutput(errOut)
	driver := f.String("driver", "", "protocol of the device: "+driverNames())
	pty := f.String("pty", "", "play on a pseudo-terminal and link it here")
	tcp := f.String("tcp", "", "play for every connection to this address, as 127.0.0.1:4001")
	seed := f.Uint64("seed", 1, "another seed is another person")
	profile := f.String("profile", "stable adult", "the person: "+strings.Join(patient.ProfileNames(), ", "))
	recordings := f.String("recordings", "", "folder of recordings, with -record")
	record := f.String("record", "", "recording to play instead of a model")
	replay := f.String("play", "", "play this recording of monitorme-edge record once a host is there, instead of a device for a patient")
	again := f.Bool("loop", false, "with -play: again and again")
	var scenario patient.Scenario
	f.Func("episode", "what happens, as desaturation@+60s/120s[,every=10m][,severity=0.7]; may be repeated; kinds: "+kinds(), func(s string) error {
		e, err := patient.ParseEpisode(s)
		scenario = append(scenario, e)
		return err
	})
	if err := f.Parse(args); err != nil {
		return options{}, err
	}
	o := options{pty: *pty, tcp: *tcp, replay: *replay, again: *again}
	if o.replay != "" {
		var refused []string
		f.Visit(func(g *flag.Flag) {
			if !slices.Contains([]string{"play", "loop", "pty", "tcp"}, g.Name) {
				refused = append(refused, "-"+g.Name)
			}
		})
		switch {
		case f.NArg() > 0:
			return o, fmt.Errorf("%q is no flag", f.Arg(0))
		case len(refused) > 0:
			return o, fmt.Errorf("-play plays what was recorded: leave out %s", strings.Join(refused, ", "))
		case (*pty == "") == (*tcp == ""):
			return o, errors.New("want one of -pty and -tcp")
		}
		head, err := o.check()
		o.who = fmt.Sprintf("recorded %s", head.Started.Format(time.RFC3339))
		o.driver.Title = cmp.Or(head.Driver, "device")
		return o, err
	}
	if o.again {
		return o, errors.New("-loop goes with -play")
	}
	var ok bool
	switch o.driver, ok = all.Find(*driver); {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	case !ok:
		return o, fmt.Errorf("-driver %q is not one of %s", *driver, driverNames())
	case o.driver.Simulate == nil:
		return o, fmt.Errorf("-driver %s has no simulator", *driver)
	case (*pty == "") == (*tcp == ""):
		return o, errors.New("want one of -pty and -tcp")
	case (*recordings == "") != (*record == ""):
		return o, errors.New("want -recordings and -record together")
	}
	var err error
	if o.patient, o.who, err = person(*seed, *profile, *recordings, *record, scenario); err != nil {
		return o, err
	}
	return o, nil
}

// person makes the patient and says who it is.
func person(seed uint64, profile, recordings, record string, scenario patient.Scenario) (drivers.Patient, string, error) {
	start := time.Now()
	if recordings != "" {
		r, err := patient.OpenRecordings(recordings)
		if err != nil {
			return nil, "", err
		}
		p, err := r.Patient(record, start, scenario)
		return p, "recording " + record, err
	}
	body, err := patient.NamedProfile(profile)
	if err != nil {
		return nil, "", err
	}
	p, err := patient.New(patient.Config{Seed: seed, Profile: body, Start: start, Zone: time.Local, Scenario: scenario})
	return p, fmt.Sprintf("%s, seed %d, %d episodes", body.Name, seed, len(scenario)), err
}

// play runs the device until ctx ends or its line fails.
func (o options) play(ctx context.Context, out io.Writer) error {
	device := func(ctx context.Context, wire drivers.Port) error { return o.driver.Simulate(ctx, wire, o.patient) }
	if o.replay != "" {
		device = o.playBack
	}
	if o.tcp != "" {
		ln, err := net.Listen("tcp", o.tcp)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s (%s) on tcp://%s\n", o.driver.Title, o.who, ln.Addr())
		return line.Serve(ctx, ln, func(ctx context.Context, wire drivers.Port) {
			device(ctx, wire) // a host that leaves ends it
		})
	}
	p, err := line.OpenPTY(o.pty)
	if err != nil {
		return err
	}
	defer p.Close()
	fmt.Fprintf(out, "%s (%s) on %s\n", o.driver.Title, o.who, o.pty)
	if o.replay != "" { // what nobody hears would be lost
		if err := p.AwaitHost(ctx); err != nil {
			return err
		}
	}
	return device(ctx, p)
}

func driverNames() string {
	var names []string
	for _, d := range all.Drivers {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

func kinds() string {
	var names []string
	for _, k := range patient.Kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ") + " (sensor-off:SIGN)"
}
