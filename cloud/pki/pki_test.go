package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, certPEM []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestAnAuthoritySurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := first.Issue("box-01", RoleBox)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, id.CertPEM)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: again.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("certificate of the first opening does not verify after the second: %v", err)
	}
	name, role, print, err := Peer(cert)
	if err != nil || name != "box-01" || role != RoleBox || print != id.Fingerprint {
		t.Errorf("Peer = %q, %q, %q, %v", name, role, print, err)
	}
}

func TestABoxWithAClockInThePastIsNotLockedOut(t *testing.T) {
	a, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := a.ServerCertificate([]string{"localhost", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(server.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), CurrentTime: at, DNSName: "localhost"}); err != nil {
		t.Errorf("server certificate seen by a box that thinks it is 2021: %v", err)
	}
}

func TestAServerCertificateIsKeptUntilItsHostsChange(t *testing.T) {
	a, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	one, err := a.ServerCertificate([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	same, _ := a.ServerCertificate([]string{"localhost"})
	other, _ := a.ServerCertificate([]string{"localhost", "ward.example"})
	if string(one.Certificate[0]) != string(same.Certificate[0]) {
		t.Error("the same hosts got a new certificate")
	}
	if string(one.Certificate[0]) == string(other.Certificate[0]) {
		t.Error("a new host did not get a new certificate")
	}
}

func TestKeysAreReadableByTheirOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.ServerCertificate([]string{"localhost"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.key", "server.key"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, info.Mode().Perm())
		}
	}
}

func TestADamagedAuthorityIsNotReplacedSilently(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "restore ca.pem and ca.key") {
		t.Errorf("Open without the key = %v, want an error that says what to restore", err)
	}
}

func TestCertificatesThatAreNotOursAreRefused(t *testing.T) {
	a, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Issue("../box", RoleBox); err == nil {
		t.Error("a name with a slash was signed")
	}
	server, err := a.ServerCertificate([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(server.Certificate[0])
	if _, _, _, err := Peer(leaf); err == nil {
		t.Error("a server certificate passed as a client")
	}
	var _ tls.Certificate = server
}
