-- +goose Up
-- Times are microseconds since 1970, UTC. An interval is [from_us, to_us);
-- to_us is NULL while it lasts.

CREATE TABLE units (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE beds (
    id    TEXT PRIMARY KEY,
    unit  TEXT NOT NULL REFERENCES units (id),
    label TEXT NOT NULL
) STRICT;

CREATE TABLE boxes (
    id          TEXT PRIMARY KEY,
    unit        TEXT NOT NULL REFERENCES units (id),
    serial      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    revoked     INTEGER NOT NULL CHECK (revoked IN (0, 1))
) STRICT;

CREATE TABLE patients (
    id     TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    born   TEXT NOT NULL,
    sex    TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX patients_record ON patients (record) WHERE record <> '';

CREATE TABLE placements (
    id      INTEGER PRIMARY KEY,
    box     TEXT NOT NULL REFERENCES boxes (id),
    bed     TEXT NOT NULL REFERENCES beds (id),
    from_us INTEGER NOT NULL,
    to_us   INTEGER CHECK (to_us > from_us)
) STRICT;
CREATE INDEX placements_box ON placements (box, from_us);
CREATE INDEX placements_bed ON placements (bed, from_us);

CREATE TABLE assignments (
    id      INTEGER PRIMARY KEY,
    bed     TEXT NOT NULL REFERENCES beds (id),
    patient TEXT NOT NULL REFERENCES patients (id),
    from_us INTEGER NOT NULL,
    to_us   INTEGER CHECK (to_us > from_us)
) STRICT;
CREATE INDEX assignments_bed ON assignments (bed, from_us);
CREATE INDEX assignments_patient ON assignments (patient, from_us);

-- One box per bed and one bed per box, one patient per bed and one bed per
-- patient, at any instant: the database itself refuses anything else.

-- +goose StatementBegin
CREATE TRIGGER placements_insert BEFORE INSERT ON placements BEGIN
    SELECT RAISE(ABORT, 'overlap') WHERE EXISTS (
        SELECT 1 FROM placements p WHERE (p.box = NEW.box OR p.bed = NEW.bed)
        AND (p.to_us IS NULL OR p.to_us > NEW.from_us) AND (NEW.to_us IS NULL OR p.from_us < NEW.to_us));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER placements_update BEFORE UPDATE ON placements BEGIN
    SELECT RAISE(ABORT, 'overlap') WHERE EXISTS (
        SELECT 1 FROM placements p WHERE p.id <> NEW.id AND (p.box = NEW.box OR p.bed = NEW.bed)
        AND (p.to_us IS NULL OR p.to_us > NEW.from_us) AND (NEW.to_us IS NULL OR p.from_us < NEW.to_us));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER assignments_insert BEFORE INSERT ON assignments BEGIN
    SELECT RAISE(ABORT, 'overlap') WHERE EXISTS (
        SELECT 1 FROM assignments a WHERE (a.bed = NEW.bed OR a.patient = NEW.patient)
        AND (a.to_us IS NULL OR a.to_us > NEW.from_us) AND (NEW.to_us IS NULL OR a.from_us < NEW.to_us));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER assignments_update BEFORE UPDATE ON assignments BEGIN
    SELECT RAISE(ABORT, 'overlap') WHERE EXISTS (
        SELECT 1 FROM assignments a WHERE a.id <> NEW.id AND (a.bed = NEW.bed OR a.patient = NEW.patient)
        AND (a.to_us IS NULL OR a.to_us > NEW.from_us) AND (NEW.to_us IS NULL OR a.from_us < NEW.to_us));
END;
-- +goose StatementEnd

CREATE TABLE users (
    name                 TEXT PRIMARY KEY,
    display              TEXT NOT NULL,
    role                 TEXT NOT NULL CHECK (role IN ('nurse', 'doctor', 'technician', 'admin')),
    units                TEXT NOT NULL, -- JSON list; ["*"] is every unit
    hash                 TEXT NOT NULL, -- argon2id
    must_change_password INTEGER NOT NULL,
    disabled             INTEGER NOT NULL,
    demo                 INTEGER NOT NULL,
    epoch                INTEGER NOT NULL -- grows when sessions must end
) STRICT;

CREATE TABLE sessions (
    token      TEXT PRIMARY KEY, -- SHA-256 of what the cookie holds
    data       BLOB NOT NULL,
    expiry_us  INTEGER NOT NULL,
    idle_us    INTEGER NOT NULL  -- ends here unless touched before
) STRICT;

CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY,
    at_us       INTEGER NOT NULL,
    user        TEXT NOT NULL,
    role        TEXT NOT NULL,
    action      TEXT NOT NULL,
    object      TEXT NOT NULL,
    patient     TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    address     TEXT NOT NULL,
    correlation TEXT NOT NULL,
    hash        BLOB NOT NULL -- SHA-256 over the hash before and this record
) STRICT;
CREATE INDEX audit_at ON audit (at_us);

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
