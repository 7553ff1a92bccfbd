package service

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"monitorme/cloud/alert"
	"monitorme/cloud/api"
	"monitorme/cloud/broker"
	"monitorme/cloud/ingest"
	"monitorme/cloud/peer"
	"monitorme/cloud/registry"
	"monitorme/cloud/series/embedded"
	"monitorme/cloud/series/influx"
)

// Modules are what -target chooses from, in start order.
var Modules = []string{"registry", "series", "alert", "broker", "ingest", "api"}

// Config is the whole configuration of monitorme-cloud. The zero value of a
// directory is a folder of its own in DataDir.
type Config struct {
	DataDir string   `yaml:"data_dir"`
	Target  []string `yaml:"target"` // modules to run; all, or some of Modules
	Demo    bool     `yaml:"demo"`   // a demonstration: users with public passwords are let in, on loopback only

	HTTP     HTTPConfig        `yaml:"http"`
	Internal InternalConfig    `yaml:"internal"`
	Peers    PeersConfig       `yaml:"peers"`
	Broker   broker.Config     `yaml:"broker"`
	MQTT     ingest.MQTTConfig `yaml:"mqtt"`
	Ingest   ingest.Config     `yaml:"ingest"`
	Series   SeriesConfig      `yaml:"series"`
	Alert    alert.Config      `yaml:"alert"`
	Registry registry.Config   `yaml:"registry"`
	API      api.Config        `yaml:"api"`
	Log      LogConfig         `yaml:"log"`
}

// HTTPConfig is the public listener: screens, API, metrics.
type HTTPConfig struct {
	Listen   string `yaml:"listen"`
	CertFile string `yaml:"cert_file"` // empty: plain on loopback, else a certificate of the installation's own authority
	KeyFile  string `yaml:"key_file"`
	// Hosts are the names under which browsers reach this, for the certificate
	// that the installation makes itself.
	Hosts []string `yaml:"hosts"`
}

// InternalConfig is the listener for MonitorMe's other processes. Modules that
// run alone also answer their health check and metrics here.
type InternalConfig struct {
	Listen   string `yaml:"listen"` // empty: none when all modules run here, else the default port of the first module
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// PeersConfig says where modules are that do not run in this process.
type PeersConfig struct {
	peer.Config `yaml:",inline"`
	Registry    string `yaml:"registry"`
	Series      string `yaml:"series"`
	Alert       string `yaml:"alert"`
	Ingest      string `yaml:"ingest"`
}

// SeriesConfig chooses the time-series store.
type SeriesConfig struct {
	Store    string          `yaml:"store"` // embedded or influxdb
	Embedded embedded.Config `yaml:"embedded"`
	InfluxDB influx.Config   `yaml:"influxdb"`
}

// LogConfig says how to log.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text or json
}

// defaultPorts are those of modules that run alone on one machine.
var defaultPorts = map[string]string{"registry": "8091", "series": "8092", "alert": "8093", "broker": "8094", "ingest": "8095", "api": "8096"}

// Default runs everything in one process, on loopback, with data in ./data/cloud.
func Default() Config {
	c := Config{
		DataDir:  "data/cloud",
		Target:   []string{"all"},
		HTTP:     HTTPConfig{Listen: "127.0.0.1:8080", Hosts: []string{"localhost", "127.0.0.1"}},
		Broker:   broker.Default(),
		Ingest:   ingest.Default(),
		Series:   SeriesConfig{Store: "embedded", Embedded: embedded.Default(), InfluxDB: influx.Default()},
		Alert:    alert.Default(),
		Registry: registry.Default(),
		API:      api.Default(),
		Log:      LogConfig{Level: "info", Format: "text"},
	}
	c.Registry.Dir, c.Series.Embedded.Dir, c.Alert.Dir = "", "", ""
	return c
}

// Load reads a YAML file over the defaults. Unknown keys are errors; messages
// show line and column. An empty path gives the defaults.
func Load(path string) (Config, error) {
	c := Default()
	if path == "" {
		return c, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		return c, fmt.Errorf("configuration %s: %s", path, yaml.FormatError(err, false, true))
	}
	return c, nil
}

// runs reports whether a module runs in this process.
func (c Config) runs(module string) bool {
	return slices.Contains(c.Target, "all") || slices.Contains(c.Target, module)
}

// split reports whether some module runs elsewhere.
func (c Config) split() bool {
	return slices.ContainsFunc(Modules, func(m string) bool { return !c.runs(m) })
}

