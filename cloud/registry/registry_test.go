package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"monitorme/protocol"
)

// testClock is a clock that tests move.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *testClock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// cheap makes tests quick; one test checks the real cost.
var cheap = argonCost{memoryKiB: 64, passes: 1, lanes: 1}

func openTest(t testing.TB, dir string) (*Registry, *testClock) {
	t.Helper()
	cfg := Default()
	cfg.Dir = dir
	r, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	clock := &testClock{t: noon}
	r.now, r.cost = clock.now, cheap
	return r, clock
}

// ward gives a registry with unit u, beds b1 to b3, boxes x1 to x3 and
// patients p1 to p3.
func ward(t testing.TB) (*Registry, *testClock) {
	t.Helper()
	r, clock := openTest(t, t.TempDir())
	must(t, r.PutUnit(t.Context(), Unit{"u", "Unit"}))
	for _, n := range []string{"1", "2", "3"} {
		must(t, r.PutBed(t.Context(), Bed{BedID("b" + n), "u", n}))
		must(t, r.PutBox(t.Context(), Box{ID: protocol.BoxID("x" + n), Unit: "u"}))
		_, err := r.PutPatient(t.Context(), Patient{ID: PatientID("p" + n), Name: "Some Body " + n, Sex: "other", Record: "R" + n})
		must(t, err)
	}
	return r, clock
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got error %v, want one that is %v", err, kind)
	}
}

