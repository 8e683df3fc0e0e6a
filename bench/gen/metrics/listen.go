package metrics

import (
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"stentor/bench/gen/result"
)

// Exporter serves the metrics of one run.
type Exporter struct {
	server *http.Server
	ended  chan struct{}
	addr   net.Addr

	mu      sync.Mutex
	phase   string
	totals  result.Totals
	last    result.Second
	buckets map[float64]uint64 // by upper bound in seconds
	count   uint64
	sum     float64 // seconds
}

// bounds are the upper ends of the latency's buckets.
var bounds = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, time.Minute,
}

// Listen serves /metrics at an address, host:port.
func Listen(address string) (*Exporter, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	e := &Exporter{ended: make(chan struct{}), addr: l.Addr(), buckets: map[float64]uint64{}}
	for _, b := range bounds {
		e.buckets[b.Seconds()] = 0
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(e)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	e.server = &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go func() {
		defer close(e.ended)
		_ = e.server.Serve(l) // until Close
	}()
	return e, nil
}

// Addr is where it listens.
func (e *Exporter) Addr() net.Addr { return e.addr }

// Close ends it.
func (e *Exporter) Close() {
	_ = e.server.Close() // nobody is owed an answer
	<-e.ended
}

// Second adds a run's last second. The caller passes each second once.
func (e *Exporter) Second(phase string, totals result.Totals, last result.Second) {
	h, err := last.Latency.Decode()
	e.mu.Lock()
	defer e.mu.Unlock()
	totals.Failures = maps.Clone(totals.Failures)
	e.phase, e.totals, e.last = phase, totals, last
	if err != nil {
		return
	}
	within, sum := h.Within(bounds)
	for i, n := range within {
		e.buckets[bounds[i].Seconds()] += n
	}
	e.count += uint64(last.Latency.Count)
	e.sum += sum.Seconds()
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("stentor_bench_"+name, help, labels, nil)
}

var (
	connections = desc("connections", "Connections of this generator.", "state")
	phases      = desc("phase", "1 for the current phase of the run.", "phase")
	opened      = desc("opened_total", "Connections that were opened, subscriptions included.")
	dropped     = desc("dropped_total", "Connections that the generator dropped.")
	pushes      = desc("pushes_total", "Messages that the server accepted.")
	retried     = desc("pushes_retried_total", "Pushes that were sent again because the server refused them temporarily.")
	deliveries  = desc("deliveries_total", "Messages that arrived.")
	wrong       = desc("messages_wrong_total", "Wrong messages: lost, repeated, out of order, corrupted or misrouted.", "kind")
	failures    = desc("failures_total", "Connections and pushes that failed.", "cause")
	missed      = desc("heartbeats_missed_total", "Heart-beats of the server that were missed.")
	resumes     = desc("resumes_total", "Subscriptions that resumed.", "resumed")
	latency     = desc("delivery_latency_seconds", "Time from when a message was due until it was read.")
)

// Describe implements prometheus.Collector.
func (e *Exporter) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connections, phases, opened, dropped, pushes, retried, deliveries, wrong, failures, missed, resumes, latency} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (e *Exporter) Collect(to chan<- prometheus.Metric) {
	e.mu.Lock()
	phase, t, s, count, sum, buckets := e.phase, e.totals, e.last, e.count, e.sum, maps.Clone(e.buckets)
	e.mu.Unlock()
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(max(v, 0)), labels...)
	}
	gauge(connections, s.Connected, "open")
	gauge(connections, s.Slow, "slow")
	gauge(connections, s.Opening, "opening")
	if phase != "" {
		gauge(phases, 1, phase)
	}
	counter(opened, t.Opened)
	counter(dropped, t.Dropped)
	counter(pushes, t.Pushed)
	counter(retried, t.PushesRetried)
	counter(deliveries, t.Delivered)
	counter(missed, t.HeartbeatsMissed)
	counter(resumes, t.Resumed, "true")
	counter(resumes, t.NotResumed, "false")
	counter(wrong, t.Order.Lost, "lost")
	counter(wrong, t.Order.Repeated, "repeated")
	counter(wrong, t.Order.Reordered, "reordered")
	counter(wrong, t.Order.Corrupted, "corrupted")
	counter(wrong, t.Order.Misrouted, "misrouted")
	seen := map[string]int64{}
	for cause, n := range t.Failures { // what a server says may be no UTF-8, and the same when that is mended
		seen[strings.ToValidUTF8(cause, "�")] += n
	}
	for cause, n := range seen {
		counter(failures, n, cause)
	}
	to <- prometheus.MustNewConstHistogram(latency, count, sum, buckets)
}
