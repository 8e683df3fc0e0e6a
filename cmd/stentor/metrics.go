package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/auth"
)

// tokenMetrics exports the counters of the authenticator.
type tokenMetrics struct{ of *auth.Authenticator }

func authMetrics(a *auth.Authenticator) prometheus.Collector { return tokenMetrics{a} }

var (
	tokensVerified = prometheus.NewDesc("stentor_tokens_verified_total", "Tokens whose signature was verified and accepted.", nil, nil)
	tokensRefused  = prometheus.NewDesc("stentor_tokens_refused_total", "Tokens that were verified and refused.", nil, nil)
	tokensCached   = prometheus.NewDesc("stentor_tokens_cached_total", "Tokens accepted because they were in the cache of verified tokens.", nil, nil)
	tokensBusy     = prometheus.NewDesc("stentor_tokens_busy_total", "Clients told to retry because too many tokens were waiting.", nil, nil)
	tokensQueued   = prometheus.NewDesc("stentor_tokens_queued", "Tokens waiting for verification.", nil, nil)
	tokensKept     = prometheus.NewDesc("stentor_tokens_cache_entries", "Verified tokens in the cache.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m tokenMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m tokenMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.of.Stats()
	counter := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	counter(tokensVerified, s.Verified)
	counter(tokensRefused, s.Refused)
	counter(tokensCached, s.CacheHits)
	counter(tokensBusy, s.Busy)
	ch <- prometheus.MustNewConstMetric(tokensQueued, prometheus.GaugeValue, float64(s.Queued))
	ch <- prometheus.MustNewConstMetric(tokensKept, prometheus.GaugeValue, float64(s.CacheEntries))
}