func TestLateReadingsFindThePatientWhoLayThereThen(t *testing.T) {
	r, clock := ward(t)
	ctx := t.Context()
	must(t, r.Assign(ctx, "b1", "p1", noon.Add(-3*time.Hour)))
	must(t, r.Assign(ctx, "b1", "p2", noon.Add(-2*time.Hour))) // ends p1
	must(t, r.Unassign(ctx, "b1", noon.Add(-time.Hour)))
	clock.add(time.Hour)
	for _, c := range []struct {
		at   time.Duration
		want PatientID
	}{{-181 * time.Minute, ""}, {-3 * time.Hour, "p1"}, {-121 * time.Minute, "p1"}, {-2 * time.Hour, "p2"}, {-61 * time.Minute, "p2"}, {-time.Hour, ""}} {
		got, err := r.PatientAt(ctx, "b1", noon.Add(c.at))
		if got != c.want || c.want == "" && !errors.Is(err, ErrNotFound) {
			t.Errorf("at %v: %q, %v; want %q", c.at, got, err, c.want)
		}
	}
	got, err := r.PatientsAt(ctx, "b1", noon.Add(-150*time.Minute), noon)
	must(t, err)
	want := []Assignment{
		{"b1", "p1", noon.Add(-150 * time.Minute), noon.Add(-2 * time.Hour)},
		{"b1", "p2", noon.Add(-2 * time.Hour), noon.Add(-time.Hour)},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got, err = r.BedsOf(ctx, "p2", noon.Add(-24*time.Hour), noon); err != nil || len(got) != 1 || got[0] != want[1] {
		t.Errorf("beds of p2: %v, %v", got, err)
	}
}

func TestAPatientWhoMovesLeavesTheOldBed(t *testing.T) {
	r, _ := ward(t)
	ctx := t.Context()
	must(t, r.Assign(ctx, "b1", "p1", noon.Add(-time.Hour)))
	must(t, r.Assign(ctx, "b2", "p1", noon.Add(-time.Minute)))
	if _, _, ok := r.Current().PatientIn("b1"); ok {
		t.Error("still in the old bed")
	}
	if p, a, ok := r.Current().PatientIn("b2"); !ok || p.ID != "p1" || !a.From.Equal(noon.Add(-time.Minute)) {
		t.Errorf("new bed: %v %v %v", p, a, ok)
	}
	must(t, r.Assign(ctx, "b2", "p1", noon)) // again: nothing changes
	if _, a, _ := r.Current().PatientIn("b2"); !a.From.Equal(noon.Add(-time.Minute)) {
		t.Errorf("repeating moved the beginning to %v", a.From)
	}
	wantErr(t, r.Assign(ctx, "b2", "p1", noon.Add(-30*time.Minute)), ErrConflict) // lay in b1 then
	wantErr(t, r.Assign(ctx, "b1", "p2", noon.Add(-2*time.Hour)), ErrConflict)    // p1 lay in b1 later
	wantErr(t, r.Assign(ctx, "b3", "p3", noon.Add(2*time.Minute)), ErrInvalid)
	wantErr(t, r.Assign(ctx, "b3", "p3", noon.AddDate(-2, 0, 0)), ErrInvalid)
	wantErr(t, r.Assign(ctx, "b9", "p3", noon), ErrNotFound)
	wantErr(t, r.Assign(ctx, "b3", "p9", noon), ErrNotFound)
}

func TestSwapIsAllOrNothing(t *testing.T) {
	r, _ := ward(t)
	ctx := t.Context()
	must(t, r.Assign(ctx, "b1", "p1", noon.Add(-time.Hour)))
	wantErr(t, r.Swap(ctx, "b1", "b2", noon), ErrConflict)
	if p, _, _ := r.Current().PatientIn("b1"); p.ID != "p1" {
		t.Fatalf("a failed swap changed bed 1: %q", p.ID)
	}
	must(t, r.Assign(ctx, "b2", "p2", noon.Add(-time.Hour)))
	must(t, r.Swap(ctx, "b1", "b2", noon))
	a, _, _ := r.Current().PatientIn("b1")
	b, _, _ := r.Current().PatientIn("b2")
	if a.ID != "p2" || b.ID != "p1" {
		t.Errorf("after the swap: %q, %q", a.ID, b.ID)
	}
}

func TestTheDatabaseItselfRefusesOverlaps(t *testing.T) {
	r, _ := ward(t)
	ctx := t.Context()
	must(t, r.Assign(ctx, "b1", "p1", noon.Add(-time.Hour)))
	must(t, r.PlaceBox(ctx, "x1", "b1", noon.Add(-time.Hour)))
	for _, q := range []string{
		"INSERT INTO assignments (bed, patient, from_us) VALUES ('b1', 'p2', 1)",
		"INSERT INTO assignments (bed, patient, from_us, to_us) VALUES ('b2', 'p1', ?, ?)",
		"INSERT INTO placements (box, bed, from_us) VALUES ('x1', 'b2', 1)",
		"INSERT INTO placements (box, bed, from_us, to_us) VALUES ('x2', 'b1', ?, ?)",
	} {
		args := []any{micros(noon.Add(-time.Minute)), micros(noon)}[:strings.Count(q, "?")]
		if _, err := r.wr.ExecContext(ctx, q, args...); err == nil || !strings.Contains(err.Error(), "overlap") {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// Whatever is done in whatever order, no bed has two patients and no patient
// two beds at any instant, and the snapshot agrees with the database.
func TestAssignmentsNeverOverlap(t *testing.T) {
	r, clock := ward(t)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		beds := []BedID{"b1", "b2", "b3"}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			clock.add(time.Minute)
			at := clock.now().Add(-time.Duration(rapid.IntRange(0, 600).Draw(rt, "ago")) * time.Second)
			bed := rapid.SampledFrom(beds).Draw(rt, "bed")
			var err error
			switch rapid.IntRange(0, 2).Draw(rt, "op") {
			case 0:
				err = r.Assign(ctx, bed, rapid.SampledFrom([]PatientID{"p1", "p2", "p3"}).Draw(rt, "patient"), at)
			case 1:
				err = r.Unassign(ctx, bed, at)
			case 2:
				err = r.Swap(ctx, bed, rapid.SampledFrom(beds).Draw(rt, "other"), at)
			}
			if err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrInvalid) {
				rt.Fatal(err)
			}
		}
		all, err := list(ctx, r.rd, scanAssignment, selectAssignments)
		if err != nil {
			rt.Fatal(err)
		}
		open := 0
		for i, a := range all {
			if a.To.IsZero() {
				open++
				if _, got, ok := r.Current().PatientIn(a.Bed); !ok || got != a {
					rt.Fatalf("snapshot has %v for %v", got, a)
				}
				a.To = noon.AddDate(10, 0, 0)
			}
			for _, b := range all[i+1:] {
				if b.To.IsZero() {
					b.To = noon.AddDate(10, 0, 0)
				}
				if (a.Bed == b.Bed || a.Patient == b.Patient) && a.From.Before(b.To) && b.From.Before(a.To) {
					rt.Fatalf("%v and %v overlap", a, b)
				}
			}
		}
		if open != len(r.Current().Assignments) {
			rt.Fatalf("snapshot has %d assignments, the database %d", len(r.Current().Assignments), open)
		}
	})
}

