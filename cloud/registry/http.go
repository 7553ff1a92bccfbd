package registry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"monitorme/protocol"
)

// PathPrefix is where Handler's paths begin.
const PathPrefix = "/internal/v1/registry/"

// maxCall bounds the body of one call.
const maxCall = 1 << 20

// pollWait is how long a client's question for a newer snapshot is held: well
// under the time that a client waits for a response to begin.
const pollWait = 3 * time.Second

// Handler serves the registry to the other processes of a split deployment,
// for Client. It checks no credentials: the internal listener must have done
// so, and nobody else may reach it.
//
// Each method is POST /internal/v1/registry/{method} with a JSON object,
// answered by a JSON value; GET …/snapshot?after=N waits for a snapshot other
// than N.
func (r *Registry) Handler(log *slog.Logger) http.Handler {
	s := &server{mux: http.NewServeMux(), log: log}
	s.mux.HandleFunc("GET "+PathPrefix+"snapshot", r.serveSnapshot)
	s.mux.HandleFunc("GET "+PathPrefix+"ready", func(w http.ResponseWriter, req *http.Request) {
		s.reply(w, "ready", struct{}{}, r.Ready(req.Context()))
	})
	r.serveWard(s)
	r.servePatients(s)
	r.serveStaff(s)
	return s.mux
}

type server struct {
	mux *http.ServeMux
	log *slog.Logger
}

type none struct{}

// serve routes one method.
func serve[In, Out any](s *server, method string, fn func(ctx context.Context, in In) (Out, error)) {
	s.mux.HandleFunc("POST "+PathPrefix+method, func(w http.ResponseWriter, req *http.Request) {
		var in In
		dec := json.NewDecoder(io.LimitReader(req.Body, maxCall))
		if err := dec.Decode(&in); err != nil {
			s.reply(w, method, nil, fail(ErrInvalid, "body of %s: %v", method, err))
			return
		}
		out, err := fn(req.Context(), in)
		s.reply(w, method, out, err)
	})
}

// do is serve for a method that gives only an error.
func do[In any](s *server, method string, fn func(ctx context.Context, in In) error) {
	serve(s, method, func(ctx context.Context, in In) (none, error) { return none{}, fn(ctx, in) })
}

var kinds = map[string]error{"not-found": ErrNotFound, "conflict": ErrConflict, "invalid": ErrInvalid, "denied": ErrDenied}

// statuses never make a client retry: a refused call stays refused.
var statuses = map[string]int{"not-found": http.StatusNotFound, "conflict": http.StatusConflict, "invalid": http.StatusUnprocessableEntity, "denied": http.StatusForbidden}

type wireError struct {
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
}

func (s *server) reply(w http.ResponseWriter, method string, out any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		if err := json.NewEncoder(w).Encode(out); err != nil {
			s.log.Debug("registry reply not sent", "method", method, "err", err)
		}
		return
	}
	for kind, sentinel := range kinds {
		if errors.Is(err, sentinel) {
			w.WriteHeader(statuses[kind])
			json.NewEncoder(w).Encode(wireError{kind, Detail(err)})
			return
		}
	}
	if !errors.Is(err, context.Canceled) {
		s.log.Error("registry call failed", "method", method, "err", err)
	}
	w.WriteHeader(http.StatusInternalServerError)
	json.NewEncoder(w).Encode(wireError{Detail: "the registry could not answer: see its log"})
}

