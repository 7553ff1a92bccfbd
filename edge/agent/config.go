package agent

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/drivers/settings"
	"monitorme/edge/clock"
	"monitorme/edge/health"
	"monitorme/edge/port"
	"monitorme/edge/queue"
	"monitorme/edge/uplink"
	"monitorme/protocol"
)

// Config is everything that a box is told; docs/CONFIGURATION.md describes it
// for people.
type Config struct {
	Box     protocol.BoxID  `yaml:"box"`  // as in its certificate
	Unit    protocol.UnitID `yaml:"unit"` // the ward it stands in
	Devices []DeviceConfig  `yaml:"devices"`
	Probe   ProbeConfig     `yaml:"probe"`
	Clock   clock.Config    `yaml:"clock"`
	Queue   queue.Config    `yaml:"queue"`
	Uplink  uplink.Config   `yaml:"uplink"`
	Health  health.Config   `yaml:"health"`

	// Version of the program, for the cloud and the page; not from the file.
	Version string `yaml:"-"`
}

// DeviceConfig is one device at the box.
type DeviceConfig struct {
	ID      protocol.DeviceID `yaml:"id"`
	Driver  string            `yaml:"driver"`
	Port    string            `yaml:"port"`
	Line    LineConfig        `yaml:"line"`
	Enabled *bool             `yaml:"enabled"` // nil is true

	Settings Settings `yaml:"settings"` // for drivers that have some
}

// LineConfig overrides how the driver opens its line. A zero field is as the
// driver says.
type LineConfig struct {
	Baud     int    `yaml:"baud"`
	DataBits int    `yaml:"data_bits"`
	Parity   string `yaml:"parity"`
	StopBits int    `yaml:"stop_bits"`
	DTR      string `yaml:"dtr"`
	RTS      string `yaml:"rts"`
}

// Default is what holds for keys that the file leaves out.
func Default() Config {
	return Config{Clock: clock.Default(), Queue: queue.Default(), Uplink: uplink.Default(), Health: health.Default()}
}

// maxConfigBytes bounds a configuration file; a hundred devices take 20 KiB.
const maxConfigBytes = 1 << 20

// Load reads and validates a configuration file. Unknown keys are errors; each
// error names the file, and the line and column where it knows them.
func Load(path string) (Config, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if fi.Size() > maxConfigBytes {
		return Config{}, fmt.Errorf("read configuration %s: %d bytes: at most %d are allowed", path, fi.Size(), maxConfigBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, text)
}

// Parse is Load of a text; name stands for it in errors.
func Parse(name string, text []byte) (Config, error) {
	cfg := Default()
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Config{}, located(name, err)
	}
	if len(file.Docs) > 1 {
		return Config{}, fmt.Errorf("%s: %d documents: want one", name, len(file.Docs))
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return Config{}, fmt.Errorf("%s: empty: want at least box, unit and devices", name)
	}
	if err := settings.Plain(name, file.Docs[0].Body); err != nil {
		return Config{}, err
	}
	if err := yaml.NodeToValue(file.Docs[0].Body, &cfg, yaml.Strict(), yaml.CustomUnmarshaler(readDuration)); err != nil {
		if d, ok := errors.AsType[durationError](err); ok {
			return Config{}, fmt.Errorf("%s%s: %w", name, d.find(file), d)
		}
		return Config{}, located(name, err)
	}
	if err := cfg.Validate(); err != nil {
		return Config{}, place(name, file, err)
	}
	return cfg, nil
}

// durationError is a value that is no duration; the YAML library does not know
// where it stands.
type durationError struct{ value string }

func (e durationError) Error() string {
	return fmt.Sprintf("%q is no duration: want one such as 90s, 5m or 72h", e.value)
}

func readDuration(d *time.Duration, text []byte) (err error) {
	value := strings.Trim(strings.TrimSpace(string(text)), `"'`)
	if *d, err = time.ParseDuration(value); err != nil {
		return durationError{value}
	}
	return nil
}

// find gives the line and column of the value as ":3:7".
func (e durationError) find(file *ast.File) (at string) {
	for _, n := range ast.Filter(ast.StringType, file.Docs[0].Body) {
		if n.GetToken().Value == e.value && at == "" {
			at = fmt.Sprintf(":%d:%d", n.GetToken().Position.Line, n.GetToken().Position.Column)
		}
	}
	return at
}