func TestBoxesMoveAndAreAuthorised(t *testing.T) {
	r, _ := ward(t)
	ctx := t.Context()
	must(t, r.PlaceBox(ctx, "x1", "b1", noon.Add(-2*time.Hour)))
	must(t, r.PlaceBox(ctx, "x2", "b1", noon.Add(-time.Hour)))
	got, err := r.PlacementsAt(ctx, "b1", noon.Add(-3*time.Hour), noon)
	must(t, err)
	if len(got) != 2 || got[0].Box != "x1" || !got[0].To.Equal(noon.Add(-time.Hour)) || got[1].Box != "x2" || got[1].Label != "1" {
		t.Errorf("placements: %+v", got)
	}
	if _, ok := r.Current().PlacementOf("x1"); ok {
		t.Error("x1 still stands somewhere")
	}
	must(t, r.PlaceBox(ctx, "x2", "", noon))
	if _, ok := r.Current().BoxAt("b1"); ok {
		t.Error("taken away, but still there")
	}
	must(t, r.PutUnit(ctx, Unit{"v", "Other"}))
	must(t, r.PutBed(ctx, Bed{"v1", "v", "1"}))
	wantErr(t, r.PlaceBox(ctx, "x3", "v1", noon), ErrConflict)
	wantErr(t, r.PutBed(ctx, Bed{"b1", "v", "1"}), ErrConflict)
	must(t, r.PlaceBox(ctx, "x3", "b3", noon))
	wantErr(t, r.PutBox(ctx, Box{ID: "x3", Unit: "v"}), ErrConflict)

	fp := strings.Repeat("ab", 32)
	must(t, r.PutBox(ctx, Box{ID: "x1", Unit: "u", Fingerprint: strings.ToUpper(fp)}))
	must(t, r.PutBox(ctx, Box{ID: "x2", Unit: "u", Revoked: true}))
	wantErr(t, r.PutBox(ctx, Box{ID: "x2", Unit: "u", Fingerprint: "zz"}), ErrInvalid)
	s := r.Current()
	must(t, s.Authorize("x1", "u", fp))
	must(t, s.Authorize("x3", "u", "anything"))
	for _, err := range []error{s.Authorize("x1", "u", "other"), s.Authorize("x1", "v", fp), s.Authorize("x2", "u", fp), s.Authorize("nobody", "u", fp)} {
		wantErr(t, err, ErrDenied)
	}
}

func TestSubscribersHearOfChanges(t *testing.T) {
	r, _ := ward(t)
	c, stop := r.Subscribe()
	before := r.Current()
	must(t, r.Assign(t.Context(), "b1", "p1", noon.Add(-time.Hour)))
	must(t, r.Assign(t.Context(), "b2", "p2", noon))
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing heard")
	}
	if len(before.Assignments) != 0 || r.Current().Revision <= before.Revision {
		t.Error("a snapshot was changed in place")
	}
	stop()
	must(t, r.Unassign(t.Context(), "b1", noon))
	select {
	case <-c:
		t.Error("heard after stopping")
	default:
	}
}

