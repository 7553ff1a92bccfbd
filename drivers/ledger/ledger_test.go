package ledger

import (
	"fmt"
	"testing"

	"monitorme/drivers"
)

func TestWhatIsRememberedIsBounded(t *testing.T) {
	var l Ledger[int]
	for i := range 3 * Max {
		l.Keep(i, 1)
	}
	if len(l.times) != Max || len(l.order) != Max {
		t.Errorf("%d remembered, want %d", len(l.times), Max)
	}
	if l.Has(2*Max-1, 1) || !l.Has(2*Max, 1) || !l.Has(3*Max-1, 1) {
		t.Error("want the newest remembered")
	}
}

func TestReadingsThatAreTheSameAreCounted(t *testing.T) {
	var l Ledger[string]
	if l.Has("a", 1) {
		t.Error("nothing was told")
	}
	l.Keep("a", 1)
	if !l.Has("a", 1) || l.Has("a", 2) {
		t.Error("told once")
	}
	l.Keep("a", 2)
	if !l.Has("a", 2) || len(l.order) != 1 {
		t.Error("told twice")
	}
}

// A named port, as the box's are.
type named struct {
	drivers.Port
	name string
}

func (p named) Name() string { return p.name }

func TestEachPortHasItsOwnPast(t *testing.T) {
	var p Ports[int]
	p.At(named{nil, "a"}).Keep(1, 1)
	if !p.At(named{nil, "a"}).Has(1, 1) || p.At(named{nil, "b"}).Has(1, 1) {
		t.Error("want what was told at a known at a and nowhere else")
	}
	p.At(nil).Keep(1, 1)
	if p.At(nil).Has(1, 1) {
		t.Error("a port without a name has a past")
	}
	for i := range 3 * maxPorts {
		p.At(named{nil, fmt.Sprint(i)})
	}
	if len(p.all) != maxPorts || len(p.order) != maxPorts {
		t.Errorf("%d ports remembered, want %d", len(p.all), maxPorts)
	}
}
