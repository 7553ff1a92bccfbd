package alert

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"monitorme/cloud/sqlite"
	"monitorme/protocol"
)

//go:embed migrations/*.sql
var migrations embed.FS

// A journal is the log on disk. Changes are added without waiting and written
// by run in grouped commits.
type journal struct {
	path string
	keep time.Duration
	log  *slog.Logger
	now  func() time.Time
	db   *sqlite.DB
	rd   *sql.DB // of db
	wr   *sql.DB

	queue   chan entry
	lost    atomic.Uint64 // changes that found the queue full
	refused atomic.Uint64 // entries that can never be written
	written atomic.Uint64
	problem atomic.Pointer[string] // why the last commit failed, nil if it did not
}

// An entry is one change of an alarm, or the state of a box.
type entry struct {
	record *Record
	what   string
	at     time.Time

	box   protocol.BoxID
	state []byte
}

func openJournal(ctx context.Context, cfg Config, log *slog.Logger, now func() time.Time) (*journal, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(cfg.Dir, "alert.db")
	db, err := sqlite.Open(ctx, path, files)
	if sqlite.Unreadable(err) { // a full disk or a newer schema is for the operator
		if err := setAside(path, now(), log, err); err != nil {
			return nil, err
		}
		db, err = sqlite.Open(ctx, path, files)
	}
	if err != nil {
		return nil, fmt.Errorf("alarm log: %w", err)
	}
	return &journal{path: db.Path, db: db, rd: db.Read, wr: db.Write, keep: cfg.Keep, log: log, now: now, queue: make(chan entry, cfg.Queue)}, nil
}

// setAside renames an unreadable log, which must not keep alarms from being
// raised. It is never deleted.
func setAside(path string, now time.Time, log *slog.Logger, why error) error {
	aside := fmt.Sprintf("%s.unreadable-%d", path, now.Unix())
	log.Error("alarm log unreadable, set aside: restore it from a backup or keep it for inquiry", "path", path, "aside", aside, "err", why)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set aside alarm log: %w", err)
		}
	}
	return nil
}

func (j *journal) close() error { return j.db.Close() }

// add queues an entry, or counts it as lost: alarms never wait for the log.
func (j *journal) add(en entry) bool {
	select {
	case j.queue <- en:
		return true
	default:
		if en.record != nil {
			j.lost.Add(1)
		}
		return false
	}
}

// behind reports, once, that changes were lost and that there is room again.
func (j *journal) behind(resent *uint64) bool {
	lost := j.lost.Load()
	if lost == *resent || len(j.queue) > cap(j.queue)/4 || j.problem.Load() != nil {
		return false
	}
	*resent = lost
	return true
}

const (
	maxGroup  = 1000
	retryLow  = 100 * time.Millisecond
	retryHigh = 30 * time.Second
	drainTime = 5 * time.Second
)

// run writes entries until stop is closed, then what is left. A commit that
// fails is tried again until it succeeds.
func (j *journal) run(stop <-chan struct{}) {
	group := make([]entry, 0, maxGroup)
	prune := time.NewTicker(time.Hour)
	defer prune.Stop()
	for {
		select {
		case en := <-j.queue:
			group = append(group[:0], en)
		case <-prune.C:
			j.prune()
			continue
		case <-stop:
			j.drain(group[:0])
			return
		}
		group = j.more(group)
		if !j.persist(group, stop) {
			j.drain(group)
			return
		}
	}
}

// more fills a group with what waits.
func (j *journal) more(group []entry) []entry {
	for len(group) < maxGroup {
		select {
		case en := <-j.queue:
			group = append(group, en)
		default:
			return group
		}
	}
	return group
}

// persist commits a group, or reports false when it was stopped before that.
func (j *journal) persist(group []entry, stop <-chan struct{}) bool {
	for wait := retryLow; ; wait = min(2*wait, retryHigh) {
		err := j.commit(context.Background(), group)
		if err == nil {
			return true
		}
		j.log.Error("alarm log not written, trying again", "err", err, "waiting", len(j.queue)+len(group))
		select {
		case <-stop:
			return false
		case <-time.After(wait):
		}
	}
}

// drain writes what is left, as far as time allows.
func (j *journal) drain(group []entry) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	for group = j.more(group); len(group) > 0; group = j.more(group[:0]) {
		if err := j.commit(ctx, group); err != nil {
			j.log.Error("alarm log incomplete at stop", "err", err, "lost", len(j.queue)+len(group))
			return
		}
	}
}

