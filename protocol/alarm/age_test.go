package alarm

import (
	"testing"

	"monitorme/protocol"
)

func TestAdultLimitsAtAChildAreSaid(t *testing.T) {
	b := newBed(t)
	b.e.Contact(t0, true, nil)
	same(t, "age not known", shorts(b.advance(0)))
	b.e.Patient(16)
	same(t, "16", shorts(b.advance(1)))
	b.e.Patient(0)
	same(t, "newborn", shorts(b.advance(2)), "adult-limits low active")
	if a := b.e.Alarms(nil)[0]; a.Text != "Adult alarm limits, but the patient is a child" || a.Value.Valid || a.Type != protocol.AlarmTechnical || !a.Started.Equal(sec(2)) {
		t.Errorf("%+v", a)
	}
	b.e.Acknowledge(b.e.Alarms(nil)[0].ID, "anna", sec(3))
	snap, err := b.e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if b.e, _, err = Restore(Default(), snap); err != nil {
		t.Fatal(err)
	}
	b.e.Patient(0)
	same(t, "said once", shorts(b.advance(4)))
	same(t, "stands while the child lies there", b.now(), "adult-limits low active by anna")
	crashed := NewEvaluator("box-1", Default())
	crashed.Adopt(b.e.Alarms(nil)[0])
	if got := crashed.Advance(sec(4), nil); len(got) > 0 || len(crashed.Alarms(nil)) != 1 {
		t.Errorf("a crash before the snapshot: %v", shorts(got))
	}
	b.e.Stop("anna", sec(5), nil)
	same(t, "gone", shorts(b.advance(6)))
	b.e.Patient(7)
	b.advance(7)
	b.all = b.e.Release(sec(8), b.all)
	same(t, "the box is taken away", b.now())
}

func TestAUnitWithLimitsForChildrenIsNotToldOfAdults(t *testing.T) {
	own, err := Default().Override("picu.yaml", []byte("profile: picu\nrules:\n  - {id: adult-limits, off: true}\n"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t)
	b.e.Patient(3)
	b.advance(1)
	snap, err := b.e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	e, changes, err := Restore(own, snap) // the child has come to another unit
	if err != nil {
		t.Fatal(err)
	}
	same(t, "ended", shorts(changes), "adult-limits low ended")
	if got := e.Advance(sec(2), nil); len(got) > 0 {
		t.Errorf("%v", shorts(got))
	}
	if _, err := Default().Override("x.yaml", []byte("rules:\n  - {id: adult-limits, limit: 99}\n")); err == nil {
		t.Error("99 years are a child's")
	}
}

func TestSleepRelaxesNoLimitOfAChild(t *testing.T) {
	b := newBed(t)
	b.e.Patient(9)
	b.send(sleep(0, "deep"))
	b.every(protocol.SpO2, 0, 12, 1, "89")
	same(t, "now", b.now(), "spo2-low medium active")
}
