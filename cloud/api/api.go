// Package api is the one door for clinicians: REST under /api/v1, the live
// stream, the OpenAPI description that is made from this code, and a page that
// shows it. It signs staff in, decides by one table who may do what in which
// unit, bounds every request, and records every look at a patient.
//
// It owns no data: it joins what the registry, the series store, the live hub
// and the alarms give. Every error answer is a problem document by RFC 9457
// that says what to do. Screens are never waited for: one that cannot keep up
// is disconnected and comes back.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/live"
	"monitorme/cloud/registry"
	"monitorme/cloud/series"
	"monitorme/protocol"
)

// Registry is what the api needs of package registry; *registry.Registry and
// *registry.Client are one.
type Registry interface {
	Current() *registry.Snapshot
	Subscribe() (<-chan struct{}, func())

	PutUnit(context.Context, registry.Unit) error
	PutBed(context.Context, registry.Bed) error
	PutBox(context.Context, registry.Box) error
	PlaceBox(ctx context.Context, box protocol.BoxID, bed registry.BedID, from time.Time) error
	PlacementsAt(ctx context.Context, bed registry.BedID, from, to time.Time) ([]registry.Placement, error)

	PutPatient(context.Context, registry.Patient) (registry.Patient, error)
	Patient(context.Context, registry.PatientID) (registry.Patient, error)
	Patients(ctx context.Context, after registry.PatientID, limit int) ([]registry.Patient, error)
	Assign(ctx context.Context, bed registry.BedID, patient registry.PatientID, from time.Time) error
	Unassign(ctx context.Context, bed registry.BedID, at time.Time) error
	Swap(ctx context.Context, a, b registry.BedID, at time.Time) error
	PatientsAt(ctx context.Context, bed registry.BedID, from, to time.Time) ([]registry.Assignment, error)
	BedsOf(ctx context.Context, patient registry.PatientID, from, to time.Time) ([]registry.Assignment, error)
	LastBed(context.Context, registry.PatientID) (registry.Assignment, error)

	User(ctx context.Context, name string) (registry.User, error)
	Users(context.Context) ([]registry.User, error)
	PutUser(ctx context.Context, u registry.User, password string) error
	Authenticate(ctx context.Context, name, password string) (registry.User, error)
	ChangePassword(ctx context.Context, name, old, password string) error
	Session(ctx context.Context, tokenHash string) ([]byte, bool, error)
	PutSession(ctx context.Context, tokenHash string, data []byte, expiry time.Time) error
	DeleteSession(ctx context.Context, tokenHash string) error
	TouchSession(ctx context.Context, tokenHash string) error

	Audit(context.Context, ...registry.AuditRecord) error
	AuditLooks(context.Context, ...registry.AuditRecord) error
	AuditLog(ctx context.Context, from, to time.Time, before int64, limit int) ([]registry.AuditRecord, error)
	VerifyAudit(context.Context) (records int64, head string, err error)
}

var (
	_ Registry = (*registry.Registry)(nil)
	_ Registry = (*registry.Client)(nil)
)

// Hub is what the api needs of package live; *live.Hub is one.
type Hub interface {
	Subscribe(unit protocol.UnitID, waves bool, buffer int) *live.Subscription
	Publish(unit protocol.UnitID, e live.Event)
	Box(protocol.BoxID) live.BoxNow
}

var _ Hub = (*live.Hub)(nil)

// Config configures a Server.
type Config struct {
	// SecureCookies marks the session cookie Secure also where the request came
	// over plain HTTP: set it behind a proxy that speaks TLS.
	SecureCookies bool `yaml:"secure_cookies"`
	// Session is how long a session lasts at most, StationSession how long that
	// of a station's screen.
	Session        time.Duration `yaml:"session"`
	StationSession time.Duration `yaml:"station_session"`
	// StreamBuffer is how many events may wait for one screen.
	StreamBuffer int `yaml:"stream_buffer"`
	// MaxStreams bounds the screens connected at once.
	MaxStreams int `yaml:"max_streams"`
	// Reviews bounds the histories and waveforms computed at once, so that
	// looking back never slows the present.
	Reviews int `yaml:"reviews"`
}

// Default ends sessions after 12 hours, those of stations after 30 days.
func Default() Config {
	return Config{Session: 12 * time.Hour, StationSession: 30 * 24 * time.Hour, StreamBuffer: 1024, MaxStreams: 500, Reviews: 8}
}

// Validate names the first key that is wrong and what is allowed.
func (c Config) Validate() error {
	switch {
	case c.Session < time.Minute || c.Session > 24*time.Hour:
		return fmt.Errorf("api.session: %s, want 1m to 24h", c.Session)
	case c.StationSession < c.Session || c.StationSession > 90*24*time.Hour:
		return fmt.Errorf("api.station_session: %s, want %s (api.session) to 2160h", c.StationSession, c.Session)
	case c.StreamBuffer < 16 || c.StreamBuffer > 1<<16:
		return fmt.Errorf("api.stream_buffer: %d, want 16 to 65536", c.StreamBuffer)
	case c.MaxStreams < 1 || c.MaxStreams > 100_000:
		return fmt.Errorf("api.max_streams: %d, want 1 to 100000", c.MaxStreams)
	case c.Reviews < 1 || c.Reviews > 256:
		return fmt.Errorf("api.reviews: %d, want 1 to 256", c.Reviews)
	}
	return nil
}

