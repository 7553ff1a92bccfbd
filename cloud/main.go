// Command monitorme-cloud is the service of MonitorMe: it takes the readings of
// the boxes, stores them, raises alarms, and serves the screens. It starts as
// one process with embedded defaults; -target runs some of its modules.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"monitorme/cloud/service"
)

// version is set by the linker.
var version = "unknown"

type commands struct {
	Run     runCommand     `cmd:"" help:"Run the service, or some of its modules."`
	Enrol   enrolCommand   `cmd:"" help:"Make the certificate by which a box or a service proves who it is."`
	Demo    demoCommand    `cmd:"" help:"Prepare a data directory with a demonstration ward."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

type runCommand struct {
	Config   string `help:"YAML file; without it everything runs on loopback with data in ./data/cloud." type:"path" placeholder:"FILE"`
	Target   string `help:"Modules to run: all, or a list of registry,series,alert,broker,ingest,api."`
	Check    bool   `help:"Check the configuration, print what it amounts to, and exit."`
	LogLevel string `help:"debug, info, warn or error."`
}

func (c *runCommand) Run() error {
	cfg, err := service.Load(c.Config)
	if err != nil {
		return err
	}
	if c.Target != "" {
		cfg.Target = strings.Split(c.Target, ",")
	}
	if c.LogLevel != "" {
		cfg.Log.Level = c.LogLevel
	}
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if c.Check {
		text, err := yaml.Marshal(cfg) // secrets are in files that it names, never in it
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(text)
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return service.Serve(ctx, cfg, cfg.Log.Logger(), version)
}

type enrolCommand struct {
	Name    string `arg:"" help:"Box id as registered, for example box-01."`
	Data    string `help:"Data directory of the service." default:"data/cloud" type:"path"`
	Out     string `help:"Directory for ca.pem, box.pem and box.key." required:"" type:"path"`
	Service bool   `help:"Enrol a module on an external broker instead of a box."`
}

func (c *enrolCommand) Run() error {
	print, err := service.Enrol(filepath.Join(c.Data, "pki"), c.Name, c.Out, c.Service)
	if err != nil {
		return err
	}
	fmt.Printf("wrote ca.pem, box.pem and box.key to %s; certificate fingerprint %s\n", c.Out, print)
	return nil
}

type demoCommand struct {
	Data   string   `help:"Data directory to prepare." required:"" type:"path"`
	Out    string   `help:"Directory for one folder a box with its certificates." required:"" type:"path"`
	Config string   `help:"Configuration file to write, for monitorme-cloud run." required:"" type:"path"`
	Unit   string   `help:"Unit of the demonstration." default:"ward-1"`
	Beds   int      `help:"Number of beds." default:"20"`
	Label  []string `help:"Instead of unit and beds: beds with these labels, in units devices-1, devices-2, … of 20."`
	Addr   string   `help:"Address for screens and API." default:"127.0.0.1:8080"`
	Broker string   `help:"Address for boxes." default:"127.0.0.1:8883"`
}

func (c *demoCommand) Run() error {
	return service.PrepareDemo(context.Background(), service.Demo{
		DataDir: c.Data, BoxesDir: c.Out, ConfigFile: c.Config, Unit: c.Unit, Beds: c.Beds, Labels: c.Label, HTTP: c.Addr, MQTT: c.Broker})
}

type versionCommand struct{}

func (versionCommand) Run() error {
	_, err := fmt.Println("monitorme-cloud", version)
	return err
}

// singleDash matches -config and -config=x, which are accepted like --config.
var singleDash = regexp.MustCompile(`^-[a-z][a-z-]+(=.*)?$`)

func main() {
	err := run(os.Args[1:])
	var parse *kong.ParseError
	switch {
	case err == nil || errors.Is(err, context.Canceled):
	case errors.As(err, &parse): // asked wrongly
		fmt.Fprintln(os.Stderr, "monitorme-cloud:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "monitorme-cloud:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	args = slices.Clone(args)
	for i, a := range args {
		if a == "--" {
			break
		}
		if singleDash.MatchString(a) {
			args[i] = "-" + a
		}
	}
	var c commands
	parser, err := kong.New(&c, kong.Name("monitorme-cloud"), kong.UsageOnError(),
		kong.Description("The service of MonitorMe: readings in, alarms and screens out."))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return parsed.Run()
}