func TestTheFirstAdministrator(t *testing.T) {
	dir := t.TempDir()
	var logged bytes.Buffer
	cfg := Default()
	cfg.Dir = dir
	r, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&logged, nil)))
	must(t, err)
	path := filepath.Join(dir, AdminPasswordFile)
	b, err := os.ReadFile(path)
	must(t, err)
	for _, f := range []string{path, filepath.Join(dir, "registry.db"), filepath.Join(dir, "registry.db-wal")} {
		if st, err := os.Stat(f); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, st.Mode(), err)
		}
	}
	password := strings.TrimSpace(string(b))
	if len(password) < 20 || strings.Contains(logged.String(), password) || !strings.Contains(logged.String(), path) {
		t.Errorf("password of %d bytes; log:\n%s", len(password), &logged)
	}
	u, err := r.Authenticate(t.Context(), "admin", password) // at the real cost
	if err != nil || u.Role != RoleAdmin || !u.MustChangePassword || !u.Covers("anything") {
		t.Errorf("%+v, %v", u, err)
	}
	must(t, r.Close())
	r, err = Open(t.Context(), cfg, slog.New(slog.DiscardHandler)) // a second start makes nobody
	must(t, err)
	defer r.Close()
	if b2, _ := os.ReadFile(path); !bytes.Equal(b, b2) {
		t.Error("the password changed at the second start")
	}
}

func TestPasswordsAndAccounts(t *testing.T) {
	r, _ := ward(t)
	ctx := t.Context()
	u := User{Name: "ann", Display: "Ann", Role: RoleNurse, Units: []protocol.UnitID{"u"}, MustChangePassword: true}
	wantErr(t, r.PutUser(ctx, u, ""), ErrInvalid)
	wantErr(t, r.PutUser(ctx, u, "short"), ErrInvalid)
	must(t, r.PutUser(ctx, u, "long enough"))
	for _, c := range [][2]string{{"ann", "wrong"}, {"nobody", "long enough"}, {"ann", strings.Repeat("x", 10_000)}, {"", ""}} {
		_, err := r.Authenticate(ctx, c[0], c[1])
		wantErr(t, err, ErrDenied)
	}
	wantErr(t, r.ChangePassword(ctx, "ann", "wrong one here", "another password"), ErrDenied)
	wantErr(t, r.ChangePassword(ctx, "ann", "long enough", "long enough"), ErrInvalid)
	must(t, r.ChangePassword(ctx, "ann", "long enough", "another password"))
	got, err := r.Authenticate(ctx, "ann", "another password")
	if err != nil || got.MustChangePassword || got.Epoch != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	got.Disabled = true
	must(t, r.PutUser(ctx, got, ""))
	_, err = r.Authenticate(ctx, "ann", "another password")
	wantErr(t, err, ErrDenied)
	if got, _ = r.User(ctx, "ann"); got.Epoch != 3 {
		t.Errorf("disabling left epoch %d", got.Epoch)
	}
	admin, err := r.User(ctx, "admin")
	must(t, err)
	admin.Role = RoleNurse
	wantErr(t, r.PutUser(ctx, admin, ""), ErrConflict)
	var hash string
	must(t, r.rd.QueryRow("SELECT hash FROM users WHERE name = 'ann'").Scan(&hash))
	if !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("hash %q", hash)
	}
}

