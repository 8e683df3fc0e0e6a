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
	File                string
	Names               []string // that clients may ask for
	NotBefore, NotAfter time.Time
}

func leafOf(p Pair, cert *tls.Certificate) Leaf {
	l := Leaf{File: p.Cert, Names: cert.Leaf.DNSNames, NotBefore: cert.Leaf.NotBefore, NotAfter: cert.Leaf.NotAfter}
	for _, ip := range cert.Leaf.IPAddresses {
		l.Names = append(l.Names, ip.String())
	}
	return l
}

// soon is how long before the end of a certificate the log begins to say so.
const soon = 14 * 24 * time.Hour

// Invalid says why clients refuse l now, empty when they do not for its time.
func (l Leaf) Invalid(now time.Time) string {
	switch {
	case now.After(l.NotAfter):
		return "expired at " + when(l.NotAfter) + ": clients refuse it"
	case now.Before(l.NotBefore):
		return "is valid only from " + when(l.NotBefore) + " on: clients refuse it"
	}
	return ""
}

// Dated says what a person should know about the time of l, empty when all is well for long enough.
func (l Leaf) Dated(now time.Time) string {
	left := l.NotAfter.Sub(now)
	if text := l.Invalid(now); text != "" || left >= soon {
		return text
	}
	return fmt.Sprintf("expires at %s, in %d days", when(l.NotAfter), int(left/(24*time.Hour)))
}

func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }
