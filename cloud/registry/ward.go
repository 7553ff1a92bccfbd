package registry

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"monitorme/protocol"
)

type row = interface{ Scan(...any) error }

func scanUnit(r row) (u Unit, err error) { return u, r.Scan(&u.ID, &u.Name) }
func scanBed(r row) (b Bed, err error)   { return b, r.Scan(&b.ID, &b.Unit, &b.Label) }
func scanBox(r row) (b Box, err error) {
	return b, r.Scan(&b.ID, &b.Unit, &b.Serial, &b.Fingerprint, &b.Revoked)
}

const selectPlacements = "SELECT p.box, b.unit, p.bed, b.label, p.from_us, p.to_us FROM placements p JOIN beds b ON b.id = p.bed"

func scanPlacement(r row) (Placement, error) {
	var p Placement
	var from int64
	var to sql.NullInt64
	err := r.Scan(&p.Box, &p.Unit, &p.Bed, &p.Label, &from, &to)
	p.From, p.To = fromMicros(from), fromNullable(to)
	return p, err
}

const selectAssignments = "SELECT bed, patient, from_us, to_us FROM assignments"

func scanAssignment(r row) (Assignment, error) {
	var a Assignment
	var from int64
	var to sql.NullInt64
	err := r.Scan(&a.Bed, &a.Patient, &from, &to)
	a.From, a.To = fromMicros(from), fromNullable(to)
	return a, err
}

// compareBeds orders by unit, then label, then id; runs of digits count as
// numbers, so that bed 2 stands before bed 10.
func compareBeds(a, b Bed) int {
	return cmp.Or(cmp.Compare(a.Unit, b.Unit), compareLabels(a.Label, b.Label), cmp.Compare(a.ID, b.ID))
}