func TestSessionsEndWhenIdleOrOld(t *testing.T) {
	r, clock := ward(t)
	ctx := t.Context()
	alive := func(token string) bool {
		_, ok, err := r.Session(ctx, token)
		must(t, err)
		return ok
	}
	must(t, r.PutSession(ctx, "a", []byte("A"), noon.Add(time.Hour)))
	clock.add(14 * time.Minute)
	must(t, r.TouchSession(ctx, "a"))
	clock.add(14 * time.Minute)
	if !alive("a") {
		t.Error("ended although touched")
	}
	clock.add(2 * time.Minute)
	if alive("a") {
		t.Error("idle for 16 minutes and alive")
	}
	must(t, r.TouchSession(ctx, "a"))
	if alive("a") {
		t.Error("a touch revived a dead session")
	}
	must(t, r.PutSession(ctx, "b", []byte("B"), clock.now().Add(10*time.Minute)))
	clock.add(9 * time.Minute)
	must(t, r.TouchSession(ctx, "b"))
	clock.add(2 * time.Minute)
	if alive("b") {
		t.Error("alive beyond its absolute end")
	}
	must(t, r.PutSession(ctx, "c", []byte("C"), clock.now().Add(time.Hour)))
	must(t, r.DeleteSession(ctx, "c"))
	if alive("c") {
		t.Error("alive after its end")
	}
	var n int
	must(t, r.rd.QueryRow("SELECT count(*) FROM sessions").Scan(&n))
	if n != 0 {
		t.Errorf("%d dead sessions kept", n)
	}
}

func TestTheAuditLogShowsTampering(t *testing.T) {
	r, clock := ward(t)
	ctx := t.Context()
	for i := range 5 {
		must(t, r.Audit(ctx, AuditRecord{User: "ann", Role: RoleNurse, Action: "history", Patient: "p1", Outcome: "ok", Object: strings.Repeat("o", i)}))
		clock.add(time.Second)
	}
	n, head, err := r.VerifyAudit(ctx)
	if n != 5 || err != nil || len(head) != 64 {
		t.Fatalf("%d, %q, %v", n, head, err)
	}
	recs, err := r.AuditLog(ctx, noon, noon.Add(4*time.Second), 0, 2)
	if err != nil || len(recs) != 2 || recs[0].Seq != 4 {
		t.Fatalf("%+v, %v", recs, err)
	}
	if recs, err = r.AuditLog(ctx, noon, noon.Add(time.Hour), 4, 100); len(recs) != 3 || err != nil {
		t.Errorf("the page before 4: %+v, %v", recs, err)
	}
	for _, q := range []string{"UPDATE audit SET user = 'eve' WHERE seq = 3", "DELETE FROM audit WHERE seq = 3"} {
		if _, err := r.wr.Exec(q); err == nil {
			t.Errorf("%s succeeded", q)
		}
	}
	// Somebody with the file and time on their hands drops the triggers.
	for _, q := range []string{"DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete", "UPDATE audit SET user = 'eve' WHERE seq = 3"} {
		_, err := r.wr.Exec(q)
		must(t, err)
	}
	if _, _, err = r.VerifyAudit(ctx); err == nil || !strings.Contains(err.Error(), "record 3") {
		t.Errorf("changed record: %v", err)
	}
	_, err = r.wr.Exec("DELETE FROM audit WHERE seq = 2")
	must(t, err)
	if _, _, err = r.VerifyAudit(ctx); err == nil || !strings.Contains(err.Error(), "record 2 is missing") {
		t.Errorf("removed record: %v", err)
	}
}

func TestLooksAreRecordedOncePerMinute(t *testing.T) {
	r, clock := ward(t)
	ctx := t.Context()
	look := func(user string, p PatientID, action string) {
		must(t, r.AuditLooks(ctx, AuditRecord{User: user, Patient: p, Action: action, Outcome: "ok"}))
	}
	for range 100 {
		look("ann", "p1", "latest")
		clock.add(500 * time.Millisecond) // 50 s in all
	}
	look("ann", "p2", "latest")
	look("bob", "p1", "latest")
	look("ann", "p1", "history")
	clock.add(time.Minute)
	look("ann", "p1", "latest")
	if n, _, err := r.VerifyAudit(ctx); n != 5 || err != nil {
		t.Errorf("%d records, want 5; %v", n, err)
	}
}

