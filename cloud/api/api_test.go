package api

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"monitorme/cloud/registry"
	"monitorme/protocol"
)

var update = flag.Bool("update", false, "rewrite docs/openapi.json and the table in docs/SECURITY.md")

type operation struct {
	method, path string
	*huma.Operation
}

func operations(s *Server) []operation {
	var out []operation
	for path, item := range s.api.OpenAPI().Paths {
		for m, o := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if o != nil {
				out = append(out, operation{m, path, o})
			}
		}
	}
	return out
}

// filled puts ids of the demo ward into a path.
var filled = strings.NewReplacer("{unit}", "ward-1", "{bed}", "ward-1-bed-07", "{box}", "box-07", "{patient}", "p-demo-07", "{user}", "doctor", "{id}", "alert-1").Replace

func TestNobodyGetsAnythingUnlessSignedIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	ops := operations(w.server)
	if len(ops) < 30 {
		t.Fatalf("only %d operations", len(ops))
	}
	for _, o := range ops {
		if o.OperationID == "login" {
			continue
		}
		b.problem(401, o.method, filled(o.path), nil)
		b.problem(401, o.method, filled(o.path), "{", "Cookie", cookieName+"=AAAA") // before the body is looked at
	}
}

// Every role against every route: the route answers 403 exactly if the table
// of the policy says so.
func TestRolesMayDoWhatThePolicySays(t *testing.T) {
	w := newWorld(t)
	actions := map[string]action{}
	for _, p := range policy {
		actions[string(p.action)] = p.action
	}
	byRoute := map[string]action{
		"session": actSession, "logout": actSession, "changePassword": actSession, "nomenclature": actNomenclature, "units": actUnits, "beds": actBeds,
		"bedLatest": actLatest, "unitLatest": actLatest, "bedHistory": actHistory, "patientHistory": actHistory, "bedWaves": actWaves, "stream": actStream,
		"alerts": actAlerts, "acknowledge": actAcknowledge, "patients": actPatients, "patient": actPatients, "createPatient": actPatientWrite,
		"patchPatient": actPatientWrite, "assign": actAssign, "unassign": actAssign, "swap": actAssign, "boxes": actBoxes, "createBox": actBoxWrite,
		"putBox": actBoxWrite, "placeBox": actBoxWrite, "createUnit": actWardWrite, "putUnit": actWardWrite, "createBed": actWardWrite, "putBed": actWardWrite,
		"users": actUsers, "createUser": actUsers, "putUser": actUsers, "audit": actAudit, "verifyAudit": actAudit,
	}
	for _, role := range registry.Roles {
		b := w.as(string(role))
		for _, o := range operations(w.server) {
			a, known := byRoute[o.OperationID]
			if !known {
				if o.OperationID != "login" {
					t.Errorf("route %s is not in this test", o.OperationID)
				}
				continue
			}
			if o.OperationID == "logout" || o.OperationID == "stream" && role == registry.RoleNurse || o.OperationID == "stream" && role == registry.RoleDoctor {
				continue // ends the session, or never ends: tested elsewhere
			}
			perm, _ := permissionFor(a)
			want := slices.Contains(perm.roles, role)
			resp, body := b.do(o.method, filled(o.path), "{}")
			if got := resp.StatusCode != 403; got != want {
				t.Errorf("%s %s as %s: %d, policy says %v: %s", o.method, o.path, role, resp.StatusCode, want, body)
			}
			delete(actions, string(a))
		}
	}
	for a := range actions {
		t.Errorf("no route asks for %q", a)
	}
}

