package broker

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/prometheus/client_golang/prometheus"

	"monitorme/cloud/pki"
	"monitorme/protocol"
)

// guard is the hook that lets clients in and checks every topic. What no rule
// allows is denied.
type guard struct {
	mqtt.HookBase
	authorise Authorise
	log       *slog.Logger
	roles     sync.Map // client id -> pki.Role
	refused   *prometheus.CounterVec
	dropped   prometheus.Counter
}

func newGuard(authorise Authorise, log *slog.Logger, reg prometheus.Registerer) *guard {
	g := &guard{authorise: authorise, log: log,
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "monitorme_cloud_broker_refused_total", Help: "Connections and messages refused, by reason."}, []string{"reason"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "monitorme_cloud_broker_dropped_total", Help: "Messages to slow subscribers that were dropped."}),
	}
	reg.MustRegister(g.refused, g.dropped)
	return g
}

// ID names the hook to mochi.
func (g *guard) ID() string { return "monitorme-guard" }

// Provides lists what the hook answers.
func (g *guard) Provides(b byte) bool {
	return bytes.IndexByte([]byte{mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPublish, mqtt.OnPublishDropped}, b) >= 0
}

// OnConnectAuthenticate lets a client in whose certificate is valid, not
// revoked, and names the client id it uses, and whose last will is its own.
func (g *guard) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	name, role, err := g.identify(cl, pk)
	if err != nil {
		g.refused.WithLabelValues("connection").Inc()
		g.log.Warn("connection refused", "client", name, "remote", cl.Net.Remote, "err", err)
		return false
	}
	g.roles.Store(cl.ID, role)
	return true
}

func (g *guard) identify(cl *mqtt.Client, pk packets.Packet) (string, pki.Role, error) {
	conn, ok := cl.Net.Conn.(*tls.Conn)
	if !ok {
		return "", "", errors.New("the connection is not TLS")
	}
	certs := conn.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return "", "", errors.New("no client certificate")
	}
	name, role, print, err := pki.Peer(certs[0])
	if err != nil {
		return "", "", err
	}
	if role == pki.RoleBox && cl.ID != name || !strings.HasPrefix(cl.ID, name) {
		return name, "", fmt.Errorf("client id %q is not the certificate's %q", cl.ID, name)
	}
	if role == pki.RoleBox && g.authorise != nil {
		if err := g.authorise(name, print); err != nil {
			return name, "", err
		}
	}
	if will := pk.Connect.WillTopic; pk.Connect.WillFlag && !mayWrite(name, role, will) {
		return name, "", fmt.Errorf("last will on foreign topic %q", will)
	}
	return name, role, nil
}

// OnACLCheck is asked for every message and every subscription.
func (g *guard) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	v, ok := g.roles.Load(cl.ID)
	if !ok {
		return false
	}
	role := v.(pki.Role)
	if write && mayWrite(cl.ID, role, topic) || !write && mayRead(cl.ID, role, topic) {
		return true
	}
	g.refused.WithLabelValues("topic").Inc()
	g.log.Warn("topic refused", "client", cl.ID, "topic", topic, "publish", write)
	return false
}

// lane splits monitorme/v1/{unit}/{name}/{lane} without allocating.
func lane(topic string) (unit, name, lane string, ok bool) {
	rest, ok := strings.CutPrefix(topic, protocol.TopicRoot+"/")
	if !ok {
		return "", "", "", false
	}
	unit, rest, ok = strings.Cut(rest, "/")
	if !ok {
		return "", "", "", false
	}
	name, lane, ok = strings.Cut(rest, "/")
	return unit, name, lane, ok && unit != ""
}

func mayWrite(client string, role pki.Role, topic string) bool {
	unit, name, l, ok := lane(topic)
	if !ok || strings.ContainsAny(topic, "+#") {
		return false
	}
	switch protocol.Lane(l) {
	case protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill, protocol.LaneState:
		return role == pki.RoleBox && name == client && protocol.CheckID("unit", unit) == nil
	case protocol.LaneAck, protocol.LaneCommand:
		return role == pki.RoleService
	}
	return false
}

func mayRead(client string, role pki.Role, filter string) bool {
	if role == pki.RoleService {
		if share, ok := strings.CutPrefix(filter, "$share/"); ok {
			_, filter, _ = strings.Cut(share, "/")
		}
	}
	unit, name, l, ok := lane(filter)
	if !ok {
		return false
	}
	switch protocol.Lane(l) {
	case protocol.LaneAck, protocol.LaneCommand:
		return role == pki.RoleBox && name == client && !strings.ContainsAny(unit, "+#")
	case protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill, protocol.LaneState:
		return role == pki.RoleService
	}
	return false
}

// OnPublish lets only state documents be retained: a measurement shown after a
// restart would be an old number.
func (g *guard) OnPublish(_ *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Retain && !strings.HasSuffix(pk.TopicName, "/"+string(protocol.LaneState)) {
		pk.FixedHeader.Retain = false
	}
	return pk, nil
}

// OnPublishDropped counts what a slow subscriber missed; what a box misses it
// asks for again.
func (g *guard) OnPublishDropped(*mqtt.Client, packets.Packet) { g.dropped.Inc() }

func registerServerMetrics(s *mqtt.Server, reg prometheus.Registerer) error {
	gauge := func(name, help string, v func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "monitorme_cloud_broker_" + name, Help: help}, v)
	}
	for _, c := range []prometheus.Collector{
		gauge("clients", "Clients connected.", func() float64 { return float64(s.Info.Clone().ClientsConnected) }),
		gauge("messages_received", "Messages received since start.", func() float64 { return float64(s.Info.Clone().MessagesReceived) }),
		gauge("bytes_received", "Bytes received since start.", func() float64 { return float64(s.Info.Clone().BytesReceived) }),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register broker metrics: %w", err)
		}
	}
	return nil
}
