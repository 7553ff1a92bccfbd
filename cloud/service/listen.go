package service

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"monitorme/cloud/peer"
)

// openListeners opens the ports, so that a busy one is found before anything
// starts.
func (s *Service) openListeners(context.Context) error {
	ops := s.operations()
	if s.public != nil {
		mux := http.NewServeMux()
		mux.Handle("/", s.public)
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			mux.Handle(path, ops)
		}
		if err := s.listen("http", s.cfg.HTTP.Listen, s.cfg.HTTP.CertFile, s.cfg.HTTP.KeyFile, mux); err != nil {
			return err
		}
	}
	if s.cfg.Internal.Listen == "" {
		return nil
	}
	token, err := s.cfg.Peers.Token()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/internal/", peer.RequireToken(token, s.internal))
	mux.Handle("/", ops)
	return s.listen("internal", s.cfg.Internal.Listen, s.cfg.Internal.CertFile, s.cfg.Internal.KeyFile, mux)
}

// certificate loads the configured certificate, or the one that the
// installation makes itself.
func (s *Service) certificate(certFile, keyFile string) (tls.Certificate, error) {
	if certFile == "" {
		return s.ca.ServerCertificate(s.hosts())
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return cert, fmt.Errorf("load certificate: %w", err)
	}
	return cert, nil
}

func (s *Service) listen(key, address, certFile, keyFile string, h http.Handler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("open port %s (is another MonitorMe or web server running there? %s.listen changes it): %w", address, key, err)
	}
	s.closers = append(s.closers, func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	scheme := "http"
	if certFile != "" || !onLoopback(address) {
		cert, err := s.certificate(certFile, keyFile)
		if err != nil {
			return err
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
		scheme = "https"
	}
	s.addresses[key] = l.Addr().String()
	s.add(key+" listener", func(ctx context.Context) error {
		s.log.Info("listening", "for", key, "address", scheme+"://"+l.Addr().String())
		return serve(ctx, l, h, s.log)
	}, nil)
	return nil
}

// serve answers requests until ctx ends; streams end with it.
func serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		within, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(within), server.Close())
	})
	err := server.Serve(l)
	if !stop() {
		<-stopped
	}
	return err
}

// health is the answer of /healthz and /readyz.
type health struct {
	Status  string            `json:"status"` // ok or degraded
	Version string            `json:"version"`
	Parts   map[string]string `json:"parts"` // ok, or what is wrong
}

func (s *Service) health() health {
	h := health{Status: "ok", Version: s.version, Parts: map[string]string{}}
	for i := range s.parts {
		h.Parts[s.parts[i].name] = "ok"
		if err := s.parts[i].health(); err != nil {
			h.Parts[s.parts[i].name], h.Status = err.Error(), "degraded"
		}
	}
	return h
}

// operations answers what operators and their tools ask: is it alive, is it
// ready, and the metrics.
func (s *Service) operations() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int) {
		h := s.health()
		if h.Status == "ok" {
			status = http.StatusOK
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(h); err != nil {
			s.log.Debug("answer health check", "err", err)
		}
	}
	// Alive as long as it answers; the body says what is degraded.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusServiceUnavailable) })
	mux.Handle("GET /metrics", localOnly(promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{})))
	return mux
}

// localOnly lets only this machine read: metrics tell much about a house.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			http.Error(w, "metrics are read on this machine only: let the collector run here, or reach it through a tunnel", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