func TestStaffSeeTheirOwnUnitsOnly(t *testing.T) {
	w := newWorld(t)
	if _, err := w.reg.PutPatient(t.Context(), registry.Patient{ID: "p-other", Name: "Other", Sex: "other"}); err != nil {
		t.Fatal(err)
	}
	if err := w.reg.Assign(t.Context(), "ward-2-bed-01", "p-other", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.alerts.list = []Alert{{ID: "alert-2", Unit: "ward-2", Bed: "ward-2-bed-01", State: "active"}}
	nurse := w.as("nurse")
	other := strings.NewReplacer("{unit}", "ward-2", "{bed}", "ward-2-bed-01", "{patient}", "p-other", "{id}", "alert-2").Replace
	for _, c := range [][3]string{
		{"GET", "/api/v1/units/{unit}/beds"}, {"GET", "/api/v1/beds/{bed}/latest"}, {"GET", "/api/v1/units/{unit}/latest"}, {"GET", "/api/v1/beds/{bed}/history"},
		{"GET", "/api/v1/patients/{patient}/history"}, {"GET", "/api/v1/beds/{bed}/waves?from=2026-01-01T00:00:00Z"}, {"GET", "/api/v1/patients/{patient}"},
		{"PATCH", "/api/v1/patients/{patient}", `{"name":"X"}`}, {"PUT", "/api/v1/beds/{bed}/patient", `{"patient":"p-demo-01"}`}, {"PUT", "/api/v1/beds/ward-1-bed-01/patient", `{"patient":"p-other"}`},
		{"DELETE", "/api/v1/beds/{bed}/patient"}, {"POST", "/api/v1/beds/ward-1-bed-01/swap", `{"bed":"ward-2-bed-01"}`}, {"GET", "/api/v1/alerts?unit={unit}"},
		{"POST", "/api/v1/alerts/{id}/acknowledge"}, {"GET", "/api/v1/stream?unit={unit}"},
	} {
		var body any
		if c[2] != "" {
			body = c[2]
		}
		nurse.problem(403, c[0], other(c[1]), body)
	}
	var units []Unit
	if nurse.get("/api/v1/units", &units); len(units) != 1 || units[0].ID != "ward-1" || units[0].Beds != 20 {
		t.Errorf("units of the nurse: %+v", units)
	}
	var patients []Patient
	if nurse.get("/api/v1/patients", &patients); len(patients) != 20 {
		t.Errorf("%d patients of the nurse, want 20", len(patients))
	}
	tech := w.as("technician")
	tech.problem(403, "PUT", "/api/v1/boxes/box-07", map[string]any{"unit": "ward-2"})
	var beds []Bed
	if tech.get("/api/v1/units/ward-1/beds", &beds); len(beds) != 20 || beds[6].Patient != nil || *beds[6].Box != "box-07" || beds[9].Label != "10" {
		t.Errorf("beds as the technician sees them: %+v", beds)
	}
}

func TestThePolicyIsDocumented(t *testing.T) {
	const path, begin, end = "../../docs/SECURITY.md", "<!-- policy: written by go test ./cloud/api -update -->\n", "<!-- end of policy -->"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the policy", path)
	}
	want := before + begin + "\n" + policyTable() + "\n" + end + after
	if want == string(b) {
		return
	}
	if !*update {
		t.Fatalf("%s does not show the policy as it is: run go test ./cloud/api -run %s -update", path, t.Name())
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsAreProblemsThatSayWhatToDo(t *testing.T) {
	w := newWorld(t)
	b := w.as("nurse")
	for _, c := range []struct {
		status       int
		method, path string
		body         any
	}{
		{404, "GET", "/api/v1/nothing", nil},
		{404, "GET", "/api/v1/units/nowhere/beds", nil},
		{404, "GET", "/api/v1/beds/none/latest", nil},
		{404, "GET", "/api/v1/patients/p-none", nil},
		{404, "POST", "/api/v1/alerts/none/acknowledge", nil},
		{405, "DELETE", "/api/v1/nomenclature", nil},
		{405, "PATCH", "/api/v1/session", nil},
		{405, "POST", "/docs", nil},
		{422, "POST", "/api/v1/patients", map[string]any{"name": ""}},
		{422, "POST", "/api/v1/patients", map[string]any{"name": "A", "unheard": 1}},
		{400, "POST", "/api/v1/patients", "{"},
		{400, "POST", "/api/v1/patients", nil},
		{422, "GET", "/api/v1/beds/ward-1-bed-01/history?from=yesterday", nil},
		{422, "GET", "/api/v1/beds/ward-1-bed-01/history?unheard=1", nil},
		{422, "GET", "/api/v1/beds/ward-1-bed-01/history?max_points=-1", nil},
		{422, "GET", "/api/v1/beds/ward-1-bed-01/history?sign=mood", nil},
		{422, "GET", "/api/v1/stream", nil},
		{413, "POST", "/api/v1/patients", `{"name":"` + strings.Repeat("x", maxBody) + `"}`},
		{414, "GET", "/api/v1/units?" + strings.Repeat("x", maxURL), nil},
		{422, "PUT", "/api/v1/beds/ward-1-bed-01/patient", map[string]any{"patient": "p-demo-01", "from": "2999-01-01T00:00:00Z"}},
		{409, "PUT", "/api/v1/beds/ward-1-bed-01/patient", map[string]any{"patient": "p-demo-02", "from": time.Now().Add(-100 * time.Hour)}},
	} {
		b.problem(c.status, c.method, c.path, c.body)
	}
	resp, _ := b.do("DELETE", "/api/v1/nomenclature", nil)
	if allow := resp.Header.Get("Allow"); !strings.Contains(allow, "GET") {
		t.Errorf("Allow: %q", allow)
	}
	// What was sent is not sent back: it may be a password or a name.
	if _, body := b.do("POST", "/api/v1/session", map[string]any{"user": "x", "password": strings.Repeat("secret", 100)}); strings.Contains(body, "secretsecret") {
		t.Errorf("the password came back: %s", body)
	}
}

func TestAPanicIsOneRequestsFailure(t *testing.T) {
	w := newWorld(t)
	b := w.as("nurse")
	w.hub = nil
	w.server.Hub = nil // a bug of ours
	p := b.problem(500, "GET", "/api/v1/beds/ward-1-bed-01/latest", nil)
	if strings.Contains(p.Detail, "nil pointer") {
		t.Error("the insides are told")
	}
	if resp, _ := b.do("GET", "/api/v1/units", nil); resp.StatusCode != 200 {
		t.Errorf("after the panic: %d", resp.StatusCode)
	}
	if !strings.Contains(w.logs.String(), "panic in a request") || !strings.Contains(w.logs.String(), strings.TrimPrefix(p.Instance, "urn:request:")) {
		t.Error("the panic is not in the log under the request's id")
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	w.server.Web = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, "the web app") })
	b := w.as("nurse")
	for _, path := range []string{"/", "/api/v1/units", "/api/v1/none", "/docs", "/openapi.json"} {
		resp, body := b.do("GET", path, nil)
		h := resp.Header
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", path, h)
		}
		if strings.HasPrefix(path, "/api/") && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached: %q", path, h.Get("Cache-Control"))
		}
		if path == "/" && body != "the web app" {
			t.Errorf("/: %q", body)
		}
	}
}

