package all

import (
	"testing"

	"monitorme/protocol"
)

func TestDriversAreInOrderAndFoundByName(t *testing.T) {
	for i, d := range Drivers {
		if i > 0 && Drivers[i-1].Name >= d.Name {
			t.Errorf("%q stands after %q: want the names in alphabetical order, each once", d.Name, Drivers[i-1].Name)
		}
		if got, ok := Find(d.Name); !ok || got.Title != d.Title {
			t.Errorf("Find(%q): %v %q", d.Name, ok, got.Title)
		}
	}
	if _, ok := Find("abacus"); ok {
		t.Error("a driver is found that is not there")
	}
}

func TestEverySignIsReadFromDevicesOfOthers(t *testing.T) {
	for _, sign := range protocol.Signs {
		var by []string
		for _, d := range Drivers {
			if d.Name == "stayhealthy" || d.Configure != nil {
				continue // our own, or whatever a site says
			}
			for _, c := range d.Codes {
				if term, _ := protocol.Lookup(c); term.Sign == sign {
					by = append(by, d.Name)
					break
				}
			}
		}
		if len(by) < 2 {
			t.Errorf("%s is read by %q only", sign, by)
		}
		t.Logf("%s: %q", sign, by)
	}
}
