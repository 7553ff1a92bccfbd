package registry

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/crypto/argon2"

	"monitorme/protocol"
)

// MinPassword is the least number of bytes of a password that staff choose,
// MaxPassword the most.
const (
	MinPassword = 10
	MaxPassword = 256
)

const selectUsers = "SELECT name, display, role, units, must_change_password, disabled, demo, epoch FROM users"

func scanUser(r row) (u User, err error) {
	var units string
	if err := r.Scan(&u.Name, &u.Display, &u.Role, &units, &u.MustChangePassword, &u.Disabled, &u.Demo, &u.Epoch); err != nil {
		return u, err
	}
	return u, json.Unmarshal([]byte(units), &u.Units)
}

// User finds a member of staff.
func (r *Registry) User(ctx context.Context, name string) (User, error) {
	u, err := one(ctx, r.rd, scanUser, selectUsers+" WHERE name = ?", name)
	return u, missing(err, "user", name)
}

// Users lists all staff by name.
func (r *Registry) Users(ctx context.Context) ([]User, error) {
	return list(ctx, r.rd, scanUser, selectUsers+" ORDER BY name")
}

// PutUser makes a member of staff, or changes one; a password that is given
// replaces the old one. Demo and Epoch are ignored. A change of password,
// role or units, or disabling, ends the user's sessions. The last active
// administrator stays one.
func (r *Registry) PutUser(ctx context.Context, u User, password string) error {
	u.Demo = false
	if err := checkUser(u); err != nil {
		return err
	}
	if password != "" {
		if err := checkPassword(password); err != nil {
			return err
		}
	}
	return r.putUser(ctx, u, password)
}

func checkUser(u User) error {
	if err := errors.Join(checkID("user", u.Name), checkText("the user's full name", u.Display, 100, true)); err != nil {
		return err
	}
	if !slices.Contains(Roles, u.Role) {
		return fail(ErrInvalid, "role %q is not one of nurse, doctor, technician, admin", u.Role)
	}
	if len(u.Units) == 0 || len(u.Units) > 200 {
		return fail(ErrInvalid, `units: name 1 to 200 units, or "*" for all`)
	}
	for _, unit := range u.Units {
		if unit != AllUnits && protocol.CheckID("unit", string(unit)) != nil {
			return fail(ErrInvalid, `unit %q: not a unit's id; "*" is every unit`, unit)
		}
	}
	return nil
}

func checkPassword(p string) error {
	if len(p) < MinPassword || len(p) > MaxPassword {
		return fail(ErrInvalid, "the password has a wrong length: choose one of %d to %d bytes", MinPassword, MaxPassword)
	}
	return nil
}