func TestLogsHaveNoQueriesAndNoPatients(t *testing.T) {
	w := newWorld(t)
	b := w.as("nurse")
	b.do("GET", "/api/v1/patients/p-demo-01", nil)
	b.do("GET", "/api/v1/beds/ward-1-bed-01/history?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z", nil)
	b.do("POST", "/api/v1/patients", map[string]any{"name": "Greta Geheim", "sex": "female", "record": "MRN-4711"})
	logs := w.logs.String()
	for _, bad := range []string{"Geheim", "4711", "Ada Brook", "2026-01-01", "p-demo-01", registry.DemoPassword + `"`} {
		if strings.Contains(logs, bad) {
			t.Errorf("the log contains %q", bad)
		}
	}
	if !strings.Contains(logs, `"route":"GET /api/v1/patients/{patient}"`) || !strings.Contains(logs, `"user":"nurse"`) {
		t.Errorf("the log does not name route and user:\n%s", logs)
	}
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	w := newWorld(t)
	b := w.as("nurse")
	b.do("GET", "/api/v1/beds/ward-1-bed-01/latest", nil)
	families, err := w.prom.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "monitorme_cloud_api_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["route"] == "GET /api/v1/beds/{bed}/latest" && labels["status"] == "200" && m.GetCounter().GetValue() == 1 {
				return
			}
		}
	}
	t.Error("the request was not counted under its route")
}

