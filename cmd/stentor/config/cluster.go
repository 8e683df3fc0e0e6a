package config

import (
	"crypto/x509"
	"slices"

	"stentor/engine/directory"
)

// advertised checks the addresses that the node tells others.
func (v *validator) advertised() {
	a := &v.Advertise
	for i, text := range a.Clients {
		if err := directory.CheckURL(text, "ws", "wss"); err != nil {
			v.bad(v.itemPath("advertise.clients", i), "found %q: %v, allowed: an address as in wss://push-1.example.com/ws", text, err)
		}
	}
	if n := len(a.Clients); n > directory.MaxURLs {
		v.bad("advertise.clients", "found %d addresses, allowed: at most %d", n, directory.MaxURLs)
	}
	if a.API != "" {
		if err := directory.CheckURL(a.API, "http", "https"); err != nil {
			v.bad("advertise.api", "found %q: %v, allowed: an address as in http://10.0.0.5:8081", a.API, err)
		}
	}
}

// key checks the cluster's key, as far as it is in the configuration itself.
func (v *checker) key(c *Cluster) {
	switch {
	case c.Key != "" && c.KeyFile != "":
		v.bad("cluster", "found both key and key_file, allowed: only one of them")
	case c.Key != "" && len(c.Key) < directory.MinKeyBytes:
		v.bad("cluster.key", "found a key of %d bytes, allowed: at least %d", len(c.Key), directory.MinKeyBytes)
	}
}

// readKey returns the key, nil when there is none.
func (v *checker) readKey(c *Cluster) []byte {
	if c.KeyFile == "" {
		return []byte(c.Key)
	}
	key := Secret(v.read("cluster.key_file", c.KeyFile))
	if n := len(key); n > 0 && n < directory.MinKeyBytes {
		v.bad("cluster.key_file", "found a key of %d bytes in %q, allowed: at least %d", n, c.KeyFile, directory.MinKeyBytes)
	}
	return key
}

// ClusterSecrets reads the files that cluster names: the key, nil when there is none, and the certificates to trust for the
// nodes' https addresses, nil for those of the system.
func (c *Config) ClusterSecrets() (key []byte, ca *x509.CertPool, err error) {
	v := newValidator(c)
	key = v.readKey(&c.Cluster)
	if c.Cluster.CA != "" {
		ca = x509.NewCertPool()
		if text := v.read("cluster.ca", c.Cluster.CA); len(v.problems) == 0 && !ca.AppendCertsFromPEM(text) {
			v.bad("cluster.ca", "found %q, which has no certificate, allowed: a PEM file", c.Cluster.CA)
		}
	}
	return key, ca, v.problems.err()
}

// cluster warns of settings that keep clients that ask where to connect from this node.
func (w *warner) cluster() {
	c := w.Config
	hasKey := c.Cluster.Key != "" || c.Cluster.KeyFile != ""
	if c.Cluster.KeyFile != "" {
		w.readable("cluster.key_file", w.File(c.Cluster.KeyFile))
	}
	switch {
	case c.Bus != "kafka" && len(c.Advertise.Clients) == 0:
	case len(c.Advertise.Clients) == 0:
		w.warn("advertise.clients", "clients that ask for a node are not sent to this one, since it has no address here; this is right behind a proxy")
	case c.Bus == "kafka" && !hasKey:
		w.warn("cluster", "nothing is advertised without cluster.key: this node's addresses could not be distinguished from forged ones, better: a key, the same on all nodes")
	}
	if len(c.Advertise.Clients) == 0 {
		return
	}
	for i := range c.Endpoints {
		if len(c.Endpoints[i].Origins) == 0 {
			path := item("endpoints", i) + ".origins"
			w.warn(path, "web pages are refused with 403 at the addresses of advertise.clients unless they come from there: a page's own host is another one, better: the origins of your pages")
		}
	}
}

// warnsOfPages reports whether cluster warns of endpoints without origins.
func (c *Config) warnsOfPages() bool {
	return len(c.Advertise.Clients) > 0 && slices.ContainsFunc(c.Endpoints, func(e Endpoint) bool { return len(e.Origins) == 0 })
}