func (r *Registry) serveSnapshot(w http.ResponseWriter, req *http.Request) {
	after, _ := strconv.ParseUint(req.FormValue("after"), 10, 64) // absent or wrong: answer at once
	changed, stop := r.Subscribe()
	defer stop()
	snap := r.Current()
	if snap.Revision == after {
		select {
		case <-changed:
		case <-time.After(pollWait):
		case <-req.Context().Done():
			return
		}
		snap = r.Current()
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(snap)
}

// What the calls carry.
type (
	placeArgs struct {
		Box  protocol.BoxID `json:"box"`
		Bed  BedID          `json:"bed"`
		From time.Time      `json:"from"`
	}
	assignArgs struct {
		Bed     BedID     `json:"bed"`
		Other   BedID     `json:"other,omitempty"`
		Patient PatientID `json:"patient,omitempty"`
		At      time.Time `json:"at"`
	}
	rangeArgs struct {
		Bed     BedID     `json:"bed,omitempty"`
		Patient PatientID `json:"patient,omitempty"`
		From    time.Time `json:"from"`
		To      time.Time `json:"to"`
	}
	pageArgs struct {
		After PatientID `json:"after"`
		Limit int       `json:"limit"`
	}
	auditArgs struct {
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Before int64     `json:"before"`
		Limit  int       `json:"limit"`
	}
	auditHeadReply struct {
		Records int64  `json:"records"`
		Head    string `json:"head"`
	}
	userArgs struct {
		User     User   `json:"user"`
		Password string `json:"password"`
	}
	passwordArgs struct {
		Name     string `json:"name"`
		Password string `json:"password"`
		New      string `json:"new,omitempty"`
	}
	sessionArgs struct {
		Token  string    `json:"token"`
		Data   []byte    `json:"data,omitempty"`
		Expiry time.Time `json:"expiry,omitzero"`
	}
	sessionReply struct {
		Data  []byte `json:"data"`
		Found bool   `json:"found"`
	}
)

func (r *Registry) serveWard(s *server) {
	do(s, "put-unit", r.PutUnit)
	do(s, "put-bed", r.PutBed)
	do(s, "put-box", r.PutBox)
	do(s, "place-box", func(ctx context.Context, in placeArgs) error { return r.PlaceBox(ctx, in.Box, in.Bed, in.From) })
	serve(s, "placements-at", func(ctx context.Context, in rangeArgs) ([]Placement, error) {
		return r.PlacementsAt(ctx, in.Bed, in.From, in.To)
	})
}

func (r *Registry) servePatients(s *server) {
	serve(s, "put-patient", r.PutPatient)
	serve(s, "patient", r.Patient)
	serve(s, "patients", func(ctx context.Context, in pageArgs) ([]Patient, error) { return r.Patients(ctx, in.After, in.Limit) })
	do(s, "assign", func(ctx context.Context, in assignArgs) error { return r.Assign(ctx, in.Bed, in.Patient, in.At) })
	do(s, "unassign", func(ctx context.Context, in assignArgs) error { return r.Unassign(ctx, in.Bed, in.At) })
	do(s, "swap", func(ctx context.Context, in assignArgs) error { return r.Swap(ctx, in.Bed, in.Other, in.At) })
	serve(s, "patient-at", func(ctx context.Context, in assignArgs) (PatientID, error) { return r.PatientAt(ctx, in.Bed, in.At) })
	serve(s, "patients-at", func(ctx context.Context, in rangeArgs) ([]Assignment, error) {
		return r.PatientsAt(ctx, in.Bed, in.From, in.To)
	})
	serve(s, "beds-of", func(ctx context.Context, in rangeArgs) ([]Assignment, error) {
		return r.BedsOf(ctx, in.Patient, in.From, in.To)
	})
	serve(s, "last-bed", r.LastBed)
}

func (r *Registry) serveStaff(s *server) {
	serve(s, "user", r.User)
	serve(s, "users", func(ctx context.Context, _ none) ([]User, error) { return r.Users(ctx) })
	do(s, "put-user", func(ctx context.Context, in userArgs) error { return r.PutUser(ctx, in.User, in.Password) })
	serve(s, "authenticate", func(ctx context.Context, in passwordArgs) (User, error) {
		return r.Authenticate(ctx, in.Name, in.Password)
	})
	do(s, "change-password", func(ctx context.Context, in passwordArgs) error {
		return r.ChangePassword(ctx, in.Name, in.Password, in.New)
	})
	serve(s, "session", func(ctx context.Context, in sessionArgs) (sessionReply, error) {
		data, found, err := r.Session(ctx, in.Token)
		return sessionReply{data, found}, err
	})
	do(s, "put-session", func(ctx context.Context, in sessionArgs) error {
		return r.PutSession(ctx, in.Token, in.Data, in.Expiry)
	})
	do(s, "delete-session", func(ctx context.Context, in sessionArgs) error { return r.DeleteSession(ctx, in.Token) })
	do(s, "touch-session", func(ctx context.Context, in sessionArgs) error { return r.TouchSession(ctx, in.Token) })
	do(s, "audit", func(ctx context.Context, in []AuditRecord) error { return r.Audit(ctx, in...) })
	do(s, "audit-looks", func(ctx context.Context, in []AuditRecord) error { return r.AuditLooks(ctx, in...) })
	serve(s, "audit-log", func(ctx context.Context, in auditArgs) ([]AuditRecord, error) {
		return r.AuditLog(ctx, in.From, in.To, in.Before, in.Limit)
	})
	serve(s, "verify-audit", func(ctx context.Context, _ none) (auditHeadReply, error) {
		n, head, err := r.VerifyAudit(ctx)
		return auditHeadReply{n, head}, err
	})
}
