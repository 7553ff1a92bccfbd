package probe

import (
	"io/fs"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"monitorme/drivers"
	"monitorme/drivers/all"
	"monitorme/drivers/drivertest"
)

// alike are drivers that claim what another one's device says, and why. The
// device's own is preferred all the same, unless the list taken says otherwise.
var alike = map[string][]string{
	// The same frames at another speed or pace: the line decides.
	"gedri":               {"gedri-fast"},
	"gedri-fast":          {"gedri"},
	"intellivue":          {"intellivue-numerics"},
	"intellivue-numerics": {"intellivue"},
	"microstream":         {"microstream-module"},
	"microstream-module":  {"microstream"},
	"onetouch-ultraeasy":  {"onetouch-verio"},
	"onetouch-verio":      {"onetouch-ultraeasy"},
	"warmer-giraffe":      {"warmer-giraffe-old"},
	"warmer-giraffe-old":  {"warmer-giraffe"},
	"nonin":               {"nonin-spot"},
	"nonin-spot":          {"nonin"},
	"zephyr-hxm":          {"zephyr"},
	"berry":               {"contec-first"}, // nearly the same packets
	"contec-first":        {"berry"},
	// A few bytes without a checksum that repeat look like a pulse oximeter's
	// packets. The one with a checksum wins.
	"nibp-suntech": {"berry", "contec-first", "nonin", "nonin-spot"},
	"zephyr":       {"berry", "contec-first"},
}

// taken are drivers whose device another one gets, and why that is right.
var taken = map[string]string{
	"nonin-spot": "nonin", // the same frames; of the two the one that notices silence
}

// TestNoDeviceIsTakenForAnother lets the decoders of all drivers hear what each
// simulated device says to its own driver.
func TestNoDeviceIsTakenForAnother(t *testing.T) {
	list := tried()
	for _, d := range list {
		if d.Simulate == nil {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			wire := drivertest.Heard(t, d, drivertest.NewPatient(), drivertest.Act{For: span(d)})
			best, claims := judge(t, list, d.Line, wire)
			want := d.Name
			switch other := taken[d.Name]; {
			case other != "":
				want = other
			case d.Asks && !d.Checked: // it would write: what was heard is not proof enough
				want = ""
			}
			if best != want {
				t.Errorf("taken for %q, want %q", best, want)
			}
			for _, name := range claims {
				if name != d.Name && !slices.Contains(alike[d.Name], name) {
					t.Errorf("%s claims it, too", name)
				}
			}
			for _, name := range alike[d.Name] {
				if !slices.Contains(claims, name) {
					t.Errorf("%s does not claim it any more: delete it from the list here", name)
				}
			}
		})
	}
}

// TestNoCaptureIsTakenForAnotherDevice lets them hear what lies in the packages
// of drivers: bad frames, worked ones, what a device said.
func TestNoCaptureIsTakenForAnotherDevice(t *testing.T) {
	list := tried()
	n := 0
	for dir, family := range families(list) {
		var all []string
		for _, d := range family {
			all = append(append(all, d.Name), alike[d.Name]...)
		}
		err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(file) != ".hex" {
				return err
			}
			n++
			best, _ := judge(t, list, family[0].Line, drivertest.Load(t, file))
			if best != "" && !slices.Contains(all, best) {
				t.Errorf("%s is taken for %s", file, best)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n < 50 {
		t.Errorf("%d captures found", n)
	}
}

// tried are the drivers that a probe tries.
func tried() []drivers.Driver {
	return slices.DeleteFunc(slices.Clone(all.Drivers), func(d drivers.Driver) bool { return d.Configure != nil })
}

// families are the drivers by the directory of their package.
func families(list []drivers.Driver) map[string][]drivers.Driver {
	m := map[string][]drivers.Driver{}
	for _, d := range list {
		name := runtime.FuncForPC(reflect.ValueOf(d.NewDecoder).Pointer()).Name()
		name, _, _ = strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ".")
		dir := filepath.Join("..", "..", "drivers", name)
		m[dir] = append(m[dir], d)
	}
	return m
}

// span is how long a device takes to say what is typical.
func span(d drivers.Driver) time.Duration {
	if d.Silence > 5*time.Minute {
		return 12 * time.Minute
	}
	return 2 * time.Minute
}

// judge gives the driver that wins at a line, and all that claim it.
func judge(t *testing.T, list []drivers.Driver, at drivers.Line, wire []byte) (best string, claims []string) {
	const enough = 6000
	f := newField(list, Config{}, at)
	f.feed(wire[:min(len(wire), enough)])
	for _, c := range f.candidates {
		if c.broken {
			t.Errorf("the decoder of %s failed inside", c.driver.Name)
		}
		if f.claims(c) {
			claims = append(claims, c.driver.Name)
		}
	}
	if c := f.best(); c != nil {
		best = c.driver.Name
	}
	return best, claims
}
