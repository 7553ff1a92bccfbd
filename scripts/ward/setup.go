package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Where things lie below the directory of data.
func (o options) cloudConfig() string      { return filepath.Join(o.data, "cloud.yaml") }
func (o options) logs() string             { return filepath.Join(o.data, "logs") }
func (o options) boxDir(box string) string { return filepath.Join(o.data, "boxes", box) }
func (o options) boxConfig(box string) string {
	return filepath.Join(o.boxDir(box), "edge.yaml")
}
func (o options) pty(box, id string) string { return filepath.Join(o.data, "dev", box+"-"+id) }

// logins are the users that setup makes.
const logins = "nurse, doctor, technician, admin; password: demo"

// setup has the cloud make what the demo needs, once: its configuration, the
// unit with beds, boxes, patients and users, and for each box a certificate,
// boxes/BOX/{ca.pem,box.pem,box.key}. It is the only place that knows how.
func setup(ctx context.Context, o options, beds []*bed) error {
	for _, dir := range []string{o.logs(), filepath.Join(o.data, "dev"), filepath.Join(o.data, "boxes")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	args := []string{"-unit", unit, "-beds", strconv.Itoa(len(beds))}
	if o.ward != wardOfPatients {
		args = args[:0]
		for _, b := range beds {
			args = append(args, "-label", b.label)
		}
	}
	cmd := exec.CommandContext(ctx, o.cloud, append([]string{"demo", "-data", filepath.Join(o.data, "cloud"),
		"-out", filepath.Join(o.data, "boxes"), "-config", o.cloudConfig(), "-addr", o.addr, "-broker", o.broker}, args...)...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// cloudChild is how the cloud is run.
func (o options) cloudChild() child {
	return child{name: "cloud", argv: []string{o.cloud, "run", "-config", o.cloudConfig()}, grace: cloudGrace}
}

// boxChild is how a box is run.
func (o options) boxChild(box string) child {
	return child{name: box, argv: []string{o.edge, "run", "-config", o.boxConfig(box)}, grace: boxGrace}
}

// boxConfig is what the demo sets of a box's configuration.
type boxConfig struct {
	Box     string         `yaml:"box"`
	Unit    string         `yaml:"unit"`
	Devices []deviceConfig `yaml:"devices"`
	Clock   struct {
		Trust string `yaml:"trust"`
	} `yaml:"clock"`
	Queue struct {
		Dir      string `yaml:"dir"`
		MaxBytes int64  `yaml:"max_bytes"`
	} `yaml:"queue"`
	Uplink struct {
		Broker string `yaml:"broker"`
		CA     string `yaml:"ca_file"`
		Cert   string `yaml:"cert_file"`
		Key    string `yaml:"key_file"`
	} `yaml:"uplink"`
	Health struct {
		Listen string `yaml:"listen"`
	} `yaml:"health"`
}

type deviceConfig struct {
	ID       string         `yaml:"id"`
	Driver   string         `yaml:"driver"`
	Port     string         `yaml:"port"`
	Settings map[string]any `yaml:"settings,omitempty"`
}

// firstHealthPort is that of the status page of box-01; box-02 has the next.
const firstHealthPort = 9081

// writeBoxConfig writes the configuration of the box at b, which reaches the
// broker at the given address.
func writeBoxConfig(o options, b *bed, broker string) error {
	var c boxConfig
	c.Box, c.Unit = b.box(), b.unit
	for _, d := range b.devices {
		dc := deviceConfig{ID: d.id, Driver: d.driver, Port: o.pty(b.box(), d.id)}
		if err := yaml.Unmarshal([]byte(d.settings), &dc.Settings); err != nil {
			return fmt.Errorf("settings of %s: %w", d.driver, err)
		}
		c.Devices = append(c.Devices, dc)
	}
	dir := o.boxDir(b.box())
	c.Clock.Trust = "always" // it is this machine's clock
	c.Queue.Dir, c.Queue.MaxBytes = filepath.Join(dir, "queue"), 256<<20
	c.Uplink.Broker = "tls://" + broker
	c.Uplink.CA, c.Uplink.Cert, c.Uplink.Key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "box.pem"), filepath.Join(dir, "box.key")
	c.Health.Listen = fmt.Sprintf("127.0.0.1:%d", firstHealthPort+b.number-1)
	text, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(o.boxConfig(b.box()), append([]byte("# Written by the demo ward at every start.\n"), text...), 0o600)
}

// awaitReady asks the cloud until it is ready. alive ends when the cloud has
// ended on its own.
func awaitReady(ctx, alive context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second}
	for {
		resp, err := client.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s says %s", url, resp.Status)
		}
		select {
		case <-alive.Done():
			return errors.New("the cloud has ended while starting")
		case <-ctx.Done():
			return fmt.Errorf("the cloud is not ready after %v: %w", readyWithin, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
