// Package sqlite opens the database files of the cloud's modules: durable, for
// one writer and several readers, readable by the owner only, and at the newest
// schema. What is in them is the business of the modules; each has a file of
// its own.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// readers is how many queries may run at a time.
const readers = 4

// A DB is an open database file. It is safe for concurrent use.
type DB struct {
	Path  string  // absolute
	Read  *sql.DB // several connections, which cannot write
	Write *sql.DB // one connection; a transaction has the write lock from its beginning
	once  sync.Once
}

// Open opens or makes a file, and its directory, and brings it to the newest
// schema: migrations holds goose's numbered SQL files. A commit is on the disk
// when it returns. A file with a schema newer than migrations is refused, and
// one that is none of SQLite's gives an error for which Unreadable is true; both
// are left as they are.
func Open(ctx context.Context, file string, migrations fs.FS) (*DB, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", file, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("directory of database %s: %w", path, err)
	}
	// SQLite gives its journal files the mode of the database.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	f.Close()
	db := &DB{Path: path}
	if db.Write, err = connect(path, 1, "_txlock=immediate"); err != nil {
		return nil, err
	}
	if db.Read, err = connect(path, readers, "_pragma=query_only(1)"); err != nil {
		db.Write.Close()
		return nil, err
	}
	if err := migrate(ctx, db.Write, migrations); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return db, nil
}

func connect(path string, conns int, extra string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String()+
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=synchronous(FULL)&"+extra)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > want {
		return fmt.Errorf("schema version %d is newer than this program knows (%d): start the newer program, or restore a backup", have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Close closes all connections. It may be called twice.
func (db *DB) Close() (err error) {
	db.once.Do(func() { err = errors.Join(db.Read.Close(), db.Write.Close()) })
	return err
}

// Unreadable reports whether an error says that a file is damaged or no
// database.
func Unreadable(err error) bool { return is(err, codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB) }

// Refused reports whether an error says that the data will not do, so that
// trying again is no use.
func Refused(err error) bool { return is(err, codes.SQLITE_CONSTRAINT, codes.SQLITE_MISMATCH) }

func is(err error, a, b int) bool {
	e, ok := errors.AsType[*driver.Error](err)
	return ok && (e.Code()&0xff == a || e.Code()&0xff == b)
}
