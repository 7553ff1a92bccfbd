package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// A Box is a box, its state and where it stands.
type Box struct {
	ID          protocol.BoxID         `json:"id" example:"box-07"`
	Unit        protocol.UnitID        `json:"unit"`
	Serial      string                 `json:"serial"`
	Fingerprint string                 `json:"fingerprint" doc:"SHA-256 of its certificate in hexadecimal; empty: any certificate of the site's CA with its name."`
	Revoked     bool                   `json:"revoked" doc:"A revoked box is not served."`
	Bed         *registry.BedID        `json:"bed" nullable:"true"`
	Label       *string                `json:"label" nullable:"true" doc:"Label of the bed."`
	Since       *time.Time             `json:"since" nullable:"true" doc:"Since when it stands there."`
	Online      bool                   `json:"online"`
	LastContact *time.Time             `json:"last_contact" nullable:"true" doc:"null if never since the service started."`
	ClockOffset *float64               `json:"clock_offset_s" nullable:"true" doc:"The box's clock minus the service's, seconds."`
	Version     string                 `json:"version"`
	Clock       string                 `json:"clock" enum:"unknown,synced,corrected,uncertain"`
	Devices     []protocol.DeviceState `json:"devices"`
	Queue       protocol.QueueState    `json:"queue" doc:"What the box keeps until it is stored."`
}

// BoxFields are what can be changed of a box.
type BoxFields struct {
	Unit        protocol.UnitID `json:"unit" minLength:"1" maxLength:"64"`
	Serial      string          `json:"serial,omitempty" maxLength:"64"`
	Fingerprint string          `json:"fingerprint,omitempty" maxLength:"64"`
	Revoked     bool            `json:"revoked,omitempty"`
}

// A User is a member of staff.
type User struct {
	User               string            `json:"user" example:"nurse"`
	Name               string            `json:"name" doc:"Full name."`
	Role               registry.Role     `json:"role" enum:"nurse,doctor,technician,admin"`
	Units              []protocol.UnitID `json:"units" doc:"\"*\" is every unit."`
	MustChangePassword bool              `json:"must_change_password"`
	Disabled           bool              `json:"disabled"`
	Demo               bool              `json:"demo"`
}

// UserFields are what can be changed of a user.
type UserFields struct {
	Name               string            `json:"name" minLength:"1" maxLength:"100" doc:"Full name."`
	Role               registry.Role     `json:"role" enum:"nurse,doctor,technician,admin"`
	Units              []protocol.UnitID `json:"units" minItems:"1" maxItems:"200" doc:"\"*\" is every unit."`
	Password           string            `json:"password,omitempty" maxLength:"256" doc:"10 to 256 bytes. Left out: as before."`
	MustChangePassword bool              `json:"must_change_password,omitempty"`
	Disabled           bool              `json:"disabled,omitempty"`
}

func (s *Server) routeAdmin() {
	s.routeBoxes()
	s.routeUsers()
	const tag = "Audit"
	route(s, op{method: http.MethodGet, path: "/api/v1/audit", id: "audit", summary: "Read the audit log", action: actAudit,
		says: "The newest first, page by page with before. Reading is recorded too.", errors: []int{422}}, tag, s.readAudit)
	route(s, op{method: http.MethodGet, path: "/api/v1/audit/verify", id: "verifyAudit", summary: "Verify the audit log", action: actAudit,
		says: "Computes the chain of hashes again. Compare head with one noted earlier to see that nothing was cut off."}, tag, s.verifyAudit)
}

