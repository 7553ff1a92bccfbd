package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A Quarantine keeps messages that cannot be read or stored, each as a pair of
// files: the payload, and a note of the topic and the reason. A message that
// comes again is kept once.
type Quarantine struct {
	dir string
	max int64

	mu   sync.Mutex
	used int64
}

// ErrQuarantineFull is given when no more may be kept: a person must look.
var ErrQuarantineFull = errors.New("quarantine is full: look at what is in it, then delete it")

// OpenQuarantine keeps at most maxBytes in dir.
func OpenQuarantine(dir string, maxBytes int64) (*Quarantine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make quarantine: %w", err)
	}
	q := &Quarantine{dir: dir, max: maxBytes}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %w", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			q.used += info.Size()
		}
	}
	return q, nil
}

// Keep stores a message with its reason and gives the file's path.
func (q *Quarantine) Keep(topic string, payload []byte, reason error) (string, error) {
	sum := sha256.Sum256(append([]byte(topic+"\n"), payload...))
	path := filepath.Join(q.dir, hex.EncodeToString(sum[:16])+".bin")
	note, err := json.MarshalIndent(map[string]any{"topic": topic, "reason": reason.Error(), "first_seen": time.Now().UTC()}, "", " ")
	if err != nil {
		return "", err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look into quarantine: %w", err)
	}
	size := int64(len(payload) + len(note))
	if q.used+size > q.max {
		return "", fmt.Errorf("keep %d bytes in %s: %w", size, q.dir, ErrQuarantineFull)
	}
	if err := errors.Join(writeSynced(path+".json", note), writeSynced(path, payload)); err != nil {
		return "", fmt.Errorf("write quarantine: %w", err)
	}
	q.used += size
	return path, nil
}

// writeSynced writes a new file whose content is on disk when it returns: an
// acknowledgement may follow.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
