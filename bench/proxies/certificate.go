package proxies

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const serverName = "stentor.test"

// certificate makes a certificate (ECDSA P-256, as the usual authorities issue them) and its key in dir, named as HAProxy
// wants to find them, and what a client needs that trusts it. Each of its connections makes a full handshake.
func certificate(dir string) (file string, trusting *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", nil, err
	}
	file = filepath.Join(dir, "push.pem")
	err = errors.Join(
		os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	)
	if err != nil {
		return "", nil, err
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return "", nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(made)
	return file, &tls.Config{RootCAs: trusted, ServerName: serverName, MinVersion: tls.VersionTLS12}, nil
}
