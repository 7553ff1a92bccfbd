package embedded

import (
	"errors"
	"fmt"
	"time"
)

// Config of the embedded store.
type Config struct {
	// Dir is the store's own directory.
	Dir string `yaml:"dir"`
	// KeepReadings and KeepWaves are how long a day is kept after it was last
	// written. 0 keeps it for ever.
	KeepReadings time.Duration `yaml:"keep_readings"`
	KeepWaves    time.Duration `yaml:"keep_waves"`
	// MinFreeBytes is the free disk space below which readings are turned
	// away, so that their boxes keep them; waveforms already below twice that.
	MinFreeBytes int64 `yaml:"min_free_bytes"`
	// MaxUnsealedBytes bounds the readings in memory of each of the two lanes.
	MaxUnsealedBytes int64 `yaml:"max_unsealed_bytes"`
}

const day = 24 * time.Hour

// Default is for a 500-bed hospital on one server; Dir is still to be set.
func Default() Config {
	return Config{KeepReadings: 400 * day, KeepWaves: 7 * day, MinFreeBytes: 2 << 30, MaxUnsealedBytes: 128 << 20}
}

// Validate names what is wrong and what is allowed.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("dir: want a directory for the series"))
	}
	for _, k := range []struct {
		key string
		d   time.Duration
	}{{"keep_readings", c.KeepReadings}, {"keep_waves", c.KeepWaves}} {
		if k.d != 0 && k.d < 2*day {
			errs = append(errs, fmt.Errorf("%s: %v: want 0 (for ever) or at least 48h", k.key, k.d))
		}
	}
	if c.MinFreeBytes < 64<<20 {
		errs = append(errs, fmt.Errorf("min_free_bytes: %d: want at least %d", c.MinFreeBytes, 64<<20))
	}
	if c.MaxUnsealedBytes < 1<<20 || c.MaxUnsealedBytes > 16<<30 {
		errs = append(errs, fmt.Errorf("max_unsealed_bytes: %d: want %d to %d", c.MaxUnsealedBytes, 1<<20, int64(16)<<30))
	}
	return errors.Join(errs...)
}
