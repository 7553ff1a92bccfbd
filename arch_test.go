// Package monitorme holds what is tested of the system as a whole: the rules
// of who may import whom, and the whole way from a device's wire to a screen.
package monitorme

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type listedPackage struct {
	ImportPath, Name, Doc string
	Imports               []string
	GoFiles               []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listedPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, "monitorme/")
		packages = append(packages, p)
	}
	if len(packages) < 20 {
		t.Fatalf("go list found %d packages: the rules below would be about nothing", len(packages))
	}
	return packages
}

// under reports whether a package is dir or lies below it.
func under(pkg string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") })
}

// An importRule says what the packages under From may import of this module.
// The first rule that fits a package holds.
type importRule struct {
	from  string
	exact bool // only From itself, not what lies below it
	may   []string
}

// importRules is the table of docs/ARCHITECTURE.md. A package may always
// import what lies below itself.
var importRules = []importRule{
	{from: "protocol/wirepb"},
	{from: "protocol", exact: true, may: []string{"protocol/wirepb"}},
	{from: "protocol", may: []string{"protocol"}},

	{from: "drivers", exact: true, may: []string{"protocol"}},
	{from: "drivers/checksum"},
	{from: "drivers/framer", may: []string{"protocol", "drivers"}},
	{from: "drivers/hl7v2", may: []string{"protocol", "drivers", "drivers/framer"}},
	{from: "drivers/ledger", may: []string{"drivers"}},
	{from: "drivers/mapping", may: []string{"protocol"}},
	{from: "drivers/patient", may: []string{"protocol", "drivers"}},
	{from: "drivers/play", may: []string{"drivers"}},
	{from: "drivers/settings"},
	{from: "drivers/capture", may: []string{"drivers"}},
	{from: "drivers/drivertest", may: []string{"protocol", "drivers"}},
	{from: "drivers/all", may: []string{"drivers"}},
	{from: "drivers/simulator", may: []string{"protocol", "drivers"}},

	{from: "edge/agent", may: []string{"protocol", "drivers", "edge"}},
	{from: "edge", exact: true, may: []string{"protocol", "drivers", "edge"}},
	{from: "edge/port", may: []string{"protocol", "drivers"}}, // it implements drivers.Port
	{from: "edge/probe", may: []string{"protocol", "drivers", "edge/port"}},
	{from: "edge/uplink", may: []string{"protocol", "edge/queue", "edge/clock"}},
	{from: "edge/queue", may: []string{"protocol", "edge/clock"}},
	{from: "edge", may: []string{"protocol"}},

	{from: "cloud/peer"},
	{from: "cloud/pki", may: []string{"protocol"}},
	{from: "cloud/broker", may: []string{"protocol", "cloud/pki"}},
	{from: "cloud/sqlite"},
	{from: "cloud/registry", may: []string{"protocol", "cloud/peer", "cloud/sqlite"}},
	{from: "cloud/series", may: []string{"protocol", "cloud/series"}},
	{from: "cloud/live", may: []string{"protocol", "cloud/registry"}},
	{from: "cloud/alert", may: []string{"protocol", "cloud/registry", "cloud/live", "cloud/sqlite"}},
	{from: "cloud/ingest", may: []string{"protocol", "cloud/live", "cloud/series"}},
	{from: "cloud/web"},
	{from: "cloud/api", may: []string{"protocol", "cloud/registry", "cloud/live", "cloud/series", "cloud/alert"}},
	{from: "cloud/service", may: []string{"protocol", "cloud"}},
	{from: "cloud", exact: true, may: []string{"protocol", "cloud/service"}},

	{from: "scripts", may: []string{"protocol", "drivers"}},
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.ImportPath == "monitorme" {
			continue
		}
		i := slices.IndexFunc(importRules, func(r importRule) bool {
			return p.ImportPath == r.from || !r.exact && under(p.ImportPath, r.from)
		})
		device := strings.HasPrefix(p.ImportPath, "drivers/") && i < 0
		for _, imported := range p.Imports {
			name, ours := strings.CutPrefix(imported, "monitorme/")
			if !ours {
				continue
			}
			switch {
			case device: // one device protocol: the contract and its tools, never another device
				if !under(name, "protocol", "drivers/checksum", "drivers/framer", "drivers/hl7v2", "drivers/ledger", "drivers/mapping", "drivers/play", "drivers/settings") && name != "drivers" && !under(name, p.ImportPath) {
					t.Errorf("%s imports %s: a driver imports the contract, its tools and protocol only", p.ImportPath, name)
				}
			case i < 0:
				t.Errorf("%s has no import rule: add it to the table here and to docs/ARCHITECTURE.md", p.ImportPath)
			case !under(name, importRules[i].may...) && !under(name, p.ImportPath):
				t.Errorf("%s imports %s; it may import only %v", p.ImportPath, name, importRules[i].may)
			}
		}
	}
}

func TestNeitherSideKnowsTheOther(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, imported := range p.Imports {
			name := strings.TrimPrefix(imported, "monitorme/")
			if under(p.ImportPath, "edge") && under(name, "cloud") || under(p.ImportPath, "cloud") && under(name, "edge", "drivers") {
				t.Errorf("%s imports %s: what both sides share belongs in protocol", p.ImportPath, name)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range listPackages(t) {
		if len(p.GoFiles) > 0 && len(p.Doc) < 20 && p.Name != "wirepb" {
			t.Errorf("package %s has no doc comment", p.ImportPath)
		}
		if last := p.ImportPath[strings.LastIndex(p.ImportPath, "/")+1:]; slices.Contains([]string{"util", "utils", "common", "helpers", "types", "models"}, last) {
			t.Errorf("package %s: name it for what it does", p.ImportPath)
		}
	}
}
