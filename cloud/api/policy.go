package api

import (
	"fmt"
	"slices"
	"strings"

	"monitorme/cloud/registry"
)

// An action is something that staff do. Every route has one, and policy says
// who may.
type action string

const (
	actSession      action = "session"
	actNomenclature action = "nomenclature"
	actUnits        action = "units"
	actBeds         action = "beds"
	actLatest       action = "latest"
	actHistory      action = "history"
	actWaves        action = "waves"
	actStream       action = "stream"
	actAlerts       action = "alerts"
	actAcknowledge  action = "alert.acknowledge"
	actPatients     action = "patients"
	actPatientWrite action = "patient.write"
	actAssign       action = "bed.assign"
	actBoxes        action = "boxes"
	actBoxWrite     action = "box.write"
	actWardWrite    action = "ward.write"
	actUsers        action = "users"
	actAudit        action = "audit"
)

// A permission says who may do one thing.
type permission struct {
	action action
	roles  []registry.Role
	scoped bool // only for the user's own units
	// station allows it in a station session, which has nobody in front of it
	// who has just signed in.
	station bool
	says    string // what it is, for docs/SECURITY.md
}

var (
	everyone  = registry.Roles
	clinical  = []registry.Role{registry.RoleNurse, registry.RoleDoctor}
	clinAdmin = []registry.Role{registry.RoleNurse, registry.RoleDoctor, registry.RoleAdmin}
	technical = []registry.Role{registry.RoleTechnician, registry.RoleAdmin}
	admin     = []registry.Role{registry.RoleAdmin}
)

// policy is the whole of who may do what. What is not in it is forbidden.
var policy = []permission{
	{actSession, everyone, false, true, "see and end the own session, change the own password"},
	{actNomenclature, everyone, false, true, "see the table of signs and codes"},
	{actUnits, everyone, true, true, "list units"},
	{actBeds, everyone, true, true, "list beds; a technician sees them without patients"},
	{actLatest, clinical, true, true, "see the latest values of a bed or unit"},
	{actStream, clinical, true, true, "watch a unit live"},
	{actHistory, clinical, true, true, "see the history of a bed or patient"},
	{actWaves, clinical, true, true, "see the waveforms of a bed"},
	{actAlerts, clinical, true, true, "list alarms"},
	{actAcknowledge, clinical, true, true, "acknowledge an alarm"},
	{actPatients, clinAdmin, true, false, "list patients and see one"},
	{actPatientWrite, []registry.Role{registry.RoleNurse, registry.RoleAdmin}, true, false, "admit a patient, correct a patient's data"},
	{actAssign, clinAdmin, true, false, "lay a patient in a bed, move, swap, discharge"},
	{actBoxes, technical, true, false, "list boxes, their states and where they stand"},
	{actBoxWrite, technical, true, false, "register, place and revoke boxes"},
	{actWardWrite, admin, true, false, "make and change units and beds"},
	{actUsers, admin, false, false, "list, make, change and disable users"},
	{actAudit, admin, false, false, "read and verify the audit log"},
}

func permissionFor(a action) (permission, bool) {
	i := slices.IndexFunc(policy, func(p permission) bool { return p.action == a })
	if i < 0 {
		return permission{}, false
	}
	return policy[i], true
}

// policyTable is the policy as a Markdown table.
func policyTable() string {
	var b strings.Builder
	b.WriteString("| action | what | nurse | doctor | technician | admin | own units only | in a station session |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	mark := func(yes bool) string {
		if yes {
			return "yes"
		}
		return "–"
	}
	for _, p := range policy {
		fmt.Fprintf(&b, "| `%s` | %s |", p.action, p.says)
		for _, r := range registry.Roles {
			fmt.Fprintf(&b, " %s |", mark(slices.Contains(p.roles, r)))
		}
		fmt.Fprintf(&b, " %s | %s |\n", mark(p.scoped), mark(p.station))
	}
	return b.String()
}