// Deps are the modules behind the door.
type Deps struct {
	Registry Registry
	Series   series.Store
	Hub      Hub
	Alerts   Alerts
	// Web serves what is neither API nor documentation: the web app. nil gives
	// a 404.
	Web     http.Handler
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Version string
}

// A Server answers clinicians. Its methods are safe for concurrent use.
type Server struct {
	Deps
	cfg      Config
	log      *slog.Logger
	now      func() time.Time // replaced in tests
	api      huma.API
	handler  http.Handler
	sessions *scs.SessionManager
	logins   *loginLimits
	metrics  *metrics
	reviews  chan struct{}
	streams  chan struct{}

	// How often a stream says that it lives, how often it looks at its session,
	// how long one write may take; how long a look back may take in all.
	tickEvery, recheckEvery, writeWithin, reviewWithin time.Duration
}

// New makes the server. It starts nothing.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Registry == nil || d.Series == nil || d.Hub == nil || d.Alerts == nil || d.Log == nil || d.Metrics == nil {
		return nil, errors.New("api: Registry, Series, Hub, Alerts, Log and Metrics must be given")
	}
	s := &Server{Deps: d, cfg: cfg, log: d.Log, now: time.Now, logins: newLoginLimits(), metrics: newMetrics(d.Metrics),
		reviews: make(chan struct{}, cfg.Reviews), streams: make(chan struct{}, cfg.MaxStreams),
		tickEvery: time.Second, recheckEvery: 30 * time.Second, writeWithin: 5 * time.Second, reviewWithin: time.Minute}
	s.sessions = newSessions(cfg, d.Registry)
	mux := http.NewServeMux()
	s.api = humago.New(mux, humaConfig(d.Version))
	s.routeSession()
	s.routeWard()
	s.routePatients()
	s.routeLatest()
	s.routeHistory()
	s.routeAlerts()
	s.routeAdmin()
	s.routeStream()
	s.nullable("Bed", "patient", "BedPatient")
	s.nullable("Latest", "patient", "LatestPatient")
	if err := s.routeDocs(mux); err != nil {
		return nil, err
	}
	s.handler = s.wrap(mux)
	return s, nil
}

// nullable describes a property as a schema or null, which huma cannot.
func (s *Server) nullable(schema, property, ref string) {
	schemas := s.api.OpenAPI().Components.Schemas
	p := schemas.Map()[schema].Properties[property]
	p.Ref = ""
	p.OneOf = []*huma.Schema{{Ref: "#/components/schemas/" + ref}, {Type: "null"}}
}

// Handler serves the API, its documentation, and the web app.
func (s *Server) Handler() http.Handler { return s.handler }

// A number documents protocol.Decimal, which is one in JSON.
type number struct{}

// Schema is that of a number that may be null.
func (number) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Nullable: true}
}

func humaConfig(version string) huma.Config {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[protocol.Decimal](), reflect.TypeFor[number]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "MonitorMe", Version: version,
				Description: "Vital signs of the patients of a hospital: live, past, and the alarms about them. Times are RFC 3339 in UTC, " +
					"numbers are as the device gave them, what is absent is null, and a value whose quality is neither good nor questionable has no number. " +
					"Sign in with POST /api/v1/session; the cookie it sets goes with every other request. Errors are problem documents (RFC 9457) whose detail says what to do."},
			Components: &huma.Components{
				Schemas:         schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{"session": {Type: "apiKey", In: "cookie", Name: cookieName, Description: "Set by POST /api/v1/session."}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// op describes one route.
type op struct {
	method, path, id, summary, says string
	action                          action // "" is open to everyone
	status                          int
	errors                          []int
	// quiet does not count as use of the session: what a screen does by itself.
	quiet bool
	// out is the schema of an answer that is streamed.
	out *huma.Response
}

// route registers a handler behind its guard.
func route[In, Out any](s *Server, o op, tag string, fn func(ctx context.Context, in *In) (*Out, error)) {
	h := huma.Operation{
		Method: o.method, Path: o.path, OperationID: o.id, Summary: o.summary, Description: o.says,
		Tags: []string{tag}, DefaultStatus: o.status, MaxBodyBytes: maxBody, Errors: append([]int{400, 500}, o.errors...),
	}
	if o.out != nil {
		h.Responses = map[string]*huma.Response{"200": o.out}
	}
	if o.action != "" {
		h.Security = []map[string][]string{{"session": {}}}
		h.Errors = append(h.Errors, http.StatusUnauthorized, http.StatusForbidden)
		h.Middlewares = huma.Middlewares{s.guard(o.action, o.quiet)}
	}
	huma.Register(s.api, h, func(ctx context.Context, in *In) (*Out, error) {
		out, err := fn(ctx, in)
		if err != nil {
			return nil, s.answer(ctx, err)
		}
		return out, nil
	})
}

// A body is an answer with a JSON body.
type body[T any] struct{ Body T }

func reply[T any](v T) (*body[T], error) { return &body[T]{v}, nil }

// Run tells the screens when beds or patients change, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	changed, stop := s.Registry.Subscribe()
	defer stop()
	sent := map[protocol.UnitID]string{}
	s.publishBeds(sent)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
			s.publishBeds(sent)
		}
	}
}