// located puts the name of the file before an error that knows its line and
// column, and keeps the excerpt that shows it.
func located(name string, err error) error {
	if e, ok := errors.AsType[yaml.Error](err); ok {
		at := e.GetToken()
		if at != nil && at.Position != nil {
			return fmt.Errorf("%s:%d:%d: %s\n%s", name, at.Position.Line, at.Position.Column, e.GetMessage(),
				strings.TrimRight(strings.TrimPrefix(yaml.FormatError(err, false, true), "\n"), "\n"))
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// place finds the lines of the keys that validation complains of. Every
// complaint begins with its key, as devices[1].driver.
func place(name string, file *ast.File, err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	placed := make([]error, len(all))
	for i, e := range all {
		key, _, _ := strings.Cut(e.Error(), " ")
		at := ""
		for key = strings.TrimSuffix(key, ":"); key != ""; key = parentKey(key) {
			path, perr := yaml.PathString("$." + key)
			if perr != nil {
				break
			}
			if node, perr := path.FilterFile(file); perr == nil && node != nil && node.GetToken() != nil {
				pos := node.GetToken().Position
				at = fmt.Sprintf(":%d:%d", pos.Line, pos.Column)
				break
			}
		}
		placed[i] = fmt.Errorf("%s%s: %w", name, at, e)
	}
	return errors.Join(placed...)
}

// parentKey is where a key that is not in the file would be.
func parentKey(key string) string {
	i := strings.LastIndexAny(key, ".[")
	return key[:max(i, 0)]
}

// Validate checks the whole configuration and gives all complaints, each with
// the key, the value and what is allowed.
func (c Config) Validate() error {
	errs := []error{
		checkKey("box", protocol.CheckID("box", string(c.Box))),
		checkKey("unit", protocol.CheckID("unit", string(c.Unit))),
	}
	ids, ports := map[protocol.DeviceID]int{}, map[string]int{}
	for i, d := range c.Devices {
		key := fmt.Sprintf("devices[%d]", i)
		errs = append(errs, d.validate(key)...)
		if j, twice := ids[d.ID]; twice && d.ID != "" {
			errs = append(errs, fmt.Errorf("%s.id %q: devices[%d] has it already: every device needs its own", key, d.ID, j))
		}
		ids[d.ID] = i
		if j, twice := ports[d.Port]; twice && d.on() && d.Port != "" && !port.Recorded(d.Port) {
			errs = append(errs, fmt.Errorf("%s.port %q: devices[%d] has it already: a port serves one device", key, d.Port, j))
		}
		if d.on() {
			ports[d.Port] = i
		}
	}
	if u := c.Uplink; u.Box != "" || u.Unit != "" {
		errs = append(errs, errors.New("uplink.box and uplink.unit are those of the box: leave them out"))
	} else if errs[0] == nil && errs[1] == nil {
		errs = append(errs, c.uplinkConfig().Validate())
	}
	return errors.Join(append(errs, c.Clock.Validate(), c.Queue.Validate(), c.Health.Validate())...)
}

// checkKey puts the key before an error.
func checkKey(key string, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), key+" ") {
		return err
	}
	return fmt.Errorf("%s: %w", key, err)
}

func (d DeviceConfig) on() bool { return d.Enabled == nil || *d.Enabled }

func (d DeviceConfig) validate(key string) []error {
	var errs []error
	if err := protocol.CheckID("device", string(d.ID)); err != nil {
		errs = append(errs, checkKey(key+".id", err))
	}
	drv, ok := all.Find(d.Driver)
	if d.Driver == driverAuto {
		if d.Line != (LineConfig{}) {
			errs = append(errs, fmt.Errorf("%s.line: driver auto finds the line, too: leave the key out, or name the driver", key))
		}
		if len(d.Settings) > 0 {
			errs = append(errs, fmt.Errorf("%s.settings: driver auto has none: leave the key out, or name the driver", key))
		}
	} else if !ok {
		errs = append(errs, fmt.Errorf("%s.driver %w, or auto", key, UnknownDriver(d.Driver)))
	} else if _, err := d.configured(drv); err != nil {
		errs = append(errs, fmt.Errorf("%s.settings: %w", key, err))
	}
	if err := port.Check(d.Port); err != nil {
		errs = append(errs, checkKey(key+".port", err))
	}
	if _, err := d.Line.over(key+".line", drv.Line); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// over gives the line with what l overrides.
func (l LineConfig) over(key string, line drivers.Line) (drivers.Line, error) {
	var errs []error
	number := func(name string, v, low, high int, to *int) {
		if v == 0 {
			return
		}
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("%s.%s %d: want %d to %d", key, name, v, low, high))
		}
		*to = v
	}
	number("baud", l.Baud, 50, 4_000_000, &line.Baud)
	number("data_bits", l.DataBits, 5, 8, &line.DataBits)
	number("stop_bits", l.StopBits, 1, 2, &line.StopBits)
	if l.Parity != "" {
		i := slices.Index(parities, l.Parity)
		if i < 0 {
			errs = append(errs, fmt.Errorf("%s.parity %q: want %s", key, l.Parity, strings.Join(parities, ", ")))
		}
		line.Parity = drivers.Parity(max(i, 0))
	}
	level := func(name, v string, low *bool) {
		switch v {
		case "":
		case "high", "low":
			*low = v == "low"
		default:
			errs = append(errs, fmt.Errorf("%s.%s %q: want high or low", key, name, v))
		}
	}
	level("dtr", l.DTR, &line.DTRLow)
	level("rts", l.RTS, &line.RTSLow)
	return line, errors.Join(errs...)
}

var parities = []string{"none", "odd", "even", "mark", "space"} // in the order of drivers.Parity

// UnknownDriver is the error about a driver that is not there: it names the
// nearest, and all there are.
func UnknownDriver(name string) error {
	names := make([]string, len(all.Drivers))
	for i, d := range all.Drivers {
		names[i] = d.Name
	}
	slices.Sort(names)
	mean := ""
	best := 1 + max(2, len(name)/3)
	for _, n := range names {
		if e := edits(name, n); e < best {
			best, mean = e, fmt.Sprintf(" (did you mean %q?)", n)
		}
	}
	return fmt.Errorf("%q: there is no such driver%s: want one of %s", name, mean, strings.Join(names, ", "))
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