func (j *journal) commit(ctx context.Context, group []entry) (err error) {
	defer func() {
		if err != nil {
			j.problem.Store(new(err.Error()))
			return
		}
		j.problem.Store(nil)
		j.written.Add(uint64(len(group)))
	}()
	tx, err := j.wr.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	for i := range group {
		err := write(ctx, tx, &group[i])
		if sqlite.Refused(err) { // it would hold up all others; the statement is undone, the transaction goes on
			j.refused.Add(1)
			j.log.Error("entry refused by the alarm log", "err", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func write(ctx context.Context, tx *sql.Tx, en *entry) error {
	if en.record == nil {
		_, err := tx.ExecContext(ctx, `INSERT INTO snapshots (box, at_us, state) VALUES (?, ?, ?)
			ON CONFLICT (box) DO UPDATE SET at_us = excluded.at_us, state = excluded.state`,
			en.box, en.at.UnixMicro(), en.state)
		if err != nil {
			return fmt.Errorf("snapshot of box %s: %w", en.box, err)
		}
		return nil
	}
	r := en.record
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("alarm %s: %w", r.ID, err)
	}
	who := ""
	if en.what == "acknowledged" || r.State != "active" {
		who = r.AcknowledgedBy
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO transitions (at_us, alarm, revision, what, who, rules, record)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (alarm, revision) DO NOTHING`,
		en.at.UnixMicro(), r.ID, r.Revision, en.what, who, r.Rules, string(text)); err != nil {
		return fmt.Errorf("transition of alarm %s: %w", r.ID, err)
	}
	standing := 0
	if r.Standing() {
		standing = 1
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO alarms (id, revision, unit, bed, box, standing, started_us, received_us, record)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, standing = excluded.standing, record = excluded.record
		WHERE excluded.revision > alarms.revision`,
		r.ID, r.Revision, r.CareUnit, r.Bed, r.Box, standing, r.Started.UnixMicro(), r.Received.UnixMicro(), string(text)); err != nil {
		return fmt.Errorf("alarm %s: %w", r.ID, err)
	}
	return nil
}

// prune deletes what is older than keep; alarms that stand stay.
func (j *journal) prune() {
	before := j.now().Add(-j.keep).UnixMicro()
	for _, q := range []string{"DELETE FROM transitions WHERE at_us < ?", "DELETE FROM alarms WHERE standing = 0 AND received_us < ?"} {
		if _, err := j.wr.Exec(q, before); err != nil {
			j.log.Warn("old alarms not deleted, trying again in an hour", "err", err)
		}
	}
}

func (j *journal) snapshots(ctx context.Context) (map[protocol.BoxID][]byte, error) {
	rows, err := j.rd.QueryContext(ctx, "SELECT box, state FROM snapshots")
	if err != nil {
		return nil, fmt.Errorf("read snapshots: %w", err)
	}
	defer rows.Close()
	out := map[protocol.BoxID][]byte{}
	for rows.Next() {
		var box protocol.BoxID
		var state []byte
		if err := rows.Scan(&box, &state); err != nil {
			return nil, fmt.Errorf("read snapshots: %w", err)
		}
		out[box] = state
	}
	return out, rows.Err()
}

func (j *journal) standing(ctx context.Context) ([]*Record, error) {
	return j.query(ctx, "SELECT record FROM alarms WHERE standing = 1 ORDER BY started_us, id")
}

func (j *journal) get(ctx context.Context, id string) (*Record, error) {
	rs, err := j.query(ctx, "SELECT record FROM alarms WHERE id = ?", id)
	if err == nil && len(rs) == 0 {
		return nil, fmt.Errorf("alarm %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return rs[0], nil
}

func (j *journal) query(ctx context.Context, q string, args ...any) ([]*Record, error) {
	rows, err := j.rd.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read alarm log: %w", err)
	}
	defer rows.Close()
	var out []*Record
	for rows.Next() {
		var text []byte
		r := new(Record)
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("read alarm log: %w", err)
		}
		if err := json.Unmarshal(text, r); err != nil {
			return nil, fmt.Errorf("read alarm log: %w", err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read alarm log: %w", err)
	}
	return out, nil
}