func compareLabels(a, b string) int {
	for a != "" && b != "" {
		da, db := leadingDigits(a), leadingDigits(b)
		if da != "" && db != "" {
			na, nb := strings.TrimLeft(da, "0"), strings.TrimLeft(db, "0")
			if c := cmp.Or(cmp.Compare(len(na), len(nb)), cmp.Compare(na, nb)); c != 0 {
				return c
			}
			a, b = a[len(da):], b[len(db):]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingDigits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

// PutUnit makes or renames a unit.
func (r *Registry) PutUnit(ctx context.Context, u Unit) error {
	if err := errors.Join(checkID("unit", string(u.ID)), checkText("the unit's name", u.Name, 100, true)); err != nil {
		return err
	}
	return r.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO units (id, name) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name", u.ID, u.Name)
		return err
	})
}

// PutBed makes a bed or changes its label. A bed moves to another unit only
// while no box stands and nobody lies there, and none ever did: its past
// belongs to the unit.
func (r *Registry) PutBed(ctx context.Context, b Bed) error {
	if err := errors.Join(checkID("bed", string(b.ID)), checkText("the bed's label", b.Label, 40, true)); err != nil {
		return err
	}
	return r.change(ctx, func(tx *sql.Tx) error {
		if err := exists(ctx, tx, "units", "unit", string(b.Unit)); err != nil {
			return err
		}
		var unit protocol.UnitID
		var used bool
		err := tx.QueryRowContext(ctx, `SELECT unit, EXISTS (SELECT 1 FROM placements WHERE bed = beds.id)
			OR EXISTS (SELECT 1 FROM assignments WHERE bed = beds.id) FROM beds WHERE id = ?`, b.ID).Scan(&unit, &used)
		if err == nil && unit != b.Unit && used {
			return fail(ErrConflict, "bed %q has a history in unit %q: make a new bed in unit %q instead of moving it", b.ID, unit, b.Unit)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO beds (id, unit, label) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET unit = excluded.unit, label = excluded.label`, b.ID, b.Unit, b.Label)
		return err
	})
}

// PutBox registers a box or changes it. Its unit changes only while it stands
// nowhere.
func (r *Registry) PutBox(ctx context.Context, b Box) error {
	b.Fingerprint = strings.ToLower(b.Fingerprint)
	if err := errors.Join(checkID("box", string(b.ID)), checkText("the box's serial number", b.Serial, 64, false)); err != nil {
		return err
	}
	if b.Fingerprint != "" && (len(b.Fingerprint) != 64 || strings.Trim(b.Fingerprint, "0123456789abcdef") != "") {
		return fail(ErrInvalid, "the fingerprint of box %q is not the SHA-256 of a certificate: give 64 hexadecimal digits, or nothing", b.ID)
	}
	return r.change(ctx, func(tx *sql.Tx) error {
		if err := exists(ctx, tx, "units", "unit", string(b.Unit)); err != nil {
			return err
		}
		var bed BedID
		err := tx.QueryRowContext(ctx, `SELECT p.bed FROM placements p JOIN boxes b ON b.id = p.box
			WHERE p.box = ? AND p.to_us IS NULL AND b.unit <> ?`, b.ID, b.Unit).Scan(&bed)
		if err == nil {
			return fail(ErrConflict, "box %q stands at bed %q of another unit: take it away from there first", b.ID, bed)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO boxes (id, unit, serial, fingerprint, revoked) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET unit = excluded.unit, serial = excluded.serial, fingerprint = excluded.fingerprint, revoked = excluded.revoked`,
			b.ID, b.Unit, b.Serial, b.Fingerprint, b.Revoked)
		return err
	})
}

// PlaceBox puts a box at a bed from an instant on, and ends where it stood and
// what stood there. An empty bed takes the box away. Doing it again changes
// nothing.
func (r *Registry) PlaceBox(ctx context.Context, box protocol.BoxID, bed BedID, from time.Time) error {
	from, err := r.past(from)
	if err != nil {
		return err
	}
	return r.change(ctx, func(tx *sql.Tx) error {
		b, err := one(ctx, tx, scanBox, "SELECT id, unit, serial, fingerprint, revoked FROM boxes WHERE id = ?", box)
		if err != nil {
			return missing(err, "box", string(box))
		}
		if bed == "" {
			return closeOpen(ctx, tx, "placements", "box", string(box), from)
		}
		at, err := one(ctx, tx, scanBed, "SELECT id, unit, label FROM beds WHERE id = ?", bed)
		if err != nil {
			return missing(err, "bed", string(bed))
		}
		if at.Unit != b.Unit {
			return fail(ErrConflict, "box %q belongs to unit %q and bed %q to unit %q: change the box's unit first", box, b.Unit, bed, at.Unit)
		}
		return open1(ctx, tx, "placements", [2]string{"box", "bed"}, [2]string{string(box), string(bed)}, from)
	})
}

// PlacementsAt lists which boxes stood at a bed in [from, to), in order of
// time, cut to that range.
func (r *Registry) PlacementsAt(ctx context.Context, bed BedID, from, to time.Time) ([]Placement, error) {
	out, err := list(ctx, r.rd, scanPlacement, selectPlacements+" WHERE p.bed = ? AND p.from_us < ? AND (p.to_us IS NULL OR p.to_us > ?) ORDER BY p.from_us",
		bed, micros(to), micros(from))
	for i := range out {
		out[i].From, out[i].To = clip(out[i].From, out[i].To, from, to)
	}
	return out, err
}

func clip(from, to, low, high time.Time) (time.Time, time.Time) {
	if from.Before(low) {
		from = low.UTC()
	}
	if to.IsZero() || to.After(high) {
		to = high.UTC()
	}
	return from, to
}

// past checks an instant given by staff: not zero, not in the future (a minute
// is allowed for clocks that differ) and not absurdly long ago.
func (r *Registry) past(t time.Time) (time.Time, error) {
	now := r.now()
	if t.IsZero() {
		t = now
	}
	if t.After(now.Add(time.Minute)) {
		return t, fail(ErrInvalid, "%s lies in the future: give a time up to now", t.UTC().Format(time.RFC3339))
	}
	if t.Before(now.AddDate(-1, 0, 0)) {
		return t, fail(ErrInvalid, "%s lies more than a year back: check the date", t.UTC().Format(time.RFC3339))
	}
	if t.After(now) {
		t = now
	}
	return t.Truncate(time.Microsecond), nil
}

// open1 begins an interval that pairs two things, and ends at the same instant
// what each was paired with. If the pair stands already it may only be moved
// to begin earlier.
func open1(ctx context.Context, tx *sql.Tx, table string, cols, ids [2]string, from time.Time) error {
	var start int64
	err := tx.QueryRowContext(ctx, "SELECT from_us FROM "+table+" WHERE "+cols[0]+" = ? AND "+cols[1]+" = ? AND to_us IS NULL", ids[0], ids[1]).Scan(&start)
	switch {
	case err == nil:
		if micros(from) >= start {
			return nil
		}
		_, err = tx.ExecContext(ctx, "UPDATE "+table+" SET from_us = ? WHERE "+cols[0]+" = ? AND to_us IS NULL", micros(from), ids[0])
		return overlapping(err, cols, ids, from)
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	for i := range cols {
		if err := closeOpen(ctx, tx, table, cols[i], ids[i], from); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO "+table+" ("+cols[0]+", "+cols[1]+", from_us) VALUES (?, ?, ?)", ids[0], ids[1], micros(from))
	return overlapping(err, cols, ids, from)
}

// closeOpen ends the interval of one thing that still lasts, if any.
func closeOpen(ctx context.Context, tx *sql.Tx, table, col, id string, at time.Time) error {
	var start int64
	err := tx.QueryRowContext(ctx, "SELECT from_us FROM "+table+" WHERE "+col+" = ? AND to_us IS NULL", id).Scan(&start)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if micros(at) <= start {
		return fail(ErrConflict, "%s %q was changed at %s: give a later time than that", col, id, fromMicros(start).Format(time.RFC3339Nano))
	}
	_, err = tx.ExecContext(ctx, "UPDATE "+table+" SET to_us = ? WHERE "+col+" = ? AND to_us IS NULL", micros(at), id)
	return err
}

func overlapping(err error, cols, ids [2]string, from time.Time) error {
	if err != nil && strings.Contains(err.Error(), "overlap") {
		return fail(ErrConflict, "%s %q or %s %q had another one after %s: give a later time", cols[0], ids[0], cols[1], ids[1], from.UTC().Format(time.RFC3339))
	}
	return err
}

func one[T any](ctx context.Context, q querier, scan func(row) (T, error), query string, args ...any) (T, error) {
	return scan(q.QueryRowContext(ctx, query, args...))
}

func missing(err error, what, id string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fail(ErrNotFound, "there is no %s %q: check the id", what, id)
	}
	return err
}

func exists(ctx context.Context, tx *sql.Tx, table, what, id string) error {
	var n int
	return missing(tx.QueryRowContext(ctx, "SELECT 1 FROM "+table+" WHERE id = ?", id).Scan(&n), what, id)
}
