package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/danielgtaylor/huma/v2"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

const cookieName = "monitorme_session"

// A principal is who makes a request.
type principal struct {
	registry.User
	station   bool
	tokenHash string
	expires   time.Time
}

type principalKey struct{}
type addressKey struct{}
type secureKey struct{}

func who(ctx context.Context) *principal {
	p, _ := ctx.Value(principalKey{}).(*principal)
	return p
}

// sessionStore keeps sessions in the registry, under the hash of their token:
// who reads the database cannot take a session over.
type sessionStore struct{ reg Registry }

var _ scs.CtxStore = sessionStore{}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	return s.reg.Session(ctx, hashToken(token))
}
func (s sessionStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	return s.reg.PutSession(ctx, hashToken(token), b, expiry)
}
func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.reg.DeleteSession(ctx, hashToken(token))
}
func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}
func (s sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}
func (s sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// What a session holds.
const (
	keyUser    = "user"
	keyEpoch   = "epoch"
	keyStation = "station"
)

func newSessions(cfg Config, reg Registry) *scs.SessionManager {
	m := scs.New()
	m.Store = sessionStore{reg}
	m.Lifetime = cfg.Session
	m.IdleTimeout = 0 // the registry ends idle sessions: it does not write at each request
	return m
}

// withSession finds out who makes the request. It refuses nobody.
func (s *Server) withSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isAPI(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		var token string
		if c, err := r.Cookie(cookieName); err == nil && len(c.Value) <= 128 {
			token = c.Value
		}
		ctx, err := s.sessions.Load(r.Context(), token)
		if err != nil {
			s.log.Error("session not read", "request", requestID(r.Context()), "err", err)
			writeProblem(w, r, newProblem(http.StatusInternalServerError, ""))
			return
		}
		ctx = context.WithValue(ctx, addressKey{}, clientAddress(r))
		ctx = context.WithValue(ctx, secureKey{}, r.TLS != nil || s.cfg.SecureCookies)
		p, err := s.principal(ctx)
		if err != nil {
			s.log.Error("user not read", "request", requestID(r.Context()), "err", err)
			writeProblem(w, r, newProblem(http.StatusInternalServerError, ""))
			return
		}
		if p != nil {
			ctx = context.WithValue(ctx, principalKey{}, p)
			w.(*recorder).user = p.Name
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// principal is the user of the loaded session, nil if there is none or it is
// over: the user is disabled, or has another password, role or units since.
func (s *Server) principal(ctx context.Context) (*principal, error) {
	name := s.sessions.GetString(ctx, keyUser)
	if name == "" {
		return nil, nil
	}
	u, err := s.Registry.User(ctx, name)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if u.Disabled || u.Epoch != s.sessions.GetInt64(ctx, keyEpoch) || !s.now().Before(s.sessions.Deadline(ctx)) {
		return nil, nil
	}
	return &principal{User: u, station: s.sessions.GetBool(ctx, keyStation), tokenHash: hashToken(s.sessions.Token(ctx)), expires: s.sessions.Deadline(ctx)}, nil
}

// stillValid looks at a session again: whether it and its user are as they
// were when p was made.
func (s *Server) stillValid(ctx context.Context, p *principal) (bool, error) {
	if !s.now().Before(p.expires) {
		return false, nil
	}
	if _, ok, err := s.Registry.Session(ctx, p.tokenHash); err != nil || !ok {
		return false, err
	}
	u, err := s.Registry.User(ctx, p.Name)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	return err == nil && !u.Disabled && u.Epoch == p.Epoch, err
}

// guard lets pass who may do a, by policy. Units are checked by the handler.
func (s *Server) guard(a action, quiet bool) func(huma.Context, func(huma.Context)) {
	perm, ok := permissionFor(a)
	if !ok {
		panic("api: action " + string(a) + " is not in the policy")
	}
	return func(hc huma.Context, next func(huma.Context)) {
		ctx := hc.Context()
		p := who(ctx)
		if p == nil {
			huma.WriteErr(s.api, hc, http.StatusUnauthorized, "You are not signed in, or your session is over. Sign in with POST /api/v1/session.")
			return
		}
		deny := ""
		switch {
		case p.MustChangePassword && a != actSession:
			huma.WriteErr(s.api, hc, http.StatusForbidden, "Your password must be changed first. Do so with PUT /api/v1/session/password.")
			return
		case !slices.Contains(perm.roles, p.Role):
			deny = "The role " + string(p.Role) + " may not do this. Ask somebody who may, or an administrator for another role."
		case p.station && !perm.station:
			deny = "A station's screen may not do this. Sign in under your own name."
		}
		if deny != "" {
			s.audit(ctx, registry.AuditRecord{Action: string(a), Outcome: "denied", Reason: "not allowed by the policy"})
			huma.WriteErr(s.api, hc, http.StatusForbidden, deny)
			return
		}
		if !quiet {
			if err := s.Registry.TouchSession(ctx, p.tokenHash); err != nil {
				s.log.Warn("session not touched", "request", requestID(ctx), "err", err)
			}
		}
		next(hc)
	}
}

// inUnit checks that a unit is one of the caller's.
func (s *Server) inUnit(ctx context.Context, unit protocol.UnitID) error {
	if p := who(ctx); p != nil && p.Covers(unit) {
		return nil
	}
	s.audit(ctx, registry.AuditRecord{Action: "unit", Object: "unit " + string(unit), Outcome: "denied", Reason: "outside the user's units"})
	return problemf(http.StatusForbidden, "This belongs to a unit that is not yours. An administrator can add the unit to your account.")
}

// audit adds a record about the caller. A record that cannot be written is
// logged and counted, and care goes on.
func (s *Server) audit(ctx context.Context, rec registry.AuditRecord) {
	fillIn(ctx, &rec)
	s.recorded(ctx, rec.Action, s.Registry.Audit(context.WithoutCancel(ctx), rec))
}

// look records that the caller saw patients' data.
func (s *Server) look(ctx context.Context, a action, object string, patients ...registry.PatientID) {
	recs := make([]registry.AuditRecord, len(patients))
	for i, id := range patients {
		recs[i] = registry.AuditRecord{Action: string(a), Object: object, Patient: id}
		fillIn(ctx, &recs[i])
	}
	if len(recs) > 0 {
		s.recorded(ctx, string(a), s.Registry.AuditLooks(context.WithoutCancel(ctx), recs...))
	}
}

func (s *Server) recorded(ctx context.Context, action string, err error) {
	if err != nil {
		s.metrics.auditFailed.Inc()
		s.log.Error("audit record not written", "request", requestID(ctx), "action", action, "err", err)
	}
}

// fillIn says who makes the request, from where.
func fillIn(ctx context.Context, rec *registry.AuditRecord) {
	if p := who(ctx); p != nil && rec.User == "" {
		rec.User, rec.Role = p.Name, p.Role
		if p.station {
			rec.Reason = strings.TrimPrefix(rec.Reason+", station session", ", ")
		}
	}
	rec.Outcome = cmp.Or(rec.Outcome, "ok")
	rec.Address, _ = ctx.Value(addressKey{}).(string)
	rec.Correlation = requestID(ctx)
}

// A Session is who is signed in.
type Session struct {
	User               string            `json:"user" example:"nurse"`
	Name               string            `json:"name" doc:"Full name."`
	Role               registry.Role     `json:"role" enum:"nurse,doctor,technician,admin"`
	Units              []protocol.UnitID `json:"units" doc:"Units in scope; \"*\" is every unit."`
	MustChangePassword bool              `json:"must_change_password"`
	Station            bool              `json:"station" doc:"A station's screen: does not end while its stream is open, and may look and acknowledge only."`
	Demo               bool              `json:"demo" doc:"A demonstration account with a public password."`
	Expires            time.Time         `json:"expires" doc:"When it ends at the latest."`
}

type loginInput struct {
	Body struct {
		User     string `json:"user" minLength:"1" maxLength:"64"`
		Password string `json:"password" minLength:"1" maxLength:"256"`
		Station  bool   `json:"station,omitempty" doc:"Sign in a station's screen: nurses only."`
	}
}

type cookieOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (s *Server) routeSession() {
	const tag = "Session"
	route(s, op{method: http.MethodPost, path: "/api/v1/session", id: "login", summary: "Sign in", status: http.StatusNoContent,
		says: "Sets the session cookie. Attempts are limited per account and address. A session ends after 15 minutes without use, and after 12 hours in any case; that of a station's screen lives while its stream is open, 30 days at most.", errors: []int{401, 403, 422, 429}}, tag, s.login)
	route(s, op{method: http.MethodGet, path: "/api/v1/session", id: "session", summary: "Who is signed in", action: actSession, quiet: true,
		says: "Asking does not count as use of the session."}, tag,
		func(ctx context.Context, _ *struct{}) (*body[Session], error) {
			p := who(ctx)
			return reply(Session{p.Name, p.Display, p.Role, p.Units, p.MustChangePassword, p.station, p.Demo, p.expires.UTC().Truncate(time.Millisecond)})
		})
	route(s, op{method: http.MethodDelete, path: "/api/v1/session", id: "logout", summary: "Sign out", action: actSession, status: http.StatusNoContent,
		says: "Ends the session and its streams."}, tag, s.logout)
	route(s, op{method: http.MethodPut, path: "/api/v1/session/password", id: "changePassword", summary: "Change the own password", action: actSession, status: http.StatusNoContent,
		says: "Ends all sessions of the user, this one too: sign in again.", errors: []int{422, 429}}, tag, s.changePassword)
}

func (s *Server) cookie(ctx context.Context, value string) http.Cookie {
	secure, _ := ctx.Value(secureKey{}).(bool)
	c := http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (s *Server) login(ctx context.Context, in *loginInput) (*cookieOutput, error) {
	address, _ := ctx.Value(addressKey{}).(string)
	if wait := s.logins.wait(s.now(), in.Body.User, address); wait > 0 {
		s.metrics.limited.Inc()
		seconds := strconv.Itoa(int(wait/time.Second) + 1)
		p := problemf(http.StatusTooManyRequests, "Too many attempts to sign in. Wait %s seconds and try again.", seconds)
		p.headers = http.Header{"Retry-After": {seconds}}
		return nil, p
	}
	u, err := s.Registry.Authenticate(ctx, in.Body.User, in.Body.Password)
	if errors.Is(err, registry.ErrDenied) {
		s.metrics.logins.WithLabelValues("denied").Inc()
		s.audit(ctx, registry.AuditRecord{User: s.knownUser(ctx, in.Body.User), Action: "login", Outcome: "denied"})
		return nil, problemf(http.StatusUnauthorized, "Name or password is wrong, or the account is disabled. Check both and try again; an administrator can set a new password.")
	}
	if err != nil {
		return nil, err
	}
	if in.Body.Station && u.Role != registry.RoleNurse {
		return nil, problemf(http.StatusForbidden, "Only a nurse's account can sign in a station's screen. Leave station out.")
	}
	// A new token at each sign-in: a cookie planted before is worth nothing.
	if err := s.sessions.Destroy(ctx); err != nil {
		return nil, err
	}
	life := s.cfg.Session
	if in.Body.Station {
		life = s.cfg.StationSession
	}
	s.sessions.SetDeadline(ctx, s.now().Add(life).UTC())
	s.sessions.Put(ctx, keyUser, u.Name)
	s.sessions.Put(ctx, keyEpoch, u.Epoch)
	s.sessions.Put(ctx, keyStation, in.Body.Station)
	token, _, err := s.sessions.Commit(ctx)
	if err != nil {
		return nil, err
	}
	s.metrics.logins.WithLabelValues("ok").Inc()
	s.audit(ctx, registry.AuditRecord{User: u.Name, Role: u.Role, Action: "login"})
	return &cookieOutput{s.cookie(ctx, token)}, nil
}

// knownUser keeps what is no user's name out of the audit log: people type
// their password there by mistake.
func (s *Server) knownUser(ctx context.Context, name string) string {
	if _, err := s.Registry.User(ctx, name); err != nil {
		return "(unknown name)"
	}
	return name
}

func (s *Server) logout(ctx context.Context, _ *struct{}) (*cookieOutput, error) {
	if err := s.sessions.Destroy(ctx); err != nil {
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "logout"})
	return &cookieOutput{s.cookie(ctx, "")}, nil
}

func (s *Server) changePassword(ctx context.Context, in *struct {
	Body struct {
		Old string `json:"old" minLength:"1" maxLength:"256"`
		New string `json:"new" minLength:"10" maxLength:"256"`
	}
}) (*cookieOutput, error) {
	p := who(ctx)
	if p.station {
		return nil, problemf(http.StatusForbidden, "A station's screen cannot change the password. Sign in under your own name.")
	}
	address, _ := ctx.Value(addressKey{}).(string)
	if wait := s.logins.wait(s.now(), p.Name, address); wait > 0 {
		s.metrics.limited.Inc()
		return nil, problemf(http.StatusTooManyRequests, "Too many attempts. Wait %d seconds and try again.", int(wait/time.Second)+1)
	}
	if err := s.Registry.ChangePassword(ctx, p.Name, in.Body.Old, in.Body.New); err != nil {
		s.audit(ctx, registry.AuditRecord{Action: "password", Outcome: "denied"})
		if errors.Is(err, registry.ErrDenied) {
			return nil, problemf(http.StatusForbidden, "The old password is wrong. Try again.")
		}
		return nil, err
	}
	s.audit(ctx, registry.AuditRecord{Action: "password"})
	return &cookieOutput{s.cookie(ctx, "")}, nil
}
