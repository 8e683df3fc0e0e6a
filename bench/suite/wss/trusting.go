package wss

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	"stentor/engine/testkit/certificate"
)

// trusting is the configuration of a client that trusts the certificate in file.
func trusting(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New(file + ": no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: certificate.Name, CurvePreferences: []tls.CurveID{tls.X25519}}, nil
}
