package all

import "testing"

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
