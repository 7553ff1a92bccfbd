package service

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"monitorme/cloud/alert"
	"monitorme/cloud/api"
	"monitorme/cloud/broker"
	"monitorme/cloud/ingest"
	"monitorme/cloud/live"
	"monitorme/cloud/pki"
	"monitorme/cloud/registry"
	"monitorme/cloud/series"
	"monitorme/cloud/series/embedded"
	"monitorme/cloud/series/influx"
	"monitorme/cloud/web"
	"monitorme/protocol"
)

// openCertificates opens the authority of the installation where something
// here needs it, and the token that its processes share.
func (s *Service) openCertificates(context.Context) error {
	if s.cfg.split() {
		if err := ensureToken(s.cfg.Peers.TokenFile); err != nil {
			return err
		}
	}
	needsTLS := func(listen, cert string) bool { return listen != "" && cert == "" && !onLoopback(listen) }
	if !s.cfg.runs("broker") && !(s.cfg.runs("ingest") && s.cfg.MQTT.CertFile == "") &&
		!(s.cfg.runs("api") && needsTLS(s.cfg.HTTP.Listen, s.cfg.HTTP.CertFile)) && !needsTLS(s.cfg.Internal.Listen, s.cfg.Internal.CertFile) {
		return nil
	}
	ca, err := pki.Open(filepath.Join(s.cfg.DataDir, "pki"))
	s.ca = ca
	return err
}

// ensureToken makes the shared token on first use.
func ensureToken(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make peers.token_file: %w", err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(secret) + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

func (s *Service) openRegistry(ctx context.Context) error {
	if !s.cfg.runs("registry") {
		client, err := s.peerClient("registry")
		if err != nil {
			return err
		}
		remote := registry.NewClient(s.cfg.Peers.Registry, client, s.log.With("module", "registry"))
		s.registry = remote
		s.add("registry client", remote.Run, func() error { return remote.Ready(context.Background()) })
		return nil
	}
	r, err := registry.Open(ctx, s.cfg.Registry, s.log.With("module", "registry"))
	if err != nil {
		return fmt.Errorf("open registry: %w", err)
	}
	s.registry = r
	s.closers = append(s.closers, r.Close)
	if err := s.refusePublicPasswords(ctx); err != nil {
		return err
	}
	s.internal.Handle("/internal/v1/registry/", r.Handler(s.log.With("module", "registry")))
	s.add("registry", idle, func() error { return r.Ready(context.Background()) })
	return nil
}

// refusePublicPasswords keeps the data of a demonstration from being served as
// a real site.
func (s *Service) refusePublicPasswords(ctx context.Context) error {
	if s.cfg.Demo {
		return nil
	}
	users, err := s.registry.Users(ctx)
	if err != nil {
		return fmt.Errorf("look for users of the demonstration: %w", err)
	}
	if i := slices.IndexFunc(users, func(u registry.User) bool { return u.Demo && !u.Disabled }); i >= 0 {
		return fmt.Errorf("data_dir %s is that of the demonstration, whose user %q has a public password: choose another data_dir, or set demo: true", s.cfg.DataDir, users[i].Name)
	}
	return nil
}

// idle is the run of a module that does nothing by itself.
func idle(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *Service) openSeries(context.Context) error {
	log := s.log.With("module", "series")
	if !s.cfg.runs("series") {
		if !s.cfg.runs("ingest") && !s.cfg.runs("api") {
			return nil
		}
		client, err := s.peerClient("series")
		if err != nil {
			return err
		}
		base, err := url.Parse(s.cfg.Peers.Series)
		if err != nil {
			return err
		}
		s.store = series.NewClient(base, client)
		return nil
	}
	switch s.cfg.Series.Store {
	case "influxdb":
		store, err := influx.New(s.cfg.Series.InfluxDB, log, s.reg)
		if err != nil {
			return fmt.Errorf("open series store: %w", err)
		}
		s.store = store
		s.add("series", idle, func() error { return store.Health(context.Background()) })
	default:
		late := newLateStore(func() (runningStore, error) { return embedded.Open(s.cfg.Series.Embedded, log, s.reg) })
		s.store = late
		s.add("series", late.Run, late.Health)
	}
	s.closers = append(s.closers, s.store.Close)
	s.internal.Handle("/internal/v1/series/", series.Handler(s.store))
	return nil
}

func (s *Service) openAlert(ctx context.Context) error {
	log := s.log.With("module", "alert")
	if !s.cfg.runs("alert") {
		if !s.cfg.runs("ingest") && !s.cfg.runs("api") {
			return nil
		}
		client, err := s.peerClient("alert")
		if err != nil {
			return err
		}
		remote, err := alert.NewClient(s.cfg.Peers.Alert, client, log, s.reg)
		if err != nil {
			return err
		}
		s.alerts = remote
		s.add("alert client", remote.Run, nil)
		return nil
	}
	engine, err := alert.Open(ctx, s.cfg.Alert, alert.Dependencies{Locate: s.locate}, log, s.reg)
	if err != nil {
		return fmt.Errorf("open alert: %w", err)
	}
	s.closers = append(s.closers, engine.Close)
	s.alerts = engine
	s.internal.Handle("/internal/v1/alert/", engine.Handler())
	s.add("alert", engine.Run, func() error {
		if ok, detail := engine.Alive(); !ok {
			return errors.New(detail)
		}
		return nil
	})
	s.add("placements", s.watchPlacements, nil)
	return nil
}

// publishAlert tells the screens of a unit that an alarm changed.
func (s *Service) publishAlert(r *alert.Record) {
	s.hub.Publish(r.CareUnit, live.Event{Type: "alert", Bed: r.Bed, Data: encodeAlert(r)})
}

func (s *Service) openIngest(context.Context) error {
	log := s.log.With("module", "ingest")
	if s.cfg.runs("ingest") || s.cfg.runs("api") {
		s.hub = live.NewHub(s.locate, s.reg)
		s.add("live", s.hub.Run, nil)
	}
	if s.cfg.runs("broker") {
		if err := s.openBroker(); err != nil {
			return err
		}
	}
	if !s.cfg.runs("ingest") {
		if s.cfg.runs("api") {
			client, err := s.peerClient("ingest")
			if err != nil {
				return err
			}
			s.add("live feed", func(ctx context.Context) error {
				return s.hub.Follow(ctx, s.cfg.Peers.Ingest, client.Stream, log)
			}, nil)
		}
		if s.cfg.runs("broker") {
			s.add("broker", s.broker.Run, nil)
		}
		return nil
	}
	contacts := ingest.NewContacts(s.store.Append, log)
	s.hub.Contact = contacts.Changed
	s.feed = live.NewFeed()
	s.internal.Handle("/internal/v1/live/feed", s.feed)
	quarantine, err := ingest.OpenQuarantine(filepath.Join(s.cfg.DataDir, "quarantine"), s.cfg.Ingest.QuarantineBytes)
	if err != nil {
		return err
	}
	src, err := s.source()
	if err != nil {
		return err
	}
	in, err := ingest.New(s.cfg.Ingest, ingest.Parts{Alerts: s.alerts, Live: both{s.hub, s.feed}, Store: s.store,
		Publish: src.publish, Quarantine: quarantine}, log, s.reg)
	if err != nil {
		return err
	}
	s.ingest = in
	s.add("ingest", in.Run, in.Check)
	s.add("contacts", contacts.Run, nil)
	s.add("broker", func(ctx context.Context) error { return src.run(ctx, in.Handle) }, src.check)
	return nil
}

func (s *Service) openBroker() error {
	cert, err := s.certificate(s.cfg.Broker.CertFile, s.cfg.Broker.KeyFile)
	if err != nil {
		return err
	}
	s.broker, err = broker.New(s.cfg.Broker, broker.Security{Certificate: cert, Clients: s.ca.Pool(), Authorise: s.authorise},
		s.log.With("module", "broker"), s.reg)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.broker.Close)
	s.addresses["broker"] = s.broker.Addr()
	return nil
}

