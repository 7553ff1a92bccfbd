package registry

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"monitorme/protocol"
)

// A Snapshot is who and what is where now. It is immutable; do not change its
// slices.
type Snapshot struct {
	// Revision grows with every change. It begins with the time of the start,
	// so that a number does not come again after one.
	Revision    uint64       `json:"revision"`
	Units       []Unit       `json:"units"` // by id
	Beds        []Bed        `json:"beds"`  // by unit, then label as people count
	Boxes       []Box        `json:"boxes"` // by id
	Placements  []Placement  `json:"placements"`
	Assignments []Assignment `json:"assignments"`
	Patients    []Patient    `json:"patients"` // those who lie in a bed now

	units      map[protocol.UnitID]int
	beds       map[BedID]int
	boxes      map[protocol.BoxID]int
	patients   map[PatientID]int
	placeByBox map[protocol.BoxID]int
	placeByBed map[BedID]int
	lies       map[BedID]int
	liesIn     map[PatientID]int
	bedsOf     map[protocol.UnitID][]Bed
}

// UnmarshalJSON reads a snapshot and builds its indexes.
func (s *Snapshot) UnmarshalJSON(b []byte) error {
	type plain Snapshot
	if err := json.Unmarshal(b, (*plain)(s)); err != nil {
		return err
	}
	s.index()
	return nil
}

func indexBy[K comparable, T any](list []T, key func(T) K) map[K]int {
	m := make(map[K]int, len(list))
	for i, v := range list {
		m[key(v)] = i
	}
	return m
}

func find[K comparable, T any](list []T, m map[K]int, key K) (T, bool) {
	if i, ok := m[key]; ok {
		return list[i], true
	}
	var zero T
	return zero, false
}

func (s *Snapshot) index() {
	s.units = indexBy(s.Units, func(u Unit) protocol.UnitID { return u.ID })
	s.beds = indexBy(s.Beds, func(b Bed) BedID { return b.ID })
	s.boxes = indexBy(s.Boxes, func(b Box) protocol.BoxID { return b.ID })
	s.patients = indexBy(s.Patients, func(p Patient) PatientID { return p.ID })
	s.placeByBox = indexBy(s.Placements, func(p Placement) protocol.BoxID { return p.Box })
	s.placeByBed = indexBy(s.Placements, func(p Placement) BedID { return p.Bed })
	s.lies = indexBy(s.Assignments, func(a Assignment) BedID { return a.Bed })
	s.liesIn = indexBy(s.Assignments, func(a Assignment) PatientID { return a.Patient })
	s.bedsOf = map[protocol.UnitID][]Bed{}
	for _, b := range s.Beds {
		s.bedsOf[b.Unit] = append(s.bedsOf[b.Unit], b)
	}
}

// Unit finds a unit.
func (s *Snapshot) Unit(id protocol.UnitID) (Unit, bool) { return find(s.Units, s.units, id) }

// Bed finds a bed.
func (s *Snapshot) Bed(id BedID) (Bed, bool) { return find(s.Beds, s.beds, id) }

// BedsOf lists the beds of a unit in the order of their labels.
func (s *Snapshot) BedsOf(unit protocol.UnitID) []Bed { return s.bedsOf[unit] }

// Box finds a box.
func (s *Snapshot) Box(id protocol.BoxID) (Box, bool) { return find(s.Boxes, s.boxes, id) }

// PlacementOf tells where a box stands now.
func (s *Snapshot) PlacementOf(box protocol.BoxID) (Placement, bool) {
	return find(s.Placements, s.placeByBox, box)
}

// BoxAt tells which box stands at a bed now.
func (s *Snapshot) BoxAt(bed BedID) (Placement, bool) { return find(s.Placements, s.placeByBed, bed) }

// PatientIn tells who lies in a bed now, and since when.
func (s *Snapshot) PatientIn(bed BedID) (Patient, Assignment, bool) {
	a, ok := find(s.Assignments, s.lies, bed)
	if !ok {
		return Patient{}, Assignment{}, false
	}
	p, ok := find(s.Patients, s.patients, a.Patient)
	return p, a, ok
}

// BedOf tells where a patient lies now.
func (s *Snapshot) BedOf(patient PatientID) (Assignment, bool) {
	return find(s.Assignments, s.liesIn, patient)
}

// Authorize reports whether a box with this client certificate (SHA-256, lower
// case hex) may speak for itself in this unit, and if not why.
func (s *Snapshot) Authorize(box protocol.BoxID, unit protocol.UnitID, fingerprint string) error {
	b, ok := s.Box(box)
	switch {
	case !ok:
		return fail(ErrDenied, "box %q is not registered: add it under Boxes", box)
	case b.Revoked:
		return fail(ErrDenied, "box %q is revoked", box)
	case b.Unit != unit:
		return fail(ErrDenied, "box %q belongs to unit %q, not %q: correct the box's configuration or its registration", box, b.Unit, unit)
	case b.Fingerprint != "" && subtle.ConstantTimeCompare([]byte(b.Fingerprint), []byte(fingerprint)) != 1:
		return fail(ErrDenied, "box %q shows another certificate than the registered one", box)
	}
	return nil
}

// Current is the present snapshot: lock-free, never nil.
func (r *Registry) Current() *Snapshot { return r.snap.Load() }

// Subscribe gives a channel that receives after each change of the snapshot,
// several changes maybe once, and a function that ends it.
func (r *Registry) Subscribe() (<-chan struct{}, func()) { return r.changes.subscribe() }

// broadcast tells any number of listeners that something changed. A listener
// that has not looked yet is not told twice.
type broadcast struct {
	mu        sync.Mutex
	listeners map[chan struct{}]struct{}
}

func (b *broadcast) subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = map[chan struct{}]struct{}{}
	}
	b.listeners[c] = struct{}{}
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, c)
	}
}

func (b *broadcast) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// reload builds the snapshot from the database. The caller holds r.writing, or
// is alone.
func (r *Registry) reload(ctx context.Context) error {
	s := &Snapshot{Revision: uint64(micros(r.now()))}
	if old := r.snap.Load(); old != nil {
		s.Revision = old.Revision + 1
	}
	tx, err := r.wr.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	defer tx.Rollback()
	if err := s.read(ctx, tx); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	s.index()
	r.snap.Store(s)
	r.changes.notify()
	return nil
}

func (s *Snapshot) read(ctx context.Context, tx *sql.Tx) (err error) {
	if s.Units, err = list(ctx, tx, scanUnit, "SELECT id, name FROM units ORDER BY id"); err != nil {
		return err
	}
	if s.Beds, err = list(ctx, tx, scanBed, "SELECT id, unit, label FROM beds"); err != nil {
		return err
	}
	slices.SortFunc(s.Beds, compareBeds)
	if s.Boxes, err = list(ctx, tx, scanBox, "SELECT id, unit, serial, fingerprint, revoked FROM boxes ORDER BY id"); err != nil {
		return err
	}
	if s.Placements, err = list(ctx, tx, scanPlacement, selectPlacements+" WHERE p.to_us IS NULL ORDER BY p.bed"); err != nil {
		return err
	}
	if s.Assignments, err = list(ctx, tx, scanAssignment, selectAssignments+" WHERE to_us IS NULL ORDER BY bed"); err != nil {
		return err
	}
	s.Patients, err = list(ctx, tx, scanPatient, selectPatients+" WHERE id IN (SELECT patient FROM assignments WHERE to_us IS NULL) ORDER BY id")
	return err
}