// complete fills in what follows from other settings.
func (c *Config) complete() {
	fill := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	fill(&c.Registry.Dir, filepath.Join(c.DataDir, "registry"))
	fill(&c.Series.Embedded.Dir, filepath.Join(c.DataDir, "series"))
	fill(&c.Alert.Dir, filepath.Join(c.DataDir, "alert"))
	if !c.split() {
		return
	}
	for _, m := range Modules {
		if c.runs(m) {
			fill(&c.Internal.Listen, "127.0.0.1:"+defaultPorts[m])
		}
	}
	fill(&c.Peers.TokenFile, filepath.Join(c.DataDir, "peers.token"))
	fill(&c.Peers.Registry, "http://127.0.0.1:"+defaultPorts["registry"])
	fill(&c.Peers.Series, "http://127.0.0.1:"+defaultPorts["series"])
	fill(&c.Peers.Alert, "http://127.0.0.1:"+defaultPorts["alert"])
	fill(&c.Peers.Ingest, "http://127.0.0.1:"+defaultPorts["ingest"])
	if c.runs("ingest") && !c.runs("broker") {
		fill(&c.MQTT.Broker, "tls://127.0.0.1:8883")
		fill(&c.MQTT.ClientID, "ingest")
	}
}

// Validate completes the configuration and names every key that is wrong, its
// value and what is allowed.
func (c *Config) Validate() error {
	var errs []error
	for _, t := range c.Target {
		if t != "all" && !slices.Contains(Modules, t) {
			errs = append(errs, fmt.Errorf("target: %q is not a module, want all or some of %s", t, strings.Join(Modules, ", ")))
		}
	}
	if len(c.Target) == 0 {
		errs = append(errs, fmt.Errorf("target: empty, want all or some of %s", strings.Join(Modules, ", ")))
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("data_dir: empty, want a directory"))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	c.complete()
	if c.runs("api") {
		errs = append(errs, checkListener("http", c.HTTP.Listen, c.HTTP.CertFile, c.HTTP.KeyFile), c.API.Validate())
	}
	if c.Internal.Listen != "" {
		errs = append(errs, checkListener("internal", c.Internal.Listen, c.Internal.CertFile, c.Internal.KeyFile))
	}
	if c.runs("broker") {
		errs = append(errs, c.Broker.Validate())
	}
	if c.Demo && (c.runs("api") && !onLoopback(c.HTTP.Listen) || c.runs("broker") && !onLoopback(c.Broker.Listen)) {
		errs = append(errs, fmt.Errorf("demo: true with http.listen %s and broker.listen %s: a demonstration has public passwords and runs on loopback only", c.HTTP.Listen, c.Broker.Listen))
	}
	if c.runs("ingest") {
		errs = append(errs, c.Ingest.Validate())
	}
	if c.runs("registry") {
		errs = append(errs, c.Registry.Validate())
	}
	if c.runs("alert") {
		errs = append(errs, c.Alert.Validate())
	}
	if c.runs("series") {
		switch c.Series.Store {
		case "embedded":
			errs = append(errs, c.Series.Embedded.Validate())
		case "influxdb":
			errs = append(errs, c.Series.InfluxDB.Validate())
		default:
			errs = append(errs, fmt.Errorf("series.store: %q, want embedded or influxdb", c.Series.Store))
		}
	}
	if c.split() {
		for key, address := range map[string]string{"registry": c.Peers.Registry, "series": c.Peers.Series, "alert": c.Peers.Alert, "ingest": c.Peers.Ingest} {
			if !c.runs(key) {
				errs = append(errs, peer.CheckAddress("peers."+key, address))
			}
		}
	}
	if _, err := c.Log.level(); err != nil {
		errs = append(errs, err)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		errs = append(errs, fmt.Errorf("log.format: %q, want text or json", c.Log.Format))
	}
	return errors.Join(errs...)
}

func (l LogConfig) level() (slog.Level, error) {
	var v slog.Level
	if err := v.UnmarshalText([]byte(l.Level)); err != nil {
		return v, fmt.Errorf("log.level: %q, want debug, info, warn or error", l.Level)
	}
	return v, nil
}

// Logger makes the logger that the configuration asks for, on standard error.
func (l LogConfig) Logger() *slog.Logger {
	level, _ := l.level()
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

func checkListener(key, listen, cert, keyFile string) error {
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return fmt.Errorf("%s.listen: %q is not host:port", key, listen)
	}
	if (cert == "") != (keyFile == "") {
		return fmt.Errorf("%s.cert_file and %s.key_file: give both or neither", key, key)
	}
	return nil
}

// onLoopback reports whether only this machine can reach the address.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