func TestPatientsAreAdmittedMovedAndDischarged(t *testing.T) {
	w := newWorld(t)
	b := w.as("nurse")
	resp, body := b.do("POST", "/api/v1/patients", map[string]any{"name": "New Comer", "born": "1980-02-03", "sex": "other"})
	var p Patient
	if resp.StatusCode != 201 || json.Unmarshal([]byte(body), &p) != nil || p.Initials != "NC" || p.Record != nil || p.Bed != nil {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	var waiting []Patient
	if b.get("/api/v1/patients?elsewhere=true", &waiting); len(waiting) != 1 || waiting[0].ID != p.ID {
		t.Errorf("waiting: %+v", waiting)
	}
	if resp, body = b.do("DELETE", "/api/v1/beds/ward-1-bed-01/patient", nil); resp.StatusCode != 204 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	resp, body = b.do("PUT", "/api/v1/beds/ward-1-bed-01/patient", map[string]any{"patient": p.ID})
	var bed Bed
	if resp.StatusCode != 200 || json.Unmarshal([]byte(body), &bed) != nil || bed.Patient == nil || bed.Patient.ID != p.ID {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if resp, body = b.do("POST", "/api/v1/beds/ward-1-bed-01/swap", map[string]any{"bed": "ward-1-bed-02"}); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if resp, body = b.do("PATCH", "/api/v1/patients/"+string(p.ID), map[string]any{"name": "Newer Comer"}); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	b.get("/api/v1/patients/"+string(p.ID), &p)
	if p.Name != "Newer Comer" || *p.Born != "1980-02-03" || *p.Bed != "ward-1-bed-02" {
		t.Errorf("%+v", p)
	}
	var recs []registry.AuditRecord
	w.as("admin").get("/api/v1/audit?limit=1000", &recs)
	for _, want := range []string{"patient.create", "bed.unassign", "bed.assign", "bed.swap", "patient.update", "patients", "login"} {
		if !slices.ContainsFunc(recs, func(r registry.AuditRecord) bool {
			return r.Action == want && r.User == "nurse" && r.Outcome == "ok" && r.Correlation != ""
		}) {
			t.Errorf("the audit log has no %s", want)
		}
	}
}

func TestAdministration(t *testing.T) {
	w := newWorld(t)
	b := w.as("admin")
	for _, c := range []struct {
		status       int
		method, path string
		body         any
	}{
		{201, "POST", "/api/v1/units", map[string]any{"id": "ward-3", "name": "Ward 3"}},
		{409, "POST", "/api/v1/units", map[string]any{"id": "ward-3", "name": "Ward 3"}},
		{200, "PUT", "/api/v1/units/ward-3", map[string]any{"name": "Ward Three"}},
		{201, "POST", "/api/v1/beds", map[string]any{"id": "w3-1", "unit": "ward-3", "label": "1"}},
		{200, "PUT", "/api/v1/beds/w3-1", map[string]any{"unit": "ward-3", "label": "One"}},
		{201, "POST", "/api/v1/boxes", map[string]any{"id": "box-99", "unit": "ward-3", "serial": "S"}},
		{200, "PUT", "/api/v1/boxes/box-99/bed", map[string]any{"bed": "w3-1"}},
		{200, "PUT", "/api/v1/boxes/box-99", map[string]any{"unit": "ward-3", "revoked": true}},
		{422, "POST", "/api/v1/users", map[string]any{"user": "eve", "name": "Eve", "role": "nurse", "units": []string{"ward-3"}, "password": "short"}},
		{201, "POST", "/api/v1/users", map[string]any{"user": "eve", "name": "Eve", "role": "nurse", "units": []string{"ward-3"}, "password": "long enough"}},
		{409, "POST", "/api/v1/users", map[string]any{"user": "eve", "name": "Eve", "role": "nurse", "units": []string{"ward-3"}, "password": "long enough"}},
		{200, "PUT", "/api/v1/users/eve", map[string]any{"name": "Eve", "role": "doctor", "units": []string{"ward-3"}}},
		{409, "PUT", "/api/v1/users/admin", map[string]any{"name": "A", "role": "nurse", "units": []string{"*"}}},
		{200, "GET", "/api/v1/users", nil},
		{200, "GET", "/api/v1/audit/verify", nil},
	} {
		if resp, body := b.do(c.method, c.path, c.body); resp.StatusCode != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, resp.StatusCode, body, c.status)
		} else if strings.Contains(body, "long enough") || strings.Contains(body, "argon2") {
			t.Errorf("%s %s gives the password away", c.method, c.path)
		}
	}
	w.hub.ObserveState(protocol.BoxState{Box: "box-99", Online: true, Version: "1.2", Session: 1}, time.Now())
	var boxes []Box
	b.get("/api/v1/boxes", &boxes)
	i := slices.IndexFunc(boxes, func(x Box) bool { return x.ID == "box-99" })
	if i < 0 || !boxes[i].Online || boxes[i].Version != "1.2" || *boxes[i].Bed != "w3-1" || !boxes[i].Revoked {
		t.Errorf("boxes: %+v", boxes)
	}
}

func TestAlarmsAreListedAndAcknowledged(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.alerts.list = []Alert{
		{ID: "alert-1", Unit: "ward-1", Bed: "ward-1-bed-07", State: "active", Priority: "high", Kind: "physiological", Started: now.Add(-time.Minute)},
		{ID: "alert-0", Unit: "ward-1", Bed: "ward-1-bed-07", State: "ended", Started: now.Add(-time.Hour)},
	}
	b := w.as("nurse")
	var alerts []Alert
	if b.get("/api/v1/alerts?unit=ward-1", &alerts); len(alerts) != 1 {
		t.Errorf("active: %+v", alerts)
	}
	if b.get("/api/v1/alerts?unit=ward-1&state=all", &alerts); len(alerts) != 2 {
		t.Errorf("all: %+v", alerts)
	}
	var latest Latest
	if b.get("/api/v1/beds/ward-1-bed-07/latest", &latest); len(latest.Alerts) != 1 || latest.Patient.Initials == "" {
		t.Errorf("latest: %+v", latest)
	}
	resp, body := b.do("POST", "/api/v1/alerts/alert-1/acknowledge", nil)
	if resp.StatusCode != 200 || !strings.Contains(body, `"acknowledged_by":"nurse"`) || !strings.Contains(body, `"value":null`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	// Alarms that cannot be read are null, never an empty list.
	w.alerts.broken = errors.New("disk gone")
	if _, body := b.do("GET", "/api/v1/beds/ward-1-bed-07/latest", nil); !strings.Contains(body, `"alerts":null`) {
		t.Errorf("without alarms: %s", body)
	}
	b.problem(500, "GET", "/api/v1/alerts?unit=ward-1", nil)
}
