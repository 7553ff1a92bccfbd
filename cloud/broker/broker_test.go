package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/pki"
	"monitorme/protocol"
)

type message struct {
	topic   string
	payload string
}

type fixture struct {
	broker   *Broker
	ca       *pki.Authority
	mu       sync.Mutex
	revoked  map[string]bool
	messages chan message
}

func start(t *testing.T) *fixture {
	t.Helper()
	ca, err := pki.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.ServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{ca: ca, revoked: map[string]bool{}, messages: make(chan message, 100)}
	cfg := Default()
	cfg.Listen = "127.0.0.1:0"
	f.broker, err = New(cfg, Security{Certificate: cert, Clients: ca.Pool(), Authorise: func(name, _ string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.revoked[name] || !strings.HasPrefix(name, "box-") {
			return errors.New("revoked or unknown")
		}
		return nil
	}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.broker.Subscribe(func(topic string, payload []byte) { f.messages <- message{topic, string(payload)} }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.broker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	})
	return f
}

// options are those of a client with the certificate of name that calls itself id.
func (f *fixture) options(t *testing.T, name, id string, role pki.Role) *paho.ClientOptions {
	t.Helper()
	identity, err := f.ca.Issue(name, role)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(identity.CertPEM, identity.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return paho.NewClientOptions().AddBroker("tls://" + f.broker.Addr()).SetClientID(id).
		SetTLSConfig(&tls.Config{RootCAs: f.ca.Pool(), Certificates: []tls.Certificate{pair}}).
		SetAutoReconnect(false).SetConnectRetry(false).SetProtocolVersion(4).SetConnectTimeout(10 * time.Second)
}

func connect(t *testing.T, o *paho.ClientOptions) (paho.Client, error) {
	t.Helper()
	c := paho.NewClient(o)
	token := c.Connect()
	if !token.WaitTimeout(20 * time.Second) {
		t.Fatal("connect did not end")
	}
	if token.Error() == nil {
		t.Cleanup(func() { c.Disconnect(0) })
	}
	return c, token.Error()
}

func TestABoxSpeaksForItself(t *testing.T) {
	f := start(t)
	c, err := connect(t, f.options(t, "box-01", "box-01", pki.RoleBox))
	if err != nil {
		t.Fatal(err)
	}
	topic := protocol.Topic("ward-1", "box-01", protocol.LaneLive)
	if tok := c.Publish(topic, 1, false, "hello"); !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		t.Fatal("publish:", tok.Error())
	}
	select {
	case m := <-f.messages:
		if m.topic != topic || m.payload != "hello" {
			t.Errorf("got %+v", m)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the message did not arrive")
	}
}

func TestABoxThatPublishesForAnotherIsDisconnected(t *testing.T) {
	f := start(t)
	lost := make(chan struct{})
	o := f.options(t, "box-01", "box-01", pki.RoleBox).SetConnectionLostHandler(func(paho.Client, error) { close(lost) })
	c, err := connect(t, o)
	if err != nil {
		t.Fatal(err)
	}
	c.Publish(protocol.Topic("ward-1", "box-02", protocol.LaneLive), 1, false, "forged")
	select {
	case <-lost:
	case m := <-f.messages:
		t.Fatalf("a forged message came through: %+v", m)
	case <-time.After(10 * time.Second):
		t.Fatal("the forger is still connected")
	}
}

func TestABoxMayNotListenToOthers(t *testing.T) {
	f := start(t)
	c, err := connect(t, f.options(t, "box-01", "box-01", pki.RoleBox))
	if err != nil {
		t.Fatal(err)
	}
	for filter, allowed := range map[string]bool{
		protocol.Topic("ward-1", "box-01", protocol.LaneAck):  true,
		protocol.Topic("ward-1", "box-02", protocol.LaneAck):  false,
		protocol.Topic("ward-1", "box-01", protocol.LaneLive): false,
		"#":                           false,
		"monitorme/v1/+/box-01/ack":   false,
		"monitorme/v1/ward-1/+/ack":   false,
		"$share/g/monitorme/v1/+/+/#": false,
		"$SYS/#":                      false,
	} {
		tok := c.Subscribe(filter, 1, nil).(*paho.SubscribeToken)
		if !tok.WaitTimeout(10 * time.Second) {
			t.Fatalf("subscribe %s did not end", filter)
		}
		result := slices.Collect(maps.Values(tok.Result())) // its key is the filter without $share
		if granted := slices.Equal(result, []byte{1}); granted != allowed {
			t.Errorf("subscribe %s: answer %v, want granted %v", filter, result, allowed)
		}
	}
}

func TestWhoMayNotConnect(t *testing.T) {
	f := start(t)
	f.revoked["box-66"] = true
	foreign := f.options(t, "box-01", "box-01", pki.RoleBox)
	foreign.SetWill(protocol.Topic("ward-1", "box-02", protocol.LaneState), "x", 1, true)
	other, err := pki.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stranger := (&fixture{broker: f.broker, ca: other}).options(t, "box-01", "box-01", pki.RoleBox)
	stranger.TLSConfig.RootCAs = f.ca.Pool()
	bare := f.options(t, "box-01", "box-01", pki.RoleBox)
	bare.TLSConfig.Certificates = nil
	for what, o := range map[string]*paho.ClientOptions{
		"a box under another's name":       f.options(t, "box-01", "box-02", pki.RoleBox),
		"a revoked box":                    f.options(t, "box-66", "box-66", pki.RoleBox),
		"a box with another's last will":   foreign,
		"a certificate of another CA":      stranger,
		"a client without any certificate": bare,
	} {
		if _, err := connect(t, o); err == nil {
			t.Errorf("%s connected", what)
		}
	}
}

func TestMeasurementsAreNeverRetained(t *testing.T) {
	f := start(t)
	box, err := connect(t, f.options(t, "box-01", "box-01", pki.RoleBox))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []protocol.Lane{protocol.LaneLive, protocol.LaneState} {
		if tok := box.Publish(protocol.Topic("w", "box-01", l), 1, true, "x"); !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
		<-f.messages
	}
	retained := make(chan string, 4)
	svc, err := connect(t, f.options(t, "ingest", "ingest-1", pki.RoleService))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []protocol.Lane{protocol.LaneLive, protocol.LaneState} {
		tok := svc.Subscribe("monitorme/v1/+/+/"+string(l), 1, func(_ paho.Client, m paho.Message) { retained <- m.Topic() })
		if !tok.WaitTimeout(10*time.Second) || tok.(*paho.SubscribeToken).Result()["monitorme/v1/+/+/"+string(l)] == 0x80 {
			t.Fatal("a service may not subscribe to", l)
		}
	}
	if topic := <-retained; !strings.HasSuffix(topic, "/state") {
		t.Errorf("retained: %s", topic)
	}
}

func TestAnAcknowledgementReachesTheBox(t *testing.T) {
	f := start(t)
	box, err := connect(t, f.options(t, "box-01", "box-01", pki.RoleBox))
	if err != nil {
		t.Fatal(err)
	}
	acks := make(chan string, 1)
	topic := protocol.Topic("w", "box-01", protocol.LaneAck)
	if tok := box.Subscribe(topic, 1, func(_ paho.Client, m paho.Message) { acks <- string(m.Payload()) }); !tok.WaitTimeout(10 * time.Second) {
		t.Fatal("subscribe did not end")
	}
	if err := f.broker.Publish(topic, []byte("committed")); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-acks:
		if got != "committed" {
			t.Errorf("got %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no acknowledgement")
	}
}

func TestABusyPortIsNamed(t *testing.T) {
	f := start(t)
	cert, err := f.ca.ServerCertificate([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.Listen = f.broker.Addr()
	_, err = New(cfg, Security{Certificate: cert, Clients: f.ca.Pool()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), cfg.Listen) || !strings.Contains(err.Error(), "broker.listen") {
		t.Errorf("New on a busy port = %v, want the address and the key that changes it", err)
	}
}

func TestConfigErrorsNameTheKey(t *testing.T) {
	err := Config{Listen: "nowhere", CertFile: "x"}.Validate()
	for _, want := range []string{"broker.listen", "broker.max_clients", "broker.key_file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate() = %v, want it to name %s", err, want)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Errorf("the default is not valid: %v", err)
	}
}