func TestPatientsStayOutOfLogs(t *testing.T) {
	var b bytes.Buffer
	p := Patient{ID: "p-1", Name: "Ada Lovelace-King", Born: "1950-01-02", Record: "MRN77"}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "patient", p)
	if s := b.String(); strings.Contains(s, "Ada") || strings.Contains(s, "1950") || strings.Contains(s, "MRN77") || !strings.Contains(s, "p-1") {
		t.Error(s)
	}
	if got := p.Initials(); got != "ALK" {
		t.Errorf("initials %q", got)
	}
}

func TestPatientChecks(t *testing.T) {
	r, _ := ward(t)
	for _, p := range []Patient{
		{Name: "", Sex: "other"}, {Name: "A", Sex: "x"}, {Name: "A", Sex: "other", Born: "2026-13-01"}, {Name: "A", Sex: "other", Born: "2027-01-01"},
		{Name: "A\x00B", Sex: "other"}, {ID: "a b", Name: "A", Sex: "other"}, {Name: strings.Repeat("n", 121), Sex: "other"},
	} {
		if _, err := r.PutPatient(t.Context(), p); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", p.Name, err)
		}
	}
	_, err := r.PutPatient(t.Context(), Patient{Name: "A", Sex: "other", Record: "R1"})
	wantErr(t, err, ErrConflict)
	p, err := r.PutPatient(t.Context(), Patient{Name: "A", Sex: "other"})
	if err != nil || len(p.ID) < 20 {
		t.Errorf("%q, %v", p.ID, err)
	}
	if list, err := r.Patients(t.Context(), "p1", 2); err != nil || len(list) != 2 || list[0].ID != "p2" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestBedsSortAsPeopleCount(t *testing.T) {
	for _, c := range [][2]string{{"2", "10"}, {"A2", "A10"}, {"Bay 1 bed 9", "Bay 1 bed 10"}, {"A", "B"}, {"A", "A1"}, {"1", "01a"}} {
		if compareLabels(c[0], c[1]) >= 0 || compareLabels(c[1], c[0]) <= 0 {
			t.Errorf("%q is not before %q", c[0], c[1])
		}
	}
}

