// Package uplink carries the queue to the cloud over MQTT 3.1.1: fresh readings
// at once, the backlog beside them, and it tells the queue what the cloud's
// store has acknowledged.
//
// One connection is one client and one session: nothing that was on its way is
// thought to have arrived when a connection ends, it is all claimed and sent
// again. Messages go out with QoS 1 only so that a dead connection is noticed;
// a PUBACK deletes nothing, an Ack of the store does. The cloud sorts out what
// comes twice.
//
// Lanes: live and wave are limited so widely that a store that does not
// acknowledge never holds up what goes to the screens and the alarms. The
// backlog gets a window that grows while its acknowledgements come fast and
// shrinks when they are slow, so that live readings do not queue behind it.
//
// Not here: what is kept and what is fresh (package queue), what the devices do
// (package agent).
package uplink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"monitorme/protocol"
)

// Config of an Uplink.
type Config struct {
	// Broker is tls://host:port; tcp://host:port only on loopback. Empty: there
	// is no cloud, readings stay in the queue.
	Broker string `yaml:"broker"`
	// CAFile holds the certificates that may sign the broker's; empty: the
	// system's.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are this box's client certificate, read again for
	// each connection.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// SessionFile keeps the number of the last session, which must grow even
	// when the clock goes back. Empty: the clock alone decides.
	SessionFile string `yaml:"session_file"`
	// Unit and Box are where the box stands and who it is: the common name of
	// its certificate.
	Unit protocol.UnitID `yaml:"unit"`
	Box  protocol.BoxID  `yaml:"box"`
	// AckTimeout is how long the store may take before a message is sent again.
	AckTimeout time.Duration `yaml:"ack_timeout"`
}

// Default has no broker.
func Default() Config { return Config{AckTimeout: 10 * time.Second} }

// Validate names the key, the value and what is allowed.
func (c Config) Validate() error {
	if err := protocol.CheckID("unit", string(c.Unit)); err != nil {
		return fmt.Errorf("uplink.unit: %w", err)
	}
	if err := protocol.CheckID("box", string(c.Box)); err != nil {
		return fmt.Errorf("uplink.box: %w", err)
	}
	if c.AckTimeout < 100*time.Millisecond || c.AckTimeout > 10*time.Minute {
		return fmt.Errorf("uplink.ack_timeout %s: want 100ms to 10m", c.AckTimeout)
	}
	if c.Broker == "" {
		return nil
	}
	u, err := url.Parse(c.Broker)
	if err != nil || u.Port() == "" || u.Path != "" || u.User != nil {
		return fmt.Errorf("uplink.broker %q: want tls://host:port", c.Broker)
	}
	switch u.Scheme {
	case "tls":
		if c.CertFile == "" || c.KeyFile == "" {
			return errors.New("uplink.cert_file and uplink.key_file: want both for a tls broker")
		}
	case "tcp":
		ip := net.ParseIP(u.Hostname())
		if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("uplink.broker %q: tcp is only for loopback, want tls://host:port", c.Broker)
		}
	default:
		return fmt.Errorf("uplink.broker %q: scheme %q is not tls", c.Broker, u.Scheme)
	}
	return nil
}

// tlsConfig reads the certificates; nil for a plain broker.
func (c Config) tlsConfig(u *url.URL) (*tls.Config, error) {
	if u.Scheme != "tls" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname(), Certificates: []tls.Certificate{cert}}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s: no certificate in it", c.CAFile)
		}
	}
	return out, nil
}
