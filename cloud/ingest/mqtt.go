package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"monitorme/protocol"
)

// MQTTConfig says how ingest reaches a broker in another process.
type MQTTConfig struct {
	Broker   string `yaml:"broker"` // tls://host:port; empty: the broker module of this process
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"` // client certificate with the service role; its common name begins the client id
	KeyFile  string `yaml:"key_file"`
	ClientID string `yaml:"client_id"`
	// Share names a group of ingests that divide the boxes between them; empty:
	// this one gets everything. Alerting needs every message of a box in one
	// place, so only groups whose broker divides by topic may share.
	Share string `yaml:"share"`
}

// Validate names the key, the value and what is allowed.
func (c MQTTConfig) Validate() error {
	if c.Broker == "" {
		return nil
	}
	var errs []error
	if u, err := url.Parse(c.Broker); err != nil || u.Scheme != "tls" || u.Host == "" {
		errs = append(errs, fmt.Errorf("mqtt.broker: %q, want tls://host:port", c.Broker))
	}
	for key, v := range map[string]string{"ca_file": c.CAFile, "cert_file": c.CertFile, "key_file": c.KeyFile} {
		if v == "" {
			errs = append(errs, fmt.Errorf("mqtt.%s: empty; make it with: monitorme-cloud enrol -service NAME", key))
		}
	}
	if err := protocol.CheckID("mqtt.client_id", c.ClientID); err != nil {
		errs = append(errs, err)
	}
	if c.Share != "" {
		if err := protocol.CheckID("mqtt.share", c.Share); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

const (
	mqttWorkers      = 16
	mqttWorkerQueue  = 256
	mqttMaxWait      = 2 * time.Second // for a worker; then the message is left to be sent again
	mqttMaxReconnect = 15 * time.Second
)

// An MQTT source takes the boxes' messages from a broker in another process.
type MQTT struct {
	cfg     MQTTConfig
	tls     *tls.Config
	log     *slog.Logger
	client  atomic.Pointer[paho.Client]
	queues  [mqttWorkers]chan mqttMessage
	seed    maphash.Seed
	dropped prometheus.Counter
	up      prometheus.Gauge
}

type mqttMessage struct {
	topic   string
	payload []byte
}

// NewMQTT prepares a source; Run connects it.
func NewMQTT(cfg MQTTConfig, log *slog.Logger, reg prometheus.Registerer) (*MQTT, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load mqtt.cert_file and mqtt.key_file: %w", err)
	}
	pem, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read mqtt.ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("mqtt.ca_file %s holds no certificate", cfg.CAFile)
	}
	m := &MQTT{cfg: cfg, log: log, seed: maphash.MakeSeed(),
		tls: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "monitorme_cloud_ingest_mqtt_dropped_total",
			Help: "Messages left to be sent again because ingest could not keep up."}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{Name: "monitorme_cloud_ingest_mqtt_up", Help: "1 while connected to the broker."}),
	}
	reg.MustRegister(m.dropped, m.up)
	for i := range m.queues {
		m.queues[i] = make(chan mqttMessage, mqttWorkerQueue)
	}
	return m, nil
}

// Run connects, subscribes and hands messages to handle until ctx ends,
// connecting again with growing pauses when the connection is lost. Messages
// of one box come one after another.
func (m *MQTT) Run(ctx context.Context, handle func(topic string, payload []byte)) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, q := range m.queues {
		g.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case msg := <-q:
					handle(msg.topic, msg.payload)
				}
			}
		})
	}
	g.Go(func() error {
		wait, last := time.Duration(0), ""
		for {
			began := time.Now()
			err := m.session(ctx)
			m.up.Set(0)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err.Error() != last {
				last = err.Error()
				m.log.Warn("broker lost", "broker", m.cfg.Broker, "err", err)
			}
			if time.Since(began) > mqttMaxReconnect {
				wait, last = 0, ""
			}
			wait = min(max(2*wait, 250*time.Millisecond), mqttMaxReconnect)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(rand.N(wait) + wait/4):
			}
		}
	})
	return g.Wait()
}

// session is one connection: one client, never used again.
func (m *MQTT) session(ctx context.Context) error {
	lost := make(chan error, 1)
	o := paho.NewClientOptions().AddBroker(m.cfg.Broker).SetClientID(m.cfg.ClientID).SetTLSConfig(m.tls).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetKeepAlive(15 * time.Second).SetPingTimeout(5 * time.Second).SetWriteTimeout(5 * time.Second).
		SetConnectTimeout(10 * time.Second).SetDialer(&net.Dialer{Timeout: 10 * time.Second}).
		SetDefaultPublishHandler(m.take).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	client := paho.NewClient(o)
	defer client.Disconnect(250)
	if err := wait(ctx, client.Connect()); err != nil {
		return fmt.Errorf("connect to %s: %w", m.cfg.Broker, err)
	}
	filters := map[string]byte{}
	for _, lane := range []protocol.Lane{protocol.LaneState, protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill} {
		filter := protocol.TopicRoot + "/+/+/" + string(lane)
		if m.cfg.Share != "" && lane != protocol.LaneState {
			filter = "$share/" + m.cfg.Share + "/" + filter
		}
		filters[filter] = 1
	}
	token := client.SubscribeMultiple(filters, nil).(*paho.SubscribeToken)
	if err := wait(ctx, token); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for filter, code := range token.Result() {
		if code == 0x80 {
			return fmt.Errorf("subscribe %s: the broker refuses it to this client; its access rules must allow the service role", filter)
		}
	}
	m.client.Store(&client)
	defer m.client.Store(nil)
	m.up.Set(1)
	m.log.Info("broker connected", "broker", m.cfg.Broker)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-lost:
		return fmt.Errorf("connection lost: %w", err)
	}
}

func wait(ctx context.Context, t paho.Token) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.Done():
		return t.Error()
	case <-time.After(20 * time.Second):
		return errors.New("no answer in 20 s")
	}
}

// take gives the message to the worker of its box. A worker that is behind is
// waited for, which slows the broker down; too long a wait would look like a
// dead connection, so then the message is left to be sent again by its box.
func (m *MQTT) take(_ paho.Client, msg paho.Message) {
	_, box, _, err := protocol.ParseTopic(msg.Topic())
	key := string(box)
	if err != nil {
		key = msg.Topic()
	}
	q := m.queues[maphash.String(m.seed, key)%mqttWorkers]
	select {
	case q <- mqttMessage{msg.Topic(), msg.Payload()}:
		return
	default:
	}
	select {
	case q <- mqttMessage{msg.Topic(), msg.Payload()}:
	case <-time.After(mqttMaxWait):
		m.dropped.Inc()
	}
}

// Check says whether messages arrive: nil, or what is wrong.
func (m *MQTT) Check() error {
	if m.client.Load() == nil {
		return fmt.Errorf("not connected to the broker %s", m.cfg.Broker)
	}
	return nil
}

// Publish sends a message down. An error means that it may not have been sent.
func (m *MQTT) Publish(topic string, payload []byte) error {
	c := m.client.Load()
	if c == nil {
		return errors.New("not connected to the broker")
	}
	token := (*c).Publish(topic, 1, false, payload)
	select {
	case <-token.Done():
		return token.Error()
	case <-time.After(5 * time.Second):
		return errors.New("the broker did not take the message in 5 s")
	}
}
