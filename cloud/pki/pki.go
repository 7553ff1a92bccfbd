// Package pki is the small certificate authority of an installation: it signs
// the certificate by which a box or a service proves who it is to the broker,
// and the server certificate that the broker and the web listener use until
// the hospital provides its own. Keys never leave the directory they are made
// in unless Issue hands them out, once.
//
// Certificates start in 2020, so that a box whose clock has not been set yet
// can still connect; the broker checks revocation by the registry, not by
// expiry.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"monitorme/protocol"
)

// Role is what a client certificate entitles to; it is the certificate's
// organisational unit.
type Role string

const (
	RoleBox     Role = "box"     // may speak for the box named by the common name
	RoleService Role = "service" // a module of the cloud on an external broker
)

var (
	notBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	caYears   = 40
	leafYears = 20
)

// An Authority signs certificates. It is safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
	dir  string
}

// Open loads the authority kept in dir (ca.pem, ca.key), or makes one there.
func Open(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make certificate directory: %w", err)
	}
	certPath, keyPath := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	_, certErr := os.Stat(certPath)
	_, keyErr := os.Stat(keyPath)
	if errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist) {
		if err := create(certPath, keyPath); err != nil {
			return nil, fmt.Errorf("create certificate authority in %s: %w", dir, err)
		}
	}
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, fmt.Errorf("load certificate authority in %s (restore ca.pem and ca.key from backup; without them every box must be enrolled again): %w", dir, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("load certificate authority in %s: the key cannot sign", dir)
	}
	return &Authority{cert: pair.Leaf, key: key, dir: dir,
		pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw})}, nil
}

func create(certPath, keyPath string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "MonitorMe certificate authority"},
		NotBefore:             notBefore,
		NotAfter:              notBefore.AddDate(caYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(keyPath, keyPEM, 0o600); err != nil {
		return err
	}
	return writeFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// CertificatePEM is the authority's own certificate: what clients trust.
func (a *Authority) CertificatePEM() []byte { return slices.Clone(a.pem) }

// Pool is a pool with only this authority.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// An Identity is a certificate with its key, in PEM.
type Identity struct {
	CertPEM, KeyPEM []byte
	Fingerprint     string // SHA-256 of the certificate, hex
}

// Issue makes a new client identity for a box or a service.
func (a *Authority) Issue(name string, role Role) (Identity, error) {
	if err := protocol.CheckID("name", name); err != nil {
		return Identity{}, fmt.Errorf("issue certificate: %w", err)
	}
	return a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, OrganizationalUnit: []string{string(role)}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// ServerCertificate loads the server certificate kept in the authority's
// directory (server.pem, server.key), or makes one for hosts: names and
// addresses. It is made anew when hosts are no longer covered.
func (a *Authority) ServerCertificate(hosts []string) (tls.Certificate, error) {
	certPath, keyPath := filepath.Join(a.dir, "server.pem"), filepath.Join(a.dir, "server.key")
	if pair, err := tls.LoadX509KeyPair(certPath, keyPath); err == nil {
		covered := !slices.ContainsFunc(hosts, func(h string) bool { return pair.Leaf.VerifyHostname(h) != nil })
		if covered && pair.Leaf.CheckSignatureFrom(a.cert) == nil {
			return pair, nil
		}
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "MonitorMe server"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	id, err := a.sign(template)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make server certificate: %w", err)
	}
	if err := writeFile(keyPath, id.KeyPEM, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	if err := writeFile(certPath, id.CertPEM, 0o644); err != nil {
		return tls.Certificate{}, err
	}
	return tls.LoadX509KeyPair(certPath, keyPath)
}

func (a *Authority) sign(template *x509.Certificate) (Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Identity{}, err
	}
	template.SerialNumber = serial()
	template.NotBefore = notBefore
	template.NotAfter = time.Now().AddDate(leafYears, 0, 0)
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return Identity{}, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Identity{}, err
	}
	return Identity{
		CertPEM:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		KeyPEM:      keyPEM,
		Fingerprint: fingerprint(der),
	}, nil
}

// Peer reads who a verified client certificate belongs to.
func Peer(cert *x509.Certificate) (name string, role Role, print string, err error) {
	name = cert.Subject.CommonName
	if err := protocol.CheckID("certificate common name", name); err != nil {
		return "", "", "", err
	}
	ou := cert.Subject.OrganizationalUnit
	if len(ou) != 1 || ou[0] != string(RoleBox) && ou[0] != string(RoleService) {
		return "", "", "", fmt.Errorf("certificate of %q: organisational unit %q is neither box nor service", name, ou)
	}
	return name, Role(ou[0]), fingerprint(cert.Raw), nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil { // crypto/rand does not fail
		panic(err)
	}
	return n.Add(n, big.NewInt(1))
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// writeFile writes, syncs and renames, so that a power cut leaves the old file
// or the new one.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}
