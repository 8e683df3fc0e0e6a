package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// authorities reads certificates, of which all must be good.
func authorities(text []byte) (*x509.CertPool, error) {
	if err := wholePEM(text); err != nil {
		return nil, err
	}
	pool, found := x509.NewCertPool(), 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("found a certificate that cannot be read: %w", err)
		}
		pool.AddCert(cert)
		found++
	}
	if found == 0 {
		return nil, errors.New("found no certificate")
	}
	return pool, nil
}

// wholePEM refuses a file that is half written. Parsers pass over a block that is not whole: an authority would be missing, or a
// part of the chain, until the file is read again.
func wholePEM(text []byte) error {
	begun, whole := 0, 0
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("-----BEGIN ")) {
			begun++
		}
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		whole++
	}
	if whole < begun {
		return fmt.Errorf("found %d blocks of PEM of which %d are whole", begun, whole)
	}
	return nil
}
