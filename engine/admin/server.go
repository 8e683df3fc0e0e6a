package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	defaultConns      = 512
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	// writeTimeout counts from the end of the request's header, so it has room for the body and a push's wait.
	writeTimeout   = 60 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBlock = 16 << 10
)

// ServerOptions say what a Server serves and how much of it.
type ServerOptions struct {
	Handler http.Handler
	// MaxConns bounds the open connections; 0 stands for 512. A few more are open for up to a second while they
	// are told 503.
	MaxConns int
	// Registerer takes the metrics of connections; nil for none.
	Registerer prometheus.Registerer
	Log        *slog.Logger // nil for slog's default
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
	s := &Server{
		http: http.Server{
			Handler:           o.Handler,
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBlock,
			ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		},
		conns: conns{
			max:    o.MaxConns,
			full:   fullAnswer(),
			now:    time.Now,
			linger: make(chan struct{}, maxLinger),
			evicted: prometheus.NewCounter(prometheus.CounterOpts{Name: "stentor_api_connections_evicted_total",
				Help: "Idle connections of the HTTP API that were closed to let another one in."}),
			refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "stentor_api_connections_refused_total",
				Help: "Connections of the HTTP API that were answered 503 because all were in use."}),
		},
	}
	s.http.ConnState = s.conns.state
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	register(o.Registerer, s.conns.evicted, s.conns.refused,
		gauge("stentor_api_connections", "Open connections of the HTTP API.", func() int { n, _ := s.conns.counts(); return n }),
		gauge("stentor_api_connections_idle", "Open connections of the HTTP API without a request.", func() int { _, n := s.conns.counts(); return n }),
		gauge("stentor_api_connections_limit", "The most connections that the HTTP API holds.", func() int { return o.MaxConns }))
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
	s.conns.leaving.Wait() // at most lingerTime
	return err
}

// Close closes every connection at once.
func (s *Server) Close() error {
	err := s.http.Close()
	s.conns.leaving.Wait()
	return err
}
