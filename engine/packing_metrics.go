package engine

import (
	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/websocket"
)

var (
	compressionDesc     = prometheus.NewDesc("stentor_compression_handshakes_total", "Handshakes at endpoints with compression: agreed, not_offered, or declined because of window, parameters or webkit.", []string{"result"}, nil)
	packedDesc          = prometheus.NewDesc("stentor_compression_pushes_total", "Pushes to topics while a session accepted compressed ones, by what became of them: compressed, or plain because they were small, large or incompressible, because the time for it was used up (limited), or because other publishers were compressing (busy).", []string{"result"}, nil)
	packedBytesDesc     = prometheus.NewDesc("stentor_compression_bytes_total", "Bytes of the pushes that were compressed, before and after it. Each push is compressed once.", []string{"when"}, nil)
	packedSecondsDesc   = prometheus.NewDesc("stentor_compression_seconds_total", "Time that compression has taken.", nil, nil)
	inflatedBytesDesc   = prometheus.NewDesc("stentor_decompression_bytes_total", "Bytes of stentor_decompression_messages_total, before and after decompression.", []string{"when"}, nil)
	packingSessionsDesc = prometheus.NewDesc("stentor_compression_sessions", "Sessions that accept compressed pushes.", []string{"project"}, nil)
)

// collectCompression adds the metrics of permessage-deflate.
func (n *Node) collectCompression(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	var handshakes [websocket.Compressions]uint64
	var came, inflated uint64
	for _, s := range n.shards {
		stats := s.Stats()
		for i := range handshakes {
			handshakes[i] += stats.Compression[i].Load()
		}
		came += stats.UnpackedBytes.Load()
		inflated += stats.InflatedBytes.Load()
	}
	for c := websocket.CompressionOff + 1; c < websocket.Compressions; c++ {
		count(compressionDesc, float64(handshakes[c]), c.String())
	}
	for o := range packOutcomes {
		count(packedDesc, float64(n.packing.outcomes[o].Load()), o.String())
	}
	count(packedBytesDesc, float64(n.packing.before.Load()), "before")
	count(packedBytesDesc, float64(n.packing.after.Load()), "after")
	count(packedSecondsDesc, float64(n.packing.took.Load())/1e9)
	count(inflatedBytesDesc, float64(came), "before")
	count(inflatedBytesDesc, float64(inflated), "after")
	for name, p := range *n.tenants.Load() {
		ch <- prometheus.MustNewConstMetric(packingSessionsDesc, prometheus.GaugeValue, float64(p.packing.Load()), name)
	}
}
