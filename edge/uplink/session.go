package uplink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"monitorme/protocol"
)

const (
	keepAlive   = 15 * time.Second
	pingTimeout = 10 * time.Second
	maxAcks     = 1024 // acknowledgements that wait for us; more are dropped, and asked for again
	leaveWait   = time.Second
)

// A session is one connection.
type session struct {
	u      *Uplink
	id     uint64
	client mqtt.Client
	lost   chan error
	acks   chan *protocol.Ack
	flight *flight
	beat   mqtt.Token // of the last heartbeat
	beatAt time.Time
	waited time.Time // since when the store owes an Ack; zero: it does not
}

// session connects and works until the connection or ctx ends; connected tells
// whether the broker took it.
func (u *Uplink) session(ctx context.Context) (connected bool, err error) {
	s := &session{u: u, id: u.nextSession(), lost: make(chan error, 1), acks: make(chan *protocol.Ack, maxAcks), flight: newFlight()}
	if err := s.connect(ctx); err != nil {
		return false, err
	}
	defer s.end()
	if err := s.subscribe(ctx); err != nil {
		return true, err
	}
	u.count.sessions.Inc()
	u.count.connected.Set(1)
	u.setConnected(true)
	u.log.Info("uplink connected", "broker", u.broker.Host, "session", s.id)
	return true, s.work(ctx)
}

func (s *session) topic(lane protocol.Lane) string {
	return protocol.Topic(s.u.cfg.Unit, s.u.cfg.Box, lane)
}

func (s *session) connect(ctx context.Context) error {
	tlsConfig, err := s.u.cfg.tlsConfig(s.u.broker)
	if err != nil {
		return err
	}
	will, err := protocol.AppendState(nil, &protocol.BoxState{Box: s.u.cfg.Box, Session: s.id})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stop func() bool
	o := mqtt.NewClientOptions().
		AddBroker(s.u.broker.String()).
		SetClientID(string(s.u.cfg.Box)).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true).
		SetKeepAlive(keepAlive).
		SetPingTimeout(pingTimeout).
		SetConnectTimeout(dialTimeout).
		SetWriteTimeout(writeTimeout).
		SetBinaryWill(s.topic(protocol.LaneState), will, 1, true).
		SetDefaultPublishHandler(func(mqtt.Client, mqtt.Message) {}).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.lost <- err }).
		SetCustomOpenConnectionFn(func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
			c, err := dial(ctx, u, tlsConfig)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { c.Close() }) // so that stopping does not wait for the broker
			}
			return c, err
		})
	s.client = mqtt.NewClient(o)
	t := s.client.Connect()
	<-t.Done() // bounded by the timeouts above and by ctx
	if stop != nil && !stop() && t.Error() == nil {
		s.client.Disconnect(0)
		return ctx.Err()
	}
	return t.Error()
}

func (s *session) subscribe(ctx context.Context) error {
	topic := s.topic(protocol.LaneAck)
	t := s.client.Subscribe(topic, 1, s.received)
	if err := s.wait(ctx, t, s.u.timing.answer); err != nil {
		return fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	if st, ok := t.(*mqtt.SubscribeToken); ok && st.Result()[topic] == 0x80 {
		return errAckRefused
	}
	return nil
}

// wait waits for the broker's answer.
func (s *session) wait(ctx context.Context, t mqtt.Token, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case err := <-s.lost:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errSilent
	}
}

// received runs in the client's only reader: it must not block.
func (s *session) received(_ mqtt.Client, m mqtt.Message) {
	a, err := protocol.DecodeAck(m.Payload())
	if err != nil {
		s.u.count.badAcks.Inc()
		s.u.log.Warn("acknowledgement not understood", "err", err)
		return
	}
	select {
	case s.acks <- a:
	default:
		s.u.count.droppedAcks.Inc()
	}
}

// end gives back what is on its way; its connection is gone.
func (s *session) end() {
	s.client.Disconnect(0)
	s.flight.take(func(*message) bool { return true }, func(m *message) { s.u.queue.Release(m.names()) })
	s.u.count.inFlight.Set(0)
}

func (s *session) work(ctx context.Context) error {
	tick := time.NewTicker(min(time.Second, s.u.cfg.AckTimeout/4))
	defer tick.Stop()
	if err := s.tell(); err != nil {
		return err
	}
	for {
		if err := s.pump(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			s.leave()
			return ctx.Err()
		case err := <-s.lost:
			return err
		case a := <-s.acks:
			if err := s.acknowledged(a); err != nil {
				return err
			}
		case <-s.u.queue.Ready():
		case <-s.u.nudge:
			if err := s.tell(); err != nil {
				return err
			}
		case <-tick.C:
			if err := s.look(time.Now()); err != nil {
				return err
			}
		}
	}
}

