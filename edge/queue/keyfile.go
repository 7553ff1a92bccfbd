package queue

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const keySize = 32

// loadKey reads the encryption key, or makes one if there is none. A damaged
// key of our own making is moved aside; one that somebody configured is left to
// them.
func loadKey(cfg Config, log *slog.Logger) ([]byte, error) {
	path, ours := cfg.KeyFile, false
	if path == "" {
		path, ours = filepath.Join(cfg.Dir, "key"), true
	}
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeKey(path)
	case err != nil:
		return nil, fmt.Errorf("read key: %w", err)
	}
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 {
		log.Warn("key file can be read by others", "path", path, "mode", st.Mode().Perm().String())
	}
	key, err := parseKey(raw)
	if err == nil {
		return key, nil
	}
	if !ours {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	aside := asideName(path, time.Now())
	if err := os.Rename(path, aside); err != nil {
		return nil, fmt.Errorf("move damaged key aside: %w", err)
	}
	log.Error("damaged key moved aside", "aside", aside)
	return makeKey(path)
}

func parseKey(raw []byte) ([]byte, error) {
	if len(raw) == keySize {
		return raw, nil
	}
	if key, err := hex.DecodeString(string(bytes.TrimSpace(raw))); err == nil && len(key) == keySize {
		return key, nil
	}
	return nil, fmt.Errorf("%d bytes: want %d hexadecimal digits or %d raw bytes", len(raw), 2*keySize, keySize)
}

func makeKey(path string) ([]byte, error) {
	key := make([]byte, keySize)
	rand.Read(key)
	if err := writeFile(path, []byte(hex.EncodeToString(key)+"\n")); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}

func asideName(path string, now time.Time) string {
	name := path + "-aside-" + now.UTC().Format("20060102T150405Z")
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s-aside-%s-%d", path, now.UTC().Format("20060102T150405Z"), n)
	}
}
