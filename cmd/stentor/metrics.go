package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/auth"
	"stentor/engine/jwks"
)

// tokenMetrics exports the counters of the authenticator.
type tokenMetrics struct {
	of      *auth.Authenticator
	sources *jwks.Sources
}

func authMetrics(a *auth.Authenticator, sources *jwks.Sources) prometheus.Collector {
	return tokenMetrics{a, sources}
}

var (
	tokensVerified = prometheus.NewDesc("stentor_tokens_verified_total", "Tokens whose signature was verified and accepted.", nil, nil)
	tokensRefused  = prometheus.NewDesc("stentor_tokens_refused_total", "Tokens that were verified and refused.", nil, nil)
	tokensCached   = prometheus.NewDesc("stentor_tokens_cached_total", "Tokens accepted because they were in the cache of verified tokens.", nil, nil)
	tokensBusy     = prometheus.NewDesc("stentor_tokens_busy_total", "Clients told to retry because too many tokens were waiting.", nil, nil)
	tokensQueued   = prometheus.NewDesc("stentor_tokens_queued", "Tokens waiting for verification.", nil, nil)
	tokensParked   = prometheus.NewDesc("stentor_tokens_parked", "Tokens that no known key verifies, waiting for an identity provider to be asked.", nil, nil)
	tokensKept     = prometheus.NewDesc("stentor_tokens_cache_entries", "Verified tokens in the cache.", nil, nil)

	keysFetches = prometheus.NewDesc("stentor_keys_fetches_total", "Fetches of an identity provider's keys.", []string{"provider", "result"}, nil)
	keysKnown   = prometheus.NewDesc("stentor_keys_known", "Keys of an identity provider that verify tokens.", []string{"provider"}, nil)
	keysAge     = prometheus.NewDesc("stentor_keys_age_seconds", "Time since an identity provider's keys were fetched. It has none before the first fetch, and above auth.keys_max_age.", []string{"provider"}, nil)
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
	ch <- prometheus.MustNewConstMetric(tokensParked, prometheus.GaugeValue, float64(s.Parked))
	ch <- prometheus.MustNewConstMetric(tokensKept, prometheus.GaugeValue, float64(s.CacheEntries))
	for _, p := range m.sources.Stats() {
		ch <- prometheus.MustNewConstMetric(keysFetches, prometheus.CounterValue, float64(p.Refreshed), p.Provider, "ok")
		ch <- prometheus.MustNewConstMetric(keysFetches, prometheus.CounterValue, float64(p.Failed), p.Provider, "failed")
		ch <- prometheus.MustNewConstMetric(keysKnown, prometheus.GaugeValue, float64(p.Keys), p.Provider)
		if p.Keys > 0 {
			ch <- prometheus.MustNewConstMetric(keysAge, prometheus.GaugeValue, p.Age.Seconds(), p.Provider)
		}
	}
}