// authorise lets a box connect that is registered and not revoked.
func (s *Service) authorise(name, fingerprint string) error {
	current := s.registry.Current()
	box, _ := current.Box(protocol.BoxID(name))
	return current.Authorize(protocol.BoxID(name), box.Unit, fingerprint)
}

// both gives the hub of this process and those of others what ingest observes.
type both struct {
	*live.Hub
	feed *live.Feed
}

func (b both) Observe(d *live.Delivery) {
	b.Hub.Observe(d)
	b.feed.Observe(d)
}

func (b both) ObserveState(st protocol.BoxState, received time.Time) {
	b.Hub.ObserveState(st, received)
	b.feed.ObserveState(st, received)
}

// source takes messages from the broker of this process, or from another.
func (s *Service) source() (source, error) {
	if s.broker != nil {
		return &embeddedSource{b: s.broker}, nil
	}
	cfg := s.cfg.MQTT
	if cfg.CertFile == "" {
		if err := s.serviceCertificate(&cfg); err != nil {
			return nil, err
		}
	}
	client, err := ingest.NewMQTT(cfg, s.log.With("module", "ingest"), s.reg)
	if err != nil {
		return nil, err
	}
	return mqttSource{client}, nil
}

// serviceCertificate makes the certificate by which ingest speaks to the
// installation's own broker in another process on the same machine.
func (s *Service) serviceCertificate(cfg *ingest.MQTTConfig) error {
	id, err := s.ca.Issue(cfg.ClientID, pki.RoleService)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.cfg.DataDir, "pki")
	cfg.CAFile, cfg.CertFile, cfg.KeyFile = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ingest.pem"), filepath.Join(dir, "ingest.key")
	return errors.Join(os.WriteFile(cfg.CertFile, id.CertPEM, 0o644), os.WriteFile(cfg.KeyFile, id.KeyPEM, 0o600))
}

type embeddedSource struct{ b *broker.Broker }

func (e *embeddedSource) check() error { return nil }

func (e *embeddedSource) publish(topic string, payload []byte) error {
	return e.b.Publish(topic, payload)
}

func (e *embeddedSource) run(ctx context.Context, handle func(string, []byte)) error {
	if err := e.b.Subscribe(handle); err != nil {
		return err
	}
	return e.b.Run(ctx)
}

type mqttSource struct{ *ingest.MQTT }

func (m mqttSource) check() error { return m.Check() }

func (m mqttSource) publish(topic string, payload []byte) error { return m.Publish(topic, payload) }
func (m mqttSource) run(ctx context.Context, handle func(string, []byte)) error {
	return m.Run(ctx, handle)
}

func (s *Service) openAPI(context.Context) error {
	if !s.cfg.runs("api") {
		return nil
	}
	server, err := api.New(s.cfg.API, api.Deps{Registry: s.registry, Series: s.store, Hub: s.hub, Alerts: forAPI{s.alerts},
		Web: web.Handler(), Log: s.log.With("module", "api"), Metrics: s.reg, Version: s.version})
	if err != nil {
		return err
	}
	s.public = server.Handler()
	s.add("api", server.Run, nil)
	s.add("alarms to screens", s.alarmsToScreens, nil)
	return nil
}

// hosts are all names under which this installation is reached, for the one
// certificate it makes itself.
func (s *Service) hosts() []string {
	hosts := slices.Concat(s.cfg.HTTP.Hosts, s.cfg.Broker.Hosts)
	slices.SortFunc(hosts, strings.Compare)
	return slices.Compact(hosts)
}
