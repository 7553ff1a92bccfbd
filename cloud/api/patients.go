package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"monitorme/cloud/registry"
)

// A Patient is a person under care.
type Patient struct {
	ID       registry.PatientID `json:"id" doc:"Pseudonym: the only thing of a patient that appears in addresses and logs."`
	Name     string             `json:"name"`
	Initials string             `json:"initials"`
	Born     *string            `json:"born" nullable:"true" doc:"YYYY-MM-DD"`
	Sex      string             `json:"sex" enum:"female,male,other,unknown"`
	Record   *string            `json:"record" nullable:"true" doc:"Number of the hospital's record."`
	Bed      *registry.BedID    `json:"bed" nullable:"true" doc:"Where the patient lies now."`
	Since    *time.Time         `json:"since" nullable:"true"`
}

func patientView(snap *registry.Snapshot, p registry.Patient) Patient {
	v := Patient{ID: p.ID, Name: p.Name, Initials: p.Initials(), Born: optional(p.Born), Sex: p.Sex, Record: optional(p.Record)}
	if a, ok := snap.BedOf(p.ID); ok {
		v.Bed, v.Since = &a.Bed, &a.From
	}
	return v
}

// PatientPath names a patient in an address, by pseudonym.
type PatientPath struct {
	Patient string `path:"patient" maxLength:"64" example:"p-demo-07"`
}

// A NewPatient is what is said of a patient at admission.
type NewPatient struct {
	Name   string `json:"name" minLength:"1" maxLength:"120"`
	Born   string `json:"born,omitempty" doc:"YYYY-MM-DD" example:"1948-03-12"`
	Sex    string `json:"sex,omitempty" enum:"female,male,other,unknown" default:"unknown"`
	Record string `json:"record,omitempty" maxLength:"64"`
}

// A PatientChange is what is to be corrected; what is left out stays.
type PatientChange struct {
	Name   *string `json:"name,omitempty" minLength:"1" maxLength:"120"`
	Born   *string `json:"born,omitempty" doc:"YYYY-MM-DD; empty for unknown"`
	Sex    *string `json:"sex,omitempty" enum:"female,male,other,unknown"`
	Record *string `json:"record,omitempty" maxLength:"64"`
}

// An Assignment lays a patient in a bed.
type Assignment struct {
	Patient registry.PatientID `json:"patient" minLength:"1" maxLength:"64"`
	From    time.Time          `json:"from,omitempty" doc:"Since when; now if left out. Not in the future."`
}

func (s *Server) routePatients() {
	const tag = "Patients"
	route(s, op{method: http.MethodGet, path: "/api/v1/patients", id: "patients", summary: "List patients", action: actPatients,
		says: "Those who lie in the caller's units, or with elsewhere=true those who lie in no bed, 200 at a time."}, tag, s.listPatients)
	route(s, op{method: http.MethodGet, path: "/api/v1/patients/{patient}", id: "patient", summary: "One patient", action: actPatients, errors: []int{404}}, tag, s.onePatient)
	route(s, op{method: http.MethodPost, path: "/api/v1/patients", id: "createPatient", summary: "Admit a patient", action: actPatientWrite, status: http.StatusCreated, errors: []int{409, 422}}, tag, s.createPatient)
	route(s, op{method: http.MethodPatch, path: "/api/v1/patients/{patient}", id: "patchPatient", summary: "Correct a patient's data", action: actPatientWrite, errors: []int{404, 409, 422}}, tag, s.patchPatient)
	route(s, op{method: http.MethodPut, path: "/api/v1/beds/{bed}/patient", id: "assign", summary: "Lay a patient in a bed", action: actAssign,
		says: "Ends where the patient lay, and who lay there. Readings belong to who lay there when they were measured, also those that come late. Doing it again changes nothing.", errors: []int{404, 409, 422}}, tag, s.assign)
	route(s, op{method: http.MethodDelete, path: "/api/v1/beds/{bed}/patient", id: "unassign", summary: "Empty a bed", action: actAssign, status: http.StatusNoContent, errors: []int{404, 409, 422}}, tag, s.unassign)
	route(s, op{method: http.MethodPost, path: "/api/v1/beds/{bed}/swap", id: "swap", summary: "Exchange the patients of two beds", action: actAssign,
		says: "Both at the same instant, or neither.", errors: []int{404, 409, 422}}, tag, s.swap)
}

// patientScope checks that the caller may see who the patient is: the patient
// lies in one of the caller's units, or in no bed.
func (s *Server) patientScope(ctx context.Context, id registry.PatientID) error {
	snap := s.Registry.Current()
	a, ok := snap.BedOf(id)
	if !ok {
		return nil
	}
	b, _ := snap.Bed(a.Bed)
	return s.inUnit(ctx, b.Unit)
}

// patientCare checks that the caller may see the patient's readings: the last
// bed of the patient is in one of the caller's units.
func (s *Server) patientCare(ctx context.Context, id registry.PatientID) error {
	a, err := s.Registry.LastBed(ctx, id)
	if errors.Is(err, registry.ErrNotFound) {
		return nil // never lay in a bed: there is nothing to see
	}
	if err != nil {
		return err
	}
	b, _ := s.Registry.Current().Bed(a.Bed)
	return s.inUnit(ctx, b.Unit)
}

