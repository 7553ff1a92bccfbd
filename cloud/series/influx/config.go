// Package influx is the series store on an InfluxDB 2 server, for hospitals
// that have one. docs/INFLUXDB.md describes the measurements, tags and fields.
//
// Concurrent Appends are written together, in requests of at most 5000 lines.
// A request that the server is too busy for is sent again; one that it refuses
// is halved until the lines at fault are found. Of two different readings of
// one instant InfluxDB keeps the last one written, not the first as the
// embedded store does; a reading that is sent again is the same one, so that
// boxes can repeat themselves here too.
//
// It does not make buckets or set their retention: that is the
// administrator's.
package influx

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config says where the server is.
type Config struct {
	URL       string `yaml:"url"`
	Org       string `yaml:"org"`
	Bucket    string `yaml:"bucket"`
	TokenFile string `yaml:"token_file"` // holds a token that may read and write the bucket
	// AllowPlain lets the token and the readings travel unencrypted to a
	// server that is not on this machine.
	AllowPlain bool `yaml:"allow_plain"`
	// WriteTimeout is how long a group of readings is tried to be written
	// before their boxes are left to send them again.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// QueryTimeout bounds one question to the server, its answer included.
	QueryTimeout time.Duration `yaml:"query_timeout"`
}

// Default lacks Org, Bucket and TokenFile.
func Default() Config {
	return Config{URL: "http://127.0.0.1:8086", WriteTimeout: 20 * time.Second, QueryTimeout: 2 * time.Minute}
}

// Validate names what is wrong and what is allowed. It does not read files.
func (c Config) Validate() error {
	var errs []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		errs = append(errs, fmt.Errorf("url: %q: want http://HOST:PORT or https://HOST:PORT", c.URL))
	case u.Scheme == "http" && !c.AllowPlain && !loopback(u.Hostname()):
		errs = append(errs, fmt.Errorf("url: %q: want https, or allow_plain: true to send readings unencrypted", c.URL))
	}
	for key, v := range map[string]string{"org": c.Org, "bucket": c.Bucket, "token_file": c.TokenFile} {
		if v == "" {
			errs = append(errs, fmt.Errorf("%s: must be set", key))
		}
	}
	for key, d := range map[string]time.Duration{"write_timeout": c.WriteTimeout, "query_timeout": c.QueryTimeout} {
		if d < time.Second || d > time.Hour {
			errs = append(errs, fmt.Errorf("%s: %v: want 1s to 1h", key, d))
		}
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) token() (string, error) {
	b, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("token_file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("token_file: %s: want one line with the token", c.TokenFile)
	}
	return token, nil
}
