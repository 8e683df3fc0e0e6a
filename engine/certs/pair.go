package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// Pair names the PEM files of a certificate, with its chain, and of its key.
type Pair struct{ Cert, Key string }

// parse reads a pair, and checks what would only show when a client connects.
func (p Pair) parse(files contents) (tls.Certificate, error) {
	if err := wholePEM(files[p.Cert]); err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", p.Cert, err)
	}
	cert, err := tls.X509KeyPair(files[p.Cert], files[p.Key])
	if err != nil {
		return cert, fmt.Errorf("%s with %s: %s", p.Cert, p.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return cert, fmt.Errorf("%s: %w", p.Cert, err)
		}
	}
	return cert, nil
}

// Leaf is a certificate that is served.
type Leaf struct {
	File     string
	Names    []string // that clients may ask for
	NotAfter time.Time
}

func leafOf(p Pair, cert *tls.Certificate) Leaf {
	l := Leaf{File: p.Cert, Names: cert.Leaf.DNSNames, NotAfter: cert.Leaf.NotAfter}
	for _, ip := range cert.Leaf.IPAddresses {
		l.Names = append(l.Names, ip.String())
	}
	return l
}

// soon is how long before the end of a certificate the log begins to say so.
const soon = 14 * 24 * time.Hour

// Expiring says what a person should know about the end of l, empty when there is time.
func (l Leaf) Expiring(now time.Time) string {
	left := l.NotAfter.Sub(now)
	switch {
	case left <= 0:
		return fmt.Sprintf("it expired at %s: clients refuse it", l.NotAfter.UTC().Format(time.RFC3339))
	case left < soon:
		return fmt.Sprintf("it expires at %s, in %d days", l.NotAfter.UTC().Format(time.RFC3339), int(left/(24*time.Hour)))
	}
	return ""
}
