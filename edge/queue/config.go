// Package queue keeps every reading of the box on its disk until the cloud's
// store has it: an encrypted Badger database, bounded in bytes, age and free
// space.
//
// Readings are numbered in three streams (events, numerics, waves), each from 1
// without holes per epoch. Append writes one entry, an encoded protocol.Batch,
// per stream and group; what Append has taken survives a killed process, and a
// power cut at most one sync interval later, unless the cloud's store has it by
// then. After an unclean stop that may have lost written readings (a power cut)
// a new epoch begins, so that no number ever means two readings.
//
// Next hands out entries for one lane at a time: fresh ones newest first from
// memory, older ones oldest first from disk, merged into larger batches. It
// claims what it hands out; Ack deletes exactly what the store has committed,
// Release gives the rest back. What was acknowledged in the last 10 s before an
// unclean stop may be handed out again. Memory does not grow with the backlog.
//
// When a bound is reached the oldest waves go first, then the oldest numerics,
// events never; each loss is counted and told to the cloud as an EventDropped.
// A database that cannot be opened is moved aside, never deleted, and a new one
// is begun.
//
// The encryption protects a card that is found or thrown away without its key.
// By default the key lies beside the data and protects nothing; give the
// service a key_file from elsewhere (a systemd credential, a TPM) to have it.
//
// Key layout: see keys.go. Not here: the network (package uplink), stamping
// (package agent).
package queue

import (
	"errors"
	"fmt"
	"time"
)

// Config of a Queue.
type Config struct {
	// Dir holds the database and everything beside it; made if absent.
	Dir string `yaml:"dir"`
	// KeyFile holds the encryption key, 64 hexadecimal digits or 32 raw bytes.
	// Empty: the file "key" in Dir. Made with a random key if absent.
	KeyFile string `yaml:"key_file"`
	// MaxBytes bounds the readings kept.
	MaxBytes int64 `yaml:"max_bytes"`
	// MaxAge bounds how long numerics and waves are kept; it needs a
	// synchronised clock.
	MaxAge time.Duration `yaml:"max_age"`
	// MinFreeBytes is the free space of the file system below which readings
	// are dropped. Below half of it, or below what the database needs to tidy up
	// (at most 96 MiB), Append refuses.
	MinFreeBytes int64 `yaml:"min_free_bytes"`
	// SyncInterval is how much a power cut may cost of what the cloud's store
	// does not have.
	SyncInterval time.Duration `yaml:"sync_interval"`
}

// Default keeps 8 GiB and 30 days in ./data/queue.
func Default() Config {
	return Config{
		Dir:          "data/queue",
		MaxBytes:     8 << 30,
		MaxAge:       30 * 24 * time.Hour,
		MinFreeBytes: 256 << 20,
		SyncInterval: time.Second,
	}
}

// Validate names the key, the value and what is allowed.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("queue.dir is empty: want a directory")
	case c.MaxBytes < 1<<20:
		return fmt.Errorf("queue.max_bytes %d: want at least %d", c.MaxBytes, 1<<20)
	case c.MaxAge < time.Hour:
		return fmt.Errorf("queue.max_age %s: want at least 1h", c.MaxAge)
	case c.MinFreeBytes < 1<<20:
		return fmt.Errorf("queue.min_free_bytes %d: want at least %d", c.MinFreeBytes, 1<<20)
	case c.SyncInterval < 10*time.Millisecond || c.SyncInterval > time.Minute:
		return fmt.Errorf("queue.sync_interval %s: want 10ms to 1m", c.SyncInterval)
	}
	return nil
}

var (
	// ErrFull is in the chain of the error of an Append or Open that was
	// refused for want of space. Keep the readings in memory and try again.
	ErrFull = errors.New("queue is full")
	// ErrLocked is in the chain of the error of an Open while another process
	// has the queue.
	ErrLocked = errors.New("queue is in use by another process")
	// ErrClosed is the error of an Append after Close.
	ErrClosed = errors.New("queue is closed")
)

// checkIntSize refuses 32-bit builds, on which Badger's table builder silently
// overwrites its own blocks (ristretto z.Allocator shifts an int by 32).
func checkIntSize(bits int) error {
	if bits < 64 {
		return fmt.Errorf("this is a %d-bit build: the database loses readings on it; use a 64-bit system (linux/arm64, linux/amd64)", bits)
	}
	return nil
}
