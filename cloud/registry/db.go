package registry

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"monitorme/cloud/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config configures a Registry.
type Config struct {
	Dir string `yaml:"dir"` // holds registry.db and initial-admin-password
	// SessionIdle ends a session that nobody touched for so long.
	SessionIdle time.Duration `yaml:"session_idle"`
}

// Default keeps the database in data/cloud/registry and ends idle sessions
// after 15 minutes.
func Default() Config {
	return Config{Dir: "data/cloud/registry", SessionIdle: 15 * time.Minute}
}

// Validate names the first key that is wrong and what is allowed.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("registry.dir: empty, give a directory")
	}
	if c.SessionIdle < time.Minute || c.SessionIdle > 12*time.Hour {
		return fmt.Errorf("registry.session_idle: %s, want 1m to 12h", c.SessionIdle)
	}
	return nil
}

// A Registry is the open database. Its methods are safe for concurrent use.
type Registry struct {
	cfg  Config
	log  *slog.Logger
	now  func() time.Time // replaced in tests
	db   *sqlite.DB
	rd   *sql.DB // of db
	wr   *sql.DB
	cost argonCost

	writing sync.Mutex // held from begin to the new snapshot, so that snapshots follow commits
	snap    atomic.Pointer[Snapshot]
	changes broadcast

	hashing chan struct{} // bounds the memory of concurrent password checks
	touched touchTimes
	looks   lookTimes
}

// Open opens or makes the database under cfg.Dir, brings it to the newest
// schema, and makes the first administrator if there is no user: its random
// password is written to the file initial-admin-password, readable by the
// owner only.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Registry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, filepath.Join(cfg.Dir, "registry.db"), files)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	r := &Registry{cfg: cfg, log: log, now: time.Now, db: db, rd: db.Read, wr: db.Write, cost: defaultCost, hashing: make(chan struct{}, 2)}
	if err := r.start(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("registry %s: %w", db.Path, err)
	}
	return r, nil
}

func (r *Registry) start(ctx context.Context) error {
	if err := r.noteHead(ctx); err != nil {
		return err
	}
	if err := r.reload(ctx); err != nil {
		return err
	}
	return r.firstAdmin(ctx)
}

// Close closes the database. It may be called twice.
func (r *Registry) Close() error { return r.db.Close() }

// Ready reports whether the database answers.
func (r *Registry) Ready(ctx context.Context) error {
	var one int
	if err := r.rd.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("registry database: %w", err)
	}
	return nil
}

// write runs fn in a transaction.
func (r *Registry) write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.transact(ctx, fn)
}

// change runs fn in a transaction and then replaces the snapshot.
func (r *Registry) change(ctx context.Context, fn func(tx *sql.Tx) error) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.transact(ctx, fn); err != nil {
		return err
	}
	// Committed: whatever becomes of the caller, others must see it.
	return r.reload(context.WithoutCancel(ctx))
}

func (r *Registry) transact(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := r.wr.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// list runs a query and scans each row.
func list[T any](ctx context.Context, q querier, scan func(row interface{ Scan(...any) error }) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

func fromNullable(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return fromMicros(us.Int64)
}
