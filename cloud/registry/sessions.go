package registry

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// touchEvery is how often the use of a session is written down at most; idle
// sessions end up to that much early.
const touchEvery = time.Minute

// Session gives the data of a live session by the hash of its token; false if
// it does not exist, is over, or was idle too long.
func (r *Registry) Session(ctx context.Context, tokenHash string) ([]byte, bool, error) {
	now := micros(r.now())
	var data []byte
	err := r.rd.QueryRowContext(ctx, "SELECT data FROM sessions WHERE token = ? AND expiry_us > ? AND idle_us > ?", tokenHash, now, now).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// PutSession stores a session until expiry, and clears away those that are over.
func (r *Registry) PutSession(ctx context.Context, tokenHash string, data []byte, expiry time.Time) error {
	now := r.now()
	return r.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE expiry_us <= ? OR idle_us <= ?", micros(now), micros(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions (token, data, expiry_us, idle_us) VALUES (?, ?, ?, ?)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry_us = excluded.expiry_us, idle_us = excluded.idle_us`,
			tokenHash, data, micros(expiry), micros(now.Add(r.cfg.SessionIdle)))
		return err
	})
}

// DeleteSession ends a session. One that does not exist is no error.
func (r *Registry) DeleteSession(ctx context.Context, tokenHash string) error {
	r.touched.forget(tokenHash)
	return r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE token = ?", tokenHash)
		return err
	})
}

// TouchSession notes that a session is in use. It writes at most once a
// minute per session.
func (r *Registry) TouchSession(ctx context.Context, tokenHash string) error {
	now := r.now()
	if !r.touched.due(tokenHash, now) {
		return nil
	}
	return r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE sessions SET idle_us = ? WHERE token = ? AND idle_us > ?", micros(now.Add(r.cfg.SessionIdle)), tokenHash, micros(now))
		return err
	})
}

// touchTimes remembers when each session was last written. It is emptied when
// it has 10,000 entries: that costs a write each, no more.
type touchTimes struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (t *touchTimes) due(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.at[key]; ok && now.Sub(last) < touchEvery && !now.Before(last) {
		return false
	}
	if t.at == nil || len(t.at) >= 10_000 {
		t.at = map[string]time.Time{}
	}
	t.at[key] = now
	return true
}

func (t *touchTimes) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.at, key)
}
