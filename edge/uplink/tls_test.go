package uplink

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// An authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.file, _ = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, time.Hour)
	return a
}

// issue writes a certificate and its key to files.
func (a *authority) issue(name string, tmpl *x509.Certificate, valid time.Duration) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl.SerialNumber, tmpl.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(valid)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		a.cert, _ = x509.ParseCertificate(der)
		a.key = key
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func (a *authority) server(ip string, valid time.Duration) *tls.Config {
	a.t.Helper()
	cert, err := tls.LoadX509KeyPair(a.issue("server", &x509.Certificate{IPAddresses: []net.IP{net.ParseIP(ip)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, valid))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
}

func (a *authority) client() (certFile, keyFile string) {
	return a.issue(string(box), &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, time.Hour)
}

func TestMutualTLS(t *testing.T) {
	good, other := newAuthority(t), newAuthority(t)
	goodCert, goodKey := good.client()
	otherCert, otherKey := other.client()
	for name, tc := range map[string]struct {
		server        *tls.Config
		ca, cert, key string
		problem       string // "": it works
	}{
		"good":                       {good.server("127.0.0.1", time.Hour), good.file, goodCert, goodKey, ""},
		"broker of another":          {other.server("127.0.0.1", time.Hour), good.file, goodCert, goodKey, "not signed by a known authority: check ca_file"},
		"broker for another name":    {good.server("192.0.2.1", time.Hour), good.file, goodCert, goodKey, "is for another name"},
		"broker expired":             {good.server("127.0.0.1", -time.Hour), good.file, goodCert, goodKey, "check the clock of this box"},
		"box that nobody knows":      {good.server("127.0.0.1", time.Hour), good.file, otherCert, otherKey, "the broker refuses this box's certificate"},
		"certificate that is absent": {good.server("127.0.0.1", time.Hour), good.file, "/nonexistent/x.crt", goodKey, "client certificate: open /nonexistent/x.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.down()
			c.up(tc.server)
			r := &rig{t: t, q: openQueue(t, t.TempDir())}
			cfg := testConfig(c.addr)
			cfg.Broker = "tls://" + c.addr
			cfg.CAFile, cfg.CertFile, cfg.KeyFile = tc.ca, tc.cert, tc.key
			r.start(cfg)
			r.put()
			if tc.problem == "" {
				r.complete(c)
				return
			}
			poll(t, "told of "+tc.problem, func() bool { return strings.Contains(r.u.Problem(), tc.problem) })
			r.stop()
			if n := r.q.Stats().Entries; n != 3 {
				t.Errorf("%d entries left, want 3", n)
			}
		})
	}
}

func TestProblemsAreExplained(t *testing.T) {
	for want, err := range map[string]error{
		"nobody listens at h:1":             fmt.Errorf("dial: %w", syscall.ECONNREFUSED),
		"there is no network to h:1":        syscall.ENETUNREACH,
		"the name h cannot be resolved":     &net.DNSError{Name: "h", IsNotFound: true},
		"does not speak MQTT 3.1.1":         packets.ErrorRefusedBadProtocolVersion,
		"the broker refuses this box":       packets.ErrorRefusedNotAuthorised,
		"the broker is not available":       packets.ErrorRefusedServerUnavailable,
		"the broker at h:1 does not answer": os.ErrDeadlineExceeded,
		"connection to h:1: odd":            errors.New("odd"),
	} {
		if got := explain(err, "h:1"); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
