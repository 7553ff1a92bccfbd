// Package registry owns who is where: units, beds, boxes, patients, the
// assignment intervals between them, the staff and their roles, sessions, and
// the audit log. It keeps them in SQLite.
package registry

import (
	"time"

	"monitorme/protocol"
)

// BedID names a bed. Same alphabet as protocol.BoxID.
type BedID string

// PatientID is the registry's own pseudonym of a patient, never a record number.
type PatientID string

// A Placement says at which bed a box stands, from and to. To is zero while it
// still stands there.
type Placement struct {
	Box   protocol.BoxID
	Unit  protocol.UnitID
	Bed   BedID
	Label string // what staff call the bed
	From  time.Time
	To    time.Time
}

// An Assignment says which patient lies in a bed, from and to. To is zero
// while the patient still lies there.
type Assignment struct {
	Bed     BedID
	Patient PatientID
	From    time.Time
	To      time.Time
}
