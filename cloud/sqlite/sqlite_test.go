package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

var first = fstest.MapFS{"00001_init.sql": {Data: []byte("-- +goose Up\nCREATE TABLE bed (id TEXT PRIMARY KEY) STRICT;\n")}}

func open(t *testing.T, file string) *DB {
	t.Helper()
	db, err := Open(t.Context(), file, first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestEveryConnectionIsDurable(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a", "x.db"))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		var w, r string
		if err := db.Write.QueryRow("PRAGMA " + pragma).Scan(&w); err != nil {
			t.Fatal(err)
		}
		if err := db.Read.QueryRow("PRAGMA " + pragma).Scan(&r); err != nil {
			t.Fatal(err)
		}
		if w != want || r != want {
			t.Errorf("%s is %s for the writer, %s for readers, want %s", pragma, w, r, want)
		}
	}
}

func TestOnlyTheOwnerReadsAndReadersCannotWrite(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	if _, err := db.Write.Exec("INSERT INTO bed VALUES ('1')"); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{db.Path, db.Path + "-wal"} {
		if st, err := os.Stat(f); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, st, err)
		}
	}
	if _, err := db.Read.Exec("INSERT INTO bed VALUES ('2')"); err == nil {
		t.Error("a reader wrote")
	}
	if _, err := db.Write.Exec("INSERT INTO bed VALUES ('1')"); !Refused(err) {
		t.Errorf("a duplicate: %v", err)
	}
	if Refused(nil) || Unreadable(nil) {
		t.Error("no error is none")
	}
}

func TestWhatWasWrittenIsThereAfterOpeningAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	db := open(t, file)
	if _, err := db.Write.Exec("INSERT INTO bed VALUES ('1')"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	var id string
	if err := open(t, file).Read.QueryRow("SELECT id FROM bed").Scan(&id); err != nil || id != "1" {
		t.Error(id, err)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	db := open(t, file)
	if _, err := db.Write.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := Open(t.Context(), file, first); err == nil || Unreadable(err) || !strings.Contains(err.Error(), "newer") {
		t.Errorf("%v", err)
	}
}

func TestWhatIsNoDatabaseIsUnreadable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	text := strings.Repeat("not a database ", 1000)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), file, first); !Unreadable(err) || Refused(err) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != text {
		t.Error("it was changed", err)
	}
	if _, err := Open(t.Context(), filepath.Join(file, "x.db"), first); err == nil || Unreadable(err) {
		t.Errorf("below a file: %v", err)
	}
}
