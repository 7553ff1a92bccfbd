// Package registry owns who is where: units, beds, boxes, patients, the
// assignment intervals between them, the staff and their roles, sessions, and
// the audit log. It keeps them in SQLite.
//
// Who stands and lies where now is a Snapshot, read without a lock and
// replaced as a whole at each change. The past is asked of the database by
// interval, so a reading that comes late lands on the patient who lay there
// when it was measured. The database refuses overlapping intervals.
//
// A Registry serves one process; across processes a Client speaks to its
// Handler and offers the same methods. The package decides nothing about who
// may do what: that is package api's.
package registry

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"monitorme/protocol"
)

// BedID names a bed. Same alphabet as protocol.BoxID.
type BedID string

// PatientID is the registry's own pseudonym of a patient, never a record number.
type PatientID string

// A Placement says at which bed a box stands, from and to. To is zero while it
// still stands there.
type Placement struct {
	Box   protocol.BoxID  `json:"box"`
	Unit  protocol.UnitID `json:"unit"`
	Bed   BedID           `json:"bed"`
	Label string          `json:"label"` // what staff call the bed
	From  time.Time       `json:"from"`
	To    time.Time       `json:"to,omitzero"`
}

// An Assignment says which patient lies in a bed, from and to. To is zero
// while the patient still lies there.
type Assignment struct {
	Bed     BedID     `json:"bed"`
	Patient PatientID `json:"patient"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to,omitzero"`
}

// A Unit is a ward.
type Unit struct {
	ID   protocol.UnitID `json:"id"`
	Name string          `json:"name"`
}

// A Bed is a place of care in a unit.
type Bed struct {
	ID    BedID           `json:"id"`
	Unit  protocol.UnitID `json:"unit"`
	Label string          `json:"label"`
}

// A Box is a known box. Revoked ones are never served again.
type Box struct {
	ID     protocol.BoxID  `json:"id"`
	Unit   protocol.UnitID `json:"unit"`
	Serial string          `json:"serial"`
	// Fingerprint is the SHA-256 of its client certificate in lower-case hex;
	// "" accepts any certificate of the site's CA with the box's name.
	Fingerprint string `json:"fingerprint"`
	Revoked     bool   `json:"revoked"`
}

// A Patient is a person under care. Name, Born and Record are never logged:
// a Patient logs as its pseudonym.
type Patient struct {
	ID     PatientID `json:"id"`
	Name   string    `json:"name"`
	Born   string    `json:"born"` // YYYY-MM-DD, "" if unknown
	Sex    string    `json:"sex"`  // female, male, other or unknown, as in FHIR
	Record string    `json:"record"`
}

// LogValue keeps everything but the pseudonym out of logs.
func (p Patient) LogValue() slog.Value { return slog.StringValue(string(p.ID)) }

// Initials are the first letters of the words of the name, at most three.
func (p Patient) Initials() string {
	var b strings.Builder
	n := 0
	for _, w := range strings.FieldsFunc(p.Name, func(r rune) bool { return unicode.IsSpace(r) || r == '-' || r == ',' }) {
		r, _ := utf8.DecodeRuneInString(w)
		if n == 3 {
			break
		}
		if unicode.IsLetter(r) {
			b.WriteRune(unicode.ToUpper(r))
			n++
		}
	}
	return b.String()
}

// A Role is what a member of staff may do, in general.
type Role string

const (
	RoleNurse      Role = "nurse"
	RoleDoctor     Role = "doctor"
	RoleTechnician Role = "technician"
	RoleAdmin      Role = "admin"
)

// Roles are all roles.
var Roles = []Role{RoleNurse, RoleDoctor, RoleTechnician, RoleAdmin}

// AllUnits in User.Units stands for every unit, also later ones.
const AllUnits protocol.UnitID = "*"

// A User is a member of staff.
type User struct {
	Name               string            `json:"name"`
	Display            string            `json:"display"`
	Role               Role              `json:"role"`
	Units              []protocol.UnitID `json:"units"`
	MustChangePassword bool              `json:"must_change_password"`
	Disabled           bool              `json:"disabled"`
	Demo               bool              `json:"demo"` // made by SeedDemo: its password is public
	// Epoch grows when password, role or units change or the user is disabled;
	// a session of an older epoch is over.
	Epoch int64 `json:"epoch"`
}

// Covers reports whether unit is in the user's scope.
func (u User) Covers(unit protocol.UnitID) bool {
	return slices.Contains(u.Units, unit) || slices.Contains(u.Units, AllUnits)
}

// Errors that callers tell apart. What is returned wraps one of them and says
// in plain words what is wrong and what is allowed.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
	ErrInvalid  = errors.New("invalid")
	// ErrDenied is a wrong name or password, or a disabled user: never which.
	ErrDenied = errors.New("denied")
)

// Detail is err without the sentinel it wraps: a sentence for people.
func Detail(err error) string {
	if k, ok := errors.AsType[*kindError](err); ok {
		return k.detail
	}
	return err.Error()
}

type kindError struct {
	kind   error
	detail string
}

func (e *kindError) Error() string { return e.detail }
func (e *kindError) Unwrap() error { return e.kind }

func fail(kind error, format string, args ...any) error {
	return &kindError{kind: kind, detail: fmt.Sprintf(format, args...)}
}

func checkText(what, s string, maxLen int, required bool) error {
	switch {
	case required && strings.TrimSpace(s) == "":
		return fail(ErrInvalid, "%s is empty: give 1 to %d characters", what, maxLen)
	case utf8.RuneCountInString(s) > maxLen:
		return fail(ErrInvalid, "%s is longer than %d characters: shorten it", what, maxLen)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fail(ErrInvalid, "%s contains control characters: remove them", what)
	}
	return nil
}

func checkID(what, id string) error {
	if err := protocol.CheckID(what, id); err != nil {
		return fail(ErrInvalid, "%v", err)
	}
	return nil
}