func TestSeedDemoIsRepeatable(t *testing.T) {
	r, _ := openTest(t, t.TempDir())
	for range 2 {
		must(t, r.SeedDemo(t.Context()))
	}
	s := r.Current()
	if len(s.Beds) != 22 || len(s.Boxes) != 20 || len(s.Placements) != 20 || len(s.Patients) != 20 {
		t.Errorf("%d beds, %d boxes, %d placements, %d patients", len(s.Beds), len(s.Boxes), len(s.Placements), len(s.Patients))
	}
	for _, name := range []string{"nurse", "doctor", "technician", "admin"} {
		if u, err := r.Authenticate(t.Context(), name, DemoPassword); err != nil || !u.Demo || u.MustChangePassword {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
	must(t, r.ChangePassword(t.Context(), "admin", DemoPassword, "my own password"))
	must(t, r.SeedDemo(t.Context()))
	if u, err := r.Authenticate(t.Context(), "admin", "my own password"); err != nil || u.Demo {
		t.Errorf("a chosen password was replaced: %+v, %v", u, err)
	}
}

func TestSeedDevicesMakesUnitsOfTwentyAndFollowsItsLabels(t *testing.T) {
	r, _ := openTest(t, t.TempDir())
	labels := make([]string, 41)
	for i := range labels {
		labels[i] = fmt.Sprintf("device %d", i+1)
	}
	must(t, r.SeedDevices(t.Context(), labels[:20]))
	must(t, r.SeedDevices(t.Context(), labels))
	labels[4] = "nonin"
	must(t, r.SeedDevices(t.Context(), labels))
	s := r.Current()
	if len(s.Units) != 3 || len(s.Beds) != 41 || len(s.Boxes) != 41 || len(s.Placements) != 41 || len(s.Patients) != 41 {
		t.Errorf("%d units, %d beds, %d boxes, %d placements, %d patients", len(s.Units), len(s.Beds), len(s.Boxes), len(s.Placements), len(s.Patients))
	}
	if b, ok := s.Bed("devices-1-bed-05"); !ok || b.Label != "nonin" {
		t.Errorf("bed 5 is %+v", b)
	}
	names := map[string]bool{}
	for _, p := range s.Patients {
		names[p.Name] = true
	}
	if len(names) != 41 {
		t.Errorf("41 patients have %d names", len(names))
	}
	if u, err := r.User(t.Context(), "nurse"); err != nil || !slices.Equal(u.Units, []protocol.UnitID{"devices-1", "devices-2", "devices-3"}) {
		t.Errorf("nurse: %+v, %v", u, err)
	}
	if err := r.SeedDevices(t.Context(), nil); err == nil {
		t.Error("a ward without a bed")
	}
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	r, _ := openTest(t, t.TempDir())
	_, err := r.wr.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	must(t, err)
	r.Close()
	if _, err := Open(t.Context(), r.cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("%v", err)
	}
}

func TestEveryConnectionIsDurable(t *testing.T) {
	r, _ := openTest(t, t.TempDir())
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		var got string
		must(t, r.wr.QueryRow("PRAGMA "+pragma).Scan(&got))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
}

func TestTheClientIsARegistry(t *testing.T) {
	r, _ := ward(t)
	srv := httptest.NewServer(r.Handler(slog.New(slog.DiscardHandler)))
	defer srv.Close()
	c := NewClient(srv.URL, srv.Client(), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	heard, stop := c.Subscribe()
	defer stop()
	go func() { done <- c.Run(ctx) }()
	<-heard
	must(t, c.Ready(ctx))
	must(t, c.Assign(ctx, "b1", "p1", noon.Add(-time.Hour)))
	if p, _, ok := c.Current().PatientIn("b1"); !ok || p.ID != "p1" {
		t.Error("a client does not read its own change")
	}
	must(t, r.Assign(ctx, "b2", "p2", noon)) // a change by somebody else
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, _, ok := c.Current().PatientIn("b2"); ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the client did not hear of a change")
		}
		<-heard
	}
	if d := cmp.Diff(r.Current().Patients, c.Current().Patients); d != "" {
		t.Error(d)
	}
	must(t, c.Unassign(ctx, "b1", noon))
	wantErr(t, c.Swap(ctx, "b1", "b2", noon), ErrConflict)
	wantErr(t, c.PutUnit(ctx, Unit{"a b", ""}), ErrInvalid)
	_, err := c.Patient(ctx, "p9")
	wantErr(t, err, ErrNotFound)
	_, err = c.Authenticate(ctx, "admin", "wrong")
	wantErr(t, err, ErrDenied)
	must(t, c.PutSession(ctx, "s", []byte{1, 2}, noon.Add(time.Hour)))
	if b, ok, err := c.Session(ctx, "s"); !ok || err != nil || !bytes.Equal(b, []byte{1, 2}) {
		t.Errorf("session: %v %v %v", b, ok, err)
	}
	must(t, c.AuditLooks(ctx, AuditRecord{User: "ann", Action: "latest", Outcome: "ok"}))
	if n, _, err := c.VerifyAudit(ctx); n != 1 || err != nil {
		t.Errorf("audit: %d, %v", n, err)
	}
	if a, err := c.PatientsAt(ctx, "b1", noon.Add(-2*time.Hour), noon); err != nil || len(a) != 1 || a[0].Patient != "p1" {
		t.Errorf("patients at b1: %v, %v", a, err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

func BenchmarkCurrentLookup(b *testing.B) {
	r, _ := openTest(b, b.TempDir())
	must(b, r.SeedDemo(b.Context()))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := r.Current().PlacementOf("box-07"); !ok {
			b.Fatal("not found")
		}
	}
}