func (s *Server) routeBoxes() {
	const tag = "Boxes"
	route(s, op{method: http.MethodGet, path: "/api/v1/boxes", id: "boxes", summary: "List boxes", action: actBoxes, says: "Those of the caller's units, with their state and where they stand."}, tag,
		func(ctx context.Context, _ *struct{}) (*body[[]Box], error) {
			snap, out := s.Registry.Current(), []Box{}
			for _, b := range snap.Boxes {
				if who(ctx).Covers(b.Unit) {
					out = append(out, s.boxView(snap, b))
				}
			}
			return reply(out)
		})
	route(s, op{method: http.MethodPost, path: "/api/v1/boxes", id: "createBox", summary: "Register a box", action: actBoxWrite, status: http.StatusCreated, errors: []int{404, 409, 422}}, tag,
		func(ctx context.Context, in *struct {
			Body struct {
				ID protocol.BoxID `json:"id" minLength:"1" maxLength:"64"`
				BoxFields
			}
		}) (*body[Box], error) {
			if _, exists := s.Registry.Current().Box(in.Body.ID); exists {
				return nil, problemf(http.StatusConflict, "This box is registered already. Change it with PUT /api/v1/boxes/{box}.")
			}
			return s.putBox(ctx, in.Body.ID, in.Body.BoxFields)
		})
	route(s, op{method: http.MethodPut, path: "/api/v1/boxes/{box}", id: "putBox", summary: "Change or revoke a box", action: actBoxWrite, errors: []int{404, 409, 422}}, tag,
		func(ctx context.Context, in *struct {
			BoxPath
			Body BoxFields
		}) (*body[Box], error) {
			if _, err := s.boxOf(ctx, protocol.BoxID(in.Box)); err != nil {
				return nil, err
			}
			return s.putBox(ctx, protocol.BoxID(in.Box), in.Body)
		})
	route(s, op{method: http.MethodPut, path: "/api/v1/boxes/{box}/bed", id: "placeBox", summary: "Put a box at a bed", action: actBoxWrite,
		says: "Ends where it stood, and what stood there. An empty bed takes the box away.", errors: []int{404, 409, 422}}, tag,
		func(ctx context.Context, in *struct {
			BoxPath
			Body struct {
				Bed  registry.BedID `json:"bed" maxLength:"64"`
				From time.Time      `json:"from,omitempty" doc:"Since when; now if left out. Not in the future."`
			}
		}) (*body[Box], error) {
			b, err := s.boxOf(ctx, protocol.BoxID(in.Box))
			if err != nil {
				return nil, err
			}
			if err := s.Registry.PlaceBox(ctx, b.ID, in.Body.Bed, in.Body.From); err != nil {
				return nil, err
			}
			s.audit(ctx, registry.AuditRecord{Action: "box.place", Object: "box " + in.Box + " at bed " + string(in.Body.Bed)})
			return reply(s.boxView(s.Registry.Current(), b))
		})
}

func (s *Server) boxOf(ctx context.Context, id protocol.BoxID) (registry.Box, error) {
	b, ok := s.Registry.Current().Box(id)
	if !ok {
		return b, problemf(http.StatusNotFound, "There is no such box. GET /api/v1/boxes lists them.")
	}
	return b, s.inUnit(ctx, b.Unit)
}

func (s *Server) putBox(ctx context.Context, id protocol.BoxID, f BoxFields) (*body[Box], error) {
	if err := s.inUnit(ctx, f.Unit); err != nil {
		return nil, err
	}
	b := registry.Box{ID: id, Unit: f.Unit, Serial: f.Serial, Fingerprint: f.Fingerprint, Revoked: f.Revoked}
	if err := s.Registry.PutBox(ctx, b); err != nil {
		return nil, err
	}
	object := "box " + string(id)
	if f.Revoked {
		object += " revoked"
	}
	s.audit(ctx, registry.AuditRecord{Action: "box.put", Object: object})
	snap := s.Registry.Current()
	b, _ = snap.Box(id)
	return reply(s.boxView(snap, b))
}

func (s *Server) boxView(snap *registry.Snapshot, b registry.Box) Box {
	now := s.Hub.Box(b.ID)
	v := Box{ID: b.ID, Unit: b.Unit, Serial: b.Serial, Fingerprint: b.Fingerprint, Revoked: b.Revoked, Online: now.Online,
		LastContact: optionalTime(now.LastContact), Version: now.State.Version, Clock: now.State.Clock.String(), Devices: now.State.Devices, Queue: now.State.Queue}
	if v.Devices == nil {
		v.Devices = []protocol.DeviceState{}
	}
	if now.OffsetKnown {
		offset := now.ClockOffset.Seconds()
		v.ClockOffset = &offset
	}
	if p, ok := snap.PlacementOf(b.ID); ok {
		v.Bed, v.Label, v.Since = &p.Bed, &p.Label, &p.From
	}
	return v
}

