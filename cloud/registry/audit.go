package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

// An AuditRecord says who did what, with what outcome. Records are only ever
// added; each carries a hash over the one before and itself.
type AuditRecord struct {
	Seq         int64     `json:"seq"`
	At          time.Time `json:"at"`
	User        string    `json:"user"`
	Role        Role      `json:"role"`
	Action      string    `json:"action"`  // for example "history" or "patient.update"
	Object      string    `json:"object"`  // what was acted on: "bed 12"
	Patient     PatientID `json:"patient"` // "" if about none
	Outcome     string    `json:"outcome"` // "ok", "denied" or "failed"
	Reason      string    `json:"reason"`
	Address     string    `json:"address"`
	Correlation string    `json:"correlation"` // request id, as in the service's log
	Hash        string    `json:"hash"`        // hex
}

// chain is the hash of rec after the record with the hash prev. Fields are
// length-prefixed, so no two records give the same input.
func (rec *AuditRecord) chain(prev []byte) []byte {
	h := sha256.New()
	b := binary.BigEndian.AppendUint64(nil, uint64(rec.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(micros(rec.At)))
	for _, s := range []string{rec.User, string(rec.Role), rec.Action, rec.Object, string(rec.Patient), rec.Outcome, rec.Reason, rec.Address, rec.Correlation} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	h.Write(prev)
	h.Write(b)
	return h.Sum(nil)
}

func auditHead(ctx context.Context, q querier) (seq int64, hash []byte, err error) {
	err = q.QueryRowContext(ctx, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").Scan(&seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return seq, hash, err
}

// noteHead logs the head of the audit log: kept outside the database too, a
// tail that was cut off can be noticed.
func (r *Registry) noteHead(ctx context.Context) error {
	seq, head, err := auditHead(ctx, r.rd)
	if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	r.log.Info("audit log continues", "records", seq, "head", hex.EncodeToString(head))
	return nil
}

// Audit adds records, all or none; Seq, At and Hash are filled in.
func (r *Registry) Audit(ctx context.Context, recs ...AuditRecord) error {
	now := r.now().UTC().Truncate(time.Microsecond)
	err := r.write(ctx, func(tx *sql.Tx) error {
		seq, head, err := auditHead(ctx, tx)
		if err != nil {
			return err
		}
		for _, rec := range recs {
			seq++
			rec.Seq, rec.At = seq, now
			head = rec.chain(head)
			if _, err = tx.ExecContext(ctx, `INSERT INTO audit (seq, at_us, user, role, action, object, patient, outcome, reason, address, correlation, hash)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, rec.Seq, micros(rec.At), rec.User, rec.Role, rec.Action, rec.Object,
				rec.Patient, rec.Outcome, rec.Reason, rec.Address, rec.Correlation, head); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// AuditLooks adds records of looks at patients, each at most once a minute for
// the same user, patient and action, so that a screen that refreshes does not
// fill the log; the first look is always recorded.
func (r *Registry) AuditLooks(ctx context.Context, recs ...AuditRecord) error {
	now := r.now()
	var due []AuditRecord
	for _, rec := range recs {
		if r.looks.due(rec.look(), now) {
			due = append(due, rec)
		}
	}
	if len(due) == 0 {
		return nil
	}
	err := r.Audit(ctx, due...)
	if err != nil {
		for _, rec := range due {
			r.looks.forget(rec.look())
		}
	}
	return err
}

// AuditLog lists the records of [from, to), newest first, at most limit of
// them with a number below before (0: from the newest).
func (r *Registry) AuditLog(ctx context.Context, from, to time.Time, before int64, limit int) ([]AuditRecord, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	return list(ctx, r.rd, scanAudit, selectAudit+" WHERE at_us >= ? AND at_us < ? AND seq < ? ORDER BY seq DESC LIMIT ?",
		micros(from), micros(to), before, limit)
}

const selectAudit = "SELECT seq, at_us, user, role, action, object, patient, outcome, reason, address, correlation, hash FROM audit"

func scanAudit(r row) (rec AuditRecord, err error) {
	var at int64
	var hash []byte
	err = r.Scan(&rec.Seq, &at, &rec.User, &rec.Role, &rec.Action, &rec.Object, &rec.Patient, &rec.Outcome, &rec.Reason, &rec.Address, &rec.Correlation, &hash)
	rec.At, rec.Hash = fromMicros(at), hex.EncodeToString(hash)
	return rec, err
}

// VerifyAudit reads the whole audit log and reports the number of records and
// the hash of the last, or the first record that was changed, removed or
// added behind our back. Compare the head with one noted earlier to see that
// nothing was cut off at the end.
func (r *Registry) VerifyAudit(ctx context.Context) (records int64, head string, err error) {
	rows, err := r.rd.QueryContext(ctx, selectAudit+" ORDER BY seq")
	if err != nil {
		return 0, "", err
	}
	defer rows.Close()
	var prev []byte
	for rows.Next() {
		rec, err := scanAudit(rows)
		if err != nil {
			return records, "", err
		}
		if rec.Seq != records+1 {
			return records, "", fmt.Errorf("audit log: record %d is missing", records+1)
		}
		want := rec.chain(prev)
		if got, err := hex.DecodeString(rec.Hash); err != nil || !bytes.Equal(got, want) {
			return records, "", fmt.Errorf("audit log: record %d was changed, or one before it", rec.Seq)
		}
		prev = want
		records++
	}
	return records, hex.EncodeToString(prev), rows.Err()
}

func (rec *AuditRecord) look() lookKey {
	return lookKey{rec.User, rec.Patient, rec.Action, rec.Outcome}
}

type lookKey struct {
	user    string
	patient PatientID
	action  string
	outcome string
}

// lookTimes remembers recent looks, and drops those older than a minute when
// it has 10,000.
type lookTimes struct {
	mu sync.Mutex
	at map[lookKey]time.Time
}

func (l *lookTimes) due(k lookKey, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.at[k]; ok && now.Sub(last) < time.Minute && !now.Before(last) {
		return false
	}
	if l.at == nil || len(l.at) >= 10_000 {
		keep := map[lookKey]time.Time{}
		for k, t := range l.at {
			if now.Sub(t) < time.Minute && len(keep) < 5_000 {
				keep[k] = t
			}
		}
		l.at = keep
	}
	l.at[k] = now
	return true
}

func (l *lookTimes) forget(k lookKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.at, k)
}
