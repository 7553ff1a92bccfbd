package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// A Unit is a ward with its number of beds.
type Unit struct {
	ID   protocol.UnitID `json:"id" example:"ward-1"`
	Name string          `json:"name" example:"Ward 1"`
	Beds int             `json:"beds" example:"20"`
}

// A Bed is a bed with the box that stands and the patient who lies there now.
type Bed struct {
	ID      registry.BedID  `json:"id" example:"ward-1-bed-07"`
	Unit    protocol.UnitID `json:"unit" example:"ward-1"`
	Label   string          `json:"label" example:"7"`
	Box     *protocol.BoxID `json:"box" nullable:"true" doc:"null if no box stands there."`
	Patient *BedPatient     `json:"patient" doc:"null if nobody lies there, and for a technician."`
}

// A BedPatient is the patient in a bed.
type BedPatient struct {
	ID       registry.PatientID `json:"id" example:"p-demo-07"`
	Name     string             `json:"name"`
	Initials string             `json:"initials"`
	Born     *string            `json:"born" nullable:"true" doc:"YYYY-MM-DD"`
	Sex      string             `json:"sex" enum:"female,male,other,unknown"`
	Since    time.Time          `json:"since" doc:"Since when in this bed."`
}

func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// bedView describes a bed; patients only where they may be seen.
func bedView(snap *registry.Snapshot, b registry.Bed, withPatient bool) Bed {
	v := Bed{ID: b.ID, Unit: b.Unit, Label: b.Label}
	if p, ok := snap.BoxAt(b.ID); ok {
		v.Box = &p.Box
	}
	if p, a, ok := snap.PatientIn(b.ID); ok && withPatient {
		v.Patient = &BedPatient{p.ID, p.Name, p.Initials(), optional(p.Born), p.Sex, a.From}
	}
	return v
}

func bedViews(snap *registry.Snapshot, unit protocol.UnitID, withPatients bool) []Bed {
	views := []Bed{}
	for _, b := range snap.BedsOf(unit) {
		views = append(views, bedView(snap, b, withPatients))
	}
	return views
}

// publishBeds tells the screens of each unit whose list of beds is not as sent.
func (s *Server) publishBeds(sent map[protocol.UnitID]string) {
	snap := s.Registry.Current()
	for _, u := range snap.Units {
		data, err := json.Marshal(struct {
			Beds []Bed `json:"beds"`
		}{bedViews(snap, u.ID, true)})
		if err != nil { // plain data
			s.log.Error("bed list not encoded", "unit", u.ID, "err", err)
			continue
		}
		if before, known := sent[u.ID]; before == string(data) {
			continue
		} else if sent[u.ID] = string(data); known {
			s.Hub.Publish(u.ID, live.Event{Type: "beds", Data: data})
		}
	}
}

// unitOf finds a unit and checks that it is the caller's.
func (s *Server) unitOf(ctx context.Context, id protocol.UnitID) (registry.Unit, error) {
	u, ok := s.Registry.Current().Unit(id)
	if !ok {
		return u, problemf(http.StatusNotFound, "There is no such unit. GET /api/v1/units lists yours.")
	}
	return u, s.inUnit(ctx, id)
}

// bedOf finds a bed and checks that its unit is the caller's.
func (s *Server) bedOf(ctx context.Context, id registry.BedID) (registry.Bed, error) {
	b, ok := s.Registry.Current().Bed(id)
	if !ok {
		return b, problemf(http.StatusNotFound, "There is no such bed. GET /api/v1/units/{unit}/beds lists them.")
	}
	return b, s.inUnit(ctx, b.Unit)
}

// UnitPath names a unit in an address. (Huma fills only exported fields.)
type UnitPath struct {
	Unit string `path:"unit" maxLength:"64" example:"ward-1"`
}

// BedPath names a bed in an address.
type BedPath struct {
	Bed string `path:"bed" maxLength:"64" example:"ward-1-bed-07"`
}

// BoxPath names a box in an address.
type BoxPath struct {
	Box string `path:"box" maxLength:"64" example:"box-07"`
}

// UnitFields are what can be changed of a unit.
type UnitFields struct {
	Name string `json:"name" minLength:"1" maxLength:"100"`
}

// BedFields are what can be changed of a bed.
type BedFields struct {
	Unit  protocol.UnitID `json:"unit" minLength:"1" maxLength:"64"`
	Label string          `json:"label" minLength:"1" maxLength:"40" doc:"What staff call it."`
}

