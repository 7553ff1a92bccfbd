package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/goccy/go-yaml"

	"monitorme/cloud/pki"
	"monitorme/cloud/registry"
	"monitorme/protocol"
)

// Serve runs a service until ctx ends and closes it. It tells systemd when it
// is ready and when it stops.
func Serve(ctx context.Context, cfg Config, log *slog.Logger, version string) error {
	s, err := New(ctx, cfg, log, version)
	if err != nil {
		return err
	}
	notify(log, daemon.SdNotifyReady)
	err = s.Run(ctx)
	notify(log, daemon.SdNotifyStopping)
	return errors.Join(err, s.Close())
}

func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("tell systemd", "state", state, "err", err)
	}
}

// Enrol makes a client certificate and writes it with its key and the
// authority's certificate into out: ca.pem, box.pem, box.key. It gives the
// certificate's fingerprint. What is there is replaced: the old certificate
// stays valid until the box is registered with the new fingerprint.
func Enrol(pkiDir, name, out string, asService bool) (string, error) {
	ca, err := pki.Open(pkiDir)
	if err != nil {
		return "", err
	}
	return enrol(ca, name, out, asService)
}

func enrol(ca *pki.Authority, name, out string, asService bool) (string, error) {
	role := pki.RoleBox
	if asService {
		role = pki.RoleService
	}
	id, err := ca.Issue(name, role)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return "", fmt.Errorf("make directory for the certificate: %w", err)
	}
	for file, content := range map[string][]byte{"ca.pem": ca.CertificatePEM(), "box.pem": id.CertPEM, "box.key": id.KeyPEM} {
		if err := os.WriteFile(filepath.Join(out, file), content, 0o600); err != nil {
			return "", fmt.Errorf("write certificate of %s: %w", name, err)
		}
	}
	return id.Fingerprint, nil
}

// A Demo says what demonstration to prepare.
type Demo struct {
	DataDir, BoxesDir, ConfigFile string
	Unit                          string
	Beds                          int
	Labels                        []string // not empty: instead of Unit and Beds, a ward of devices with these beds
	HTTP, MQTT                    string   // addresses
}

// PrepareDemo makes, or completes, a data directory with an invented ward,
// invented patients and users with known passwords, and the certificates of
// its boxes; and the configuration to run it with.
func PrepareDemo(ctx context.Context, d Demo) error {
	if len(d.Labels) > 0 {
		d.Beds = len(d.Labels)
	} else if d.Unit != string(registry.DemoUnit) || d.Beds < 1 || d.Beds > registry.DemoBeds {
		return fmt.Errorf("demo: unit %q with %d beds, want %s with 1 to %d", d.Unit, d.Beds, registry.DemoUnit, registry.DemoBeds)
	}
	for key, listen := range map[string]string{"http": d.HTTP, "mqtt": d.MQTT} {
		if !onLoopback(listen) {
			return fmt.Errorf("demo: %s address %q, want one on loopback: the demonstration's passwords are known", key, listen)
		}
	}
	cfg := Default()
	cfg.DataDir, cfg.Demo = d.DataDir, true
	cfg.HTTP.Listen, cfg.Broker.Listen = d.HTTP, d.MQTT
	cfg.complete()
	r, err := registry.Open(ctx, cfg.Registry, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	seed := r.SeedDemo
	if len(d.Labels) > 0 {
		seed = func(ctx context.Context) error { return r.SeedDevices(ctx, d.Labels) }
	}
	if err := errors.Join(seed(ctx), r.Close()); err != nil {
		return err
	}
	ca, err := pki.Open(filepath.Join(d.DataDir, "pki"))
	if err != nil {
		return err
	}
	for i := 1; i <= d.Beds; i++ {
		box := protocol.BoxID(registry.DemoBox(i))
		dir := filepath.Join(d.BoxesDir, string(box))
		if _, err := os.Stat(filepath.Join(dir, "box.key")); err == nil {
			continue
		}
		if _, err := enrol(ca, string(box), dir, false); err != nil {
			return err
		}
	}
	text, err := yaml.Marshal(map[string]any{"data_dir": d.DataDir, "demo": true,
		"http": map[string]any{"listen": d.HTTP}, "broker": map[string]any{"listen": d.MQTT}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.ConfigFile, text, 0o600); err != nil {
		return fmt.Errorf("write configuration of the demo: %w", err)
	}
	return nil
}
