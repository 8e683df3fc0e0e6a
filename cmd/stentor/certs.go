package main

import (
	"cmp"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/cmd/stentor/config"
	"stentor/engine/certs"
	"stentor/engine/loop"
)

// loadCerts reads what the node shows its clients; nil without TLS.
func loadCerts(cfg *config.Config, log *slog.Logger) (*certs.Certs, error) {
	o, ok := cfg.CertsOptions()
	if !ok {
		return nil, nil
	}
	o.Log = log
	c, err := certs.Load(o)
	if err != nil {
		return nil, cmp.Or(cfg.CheckCerts(), err) // the first names the key as well
	}
	return c, nil
}

// tlsOptions are those of the event loops.
func tlsOptions(cfg *config.Config, c *certs.Certs) *loop.TLS {
	if c == nil {
		return nil
	}
	return &loop.TLS{Config: c.Clients(), Records: cfg.TLS.Records != "go", CipherBytes: int(cfg.TLS.CipherBytes)}
}

// scheme is that of a URL.
func scheme(plain string, secure bool) string {
	if secure {
		return plain + "s"
	}
	return plain
}

// certMetrics says when the certificates expire.
type certMetrics struct{ *certs.Certs }

var expiryDesc = prometheus.NewDesc("stentor_tls_certificate_expiry_timestamp_seconds", "When the certificate of this file expires, in unix time.", []string{"file"}, nil)

// Describe implements prometheus.Collector.
func (certMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- expiryDesc }

// Collect implements prometheus.Collector.
func (m certMetrics) Collect(ch chan<- prometheus.Metric) {
	seen := map[string]bool{}
	for _, l := range m.Leaves() {
		if !seen[l.File] {
			seen[l.File] = true
			ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(l.NotAfter.Unix()), l.File)
		}
	}
}
