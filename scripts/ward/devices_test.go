package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"monitorme/drivers/all"
)

func TestTheWardOfDevicesHasABedForEveryFamily(t *testing.T) {
	beds, err := deviceBeds(wardOfDevices)
	if err != nil {
		t.Fatal(err)
	}
	sheets := map[string]string{}
	for _, b := range beds {
		d, ok := all.Find(b.label)
		if !ok || len(b.devices) != 1 || b.devices[0].driver != d.Name {
			t.Fatalf("bed %d is labelled %q, with %+v", b.number, b.label, b.devices)
		}
		if other := sheets[d.Sheet]; other != "" {
			t.Errorf("%s and %s are of one family", other, d.Name)
		}
		sheets[d.Sheet] = d.Name
	}
	for _, d := range all.Drivers {
		if sheets[d.Sheet] == "" {
			t.Errorf("no bed shows the family of %s", d.Name)
		}
	}
	if u := beds[maxBeds].unit; u != "devices-2" || beds[maxBeds-1].unit != "devices-1" {
		t.Errorf("bed %d is in unit %s: want units of %d beds", maxBeds+1, u, maxBeds)
	}
}

func TestAnyDriverCanBePlayed(t *testing.T) {
	var names []string
	for _, d := range all.Drivers {
		names = append(names, d.Name)
	}
	beds, err := deviceBeds(strings.Join(names, ","))
	if err != nil {
		t.Fatal(err)
	}
	if len(beds) != len(names) {
		t.Errorf("%d beds for %d drivers", len(beds), len(names))
	}
	if _, err := deviceBeds("nonin,abacus"); err == nil || !strings.Contains(err.Error(), `"abacus"`) {
		t.Errorf("%v", err)
	}
}

func TestSettingsOfADeviceReachItsBox(t *testing.T) {
	o := options{data: t.TempDir()}
	b := &bed{number: 1, unit: "devices-1", devices: []device{{id: "x", driver: "generic", settings: "values:\n  - {column: 2, code: MDC_PULS_OXIM_SAT_O2}\n"}}}
	if err := writeBoxConfig(o, b, "127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(o.data, "boxes", "box-01", "edge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Unit    string
		Devices []struct {
			Settings struct{ Values []map[string]any }
		}
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if c.Unit != "devices-1" || len(c.Devices) != 1 || len(c.Devices[0].Settings.Values) != 1 || c.Devices[0].Settings.Values[0]["code"] != "MDC_PULS_OXIM_SAT_O2" {
		t.Errorf("%s", text)
	}
}
