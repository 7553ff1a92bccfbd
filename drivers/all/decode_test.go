package all

import (
	"io/fs"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"monitorme/drivers"
	"monitorme/drivers/drivertest"
	"monitorme/protocol"
)

// undecodable are drivers of whose captures the decoder alone, as the command
// decode has it, cannot find a value, with the reason.
var undecodable = map[string]string{
	"diap": "what an answer means is for the settings to say",
}

// What was recorded at a bed is looked at with the command decode, which has
// the device's bytes and has asked nothing. What a device says must mean
// something without the questions.
func TestDecodersNeedNoQuestions(t *testing.T) {
	for _, d := range Drivers {
		reason, known := undecodable[d.Name]
		switch found := decodable(t, d); {
		case found == "" && !known:
			t.Errorf("%s: its decoder alone finds no value in any capture of its package", d.Name)
		case found != "" && known:
			t.Errorf("%s: stands in the list of those whose decoder alone finds nothing (%s), and finds a value in %s", d.Name, reason, found)
		}
	}
	for name := range undecodable {
		if _, ok := Find(name); !ok {
			t.Errorf("%s stands in the list of those whose decoder alone finds nothing, and is no driver", name)
		}
	}
}

// decodable gives a capture in which the decoder finds a frame and something
// that was measured, or "".
func decodable(t *testing.T, d drivers.Driver) string {
	for _, file := range capturesOf(t, d) {
		dec := d.NewDecoder()
		obs := drivertest.Decode(dec, drivertest.Load(t, file))
		if dec.Stats().Frames > 0 && slices.ContainsFunc(obs, measured) {
			return file
		}
	}
	return ""
}

// measured reports whether o is more than the name of the device.
func measured(o protocol.Observation) bool {
	return o.Kind == protocol.KindNumeric || o.Kind == protocol.KindSamples || o.Kind == protocol.KindEnumeration && o.Code.Partition() != 1
}

// capturesOf are all captures in the package that makes the driver's decoder.
func capturesOf(t *testing.T, d drivers.Driver) (files []string) {
	maker := runtime.FuncForPC(reflect.ValueOf(d.NewDecoder).Pointer()).Name()
	_, name, _ := strings.Cut(maker, "monitorme/drivers/")
	name, _, ok := strings.Cut(name, ".")
	if !ok {
		t.Fatalf("%s: no package in %q", d.Name, maker)
	}
	err := filepath.WalkDir(filepath.Join("..", name), func(path string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); ext == ".hex" || ext == ".bin" {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Errorf("%s: %d captures in package %s, %v", d.Name, len(files), name, err)
	}
	return files
}
