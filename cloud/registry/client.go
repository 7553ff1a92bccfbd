package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"monitorme/protocol"
)

// A Doer sends requests; *http.Client is one. It must add the credentials of
// the internal listener, and allow a response 5 s to begin.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// A Client offers the methods of a Registry in another process. Run keeps its
// snapshot current; while the registry is away the last one stays in force,
// so that alarms and screens go on.
type Client struct {
	base    string
	doer    Doer
	log     *slog.Logger
	snap    atomic.Pointer[Snapshot]
	changes broadcast
}

// NewClient makes a client of the registry at base, for example
// "https://registry:9443". It sends nothing yet.
func NewClient(base string, doer Doer, log *slog.Logger) *Client {
	c := &Client{base: strings.TrimSuffix(base, "/") + PathPrefix, doer: doer, log: log}
	empty := &Snapshot{}
	empty.index()
	c.snap.Store(empty)
	return c
}

// Run follows the registry's snapshot until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		err := c.refresh(ctx)
		switch {
		case err == nil:
			wait = 0
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			if wait == 0 {
				c.log.Warn("registry not reachable, going on with the last snapshot", "err", err)
			}
			wait = min(max(2*wait, 100*time.Millisecond), 5*time.Second)
		}
	}
}

func (c *Client) refresh(ctx context.Context) error {
	old := c.snap.Load()
	s := new(Snapshot)
	if err := c.send(ctx, http.MethodGet, "snapshot?after="+strconv.FormatUint(old.Revision, 10), nil, s); err != nil {
		return err
	}
	// Swapped only if nothing newer came meanwhile; else the next round asks again.
	if s.Revision != old.Revision && c.snap.CompareAndSwap(old, s) {
		c.changes.notify()
	}
	return nil
}

// Current is the last snapshot seen: empty before the first, never nil.
func (c *Client) Current() *Snapshot { return c.snap.Load() }

// Subscribe is Registry.Subscribe.
func (c *Client) Subscribe() (<-chan struct{}, func()) { return c.changes.subscribe() }

// Ready reports whether the registry answers and a snapshot has been seen.
func (c *Client) Ready(ctx context.Context) error {
	if c.snap.Load().Revision == 0 {
		return errors.New("registry: no snapshot yet")
	}
	return c.send(ctx, http.MethodGet, "ready", nil, new(none))
}