func (s *Server) listPatients(ctx context.Context, in *struct {
	Elsewhere bool   `query:"elsewhere" doc:"List patients who lie in no bed."`
	After     string `query:"after" maxLength:"64" doc:"The last id of the page before."`
}) (*body[[]Patient], error) {
	snap, out := s.Registry.Current(), []Patient{}
	defer func() {
		ids := make([]registry.PatientID, len(out))
		for i, p := range out {
			ids[i] = p.ID
		}
		s.look(ctx, actPatients, "list", ids...)
	}()
	if !in.Elsewhere {
		for _, p := range snap.Patients {
			a, _ := snap.BedOf(p.ID)
			if b, _ := snap.Bed(a.Bed); who(ctx).Covers(b.Unit) && string(p.ID) > in.After {
				out = append(out, patientView(snap, p))
			}
		}
		return reply(out)
	}
	for after := registry.PatientID(in.After); len(out) < 200; {
		page, err := s.Registry.Patients(ctx, after, 200)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			if _, lies := snap.BedOf(p.ID); !lies && len(out) < 200 {
				out = append(out, patientView(snap, p))
			}
			after = p.ID
		}
		if len(page) < 200 {
			break
		}
	}
	return reply(out)
}

func (s *Server) onePatient(ctx context.Context, in *PatientPath) (*body[Patient], error) {
	p, err := s.Registry.Patient(ctx, registry.PatientID(in.Patient))
	if err != nil {
		return nil, err
	}
	if err := s.patientScope(ctx, p.ID); err != nil {
		return nil, err
	}
	s.look(ctx, actPatients, "patient", p.ID)
	return reply(patientView(s.Registry.Current(), p))
}

func (s *Server) createPatient(ctx context.Context, in *struct{ Body NewPatient }) (*body[Patient], error) {
	b := in.Body
	p, err := s.Registry.PutPatient(ctx, registry.Patient{Name: b.Name, Born: b.Born, Sex: b.Sex, Record: b.Record})
	if err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "patient.create", Object: "patient", Patient: p.ID})
	return reply(patientView(s.Registry.Current(), p))
}

func (s *Server) patchPatient(ctx context.Context, in *struct {
	PatientPath
	Body PatientChange
}) (*body[Patient], error) {
	p, err := s.Registry.Patient(ctx, registry.PatientID(in.Patient))
	if err != nil {
		return nil, err
	}
	if err := s.patientScope(ctx, p.ID); err != nil {
		return nil, err
	}
	for _, f := range []struct{ to, from *string }{{&p.Name, in.Body.Name}, {&p.Born, in.Body.Born}, {&p.Sex, in.Body.Sex}, {&p.Record, in.Body.Record}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if p, err = s.Registry.PutPatient(ctx, p); err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "patient.update", Object: "patient", Patient: p.ID})
	return reply(patientView(s.Registry.Current(), p))
}

func (s *Server) assign(ctx context.Context, in *struct {
	BedPath
	Body Assignment
}) (*body[Bed], error) {
	b, err := s.bedOf(ctx, registry.BedID(in.Bed))
	if err != nil {
		return nil, err
	}
	if err := s.patientScope(ctx, in.Body.Patient); err != nil {
		return nil, err
	}
	if err := s.Registry.Assign(ctx, b.ID, in.Body.Patient, in.Body.From); err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "bed.assign", Object: "bed " + in.Bed, Patient: in.Body.Patient})
	return reply(bedView(s.Registry.Current(), b, true))
}

func (s *Server) unassign(ctx context.Context, in *struct {
	BedPath
	From time.Time `query:"from" doc:"Since when the bed is empty; now if left out."`
}) (*struct{}, error) {
	b, err := s.bedOf(ctx, registry.BedID(in.Bed))
	if err != nil {
		return nil, err
	}
	p, _, _ := s.Registry.Current().PatientIn(b.ID)
	if err := s.Registry.Unassign(ctx, b.ID, in.From); err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "bed.unassign", Object: "bed " + in.Bed, Patient: p.ID})
	return &struct{}{}, nil
}

func (s *Server) swap(ctx context.Context, in *struct {
	BedPath
	Body struct {
		Bed  registry.BedID `json:"bed" minLength:"1" maxLength:"64" doc:"The other bed."`
		From time.Time      `json:"from,omitempty" doc:"Since when; now if left out. Not in the future."`
	}
}) (*body[[]Bed], error) {
	a, err := s.bedOf(ctx, registry.BedID(in.Bed))
	if err != nil {
		return nil, err
	}
	b, err := s.bedOf(ctx, in.Body.Bed)
	if err != nil {
		return nil, err
	}
	if err := s.Registry.Swap(ctx, a.ID, b.ID, in.Body.From); err != nil {
		return nil, err
	}
	snap := s.Registry.Current()
	for _, bed := range []registry.Bed{a, b} {
		p, _, _ := snap.PatientIn(bed.ID)
		s.audit(ctx, registry.AuditRecord{Action: "bed.swap", Object: "bed " + string(bed.ID), Patient: p.ID})
	}
	return reply([]Bed{bedView(snap, a, true), bedView(snap, b, true)})
}
