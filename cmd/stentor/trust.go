package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/pflag"
)

// trustFlags are the flags of commands that connect over TLS.
type trustFlags struct {
	ca       string
	insecure bool
}

func (f *trustFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.ca, "ca", "", "PEM file with the certificates to trust for https:// and wss:// (default: the system's)")
	flags.BoolVar(&f.insecure, "insecure", false, "trust any certificate: whoever is in between can read the key and the messages")
}

// config returns what a client trusts, nil for the certificates of the system.
func (f *trustFlags) config() (*tls.Config, error) {
	switch {
	case f.insecure && f.ca != "":
		return nil, usagef("found both --ca and --insecure, allowed: one of them")
	case f.insecure:
		return &tls.Config{InsecureSkipVerify: true}, nil
	case f.ca == "":
		return nil, nil
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, usagef("--ca: found no certificate in %s, allowed: a PEM file", f.ca)
	}
	return &tls.Config{RootCAs: roots}, nil
}

// explain says what to do about a certificate that is not trusted. It returns nil for every other error.
func (f *trustFlags) explain(err error, address string) error {
	var unknown *tls.CertificateVerificationError
	if !errors.As(err, &unknown) {
		return nil
	}
	return fmt.Errorf("the certificate of %s is not trusted (%v); --ca names those to trust, --insecure trusts any", address, unknown.Err)
}

// client is for requests to the API.
func (f *trustFlags) client() (*http.Client, error) {
	trusted, err := f.config()
	if err != nil || trusted == nil {
		return http.DefaultClient, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = trusted
	return &http.Client{Transport: t}, nil
}