func (c *Client) send(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("registry %s: %w", path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("registry %s: %w", path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.doer.Do(req)
	if err != nil {
		return fmt.Errorf("registry %s: %w", path, err)
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(io.LimitReader(resp.Body, 64<<20))
	if resp.StatusCode == http.StatusOK {
		if err := dec.Decode(out); err != nil {
			return fmt.Errorf("registry %s: reply: %w", path, err)
		}
		return nil
	}
	var we wireError
	if dec.Decode(&we) == nil {
		if kind, ok := kinds[we.Kind]; ok {
			return fail(kind, "%s", we.Detail)
		}
	}
	return fmt.Errorf("registry %s: status %d: %s", path, resp.StatusCode, cmp.Or(we.Detail, "no detail"))
}

func call[Out any](ctx context.Context, c *Client, method string, in any) (Out, error) {
	var out Out
	err := c.send(ctx, http.MethodPost, method, in, &out)
	return out, err
}

func (c *Client) tell(ctx context.Context, method string, in any) error {
	_, err := call[none](ctx, c, method, in)
	return err
}

// changed is tell for a change of the snapshot: on return the client has seen
// it, so that whoever made a change reads it back.
func (c *Client) changed(ctx context.Context, method string, in any) error {
	if err := c.tell(ctx, method, in); err != nil {
		return err
	}
	return c.catchUp(ctx)
}

func (c *Client) catchUp(ctx context.Context) error {
	s := new(Snapshot)
	if err := c.send(ctx, http.MethodGet, "snapshot", nil, s); err != nil {
		return err
	}
	for {
		old := c.snap.Load()
		if s.Revision <= old.Revision || c.snap.CompareAndSwap(old, s) {
			c.changes.notify()
			return nil
		}
	}
}

// The methods below are those of Registry.

func (c *Client) PutUnit(ctx context.Context, u Unit) error { return c.changed(ctx, "put-unit", u) }
func (c *Client) PutBed(ctx context.Context, b Bed) error   { return c.changed(ctx, "put-bed", b) }
func (c *Client) PutBox(ctx context.Context, b Box) error   { return c.changed(ctx, "put-box", b) }
func (c *Client) PlaceBox(ctx context.Context, box protocol.BoxID, bed BedID, from time.Time) error {
	return c.changed(ctx, "place-box", placeArgs{box, bed, from})
}
func (c *Client) PlacementsAt(ctx context.Context, bed BedID, from, to time.Time) ([]Placement, error) {
	return call[[]Placement](ctx, c, "placements-at", rangeArgs{Bed: bed, From: from, To: to})
}
func (c *Client) PutPatient(ctx context.Context, p Patient) (Patient, error) {
	if p.ID == "" {
		p.ID = newPatientID() // here, so that a repeated call does not make a second patient
	}
	p, err := call[Patient](ctx, c, "put-patient", p)
	if err != nil {
		return p, err
	}
	return p, c.catchUp(ctx)
}
func (c *Client) Patient(ctx context.Context, id PatientID) (Patient, error) {
	return call[Patient](ctx, c, "patient", id)
}
func (c *Client) Patients(ctx context.Context, after PatientID, limit int) ([]Patient, error) {
	return call[[]Patient](ctx, c, "patients", pageArgs{after, limit})
}
func (c *Client) Assign(ctx context.Context, bed BedID, patient PatientID, from time.Time) error {
	return c.changed(ctx, "assign", assignArgs{Bed: bed, Patient: patient, At: from})
}
func (c *Client) Unassign(ctx context.Context, bed BedID, at time.Time) error {
	return c.changed(ctx, "unassign", assignArgs{Bed: bed, At: at})
}
func (c *Client) Swap(ctx context.Context, a, b BedID, at time.Time) error {
	return c.changed(ctx, "swap", assignArgs{Bed: a, Other: b, At: at})
}
func (c *Client) PatientAt(ctx context.Context, bed BedID, t time.Time) (PatientID, error) {
	return call[PatientID](ctx, c, "patient-at", assignArgs{Bed: bed, At: t})
}
func (c *Client) PatientsAt(ctx context.Context, bed BedID, from, to time.Time) ([]Assignment, error) {
	return call[[]Assignment](ctx, c, "patients-at", rangeArgs{Bed: bed, From: from, To: to})
}
func (c *Client) BedsOf(ctx context.Context, patient PatientID, from, to time.Time) ([]Assignment, error) {
	return call[[]Assignment](ctx, c, "beds-of", rangeArgs{Patient: patient, From: from, To: to})
}
func (c *Client) LastBed(ctx context.Context, patient PatientID) (Assignment, error) {
	return call[Assignment](ctx, c, "last-bed", patient)
}
func (c *Client) User(ctx context.Context, name string) (User, error) {
	return call[User](ctx, c, "user", name)
}
func (c *Client) Users(ctx context.Context) ([]User, error) {
	return call[[]User](ctx, c, "users", none{})
}
func (c *Client) PutUser(ctx context.Context, u User, password string) error {
	return c.tell(ctx, "put-user", userArgs{u, password})
}
func (c *Client) Authenticate(ctx context.Context, name, password string) (User, error) {
	return call[User](ctx, c, "authenticate", passwordArgs{Name: name, Password: password})
}
func (c *Client) ChangePassword(ctx context.Context, name, old, password string) error {
	return c.tell(ctx, "change-password", passwordArgs{name, old, password})
}
func (c *Client) Session(ctx context.Context, tokenHash string) ([]byte, bool, error) {
	out, err := call[sessionReply](ctx, c, "session", sessionArgs{Token: tokenHash})
	return out.Data, out.Found, err
}
func (c *Client) PutSession(ctx context.Context, tokenHash string, data []byte, expiry time.Time) error {
	return c.tell(ctx, "put-session", sessionArgs{tokenHash, data, expiry})
}
func (c *Client) DeleteSession(ctx context.Context, tokenHash string) error {
	return c.tell(ctx, "delete-session", sessionArgs{Token: tokenHash})
}
func (c *Client) TouchSession(ctx context.Context, tokenHash string) error {
	return c.tell(ctx, "touch-session", sessionArgs{Token: tokenHash})
}
func (c *Client) Audit(ctx context.Context, recs ...AuditRecord) error {
	return c.tell(ctx, "audit", recs)
}
func (c *Client) AuditLooks(ctx context.Context, recs ...AuditRecord) error {
	return c.tell(ctx, "audit-looks", recs)
}
func (c *Client) AuditLog(ctx context.Context, from, to time.Time, before int64, limit int) ([]AuditRecord, error) {
	return call[[]AuditRecord](ctx, c, "audit-log", auditArgs{from, to, before, limit})
}
func (c *Client) VerifyAudit(ctx context.Context) (int64, string, error) {
	out, err := call[auditHeadReply](ctx, c, "verify-audit", none{})
	return out.Records, out.Head, err
}