// pump sends what there is and the windows allow, by priority: before each
// message of a lower lane the higher ones are asked again.
func (s *session) pump() error {
	lanes := [...]protocol.Lane{protocol.LaneLive, protocol.LaneWave, protocol.LaneBackfill}
	for sent := true; sent; {
		sent = false
		for _, lane := range lanes {
			ok, err := s.send(lane)
			if err != nil {
				return err
			}
			if ok {
				sent = true
				break
			}
		}
		if len(s.acks) > maxAcks/2 || len(s.lost) > 0 {
			return nil // there is more to do than sending
		}
	}
	return nil
}

func (s *session) send(lane protocol.Lane) (bool, error) {
	now := time.Now()
	room := s.flight.room(lane, now)
	if room == 0 {
		return false, nil
	}
	payload, names, err := s.u.queue.Next(lane, room, now)
	if err != nil {
		return false, &queueError{err}
	}
	if payload == nil {
		return false, nil
	}
	s.flight.add(&message{lane: lane, epoch: names.Epoch, what: names.Committed[0], bytes: len(payload), sent: now})
	if s.waited.IsZero() {
		s.waited = now
	}
	// A token says nothing that the connection or the store's Ack does not.
	s.client.Publish(s.topic(lane), 1, false, payload)
	s.u.count.sent(lane, len(payload))
	s.u.count.inFlight.Set(float64(len(s.flight.messages)))
	return true, nil
}

func (s *session) acknowledged(a *protocol.Ack) error {
	if err := s.u.queue.Ack(*a); err != nil {
		return &queueError{err}
	}
	now := time.Now()
	s.flight.ack(a, now, func(m *message) { s.u.count.took(m.lane, now.Sub(m.sent)) })
	s.u.count.inFlight.Set(float64(len(s.flight.messages)))
	s.waited = time.Time{}
	if len(s.flight.messages) > 0 {
		s.waited = now
	}
	s.u.mu.Lock()
	s.u.status.LastAck = now
	s.u.mu.Unlock()
	s.u.problem("")
	return nil
}

// look does what is due: heartbeat, missing answers, missing acknowledgements.
func (s *session) look(now time.Time) error {
	if s.beat != nil && now.Sub(s.beatAt) > s.u.timing.answer && !isDone(s.beat) {
		return errSilent
	}
	s.flight.expire(now.Add(-s.u.cfg.AckTimeout), now, s.u.cfg.AckTimeout, func(m *message) {
		s.u.count.timeouts.Inc()
		s.u.queue.Release(m.names())
	})
	switch {
	case s.waited.IsZero():
		s.u.problem("")
	case now.Sub(s.waited) > s.u.timing.store:
		s.u.problem("connected, but the cloud's store acknowledges nothing: readings are kept on this box; check the cloud")
	}
	if now.Sub(s.beatAt) >= s.u.timing.heartbeat {
		return s.tell()
	}
	return nil
}

func isDone(t mqtt.Token) bool {
	select {
	case <-t.Done():
		return true
	default:
		return false
	}
}

// tell publishes the state of the box. While the broker has not answered the
// last one it is left at that: look sees to it.
func (s *session) tell() error {
	if s.beat != nil && !isDone(s.beat) {
		return nil
	}
	t, err := s.publishState(true)
	if err != nil {
		return err
	}
	s.beat, s.beatAt = t, time.Now()
	return nil
}

func (s *session) publishState(online bool) (mqtt.Token, error) {
	st := s.u.state()
	st.Box, st.Online, st.Leaving, st.Session, st.Sent = s.u.cfg.Box, online, !online, s.id, time.Now()
	b, err := protocol.AppendState(nil, &st)
	if err != nil { // a device that says something odd must not keep the readings back
		s.u.log.Error("state of the box without its devices", "err", err)
		st.Devices, st.Version = nil, ""
		if b, err = protocol.AppendState(nil, &st); err != nil {
			return nil, fmt.Errorf("state of the box: %w", err)
		}
	}
	return s.client.Publish(s.topic(protocol.LaneState), 1, true, b), nil
}

// leave says goodbye: a box that goes on purpose is no alarm.
func (s *session) leave() {
	t, err := s.publishState(false)
	if err == nil && !t.WaitTimeout(leaveWait) {
		err = errSilent
	}
	if err = errors.Join(err); err != nil {
		s.u.log.Warn("left without goodbye", "err", err)
	}
	s.client.Disconnect(uint(leaveWait.Milliseconds() / 4))
}
