package admin

import (
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/refusal"
)

const (
	defaultConns      = 512
	readHeaderTimeout = 5 * time.Second
	// writeTimeout is only for answers that bypass writer, whose writes have deadlines of their own.
	writeTimeout   = 60 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBlock = 16 << 10
)

// ServerOptions say what a Server serves and how much of it.
type ServerOptions struct {
	Handler http.Handler
	// MaxConns bounds the open connections, two at least; 0 stands for 512. A sixteenth of them never has a request with a
	// key: probes and newcomers always get in. A few more are open for up to a second while they are being closed.
	MaxConns int
	// TLS is served when it is there; http/1.1 is the only protocol.
	TLS *tls.Config
	// Registerer takes the metrics of connections; nil for none.
	Registerer prometheus.Registerer
	// Refusals counts and logs connections that are closed before they send a request; nil for nobody.
	Refusals *refusal.Log
	Log      *slog.Logger // nil for slog's default
}

// Server is an http.Server with bounds: its connections, their idle and busy times, and their headers. Methods may be
// called from any goroutine.
type Server struct {
	http  http.Server
	conns conns
}

// NewServer returns a server that does not listen yet.
func NewServer(o ServerOptions) *Server {
	if o.MaxConns == 0 {
		o.MaxConns = defaultConns
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	reserve := max(1, o.MaxConns/16)
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stentor_api_connections_refused_total",
		Help: "Requests of the HTTP API that were refused because their key's owner uses up its share of the connections, or others use up all of them (full)."}, []string{"reason"})
	s := &Server{
		http: http.Server{
			Handler:           skipping(o.Handler),
			ReadHeaderTimeout: readHeaderTimeout, // bodies have deadlines of their own, see incoming
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBlock,
			ErrorLog:          log.New(&occasionally{log: o.Log}, "", 0),
		},
		conns: conns{
			max:      o.MaxConns,
			reserve:  reserve,
			tls:      o.TLS,
			keyed:    newShares(int64(o.MaxConns-reserve), connShare, "connections", "api_connections", refused),
			full:     fullAnswer(),
			refusals: o.Refusals,
			linger:   make(chan struct{}, maxLinger),
			evicted: prometheus.NewCounter(prometheus.CounterOpts{Name: "stentor_api_connections_evicted_total",
				Help: "Connections of the HTTP API without a valid key that were closed to accept another one."}),
		},
	}
	s.http.ConnContext = s.conns.context
	s.http.ConnState = s.conns.state
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	if o.TLS != nil {
		register(o.Registerer, newHandshakes(&s.conns.failures))
	}
	register(o.Registerer, s.conns.evicted, refused,
		gauge("stentor_api_connections", "Open connections of the HTTP API.", func() int { n, _ := s.conns.counts(); return n }),
		gauge("stentor_api_connections_idle", "Open connections of the HTTP API without a valid key.", func() int { _, n := s.conns.counts(); return n }),
		gauge("stentor_api_connections_limit", "Limit of the connections of the HTTP API.", func() int { return o.MaxConns }))
	return s
}

// Serve accepts connections of l until Shutdown or Close, and then returns http.ErrServerClosed. A server serves one
// listener.
func (s *Server) Serve(l net.Listener) error {
	s.conns.Listener = l
	return s.http.Serve(&s.conns)
}

// Shutdown stops accepting, waits for the requests under way, and returns ctx's error when that is over first.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.conns.end()
	return err
}

// Close closes every connection at once.
func (s *Server) Close() error {
	err := s.http.Close()
	s.conns.end()
	return err
}

// occasionally passes on the log lines of net/http, at most one a second: it writes some for each request.
type occasionally struct {
	log  *slog.Logger
	last atomic.Int64 // unix seconds
}

// Write implements io.Writer.
func (o *occasionally) Write(line []byte) (int, error) {
	if now := time.Now().Unix(); o.last.Swap(now) != now {
		o.log.Warn("HTTP server", "text", strings.TrimSpace(string(line)))
	}
	return len(line), nil
}
