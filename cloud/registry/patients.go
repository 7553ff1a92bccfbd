package registry

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"
)

const selectPatients = "SELECT id, name, born, sex, record FROM patients"

func scanPatient(r row) (p Patient, err error) {
	return p, r.Scan(&p.ID, &p.Name, &p.Born, &p.Sex, &p.Record)
}

// PutPatient makes a patient, with a new pseudonym if p.ID is empty, or
// changes one. It gives back what is stored.
func (r *Registry) PutPatient(ctx context.Context, p Patient) (Patient, error) {
	if p.ID == "" {
		p.ID = newPatientID()
	}
	if err := r.checkPatient(p); err != nil {
		return p, err
	}
	return p, r.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO patients (id, name, born, sex, record) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, born = excluded.born, sex = excluded.sex, record = excluded.record`,
			p.ID, p.Name, p.Born, p.Sex, p.Record)
		if err != nil && strings.Contains(err.Error(), "patients.record") {
			return fail(ErrConflict, "another patient has this record number: search for that patient instead of making a second one")
		}
		return err
	})
}

func newPatientID() PatientID { return PatientID("p-" + strings.ToLower(rand.Text())) }

func (r *Registry) checkPatient(p Patient) error {
	if err := errors.Join(checkID("patient", string(p.ID)), checkText("the name", p.Name, 120, true), checkText("the record number", p.Record, 64, false)); err != nil {
		return err
	}
	if !slices.Contains([]string{"female", "male", "other", "unknown"}, p.Sex) {
		return fail(ErrInvalid, "sex is not one of female, male, other, unknown")
	}
	if p.Born != "" {
		if born, err := time.Parse(time.DateOnly, p.Born); err != nil || born.After(r.now()) || born.Year() < 1880 {
			return fail(ErrInvalid, "the date of birth is not a past day written YYYY-MM-DD: correct it, or leave it empty")
		}
	}
	return nil
}

// Patient finds a patient, also one who has left.
func (r *Registry) Patient(ctx context.Context, id PatientID) (Patient, error) {
	p, err := one(ctx, r.rd, scanPatient, selectPatients+" WHERE id = ?", id)
	return p, missing(err, "patient", string(id))
}

// Patients lists patients by id, at most limit of those after the given id.
func (r *Registry) Patients(ctx context.Context, after PatientID, limit int) ([]Patient, error) {
	return list(ctx, r.rd, scanPatient, selectPatients+" WHERE id > ? ORDER BY id LIMIT ?", after, limit)
}

// Assign lays a patient in a bed from an instant on. It ends where the patient
// lay and who lay there. Doing it again changes nothing; an earlier time moves
// the beginning back if the bed and the patient were free.
func (r *Registry) Assign(ctx context.Context, bed BedID, patient PatientID, from time.Time) error {
	from, err := r.past(from)
	if err != nil {
		return err
	}
	return r.change(ctx, func(tx *sql.Tx) error {
		if err := exists(ctx, tx, "beds", "bed", string(bed)); err != nil {
			return err
		}
		if err := exists(ctx, tx, "patients", "patient", string(patient)); err != nil {
			return err
		}
		return open1(ctx, tx, "assignments", [2]string{"bed", "patient"}, [2]string{string(bed), string(patient)}, from)
	})
}

// Unassign ends the assignment of a bed. An empty bed stays empty.
func (r *Registry) Unassign(ctx context.Context, bed BedID, at time.Time) error {
	at, err := r.past(at)
	if err != nil {
		return err
	}
	return r.change(ctx, func(tx *sql.Tx) error {
		if err := exists(ctx, tx, "beds", "bed", string(bed)); err != nil {
			return err
		}
		return closeOpen(ctx, tx, "assignments", "bed", string(bed), at)
	})
}

// Swap exchanges the patients of two beds at one instant, or does nothing.
func (r *Registry) Swap(ctx context.Context, a, b BedID, at time.Time) error {
	at, err := r.past(at)
	if err != nil {
		return err
	}
	if a == b {
		return fail(ErrInvalid, "both beds are %q: name two beds", a)
	}
	return r.change(ctx, func(tx *sql.Tx) error {
		var who [2]Assignment
		for i, bed := range []BedID{a, b} {
			if err := exists(ctx, tx, "beds", "bed", string(bed)); err != nil {
				return err
			}
			lies, err := one(ctx, tx, scanAssignment, selectAssignments+" WHERE bed = ? AND to_us IS NULL", bed)
			if errors.Is(err, sql.ErrNoRows) {
				return fail(ErrConflict, "nobody lies in bed %q: assign the one patient instead of swapping", bed)
			}
			if err != nil {
				return err
			}
			who[i] = lies
			if err := closeOpen(ctx, tx, "assignments", "bed", string(bed), at); err != nil {
				return err
			}
		}
		for i, bed := range []BedID{b, a} {
			if _, err := tx.ExecContext(ctx, "INSERT INTO assignments (bed, patient, from_us) VALUES (?, ?, ?)", bed, who[i].Patient, micros(at)); err != nil {
				return overlapping(err, [2]string{"bed", "patient"}, [2]string{string(bed), string(who[i].Patient)}, at)
			}
		}
		return nil
	})
}

// PatientAt tells who lay in a bed at an instant, also long ago; ErrNotFound
// if nobody.
func (r *Registry) PatientAt(ctx context.Context, bed BedID, t time.Time) (PatientID, error) {
	a, err := one(ctx, r.rd, scanAssignment, selectAssignments+" WHERE bed = ? AND from_us <= ? AND (to_us IS NULL OR to_us > ?)", bed, micros(t), micros(t))
	if errors.Is(err, sql.ErrNoRows) {
		return "", fail(ErrNotFound, "nobody lay in bed %q then", bed)
	}
	return a.Patient, err
}

// PatientsAt lists who lay in a bed in [from, to), in order of time, cut to
// that range.
func (r *Registry) PatientsAt(ctx context.Context, bed BedID, from, to time.Time) ([]Assignment, error) {
	return r.assignments(ctx, "bed", string(bed), from, to)
}

// BedsOf lists where a patient lay in [from, to), in order of time, cut to
// that range.
func (r *Registry) BedsOf(ctx context.Context, patient PatientID, from, to time.Time) ([]Assignment, error) {
	return r.assignments(ctx, "patient", string(patient), from, to)
}

func (r *Registry) assignments(ctx context.Context, col, id string, from, to time.Time) ([]Assignment, error) {
	out, err := list(ctx, r.rd, scanAssignment, selectAssignments+" WHERE "+col+" = ? AND from_us < ? AND (to_us IS NULL OR to_us > ?) ORDER BY from_us",
		id, micros(to), micros(from))
	for i := range out {
		out[i].From, out[i].To = clip(out[i].From, out[i].To, from, to)
	}
	return out, err
}

// LastBed is the latest assignment of a patient, current or ended;
// ErrNotFound for one who never lay in a bed.
func (r *Registry) LastBed(ctx context.Context, patient PatientID) (Assignment, error) {
	a, err := one(ctx, r.rd, scanAssignment, selectAssignments+" WHERE patient = ? ORDER BY from_us DESC LIMIT 1", patient)
	if errors.Is(err, sql.ErrNoRows) {
		return a, fail(ErrNotFound, "patient %q never lay in a bed", patient)
	}
	return a, err
}
