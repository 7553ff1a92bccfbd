// Package broker is the embedded MQTT door of the cloud: mochi-mqtt behind
// mutual TLS, denying by default. A box may publish to its own lanes and
// subscribe to its own acknowledgements, and nothing else; which box it is,
// its certificate says, not the client.
//
// Nothing is stored here. A box deletes a reading when the store has
// acknowledged it, never because the broker did, so a lost broker loses
// nothing. Installations with an MQTT cluster of their own leave this module
// out (docs/ARCHITECTURE.md).
package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/prometheus/client_golang/prometheus"

	"monitorme/protocol"
)

// Config is the broker's part of the configuration.
type Config struct {
	Listen     string `yaml:"listen"`      // host:port for boxes, always mutual TLS
	MaxClients int    `yaml:"max_clients"` // connections at once; more are refused
	CertFile   string `yaml:"cert_file"`   // server certificate; empty: one of the installation's own authority
	KeyFile    string `yaml:"key_file"`
	// Hosts are the names and addresses by which boxes reach the broker, for
	// the certificate that the installation makes itself.
	Hosts []string `yaml:"hosts"`
}

// Default listens on loopback.
func Default() Config {
	return Config{Listen: "127.0.0.1:8883", MaxClients: 4096, Hosts: []string{"localhost", "127.0.0.1"}}
}

// Validate names the key, the value and what is allowed.
func (c Config) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("broker.listen: %q is not host:port", c.Listen))
	}
	if c.MaxClients < 1 || c.MaxClients > 100_000 {
		errs = append(errs, fmt.Errorf("broker.max_clients: %d, want 1 to 100000", c.MaxClients))
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		errs = append(errs, errors.New("broker.cert_file and broker.key_file: give both or neither"))
	}
	if len(c.Hosts) == 0 && c.CertFile == "" {
		errs = append(errs, errors.New("broker.hosts: empty; name at least one host or address by which boxes reach the broker"))
	}
	return errors.Join(errs...)
}

// Authorise decides whether a box whose certificate the authority has signed
// may still connect: revocation, unknown boxes. Its error is logged.
type Authorise func(name, fingerprint string) error

// Security is how the broker knows itself and its clients.
type Security struct {
	Certificate tls.Certificate
	Clients     *x509.CertPool
	Authorise   Authorise
}

// Handler takes one message of a box. It is called from the box's own
// connection, one message after another for each box, concurrently for
// different ones; while it runs that box waits. payload is the handler's.
type Handler func(topic string, payload []byte)

// A Broker is an MQTT 3.1.1 broker. Make it with New, Subscribe, then Run.
type Broker struct {
	server *mqtt.Server
	tcp    *listeners.TCP
	log    *slog.Logger
	once   sync.Once
}

// New prepares a broker and opens its port.
func New(cfg Config, sec Security, log *slog.Logger, reg prometheus.Registerer) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumClients = int64(cfg.MaxClients)
	capabilities.MaximumPacketSize = protocol.MaxMessageBytes + 1024
	capabilities.MaximumMessageExpiryInterval = 0 // or retained states vanish after a day
	capabilities.MaximumSessionExpiryInterval = 0
	capabilities.MaximumQos = 1
	capabilities.SharedSubAvailable = 1
	server := mqtt.New(&mqtt.Options{
		Capabilities:             capabilities,
		ClientNetReadBufferSize:  16 << 10,
		ClientNetWriteBufferSize: 4 << 10,
		Logger:                   slog.New(quiet{log.Handler()}),
		InlineClient:             true,
	})
	guard := newGuard(sec.Authorise, log, reg)
	if err := server.AddHook(guard, nil); err != nil {
		return nil, fmt.Errorf("prepare broker: %w", err)
	}
	tcp := listeners.NewTCP(listeners.Config{ID: "boxes", Address: cfg.Listen, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{sec.Certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    sec.Clients,
		MinVersion:   tls.VersionTLS12,
	}})
	if err := server.AddListener(tcp); err != nil {
		return nil, fmt.Errorf("open broker port %s (is another broker running there? broker.listen changes it): %w", cfg.Listen, err)
	}
	if err := registerServerMetrics(server, reg); err != nil {
		return nil, err
	}
	return &Broker{server: server, tcp: tcp, log: log}, nil
}

// Addr is the address the broker listens on.
func (b *Broker) Addr() string { return b.tcp.Address() }

// Subscribe gives every message on the lanes that go up to h. Call it before Run.
func (b *Broker) Subscribe(h Handler) error {
	for i, lane := range []protocol.Lane{protocol.LaneState, protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill} {
		filter := protocol.TopicRoot + "/+/+/" + string(lane)
		if err := b.server.Subscribe(filter, i+1, func(_ *mqtt.Client, _ packets.Subscription, pk packets.Packet) {
			h(pk.TopicName, pk.Payload)
		}); err != nil {
			return fmt.Errorf("subscribe %s: %w", filter, err)
		}
	}
	return nil
}

// Publish sends a message down to whoever subscribed to topic.
func (b *Broker) Publish(topic string, payload []byte) error {
	if err := b.server.Publish(topic, payload, false, 0); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

// Disconnect drops the connection of a box whose certificate was revoked.
func (b *Broker) Disconnect(name string) {
	if cl, ok := b.server.Clients.Get(name); ok {
		if err := b.server.DisconnectClient(cl, packets.ErrNotAuthorized); err != nil && !errors.Is(err, packets.ErrNotAuthorized) {
			b.log.Debug("disconnect", "client", name, "err", err)
		}
	}
}

// Run serves until ctx ends.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("serve MQTT: %w", err)
	}
	b.log.Info("broker listens", "address", b.Addr())
	<-ctx.Done()
	return errors.Join(ctx.Err(), b.Close())
}

// Close stops the broker. Run does so too; it may be called twice.
func (b *Broker) Close() (err error) {
	b.once.Do(func() { err = b.server.Close() })
	return err
}

// quiet keeps of mochi's log what an operator can act on: it logs every lost
// connection as a warning with an empty message.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError && q.Handler.Enabled(ctx, l)
}
func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }
func (q quiet) WithGroup(name string) slog.Handler   { return quiet{q.Handler.WithGroup(name)} }