func (s *Server) routeWard() {
	const tag = "Units and beds"
	route(s, op{method: http.MethodGet, path: "/api/v1/units", id: "units", summary: "List the own units", action: actUnits, says: "Only units in the caller's scope."}, tag, s.listUnits)
	route(s, op{method: http.MethodGet, path: "/api/v1/units/{unit}/beds", id: "beds", summary: "List the beds of a unit", action: actBeds,
		says: "With the box and the patient that are there now; a technician sees no patients.", errors: []int{404}}, tag, s.listBeds)
	route(s, op{method: http.MethodPost, path: "/api/v1/units", id: "createUnit", summary: "Make a unit", action: actWardWrite, status: http.StatusCreated, errors: []int{409, 422}}, tag,
		func(ctx context.Context, in *struct {
			Body struct {
				ID protocol.UnitID `json:"id" minLength:"1" maxLength:"64"`
				UnitFields
			}
		}) (*body[Unit], error) {
			if _, exists := s.Registry.Current().Unit(in.Body.ID); exists {
				return nil, problemf(http.StatusConflict, "This unit exists already. Change it with PUT /api/v1/units/{unit}.")
			}
			return s.putUnit(ctx, registry.Unit{ID: in.Body.ID, Name: in.Body.Name})
		})
	route(s, op{method: http.MethodPut, path: "/api/v1/units/{unit}", id: "putUnit", summary: "Rename a unit", action: actWardWrite, errors: []int{404, 422}}, tag,
		func(ctx context.Context, in *struct {
			UnitPath
			Body UnitFields
		}) (*body[Unit], error) {
			if _, err := s.unitOf(ctx, protocol.UnitID(in.Unit)); err != nil {
				return nil, err
			}
			return s.putUnit(ctx, registry.Unit{ID: protocol.UnitID(in.Unit), Name: in.Body.Name})
		})
	route(s, op{method: http.MethodPost, path: "/api/v1/beds", id: "createBed", summary: "Make a bed", action: actWardWrite, status: http.StatusCreated, errors: []int{404, 409, 422}}, tag,
		func(ctx context.Context, in *struct {
			Body struct {
				ID registry.BedID `json:"id" minLength:"1" maxLength:"64"`
				BedFields
			}
		}) (*body[Bed], error) {
			if _, exists := s.Registry.Current().Bed(in.Body.ID); exists {
				return nil, problemf(http.StatusConflict, "This bed exists already. Change it with PUT /api/v1/beds/{bed}.")
			}
			return s.putBed(ctx, registry.Bed{ID: in.Body.ID, Unit: in.Body.Unit, Label: in.Body.Label})
		})
	route(s, op{method: http.MethodPut, path: "/api/v1/beds/{bed}", id: "putBed", summary: "Change a bed", action: actWardWrite,
		says: "A bed with a history stays in its unit.", errors: []int{404, 409, 422}}, tag,
		func(ctx context.Context, in *struct {
			BedPath
			Body BedFields
		}) (*body[Bed], error) {
			if _, err := s.bedOf(ctx, registry.BedID(in.Bed)); err != nil {
				return nil, err
			}
			return s.putBed(ctx, registry.Bed{ID: registry.BedID(in.Bed), Unit: in.Body.Unit, Label: in.Body.Label})
		})
}

func (s *Server) listUnits(ctx context.Context, _ *struct{}) (*body[[]Unit], error) {
	snap, units := s.Registry.Current(), []Unit{}
	for _, u := range snap.Units {
		if who(ctx).Covers(u.ID) {
			units = append(units, Unit{u.ID, u.Name, len(snap.BedsOf(u.ID))})
		}
	}
	return reply(units)
}

func (s *Server) listBeds(ctx context.Context, in *UnitPath) (*body[[]Bed], error) {
	u, err := s.unitOf(ctx, protocol.UnitID(in.Unit))
	if err != nil {
		return nil, err
	}
	snap, named := s.Registry.Current(), who(ctx).Role != registry.RoleTechnician
	if named {
		s.look(ctx, actBeds, "unit "+in.Unit, patientsIn(snap, u.ID)...)
	}
	return reply(bedViews(snap, u.ID, named))
}

func patientsIn(snap *registry.Snapshot, unit protocol.UnitID) []registry.PatientID {
	var ids []registry.PatientID
	for _, b := range snap.BedsOf(unit) {
		if p, _, ok := snap.PatientIn(b.ID); ok {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

func (s *Server) putUnit(ctx context.Context, u registry.Unit) (*body[Unit], error) {
	if err := s.inUnit(ctx, u.ID); err != nil {
		return nil, err
	}
	if err := s.Registry.PutUnit(ctx, u); err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "unit.put", Object: "unit " + string(u.ID)})
	return reply(Unit{u.ID, u.Name, len(s.Registry.Current().BedsOf(u.ID))})
}

func (s *Server) putBed(ctx context.Context, b registry.Bed) (*body[Bed], error) {
	if err := s.inUnit(ctx, b.Unit); err != nil {
		return nil, err
	}
	if err := s.Registry.PutBed(ctx, b); err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "bed.put", Object: "bed " + string(b.ID)})
	return reply(bedView(s.Registry.Current(), b, true))
}