func (r *Registry) putUser(ctx context.Context, u User, password string) error {
	units, err := json.Marshal(u.Units)
	if err != nil {
		return err
	}
	var hash string
	if password != "" {
		if hash, err = r.hash(ctx, password); err != nil {
			return err
		}
	}
	return r.write(ctx, func(tx *sql.Tx) error {
		old, err := one(ctx, tx, scanUser, selectUsers+" WHERE name = ?", u.Name)
		if errors.Is(err, sql.ErrNoRows) {
			if hash == "" {
				return fail(ErrInvalid, "a new user needs a password of %d to %d bytes", MinPassword, MaxPassword)
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO users (name, display, role, units, hash, must_change_password, disabled, demo, epoch)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)`, u.Name, u.Display, u.Role, string(units), hash, u.MustChangePassword, u.Disabled, u.Demo)
			return err
		}
		if err != nil {
			return err
		}
		if old.Role == RoleAdmin && !old.Disabled && (u.Role != RoleAdmin || u.Disabled) {
			var others int
			if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM users WHERE role = 'admin' AND disabled = 0 AND name <> ?", u.Name).Scan(&others); err != nil {
				return err
			}
			if others == 0 {
				return fail(ErrConflict, "%q is the last active administrator: make another one first", u.Name)
			}
		}
		epoch := old.Epoch
		if hash != "" || u.Disabled != old.Disabled || u.Role != old.Role || !slices.Equal(u.Units, old.Units) {
			epoch++
		}
		_, err = tx.ExecContext(ctx, `UPDATE users SET display = ?, role = ?, units = ?, hash = CASE ? WHEN '' THEN hash ELSE ? END,
			must_change_password = ?, disabled = ?, demo = ?, epoch = ? WHERE name = ?`,
			u.Display, u.Role, string(units), hash, hash, u.MustChangePassword, u.Disabled, u.Demo || old.Demo && hash == "", epoch, u.Name)
		return err
	})
}

// Authenticate checks a name and password. Every failure is ErrDenied and
// takes the same time: an unknown name costs a hash too.
func (r *Registry) Authenticate(ctx context.Context, name, password string) (User, error) {
	denied := fail(ErrDenied, "name or password is wrong, or the account is disabled")
	if len(password) > MaxPassword {
		return User{}, denied
	}
	var hash string
	u, err := r.User(ctx, name)
	known := err == nil
	switch {
	case known:
		if err := r.rd.QueryRowContext(ctx, "SELECT hash FROM users WHERE name = ?", name).Scan(&hash); err != nil {
			return User{}, fmt.Errorf("read password hash: %w", err)
		}
	case errors.Is(err, ErrNotFound):
		if hash, err = r.decoy(ctx); err != nil {
			return User{}, err
		}
	default:
		return User{}, err
	}
	ok, err := r.verify(ctx, hash, password)
	if err != nil {
		return User{}, err
	}
	if !ok || !known || u.Disabled {
		return User{}, denied
	}
	return u, nil
}

// ChangePassword replaces a user's own password and ends the user's sessions.
func (r *Registry) ChangePassword(ctx context.Context, name, old, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	if old == password {
		return fail(ErrInvalid, "the new password is the old one: choose another")
	}
	if _, err := r.Authenticate(ctx, name, old); err != nil {
		return err
	}
	hash, err := r.hash(ctx, password)
	if err != nil {
		return err
	}
	return r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE users SET hash = ?, must_change_password = 0, demo = 0, epoch = epoch + 1 WHERE name = ?", hash, name)
		return err
	})
}

// argonCost is the cost of argon2id: RFC 9106 parameters sized so that a check
// takes tens of milliseconds on a small server.
type argonCost struct {
	memoryKiB, passes uint32
	lanes             uint8
}

var defaultCost = argonCost{memoryKiB: 19 << 10, passes: 2, lanes: 1}

const hashFormat = "$argon2id$v=19$m=%d,t=%d,p=%d$%s"

// slot waits for the right to hash: at most two at once, so that a flood of
// logins cannot take the memory of the process.
func (r *Registry) slot(ctx context.Context) (func(), error) {
	select {
	case r.hashing <- struct{}{}:
		return func() { <-r.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *Registry) hash(ctx context.Context, password string) (string, error) {
	done, err := r.slot(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, 16)
	rand.Read(salt)
	c := r.cost
	key := argon2.IDKey([]byte(password), salt, c.passes, c.memoryKiB, c.lanes, 32)
	enc := base64.RawStdEncoding
	return fmt.Sprintf(hashFormat, c.memoryKiB, c.passes, c.lanes, enc.EncodeToString(salt)+"$"+enc.EncodeToString(key)), nil
}

func (r *Registry) verify(ctx context.Context, hash, password string) (bool, error) {
	var c argonCost
	var rest string
	if _, err := fmt.Sscanf(hash, hashFormat, &c.memoryKiB, &c.passes, &c.lanes, &rest); err != nil {
		return false, fmt.Errorf("stored password hash is not argon2id: %w", err)
	}
	if len(rest) != 22+1+43 || rest[22] != '$' {
		return false, errors.New("stored password hash is malformed")
	}
	enc := base64.RawStdEncoding
	salt, err1 := enc.DecodeString(rest[:22])
	want, err2 := enc.DecodeString(rest[23:])
	if err := errors.Join(err1, err2); err != nil {
		return false, fmt.Errorf("stored password hash: %w", err)
	}
	done, err := r.slot(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	got := argon2.IDKey([]byte(password), salt, c.passes, c.memoryKiB, c.lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

var decoys sync.Map // argonCost -> hash of a random password

func (r *Registry) decoy(ctx context.Context) (string, error) {
	if h, ok := decoys.Load(r.cost); ok {
		return h.(string), nil
	}
	h, err := r.hash(ctx, rand.Text())
	if err == nil {
		decoys.Store(r.cost, h)
	}
	return h, err
}

// AdminPasswordFile is the name of the file with the first administrator's
// password, in Config.Dir.
const AdminPasswordFile = "initial-admin-password"

// firstAdmin makes the user "admin" if there are no users.
func (r *Registry) firstAdmin(ctx context.Context) error {
	var n int
	if err := r.wr.QueryRowContext(ctx, "SELECT count(*) FROM users").Scan(&n); err != nil || n > 0 {
		return err
	}
	password := rand.Text()
	path := filepath.Join(r.cfg.Dir, AdminPasswordFile)
	// The file first: a user whose password nobody knows would lock everyone out.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("initial administrator: %w", err)
	}
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("initial administrator: %w", err)
	}
	u := User{Name: "admin", Display: "Administrator", Role: RoleAdmin, Units: []protocol.UnitID{AllUnits}, MustChangePassword: true}
	if err := r.putUser(ctx, u, password); err != nil {
		return fmt.Errorf("initial administrator: %w", err)
	}
	r.log.Warn("initial administrator made: sign in as admin with the password in the file, change it, delete the file", "file", path)
	return nil
}
