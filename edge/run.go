package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"text/tabwriter"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"monitorme/edge/agent"
	"monitorme/edge/port"
)

type runCmd struct {
	Config    string     `required:"" placeholder:"FILE" env:"MONITORME_EDGE_CONFIG" help:"The configuration; see docs/CONFIGURATION.md."`
	Check     bool       `help:"Check the configuration, say which ports are there, and stop."`
	LogLevel  slog.Level `default:"info" placeholder:"LEVEL" env:"MONITORME_EDGE_LOG_LEVEL" help:"debug, info, warn or error."`
	LogFormat string     `default:"auto" enum:"auto,json,text" placeholder:"FORMAT" env:"MONITORME_EDGE_LOG_FORMAT" help:"json, text, or auto: text on a terminal."`
}

func (c *runCmd) Run(ctx context.Context, io streams) error {
	if err := checkWord(strconv.IntSize); err != nil {
		return err
	}
	cfg, err := agent.Load(c.Config)
	if err != nil {
		return usageError{err}
	}
	if c.Check {
		return c.check(cfg, io)
	}
	spare()
	cfg.Version = versionText()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return agent.Run(ctx, cfg, logger(io.err, c.LogLevel, c.LogFormat), reg)
}

// check says what would run. A port that is not there is no fault of the
// configuration: devices are plugged in later.
func (c *runCmd) check(cfg agent.Config, io streams) error {
	fmt.Fprintf(io.out, "%s: fine: box %s in unit %s, %d devices\n", c.Config, cfg.Box, cfg.Unit, len(cfg.Devices))
	w := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	for _, d := range cfg.Devices {
		state := "off"
		if d.Enabled == nil || *d.Enabled {
			state = port.Present(d.Port)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", d.ID, d.Driver, d.Port, state)
	}
	return w.Flush()
}