func userView(u registry.User) User {
	return User{u.Name, u.Display, u.Role, u.Units, u.MustChangePassword, u.Disabled, u.Demo}
}

func (s *Server) routeUsers() {
	const tag = "Users"
	route(s, op{method: http.MethodGet, path: "/api/v1/users", id: "users", summary: "List users", action: actUsers}, tag,
		func(ctx context.Context, _ *struct{}) (*body[[]User], error) {
			users, err := s.Registry.Users(ctx)
			out := []User{}
			for _, u := range users {
				out = append(out, userView(u))
			}
			return &body[[]User]{out}, err
		})
	route(s, op{method: http.MethodPost, path: "/api/v1/users", id: "createUser", summary: "Make a user", action: actUsers, status: http.StatusCreated, errors: []int{409, 422}}, tag,
		func(ctx context.Context, in *struct {
			Body struct {
				User string `json:"user" minLength:"1" maxLength:"64"`
				UserFields
			}
		}) (*body[User], error) {
			switch _, err := s.Registry.User(ctx, in.Body.User); {
			case err == nil:
				return nil, problemf(http.StatusConflict, "This user exists already. Change it with PUT /api/v1/users/{user}.")
			case !errors.Is(err, registry.ErrNotFound):
				return nil, err
			}
			return s.putUser(ctx, in.Body.User, in.Body.UserFields)
		})
	route(s, op{method: http.MethodPut, path: "/api/v1/users/{user}", id: "putUser", summary: "Change or disable a user", action: actUsers,
		says: "A new password, role or units, and disabling, end the user's sessions.", errors: []int{404, 409, 422}}, tag,
		func(ctx context.Context, in *struct {
			User string `path:"user" maxLength:"64" example:"nurse"`
			Body UserFields
		}) (*body[User], error) {
			if _, err := s.Registry.User(ctx, in.User); err != nil {
				return nil, err
			}
			return s.putUser(ctx, in.User, in.Body)
		})
}

func (s *Server) putUser(ctx context.Context, name string, f UserFields) (*body[User], error) {
	err := s.Registry.PutUser(ctx, registry.User{Name: name, Display: f.Name, Role: f.Role, Units: f.Units,
		MustChangePassword: f.MustChangePassword, Disabled: f.Disabled}, f.Password)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "user.put", Object: "user " + name})
	u, err := s.Registry.User(ctx, name)
	return &body[User]{userView(u)}, err
}

func (s *Server) readAudit(ctx context.Context, in *struct {
	TimeRange
	Before int64 `query:"before" minimum:"0" doc:"Only records with a number below this: the last of the page before."`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}) (*body[[]registry.AuditRecord], error) {
	from, to, err := in.bounds(s.now(), 366*24*time.Hour)
	if err != nil {
		return nil, err
	}
	recs, err := s.Registry.AuditLog(ctx, from, to, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: string(actAudit), Object: "audit log"})
	return reply(recs)
}

// AuditCheck is the outcome of verifying the audit log.
type AuditCheck struct {
	OK      bool   `json:"ok"`
	Records int64  `json:"records" doc:"Records that were found in order."`
	Head    string `json:"head" doc:"Hash of the last record."`
	Detail  string `json:"detail" doc:"What is wrong, if anything."`
}

func (s *Server) verifyAudit(ctx context.Context, _ *struct{}) (*body[AuditCheck], error) {
	n, head, err := s.Registry.VerifyAudit(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out := AuditCheck{OK: err == nil, Records: n, Head: head}
	if err != nil {
		out.Detail = sentence(err.Error())
		s.log.Error("audit log not in order", "err", err)
	}
	s.audit(ctx, registry.AuditRecord{Action: "audit.verify", Object: "audit log"})
	return reply(out)
}
