package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"monitorme/protocol"
)

// The demo ward. Everything in it is invented.
const (
	DemoUnit      protocol.UnitID = "ward-1"
	DemoOtherUnit protocol.UnitID = "ward-2" // two empty beds, to see that scopes hold
	DemoBeds                      = 20
	DemoPassword                  = "demo"
)

// DemoBox, DemoBed and DemoPatient name the i-th of the demo ward, from 1 to
// DemoBeds.
func DemoBox(i int) protocol.BoxID { return protocol.BoxID(fmt.Sprintf("box-%02d", i)) }
func DemoBed(i int) BedID          { return BedID(fmt.Sprintf("%s-bed-%02d", DemoUnit, i)) }
func DemoPatient(i int) PatientID  { return PatientID(fmt.Sprintf("p-demo-%02d", i)) }

var demoPatients = [DemoBeds]Patient{
	{Name: "Ada Brook", Born: "1948-03-12", Sex: "female"}, {Name: "Benno Castle", Born: "1951-11-02", Sex: "male"},
	{Name: "Clara Dune", Born: "1987-06-24", Sex: "female"}, {Name: "David Elm", Born: "1939-01-30", Sex: "male"},
	{Name: "Edith Fern", Born: "1962-09-17", Sex: "female"}, {Name: "Felix Grove", Born: "1975-04-05", Sex: "male"},
	{Name: "Greta Hill", Born: "1944-12-21", Sex: "female"}, {Name: "Hugo Isle", Born: "1990-08-08", Sex: "male"},
	{Name: "Ines Jasper", Born: "1958-02-14", Sex: "female"}, {Name: "Jonas Kiln", Born: "1933-07-19", Sex: "male"},
	{Name: "Kira Lake", Born: "2001-05-27", Sex: "female"}, {Name: "Leo Moor", Born: "1969-10-11", Sex: "male"},
	{Name: "Mara North", Born: "1954-03-03", Sex: "female"}, {Name: "Nils Orchard", Born: "1946-06-16", Sex: "male"},
	{Name: "Olga Pine", Born: "1979-01-09", Sex: "female"}, {Name: "Paul Quarry", Born: "1965-12-01", Sex: "male"},
	{Name: "Rosa Ridge", Born: "1937-09-29", Sex: "female"}, {Name: "Samuel Stone", Born: "1983-04-22", Sex: "male"},
	{Name: "Tilda Thorn", Born: "1971-11-13", Sex: "female"}, {Name: "Viktor Vale", Born: "1949-08-31", Sex: "male"},
}

// SeedDemo makes the demo ward: two units, beds, boxes that stand there since
// 25 hours, invented patients, and the users nurse, doctor, technician and
// admin with the password "demo". Doing it again changes nothing; a user who
// has chosen a password keeps it. Never call it for a real site.
func (r *Registry) SeedDemo(ctx context.Context) error {
	since := r.now().Add(-25 * time.Hour)
	for _, u := range []Unit{{DemoUnit, "Ward 1"}, {DemoOtherUnit, "Ward 2"}} {
		if err := r.PutUnit(ctx, u); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	for i := range 2 {
		if err := r.PutBed(ctx, Bed{BedID(fmt.Sprintf("%s-bed-%02d", DemoOtherUnit, i+1)), DemoOtherUnit, fmt.Sprint(i + 1)}); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	for i := 1; i <= DemoBeds; i++ {
		if err := r.seedBed(ctx, i, Bed{DemoBed(i), DemoUnit, fmt.Sprint(i)}, since); err != nil {
			return fmt.Errorf("demo bed %d: %w", i, err)
		}
	}
	return r.seedUsers(ctx, []protocol.UnitID{DemoUnit})
}

// DeviceUnit names the unit of the i-th bed of a ward of devices: each has
// DemoBeds beds.
func DeviceUnit(i int) protocol.UnitID {
	return protocol.UnitID(fmt.Sprintf("devices-%d", (i-1)/DemoBeds+1))
}

// DeviceBeds is how many beds a ward of devices may have.
const DeviceBeds = DemoBeds * (DemoBeds - 1)

// SeedDevices makes a ward to show devices, like SeedDemo but with one bed for
// each label, in as many units as it takes. Other labels rename the beds.
func (r *Registry) SeedDevices(ctx context.Context, labels []string) error {
	if len(labels) < 1 || len(labels) > DeviceBeds {
		return fmt.Errorf("demo: %d beds, want 1 to %d", len(labels), DeviceBeds)
	}
	since := r.now().Add(-25 * time.Hour)
	var units []protocol.UnitID
	for i, label := range labels {
		n, unit := i+1, DeviceUnit(i+1)
		if i%DemoBeds == 0 {
			units = append(units, unit)
			if err := r.PutUnit(ctx, Unit{unit, fmt.Sprintf("Devices %d", len(units))}); err != nil {
				return fmt.Errorf("demo: %w", err)
			}
		}
		bed := Bed{BedID(fmt.Sprintf("%s-bed-%02d", unit, n)), unit, label}
		if err := errors.Join(r.PutBed(ctx, bed), r.seedBed(ctx, n, bed, since)); err != nil {
			return fmt.Errorf("demo bed %q: %w", label, err)
		}
	}
	return r.seedUsers(ctx, units)
}

// seedBed makes the i-th bed, with box and patient, if it has none.
func (r *Registry) seedBed(ctx context.Context, i int, bed Bed, since time.Time) error {
	if _, known := r.Current().Box(DemoBox(i)); known {
		return nil
	}
	if err := r.PutBed(ctx, bed); err != nil {
		return err
	}
	if err := r.PutBox(ctx, Box{ID: DemoBox(i), Unit: bed.Unit, Serial: fmt.Sprintf("DEMO-%04d", i)}); err != nil {
		return err
	}
	if err := r.PlaceBox(ctx, DemoBox(i), bed.ID, since); err != nil {
		return err
	}
	p := demoPatient(i)
	if _, err := r.PutPatient(ctx, p); err != nil {
		return err
	}
	return r.Assign(ctx, bed.ID, p.ID, since)
}

// demoPatient is the i-th; beyond the first DemoBeds they get the surname of
// another.
func demoPatient(i int) Patient {
	p := demoPatients[(i-1)%DemoBeds]
	if round := (i - 1) / DemoBeds; round > 0 {
		first, _, _ := strings.Cut(p.Name, " ")
		_, last, _ := strings.Cut(demoPatients[(i-1+round)%DemoBeds].Name, " ")
		p.Name = first + " " + last
	}
	p.ID, p.Record = DemoPatient(i), fmt.Sprintf("DEMO-%06d", i)
	return p
}

func (r *Registry) seedUsers(ctx context.Context, own []protocol.UnitID) error {
	for _, u := range []User{
		{Name: "nurse", Display: "Demo Nurse", Role: RoleNurse, Units: own},
		{Name: "doctor", Display: "Demo Doctor", Role: RoleDoctor, Units: own},
		{Name: "technician", Display: "Demo Technician", Role: RoleTechnician, Units: own},
		{Name: "admin", Display: "Demo Administrator", Role: RoleAdmin, Units: []protocol.UnitID{AllUnits}},
	} {
		old, err := r.User(ctx, u.Name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && !old.MustChangePassword && (!old.Demo || slices.Equal(old.Units, u.Units)) {
			continue
		}
		u.Demo = true
		if err := r.putUser(ctx, u, DemoPassword); err != nil {
			return fmt.Errorf("demo user %s: %w", u.Name, err)
		}
	}
	return nil
}
