package config

import (
	"crypto/tls"
	"slices"
	"time"

	"stentor/engine/certs"
	"stentor/engine/loop"
)

// tls checks the section, without its files.
func (v *validator) tls() {
	t := &v.TLS
	for i, c := range t.Certificates {
		at := item("tls.certificates", i)
		if c.Cert == "" {
			v.missing(at, "no cert, allowed: cert, a PEM file with the certificate and its chain")
		}
		if c.Key == "" {
			v.missing(at, "no key, allowed: key, a PEM file with the certificate's private key")
		}
	}
	serves := v.Listen.APITLS
	for i, text := range v.Listen.Client {
		if l, err := loop.ParseListener(text); err == nil && l.TLS {
			serves = true
			if len(t.Certificates) == 0 {
				v.missing(v.itemPath("listen.client", i), "found %q, which needs tls.certificates", text)
			}
		}
	}
	if v.Listen.APITLS && len(t.Certificates) == 0 {
		v.missing("listen.api_tls", "found true, which needs tls.certificates")
	}
	if !serves && len(t.Certificates) > 0 {
		v.bad("tls.certificates", "found certificates that no listener serves, allowed: the word tls behind an address of listen.client, as in 0.0.0.0:8443 tls, or listen.api_tls: true")
	}
	if len(t.Certificates) == 0 && (t.ClientCA != "" || t.TicketKeysFile != "") {
		v.missing("tls", "found client_ca or ticket_keys_file without certificates, allowed: certificates as well")
	}
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// CertsOptions are the options for certs.Load; ok is false when nothing is served over TLS.
func (c *Config) CertsOptions() (o certs.Options, ok bool) {
	t := &c.TLS
	o.MinVersion = versions[t.MinVersion]
	for _, one := range t.Certificates {
		o.Pairs = append(o.Pairs, certs.Pair{Cert: c.File(one.Cert), Key: c.File(one.Key)})
	}
	if t.ClientCA != "" {
		o.ClientCA = c.File(t.ClientCA)
	}
	if t.TicketKeysFile != "" {
		o.TicketKeys = c.File(t.TicketKeysFile)
	}
	return o, len(o.Pairs) > 0
}

// TLSClients reports whether a listener for clients has TLS.
func (c *Config) TLSClients() bool {
	return slices.ContainsFunc(c.Listen.Client, func(text string) bool {
		l, err := loop.ParseListener(text)
		return err == nil && l.TLS
	})
}

// CheckCerts reads the files of the section. The error is a Problems.
func (c *Config) CheckCerts() error {
	v := newValidator(c)
	o, ok := c.CertsOptions()
	if !ok {
		return nil
	}
	for i, p := range o.Pairs {
		one := certs.Options{Pairs: []certs.Pair{p}, MinVersion: o.MinVersion}
		if c.TLS.Certificates[i].Cert != "" && c.TLS.Certificates[i].Key != "" {
			at, c := item("tls.certificates", i), c.TLS.Certificates[i]
			if cert, key := v.reads(at+".cert", c.Cert), v.reads(at+".key", c.Key); cert && key {
				v.certs(at, one)
			}
		}
	}
	if o.ClientCA != "" && v.reads("tls.client_ca", c.TLS.ClientCA) {
		v.certs("tls.client_ca", certs.Options{ClientCA: o.ClientCA})
	}
	if o.TicketKeys != "" && v.reads("tls.ticket_keys_file", c.TLS.TicketKeysFile) {
		v.certs("tls.ticket_keys_file", certs.Options{TicketKeys: o.TicketKeys})
	}
	return v.problems.err()
}

// reads reports whether the file that a key names can be read.
func (v *validator) reads(path, name string) bool {
	before := len(v.problems)
	v.read(path, name)
	return len(v.problems) == before
}

func (v *validator) certs(path string, o certs.Options) {
	if _, err := certs.Load(o); err != nil {
		v.bad(path, "%v", err)
	}
}

// tls warns of keys that others can read.
func (w *warner) tls() {
	o, ok := w.CertsOptions()
	if !ok {
		return
	}
	for i, p := range o.Pairs {
		w.readable(item("tls.certificates", i)+".key", p.Key)
	}
	if o.TicketKeys != "" {
		w.readable("tls.ticket_keys_file", o.TicketKeys)
	}
}

// Dated warns of files that have had their time, or soon will. A node does so by itself (certs.Certs.Watch).
func (c *Config) Dated(now time.Time) []Problem {
	o, ok := c.CertsOptions()
	if !ok {
		return nil
	}
	v := newValidator(c)
	if served, err := certs.Load(o); err == nil {
		for i, l := range served.Leaves() {
			v.dated(item("tls.certificates", i)+".cert", c.TLS.Certificates[i].Cert, l, now)
		}
	}
	if text := certs.TicketsOld(o.TicketKeys, now); text != "" {
		v.bad("tls.ticket_keys_file", "%s, better: change the keys each day", text)
	}
	return v.problems
}

func (v *checker) dated(path, file string, l certs.Leaf, now time.Time) {
	if text := l.Dated(now); text != "" {
		v.bad(path, "%q %s", file, text)
	}
}
