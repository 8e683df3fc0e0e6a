package admin

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the requests. A label never contains what a client sent: routes are the server's, unknown methods are OTHER.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	panics   prometheus.Counter
	refused  *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stentor_api_requests_total",
			Help: "Requests of the HTTP API by route, method and status."}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "stentor_api_request_seconds",
			Help:    "Time from the header of the request to the end of the answer, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "stentor_api_panics_total",
			Help: "Handlers of the HTTP API that panicked."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stentor_api_refused_total",
			Help: "Requests of the HTTP API that were refused because their key's owner uses up its share of a limit, or others use up the limit (full); limit is its key below limits: in the configuration, or turns for the processing time."},
			[]string{"limit", "reason"}),
	}
	register(r, m.requests, m.seconds, m.panics, m.refused)
	return m
}

// register is MustRegister; it does nothing without a Registerer.
func register(r prometheus.Registerer, all ...prometheus.Collector) {
	if r != nil {
		r.MustRegister(all...)
	}
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func (m *metrics) request(route, method string, status int, took time.Duration) {
	if !slices.Contains(methods, method) {
		method = "OTHER"
	}
	if status == 0 {
		status = 200 // what net/http sends for a handler that wrote nothing
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}
