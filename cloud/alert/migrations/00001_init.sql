-- +goose Up
-- Times are microseconds since 1970, UTC, by the cloud's clock but for
-- started_us, which is when the box measured it.

-- What is known of each alarm now.
CREATE TABLE alarms (
    id          TEXT PRIMARY KEY,
    revision    INTEGER NOT NULL,
    unit        TEXT NOT NULL,
    bed         TEXT NOT NULL,
    box         TEXT NOT NULL,
    standing    INTEGER NOT NULL CHECK (standing IN (0, 1)), -- active or latched
    started_us  INTEGER NOT NULL,
    received_us INTEGER NOT NULL,
    record      TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX alarms_by_unit ON alarms (unit, started_us);
CREATE INDEX alarms_by_box ON alarms (box, started_us);
CREATE INDEX alarms_standing ON alarms (standing) WHERE standing = 1;

-- Every change of every alarm, in order. Never changed; deleted by age only.
CREATE TABLE transitions (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us    INTEGER NOT NULL,
    alarm    TEXT NOT NULL,
    revision INTEGER NOT NULL,
    what     TEXT NOT NULL,
    who      TEXT NOT NULL, -- user, '' if nobody
    rules    TEXT NOT NULL, -- version of the rules
    record   TEXT NOT NULL, -- JSON
    UNIQUE (alarm, revision)
) STRICT;
CREATE INDEX transitions_by_time ON transitions (at_us);

-- +goose StatementBegin
CREATE TRIGGER transitions_are_final BEFORE UPDATE ON transitions
BEGIN
    SELECT RAISE(ABORT, 'a transition is never changed');
END;
-- +goose StatementEnd

-- The state of each box's rules, to go on after a restart.
CREATE TABLE snapshots (
    box   TEXT PRIMARY KEY,
    at_us INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
