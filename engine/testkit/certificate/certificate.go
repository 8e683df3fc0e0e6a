// Package certificate creates the certificates of servers on loopback in tests and measurements.
package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Name is the host that a certificate is for, in addition to 127.0.0.1.
const Name = "stentor.test"

// Pair is a certificate for Name and 127.0.0.1 (ECDSA P-256, as common authorities issue them, unless it says otherwise) and its key, both in PEM form. It
// is valid for a day.
type Pair struct{ Certificate, Key []byte }

// New creates a Pair that is self-signed.
func New() (Pair, error) {
	p, _, _, err := create(newKey, nil, nil)
	return p, err
}

// NewRSA is New with RSA-2048.
func NewRSA() (Pair, error) {
	p, _, _, err := create(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }, nil, nil)
	return p, err
}

// Issued creates a Pair that an authority of its own has signed, as browsers want it, and the authority's certificate.
func Issued() (p Pair, authority []byte, err error) {
	ca, parent, signer, err := create(newKey, nil, nil)
	if err != nil {
		return p, nil, err
	}
	p, _, _, err = create(newKey, parent, signer)
	return p, ca.Certificate, err
}

func newKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// create makes a Pair that signer signs for parent, or its own key when parent is nil: then it is an authority too.
func create(newKey func() (crypto.Signer, error), parent *x509.Certificate, signer crypto.Signer) (p Pair, made *x509.Certificate, key crypto.Signer, err error) {
	if key, err = newKey(); err != nil {
		return p, nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: Name},
		DNSNames: []string{Name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: parent == nil, BasicConstraintsValid: true,
	}
	if parent == nil {
		parent, signer = template, key
	} else {
		template.SerialNumber, template.Subject.CommonName = big.NewInt(2), "127.0.0.1"
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return p, nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return p, nil, nil, err
	}
	p.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	made, err = x509.ParseCertificate(der)
	return p, made, key, err
}

// Write writes both into dir, named as HAProxy expects: the certificate's file, which it returns, and that name with ".key".
func (p Pair) Write(dir string) (file string, err error) {
	file = filepath.Join(dir, "push.pem")
	return file, errors.Join(os.WriteFile(file, p.Certificate, 0o600), os.WriteFile(file+".key", p.Key, 0o600))
}

// ClientHello returns what a client of conf sends first: one record.
func ClientHello(conf *tls.Config) ([]byte, error) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	go func() {
		_ = tls.Client(ours, conf).Handshake()
		_ = ours.Close()
	}()
	b := make([]byte, 16<<10)
	n, err := theirs.Read(b)
	return b[:n], err
}

// Trusting returns the TLS configuration of a client that trusts the certificate. Each connection does a full handshake.
func (p Pair) Trusting() *tls.Config {
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(p.Certificate)
	return &tls.Config{RootCAs: trusted, ServerName: Name, MinVersion: tls.VersionTLS12}
}
